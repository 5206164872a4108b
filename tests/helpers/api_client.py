"""Plain requests to a control plane's API, for tests that want the very words of its answers."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import requests
import yaml

from helpers.control_plane import ControlPlane
from helpers.go_tools import module_folder

ANY_OBJECT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SELECTOR = {**ANY_OBJECT, "x-kubernetes-map-type": "atomic"}
MONITOR = {**ANY_OBJECT, "properties": {"spec": {**ANY_OBJECT, "properties": {"selector": SELECTOR}}}}
SERVICE_MONITOR_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": MONITOR}}],
    },
}
"""In place of the Prometheus operator's own."""
POD_MONITOR_CRD: dict[str, Any] = {
    **SERVICE_MONITOR_CRD,
    "metadata": {"name": "podmonitors.monitoring.coreos.com"},
    "spec": {
        **SERVICE_MONITOR_CRD["spec"],
        "names": {"kind": "PodMonitor", "plural": "podmonitors", "singular": "podmonitor"},
    },
}
"""In place of its other one."""
RULE_CRD: dict[str, Any] = {
    **SERVICE_MONITOR_CRD,
    "metadata": {"name": "prometheusrules.monitoring.coreos.com"},
    "spec": {
        **SERVICE_MONITOR_CRD["spec"],
        "names": {"kind": "PrometheusRule", "plural": "prometheusrules", "singular": "prometheusrule"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANY_OBJECT}}],
    },
}
"""Another one of its kinds."""


@cache
def http_route_crd() -> dict[str, Any]:
    """The Gateway API's own definition of HTTPRoute, of its standard channel."""
    file = module_folder("sigs.k8s.io/gateway-api", "v1.4.0") / "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def optional_crds() -> list[dict[str, Any]]:
    """Definitions of all kinds that the operator makes objects of where there are such."""
    return [SERVICE_MONITOR_CRD, POD_MONITOR_CRD, http_route_crd()]


class Api:
    """The API of `plane`, as its administrator."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor another bundle of certificates has a part in this
        user = json.loads(plane.kubeconfig.read_text())["users"][0]["user"]
        self._session.headers["Authorization"] = f"Bearer {user['token']}"
        self._session.verify = str(plane.folder / "certs" / "apiserver.crt")

    def request(self, method: str, path: str, body: object = None, **options: str) -> tuple[int, dict[str, Any]]:
        """HTTP code and answer; `options` are what a query says. A PATCH is a server-side apply."""
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        answer = self._session.request(
            method, self.plane.url + path, data=data, params=options, headers={"Content-Type": kind}, timeout=60
        )
        return answer.status_code, dict(answer.json())

    def get(self, path: str) -> dict[str, Any]:
        """What is at `path`, such as /api/v1/namespaces/default."""
        code, answer = self.request("GET", path)
        assert code == 200, answer
        return answer

    def apply(self, *objects: dict[str, Any], manager: str = "tests") -> None:
        """Server-side apply through kubectl; fails with what was said."""
        text = "\n---\n".join(json.dumps(item) for item in objects)
        self.plane.kubectl("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-", stdin=text)

    def establish(self, *crds: dict[str, Any]) -> None:
        """Apply CustomResourceDefinitions, and wait until their objects are taken."""
        self.apply(*crds)
        self.plane.kubectl(
            "wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{crd['metadata']['name']}" for crd in crds)
        )

    def close(self) -> None:
        """Let its connections go."""
        self._session.close()
