"""Where the rollouts of one OCRService are: what is seen of them goes into the state machine, what it says becomes manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ocr_operator.api.spec import CANARY, ModuleSpec, OCRService, Settings
from ocr_operator.desired import canary, pod
from ocr_operator.desired.render import PULL_SECONDS
from ocr_operator.names import COMPONENT_LABEL, HASH_ANNOTATION, ROLLOUT_ANNOTATION, TRACK_LABEL
from ocr_operator.observed.cache import Cache, Owner, Ref
from ocr_operator.observed.failures import failure_of, sentence_in
from ocr_operator.observed.rollout import Phase, Seen, State, next_state, seconds_left
from ocr_operator.observed.status import Problem

JSON = dict[str, Any]
MOUNTS_IMAGES = "a golden set from an image needs a node that mounts images: containerd 2.1 or CRI-O 1.31"


@dataclass
class Plan:
    """What a turn is to bring about: `service` with what is accepted in place of what is tried, and what stands beside it.

    `moved` has the modules whose state is not that of the status: it is to be told before anything is done about it.
    """

    service: OCRService
    asked: tuple[ModuleSpec, ...] = ()
    """The modules as the spec has them, with what is tried or was kept out."""
    states: dict[str, State | None] = field(default_factory=dict)
    beside: dict[str, list[JSON]] = field(default_factory=dict)
    moved: dict[str, State] = field(default_factory=dict)
    again_s: float | None = None

    @property
    def problems(self) -> dict[str, Problem]:
        """The changes that are kept out."""
        return {
            name: Problem("RolloutRefused", state.message)
            for name, state in self.states.items()
            if state is not None and state.phase is Phase.REFUSED
        }


def plan(service: OCRService, body: Mapping[str, Any], cache: Cache, settings: Settings, now: datetime) -> Plan:
    """What is to be, from the status of `body` and what `cache` has of the pods."""
    found = Plan(service, service.modules)
    modules = []
    for module in service.modules:
        before = _told(body, module.name)
        if module.fields.rollout is None:
            modules.append(module)
            continue
        seen = _seen(service, module, before, body, cache, settings)
        state = next_state(module.fields.rollout, before, seen, now)
        found.states[module.name] = state
        if state is not None and before is not None and state != before:
            found.moved[module.name] = state
        if state is None:
            modules.append(module)
            continue
        modules.append(_held(module, state))
        if state.is_running:
            found.beside[module.name] = _beside(service, module, state, cache, settings)
            left = seconds_left(module.fields.rollout, state, seen, now)
            found.again_s = min((s for s in (left, found.again_s) if s is not None), default=None)
    found.service = replace(service, modules=tuple(modules))
    return found


def serving(service: OCRService, body: Mapping[str, Any]) -> OCRService:
    """`service` with what its status says is accepted in place of what is tried or was kept out."""
    modules = []
    for module in service.modules:
        state = _told(body, module.name) if module.fields.rollout is not None else None
        modules.append(_held(module, state) if state else module)
    return replace(service, modules=tuple(modules))


def tried(service: OCRService, body: Mapping[str, Any], settings: Settings) -> list[str]:
    """Names of the modules of which something else would be tried than what the status of `body` speaks of."""
    found = []
    for module in service.modules:
        rollout, state = module.fields.rollout, _told(body, module.name)
        gates = rollout is not None and rollout.strategy != "Rolling"
        if gates and state is not None and canary.key(module, settings) not in (state.accepted, state.candidate):
            found.append(module.name)
    return found


def with_states(status: Mapping[str, Any], states: Mapping[str, State]) -> JSON:
    """`status` with these states."""
    modules = [
        {**item, "rollout": states[item["name"]].status} if item["name"] in states else item for item in status.get("modules", ())
    ]
    return {**status, "modules": modules}


def names_beside(modules: Sequence[ModuleSpec]) -> set[str]:
    """Names of the Deployments that may stand beside those of `modules`."""
    return {f"{module.child_name}{CANARY}" for module in modules}


def _told(body: Mapping[str, Any], name: str) -> State | None:
    modules = (body.get("status") or {}).get("modules", ())
    return next((State.read(item.get("rollout")) for item in modules if item.get("name") == name), None)


def _held(module: ModuleSpec, state: State) -> ModuleSpec:
    try:
        return canary.held(module, state.accepted)
    except (ValueError, KeyError):  # of a version that wrote it otherwise
        return module


def _beside(service: OCRService, module: ModuleSpec, state: State, cache: Cache, settings: Settings) -> list[JSON]:
    is_serving = state.phase is Phase.SHIFTING
    replicas = 1
    if is_serving and module.fields.rollout is not None:
        live = cache.get(Ref("Deployment", module.namespace, module.child_name)) or {}
        count = live.get("spec", {}).get("replicas", 1 if module.replicas is None else module.replicas)
        replicas = canary.weighed(int(count), module.fields.rollout.weight)
    manifests = canary.render_canary(service, module, settings, is_serving=is_serving, replicas=replicas)
    if state.phase is Phase.MEASURING:
        manifests += [canary.render_policy(service, module), canary.render_job(service, module, settings)]
    return manifests


def _seen(
    service: OCRService, module: ModuleSpec, state: State | None, body: Mapping[str, Any], cache: Cache, settings: Settings
) -> Seen:
    order = str((body["metadata"].get("annotations") or {}).get(ROLLOUT_ANNOTATION, ""))
    seen = Seen(canary.key(module, settings), order, start_s=float(pod.startup_seconds(module) + PULL_SECONDS))
    if state is None or not state.is_running or state.candidate != seen.wanted:
        return seen
    wanted = {item["kind"]: item for item in _beside(service, module, state, cache, settings)}
    pods = [found for ref in cache.owned(Owner(service.namespace, service.name)) if ref.kind == "Pod" and (found := cache.get(ref))]
    own = [item for item in pods if item["metadata"].get("labels", {}).get(TRACK_LABEL) == module.track]
    deployment = _same(cache, wanted["Deployment"])
    failure = failure_of(own, deployment)
    seen = replace(
        seen,
        is_available=deployment is not None and _is_available(deployment),
        trouble=failure.message if failure else "",
        crashes=max((_restarts(item) for item in own), default=0),
    )
    job = _same(cache, wanted["Job"]) if "Job" in wanted else None
    if job is None:
        return seen
    golden = module.fields.rollout.golden if module.fields.rollout else None
    readers = [
        item
        for item in pods
        if item["metadata"].get("labels", {}).get(COMPONENT_LABEL) == f"{module.component}-golden"
        and any(owner.get("uid") == job["metadata"]["uid"] for owner in item["metadata"].get("ownerReferences", ()))
    ]
    outcome, said = _outcome(job, readers)
    if outcome == "pending" and said and golden is not None and golden.image is not None:
        said = f"{said} ({MOUNTS_IMAGES})"
    return replace(seen, job=outcome, job_said=said)


def _same(cache: Cache, manifest: JSON) -> JSON | None:
    """The live object of `manifest`, where it was made of that one."""
    metadata = manifest["metadata"]
    live = cache.get(Ref(manifest["kind"], metadata["namespace"], metadata["name"]))
    if live is None or live["metadata"].get("deletionTimestamp"):
        return None
    was = (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION)
    return live if was == metadata["annotations"][HASH_ANNOTATION] else None


def _is_available(deployment: Mapping[str, Any]) -> bool:
    status, count = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    is_seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    return bool(is_seen and min(status.get("availableReplicas", 0), status.get("updatedReplicas", 0)) >= count)


def _restarts(item: Mapping[str, Any]) -> int:
    if item["metadata"].get("deletionTimestamp"):
        return 0
    return max((int(one.get("restartCount", 0)) for one in item.get("status", {}).get("containerStatuses", ())), default=0)


def _outcome(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """How the Job goes, and what its pods said last."""
    ends = {item["type"]: item for item in job.get("status", {}).get("conditions", ()) if item.get("status") == "True"}
    words = [
        (str(ended.get("finishedAt", "")), ended.get("exitCode", 1) == 0, str(ended.get("message", "")))
        for item in pods
        for container in item.get("status", {}).get("containerStatuses", ())
        if (ended := container.get("state", {}).get("terminated"))
    ]
    if "Complete" in ends or "SuccessCriteriaMet" in ends:
        return "done", max((word for word in words if word[1]), default=("", True, ""))[2]
    if "Failed" in ends or "FailureTarget" in ends:
        said = sentence_in(max((word for word in words if not word[1]), default=("", False, ""))[2])
        return "failed", said or str((ends.get("Failed") or ends["FailureTarget"]).get("message", ""))
    failure = failure_of(pods, None)
    if any(_has_started(item) for item in pods):
        return "running", failure.message if failure else ""
    return "pending", failure.message if failure else ""


def _has_started(item: Mapping[str, Any]) -> bool:
    states = [container.get("state", {}) for container in item.get("status", {}).get("containerStatuses", ())]
    return any("running" in state or "terminated" in state for state in states)
