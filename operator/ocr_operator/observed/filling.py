"""How the Job that fills a cache of models goes, and whether pods found the cache damaged since: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_operator.names import COMPONENT_LABEL, MODELS_CONTAINER
from ocr_operator.observed.failures import failure_of
from ocr_operator.observed.live import hash_of
from ocr_operator.observed.status import Problem

JSON = dict[str, Any]


@dataclass(frozen=True)
class Filling:
    """What is to be told of a cache: `message` while it is filled, and `problem` where that does not go on by itself."""

    message: str
    problem: Problem | None = None


def is_filled(job: Mapping[str, Any] | None, manifest: Mapping[str, Any]) -> bool:
    """Whether `job`, made of `manifest`, has come to its end."""
    return job is not None and hash_of(job) == hash_of(manifest) and bool(_ended_at(job))


def must_refill(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the Job is to be made anew: it gave up, or a pod found damaged since then what it had brought."""
    if any(item.get("type") == "Failed" and item.get("status") == "True" for item in _conditions(job)):
        return True
    ended = _ended_at(job)
    return bool(ended) and any(at > ended for pod in pods for at in _found_damaged(pod))


def filling(manifest: Mapping[str, Any], claim: Mapping[str, Any] | None, pods: Sequence[Mapping[str, Any]]) -> Filling:
    """What is to be told of the Job of `manifest` while it is under way; `pods` are its own."""
    name = manifest["metadata"]["name"]
    message = f"the Job {name} fills the cache of models, without which no new pod is started"
    failure = failure_of(pods, None)
    if failure is not None and failure.is_current:
        advice = f"{failure.message.rstrip('.')}: it goes on by itself once that is mended; its log says more"
        return Filling(message, Problem("CacheNotFilled", f"the Job {name} cannot fill the cache of models: {advice}"))
    if claim is not None and claim.get("status", {}).get("phase") == "Lost":
        told = f"the claim {claim['metadata']['name']} of the cache of models has lost its volume: delete it to have it made anew"
        return Filling(message, Problem("CacheNotFilled", told))
    if claim is not None and claim.get("status", {}).get("phase") == "Pending":
        modes = " and ".join(claim["spec"].get("accessModes", ()))
        advice = "see that its StorageClass makes such volumes, or set storageClassName, accessMode or claimName"
        told = f"{message}; its claim {claim['metadata']['name']} has no volume of {modes} yet: {advice}"
        return Filling(told)
    return Filling(message)


def fillers(pods: Iterable[Mapping[str, Any]], component: str) -> list[Mapping[str, Any]]:
    """Those of `pods` that fill the cache."""
    return [pod for pod in pods if pod["metadata"].get("labels", {}).get(COMPONENT_LABEL) == component]


def _conditions(job: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return job.get("status", {}).get("conditions") or ()


def _ended_at(job: Mapping[str, Any]) -> str:
    """When it was done, in RFC 3339; empty while it is not."""
    done = [item for item in _conditions(job) if item.get("type") == "Complete" and item.get("status") == "True"]
    return str(job["status"].get("completionTime") or done[0].get("lastTransitionTime", "0")) if done else ""


def _found_damaged(pod: Mapping[str, Any]) -> Iterator[str]:
    """When the pod last found the cache damaged, where it waits for a better one."""
    if pod["metadata"].get("deletionTimestamp"):
        return
    for container in pod.get("status", {}).get("initContainerStatuses", ()):
        state = container.get("state", {})
        ended = state.get("terminated") or ("waiting" in state and container.get("lastState", {}).get("terminated"))
        if container.get("name") == MODELS_CONTAINER and ended and ended.get("exitCode") != 0:
            yield str(ended.get("finishedAt", ""))
