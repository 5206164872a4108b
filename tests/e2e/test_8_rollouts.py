"""A change that reads worse is kept out, an equal one comes into use, some requests try another; no request fails meanwhile.

The operator is replaced in each phase.
"""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from e2e.clients import Client
from e2e.images import Images
from e2e.lab import OURS, Lab, Report
from helpers import ocrservices
from ocr_serving import data

NAMESPACE = "e2e-gate"
URL = f"http://gated-ocr-system.{NAMESPACE}.svc:8868/predict/ocr_system"
PICTURE = data.WARMUP.read_bytes()
GATED = {"strategy": "Gated", "golden": {"configMap": "golden"}, "minWordF1": 0.9, "maxF1Drop": 0.01}
CANARY = {"strategy": "Canary", "weight": 50, "canarySeconds": 3600}


def gated(rollout: dict[str, Any] = GATED, **params: Any) -> dict[str, Any]:
    """ocr_system behind a gate, one pod of one worker."""
    module = {"name": "ocr_system", "device": "cpu", "replicas": 1, "workers": 1, "rollout": rollout, "params": params}
    return ocrservices.service(NAMESPACE, "gated", modules=[module])


def rollout(lab: Lab) -> dict[str, Any]:
    """What the status says of it."""
    modules = ocrservices.status(lab, NAMESPACE, "gated").get("modules", [{}])
    return dict(modules[0].get("rollout", {}))


def deployments(lab: Lab) -> list[str]:
    """Their names."""
    return [item["metadata"]["name"] for item in lab.items("deployments", NAMESPACE)]


def wait_for_phase(lab: Lab, phase: str, seconds: float = 180) -> dict[str, Any]:
    """The rollout once it is there."""
    lab.wait_for(lambda: rollout(lab).get("phase") == phase, lambda: f"{phase}: {rollout(lab)}", seconds)
    return rollout(lab)


@pytest.fixture(scope="module")
def client(lab: Lab, operator: dict[str, Any], made: Images, module_namespace: str) -> Client:
    """A client's pod beside a service, and a golden set of the words that the service reads now."""
    lab.apply(gated())
    client = Client(lab, NAMESPACE, made.module("ocr_system"))
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", name="gated", seconds=180)
    lines = [line["text"] for line in client.ask(URL, PICTURE)["results"][0]]
    assert lines
    golden = {"binaryData": {"page.png": base64.b64encode(PICTURE).decode()}, "data": {"page.txt": "\n".join(lines)}}
    lab.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "golden", "namespace": NAMESPACE}, **golden})
    return client


def test_a_worse_change_is_kept_out(lab: Lab, client: Client, report: Report) -> None:
    began = time.monotonic()
    with client.load(URL, clients=1) as outcome:
        lab.apply(gated(drop_score=1))  # no line is sure enough
        refused = wait_for_phase(lab, "Refused")
    report(f"a worse change refused after {time.monotonic() - began:.0f} s; {outcome.requests} requests")
    assert outcome.failures == []
    assert "" not in outcome.texts, "no caller was ever answered by what was kept out"
    assert refused["message"] == (
        "the old one is kept: word F1 0.000 is below minWordF1 0.9; word F1 fell from 1.000 to 0.000, by more than 0.01"
    )
    degraded = ocrservices.wait_for_condition(lab, NAMESPACE, "Degraded", name="gated", reason="RolloutRefused")
    assert degraded["message"] == refused["message"]
    assert refused["message"] in lab.kubectl("describe", "ocr", "gated", "-n", NAMESPACE).stdout


@pytest.fixture
def golden(lab: Lab, client: Client, tmp_path: Path) -> dict[str, Any]:
    """The golden set on a claim where this test can write to the node, which provides none itself; else as before."""
    if lab.kind != "local":
        return {"configMap": "golden"}
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "page.png").write_bytes(PICTURE)
    (tmp_path / "forms" / "page.txt").write_text(lab.get("configmap", "golden", "-n", NAMESPACE)["data"]["page.txt"])
    claim = {"claimName": "golden", "path": "forms"}
    size = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = {**size, "capacity": {"storage": "1Mi"}, "hostPath": {"path": str(tmp_path), "type": "Directory"}}
    volume |= {"claimRef": {"name": "golden", "namespace": NAMESPACE}}
    labels = {"labels": {OURS: "true"}}
    lab.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "golden", **labels}, "spec": volume})
    wanted = {**size, "volumeName": "golden", "resources": {"requests": {"storage": "1Mi"}}}
    lab.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "golden", "namespace": NAMESPACE},
            "spec": wanted,
        }
    )
    return {"pvc": claim}


def test_an_equal_one_is_promoted_though_the_operator_is_replaced(
    lab: Lab, client: Client, golden: dict[str, Any], report: Report
) -> None:
    began = time.monotonic()
    lab.apply(gated({**GATED, "golden": golden}, drop_score=0.1))
    wait_for_phase(lab, "Starting")
    lab.restart_operator()
    wait_for_phase(lab, "Measuring")
    lab.restart_operator()
    with client.load(URL, clients=1) as outcome:
        promoted = wait_for_phase(lab, "Promoted")
        ocrservices.wait_for_condition(lab, NAMESPACE, "Progressing", "False", "gated", reason="Settled", seconds=120)
        ocrservices.wait_for_condition(lab, NAMESPACE, "Degraded", "False", "gated")
    report(f"an equal one promoted after {time.monotonic() - began:.0f} s: {promoted['message']}; {outcome.requests} requests")
    assert outcome.failures == []
    assert promoted["new"]["wordF1"] == promoted["old"]["wordF1"] == 1
    assert promoted["new"]["cpuSeconds"] > 0
    lab.wait_for(lambda: lab.items("jobs", NAMESPACE) == [], "the Job to be gone")
    assert deployments(lab) == ["gated-ocr-system"]


def test_a_share_of_the_requests_tries_it_until_somebody_orders_otherwise(lab: Lab, client: Client, report: Report) -> None:
    began = time.monotonic()

    def order(words: str) -> None:
        lab.kubectl("annotate", "ocr", "gated", "-n", NAMESPACE, f"ocr-serving.dev/rollout={words}", "--overwrite")

    def answers(count: int = 10) -> set[str]:
        return {" ".join(line["text"] for line in client.ask(URL, PICTURE)["results"][0]) for _ in range(count)}

    with client.load(URL, clients=1) as outcome:
        old = answers(1)
        lab.apply(gated(CANARY, drop_score=1))
        wait_for_phase(lab, "Shifting")
        lab.restart_operator()
        lab.wait_for(lambda: answers(4) == old | {""}, "some of the requests to go to each of the two")
        order("abort")
        assert wait_for_phase(lab, "Refused")["message"] == "the old one is kept: aborted by hand"
        lab.wait_for(lambda: deployments(lab) == ["gated-ocr-system"], "the pods beside the old ones to be gone")
        order("retry")
        lab.wait_for(lambda: rollout(lab)["phase"] != "Refused", "it to be tried once more")
        order("promote it")
        assert wait_for_phase(lab, "Promoted")["message"] == "promoted by hand"
        ocrservices.wait_for_condition(lab, NAMESPACE, "Progressing", "False", "gated", reason="Settled", seconds=120)
        assert answers() == {""}
    report(f"tried by half of the requests, aborted, tried again and promoted in {time.monotonic() - began:.0f} s")
    assert outcome.failures == []
    assert deployments(lab) == ["gated-ocr-system"]


def test_a_golden_set_from_an_image_that_has_none_is_told(lab: Lab, client: Client, made: Images, report: Report) -> None:
    began = time.monotonic()
    lab.apply(gated({**GATED, "golden": {"image": made.module("ocr_system")}}, drop_score=0.1))

    def is_told() -> bool:
        told = rollout(lab)
        mounts_none = told["phase"] == "Measuring" and "needs a node that mounts images" in told.get("message", "")
        return mounts_none or (told["phase"] == "Refused" and "the golden set could not be read by both" in told["message"])

    lab.wait_for(is_told, lambda: f"a golden set that is none to be told: {rollout(lab)}", 120)
    report(f"after {time.monotonic() - began:.0f} s: {rollout(lab)['message']}")
