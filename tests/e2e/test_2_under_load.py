"""What clients notice of an edit and of a pod's end: four of them, one request after the other each, none asked twice."""

from __future__ import annotations

import time
from typing import Any

import pytest

from e2e.clients import Client
from e2e.images import Images
from e2e.lab import Lab, Report
from helpers import ocrservices

NAMESPACE = "e2e-load"
URL = f"http://invoices-ocr-system.{NAMESPACE}.svc:8868/predict/ocr_system"
SELECTOR = ("-l", "app.kubernetes.io/component=ocr-system")


def two_pods(**fields: Any) -> dict[str, Any]:
    """ocr_system with two pods of one worker each."""
    module = {"name": "ocr_system", "device": "cpu", "replicas": 2, "workers": 1, **fields}
    return ocrservices.service(NAMESPACE, modules=[module])


@pytest.fixture(scope="module")
def client(lab: Lab, operator: dict[str, Any], made: Images, module_namespace: str) -> Client:
    """A client's pod beside two pods that serve."""
    lab.apply(two_pods())
    client = Client(lab, NAMESPACE, made.module("ocr_system"))
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", seconds=180)
    return client


def serving(lab: Lab) -> list[dict[str, Any]]:
    """The module's pods that are not on their way out."""
    return [pod for pod in lab.items("pods", NAMESPACE, *SELECTOR) if "deletionTimestamp" not in pod["metadata"]]


def ready(lab: Lab) -> set[str]:
    """uids of those that take requests."""
    return {
        pod["metadata"]["uid"]
        for pod in serving(lab)
        if any(item["type"] == "Ready" and item["status"] == "True" for item in pod["status"].get("conditions", ()))
    }


def wait_until_settled(lab: Lab) -> None:
    """Until all pods are of the spec as it is, and the Service knows them all."""
    ocrservices.wait_for_condition(lab, NAMESPACE, "Progressing", "False", reason="Settled", seconds=240)
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", seconds=60)


def test_an_edit_is_rolled_out_and_no_request_fails(lab: Lab, client: Client, report: Report) -> None:
    old = {pod["metadata"]["uid"] for pod in serving(lab)}
    began = time.monotonic()
    with client.load(URL, kept=2) as outcome:
        lab.apply(two_pods(params={"drop_score": 1}))  # from now on no line is sure enough
        wait_until_settled(lab)
        lab.wait_for(lambda: len(lab.items("pods", NAMESPACE, *SELECTOR)) == 2, "the old pods to be gone", 120)
    report(
        f"rolling update of 2 pods under 4 clients, 2 of which keep their connection: {outcome.requests} requests in"
        f" {time.monotonic() - began:.0f} s, {len(outcome.failures)} failed; read {outcome.texts}"
    )
    assert outcome.failures == []
    assert {text != "" for text in outcome.texts} == {True, False}, "answers of both the old pods and the new"
    assert old.isdisjoint(pod["metadata"]["uid"] for pod in serving(lab))
    lab.apply(two_pods())
    wait_until_settled(lab)


def test_a_pod_deleted_by_force_costs_no_more_than_it_had_in_hand(lab: Lab, client: Client, report: Report) -> None:
    victim = serving(lab)[0]
    with client.load(URL) as outcome:
        lab.kubectl("delete", "pod", victim["metadata"]["name"], "-n", NAMESPACE, "--grace-period=0", "--force")
        if lab.kind == "local":  # the object is gone at once, the container is not
            lab.wait_for(lambda: not lab.pid(victim), "the container to end", 60)
        lab.wait_for(lambda: victim["metadata"]["uid"] not in ready(lab) and len(ready(lab)) == 2, "another pod", 120)
    tell(report, "pod deleted by force", outcome)
    assert outcome.unreached == []
    assert len(outcome.in_flight) <= 4


def test_a_pod_whose_process_is_killed_costs_what_it_had_in_hand_and_what_comes_until_the_node_notices(
    lab: Lab, client: Client, report: Report
) -> None:
    if lab.kind != "local":
        pytest.skip("processes are reached on a local cluster only")
    victim = serving(lab)[0]
    with client.load(URL) as outcome:
        lab.kill(victim)
        lab.wait_for(lambda: lab.restarts(victim) == 1, "the container to be started again", 60)
        lab.wait_for(lambda: len(ready(lab)) == 2, "the pod to serve again", 120)
    tell(report, "process of a pod killed", outcome)
    assert len(outcome.in_flight) <= 4
    # Until the kubelet sees that the process is gone, about a second, the Service goes on sending it its share.
    assert outcome.seconds < 10


def tell(report: Report, what: str, outcome: Any) -> None:
    """A line with how many failed, and why."""
    reasons = sorted(set(outcome.in_flight)), sorted(set(outcome.unreached))
    report(
        f"{what}: of {outcome.requests} requests {len(outcome.in_flight)} failed in flight {reasons[0]}"
        f" and {len(outcome.unreached)} before they reached a pod {reasons[1]}, within {outcome.seconds:.1f} s"
    )
