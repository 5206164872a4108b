"""From what is observed to the status of an OCRService: pure, so that it is written only when it would read differently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_operator.api.spec import ModuleSpec, OCRService, Settings
from ocr_operator.observed.failures import Failure, failure_of

JSON = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """Why what was asked for was not applied: a CamelCase reason and a sentence that says what to do."""

    reason: str
    message: str


@dataclass(frozen=True)
class Observed:
    """What there is of one module: its Deployment, where it exists, and its pods."""

    deployment: Mapping[str, Any] | None
    pods: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class _ModuleState:
    name: str
    desired: int
    ready: int
    is_serving: bool
    is_settled: bool
    failure: Failure | None


def status_of(
    body: Mapping[str, Any],
    service: OCRService | None,
    observed: Mapping[str, Observed],
    problem: Problem | None,
    settings: Settings,
    now: str,
) -> JSON:
    """The status that the OCRService `body` should have.

    `service` is None where its spec cannot be understood; `problem` then says why, and what the old status said of the modules
    stays. `observed` is by module name; `now` an RFC 3339 time, for conditions that change.
    """
    old: Mapping[str, Any] = body.get("status") or {}
    generation = body["metadata"].get("generation", 0)
    if service is None:
        states: list[_ModuleState] = []
        status: JSON = {key: old[key] for key in ("modules", "ready", "replicas", "selector") if key in old}
    else:
        states = [_module_state(module, observed.get(module.name, Observed(None))) for module in service.modules]
        status = {
            "modules": [_module_status(module, state, settings) for module, state in zip(service.modules, states, strict=True)],
            "ready": f"{sum(state.is_serving for state in states)}/{len(states)}",
            **_scale(service.modules, states),
        }
    status["observedGeneration"] = generation
    status["conditions"] = [
        _condition(old, type_, generation, now, *verdict)
        for type_, verdict in (
            ("Ready", _ready(states, problem)),
            ("Progressing", _progressing(states, problem)),
            ("Degraded", _degraded(states, problem)),
        )
    ]
    return status


def condition(status: Mapping[str, Any] | None, type_: str) -> Mapping[str, Any]:
    """A condition by its type; empty where there is none."""
    return next((item for item in (status or {}).get("conditions", ()) if item.get("type") == type_), {})


def _module_state(module: ModuleSpec, observed: Observed) -> _ModuleState:
    failure = failure_of(observed.pods, observed.deployment)
    if observed.deployment is None:
        return _ModuleState(module.name, 1 if module.replicas is None else module.replicas, 0, False, False, failure)
    spec, status = observed.deployment["spec"], observed.deployment.get("status", {})
    desired = spec.get("replicas", 1)
    is_seen = status.get("observedGeneration", 0) >= observed.deployment["metadata"].get("generation", 1)
    is_serving = is_seen and status.get("availableReplicas", 0) >= desired
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    is_settled = is_serving and updated >= desired and total <= max(updated, desired)
    return _ModuleState(module.name, desired, status.get("readyReplicas", 0), is_serving, is_settled, failure)


def _module_status(module: ModuleSpec, state: _ModuleState, settings: Settings) -> JSON:
    status = {
        "name": module.name,
        "url": module.url,
        "replicas": state.desired,
        "readyReplicas": state.ready,
        "image": module.image_reference(settings),
    }
    return {**status, "lastFailure": state.failure.message} if state.failure else status


def _scale(modules: Sequence[ModuleSpec], states: Sequence[_ModuleState]) -> JSON:
    """What the scale subresource shows: the first module whose count is that of spec.defaults."""
    for module, state in zip(modules, states, strict=True):
        if module.scaled_by_defaults:
            return {"replicas": state.desired, "selector": ",".join(f"{key}={value}" for key, value in module.selector.items())}
    return {}


def _ready(states: Sequence[_ModuleState], problem: Problem | None) -> tuple[bool, str, str]:
    if problem is not None:
        return False, problem.reason, "what is asked for is not applied; what was applied before goes on"
    waiting = [state for state in states if not state.is_serving]
    if waiting:
        return False, "NotServing", "; ".join(f"{state.name}: {state.ready} of {state.desired} pods ready" for state in waiting)
    return True, "Serving", "every module has the pods it should have"


def _progressing(states: Sequence[_ModuleState], problem: Problem | None) -> tuple[bool, str, str]:
    moving = [state.name for state in states if not state.is_settled]
    if problem is not None or not moving:
        return False, "Settled" if problem is None else problem.reason, "nothing is being rolled out"
    return True, "RollingOut", f"rolling out {', '.join(moving)}"


def _degraded(states: Sequence[_ModuleState], problem: Problem | None) -> tuple[bool, str, str]:
    if problem is not None:
        return True, problem.reason, problem.message
    failing = [(state.name, state.failure) for state in states if state.failure and state.failure.is_current]
    if failing:
        return True, failing[0][1].reason, "; ".join(f"{name}: {failure.message}" for name, failure in failing)
    return False, "AsAsked", "nothing is known to be wrong"


def _condition(old: Mapping[str, Any], type_: str, generation: int, now: str, is_true: bool, reason: str, message: str) -> JSON:
    value = "True" if is_true else "False"
    before = condition(old, type_)
    since = before.get("lastTransitionTime", now) if before.get("status") == value else now
    return {
        "type": type_,
        "status": value,
        "observedGeneration": generation,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
