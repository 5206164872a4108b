"""Ingress, HTTPRoute and PodMonitor: who is led to a module, who is let in, and what a user is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.merging import SpecError
from ocr_operator.api.spec import OCRService, Settings, parse
from ocr_operator.desired.render import render

HOST = "ocr.example.org"
GATEWAY: dict[str, Any] = {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": [HOST]}


def service(*modules: dict[str, Any], **spec: Any) -> OCRService:
    metadata = {"name": "invoices", "namespace": "docs"}
    spec["modules"] = [{"name": "ocr_system", "device": "cpu", **module} for module in modules]
    return parse({"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": metadata, "spec": spec})


def by_kind(**module: Any) -> dict[str, Any]:
    return {item["kind"]: item for item in render(service(module), Settings())}


def test_an_ingress_leads_its_host_to_the_service() -> None:
    asked = {"className": "nginx", "host": HOST, "tls": {"secretName": "cert"}, "annotations": {"a": "b"}}
    ingress = by_kind(ingress=asked)["Ingress"]
    backend = {"service": {"name": "invoices-ocr-system", "port": {"number": 8868}}}
    assert ingress["spec"] == {
        "ingressClassName": "nginx",
        "rules": [{"host": HOST, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        "tls": [{"hosts": [HOST], "secretName": "cert"}],
    }
    assert ingress["metadata"]["annotations"]["a"] == "b"


def test_a_route_hangs_on_the_listener_that_has_the_certificate() -> None:
    parents = [{"name": "public", "namespace": "gateways"}, {"name": "private", "sectionName": "web"}]
    route = by_kind(httpRoute={"parentRefs": parents, "hostnames": [HOST], "tls": {"sectionName": "https"}})["HTTPRoute"]
    assert [parent.get("sectionName") for parent in route["spec"]["parentRefs"]] == ["https", "web"]
    rule = route["spec"]["rules"][0]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert [(ref["name"], ref["port"]) for ref in rule["backendRefs"]] == [("invoices-ocr-system", 8868)]


def test_the_policy_lets_in_what_passes_requests_on() -> None:
    asked: dict[str, Any] = {
        "networkPolicy": {"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]},
        "ingress": {"host": HOST, "allowFromNamespaces": ["ingress-nginx"]},
        "httpRoute": {**GATEWAY, "allowFromNamespaces": ["ingress-nginx", "envoy"]},
    }
    peers = by_kind(**asked)["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    namespaces = [item["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for item in peers[1:]]
    assert (peers[0], namespaces) == (asked["networkPolicy"]["from"][0], ["ingress-nginx", "envoy"])


def test_a_policy_that_would_keep_it_out_is_refused() -> None:
    with pytest.raises(SpecError, match=r"networkPolicy: keeps out what passes ingress on: .* ingress\.allowFromNamespaces"):
        service({"networkPolicy": {}, "ingress": {"host": HOST}})
    assert "Ingress" not in by_kind(networkPolicy={})["NetworkPolicy"]["spec"]["policyTypes"][1:]
    assert service({"ingress": {"host": HOST}}).modules[0].fields.network_policy is None


def test_defaults_give_the_host_and_modules_their_paths() -> None:
    found = service(
        {"ingress": {"path": "/predict/ocr_system"}},
        {"name": "structure_table", "ingress": {"path": "/tables"}},
        defaults={"ingress": {"host": HOST, "tls": {"secretName": "cert"}}},
    )
    assert [module.outside_urls for module in found.modules] == [
        [f"https://{HOST}/predict/ocr_system"],
        [f"https://{HOST}/tables"],
    ]


@pytest.mark.parametrize(
    ("modules", "defaults", "sentence"),
    [
        ([{"ingress": {"path": "/"}}], {}, r"ingress\.host: has to be given"),
        ([{"httpRoute": {"hostnames": [HOST]}}], {}, r"httpRoute\.parentRefs: has to be given"),
        (
            [{}, {"name": "ocr_det"}],
            {"ingress": {"host": HOST}},
            "ocr_system has the path / of ocr.example.org already: .* /predict/ocr_det",
        ),
        ([{}, {"name": "ocr_det"}], {"httpRoute": {"parentRefs": [{"name": "a"}]}}, "has the path / of every host already"),
    ],
)
def test_what_would_reach_nobody_or_two_is_refused(modules: list[dict[str, Any]], defaults: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        service(*modules, defaults=defaults)


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"ingress": {"host": "bank.example.com"}}, "--allow-hosts"),
        ({"ingress": {"host": "*.example.org"}}, "--allow-hosts"),
        ({"httpRoute": {**GATEWAY, "hostnames": ["bank.example.com"]}}, "--allow-hosts"),
        ({"httpRoute": {"parentRefs": GATEWAY["parentRefs"]}}, "--allow-hosts"),
        (
            {"ingress": {"host": HOST, "annotations": {"nginx.ingress.kubernetes.io/configuration-snippet": "deny all;"}}},
            "--allow-ingress-annotations",
        ),
    ],
)
def test_hosts_and_annotations_are_those_that_are_allowed(fields: dict[str, Any], flag: str) -> None:
    allowed = Allowed(hosts=("ocr.*",))
    with pytest.raises(SpecError, match=flag):
        allowed.check(service(fields), Settings())
    allowed.check(
        service({"ingress": {"host": HOST, "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "9m"}}}), Settings()
    )


def test_a_pod_monitor_stands_in_place_of_a_service_monitor() -> None:
    found = by_kind(podMonitor={"interval": "9s", "labels": {"release": "p"}})
    assert "ServiceMonitor" not in found
    spec = found["PodMonitor"]["spec"]
    assert spec["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics", "interval": "9s"}]
    assert spec["selector"]["matchLabels"].items() <= found["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert found["PodMonitor"]["metadata"]["labels"]["release"] == "p"
