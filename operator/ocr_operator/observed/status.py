"""From what is observed to the status of an OCRService: pure, so that it is written only when it would read differently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_operator.api.spec import Device, ModuleSpec, OCRService, Settings, told_of
from ocr_operator.names import PAUSE_ANNOTATION
from ocr_operator.observed.failures import Failure, failure_of
from ocr_operator.observed.rollout import State

JSON = dict[str, Any]
Verdict = tuple[bool, str, str]
"""Whether a condition holds, why in a word, and in a sentence."""


@dataclass(frozen=True)
class Problem:
    """Why what was asked for was not applied: a CamelCase reason and a sentence that says what to do."""

    reason: str
    message: str


@dataclass(frozen=True)
class Decision:
    """What a module with `device: auto` runs on, and why, in words."""

    device: Device
    reason: str

    @property
    def status(self) -> JSON:
        """As the status of the module tells it."""
        return {"device": self.device, "deviceReason": self.reason}


@dataclass(frozen=True)
class Findings:
    """What a turn found out beside what there is.

    `problem` is of the whole OCRService, `modules` by module name; both mean that something asked for is not applied. `contended`
    is what others write too. `waits` says what is in the way and goes by itself, or should. `replaced` has the children that stay
    until the modules that came in their place serve. `again_s`: when to look again. `operator`: what keeps the operator itself from
    its work. `upgrade_waits`: the OCRServices that are brought to a new version of the operator before this one.
    """

    problem: Problem | None = None
    modules: Mapping[str, Problem] = field(default_factory=dict)
    contended: tuple[Problem, ...] = ()
    waits: tuple[str, ...] = ()
    replaced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    again_s: float | None = None
    operator: tuple[Problem, ...] = ()
    upgrade_waits: tuple[str, ...] = ()
    is_paused: bool = False
    rollouts: Mapping[str, State | None] | None = None
    """By module name; None where they were not looked at, so that what the status says of them stays."""
    filling: tuple[str, ...] = ()
    """What is told of a cache of models while it is filled."""
    unfilled: tuple[Problem, ...] = ()
    """What keeps it from being filled."""
    devices: Mapping[str, Decision] | None = None
    """Of the modules with `device: auto`; None as above."""

    @property
    def is_refused(self) -> bool:
        """Whether something asked for is not applied."""
        return self.problem is not None or bool(self.modules)

    @property
    def is_troubled(self) -> bool:
        """Whether there is something to tell at once."""
        return self.is_refused or bool(self.contended or self.waits)

    def refusal(self, names: Sequence[str]) -> Problem | None:
        """All that is refused, in one; `names` are the modules there are."""
        if self.problem is not None:
            return self.problem
        refused = [(name, self.modules[name]) for name in names if name in self.modules]
        if not refused:
            return None
        if len(names) == 1:
            return refused[0][1]
        return Problem(refused[0][1].reason, "; ".join(f"{name}: {problem.message}" for name, problem in refused))


@dataclass(frozen=True)
class Observed:
    """What there is of one module: its Deployment, where it exists, its pods, its autoscaler, disruption budget and HTTPRoute."""

    deployment: Mapping[str, Any] | None
    pods: Sequence[Mapping[str, Any]] = ()
    autoscaler: Mapping[str, Any] | None = None
    budget: Mapping[str, Any] | None = None
    route: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _ModuleState:
    name: str
    desired: int
    ready: int
    is_serving: bool
    is_settled: bool
    failure: Failure | None
    notice: Problem | None = None
    is_refused: bool = False


def status_of(
    body: Mapping[str, Any],
    service: OCRService | None,
    observed: Mapping[str, Observed],
    findings: Findings,
    settings: Settings,
    now: str,
) -> JSON:
    """The status that the OCRService `body` should have.

    `service` is None where its spec cannot be understood; `findings` then says why, and what the old status said of the modules
    stays. `observed` is by module name; `now` an RFC 3339 time, for conditions that change.
    """
    old: Mapping[str, Any] = body.get("status") or {}
    generation = body["metadata"].get("generation", 0)
    if service is None:
        states: list[_ModuleState] = []
        status: JSON = {key: old[key] for key in ("modules", "ready", "replicas", "selector", "replaced", "operator") if key in old}
        problem = findings.problem
    else:
        states = [_module_state(module, observed.get(module.name, Observed(None)), findings) for module in service.modules]
        status = {
            "modules": [
                _module_status(module, state, findings.modules.get(module.name), settings)
                | _rollout_status(module.name, findings.rollouts, old)
                | _device_status(module.name, findings.devices, old)
                for module, state in zip(service.modules, states, strict=True)
            ],
            "ready": f"{sum(state.is_serving for state in states)}/{len(states)}",
            **_scale(service.modules, states),
        }
        replaced = [{"name": name, "by": list(by)} for name, by in sorted(findings.replaced.items()) if by]
        status |= {"replaced": replaced} if replaced else {}
        problem = findings.refusal([state.name for state in states])
    status["observedGeneration"] = generation
    verdicts = {
        "Ready": _ready(states, problem),
        "Progressing": _progressing(states, problem, findings),
        "Degraded": _degraded(states, problem, findings),
    }
    verdicts |= _kstatus(verdicts["Progressing"], problem)
    status["conditions"] = [_condition(old, type_, generation, now, *verdict) for type_, verdict in verdicts.items()]
    return status


def _kstatus(progressing: Verdict, problem: Problem | None) -> dict[str, Verdict]:
    """What kstatus, and so Flux, Argo CD and kpt, wait by: there while it holds, and not there otherwise."""
    if problem is not None:
        return {"Stalled": (True, problem.reason, problem.message)}
    return {"Reconciling": progressing} if progressing[0] else {}


def condition(status: Mapping[str, Any] | None, type_: str) -> Mapping[str, Any]:
    """A condition by its type; empty where there is none."""
    return next((item for item in (status or {}).get("conditions", ()) if item.get("type") == type_), {})


def is_serving(deployment: Mapping[str, Any]) -> bool:
    """Whether as many pods answer as should.

    The counts stand for what was last seen of the pods. While the controller has not yet seen a change of the Deployment, they are
    of before, which is still what answers.
    """
    return bool(deployment.get("status", {}).get("availableReplicas", 0) >= deployment["spec"].get("replicas", 1))


def is_observed(deployment: Mapping[str, Any]) -> bool:
    """Whether what its status says is of its spec as it is now."""
    status = deployment.get("status", {})
    return bool(status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1))


def _module_state(module: ModuleSpec, observed: Observed, findings: Findings) -> _ModuleState:
    failure = failure_of(observed.pods, observed.deployment)
    is_refused = module.name in findings.modules
    if observed.deployment is None:
        desired = 1 if module.replicas is None else module.replicas
        return _ModuleState(module.name, desired, 0, False, False, failure, None, is_refused)
    spec, status = observed.deployment["spec"], observed.deployment.get("status", {})
    desired = spec.get("replicas", 1)
    serves = is_serving(observed.deployment) and "observedGeneration" in status
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    is_settled = is_observed(observed.deployment) and serves and updated >= desired and total <= max(updated, desired)
    notice = _autoscaler_notice(observed.autoscaler) or _budget_notice(observed.budget) or _route_notice(observed.route)
    return _ModuleState(module.name, desired, status.get("readyReplicas", 0), serves, is_settled, failure, notice, is_refused)


BLIND_REASONS = ("FailedGet", "InvalidMetricSource", "InvalidSelector", "FailedComputeMetricsReplicas")


def _autoscaler_notice(autoscaler: Mapping[str, Any] | None) -> Problem | None:
    for item in (autoscaler or {}).get("status", {}).get("conditions", ()):
        reason = str(item.get("reason", ""))
        if item.get("type") == "ScalingActive" and item.get("status") == "False" and reason.startswith(BLIND_REASONS):
            advice = "install metrics-server, or an adapter for its other metrics, and set resources.requests.cpu"
            return Problem("AutoscalerBlind", f"the autoscaler cannot read its metrics, so nothing is scaled ({reason}): {advice}")
        if item.get("type") == "AbleToScale" and item.get("status") == "False" and reason == "FailedGetScale":
            return Problem("AutoscalerBlind", "the autoscaler cannot read the Deployment's scale, so nothing is scaled")
    return None


def _budget_notice(budget: Mapping[str, Any] | None) -> Problem | None:
    status = (budget or {}).get("status", {})
    expected, needed = status.get("expectedPods", 0), status.get("desiredHealthy", 0)
    if expected > 0 and needed >= expected:
        advice = "lower minAvailable, raise maxUnavailable, or have more replicas"
        return Problem(
            "DrainBlocked", f"podDisruptionBudget lets none of {expected} pods go, so no node of theirs can be drained: {advice}"
        )
    return None


def _route_notice(route: Mapping[str, Any] | None) -> Problem | None:
    """What a Gateway says of the route, where it does not take it."""
    for parent in (route or {}).get("status", {}).get("parents", ()):
        for item in parent.get("conditions", ()):
            if item.get("type") in ("Accepted", "ResolvedRefs") and item.get("status") == "False":
                name = parent.get("parentRef", {}).get("name", "")
                advice = "see that the listener takes routes of this namespace, these hostnames and this sectionName"
                said = " ".join(str(item.get("message", "")).split()).rstrip(".") or item.get("reason", "")
                return Problem("RouteNotAccepted", f"the Gateway {name} does not take httpRoute ({said}): {advice}")
    return None


def _module_status(module: ModuleSpec, state: _ModuleState, problem: Problem | None, settings: Settings) -> JSON:
    status: JSON = {
        "name": module.name,
        "url": module.url,
        "replicas": state.desired,
        "readyReplicas": state.ready,
        "image": module.image_reference(settings),
    }
    if module.serves:
        status["urls"] = module.urls
    if module.outside_urls:
        status["outside"] = module.outside_urls
    if problem is not None:
        status["problem"] = problem.message
    return {**status, "lastFailure": state.failure.message} if state.failure else status


def _rollout_status(name: str, rollouts: Mapping[str, State | None] | None, old: Mapping[str, Any]) -> JSON:
    if rollouts is None:
        told = told_of(old, name).get("rollout")
        return {"rollout": told} if told else {}
    state = rollouts.get(name)
    return {"rollout": state.status} if state else {}


def _device_status(name: str, devices: Mapping[str, Decision] | None, old: Mapping[str, Any]) -> JSON:
    if devices is None:
        told = told_of(old, name)
        return {key: told[key] for key in ("device", "deviceReason") if key in told}
    return devices[name].status if name in devices else {}


def _scale(modules: Sequence[ModuleSpec], states: Sequence[_ModuleState]) -> JSON:
    """What the scale subresource shows: the first module whose count is that of spec.defaults."""
    for module, state in zip(modules, states, strict=True):
        if module.scaled_by_defaults:
            return {"replicas": state.desired, "selector": ",".join(f"{key}={value}" for key, value in module.selector.items())}
    return {}


def _ready(states: Sequence[_ModuleState], problem: Problem | None) -> Verdict:
    if problem is not None:
        return False, problem.reason, "what is asked for is not applied; what was applied before goes on"
    waiting = [state for state in states if not state.is_serving]
    if waiting:
        return False, "NotServing", "; ".join(f"{state.name}: {state.ready} of {state.desired} pods ready" for state in waiting)
    return True, "Serving", "every module has the pods it should have"


def _progressing(states: Sequence[_ModuleState], problem: Problem | None, findings: Findings) -> Verdict:
    moving = [state.name for state in states if not state.is_settled and not state.is_refused]
    if findings.is_paused:
        return False, "Paused", f"nothing is changed while the annotation {PAUSE_ANNOTATION} says true: take it away to go on"
    if findings.waits:
        return True, "Waiting", "; ".join(findings.waits)
    if findings.upgrade_waits:
        # Not which ones: that would be a write of each that waits for each that is done.
        return True, "UpgradeWaits", "what this version of the operator does otherwise is applied once others before it are healthy"
    if findings.filling:
        return True, "FillingCache", "; ".join(findings.filling)
    running = [f"{name}: {state.message}" for name, state in (findings.rollouts or {}).items() if state and state.is_running]
    if running:
        return True, "Trying", "; ".join(running)
    if moving and not findings.problem:
        kept = [f"{name} goes once {', '.join(by)} serves" for name, by in sorted(findings.replaced.items()) if by]
        return True, "RollingOut", "; ".join([f"rolling out {', '.join(moving)}", *kept])
    return False, "Settled" if problem is None else problem.reason, "nothing is being rolled out"


def _degraded(states: Sequence[_ModuleState], problem: Problem | None, findings: Findings) -> Verdict:
    if problem is not None:
        return True, problem.reason, problem.message
    if findings.contended:
        return True, findings.contended[0].reason, "; ".join(item.message for item in findings.contended)
    if findings.waits:
        return True, "Waiting", "; ".join(findings.waits)
    if findings.unfilled:
        return True, findings.unfilled[0].reason, "; ".join(item.message for item in findings.unfilled)
    failing = [(state.name, state.failure) for state in states if state.failure and state.failure.is_current]
    if failing:
        return True, failing[0][1].reason, "; ".join(f"{name}: {failure.message}" for name, failure in failing)
    noticed = [(state.name, state.notice) for state in states if state.notice]
    if findings.operator:
        return True, findings.operator[0].reason, "; ".join(item.message for item in findings.operator)
    if noticed:
        return True, noticed[0][1].reason, "; ".join(f"{name}: {notice.message}" for name, notice in noticed)
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
