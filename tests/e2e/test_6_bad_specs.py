"""What cannot work is refused with a sentence, or shown as Degraded with one; nothing half done is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from e2e.lab import Lab
from helpers import ocrservices
from helpers.bad_services import BAD

NAMESPACE = "e2e-bad"

# What only the cluster can refuse when it is applied, with the reason of the condition and words of its message.
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "affinity that is none": ({"affinity": {"nodeAffinity": {"bogus": 1}}}, "Refused", "affinity.nodeAffinity.bogus"),
    "toleration with a space": ({"tolerations": [{"key": "a b", "operator": "Exists"}]}, "Refused", "tolerations[0].key"),
    "volume without a claim": ({"volumes": [{"name": "v", "persistentVolumeClaim": {}}]}, "Refused", "claimName"),
    "volume of the node": ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "NotAllowed", "hostPath"),
    "mount of no volume": ({"volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]}, "Refused", "nowhere"),
    "variable from nowhere": (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "nonsense"}}}]},
        "Refused",
        "fieldPath",
    ),
}

# What is seen when the pods are to start.
BROKEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "image that is not there": ({"name": "no_such_module"}, "ImageNotPulled", "no-such-module"),
    "claim that is not there": ({"models": {"pvc": {"claimName": "no-claim"}}}, "Unschedulable", "no-claim"),
    "variables that are not there": (
        {"envFrom": [{"secretRef": {"name": "no-secret"}}]},
        "CreateContainerConfigError",
        "no-secret",
    ),
    "parameter misspelt": ({"params": {"drop_skore": 0.5}}, "Error", "drop_skore"),
    "weights that are not there": ({"params": {"model_set": "PP-OCRv9"}}, "Error", "PP-OCRv9"),
    "service account that is not there": ({"serviceAccountName": "nobody"}, "FailedCreate", "nobody"),
}


@pytest.fixture(scope="module")
def operator_pod(lab: Lab, operator: dict[str, Any], module_namespace: str) -> Iterator[dict[str, Any]]:
    """The operator's pod, which is to be the same, and never restarted, after all of this."""
    lab.wait_until_settled()
    pod = lab.operator_pod()
    yield pod
    after = lab.operator_pod()
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert lab.restarts(after) == lab.restarts(pod)


def test_the_api_server_refuses_and_nothing_is_made(lab: Lab, operator_pod: dict[str, Any]) -> None:
    assert len(BAD) >= 40

    def answer(case: str) -> tuple[str, int, str]:
        done = lab.kubectl("create", "-n", NAMESPACE, "-f", "-", stdin=json.dumps(BAD[case][0]), check=False)
        return case, done.returncode, done.stderr

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(answer, BAD))
    assert [case for case, code, _ in answers if code == 0] == []
    assert {case: said for case, _, said in answers if BAD[case][1] not in said} == {}
    assert lab.items("ocr", NAMESPACE) == []
    assert ocrservices.children(lab, NAMESPACE) == {}


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_the_cluster_can_refuse_is_told_and_not_half_applied(
    lab: Lab, operator_pod: dict[str, Any], namespace: str, case: str
) -> None:
    fields, reason, words = REFUSED[case]
    module: dict[str, Any] = {"name": "ocr_system", "device": "cpu", "replicas": 0, **fields}
    lab.apply(ocrservices.service(namespace, modules=[module]))
    degraded = ocrservices.wait_for_condition(lab, namespace, "Degraded")
    assert degraded["reason"] == reason
    assert words in degraded["message"]
    assert ocrservices.children(lab, namespace) == {}


def test_what_breaks_when_pods_start_is_told(lab: Lab, operator_pod: dict[str, Any], module_namespace: str) -> None:
    names = {case: case.replace(" ", "-") for case in BROKEN}
    for case, (fields, _, _) in BROKEN.items():
        module = {"name": "ocr_system", "device": "cpu", "workers": 1, **fields}
        lab.apply(ocrservices.service(NAMESPACE, names[case], modules=[module]))
    for case, (_, reason, words) in BROKEN.items():
        degraded = ocrservices.wait_for_condition(lab, NAMESPACE, "Degraded", name=names[case], reason=reason, seconds=90)
        assert words in degraded["message"], case
        assert "\n" not in degraded["message"], case
        assert ocrservices.condition(lab, NAMESPACE, "Ready", names[case])["status"] == "False", case
