"""An operator and an API server that are killed at bad moments: in the end everything is as if nothing had happened."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import NAMESPACE as RELEASE_NAMESPACE
from e2e.lab import RELEASE, Lab, Report
from helpers import ocrservices

NAMESPACE = "e2e-interruptions"
OPERATOR = f"deployment/{RELEASE}-operator"
KILLS = 20
FIRST: list[dict[str, Any]] = [
    {"name": "ocr_system", "device": "cpu", "replicas": 0, "podDisruptionBudget": {"maxUnavailable": 1}, "networkPolicy": {}},
    {"name": "ocr_det", "device": "cpu", "replicas": 0},
]
SECOND: list[dict[str, Any]] = [
    {
        "name": "ocr_det",
        "device": "cpu",
        "replicas": 0,
        "params": {"det_db_thresh": 0.4},
        "podDisruptionBudget": {"minAvailable": 1},
    }
]


@pytest.fixture(scope="module", autouse=True)
def place(lab: Lab, operator: dict[str, Any], module_namespace: str) -> Iterator[None]:
    """An operator that need not wait for the lease of a killed one: twenty waits of fifteen seconds would show nothing."""
    lab.install(operator | {"operator": operator["operator"] | {"leaderElection": False}})
    yield
    lab.install(operator)


def children(lab: Lab, name: str) -> Any:
    """What there is of one OCRService, as if its name were `it`; without the hash, into which the name goes."""
    found = {key: value for key, value in ocrservices.children(lab, NAMESPACE).items() if f"/{name}-" in key}
    for child in found.values():
        child["annotations"].pop("ocr-serving.dev/hash")
    return json.loads(json.dumps(found).replace(name, "it"))


def wait_until_it_runs(lab: Lab) -> None:
    """Until the operator's container is ready, now or again."""

    def is_ready() -> bool:
        return any(container["ready"] for container in lab.operator_pod().get("status", {}).get("containerStatuses", ()))

    lab.wait_for(is_ready, "the operator to run", 90)


def test_killed_at_any_moment_it_ends_where_it_would_have(lab: Lab, report: Report) -> None:
    """Twenty kills during creation, update and deletion, half of the process and half of the pod."""
    chance = random.Random(7)
    lab.apply(ocrservices.service(NAMESPACE, "undisturbed", modules=FIRST))
    lab.apply(ocrservices.service(NAMESPACE, "undisturbed", modules=SECOND))
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", name="undisturbed")
    lab.wait_until_settled()
    expected = children(lab, "undisturbed")
    began = time.monotonic()
    for kill in range(KILLS):
        wait_until_it_runs(lab)
        if kill % 3 == 2:
            lab.kubectl("delete", "ocr", "shaken", "-n", NAMESPACE)
        else:
            lab.apply(ocrservices.service(NAMESPACE, "shaken", modules=SECOND if kill % 3 else FIRST))
        time.sleep(chance.uniform(0, 1.2))  # the moment of the kill: any is right
        victim = lab.operator_pod()
        if kill % 2 == 0 and lab.kind == "local":
            lab.kill(victim)
            lab.wait_for(lambda: lab.restarts(victim) == 1, "the container to be started again", 60)  # noqa: B023  it is used at once
        else:  # the pod, so that no container waits for its back-off
            lab.kubectl("delete", "pod", victim["metadata"]["name"], "-n", RELEASE_NAMESPACE, "--grace-period=0", "--force")
    wait_until_it_runs(lab)
    lab.apply(ocrservices.service(NAMESPACE, "shaken", modules=SECOND))
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", name="shaken", seconds=60)
    lab.wait_until_settled()
    report(f"operator killed {KILLS} times in {time.monotonic() - began:.0f} s: the end is that of an undisturbed run")
    assert children(lab, "shaken") == expected
    assert ocrservices.status(lab, NAMESPACE, "shaken")["ready"] == "1/1"


def test_an_api_server_that_was_killed_is_caught_up_with(lab: Lab, report: Report) -> None:
    if lab.kind != "local":
        pytest.skip("the API server of a local cluster only is killed")
    wait_until_it_runs(lab)
    lab.apply(ocrservices.service(NAMESPACE, "steady", modules=FIRST))
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", name="steady")
    before, restarts = children(lab, "steady"), lab.restarts(lab.operator_pod())
    (pid,) = lab.on_node("pgrep", "-x", "kube-apiserver").split()
    began = time.monotonic()
    lab.on_node("kill", "-KILL", pid)
    lab.wait_for(
        lambda: lab.on_node("pgrep", "-x", "kube-apiserver", check=False).strip() not in ("", pid), "another API server", 60
    )
    lab.wait_for(lambda: lab.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, "the API server to be ready", 120)
    away = time.monotonic() - began
    lab.apply(ocrservices.service(NAMESPACE, "later", modules=SECOND))
    lab.kubectl("delete", "service", "steady-ocr-det", "-n", NAMESPACE)
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", name="later", seconds=60)
    lab.wait_for(lambda: children(lab, "steady") == before, "the Service to come back", 30)
    report(f"API server killed: ready again after {away:.1f} s, caught up with {time.monotonic() - began - away:.1f} s later")
    assert lab.restarts(lab.operator_pod()) == restarts


def test_what_is_deleted_while_the_operator_is_away_leaves_nothing(lab: Lab) -> None:
    wait_until_it_runs(lab)
    lab.apply(ocrservices.service(NAMESPACE, "orphan", modules=FIRST))
    lab.wait_for(lambda: len(children(lab, "orphan")) == 9, "the children")
    lab.kubectl("scale", OPERATOR, "-n", RELEASE_NAMESPACE, "--replicas=0")
    lab.wait_for(lambda: not lab.operator_pod(), "the operator to be gone", 60)
    lab.kubectl("delete", "ocr", "orphan", "-n", NAMESPACE)
    lab.wait_for(lambda: children(lab, "orphan") == {}, "the garbage collector", 60)
    lab.kubectl("scale", OPERATOR, "-n", RELEASE_NAMESPACE, "--replicas=1")
    lab.wait_for_operator()
    lab.wait_until_settled()
    assert children(lab, "orphan") == {}
