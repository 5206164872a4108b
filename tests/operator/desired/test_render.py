"""Manifests: what runs, with which weights, device and bounds, and when pods are replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_operator import names
from ocr_operator.api.spec import parse
from ocr_operator.desired.render import Settings, digest, render

SETTINGS = Settings("r", "ocr", "1.0")
METADATA = {"name": "invoices", "namespace": "docs", "uid": "u-1"}


def manifests(*modules: dict[str, Any], settings: Settings = SETTINGS, **spec: Any) -> list[dict[str, Any]]:
    body = {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": METADATA,
        "spec": spec | {"modules": list(modules)},
    }
    return render(parse(body), settings)


def by_kind(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {item["kind"]: item for item in manifests({"name": "ocr_system"} | (module or {}), **spec)}


def pod(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return dict(by_kind(module, **spec)["Deployment"]["spec"]["template"]["spec"])


def server(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return dict(pod(module, **spec)["containers"][0])


def config(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return dict(json.loads(by_kind(module, **spec)["ConfigMap"]["data"]["config.json"]))


def mounts(container: dict[str, Any]) -> dict[str, Any]:
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def volumes(module: dict[str, Any] | None = None) -> dict[str, Any]:
    return {volume["name"]: volume for volume in pod(module)["volumes"]}


def config_hash(module: dict[str, Any] | None = None, **spec: Any) -> str:
    return str(by_kind(module, **spec)["Deployment"]["spec"]["template"]["metadata"]["annotations"][names.CONFIG_HASH_ANNOTATION])


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


def test_server_reads_that_config() -> None:
    container = server()
    assert container["args"] == ["start", "-c", "/etc/ocr-serving/config.json"]
    assert mounts(container)["/etc/ocr-serving"] == {"name": "config", "mountPath": "/etc/ocr-serving", "readOnly": True}
    assert volumes()["config"]["configMap"] == {"name": "invoices-ocr-system"}


def test_gpu_is_the_default_device() -> None:
    assert server()["resources"] == {"requests": {"cpu": "100m", "memory": "2048Mi"}, "limits": {"nvidia.com/gpu": "1"}}
    assert server()["image"] == "r/ocr/ocr-system:1.0-gpu"
    assert config()["modules_info"]["ocr_system"]["init_args"] == {"use_gpu": True}
    assert config()["gpu"] == "0"


def test_gpus_of_another_kind_and_number() -> None:
    module = {"gpu": {"resource": "amd.com/gpu", "count": 2}, "resources": {"limits": {"memory": "1Gi"}}}
    assert server(module)["resources"]["limits"] == {"amd.com/gpu": "2", "memory": "1Gi"}
    assert config(module)["gpu"] == "0,1"


def test_gpu_count_0_is_a_gpu_without_a_limit() -> None:
    assert "resources" not in server({"gpu": {"count": 0}, "resources": {}})
    assert config({"gpu": {"count": 0}})["gpu"] == "0"
    assert config({"gpu": {"count": 0}})["modules_info"]["ocr_system"]["init_args"]["use_gpu"] is True


def test_cpu() -> None:
    assert server({"device": "cpu"}, defaults={"gpu": {"count": 2}})["resources"]["limits"].keys() == {"memory"}
    assert config({"device": "cpu"})["modules_info"]["ocr_system"]["init_args"] == {"use_gpu": False}
    assert "gpu" not in config({"device": "cpu"})


def test_what_the_user_says_of_use_gpu_and_gpu_counts() -> None:
    assert config({"initArgs": {"use_gpu": False}})["modules_info"]["ocr_system"]["init_args"] == {"use_gpu": False}
    assert config({"config": {"gpu": "1"}})["gpu"] == "1"


def test_models_of_the_image_need_nothing() -> None:
    assert pod({"models": {"image": "default"}}) == pod()
    assert "models" not in volumes()


def test_models_on_a_claim_are_read_only() -> None:
    module = {"models": {"pvc": {"claimName": "weights", "path": "v6"}}}
    assert volumes(module)["models"]["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}
    assert mounts(server(module))["/models"] == {"name": "models", "mountPath": "/models", "subPath": "v6", "readOnly": True}
    assert {"name": "OCR_SERVING_MODELS", "value": "/models:/opt/ocr-serving/models"} in server(module)["env"]


def test_models_that_are_fetched() -> None:
    wanted = [{"name": name, "url": f"https://x/{name}.tar", "sha256": "0" * 64} for name in ("a", "b")]
    module = {
        "models": {"download": wanted},
        "env": [{"name": "HTTPS_PROXY", "value": "http://p"}],
        "resources": {"limits": {"memory": "1Gi"}},
    }
    first, second = pod(module)["initContainers"]
    assert first["args"] == ["models", "pull", "--url", "https://x/a.tar", "--sha256", "0" * 64, "--name", "a"]
    assert second["args"][-1] == "b"
    assert "readOnly" not in mounts(first)["/models"]
    assert mounts(server(module))["/models"]["readOnly"] is True
    assert first["env"] == [{"name": "OCR_SERVING_MODELS", "value": "/models"}, {"name": "HTTPS_PROXY", "value": "http://p"}]
    assert first["resources"]["limits"] == {"memory": "1Gi"}  # a GPU would be idle meanwhile
    assert first["image"] == server(module)["image"]
    assert volumes(module)["models"] == {"name": "models", "emptyDir": {"sizeLimit": "10Gi"}}


def test_api_keys_come_from_a_folder_that_follows_its_secret() -> None:
    module = {"apiKeys": {"secretName": "callers"}}
    assert volumes(module)["api-keys"] == {"name": "api-keys", "secret": {"secretName": "callers"}}
    assert mounts(server(module))["/run/api-keys"] == {"name": "api-keys", "mountPath": "/run/api-keys", "readOnly": True}
    assert config(module)["api_keys_file"] == "/run/api-keys/api-keys"
    assert config({"apiKeys": {"secretName": "callers", "key": "k"}})["api_keys_file"] == "/run/api-keys/k"


def test_jobs_are_shared_by_a_database_whose_url_is_secret() -> None:
    module = {"jobs": {"secretName": "jobs"}, "replicas": 3}
    secret = {"secretKeyRef": {"name": "jobs", "key": "url"}}
    assert {"name": "OCR_SERVING_JOBS_STORE", "valueFrom": secret} in server(module)["env"]
    (rule,) = by_kind(module)["NetworkPolicy"]["spec"]["egress"]
    assert {"port": 5432, "protocol": "TCP"} in rule["ports"]
    (rule,) = by_kind({"jobs": {"secretName": "jobs", "port": 6432}})["NetworkPolicy"]["spec"]["egress"]
    assert {"port": 6432, "protocol": "TCP"} in rule["ports"]
    # What fetches models before has no business there.
    pulled = {"models": {"download": [{"name": "m", "url": "https://example.org/m.tar", "sha256": "0" * 64}]}}
    (pull,) = by_kind(module | pulled)["Deployment"]["spec"]["template"]["spec"]["initContainers"]
    assert "OCR_SERVING_JOBS_STORE" not in [item["name"] for item in pull["env"]]


def test_one_pod_keeps_jobs_on_a_claim_that_no_second_one_opens() -> None:
    module = {"jobs": {"pvc": {"claimName": "kept", "path": "ocr"}}}
    assert volumes(module)["job-store"] == {"name": "job-store", "persistentVolumeClaim": {"claimName": "kept"}}
    mounted = {"name": "job-store", "mountPath": "/var/lib/ocr-serving", "subPath": "ocr"}
    assert mounts(server(module))["/var/lib/ocr-serving"] == mounted
    assert {"name": "OCR_SERVING_STATE_DIR", "value": "/var/lib/ocr-serving"} in server(module)["env"]
    assert by_kind(module)["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def test_a_queue_to_scale_by_stands_alone_or_beside_the_cpu() -> None:
    def metrics(**autoscaling: Any) -> list[str]:
        found = by_kind({"autoscaling": {"maxReplicas": 4, **autoscaling}})["HorizontalPodAutoscaler"]["spec"]["metrics"]
        return [item["pods"]["metric"]["name"] if item["type"] == "Pods" else item["resource"]["name"] for item in found]

    assert metrics() == ["cpu"]
    assert metrics(targetQueueDepth=2) == ["ocr_serving_queue_depth"]
    assert metrics(targetQueueDepth=2, targetCPUUtilizationPercentage=80) == ["cpu", "ocr_serving_queue_depth"]


def test_probes() -> None:
    container = server()
    assert [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")] == [
        "/readyz",
        "/readyz",
        "/healthz",
    ]
    assert [container[f"{kind}Probe"]["periodSeconds"] for kind in ("startup", "readiness", "liveness")] == [1, 5, 10]
    assert container["ports"] == [{"name": "http", "containerPort": 8868, "protocol": "TCP"}]
    budget = [server(module)["startupProbe"]["failureThreshold"] for module in ({}, {"device": "cpu"}, {"startupSeconds": 60})]
    assert budget == [900, 300, 60]


def test_a_pod_that_goes_finishes_what_it_took() -> None:
    assert server()["lifecycle"]["preStop"]["sleep"]["seconds"] == 5
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"config": {"timeout_s": 45.5}},
        {"terminationGracePeriodSeconds": 20, "config": {"timeout_s": 300}},
    )
    assert [pod(module)["terminationGracePeriodSeconds"] for module in asked] == [150, 76, 20]


def test_pods_have_no_rights() -> None:
    module = {"models": {"download": [{"name": "a", "url": "https://x/a", "sha256": "0" * 64}]}}
    spec = pod(module)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["runAsNonRoot"] is True
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "/tmp" in mounts(container)


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


def test_shared_memory() -> None:
    assert volumes({"shmSize": "2Gi"})["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert mounts(server({"shmSize": "2Gi"}))["/dev/shm"] == {"name": "shm", "mountPath": "/dev/shm"}


def test_variables_of_the_user_beat_ours() -> None:
    env = [{"name": "OCR_SERVING_MODELS", "value": "/elsewhere"}]
    assert server({"models": {"pvc": {"claimName": "c"}}, "env": env})["env"] == env
    fetched = pod({"models": {"download": [{"name": "a", "url": "https://x/a", "sha256": "0" * 64}]}, "env": env})
    assert fetched["containers"][0]["env"] == env
    assert fetched["initContainers"][0]["env"] == [{"name": "OCR_SERVING_MODELS", "value": "/models"}]


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


@pytest.mark.parametrize(
    "change",
    [{"params": {"a": 1}}, {"config": {"timeout_s": 9}}, {"port": 9000}, {"device": "cpu"}, {"workers": 2}, {"initArgs": {"a": 1}}],
    ids=str,
)
def test_what_changes_the_config_replaces_pods(change: dict[str, Any]) -> None:
    assert config_hash(change) != config_hash()


@pytest.mark.parametrize(
    "change",
    [{"replicas": 3}, {"service": {"type": "NodePort"}}, {"networkPolicy": {}}, {"strategy": {"type": "Recreate"}}],
    ids=str,
)
def test_what_does_not_concern_pods_leaves_them(change: dict[str, Any]) -> None:
    assert by_kind(change)["Deployment"]["spec"]["template"] == by_kind()["Deployment"]["spec"]["template"]


def test_one_module_leaves_the_others() -> None:
    before = manifests({"name": "ocr_det"}, {"name": "ocr_rec"})
    after = manifests({"name": "ocr_det"}, {"name": "ocr_rec", "params": {"a": 1}}, {"name": "ocr_cls"})
    assert after[:4] == before[:4]
    assert after[4]["metadata"]["annotations"] != before[4]["metadata"]["annotations"]


def test_hash_is_that_of_the_rest() -> None:
    for item in manifests({"name": "ocr_det", "service": {"annotations": {"a": "b"}}, "networkPolicy": {}}):
        said = item["metadata"]["annotations"][names.HASH_ANNOTATION]
        assert said == digest(item)
        assert len(said) == 16
        item["metadata"]["labels"]["x"] = "y"
        assert said != digest(item)


def test_settings_reach_the_image_alone() -> None:
    one, other = manifests({"name": "ocr_det"}), manifests({"name": "ocr_det"}, settings=Settings("r", "ocr", "2.0"))
    assert [left["kind"] for left, right in zip(one, other, strict=True) if left != right] == ["Deployment"]


TEXT = st.text(max_size=5)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "params": st.dictionaries(TEXT, st.integers() | TEXT, max_size=4),
        "nodeSelector": st.dictionaries(TEXT, TEXT, max_size=4),
        "podAnnotations": st.dictionaries(TEXT, TEXT, max_size=4),
        "config": st.dictionaries(st.sampled_from(("max_queue", "max_images", "offline")), st.integers(), max_size=3),
    },
)


@settings(deadline=None)
@given(FIELDS)
def test_the_order_of_keys_does_not_matter(fields: dict[str, Any]) -> None:
    turned = {key: dict(reversed(value.items())) for key, value in reversed(fields.items())}
    one, other = manifests({"name": "ocr_det"} | fields), manifests({**turned, "name": "ocr_det"})
    assert one == other
    hashes = [[item["metadata"]["annotations"][names.HASH_ANNOTATION] for item in items] for items in (one, other)]
    assert hashes[0] == hashes[1]


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


def test_traces_tell_whose_they_are_and_where_they_go() -> None:
    asked = {"tracing": {"endpoint": "http://collector:4318", "sampleRatio": 0.25}}
    assert config(asked)["otlp_endpoint"] == "http://collector:4318"
    assert "otlp_endpoint" not in config()
    variables = {item["name"]: item["value"] for item in server(asked)["env"]}
    assert variables == {
        "OTEL_SERVICE_NAME": "invoices-ocr-system",
        "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=docs,k8s.namespace.name=docs,k8s.deployment.name=invoices-ocr-system",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
    }
    own = [{"name": "OTEL_SERVICE_NAME", "value": "mine"}]
    variables = {item["name"]: item["value"] for item in server({"tracing": {"endpoint": "http://c:4318"}, "env": own})["env"]}
    assert variables["OTEL_SERVICE_NAME"] == "mine"
    assert "OTEL_TRACES_SAMPLER" not in variables
