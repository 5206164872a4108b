"""An OCRService → the manifests of everything it owns. Pure: the same service and settings give the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ocr_operator import names
from ocr_operator.api.jobs import claim_of
from ocr_operator.api.parts import Monitor
from ocr_operator.api.spec import ModuleSpec, OCRService, Settings
from ocr_operator.desired import filling, outside, pod
from ocr_operator.desired.egress import egress

__all__ = ["Settings", "digest", "render", "render_module"]


ANYWHERE: list[dict[str, Any]] = [{}]
"""Egress rules that bound nothing."""
QUEUE_METRIC = "ocr_serving_queue_depth"
"""What a service tells at /metrics of requests that wait for a worker."""
PULL_SECONDS = 300
"""What a rollout may take beside the start of its pods: scheduling, and pulling the image."""


def render(service: OCRService, settings: Settings) -> list[dict[str, Any]]:
    """The manifests of `service`, in the order in which they are to be applied: its cache of models, then module by module."""
    of_modules = [manifest for module in service.modules for manifest in render_module(service, module, settings)]
    return [*render_cache(service, service.modules, settings), *of_modules]


def render_cache(service: OCRService, modules: Sequence[ModuleSpec], settings: Settings) -> list[dict[str, Any]]:
    """The manifests of the cache that `modules` of `service` share; none without one."""
    return [child(service, modules[0], body) for body in filling.bodies(modules, settings)]


def render_module(service: OCRService, module: ModuleSpec, settings: Settings) -> list[dict[str, Any]]:
    """The manifests of one module of `service`, in the order in which they are to be applied."""
    text = config_text(module)
    bodies = (
        _config_map(text),
        _deployment(module, settings, config_hash=_hex(text)),
        _service(module),
        _autoscaler(module),
        _disruption_budget(module),
        _network_policy(module),
        outside.ingress(module),
        outside.http_route(module),
        _monitor(module, "ServiceMonitor", module.fields.service_monitor, "endpoints"),
        _monitor(module, "PodMonitor", module.fields.pod_monitor, "podMetricsEndpoints"),
    )
    return [child(service, module, body) for body in bodies if body is not None]


def digest(manifest: dict[str, Any]) -> str:
    """What HASH_ANNOTATION of a manifest says: 16 hex digits over all but that annotation."""
    metadata = manifest.get("metadata", {})
    annotations = {key: value for key, value in metadata.get("annotations", {}).items() if key != names.HASH_ANNOTATION}
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    plain = manifest | {"metadata": rest | ({"annotations": annotations} if annotations else {})}
    return _hex(json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def config_text(module: ModuleSpec) -> str:
    """config.json of the module, whose hash rolls its pods."""
    fields = module.fields
    values: dict[str, Any] = dict(fields.config or {})
    if fields.api_keys is not None:
        values["api_keys_file"] = pod.keys_file(module)
    if fields.tracing is not None:
        values["otlp_endpoint"] = fields.tracing.endpoint
    if module.on_gpu:
        # The container sees the devices it was given, and them alone, so they are counted from 0.
        values.setdefault("gpu", ",".join(str(n) for n in range(max(1, pod.gpu_count(module)))))
    if fields.workers is not None:
        values |= {"workers": fields.workers, "use_multiprocess": True}
    entries = {
        name: pod.given(
            init_args={"use_gpu": module.on_gpu, **module.arguments_of(name, fields.init_args)},
            predict_args=module.arguments_of(name, fields.predict_args),
            params=module.arguments_of(name, fields.params),
        )
        for name in module.served
    }
    values |= {"modules_info": entries, "host": "0.0.0.0", "port": module.port}  # noqa: S104  the pod's own address
    return json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def golden_labels(module: ModuleSpec) -> dict[str, str]:
    """Labels that tell the pods that read the golden set of the module from all others."""
    return {names.INSTANCE_LABEL: module.service, names.COMPONENT_LABEL: f"{module.name.replace('_', '-')}-golden"}


def child(service: OCRService, module: ModuleSpec, body: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": module.child_name, "namespace": module.namespace, "labels": module.labels}
    if service.uid is not None:
        metadata["ownerReferences"] = [
            {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": service.name,
                "uid": service.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
    metadata |= body.pop("metadata", {})
    if not metadata.get("ownerReferences", True):
        del metadata["ownerReferences"]
    manifest = {"apiVersion": body.pop("apiVersion"), "kind": body.pop("kind"), "metadata": metadata, **body}
    metadata["annotations"] = metadata.get("annotations", {}) | {names.HASH_ANNOTATION: digest(manifest)}
    return manifest


def _config_map(text: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {pod.CONFIG_FILE: text}}


def _deployment(module: ModuleSpec, settings: Settings, *, config_hash: str) -> dict[str, Any]:
    spec = {
        "revisionHistoryLimit": 2,
        # Said although they are the defaults: each keeps a rollout from going on where somebody else sets it.
        "paused": False,
        "minReadySeconds": 0,
        # Longer than a pod may take to start, lest a rollout be called failed before its first pod was given up.
        "progressDeadlineSeconds": pod.startup_seconds(module) + PULL_SECONDS,
        "strategy": _strategy(module),
        "selector": {"matchLabels": module.selector},
        "template": pod.template(module, settings, config_hash=config_hash),
    }
    count = {} if module.replicas is None else {"replicas": module.replicas}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": count | spec}


def _strategy(module: ModuleSpec) -> dict[str, Any]:
    asked = module.fields.strategy
    if claim_of(module.fields) or (asked is not None and asked.type == "Recreate"):
        return {"type": "Recreate"}
    surge = 1 if asked is None or asked.max_surge is None else asked.max_surge
    # Both 0 would let no pod ever be replaced.
    missing: int | str = 1 if surge in (0, "0", "0%") else 0
    if asked is not None and asked.max_unavailable is not None:
        missing = asked.max_unavailable
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": missing, "maxSurge": surge}}


def _service(module: ModuleSpec) -> dict[str, Any]:
    asked = module.fields.service
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {
            "type": (asked.type if asked else None) or "ClusterIP",
            "selector": module.selector,
            "ports": [{"name": "http", "port": module.port, "targetPort": "http", "protocol": "TCP"}],
        },
    }
    if asked is not None and asked.annotations:
        body["metadata"] = {"annotations": asked.annotations}
    return body


def _autoscaler(module: ModuleSpec) -> dict[str, Any] | None:
    asked = module.fields.autoscaling
    if asked is None or asked.external:
        return None
    metrics = list(asked.metrics or [])
    if asked.target_queue_depth is not None:
        target = {"type": "AverageValue", "averageValue": str(asked.target_queue_depth)}
        metrics.insert(0, {"type": "Pods", "pods": {"metric": {"name": QUEUE_METRIC}, "target": target}})
    percent = asked.target_cpu_utilization_percentage or (None if metrics else 80)
    if percent is not None:
        cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}}
        metrics = [cpu, *metrics]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "spec": pod.given(
            scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": module.child_name},
            minReplicas=asked.min_replicas or 1,
            maxReplicas=asked.max_replicas,
            metrics=metrics,
            behavior=asked.behavior,
        ),
    }


def _disruption_budget(module: ModuleSpec) -> dict[str, Any] | None:
    asked = module.fields.pod_disruption_budget
    if asked is None:
        return None
    bound = {"minAvailable": asked.min_available, "maxUnavailable": asked.max_unavailable}
    spec = {key: value for key, value in bound.items() if value is not None} | {"selector": {"matchLabels": module.selector}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": spec}


def _network_policy(module: ModuleSpec) -> dict[str, Any] | None:
    asked = module.fields.network_policy
    rules = egress(module)
    is_bounded = rules != ANYWHERE
    if asked is None and not is_bounded:
        return None
    spec: dict[str, Any] = {"podSelector": {"matchLabels": module.selector}, "policyTypes": []}
    if asked is not None:
        same_namespace: list[dict[str, Any]] = [{"podSelector": {}}]
        peers = [*(asked.from_ or same_namespace), *outside.peers(module)]
        if asked.from_ and module.fields.rollout is not None and module.fields.rollout.golden is not None:
            peers = [*peers, {"podSelector": {"matchLabels": golden_labels(module)}}]
        spec["policyTypes"].append("Ingress")
        spec["ingress"] = [{"from": peers, "ports": [{"port": "http", "protocol": "TCP"}]}]
    if is_bounded:
        spec["policyTypes"].append("Egress")
        spec |= {"egress": rules} if rules else {}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec}


def _monitor(module: ModuleSpec, kind: str, asked: Monitor | None, endpoints: str) -> dict[str, Any] | None:
    if asked is None:
        return None
    endpoint = pod.given(port="http", path="/metrics", interval=asked.interval)
    body: dict[str, Any] = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "spec": {"selector": {"matchLabels": module.selector}, endpoints: [endpoint]},
    }
    if asked.labels:
        body["metadata"] = {"labels": {**asked.labels, **module.labels}}
    return body


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
