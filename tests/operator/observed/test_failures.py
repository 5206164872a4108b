"""What a user reads about pods that do not serve."""

from typing import Any

import pytest

from ocr_operator.observed.failures import failure_of, sentence_in


def _pod(
    state: dict[str, Any], *, ready: bool = False, last: dict[str, Any] | None = None, created: str = "1", **status: Any
) -> dict[str, Any]:
    container = {"name": "server", "image": "i:1", "ready": ready, "state": state, "lastState": last or {}}
    return {"metadata": {"name": "p", "creationTimestamp": created}, "status": {"containerStatuses": [container], **status}}


ENDED = {"exitCode": 4, "reason": "Error", "message": "loading …\nocr-serving: use_gpu needs a GPU, and there is none\n"}
RUNNING = {"running": {"startedAt": "t"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes: 1 Insufficient nvidia.com/gpu.",
}


@pytest.mark.parametrize(
    ("pod", "message", "is_current"),
    [
        (_pod({"terminated": ENDED}), "use_gpu needs a GPU, and there is none", True),
        (_pod(BACK_OFF, last={"terminated": ENDED}), "use_gpu needs a GPU, and there is none", True),
        (_pod(RUNNING, last={"terminated": ENDED}), "use_gpu needs a GPU, and there is none", True),
        (_pod(RUNNING, ready=True, last={"terminated": ENDED}), "use_gpu needs a GPU, and there is none", False),
        (_pod({"waiting": {"reason": "ErrImagePull", "message": "attempt 3: not found"}}), "the image i:1 cannot be pulled", True),
        (_pod({"waiting": {"reason": "ImagePullBackOff", "message": "in 20s"}}), "the image i:1 cannot be pulled", True),
        (
            _pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            "was killed for using more memory than its limit: raise resources.limits.memory, or lower workers",
            True,
        ),
        (_pod({"terminated": {"exitCode": 3, "reason": "Error"}}), "ended with exit code 3; its log says why", True),
        (
            _pod({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}}),
            'secret "keys" not found',
            True,
        ),
        (
            _pod(
                {
                    "waiting": {
                        "reason": "CreateContainerError",
                        "message": f'failed to generate container "{"0f" * 32}" spec: no /x',
                    }
                }
            ),
            'failed to generate container "…" spec: no /x',  # another one with each attempt, which would be a write for each
            True,
        ),
        (_pod({}, conditions=[UNSCHEDULABLE]), "0/1 nodes: 1 Insufficient nvidia.com/gpu.", True),
    ],
)
def test_a_failing_pod_is_told_in_one_sentence(pod: dict[str, Any], message: str, is_current: bool) -> None:
    failure = failure_of([pod], None)
    assert failure is not None
    assert (failure.message, failure.is_current) == (message, is_current)


@pytest.mark.parametrize(
    "pod",
    [
        _pod({"waiting": {"reason": "ContainerCreating"}}),
        _pod(RUNNING),
        _pod(RUNNING, ready=True),
        _pod({"terminated": {"exitCode": 0, "reason": "Completed"}}),
        {"metadata": {"name": "p", "deletionTimestamp": "t"}, "status": _pod({"terminated": ENDED})["status"]},
    ],
)
def test_a_pod_that_starts_serves_or_goes_is_no_failure(pod: dict[str, Any]) -> None:
    assert failure_of([pod], None) is None


def test_the_download_of_the_models_is_told_of_too() -> None:
    init = {"name": "download", "state": {"terminated": {"exitCode": 1, "message": "ocr-serving: the SHA-256 differs"}}}
    pod = {"metadata": {"name": "p"}, "status": {"initContainerStatuses": [init]}}
    failure = failure_of([pod], None)
    assert failure is not None
    assert failure.message == "the SHA-256 differs"


def test_a_current_failure_comes_before_one_that_is_over() -> None:
    over = _pod(RUNNING, ready=True, last={"terminated": {"exitCode": 1, "message": "old"}}, created="2")
    current = _pod({"terminated": {"exitCode": 1, "message": "new"}}, created="1")
    failure = failure_of([over, current], None)
    assert failure is not None
    assert failure.message == "new"


def test_pods_that_may_not_even_be_made_are_told_of() -> None:
    quota = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    failure = failure_of([], {"status": {"conditions": [quota]}})
    assert failure is not None
    assert (failure.reason, failure.message) == ("FailedCreate", "exceeded quota")


def test_without_a_sentence_the_last_line_of_the_log_is_told() -> None:
    assert sentence_in("Traceback …\nValueError: x\n\n") == "ValueError: x"
    assert sentence_in("") == ""
    assert len(sentence_in("x" * 5000)) == 1000
