"""The few calls that the operator makes to the API server, each counted."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient, Resource

from ocr_operator.metrics import Metrics
from ocr_operator.names import API_VERSION, CHILD_KINDS, FIELD_MANAGER, KIND, PLURAL

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
TIMEOUT_S = 30.0
PAGE = 250
UNTYPED = "failed to create typed patch object"
"""How the API server says, with status 500, that a manifest has a field that its kind has not."""

KINDS: dict[str, tuple[str, str]] = {
    KIND: (API_VERSION, PLURAL),
    "Pod": ("v1", "pods"),
    "Event": ("events.k8s.io/v1", "events"),
    **{kind: (api_version, plural) for api_version, kind, plural in CHILD_KINDS},
}


class RefusedError(Exception):
    """The API server understood and said no: asking again with the same words is no use. The message is for people."""


class UnreachableError(Exception):
    """The API server did not answer, or asked to come again later."""


class Kube:
    """Calls by kind, namespace and name; bodies are JSON objects."""

    def __init__(self, api: client.ApiClient, metrics: Metrics) -> None:
        dynamic = DynamicClient(api)
        self._metrics = metrics
        self.api = api
        self._resources = {
            kind: Resource(
                prefix="apis" if "/" in api_version else "api",
                group=api_version.rpartition("/")[0],
                api_version=api_version.rpartition("/")[2],
                kind=kind,
                namespaced=True,
                name=plural,
                client=dynamic,
            )
            for kind, (api_version, plural) in KINDS.items()
        }
        self._dynamic = dynamic

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where there is none (or no such kind)."""
        try:
            return await self._request("get", kind, namespace, name)
        except _NotFoundError:
            return None

    async def pages(self, kind: str, namespace: str | None, selector: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        """The objects of a namespace, or of all for None, some at a time; none where the cluster has no such kind.

        They bear kind and apiVersion, which lists leave out of their items.
        """
        path, api_version, more = self._resources[kind].path(namespace=namespace), KINDS[kind][0], None
        while True:
            try:
                answer = await self._send("get", path, label_selector=selector or None, limit=PAGE, _continue=more)
            except _NotFoundError:
                return
            yield [{"kind": kind, "apiVersion": api_version, **item} for item in answer.get("items", ())]
            more = answer.get("metadata", {}).get("continue")
            if not more:
                return

    async def has_kind(self, kind: str, namespace: str | None) -> bool:
        """Whether the cluster knows `kind`. Raises RefusedError where it may not be listed."""
        try:
            await self._send("get", self._resources[kind].path(namespace=namespace), limit=1)
        except _NotFoundError:
            return False
        return True

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply with force: fields of the manifest are ours from then on; the object as it is then."""
        try:
            return await self._patch(manifest, manifest["kind"], dry_run)
        except _NotFoundError as error:
            raise RefusedError(_no_such(manifest, str(error))) from None

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
            await self._request(
                "delete", kind, namespace, name, body={"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
            )
        except (_NotFoundError, _ConflictError):
            return

    async def create_event(self, body: Mapping[str, Any]) -> None:
        """Posts an event; what goes wrong with it is nobody's trouble."""
        self._metrics.writes.labels("create", "Event").inc()
        try:
            await self._send("post", self._resources["Event"].path(namespace=body["metadata"]["namespace"]), body=dict(body))
        except (RefusedError, UnreachableError):
            return

    async def _patch(self, manifest: Mapping[str, Any], kind: str, dry_run: bool, subresource: str = "") -> dict[str, Any]:
        metadata = manifest["metadata"]
        path = self._resources[kind].path(name=metadata["name"], namespace=metadata["namespace"])
        if not dry_run:
            self._metrics.writes.labels("apply", f"{kind}/{subresource}" if subresource else kind).inc()
        return await self._send(
            "patch",
            f"{path}/{subresource}" if subresource else path,
            body=dict(manifest),
            content_type="application/apply-patch+yaml",
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
            dry_run="All" if dry_run else None,
            query_params=[("fieldValidation", "Strict")],
        )

    async def _request(self, verb: str, kind: str, namespace: str, name: str, **options: Any) -> dict[str, Any]:
        return await self._send(verb, self._resources[kind].path(name=name, namespace=namespace), **options)

    async def _send(self, verb: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = await self._dynamic.request(verb, path, serialize=False, _request_timeout=TIMEOUT_S, **options)
            answer: dict[str, Any] = await response.json()
        except ApiException as error:
            raise _translated(error) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"the API server does not answer: {error or type(error).__name__}") from None
        return answer


class _NotFoundError(RefusedError):
    """404"""


class _ConflictError(RefusedError):
    """409"""


def _translated(error: ApiException) -> Exception:
    status = error.status or 0
    message = _message(error)
    if status == 404:
        return _NotFoundError(message)
    if status == 409:
        return _ConflictError(message)
    if status == 500 and message.startswith(UNTYPED):
        return RefusedError(message.removeprefix(UNTYPED).lstrip())
    if status in (401, 429) or status >= 500 or status == 0:
        return UnreachableError(f"the API server answered {status}: {message}")
    return RefusedError(message)


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, TypeError, KeyError):
        return str(error.reason or "no reason given")


def _no_such(manifest: Mapping[str, Any], message: str) -> str:
    """The sentence for a 404 of an apply, which is a missing kind or a missing namespace."""
    if "namespaces" in message:
        return message
    kind = f"{manifest['kind']} ({manifest['apiVersion']})"
    return f"the cluster has no {kind}: install what defines it, or leave it out of the OCRService"


@asynccontextmanager
async def connect(metrics: Metrics) -> AsyncIterator[Kube]:
    """A connection as the service account of the pod, or outside of a cluster as KUBECONFIG says."""
    configuration = client.Configuration()
    if SERVICE_ACCOUNT.exists():
        config.load_incluster_config(client_configuration=configuration)
    else:
        await config.load_kube_config(client_configuration=configuration)
    configuration.connection_pool_maxsize = 32
    async with client.ApiClient(configuration) as api:
        yield Kube(api, metrics)
