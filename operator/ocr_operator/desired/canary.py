"""What stands beside the old pods of a module while a change is tried, and what a change is. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ocr_operator import names
from ocr_operator.api.parts import Golden
from ocr_operator.api.schema import ModuleFields
from ocr_operator.api.spec import ModuleSpec, OCRService, Settings
from ocr_operator.desired import pod
from ocr_operator.desired.render import child, golden_labels, render_module

GATED = ("device", "gpu", "params", "initArgs", "predictArgs", "config", "models")
"""Fields that decide what a module reads, and so wait for the gate; all others come into use at once."""

GOLDEN_FOLDER = "/golden"
GOLDEN_VOLUME = "ocr-golden-set"
DEFAULT_WEIGHT = 10
JOB_S = 1700
"""Below the operator's own patience (`observed.rollout.MEASURE_S`), so that the Job's reason is what is seen."""
JOB_TRIES = 1


def key(module: ModuleSpec, settings: Settings) -> str:
    """What of `module` waits for the gate, as JSON: two that are equal read alike."""
    fields = module.fields.model_dump(by_alias=True, exclude_unset=True, mode="json")
    told = {name: fields[name] for name in GATED if name in fields}
    if module.is_auto:
        told["device"] = module.device
        if not module.on_gpu:
            told.pop("gpu", None)
    return json.dumps(
        {"image": module.image_reference(settings), **told}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def held(module: ModuleSpec, accepted: str) -> ModuleSpec:
    """`module` with what waits for the gate as `accepted`, a `key`, says. Raises ValueError where that is none."""
    told = json.loads(accepted)
    image = module.image.model_copy(update={"reference": told.pop("image")})
    fields = ModuleFields.model_validate({name: value for name, value in told.items() if name in GATED})
    old = {name: getattr(fields, name) for name, field in ModuleFields.model_fields.items() if field.alias in GATED}
    return replace(module, fields=module.fields.model_copy(update=old), image=image)


def weighed(replicas: int, weight: int | None) -> int:
    """How many pods beside `replicas` take `weight` percent of the requests, at least one."""
    share = DEFAULT_WEIGHT if weight is None else weight
    return max(1, round(replicas * share / (100 - share)))


def canary(module: ModuleSpec, *, is_serving: bool, replicas: int) -> ModuleSpec:
    """`module` as the pods beside its old ones: of their own name, and none of what is for all of its pods."""
    away: dict[str, Any] = dict.fromkeys(
        ("autoscaling", "pod_disruption_budget", "service_monitor", "pod_monitor", "service", "ingress", "http_route")
    )
    fields = module.fields.model_copy(update={**away, "replicas": replicas})
    return replace(module, fields=fields, canary="serving" if is_serving else "apart", scaled_by_defaults=False)


def render_canary(
    service: OCRService, module: ModuleSpec, settings: Settings, *, is_serving: bool, replicas: int
) -> list[dict[str, Any]]:
    """The manifests of the pods beside the old ones."""
    return render_module(service, canary(module, is_serving=is_serving, replicas=replicas), settings)


def render_job(service: OCRService, module: ModuleSpec, settings: Settings) -> dict[str, Any]:
    """The Job that reads the golden set with the old pods of `module` and those beside them, and says how both did."""
    beside = canary(module, is_serving=False, replicas=1)
    golden = module.fields.rollout.golden if module.fields.rollout else None
    labels = {**golden_labels(module), names.NAME_LABEL: names.APP, names.MANAGED_BY_LABEL: names.MANAGED_BY}
    template = pod.template(replace(beside, canary=""), settings, config_hash="")
    server = template["spec"]["containers"][0]
    keys = pod.keys_file(module)
    container = pod.given(
        name="compare",
        image=server["image"],
        imagePullPolicy=server["imagePullPolicy"],
        args=["compare", "--golden", GOLDEN_FOLDER, "--old", module.url, "--new", beside.url, "--report", "/dev/termination-log"]
        + (["--api_keys_file", str(keys)] if keys else []),
        env=[item for item in server.get("env", ()) if item["name"] not in ("OCR_SERVING_MODELS", pod.JOBS_URL)],
        envFrom=server.get("envFrom"),
        resources={"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        volumeMounts=[
            {"name": GOLDEN_VOLUME, "mountPath": GOLDEN_FOLDER, "readOnly": True, **_sub_path(golden)},
            *(mount for mount in server["volumeMounts"] if mount["name"] not in ("config", "models", "shm")),
        ],
        securityContext=server["securityContext"],
        terminationMessagePolicy="FallbackToLogsOnError",
    )
    kept = (
        "automountServiceAccountToken",
        "enableServiceLinks",
        "securityContext",
        "imagePullSecrets",
        "nodeSelector",
        "tolerations",
    )
    spec = {name: value for name, value in template["spec"].items() if name in (*kept, "affinity", "priorityClassName")}
    volumes = [item for item in template["spec"]["volumes"] if item["name"] not in ("config", "models", "shm")]
    spec |= {
        "restartPolicy": "Never",
        "serviceAccountName": template["spec"]["serviceAccountName"],
        "containers": [container],
        "volumes": [{"name": GOLDEN_VOLUME, **_source(golden)}, *volumes],
    }
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(module), "labels": labels},
        "spec": {
            "backoffLimit": JOB_TRIES,
            "activeDeadlineSeconds": JOB_S,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    return child(service, module, body)


def render_policy(service: OCRService, module: ModuleSpec) -> dict[str, Any]:
    """What the Job reaches: the pods that it asks, and their names."""
    job = {"matchLabels": golden_labels(module)}
    ours = {"matchLabels": {names.NAME_LABEL: names.APP, names.INSTANCE_LABEL: module.service}}
    dns = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    port = [{"port": module.port, "protocol": "TCP"}]
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": job_name(module)},
        "spec": {
            "podSelector": job,
            "policyTypes": ["Ingress", "Egress"],
            "egress": [{"ports": dns}, {"to": [{"podSelector": ours}], "ports": port}],
        },
    }
    return child(service, module, body)


def job_name(module: ModuleSpec) -> str:
    """Of the Job, and of what bounds it."""
    return f"{module.child_name}-golden"


def _source(golden: Golden | None) -> dict[str, Any]:
    if golden is None:
        return {"emptyDir": {}}
    if golden.config_map is not None:
        return {"configMap": {"name": golden.config_map}}
    if golden.pvc is not None:
        return {"persistentVolumeClaim": {"claimName": golden.pvc.claim_name, "readOnly": True}}
    return {"image": {"reference": golden.image}}


def _sub_path(golden: Golden | None) -> dict[str, str]:
    return {"subPath": golden.pvc.path} if golden and golden.pvc and golden.pvc.path else {}
