"""What is tried before it is applied, and what needs no trial."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.ocrservices import service
from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired.refusable import can_be_refused
from ocr_operator.desired.render import render


def policy(**fields: Any) -> dict[str, Any]:
    module = {"name": "ocr_system", "device": "cpu", **fields}
    body = service("ns", modules=[module])
    (found,) = [item for item in render(parse(body), Settings()) if item["kind"] == "NetworkPolicy"]
    return found


PULLED = {"models": {"download": [{"name": "mine", "url": "https://192.0.2.7:8443/a.tar", "sha256": "0" * 64}]}}


def test_of_a_service_with_nothing_unusual_the_deployment_alone_is_tried() -> None:
    for fields in ({}, PULLED, {"params": {"model_set": "PP-OCRv6_small"}}):
        body = service("ns", modules=[{"name": "ocr_system", "device": "cpu", **fields}])
        assert [item["kind"] for item in render(parse(body), Settings()) if can_be_refused(item)] == ["Deployment"]


RULES: list[tuple[dict[str, Any], bool]] = [
    ({"ports": [{"port": 443, "protocol": "TCP"}]}, False),
    ({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, False),
    ({"to": [{"ipBlock": {"cidr": "192.0.2.1/24"}}]}, True),
    ({"to": [{"ipBlock": {"cidr": "anywhere"}}]}, True),
    ({"to": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["10.0.0.0/8"]}}]}, True),
    ({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}, "podSelector": {}}]}, True),
    ({"to": [{"namespaceSelector": {"matchLabels": {"a b": "c"}}}]}, True),
    ({"ports": [{"port": 0, "protocol": "TCP"}]}, True),
    ({"ports": [{"port": "http", "protocol": "TCP"}]}, True),
    ({"ports": [{"port": 443, "protocol": "ICMP"}]}, True),
    ({"ports": [{"port": 443, "endPort": 80, "protocol": "TCP"}]}, True),
]


@pytest.mark.parametrize(("rule", "is_tried"), RULES)
def test_a_rule_of_the_users_is_tried_where_it_says_what_may_be_wrong(rule: dict[str, Any], is_tried: bool) -> None:
    assert can_be_refused(policy(egress=[rule])) is is_tried


def test_who_may_call_is_tried() -> None:
    assert can_be_refused(policy(networkPolicy={"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}))
