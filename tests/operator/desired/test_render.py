"""Manifests: which objects there are, who owns them, and what their fields say; tests of pods stand in test_pods.py."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.rendered import SETTINGS, by_kind, config, manifests
from ocr_operator import names
from ocr_operator.api.spec import parse
from ocr_operator.desired.render import Settings, render


def test_each_module_is_a_config_a_deployment_a_service_and_a_policy_of_one_name() -> None:
    found = [
        (item["kind"], item["metadata"]["name"], item["metadata"]["namespace"])
        for item in manifests({"name": "ocr_det"}, {"name": "kie_ser"})
    ]
    kinds = ("ConfigMap", "Deployment", "Service", "NetworkPolicy")
    assert found == [(kind, name, "docs") for name in ("invoices-ocr-det", "invoices-kie-ser") for kind in kinds]


def test_all_kinds_in_the_order_of_names() -> None:
    module = {
        "autoscaling": {"maxReplicas": 2},
        "podDisruptionBudget": {"minAvailable": 1},
        "networkPolicy": {"from": [{"podSelector": {}}]},
        "ingress": {"host": "a.example.org"},
        "httpRoute": {"parentRefs": [{"name": "public"}]},
    }
    rendered = manifests({"name": "ocr_det"} | module, {"name": "ocr_cls", "serviceMonitor": {}}, {"name": "x", "podMonitor": {}})
    found = list(dict.fromkeys((item["apiVersion"], item["kind"]) for item in rendered))
    assert found == [kind[:2] for kind in names.CHILD_KINDS if kind[1] not in ("Job", "PersistentVolumeClaim")]
    for item in rendered:
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ocr-operator"
        owner = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "name": "invoices", "uid": "u-1"}
        assert item["metadata"]["ownerReferences"] == [owner | {"controller": True, "blockOwnerDeletion": False}]


def test_without_a_cluster_there_is_no_owner() -> None:
    body = {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": {"name": "a"},
        "spec": {"modules": [{"name": "ocr_det"}]},
    }
    assert all("ownerReferences" not in item["metadata"] for item in render(parse(body), SETTINGS))


def test_service_selects_the_pods_and_no_others() -> None:
    found = by_kind({"podLabels": {"team": "a"}})
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selector = found["Service"]["spec"]["selector"]
    assert selector == found["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() < labels.items()
    assert labels["team"] == "a"
    assert len(selector) == 3


def test_config_is_the_old_config_json() -> None:
    module = {
        "params": {"a": 1},
        "initArgs": {"b": 2},
        "predictArgs": {"c": 3},
        "config": {"max_body_mb": 9},
        "port": 9000,
        "device": "cpu",
    }
    assert config(module | {"workers": 3}) == {
        "modules_info": {"ocr_system": {"params": {"a": 1}, "init_args": {"b": 2, "use_gpu": False}, "predict_args": {"c": 3}}},
        "max_body_mb": 9,
        "host": "0.0.0.0",
        "port": 9000,
        "workers": 3,
        "use_multiprocess": True,
    }


def test_a_queue_to_scale_by_stands_alone_or_beside_the_cpu() -> None:
    def metrics(**autoscaling: Any) -> list[str]:
        found = by_kind({"autoscaling": {"maxReplicas": 4, **autoscaling}})["HorizontalPodAutoscaler"]["spec"]["metrics"]
        return [item["pods"]["metric"]["name"] if item["type"] == "Pods" else item["resource"]["name"] for item in found]

    assert metrics() == ["cpu"]
    assert metrics(targetQueueDepth=2) == ["ocr_serving_queue_depth"]
    assert metrics(targetQueueDepth=2, targetCPUUtilizationPercentage=80) == ["cpu", "ocr_serving_queue_depth"]


@pytest.mark.parametrize(
    ("strategy", "rendered"),
    [
        (None, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}),
        ({"maxSurge": "50%"}, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "50%"}}),
        ({"maxSurge": 0}, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
        ({"maxUnavailable": 2}, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 1}}),
        ({"type": "Recreate"}, {"type": "Recreate"}),
    ],
)
def test_strategy(strategy: dict[str, Any] | None, rendered: dict[str, Any]) -> None:
    assert by_kind({"strategy": strategy} if strategy else {})["Deployment"]["spec"]["strategy"] == rendered


def test_replicas() -> None:
    assert by_kind()["Deployment"]["spec"]["replicas"] == 1
    assert by_kind({"replicas": 0})["Deployment"]["spec"]["replicas"] == 0


def test_autoscaling_takes_the_count() -> None:
    found = by_kind({"autoscaling": {"maxReplicas": 4}})
    assert "replicas" not in found["Deployment"]["spec"]
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 4)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 80


def test_metrics_of_the_user_replace_cpu_unless_both_are_asked_for() -> None:
    def types(**asked: Any) -> list[str]:
        metrics = by_kind({"autoscaling": {"maxReplicas": 4, "metrics": [{"type": "Pods"}]} | asked})["HorizontalPodAutoscaler"][
            "spec"
        ]["metrics"]
        return [metric["type"] for metric in metrics]

    assert types() == ["Pods"]
    assert types(targetCPUUtilizationPercentage=50) == ["Resource", "Pods"]


def test_network_policy() -> None:
    port = {"port": "http", "protocol": "TCP"}
    assert by_kind({"networkPolicy": {}})["NetworkPolicy"]["spec"]["ingress"] == [{"from": [{"podSelector": {}}], "ports": [port]}]
    peers: list[dict[str, Any]] = [{"namespaceSelector": {}}]
    assert by_kind({"networkPolicy": {"from": peers}})["NetworkPolicy"]["spec"]["ingress"] == [{"from": peers, "ports": [port]}]


def test_service_monitor() -> None:
    monitor = by_kind({"serviceMonitor": {"interval": "9s", "labels": {"release": "p"}}})["ServiceMonitor"]
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "9s"}]
    assert monitor["metadata"]["labels"]["release"] == "p"
    assert monitor["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ocr-operator"


def test_service_type_and_annotations() -> None:
    service = by_kind({"service": {"type": "LoadBalancer", "annotations": {"a": "b"}}})["Service"]
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"]["a"] == "b"


EMPTY = ("emptyDir", "podSelector")  # which mean something


def test_nothing_empty_is_rendered() -> None:
    def empties(node: Any, path: str) -> list[str]:
        if isinstance(node, dict):
            return [found for key, value in node.items() for found in empties(value, f"{path}.{key}")] or (
                [path] if not node else []
            )
        if isinstance(node, list):
            return [found for value in node for found in empties(value, path)] or ([path] if not node else [])
        return [path] if node is None else []

    everything = {
        "networkPolicy": {},
        "serviceMonitor": {},
        "autoscaling": {"maxReplicas": 2},
        "podDisruptionBudget": {"minAvailable": 0},
    }
    blank: dict[str, Any] = {
        "nodeSelector": {},
        "tolerations": [],
        "affinity": {},
        "resources": {},
        "params": {},
        "env": [],
        "volumes": [],
        "service": {},
    }
    found = [path for item in manifests({"name": "ocr_det"} | everything | blank) for path in empties(item, item["kind"])]
    assert [path for path in found if not path.endswith(EMPTY)] == []


@pytest.mark.parametrize(("seconds", "deadline"), [(None, 600), (3600, 3900)])
def test_a_rollout_may_take_longer_than_the_start_of_a_pod(seconds: int | None, deadline: int) -> None:
    fields = {} if seconds is None else {"startupSeconds": seconds}
    spec = {"modules": [{"name": "ocr_system", "device": "cpu", **fields}]}
    body = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "a"}, "spec": spec}
    deployment = next(item for item in render(parse(body), Settings()) if item["kind"] == "Deployment")
    assert deployment["spec"]["progressDeadlineSeconds"] == deadline


def test_an_autoscaler_of_ones_own_is_left_the_replicas_and_gets_no_second_one() -> None:
    spec = {"modules": [{"name": "ocr_system", "device": "cpu", "autoscaling": {"external": True}}]}
    body = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "a"}, "spec": spec}
    manifests = {item["kind"]: item for item in render(parse(body), Settings())}
    assert "HorizontalPodAutoscaler" not in manifests
    assert "replicas" not in manifests["Deployment"]["spec"]
