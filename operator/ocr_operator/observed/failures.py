"""What keeps a module's pods from serving, in one sentence: pure, from the pods and the Deployment as the API server shows them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SENTENCE_PREFIX = "ocr-serving: "
LONGEST = 1000
PULL_REASONS = {"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
_CONTAINER = re.compile(r"\b[0-9a-f]{64}\b")
STARTING_REASONS = {"ContainerCreating", "PodInitializing"}


@dataclass(frozen=True)
class Failure:
    """A failure that was seen: `is_current` while a pod is kept from serving by it, else it is over."""

    reason: str
    message: str
    is_current: bool


def failure_of(pods: Sequence[Mapping[str, Any]], deployment: Mapping[str, Any] | None) -> Failure | None:
    """The failure to show for a module, or None: a current one before one that is over, of the newest pod first."""
    newest_first = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)
    failures = [failure for pod in newest_first if not pod["metadata"].get("deletionTimestamp") for failure in _pod_failures(pod)]
    failures += _deployment_failures(deployment)
    return next((failure for failure in failures if failure.is_current), failures[0] if failures else None)


def _pod_failures(pod: Mapping[str, Any]) -> Iterator[Failure]:
    status = pod.get("status", {})
    for item in status.get("conditions", ()):
        if item.get("type") == "PodScheduled" and item.get("status") == "False" and item.get("reason") == "Unschedulable":
            yield Failure("Unschedulable", _short(item.get("message", "no node takes the pod")), True)
    for container in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
        failure = _container_failure(container)
        if failure is not None:
            yield failure
    if status.get("phase") == "Failed" and status.get("reason"):
        yield Failure(status["reason"], _short(status.get("message", status["reason"])), True)


def _container_failure(container: Mapping[str, Any]) -> Failure | None:
    state = container.get("state", {})
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    waiting = state.get("waiting", {})
    reason = waiting.get("reason", "")
    if reason in PULL_REASONS:
        # The kubelet's own message changes with each attempt, which would be a write for each.
        return Failure("ImageNotPulled", f"the image {container.get('image')} cannot be pulled", True)
    if ended is not None and ended.get("exitCode") != 0:
        is_current = "running" not in state or not container.get("ready", False)
        return Failure(ended.get("reason") or "Error", _ended(ended), is_current)
    if reason and reason not in STARTING_REASONS | {"CrashLoopBackOff"}:
        # The kubelet names a container that it could not make, another one with each attempt.
        return Failure(reason, _short(_CONTAINER.sub("…", waiting.get("message") or reason)), True)
    return None


def _ended(ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return "was killed for using more memory than its limit: raise resources.limits.memory, or lower workers"
    said = sentence_in(ended.get("message") or "")
    return said or f"ended with exit code {ended.get('exitCode')}; its log says why"


def sentence_in(log: str) -> str:
    """The sentence with which a service gave up, in the end of its log; else the last line; without the program's name."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(SENTENCE_PREFIX)] or lines
    return _short(said[-1].removeprefix(SENTENCE_PREFIX)) if said else ""


def _deployment_failures(deployment: Mapping[str, Any] | None) -> Iterable[Failure]:
    for item in (deployment or {}).get("status", {}).get("conditions", ()):
        if item.get("type") == "ReplicaFailure" and item.get("status") == "True":
            yield Failure(item.get("reason", "ReplicaFailure"), _short(item.get("message", "")), True)
        if item.get("type") == "Progressing" and item.get("reason") == "ProgressDeadlineExceeded":
            yield Failure("ProgressDeadlineExceeded", "the new pods did not become ready in time; their log says why", True)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
