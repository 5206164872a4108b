"""The cache of models that an OCRService's modules share: its claim, the Job that fills it, and where that connects to. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ocr_operator import names
from ocr_operator.api.spec import ModuleSpec, Settings
from ocr_operator.desired import pod
from ocr_operator.desired.egress import filling_egress

JSON = dict[str, Any]
COMPONENT = "models.cache"
"""COMPONENT_LABEL of all of it: no module has a dot in its name."""
TRIES = 2**31 - 1
"""A Job that gave up would have to be made anew by hand. The kubelet waits up to five minutes between tries."""
KEPT = (
    *("automountServiceAccountToken", "enableServiceLinks", "securityContext", "imagePullSecrets", "nodeSelector", "tolerations"),
    *("affinity", "priorityClassName", "serviceAccountName"),
)
"""What the Job's pod has in common with those of the first module."""


def bodies(modules: Iterable[ModuleSpec], settings: Settings) -> list[JSON]:
    """The objects, without what ties them to the OCRService, in the order in which they are to be applied.

    None where no module of `modules` has a cache, or it is a folder of each node, which pods fill themselves. What two modules keep
    on one claim is kept by one Job.
    """
    found: list[JSON] = []
    for claim, sharing in _by_claim(modules).items():
        first = sharing[0]
        cache = first.cache
        if cache is not None and cache.claim_name is None:
            found.append(_claim(first, claim))
        job = _job(sharing, settings)
        found += [_policy(sharing, job["metadata"]["name"]), job]
    return found


def labels(service: str) -> dict[str, str]:
    """Labels of all of it, and of the Job's pods."""
    return {
        names.NAME_LABEL: names.APP,
        names.INSTANCE_LABEL: service,
        names.COMPONENT_LABEL: COMPONENT,
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
    }


def job_name(modules: Iterable[ModuleSpec], module: ModuleSpec, settings: Settings) -> str | None:
    """The Job that fills the cache of `module`, one of `modules`; None where none does."""
    sharing = _by_claim(modules).get(pod.claim_name(module), ()) if module.cache is not None else ()
    return str(_job(sharing, settings)["metadata"]["name"]) if sharing and module.cache and not module.cache.node_path else None


def _by_claim(modules: Iterable[ModuleSpec]) -> dict[str, list[ModuleSpec]]:
    found: dict[str, list[ModuleSpec]] = {}
    for module in modules:
        if module.cache is not None and module.cache.node_path is None:
            found.setdefault(pod.claim_name(module), []).append(module)
    return found


def _claim(module: ModuleSpec, name: str) -> JSON:
    cache = module.cache
    assert cache is not None
    spec = pod.given(
        accessModes=[cache.access_mode or "ReadWriteMany"],
        storageClassName=cache.storage_class_name,
        resources={"requests": {"storage": str(cache.size or pod.STORE_SIZE)}},
    )
    metadata: JSON = {"name": name, "labels": labels(module.service)}
    if cache.reclaim != "Delete":
        # Nobody's, so that it outlives the OCRService.
        metadata["ownerReferences"] = []
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _job(modules: Sequence[ModuleSpec], settings: Settings) -> JSON:
    first = modules[0]
    weights = list(dict.fromkeys(item for module in modules for item in module.cached_weights))
    template = pod.template(first, settings, config_hash="")["spec"]
    server = template["containers"][0]
    path = first.cache.path if first.cache else None
    container = pod.given(
        name="pull",
        image=server["image"],
        imagePullPolicy=server["imagePullPolicy"],
        args=["models", "pull", *weights],
        env=pod.pull_env(first),
        envFrom=server.get("envFrom"),
        resources=pod.PULL_RESOURCES,
        volumeMounts=[
            pod.given(name="models", mountPath=pod.STORE, subPath=path),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  a path of the container
        ],
        securityContext=pod.UNPRIVILEGED,
        terminationMessagePolicy="FallbackToLogsOnError",
    )
    spec = {name: value for name, value in template.items() if name in KEPT} | {
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": [{"name": "models", **pod.cache_source(first)}, {"name": "tmp", "emptyDir": {"sizeLimit": pod.TMP_SIZE}}],
    }
    own = labels(first.service)
    # A Job is not changed once it is there, so another list of weights, or another image, is another Job.
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:8]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{first.service}{pod.CACHE}-{digest}", "labels": own},
        "spec": {
            "backoffLimit": TRIES,
            "suspend": False,
            "parallelism": 1,
            "template": {"metadata": {"labels": own}, "spec": spec},
        },
    }


def _policy(modules: Sequence[ModuleSpec], name: str) -> JSON:
    own = labels(modules[0].service)
    rules = filling_egress(modules)
    selector = {key: own[key] for key in (names.INSTANCE_LABEL, names.COMPONENT_LABEL)}
    spec = {"podSelector": {"matchLabels": selector}, "policyTypes": ["Ingress", "Egress"]} | ({"egress": rules} if rules else {})
    metadata = {"name": name, "labels": own}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
