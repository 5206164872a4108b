"""The operator on a real API server: what a user of OCRServices sees happen, and what must never happen.

There is no node, so pods stay pending; what needs running ones is shown by the end-to-end tests.
"""

import json
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from helpers.control_plane import ControlPlane
from helpers.ocrservices import (
    CHILDREN,
    EDITS,
    EVERYTHING,
    MANAGED,
    children,
    condition,
    events,
    service,
    status,
    wait_for_condition,
)
from helpers.operator_process import OperatorProcess


def test_one_object_becomes_a_deployment_a_service_and_a_config(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    assert set(children(api_server, namespace)) == {
        "ConfigMap/invoices-ocr-system",
        "Deployment/invoices-ocr-system",
        "Service/invoices-ocr-system",
        "NetworkPolicy/invoices-ocr-system",
    }
    module = status(api_server, namespace)["modules"][0]
    assert module["url"] == f"http://invoices-ocr-system.{namespace}.svc:8868/predict/ocr_system"
    table = api_server.kubectl("get", "ocr", "-n", namespace).stdout
    assert table.split()[:3] == ["NAME", "READY", "MODULES"]
    assert "1/1" in table
    assert "Applied: created ConfigMap, Deployment, Service, NetworkPolicy invoices-ocr-system" in events(api_server, namespace)


def test_no_deployment_comes_before_the_cache_of_its_models_is_whole(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    module = {"name": "ocr_system", "device": "cpu", "replicas": 0, "params": {"model_set": "PP-OCRv6_tiny"}}
    api_server.apply(service(namespace, modules=[module], defaults={"models": {"cache": {"reclaim": "Delete"}}}))
    wait_for_condition(api_server, namespace, "Progressing", reason="FillingCache")
    assert api_server.items("deployments", namespace) == []
    (job,) = api_server.items("jobs", namespace)
    began = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z", "succeeded": 1}
    done = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
    patch = json.dumps({"status": {**began, "uncountedTerminatedPods": {}, "conditions": done}})
    api_server.kubectl(
        "patch", "job", job["metadata"]["name"], "-n", namespace, "--subresource=status", "--type=merge", "-p", patch
    )
    wait_for_condition(api_server, namespace, "Ready")
    assert [item["metadata"]["name"] for item in api_server.items("deployments", namespace)] == ["invoices-ocr-system"]
    assert _writes_of_a_restart(api_server, operator, namespace) == []
    api_server.apply(service(namespace, modules=[{**module, "params": {}}]))
    cached = "persistentvolumeclaims,jobs,networkpolicies"

    def is_off() -> bool:
        return [item["metadata"]["name"] for item in api_server.items(cached, namespace)] == ["invoices-ocr-system"]

    api_server.wait_for(is_off, lambda: f"no cache: {api_server.items(cached, namespace)}")


def test_nothing_is_written_where_nothing_differs(api_server: ControlPlane, operator: OperatorProcess, namespace: str) -> None:
    modules: list[dict[str, Any]] = [
        {"name": "ocr_system", "device": "cpu", "replicas": 0, "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}},
        {
            "name": "kie_ser",
            "autoscaling": {"maxReplicas": 3},
            "podDisruptionBudget": {"maxUnavailable": "50%"},
            "networkPolicy": {},
            "shmSize": "1024Mi",
            "env": [{"name": "EMPTY", "value": ""}],
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        },
    ]
    api_server.apply(service(namespace, modules=modules))
    wait_for_condition(api_server, namespace, "Progressing")
    assert _writes_of_a_restart(api_server, operator, namespace) == []
    assert operator.metric("ocr_operator_reconcile_seconds_count") >= 1


def test_an_operator_that_starts_anew_knows_all_pods_before_it_tells_a_status(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace, modules=[{"name": "ocr_system", "device": "cpu", "replicas": 120}]))
    api_server.wait_for(lambda: len(api_server.items("pods", namespace)) == 120, "the pods")
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    last = max(pod["metadata"]["name"] for pod in api_server.items("pods", namespace))  # which a new watch tells last
    patch = json.dumps({"status": {"conditions": [said]}})
    api_server.kubectl("patch", "pod", last, "-n", namespace, "--subresource=status", "-p", patch)  # as a scheduler does
    wait_for_condition(api_server, namespace, "Degraded", reason="Unschedulable")
    assert _writes_of_a_restart(api_server, operator, namespace) == []


def _writes_of_a_restart(plane: ControlPlane, operator: OperatorProcess, namespace: str) -> list[str]:
    """ "verb URI" of what an operator that had settled writes there when it starts anew.

    Namespaces of other tests may be on their way out, with children that go one after the other.
    """
    operator.wait_until_settled()
    before = len(plane.writes())
    operator.end()
    operator.start()
    operator.wait_until_settled()
    new = [event for event in plane.writes()[before:] if event["objectRef"].get("namespace") == namespace]
    return [f"{event['verb']} {event['requestURI']}" for event in new]


def _made_whole(plane: ControlPlane, operator: OperatorProcess, namespace: str) -> dict[str, dict[str, Any]]:
    """The children of a service that has one of each kind."""
    plane.apply(service(namespace, modules=[EVERYTHING]))
    plane.wait_for(lambda: len(children(plane, namespace)) == 6, "all children")
    operator.wait_until_settled()
    return children(plane, namespace)


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child_that_is_deleted_comes_back(api_server: ControlPlane, operator: OperatorProcess, namespace: str, kind: str) -> None:
    before = _made_whole(api_server, operator, namespace)
    api_server.kubectl("delete", kind, "invoices-ocr-system", "-n", namespace)
    api_server.wait_for(lambda: children(api_server, namespace) == before, f"the {kind} to come back", 5)


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_field_that_is_edited_is_put_back(api_server: ControlPlane, operator: OperatorProcess, namespace: str, kind: str) -> None:
    before = _made_whole(api_server, operator, namespace)
    way = "strategic" if kind == "deployment" else "merge"
    api_server.kubectl("patch", kind, "invoices-ocr-system", "-n", namespace, f"--type={way}", "-p", json.dumps(EDITS[kind]))
    api_server.wait_for(lambda: children(api_server, namespace) == before, f"the {kind} to be put back", 5)


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "remove", "path": "/metadata/ownerReferences"}],
        [{"op": "remove", "path": "/metadata/labels/app.kubernetes.io~1managed-by"}],
        [{"op": "remove", "path": "/metadata/annotations"}],
    ],
)
def test_a_child_cannot_be_made_to_leave(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, patch: list[dict[str, str]]
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    before = children(api_server, namespace)
    api_server.kubectl("patch", "deployment", "invoices-ocr-system", "-n", namespace, "--type=json", "-p", json.dumps(patch))
    api_server.wait_for(lambda: children(api_server, namespace) == before, "the Deployment to be ours again", 5)


def test_what_is_turned_off_or_renamed_away_is_removed(api_server: ControlPlane, operator: OperatorProcess, namespace: str) -> None:
    both = [EVERYTHING, {"name": "ocr_det", "device": "cpu", "replicas": 0}]
    api_server.apply(service(namespace, modules=both))
    api_server.wait_for(lambda: len(children(api_server, namespace)) == 10, "all children")
    api_server.apply(service(namespace, modules=[{"name": "ocr_system", "device": "cpu", "replicas": 0}]))
    left = {"ConfigMap", "Deployment", "Service", "NetworkPolicy"}
    api_server.wait_for(lambda: {key.split("/")[0] for key in children(api_server, namespace)} == left, "the rest to be gone")
    assert all(key.endswith("/invoices-ocr-system") for key in children(api_server, namespace))
    wait_for_condition(api_server, namespace, "Ready")
    assert any("deleted HorizontalPodAutoscaler" in event for event in events(api_server, namespace))


def test_what_was_turned_off_while_the_operator_was_down_is_removed_when_it_is_back(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace, modules=[EVERYTHING]))
    api_server.wait_for(lambda: len(children(api_server, namespace)) == 6, "all children")
    operator.end()
    api_server.apply(service(namespace))
    operator.start()
    api_server.wait_for(lambda: len(children(api_server, namespace)) == 4, "the rest to be gone")


def test_an_autoscaler_takes_over_without_a_moment_of_one_pod(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace, modules=[{"name": "ocr_system", "device": "cpu", "replicas": 5}]))
    replicas = _deployment_field(api_server, namespace, "{.spec.replicas}")
    api_server.wait_for(lambda: replicas() == "5", "five pods")
    api_server.apply(
        service(namespace, modules=[{"name": "ocr_system", "device": "cpu", "autoscaling": {"minReplicas": 2, "maxReplicas": 9}}]),
    )
    api_server.wait_for(lambda: "HorizontalPodAutoscaler/invoices-ocr-system" in children(api_server, namespace), "the autoscaler")
    operator.wait_until_settled()
    assert replicas() == "5"
    api_server.kubectl("scale", "deployment/invoices-ocr-system", "--replicas=7", "-n", namespace)  # as the autoscaler does
    operator.wait_until_settled()
    assert replicas() == "7"
    api_server.apply(service(namespace, modules=[{"name": "ocr_system", "device": "cpu", "replicas": 3}]))
    api_server.wait_for(lambda: replicas() == "3", "three pods again")


def test_kubectl_scale_sets_the_pods_of_modules_that_follow_the_defaults(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace, modules=[{"name": "ocr_system", "device": "cpu"}], defaults={"replicas": 0}))
    wait_for_condition(api_server, namespace, "Ready")
    api_server.kubectl("scale", "ocr/invoices", "--replicas=4", "-n", namespace)
    api_server.wait_for(lambda: _deployment_field(api_server, namespace, "{.spec.replicas}")() == "4", "four pods")


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        ({"affinity": {"nodeAffinity": {"bogus": 1}}}, "Refused", "affinity.nodeAffinity.bogus: field not declared in schema"),
        ({"tolerations": [{"key": "a b", "operator": "Exists"}]}, "Refused", "tolerations[0].key"),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "nonsense"}}}]}, "Refused", "fieldPath"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {}}]}, "Refused", "claimName"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "NotAllowed", "a volume of kind hostPath is not allowed here"),
        ({"volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]}, "Refused", "nowhere"),
        ({"runtimeClassName": "Not A Name"}, "", "runtimeClassName"),
        ({"serviceMonitor": {}}, "Refused", "the cluster has no ServiceMonitor (monitoring.coreos.com/v1)"),
    ],
)
def test_what_only_the_cluster_can_refuse_is_told_and_nothing_of_it_is_applied(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, fields: dict[str, Any], reason: str, message: str
) -> None:
    good = {"name": "ocr_system", "device": "cpu", "replicas": 0}
    api_server.apply(service(namespace, modules=[good]))
    wait_for_condition(api_server, namespace, "Ready")
    before = children(api_server, namespace)
    bad = {**good, "params": {"drop_score": 0.9}, **fields}
    answer = api_server.kubectl("apply", "-f", "-", stdin=json.dumps(service(namespace, modules=[bad])), check=False)
    if reason:
        assert answer.returncode == 0, answer.stderr
        degraded = wait_for_condition(api_server, namespace, "Degraded")
        assert degraded["reason"] == reason
        assert message in degraded["message"]
        assert condition(api_server, namespace, "Ready")["status"] == "False"
        assert any(event.startswith(f"{reason}: ") for event in events(api_server, namespace))
    else:
        assert answer.returncode != 0
        assert message in answer.stderr
    assert children(api_server, namespace) == before
    api_server.apply(service(namespace, modules=[good]))
    wait_for_condition(api_server, namespace, "Ready")


def test_the_name_of_somebody_elses_object_is_not_taken(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.kubectl("create", "service", "clusterip", "invoices-ocr-system", "--tcp=80", "-n", namespace)
    api_server.apply(service(namespace))
    degraded = wait_for_condition(api_server, namespace, "Degraded")
    assert degraded["reason"] == "NameTaken"
    assert degraded["message"].startswith("the Service invoices-ocr-system exists and is not of this OCRService")
    assert children(api_server, namespace) == {}
    api_server.kubectl("delete", "service", "invoices-ocr-system", "-n", namespace)
    wait_for_condition(api_server, namespace, "Ready")


def test_what_is_deleted_while_the_operator_is_down_leaves_nothing(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace, modules=[EVERYTHING]))
    api_server.wait_for(lambda: len(children(api_server, namespace)) == 6, "all children")
    operator.end(signal.SIGKILL)
    api_server.kubectl("delete", "ocr", "invoices", "-n", namespace)
    api_server.wait_for(lambda: children(api_server, namespace) == {}, "the garbage collector")
    operator.start()
    operator.wait_until_settled()
    assert children(api_server, namespace) == {}


def test_one_that_is_made_anew_under_the_same_name_gets_children_of_its_own(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    api_server.kubectl("delete", "ocr", "invoices", "-n", namespace)
    api_server.apply(service(namespace))
    uid = api_server.get("ocr", "invoices", "-n", namespace)["metadata"]["uid"]
    wait_for_condition(api_server, namespace, "Ready")

    def owners() -> set[str]:
        items = api_server.items("configmap,deployment,service", namespace, "-l", MANAGED)
        return {item["metadata"]["ownerReferences"][0]["uid"] for item in items} if len(items) == 3 else set()

    api_server.wait_for(lambda: owners() == {uid}, "children of the new one")


def test_killed_at_any_moment_it_ends_where_it_would_have(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    """Twenty kills during creation, update and deletion; the end is that of a run without any."""
    chance = random.Random(7)
    first = [EVERYTHING, {"name": "ocr_det", "device": "cpu", "replicas": 0}]
    second = [
        {
            "name": "ocr_det",
            "device": "cpu",
            "replicas": 0,
            "params": {"det_db_thresh": 0.4},
            "podDisruptionBudget": {"minAvailable": 1},
        }
    ]
    api_server.apply(service(namespace, "undisturbed", modules=first))
    api_server.apply(service(namespace, "undisturbed", modules=second))
    wait_for_condition(api_server, namespace, "Ready", name="undisturbed")
    operator.wait_until_settled()
    expected = {key.replace("undisturbed", "disturbed"): value for key, value in children(api_server, namespace).items()}
    for kill in range(20):
        step = kill % 4
        if step == 3:
            api_server.kubectl("delete", "ocr", "disturbed", "-n", namespace)
        else:
            api_server.apply(service(namespace, "disturbed", modules=second if step == 1 else first))
        time.sleep(chance.uniform(0, 1.2))  # the moment of the kill: any is right
        operator.end(signal.SIGKILL)
        operator.start()
    api_server.apply(service(namespace, "disturbed", modules=second))
    wait_for_condition(api_server, namespace, "Ready", name="disturbed")
    operator.wait_until_settled()

    def disturbed() -> dict[str, Any]:
        return {key: value for key, value in children(api_server, namespace).items() if "/disturbed-" in key}

    assert set(disturbed()) == set(expected)
    for key, value in disturbed().items():
        assert value["spec"].keys() == expected[key]["spec"].keys(), key
        assert value["data"] == expected[key]["data"], key
    assert status(api_server, namespace, "disturbed")["ready"] == "1/1"


def test_an_api_server_that_was_away_is_caught_up_with(api_server: ControlPlane, operator: OperatorProcess, namespace: str) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    api_server.stop_api_server()
    api_server.start_api_server()
    api_server.apply(service(namespace, "later"))
    api_server.kubectl("delete", "service", "invoices-ocr-system", "-n", namespace)
    wait_for_condition(api_server, namespace, "Ready", name="later")
    api_server.wait_for(lambda: "Service/invoices-ocr-system" in children(api_server, namespace), "the Service to come back")
    assert operator.is_running
    assert operator.ask("/healthz") == (200, "ok")


def test_what_is_deleted_before_the_watches_of_a_new_api_server_begin_comes_back(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    """A new API server does not know what an old one told: the watches begin with lists, and these tell of no deletion."""
    before = _made_whole(api_server, operator, namespace)
    with operator.stopped():
        api_server.stop_api_server()
        api_server.start_api_server()
        for kind in CHILDREN:
            api_server.kubectl("delete", kind, "invoices-ocr-system", "-n", namespace)
    api_server.wait_for(lambda: children(api_server, namespace) == before, "the children to come back")


def test_of_two_operators_one_works_and_the_other_takes_over(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, tmp_path: Any
) -> None:
    second = OperatorProcess(api_server, tmp_path / "log", "--all-namespaces", name="operator-1")
    second.start()
    api_server.wait_for(lambda: second.ask("/readyz")[0] == 200, "the second replica")
    assert (operator.metric("ocr_operator_leader"), second.metric("ocr_operator_leader")) == (1, 0)
    assert operator.end() == 0
    try:
        second.wait_until_settled()
        api_server.apply(service(namespace))
        wait_for_condition(api_server, namespace, "Ready")
    finally:
        operator.start()
        second.end()
        operator.wait_until_settled()


def _deployment_field(plane: ControlPlane, namespace: str, path: str) -> Callable[[], str]:
    def field() -> str:
        return plane.kubectl(
            "get", "deployment", "invoices-ocr-system", "-n", namespace, "-o", f"jsonpath={path}", check=False
        ).stdout

    return field
