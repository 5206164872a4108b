"""What pods may connect to: nowhere, but for what they were asked to fetch."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired.render import render

DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def policy(**fields: Any) -> dict[str, Any] | None:
    spec = {"modules": [{"name": "ocr_system", "device": "cpu", **fields}]}
    body = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "a"}, "spec": spec}
    found = [item["spec"] for item in render(parse(body), Settings()) if item["kind"] == "NetworkPolicy"]
    return found[0] if found else None


def ports(*numbers: int) -> list[dict[str, Any]]:
    return [{"ports": [*DNS, *({"port": number, "protocol": "TCP"} for number in numbers)]}]


def download(url: str) -> dict[str, Any]:
    return {"models": {"download": [{"name": "m", "url": url, "sha256": "0" * 64}]}}


def test_by_default_pods_reach_nothing_and_anybody_reaches_them() -> None:
    found = policy()
    assert found is not None
    assert found["policyTypes"] == ["Egress"]
    assert "egress" not in found
    assert found["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "ocr-system"


@pytest.mark.parametrize(
    ("fields", "rules"),
    [
        (download("https://models.example.org/m.tar"), ports(443)),
        (download("http://models.example.org:8080/m.tar"), ports(8080)),
        (
            download("http://10.1.2.3:9000/m.tar"),
            [{"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 9000, "protocol": "TCP"}]}],
        ),
        ({"tracing": {"endpoint": "http://collector.monitoring:4318"}}, ports(4318)),
        ({"params": {"model_set": "PP-OCRv6_tiny"}}, ports(443)),
        ({"params": {"det_model_dir": "PP-OCRv6_tiny_det"}}, ports(443)),
        ({"params": {"det_model_dir": "./mine"}}, []),
        ({"params": {"model_set": "PP-OCRv6_tiny"}, "config": {"offline": True}}, []),
        (download("https://m.example.org/m") | {"env": [{"name": "HTTPS_PROXY", "value": "proxy.example:3128"}]}, ports(443, 3128)),
        ({"egress": [{"ports": [{"port": 5432}]}]}, [{"ports": [{"port": 5432}]}]),
    ],
)
def test_what_a_module_needs_is_open(fields: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    found = policy(**fields)
    assert found is not None
    assert found.get("egress", []) == rules


def test_anywhere_needs_no_policy_and_leaves_that_of_callers() -> None:
    assert policy(egress=[{}]) is None
    callers = policy(egress=[{}], networkPolicy={})
    assert callers is not None
    assert callers["policyTypes"] == ["Ingress"]
    both = policy(networkPolicy={})
    assert both is not None
    assert both["policyTypes"] == ["Ingress", "Egress"]
