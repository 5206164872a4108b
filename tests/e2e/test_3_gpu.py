"""GPUs that a node only says it has: who gets one, who waits, and what is told of a container that finds none."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.images import CLUSTER_SCRIPTS
from e2e.lab import Lab, Report
from helpers import ocrservices


@pytest.fixture(scope="module", autouse=True)
def one_gpu(lab: Lab, operator: dict[str, Any]) -> Iterator[None]:
    """A node that offers one nvidia.com/gpu, and has no device."""
    if lab.kind != "local":
        pytest.skip("the node of a local cluster only says what it is told to say")
    _offer(lab, 1)
    yield
    _offer(lab, 0)


def _offer(lab: Lab, count: int) -> None:
    subprocess.run([CLUSTER_SCRIPTS / "fake-gpus.sh", str(count)], check=True, env=lab.environment, stdout=subprocess.DEVNULL)


def _pod(lab: Lab, namespace: str, service: str) -> dict[str, Any]:
    (pod,) = lab.items("pods", namespace, "-l", f"app.kubernetes.io/instance={service}")
    return pod


def test_a_pod_gets_a_gpu_where_there_is_one_and_waits_where_there_is_not(lab: Lab, namespace: str) -> None:
    lab.apply(ocrservices.service(namespace, "fits", modules=[{"name": "ocr_system"}]))
    lab.wait_for(lambda: lab.items("pods", namespace), "the pod")
    name = _pod(lab, namespace, "fits")["metadata"]["name"]
    lab.kubectl("wait", "--for=condition=PodScheduled", f"pod/{name}", "-n", namespace, "--timeout=30s")
    assert _pod(lab, namespace, "fits")["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}

    lab.apply(ocrservices.service(namespace, "waits", modules=[{"name": "ocr_system", "gpu": {"count": 2}}]))
    degraded = ocrservices.wait_for_condition(lab, namespace, "Degraded", name="waits", reason="Unschedulable")
    assert "Insufficient nvidia.com/gpu" in degraded["message"]
    assert "Insufficient nvidia.com/gpu" in ocrservices.status(lab, namespace, "waits")["modules"][0]["lastFailure"]
    assert _pod(lab, namespace, "waits")["status"]["phase"] == "Pending"


def test_an_image_for_gpus_that_finds_none_says_so_and_a_correction_makes_it_ready(
    lab: Lab, namespace: str, report: Report
) -> None:
    lab.apply(ocrservices.service(namespace, modules=[{"name": "ocr_system"}]))
    degraded = ocrservices.wait_for_condition(lab, namespace, "Degraded", reason="Error", seconds=120)
    sentence = ocrservices.status(lab, namespace)["modules"][0]["lastFailure"]
    report(f"the image for GPUs without one: {degraded['message']}")
    assert degraded["message"] == f"ocr_system: {sentence}"
    assert sentence.startswith("use_gpu is true but ")
    assert "Traceback" not in sentence
    assert "\n" not in sentence
    assert ocrservices.condition(lab, namespace, "Ready")["status"] == "False"

    lab.apply(ocrservices.service(namespace, modules=[{"name": "ocr_system", "device": "cpu", "workers": 1}]))
    ocrservices.wait_for_condition(lab, namespace, "Ready", seconds=180)
    ocrservices.wait_for_condition(lab, namespace, "Degraded", "False")
