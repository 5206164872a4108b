"""OCRServices in tests: written as a user writes them, and seen as a user sees them. `cluster` is any API server."""

from __future__ import annotations

from typing import Any

from helpers.kubectl import Kubectl

CHILDREN = ("configmap", "deployment", "service", "horizontalpodautoscaler", "poddisruptionbudget", "networkpolicy")
MANAGED = "app.kubernetes.io/managed-by=ocr-operator"
EVERYTHING: dict[str, Any] = {
    "name": "ocr_system",
    "device": "cpu",
    "autoscaling": {"maxReplicas": 2},
    "podDisruptionBudget": {"maxUnavailable": 1},
    "networkPolicy": {},
}
"""A module with a child of each of these kinds."""

EDITS: dict[str, dict[str, Any]] = {
    "configmap": {"data": {"config.json": "{}"}},
    "deployment": {"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "evil:1"}]}}}},
    "service": {"spec": {"selector": {"app.kubernetes.io/instance": "other"}}},
    "horizontalpodautoscaler": {"spec": {"maxReplicas": 9}},
    "poddisruptionbudget": {"spec": {"maxUnavailable": 5}},
    "networkpolicy": {"spec": {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": "other"}}}},
    "servicemonitor": {"spec": {"selector": {"matchLabels": {"app.kubernetes.io/instance": "other"}}}},
}
"""A patch for each kind, of a field that the operator sets."""


def service(namespace: str, name: str = "invoices", *, modules: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    """An OCRService; of one module on the CPU with no pods unless told otherwise."""
    modules = modules or [{"name": "ocr_system", "device": "cpu", "replicas": 0}]
    return {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"modules": modules, **spec},
    }


def status(cluster: Kubectl, namespace: str, name: str = "invoices") -> dict[str, Any]:
    """Its status; empty where it has none, or is not there."""
    body = cluster.get("ocr", name, "-n", namespace)
    return {} if body is None else body.get("status", {})


def condition(cluster: Kubectl, namespace: str, type_: str, name: str = "invoices") -> dict[str, Any]:
    """The condition of that type; empty where it does not speak of the spec as it is now."""
    body = cluster.get("ocr", name, "-n", namespace)
    generation = body["metadata"]["generation"]
    conditions = body.get("status", {}).get("conditions", ())
    return next((item for item in conditions if item["type"] == type_ and item["observedGeneration"] == generation), {})


def wait_for_condition(
    cluster: Kubectl,
    namespace: str,
    type_: str,
    value: str = "True",
    name: str = "invoices",
    *,
    reason: str = "",
    seconds: float = 30,
) -> dict[str, Any]:
    """Wait until the condition has `value`, and `reason` where given."""

    def holds() -> bool:
        found = condition(cluster, namespace, type_, name)
        return found.get("status") == value and reason in ("", found["reason"])

    cluster.wait_for(holds, lambda: f"{type_}={value} {reason} of {name}: {status(cluster, namespace, name)}", seconds)
    return condition(cluster, namespace, type_, name)


def children(cluster: Kubectl, namespace: str, kinds: tuple[str, ...] = CHILDREN) -> dict[str, dict[str, Any]]:
    """By "Kind/name", without what differs from one object to the next that is made the same way."""
    found = {}
    for item in cluster.items(",".join(kinds), namespace, "-l", MANAGED):
        metadata = {key: item["metadata"].get(key) for key in ("labels", "annotations")}
        metadata["annotations"] = {
            key: value for key, value in metadata["annotations"].items() if not key.startswith("deployment.kubernetes.io/")
        }
        spec = {key: value for key, value in item.get("spec", {}).items() if key not in ("clusterIP", "clusterIPs")}
        owners = [(owner["kind"], owner["name"], owner["controller"]) for owner in item["metadata"].get("ownerReferences", ())]
        found[f"{item['kind']}/{item['metadata']['name']}"] = {
            **metadata,
            "owners": owners,
            "spec": spec,
            "data": item.get("data"),
        }
    return found


def events(cluster: Kubectl, namespace: str) -> list[str]:
    """ "Reason: message" of each event."""
    return [f"{item['reason']}: {item['message']}" for item in cluster.items("events", namespace)]
