"""Brings the cluster to what one OCRService says: read, render, compare, apply what differs, prune, tell the status.

Level-triggered: it looks at what there is and at what there should be, never at what has changed, so it may be run at any time,
be cut off anywhere and be run again. Nothing is written where nothing differs.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ocr_operator.api.spec import OCRService, Settings, SpecError, parse
from ocr_operator.desired.render import render
from ocr_operator.kube import ExistsError, Kube, RefusedError
from ocr_operator.names import (
    API_VERSION,
    CHILD_KINDS,
    COMPONENT_LABEL,
    HASH_ANNOTATION,
    INSTANCE_LABEL,
    KIND,
    MANAGED_BY,
    MANAGED_BY_LABEL,
)
from ocr_operator.observed.cache import Cache, Owner, Ref, ref_of, version_of
from ocr_operator.observed.drift import differs
from ocr_operator.observed.events import changes_event, problem_event
from ocr_operator.observed.live import Live, live_of
from ocr_operator.observed.status import Observed, Problem, condition, status_of

log = logging.getLogger(__name__)

JSON = dict[str, Any]
KIND_ORDER = {kind: number for number, (_, kind, _) in enumerate(CHILD_KINDS)}


class Result(StrEnum):
    """How a reconciliation ended.

    CHANGED: children were written, and the status is to be told in another turn. REFUSED: what was asked for cannot be; the
    status says why. WAITING: something is in the way that goes by itself.
    """

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    REFUSED = "refused"
    WAITING = "waiting"


@dataclass
class _Changes:
    created: list[Ref] = field(default_factory=list)
    updated: list[tuple[Ref, str]] = field(default_factory=list)
    deleted: list[Ref] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.created or self.updated or self.deleted)


class _WaitError(Exception):
    """What is in the way goes by itself."""


class Reconciler:
    """Reconciles OCRServices one call each; calls for different ones may overlap."""

    def __init__(self, kube: Kube, cache: Cache, settings: Settings) -> None:
        self._kube = kube
        self._cache = cache
        self._settings = settings
        self._accepted: dict[Ref, tuple[str, str]] = {}

    async def reconcile(self, owner: Owner) -> Result:
        """Does all that is to be done for one OCRService.

        Raises UnreachableError where the API server could not be asked; what was done by then stays and is found done by the
        next call.
        """
        found = await self._read(Ref(KIND, *owner))
        if found is None:
            return Result.UNCHANGED
        body = found.body
        self._cache.put(body)
        if body["metadata"].get("deletionTimestamp"):
            return Result.UNCHANGED
        service: OCRService | None = None
        problem: Problem | None = None
        changes = _Changes()
        try:
            service = parse(body)
            await self._bring_about(service, changes, is_new="status" not in body)
        except SpecError as error:
            problem = Problem("InvalidSpec", str(error))
        except _TakenError as error:
            problem = Problem("NameTaken", str(error))
        except (ExistsError, _WaitError):
            return Result.WAITING
        except RefusedError as error:
            problem = Problem("Refused", str(error))
        if changes:
            log.info("changed", extra={"service": f"{owner.namespace}/{owner.name}", "changes": _told(changes)})
            await self._kube.create_event(changes_event(body, _told(changes)))
            if problem is None:
                # The effect is seen in a moment; to tell the status before would be a write for a moment's truth.
                return Result.CHANGED
        await self._tell(body, service, problem)
        return Result.UNCHANGED if problem is None else Result.REFUSED

    async def _bring_about(self, service: OCRService, changes: _Changes, *, is_new: bool) -> None:
        manifests = render(service, self._settings)
        stale: list[tuple[JSON, str | None]] = []
        for manifest in manifests:
            ref = ref_of(manifest)
            if self._cache.agrees(ref, _hash(manifest)):
                continue
            live = await self._look_for(ref) if is_new else await self._read(ref)
            if live is not None:
                _check_is_ours(live.body, service)
            wanted = _with_live_replicas(manifest, live)
            path = None if live is None else differs(wanted, live.body)
            if live is None or (path is not None and not self._was_accepted(wanted, path)):
                stale.append((wanted, path))
            elif path is None and self._cache.version(ref) == version_of(live.body):
                self._cache.set_agrees(ref, _hash(manifest))
        for manifest, path in await self._tried(stale):
            # What was not there a moment ago may be somebody else's now.
            applied = await self._kube.apply(manifest, is_new=path is None)
            self._remember(manifest, applied)
            if path is None:
                changes.created.append(ref_of(manifest))
            else:
                changes.updated.append((ref_of(manifest), path))
        await self._prune(service, {ref_of(manifest) for manifest in manifests}, changes)

    async def _tried(self, stale: list[tuple[JSON, str | None]]) -> list[tuple[JSON, str | None]]:
        """`stale` in the order in which to apply it, after a dry run of all that can be refused: so all is applied or nothing.

        Where all is new and one thing only can be refused, that one goes first and needs no dry run. An update must not do
        so: pods made between a new Deployment and its new ConfigMap would run with the old one.
        """
        refusable = [item for item in stale if _can_be_refused(item[0])]
        if len(refusable) == 1 and all(path is None for _, path in stale):
            return [*refusable, *(item for item in stale if item is not refusable[0])]
        for manifest, path in refusable:
            await self._kube.apply(manifest, dry_run=True, is_new=path is None)
        return stale

    def _remember(self, manifest: JSON, applied: JSON) -> None:
        is_newest = self._cache.put(applied)
        path = differs(manifest, applied)
        if path is not None:
            # The API server writes the value in its own way: applying it again and again would change nothing.
            self._accepted[ref_of(manifest)] = (_hash(manifest), path)
        elif is_newest:
            self._cache.set_agrees(ref_of(manifest), _hash(manifest))

    def _was_accepted(self, manifest: JSON, path: str) -> bool:
        return self._accepted.get(ref_of(manifest)) == (_hash(manifest), path)

    async def _prune(self, service: OCRService, wanted: set[Ref], changes: _Changes) -> None:
        for ref in self._cache.owned(Owner(service.namespace, service.name)):
            if ref.kind not in KIND_ORDER or ref in wanted:
                continue
            live = self._cache.get(ref)
            if live is None or _controller(live).get("uid") != service.uid or live["metadata"].get("deletionTimestamp"):
                continue
            await self._kube.delete(*ref, uid=live["metadata"]["uid"])
            self._cache.drop(ref)
            changes.deleted.append(ref)

    async def _look_for(self, ref: Ref) -> Live | None:
        """As `_read`, for what is most likely not there: an old answer that it is not will do, since it is applied as new."""
        if not self._cache.version(ref) and await self._kube.get(*ref, at_any_age=True) is None:
            return None
        return await self._read(ref)

    async def _read(self, ref: Ref) -> Live | None:
        """What the watches know, or where they know nothing, what the API server says."""
        known = self._cache.live(ref)
        if known is not None:
            return known
        body = await self._kube.get(*ref)
        return None if body is None else live_of(body)

    async def _tell(self, body: JSON, service: OCRService | None, problem: Problem | None) -> None:
        old = body.get("status") or {}
        observed = {} if service is None else await self._observe(service)
        status = status_of(body, service, observed, problem, self._settings, _now())
        if status == old:
            return
        metadata = body["metadata"]
        manifest = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "status": status,
        }
        applied = await self._kube.apply_status(manifest)
        if applied is not None:
            self._cache.put(applied)
        before, after = condition(old, "Degraded"), condition(status, "Degraded")
        if after.get("status") == "True" and (before.get("reason"), before.get("message")) != (after["reason"], after["message"]):
            await self._kube.create_event(problem_event(body, after["reason"], after["message"]))

    async def _observe(self, service: OCRService) -> dict[str, Observed]:
        refs = self._cache.owned(Owner(service.namespace, service.name))
        pods = [pod for ref in refs if ref.kind == "Pod" and (pod := self._cache.get(ref)) is not None]
        observed = {}
        for module in service.modules:
            deployment = await self._read(Ref("Deployment", service.namespace, module.child_name))
            own = [pod for pod in pods if pod["metadata"].get("labels", {}).get(COMPONENT_LABEL) == module.component]
            observed[module.name] = Observed(deployment.body if deployment else None, own)
        return observed


class _TakenError(Exception):
    """A child's name belongs to something else."""


def _check_is_ours(live: Mapping[str, Any], service: OCRService) -> None:
    """Raises _TakenError where `live` belongs to somebody else, _WaitError where it goes with a former owner of the same name."""
    metadata = live["metadata"]
    controller = _controller(live)
    if controller.get("uid") == service.uid:
        if metadata.get("deletionTimestamp"):
            raise _WaitError
        return
    if controller.get("kind") == KIND and controller.get("name") == service.name:
        raise _WaitError
    labels = metadata.get("labels", {})
    if not controller and labels.get(MANAGED_BY_LABEL) == MANAGED_BY and labels.get(INSTANCE_LABEL) == service.name:
        return
    kind = live["kind"]
    raise _TakenError(
        f"the {kind} {metadata['name']} exists and is not of this OCRService: rename the OCRService, or delete that {kind}"
    )


def _can_be_refused(manifest: Mapping[str, Any]) -> bool:
    """Whether `manifest` has parts of the user's that parse() does not know all rules of."""
    if manifest["kind"] == "Service":
        return len(manifest["metadata"]["annotations"]) > 1
    return bool(manifest["kind"] != "ConfigMap")


def _controller(live: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((ref for ref in live["metadata"].get("ownerReferences", ()) if ref.get("controller")), {})


def _with_live_replicas(manifest: JSON, live: Live | None) -> JSON:
    """Keeps the number of pods through the moment in which an autoscaler takes it over.

    Leaving out a field that was applied before would set it back to its default of one pod; so it stays in, at its present
    value, until the autoscaler has written it and thereby owns it.
    """
    if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"] or live is None or not live.owns_replicas:
        return manifest
    return {**manifest, "spec": {**manifest["spec"], "replicas": live.body["spec"].get("replicas", 1)}}


def _hash(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["annotations"][HASH_ANNOTATION])


def _told(changes: _Changes) -> str:
    """The changes in a sentence for `kubectl describe`."""
    parts = []
    for name, refs in _by_name(changes.created).items():
        parts.append(f"created {', '.join(refs)} {name}")
    parts += [f"updated {ref.kind} {ref.name} ({path})" for ref, path in changes.updated]
    for name, refs in _by_name(changes.deleted).items():
        parts.append(f"deleted {', '.join(refs)} {name}")
    return "; ".join(parts)


def _by_name(refs: Iterable[Ref]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for ref in sorted(refs, key=lambda ref: KIND_ORDER[ref.kind]):
        kinds.setdefault(ref.name, []).append(ref.kind)
    return kinds


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
