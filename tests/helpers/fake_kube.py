"""A cluster in a dictionary, for what cannot be provoked on a real API server, or must be provoked a hundred times in a second.

Server-side apply is as much of it as the operator relies on: what is applied is merged, what was applied and is left out goes,
managedFields tell what is ours, and what another one changes is ours no longer.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from ocr_operator.kube import ExistsError, Kube, RefusedError
from ocr_operator.names import FIELD_MANAGER, KIND
from ocr_operator.observed.cache import Cache, Ref, ref_of

JSON = dict[str, Any]
KEYS = ("name", "mountPath", "uid", "containerPort")
"""What items of merged lists are told apart by, in the order in which it is looked for."""
MERGED_LISTS = {"containers", "initContainers", "env", "volumes", "volumeMounts", "imagePullSecrets", "ownerReferences"}


class FakeKube(Kube):
    """`objects` by where they are.

    `fault(verb, ref)` comes before each call and may raise, `fault_after` once it was done; `webhook(body)` changes what is
    written.
    """

    def __init__(self) -> None:
        # Not the parent's: a client of its own for each would take longer than the tests.
        self.objects: dict[Ref, JSON] = {}
        self.writes: list[tuple[str, Ref]] = []
        self.reads: list[tuple[str, Ref]] = []
        self.events: list[str] = []
        self.fault: Callable[[str, Ref], None] = lambda _verb, _ref: None
        self.fault_after: Callable[[str, Ref], None] = lambda _verb, _ref: None
        self.webhook: Callable[[JSON], None] = lambda _body: None
        self._versions = itertools.count(100)
        self._uids = itertools.count(1)
        self._applied: dict[Ref, JSON] = {}

    # What the operator calls

    async def get(self, kind: str, namespace: str, name: str, *, at_any_age: bool = False) -> JSON | None:
        ref = Ref(kind, namespace, name)
        self.reads.append(("get", ref))
        self.fault("get", ref)
        return copy.deepcopy(self.objects.get(ref))

    async def pages(self, kind: str, namespace: str | None, selector: str = "") -> AsyncIterator[list[JSON]]:
        ref = Ref(kind, namespace or "", "")
        self.reads.append(("list", ref))
        self.fault("list", ref)
        yield [copy.deepcopy(body) for at, body in self.objects.items() if at.kind == kind and namespace in (None, at.namespace)]

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False, is_new: bool = False) -> JSON:
        ref = ref_of(manifest)
        self.fault("dry-run" if dry_run else "apply", ref)
        if is_new and ref in self.objects:
            raise ExistsError(f"{ref.name} exists")
        body = _applied(self.objects.get(ref), self._applied.get(ref), manifest)
        self.webhook(body)
        others = [entry for entry in body["metadata"].get("managedFields", ()) if entry["manager"] != FIELD_MANAGER]
        body["metadata"]["managedFields"] = [*others, _entry(FIELD_MANAGER, "Apply", fields_v1(manifest))]
        if dry_run:
            return body
        self.writes.append(("apply", ref))
        self._applied[ref] = copy.deepcopy(dict(manifest))
        answer = self.put(body)
        self.fault_after("apply", ref)
        return answer

    async def reset(self, manifest: Mapping[str, Any], live: Mapping[str, Any], *, dry_run: bool = False) -> None:
        raise RefusedError("nothing of others is in the way")

    async def apply_status(self, manifest: Mapping[str, Any]) -> JSON | None:
        ref = ref_of(manifest)
        self.fault("status", ref)
        if ref not in self.objects:
            return None
        self.writes.append(("status", ref))
        answer = self.put({**self.objects[ref], "status": copy.deepcopy(manifest["status"])})
        self.fault_after("status", ref)
        return answer

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        ref = Ref(kind, namespace, name)
        self.fault("delete", ref)
        self.writes.append(("delete", ref))
        if ref in self.objects and self.objects[ref]["metadata"]["uid"] == uid:
            del self.objects[ref]
        self.fault_after("delete", ref)

    async def create_event(self, body: Mapping[str, Any]) -> None:
        self.events.append(f"{body['reason']}: {body['note']}")

    # What others do

    def put(self, body: Mapping[str, Any]) -> JSON:
        """Writes `body`, whoever does; what the API server adds is added."""
        ref = ref_of(body)
        old = self.objects.get(ref)
        new = copy.deepcopy(dict(body))
        metadata = new["metadata"]
        metadata["uid"] = old["metadata"]["uid"] if old else metadata.get("uid") or f"uid-{next(self._uids)}"
        if old is not None and _without_version(new) == _without_version(old):
            return copy.deepcopy(old)
        is_changed = old is None or new.get("spec") != old.get("spec")
        metadata["generation"] = (old["metadata"].get("generation", 0) if old else 0) + is_changed
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[ref] = new
        return copy.deepcopy(new)

    def edit(self, ref: Ref, change: Callable[[JSON], None], manager: str = "kubectl-edit") -> None:
        """Another one changes the object: what it changed of ours is ours no longer."""
        body = copy.deepcopy(self.objects[ref])
        change(body)
        for entry in body["metadata"].get("managedFields", ()):
            if entry["manager"] == FIELD_MANAGER:
                _strip(entry["fieldsV1"], self.objects[ref], body)
        body["metadata"].setdefault("managedFields", []).append(_entry(manager, "Update", _changed(self.objects[ref], body)))
        self.put(body)

    def service(self, namespace: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> None:
        """A user applies an OCRService."""
        ref = Ref(KIND, namespace, name)
        old = self.objects.get(ref, {})
        kept = {"status": old["status"]} if "status" in old else {}
        body = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": KIND, "spec": copy.deepcopy(dict(spec)), **kept}
        self.put({**body, "metadata": {"name": name, "namespace": namespace, **metadata}})

    def tell(self, cache: Cache) -> None:
        """The watches tell of all there is, and of all that is gone."""
        for ref in [ref for ref in cache.all_refs() if ref not in self.objects]:
            cache.drop(ref)
        for body in self.objects.values():
            cache.put(body)

    def run(self, ref: Ref, **status: Any) -> None:
        """Deployment `ref` gets the pods that it asks for, as its controller would say."""
        body = copy.deepcopy(self.objects[ref])
        count = body["spec"].get("replicas", 1)
        counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), count)
        body["status"] = {"observedGeneration": body["metadata"]["generation"], **counts, **status}
        self.put(body)


def fields_v1(manifest: Mapping[str, Any]) -> JSON:
    """The fields of `manifest` as the API server notes whose they are."""
    said = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    metadata = {key: value for key, value in said["metadata"].items() if key in ("labels", "annotations", "ownerReferences")}
    return _fields(said | {"metadata": metadata}, "")


def _fields(value: Any, name: str) -> JSON:
    if isinstance(value, Mapping) and name not in ("selector", "matchLabels", "nodeSelector"):
        return {f"f:{key}": _fields(item, key) for key, item in value.items()}
    if isinstance(value, list) and name in MERGED_LISTS:
        return {f"k:{json.dumps({_key(item): item[_key(item)]})}": _fields(item, "") for item in value}
    return {}


def _key(item: Mapping[str, Any]) -> str:
    return next(key for key in KEYS if key in item)


def _applied(live: JSON | None, before: JSON | None, manifest: Mapping[str, Any]) -> JSON:
    body = copy.deepcopy(live or {})
    if before is not None:
        _remove(body, before, manifest)
    return dict(_merged(body, manifest, ""))


def _merged(live: Any, said: Any, name: str) -> Any:
    if isinstance(live, Mapping) and isinstance(said, Mapping):
        return {**live, **{key: _merged(live.get(key), value, key) for key, value in said.items()}}
    if isinstance(live, list) and isinstance(said, list) and name in MERGED_LISTS:
        there = {item[_key(item)]: item for item in live}
        return list({**there, **{item[_key(item)]: _merged(there.get(item[_key(item)]), item, "") for item in said}}.values())
    return copy.deepcopy(said)


def _remove(body: JSON, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key, value in before.items():
        if key not in now:
            body.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(now[key], Mapping) and isinstance(body.get(key), dict):
            _remove(body[key], value, now[key])
        elif key in MERGED_LISTS and isinstance(body.get(key), list):
            kept = {item[_key(item)]: item for item in now[key]}
            gone = {item[_key(item)] for item in value} - kept.keys()
            body[key] = [item for item in body[key] if item[_key(item)] not in gone]
            for item in value:
                live = next((there for there in body[key] if there[_key(there)] == item[_key(item)]), None)
                if live is not None and item[_key(item)] in kept:
                    _remove(live, item, kept[item[_key(item)]])


def _strip(fields: JSON, old: Any, new: Any) -> None:
    for name, child in list(fields.items()):
        before, after = _at(old, name), _at(new, name)
        if child and after is not None:
            _strip(child, before, after)
        if before != after and (not child or after is None or not fields[name]):
            del fields[name]


def _at(body: Any, name: str) -> Any:
    if name.startswith("f:"):
        return body.get(name[2:]) if isinstance(body, Mapping) else None
    key = json.loads(name[2:])
    return next((item for item in body or () if all(item.get(k) == v for k, v in key.items())), None)


def _changed(old: Any, new: Any) -> JSON:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys: Iterator[str] = (key for key in new if key not in ("managedFields", "status") and new[key] != old.get(key))
        return {f"f:{key}": _changed(old.get(key), new[key]) for key in keys}
    if isinstance(old, list) and isinstance(new, list) and new and isinstance(new[0], Mapping) and any(k in new[0] for k in KEYS):
        there = {item[_key(item)]: item for item in old}
        changed = [item for item in new if there.get(item[_key(item)]) != item]
        return {f"k:{json.dumps({_key(item): item[_key(item)]})}": _changed(there.get(item[_key(item)]), item) for item in changed}
    return {}


def _entry(manager: str, operation: str, fields: JSON) -> JSON:
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields}


def _without_version(body: Mapping[str, Any]) -> JSON:
    metadata = {key: value for key, value in body["metadata"].items() if key not in ("resourceVersion", "generation")}
    return {**body, "metadata": metadata}
