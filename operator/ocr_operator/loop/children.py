"""The objects of one module: looked at, compared, and applied whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_operator.api.spec import OCRService
from ocr_operator.desired.refusable import can_be_refused
from ocr_operator.kube import ExistsError, Kube, RefusedError, UnreachableError
from ocr_operator.loop.ownership import check_is_ours, controller_of
from ocr_operator.names import CHILD_KINDS, KIND
from ocr_operator.observed.cache import Cache, Owner, Ref, ref_of, version_of
from ocr_operator.observed.contention import GONE, Contention, writer_of
from ocr_operator.observed.drift import differences
from ocr_operator.observed.live import Live, hash_of, live_of
from ocr_operator.observed.status import Problem

JSON = dict[str, Any]
KIND_ORDER = {kind: number for number, (_, kind, _) in enumerate(CHILD_KINDS)}


class GoneError(Exception):
    """The OCRService itself is there no longer."""


@dataclass
class Changes:
    """What a turn has written."""

    created: list[Ref] = field(default_factory=list)
    updated: list[tuple[Ref, str]] = field(default_factory=list)
    deleted: list[Ref] = field(default_factory=list)
    silent: int = 0
    """Changes that no event is to tell of, since the status tells of a contention."""

    def __bool__(self) -> bool:
        return bool(self.created or self.updated or self.deleted or self.silent)

    @property
    def sentence(self) -> str:
        """All of it, for `kubectl describe`; empty where there is nothing to tell."""
        parts = []
        for name, kinds in _by_name(self.created).items():
            parts.append(f"created {', '.join(kinds)} {name}")
        parts += [f"updated {ref.kind} {ref.name} ({path})" for ref, path in self.updated]
        for name, kinds in _by_name(self.deleted).items():
            parts.append(f"deleted {', '.join(kinds)} {name}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Stale:
    """A manifest to apply; `paths` are where the live object differs, `was_ours` where nothing new is wanted of it."""

    manifest: JSON
    live: Live | None
    paths: tuple[str, ...]
    was_ours: bool

    @property
    def ref(self) -> Ref:
        """Where it is."""
        return ref_of(self.manifest)

    @property
    def is_upgrade(self) -> bool:
        """Whether it is there, and something else is wanted of it now."""
        return self.live is not None and not self.was_ours


class Children:
    """What the operator knows of the objects that it made."""

    def __init__(self, kube: Kube, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._cache = cache
        self._contention = Contention(clock)
        self._accepted: dict[Ref, tuple[str, dict[str, Any]]] = {}
        self._made: dict[Ref, str] = {}
        self._owners_made_for: set[str] = set()
        self._met: set[Ref] = set()
        """What was there when it was to be made anew."""
        self._refused: set[Ref] = set()
        """What was refused when it was applied last: it is tried before anything else is written."""

    async def stale(self, manifests: Sequence[JSON], service: OCRService, *, is_new: bool) -> list[Stale]:
        """What of one module is to be applied; what is contended is left out while it is to be left alone.

        Raises TakenError and WaitError.
        """
        stale: list[Stale] = []
        refusable = [ref_of(manifest) for manifest in manifests if can_be_refused(manifest)] if is_new else []
        for manifest in manifests:
            ref = ref_of(manifest)
            if self._cache.agrees(ref, hash_of(manifest)):
                self._contention.seen_right(ref)
                continue
            live = await (self._look_for(ref, is_first=refusable == [ref]) if is_new else self.read(ref))
            if live is not None:
                check_is_ours(live, service)
            wanted = wanted_beside(manifest, live, manifests)
            was_ours = hash_of(manifest) in (self._made.get(ref), live and hash_of(live.body))
            if not was_ours:
                self._contention.forget(ref)
            found = {GONE: None} if live is None else self._open(wanted, live)
            if was_ours and found and self._contention.is_held(ref, found):
                continue
            if live is None or (found and not await self._is_accepted(wanted, live, found)):
                stale.append(Stale(wanted, live, tuple(found), was_ours))
                continue
            self._contention.seen_right(ref)
            if self._cache.version(ref) == version_of(live.body):
                self._cache.set_agrees(ref, hash_of(manifest))
        return stale

    async def apply(self, stale: Sequence[Stale], service: OCRService, changes: Changes, *, is_new: bool) -> None:
        """Applies `stale`, of one module. Where the API server refuses a part of it, what was made by then is taken away again.

        Raises GoneError, and RefusedError with the API server's words.
        """
        if any(item.live is None for item in stale):
            await self._check_owner(service, is_new=is_new)
        made: list[tuple[Ref, str]] = []
        told = Changes()
        try:
            for item in await self._tried(stale):
                # What was not there a moment ago may be somebody else's now.
                who = await self._rival(item)
                try:
                    applied = await self._applied(item)
                except RefusedError:
                    self._refused.add(item.ref)
                    raise
                self._refused.discard(item.ref)
                self._remember(item.manifest, applied)
                if item.was_ours:
                    self._contention.put_back(item.ref, item.paths, who)
                if item.was_ours and self._contention.contended(item.ref):
                    told.silent += 1
                elif item.live is None:
                    told.created.append(item.ref)
                else:
                    told.updated.append((item.ref, item.paths[0]))
                if item.live is None:
                    made.append((item.ref, applied["metadata"]["uid"]))
        except RefusedError as error:
            if isinstance(error, ExistsError):
                self._met.update(item.ref for item in stale)
            await self._undo(made)
            told.created = []
            raise
        finally:
            changes.created += told.created
            changes.updated += told.updated
            changes.silent += told.silent

    async def prune(self, service: OCRService, wanted: set[Ref], kept: set[str], changes: Changes) -> None:
        """Deletes what is ours and is wanted no longer, but for the children named `kept`."""
        for ref in self._cache.owned(Owner(service.namespace, service.name)):
            if ref.kind not in KIND_ORDER or ref in wanted or ref.name in kept:
                continue
            live = self._cache.get(ref)
            if live is None or controller_of(live).get("uid") != service.uid or live["metadata"].get("deletionTimestamp"):
                continue
            try:
                await self.delete(ref, live["metadata"]["uid"], changes)
            except RefusedError as error:
                raise RefusedError(f"the {ref.kind} {ref.name} is wanted no longer and cannot be deleted: {error}") from None

    async def delete(self, ref: Ref, uid: str, changes: Changes) -> None:
        """Deletes that very object, which is ours. Raises RefusedError."""
        await self._kube.delete(*ref, uid=uid)
        self._cache.drop(ref)
        self._made.pop(ref, None)
        changes.deleted.append(ref)

    def contended(self, refs: Iterable[Ref]) -> tuple[list[Problem], float | None]:
        """What others write too, and in how many seconds to look again."""
        problems, seconds = [], []
        for ref in refs:
            for path, who in self._contention.contended(ref):
                by = who or "somebody"
                what = "is deleted" if path == GONE else f"has {path} changed"
                problems.append(Problem("Contended", f"the {ref.kind} {ref.name} {what} again and again by {by}: {_advice(path)}"))
            left = self._contention.seconds_left(ref)
            seconds += [] if left is None else [left]
        return problems, min(seconds, default=None)

    async def read(self, ref: Ref) -> Live | None:
        """What the watches know, or where they know nothing, what the API server says."""
        known = self._cache.live(ref)
        if known is not None:
            return known
        body = await self._kube.get(*ref)
        return None if body is None else live_of(body)

    def forget(self) -> None:
        """Nothing that was learnt of the cluster holds any longer."""
        self._accepted.clear()

    async def _look_for(self, ref: Ref, *, is_first: bool) -> Live | None:
        """As `read`, for what is most likely not there: an old answer that it is not will do, since it is applied as new.

        `is_first`: it is applied before all else (`_tried`), so that itself tells whether it is there.
        """
        if not self._cache.version(ref):
            if is_first and ref not in self._met:
                return None
            if await self._kube.get(*ref, at_any_age=True) is None:
                return None
        return await self.read(ref)

    def _open(self, wanted: JSON, live: Live) -> dict[str, Any]:
        """Where `live` differs, but for what the API server is known to make of our words itself."""
        digest, accepted = self._accepted.get(ref_of(wanted), ("", {}))
        found = differences(wanted, live)
        if digest != hash_of(wanted):
            return found
        return {path: value for path, value in found.items() if path not in accepted or accepted[path] != value}

    async def _is_accepted(self, wanted: JSON, live: Live, found: Mapping[str, Any]) -> bool:
        """Whether applying `wanted` once more would change nothing of `found`, as where a webhook changes our words each time.

        After a restart only a trial tells.
        """
        digest = hash_of(wanted)
        if hash_of(live.body) != digest:
            return False
        try:
            tried = differences(wanted, live_of(await self._kube.apply(wanted, dry_run=True)))
        except RefusedError:
            return False
        if not all(path in tried and tried[path] == value for path, value in found.items()):
            return False
        self._accepted[ref_of(wanted)] = (digest, tried)
        return True

    async def _check_owner(self, service: OCRService, *, is_new: bool) -> None:
        """Raises GoneError where the OCRService is not there: a watch may have been silent of its end."""
        uid = service.uid or ""
        if not is_new or uid in self._owners_made_for:
            body = await self._kube.get(KIND, service.namespace, service.name)
            if body is None or body["metadata"]["uid"] != uid or body["metadata"].get("deletionTimestamp"):
                raise GoneError
        self._owners_made_for.add(uid)

    async def _tried(self, stale: Sequence[Stale]) -> Sequence[Stale]:
        """`stale` in the order in which to apply it, after a dry run of all that can be refused.

        Where all is new and one thing only can be refused, that one goes first and needs no dry run. An update must not do
        so: pods made between a new Deployment and its new ConfigMap would run with the old one.
        """
        refusable = [item for item in stale if can_be_refused(item.manifest) or item.ref in self._refused]
        if len(refusable) == 1 and all(item.live is None for item in stale):
            return [*refusable, *(item for item in stale if item is not refusable[0])]
        for item in refusable:
            if not item.was_ours or item.live is None:
                await self._try(item)
        return stale

    async def _try(self, item: Stale) -> None:
        """Raises RefusedError where `item` could not be applied, not even once what others put in its way is taken away."""
        try:
            await self._kube.apply(item.manifest, dry_run=True, is_new=item.live is None)
        except RefusedError:
            if item.live is None or not await self._can_reset(item.manifest, item.live):
                raise

    async def _applied(self, item: Stale) -> JSON:
        try:
            return await self._kube.apply(item.manifest, is_new=item.live is None)
        except RefusedError:
            if item.live is None or not await self._can_reset(item.manifest, item.live):
                raise
        if item.live.body.get("immutable"):  # which nothing undoes
            await self._kube.delete(*item.ref, uid=item.live.body["metadata"]["uid"])
            return await self._kube.apply(item.manifest, is_new=True)
        await self._kube.reset(item.manifest, item.live.body)
        applied = await self._kube.apply(item.manifest)
        await self._kube.disown(item.manifest)
        return applied

    async def _can_reset(self, manifest: JSON, live: Live) -> bool:
        if live.body.get("immutable"):
            return True
        try:
            await self._kube.reset(manifest, live.body, dry_run=True)
        except RefusedError:
            return False
        return True

    async def _undo(self, made: Sequence[tuple[Ref, str]]) -> None:
        for ref, uid in reversed(made):
            try:
                await self._kube.delete(*ref, uid=uid)
            except (RefusedError, UnreachableError):
                continue  # the next turn finds it and goes on from there
            self._cache.drop(ref)
            self._made.pop(ref, None)

    async def _rival(self, item: Stale) -> str:
        """Who changes what is put back by `item`, where it is time to ask."""
        if item.live is None or not item.was_ours or not self._contention.is_due(item.ref, item.paths):
            return ""
        body = await self._kube.get(*item.ref)
        return "" if body is None else writer_of(body, item.paths[0])

    def _remember(self, manifest: JSON, applied: JSON) -> None:
        ref, digest = ref_of(manifest), hash_of(manifest)
        self._made[ref] = digest
        is_newest = self._cache.put(applied)
        found = differences(manifest, live_of(applied))
        # What still differs the API server, or a webhook, writes in its own way: applying it again would change nothing.
        self._accepted[ref] = (digest, found)
        if not found and is_newest:
            self._cache.set_agrees(ref, digest)


def _least_replicas(manifest: JSON, manifests: Sequence[JSON]) -> int:
    """The fewest pods that the module's autoscaler, if any, lets there be."""
    name = manifest["metadata"]["name"]
    scalers = (item for item in manifests if item["kind"] == "HorizontalPodAutoscaler" and item["metadata"]["name"] == name)
    return next((int(item["spec"]["minReplicas"]) for item in scalers), 0)


def wanted_beside(manifest: JSON, live: Live | None, manifests: Sequence[JSON]) -> JSON:
    """`manifest`, one of a module's `manifests`, as it is to be applied where there is `live`.

    Keeps the number of pods through the moment in which an autoscaler takes it over.

    Leaving out a field that was applied before would set it back to its default of one pod; so it stays in, at its present
    value, until the autoscaler has written it and thereby owns it. An autoscaler does nothing about 0 pods, whoever set them, so
    then its least is applied.
    """
    if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"] or live is None:
        return manifest
    count, least = live.body["spec"].get("replicas", 1), _least_replicas(manifest, manifests)
    if count == 0 and least:
        count = least
    elif not live.owns_replicas:
        return manifest
    return {**manifest, "spec": {**manifest["spec"], "replicas": count}}


def _advice(path: str) -> str:
    if path == "spec.replicas":
        return "let autoscaling of the module decide, or delete the other autoscaler"
    if path == GONE:
        return "find out who deletes it, or leave it out of the OCRService"
    return "set it in the OCRService, and keep the other one from writing it"


def _by_name(refs: Iterable[Ref]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for ref in sorted(refs, key=lambda ref: KIND_ORDER[ref.kind]):
        kinds.setdefault(ref.name, []).append(ref.kind)
    return kinds
