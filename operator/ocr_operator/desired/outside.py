"""What leads from outside of the cluster to a module: Ingress and HTTPRoute, and where callers post to then. Pure."""

from __future__ import annotations

from typing import Any

from ocr_operator.api.outside import DEFAULT_PATH
from ocr_operator.api.spec import ModuleSpec
from ocr_operator.desired.pod import given

GATEWAY_GROUP = "gateway.networking.k8s.io"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""By which Kubernetes itself tells namespaces apart."""


def ingress(module: ModuleSpec) -> dict[str, Any] | None:
    """The Ingress of the module, where one is asked for."""
    asked = module.fields.ingress
    if asked is None:
        return None
    backend = {"service": {"name": module.child_name, "port": {"number": module.port}}}
    path = {"path": asked.path or DEFAULT_PATH, "pathType": "Prefix", "backend": backend}
    spec = given(
        ingressClassName=asked.class_name,
        rules=[{"host": asked.host, "http": {"paths": [path]}}],
        tls=[{"hosts": [asked.host], "secretName": asked.tls.secret_name}] if asked.tls else None,
    )
    body: dict[str, Any] = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": spec}
    return body | ({"metadata": {"annotations": asked.annotations}} if asked.annotations else {})


def http_route(module: ModuleSpec) -> dict[str, Any] | None:
    """The HTTPRoute of the module, where one is asked for."""
    asked = module.fields.http_route
    if asked is None:
        return None
    listener = asked.tls.section_name if asked.tls else None
    parents = [
        given(
            group=GATEWAY_GROUP,
            kind="Gateway",
            name=ref.name,
            namespace=ref.namespace,
            sectionName=ref.section_name or listener,
        )
        for ref in asked.parent_refs or ()
    ]
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": asked.path or DEFAULT_PATH}}],
        "backendRefs": [{"kind": "Service", "name": module.child_name, "port": module.port, "weight": 1}],
    }
    spec = given(parentRefs=parents, hostnames=asked.hostnames, rules=[rule])
    return {"apiVersion": f"{GATEWAY_GROUP}/v1", "kind": "HTTPRoute", "spec": spec}


def peers(module: ModuleSpec) -> list[dict[str, Any]]:
    """Who passes requests on to the module, as peers of a NetworkPolicy."""
    asked = (module.fields.ingress, module.fields.http_route)
    namespaces = dict.fromkeys(name for block in asked if block for name in block.allow_from_namespaces or ())
    return [{"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}} for name in namespaces]
