"""Pods of a module: device, weights, secrets, probes, rights and bounds."""

from __future__ import annotations

from typing import Any

from helpers.rendered import by_kind, config, pod, server


def mounts(container: dict[str, Any]) -> dict[str, Any]:
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def volumes(module: dict[str, Any] | None = None) -> dict[str, Any]:
    return {volume["name"]: volume for volume in pod(module)["volumes"]}


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


def test_shared_memory() -> None:
    assert volumes({"shmSize": "2Gi"})["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert mounts(server({"shmSize": "2Gi"}))["/dev/shm"] == {"name": "shm", "mountPath": "/dev/shm"}


def test_variables_of_the_user_beat_ours() -> None:
    env = [{"name": "OCR_SERVING_MODELS", "value": "/elsewhere"}]
    assert server({"models": {"pvc": {"claimName": "c"}}, "env": env})["env"] == env
    fetched = pod({"models": {"download": [{"name": "a", "url": "https://x/a", "sha256": "0" * 64}]}, "env": env})
    assert fetched["containers"][0]["env"] == env
    assert fetched["initContainers"][0]["env"] == [{"name": "OCR_SERVING_MODELS", "value": "/models"}]


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
