"""The few calls that the operator makes to the API server, each counted."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config

from ocr_operator.limits import QPS, Bucket, EventLimit
from ocr_operator.metrics import Metrics
from ocr_operator.names import API_VERSION, CHILD_KINDS, FIELD_MANAGER, KIND, PLURAL
from ocr_operator.text import as_yaml, parsed

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
TIMEOUT_S = 30.0
PAGE = 250
RESETTER = f"{FIELD_MANAGER}-reset"
DISOWN_TRIES = 5
ALLOCATED = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
"""What the API server gives a Service once and for all."""
NO_VERSION = "1"
"""A resource version that no object has, so an apply that names it makes a new object or meets a conflict."""
APPLY = "application/apply-patch+yaml; charset=utf-8"
UNTYPED = "failed to create typed patch object"
"""How the API server says, with status 500, that a manifest has a field that its kind has not."""

KINDS: dict[str, tuple[str, str]] = {
    KIND: (API_VERSION, PLURAL),
    "Pod": ("v1", "pods"),
    "Node": ("v1", "nodes"),
    "Event": ("events.k8s.io/v1", "events"),
    **{kind: (api_version, plural) for api_version, kind, plural in CHILD_KINDS},
}


class RefusedError(Exception):
    """The API server understood and said no: asking again with the same words is no use. The message is for people."""


class ForbiddenError(RefusedError):
    """The operator lacks a permission."""


class ExistsError(RefusedError):
    """What was to be made anew exists already."""


class UnreachableError(Exception):
    """The API server did not answer."""


class BusyError(UnreachableError):
    """The API server, or a webhook that it asks, answered that this cannot be done now. `retry_after_s` where it said when."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotLeadingError(Exception):
    """Another replica may hold the lease by now, so nothing may be written."""


class Kube:
    """Calls by kind, namespace and name; bodies are JSON objects.

    `qps`: so many a second at most over any length of time, twice as many at once.
    """

    def __init__(self, api: client.ApiClient, metrics: Metrics, qps: float = QPS) -> None:
        self.api = api
        self._metrics = metrics
        self._events = EventLimit()
        self._requests = Bucket(2 * qps, qps)
        self.may_write: Callable[[], bool] = lambda: True
        """Asked before each write; NotLeadingError is raised where it says no."""
        self.answered_at = time.monotonic()
        """When the API server last answered anything, by the monotonic clock."""

    async def get(self, kind: str, namespace: str, name: str, *, at_any_age: bool = False) -> dict[str, Any] | None:
        """The object, or None where there is none (or no such kind).

        `at_any_age`: as the API server remembers it, which asks no more of etcd; that may be the truth of a moment ago.
        """
        try:
            return await self._send("GET", _path(kind, namespace, name), {"resourceVersion": "0" if at_any_age else ""})
        except _NotFoundError:
            return None

    async def pages(self, kind: str, namespace: str | None, selector: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        """The objects of a namespace, or of all for None, some at a time; none where the cluster has no such kind.

        They bear kind and apiVersion, which lists leave out of their items.
        """
        path, api_version, more = _path(kind, namespace), KINDS[kind][0], ""
        self._metrics.lists.labels(kind).inc()
        while True:
            try:
                answer = await self._send("GET", path, {"labelSelector": selector, "limit": str(PAGE), "continue": more})
            except _NotFoundError:
                return
            yield [{"kind": kind, "apiVersion": api_version, **item} for item in answer.get("items", ())]
            more = answer.get("metadata", {}).get("continue", "")
            if not more:
                return

    async def newest_version(self, kind: str, namespace: str | None) -> int | None:
        """The resource version of the whole cluster now; None where it does not know `kind`."""
        try:
            answer = await self._send("GET", _path(kind, namespace), {"limit": "1"})
        except _NotFoundError:
            return None
        return int(answer["metadata"]["resourceVersion"])

    async def may_watch(self, kind: str, namespace: str | None) -> bool:
        """Whether `kind` may be watched, found out by a watch that is cut off as soon as it begins."""
        version = await self.newest_version(kind, namespace)
        query = {"watch": "true", "timeoutSeconds": "1", "resourceVersion": str(version)}
        try:
            await self._send("GET", _path(kind, namespace), query, is_watch=True)
        except ForbiddenError:
            return False
        return True

    async def has_kind(self, kind: str, namespace: str | None) -> bool:
        """Whether the cluster knows `kind`. Raises RefusedError where it may not be listed."""
        try:
            await self._send("GET", _path(kind, namespace), {"limit": "1"})
        except _NotFoundError:
            return False
        return True

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False, is_new: bool = False) -> dict[str, Any]:
        """Server-side apply with force: fields of the manifest are ours from then on; the object as it is then.

        `is_new`: only makes an object. Raises ExistsError where there is one of that name, whoever was faster.
        """
        if is_new:
            manifest = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": NO_VERSION}}
        try:
            return await self._patch(manifest, manifest["kind"], dry_run)
        except _ConflictError as error:
            raise (ExistsError if is_new else RefusedError)(str(error)) from None
        except _NotFoundError as error:
            raise RefusedError(_no_such(manifest, str(error))) from None

    async def reset(self, manifest: Mapping[str, Any], live: Mapping[str, Any], *, dry_run: bool = False) -> None:
        """Takes from the object what others put beside our fields, where these cannot be applied next to it; then `apply` it.

        Server-side apply leaves alone what others set: a second source of a volume, a second port of the same name.
        """
        metadata = manifest["metadata"]
        patch = [
            {"op": "add", "path": f"/{key}", "value": _with_allocated(key, value, live)}
            for key, value in manifest.items()
            if key not in ("apiVersion", "kind", "metadata")
        ]
        path = _path(manifest["kind"], metadata["namespace"], metadata["name"])
        await self._patch_json(path, manifest["kind"], patch, dry_run=dry_run)

    async def disown(self, manifest: Mapping[str, Any]) -> None:
        """Takes back the note that `reset` has set fields, lest they stay when they are no longer applied."""
        metadata = manifest["metadata"]
        path = _path(manifest["kind"], metadata["namespace"], metadata["name"])
        for _ in range(DISOWN_TRIES):
            body = await self._send("GET", path)
            entries = [entry for entry in body["metadata"].get("managedFields", ()) if entry.get("manager") != RESETTER]
            if len(entries) == len(body["metadata"].get("managedFields", ())):
                return
            version = {"op": "replace", "path": "/metadata/resourceVersion", "value": body["metadata"]["resourceVersion"]}
            patch = [version, {"op": "replace", "path": "/metadata/managedFields", "value": entries}]
            try:
                await self._patch_json(path, manifest["kind"], patch, dry_run=False)
            except _ConflictError:
                continue  # a controller has written its status meanwhile
            return

    async def _patch_json(self, path: str, kind: str, patch: list[dict[str, Any]], *, dry_run: bool) -> None:
        if not dry_run:
            self._metrics.writes.labels("reset", kind).inc()
        query = {"fieldManager": RESETTER, "fieldValidation": "Strict", "dryRun": "All" if dry_run else ""}
        await self._send("PATCH", path, query, body=patch, content_type="application/json-patch+json")

    async def apply_status(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        """Applies the status of an OCRService; None where the object is gone."""
        try:
            return await self._patch(manifest, manifest["kind"], dry_run=False, subresource="status")
        except _NotFoundError:
            return None

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Deletes that very object; does nothing where it is gone or another one has taken its name."""
        self._metrics.writes.labels("delete", kind).inc()
        try:
            body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
            await self._send("DELETE", _path(kind, namespace, name), body=body)
        except (_NotFoundError, _ConflictError):
            return

    async def create_event(self, body: Mapping[str, Any]) -> None:
        """Posts an event, unless there were too many lately; what goes wrong with it is nobody's trouble."""
        if not self._events.allows(body):
            self._metrics.events_left_out.inc()
            return
        self._metrics.writes.labels("create", "Event").inc()
        try:
            await self._send("POST", _path("Event", body["metadata"]["namespace"]), body=body)
        except (RefusedError, UnreachableError):
            return

    async def _patch(self, manifest: Mapping[str, Any], kind: str, dry_run: bool, subresource: str = "") -> dict[str, Any]:
        metadata = manifest["metadata"]
        path = _path(kind, metadata["namespace"], metadata["name"])
        if not dry_run:
            self._metrics.writes.labels("apply", f"{kind}/{subresource}" if subresource else kind).inc()
        return await self._send(
            "PATCH",
            f"{path}/{subresource}" if subresource else path,
            # Server-side apply refuses unknown fields by itself; any other fieldValidation has it parse the body twice.
            {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Ignore", "dryRun": "All" if dry_run else ""},
            body=manifest,
            content_type=APPLY,
        )

    async def _send(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        *,
        is_watch: bool = False,
    ) -> dict[str, Any]:
        # Not through the generated methods or the dynamic client: their work on each request is twice that of all else here.
        if wait := self._requests.reserve():
            await asyncio.sleep(wait)
        if verb != "GET" and not self.may_write():
            raise NotLeadingError("the lease may be another's by now")
        asked = urlencode({key: value for key, value in (query or {}).items() if value})
        headers = {"Accept": "application/json", "Content-Type": content_type, **self.api.default_headers}
        try:
            await self.api.update_params_for_auth(headers, [], ["BearerToken"], path, verb, body)
            url = f"{self.api.configuration.host}{path}{'?' if asked else ''}{asked}"
            data = as_yaml(body) if content_type == APPLY else body
            response = await self.api.call_api(verb, url, headers, data, _request_timeout=TIMEOUT_S)
            if is_watch and response.status < 300:
                response.response.close()
                return {}
            text = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"the API server does not answer: {error or type(error).__name__}") from None
        self.answered_at = time.monotonic()
        if response.status >= 300:
            message = _message(text) or response.reason or "no reason given"
            raise _refusal(response.status, message, response.headers.get("Retry-After", ""))
        answer: dict[str, Any] = parsed(text)
        return answer


def _with_allocated(key: str, value: Any, live: Mapping[str, Any]) -> Any:
    """`value` of a manifest's `key` with what others may set and a manifest may lack."""
    there = live.get(key)
    if key != "spec" or not isinstance(there, Mapping):
        return value
    kept = ALLOCATED if live["kind"] == "Service" else ("replicas",) if live["kind"] == "Deployment" else ()
    return {**{name: there[name] for name in kept if name in there}, **value}


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    """Of an object, or without a name of all objects of the namespace, or without that of the whole cluster."""
    api_version, plural = KINDS[kind]
    prefix = "apis" if "/" in api_version else "api"
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/{prefix}/{api_version}{within}/{plural}{'/' if name else ''}{name}"


class _NotFoundError(RefusedError):
    """404"""


class _ConflictError(RefusedError):
    """409"""


def _refusal(status: int, message: str, retry_after: str = "") -> Exception:
    if status == 404:
        return _NotFoundError(message)
    if status == 409:
        return _ConflictError(message)
    if status == 403 and "forbidden: User" in message:
        return ForbiddenError(message)
    if status == 500 and message.startswith(UNTYPED):
        return RefusedError(message.removeprefix(UNTYPED).lstrip())
    if status in (401, 429) or status >= 500:
        seconds = float(retry_after) if retry_after.isdigit() else None
        return BusyError(f"the API server answered {status}: {message}", seconds)
    return RefusedError(message)


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, TypeError, KeyError):
        return ""


def _no_such(manifest: Mapping[str, Any], message: str) -> str:
    """The sentence for a 404 of an apply, which is a missing kind or a missing namespace."""
    if "namespaces" in message:
        return message
    kind = f"{manifest['kind']} ({manifest['apiVersion']})"
    return f"the cluster has no {kind}: install what defines it, or leave it out of the OCRService"


@asynccontextmanager
async def connect(metrics: Metrics, qps: float = QPS) -> AsyncIterator[Kube]:
    """A connection as the service account of the pod, or outside of a cluster as KUBECONFIG says."""
    configuration = client.Configuration()
    if SERVICE_ACCOUNT.exists():
        config.load_incluster_config(client_configuration=configuration)
    else:
        await config.load_kube_config(client_configuration=configuration)
    configuration.connection_pool_maxsize = 32
    # Left to itself the client looks up the proxy and a password in ~/.netrc at each request, in a thread.
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.proxy = configuration.proxy or proxy_for(configuration.host)
    async with client.ApiClient(configuration) as api:
        yield Kube(api, metrics, qps)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY …) names for `url`, or None."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
