"""What somebody else does to the objects of an OCRService is undone; where nothing differs, nothing is written."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from e2e.lab import Lab, Report
from helpers import ocrservices

KINDS = (*ocrservices.CHILDREN, "servicemonitor")
CHILD = "invoices-ocr-system"
EVERYTHING: dict[str, Any] = {
    **ocrservices.EVERYTHING,
    "serviceMonitor": {"interval": "30s"},
    "nodeSelector": {"there-is": "no-such-node"},  # nothing here needs a pod
}
NAMESPACE = "e2e-drift"


@pytest.fixture(scope="module")
def whole(lab: Lab, operator: dict[str, Any], module_namespace: str) -> dict[str, dict[str, Any]]:
    """The children, one of each kind, as the operator made them."""
    lab.apply(ocrservices.service(NAMESPACE, modules=[EVERYTHING]))
    lab.wait_for(lambda: len(children(lab)) == len(KINDS), "all children")
    ocrservices.wait_for_condition(lab, NAMESPACE, "Degraded", reason="Unschedulable")
    return children(lab)


def children(lab: Lab) -> dict[str, dict[str, Any]]:
    """All seven kinds, in the state that the operator answers for."""
    return ocrservices.children(lab, NAMESPACE, KINDS)


def namespaces(lab: Lab) -> set[str]:
    """Where there are OCRServices."""
    return {item["metadata"]["namespace"] for item in lab.get("ocr", "--all-namespaces")["items"]}


def seconds_until_whole(lab: Lab, kind: str, whole: dict[str, dict[str, Any]]) -> float:
    """How long the child of that kind takes to be as before; fails after five seconds."""
    began = time.monotonic()
    key = next(key for key in whole if key.lower().startswith(f"{kind}/"))
    lab.wait_for(lambda: ocrservices.children(lab, NAMESPACE, (kind,)).get(key) == whole[key], f"the {kind} to be as it was", 5)
    return time.monotonic() - began


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_is_deleted_is_back_within_five_seconds(
    lab: Lab, whole: dict[str, dict[str, Any]], kind: str, report: Report
) -> None:
    lab.kubectl("delete", kind, CHILD, "-n", NAMESPACE)
    report(f"{kind} deleted: back after {seconds_until_whole(lab, kind, whole):.1f} s")


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_is_edited_is_put_back_within_five_seconds(
    lab: Lab, whole: dict[str, dict[str, Any]], kind: str, report: Report
) -> None:
    way = "strategic" if kind == "deployment" else "merge"
    lab.kubectl("patch", kind, CHILD, "-n", NAMESPACE, f"--type={way}", "-p", json.dumps(ocrservices.EDITS[kind]))
    report(f"{kind} edited: put back after {seconds_until_whole(lab, kind, whole):.1f} s")


def test_an_operator_that_starts_anew_writes_nothing(lab: Lab, whole: dict[str, dict[str, Any]], report: Report) -> None:
    if lab.kind != "local":
        pytest.skip("the audit log of a local cluster only is read")
    assert children(lab) == whole
    # What is told of a service while its namespace is being removed is no write of this test's.
    lab.wait_for(lambda: namespaces(lab) == {NAMESPACE}, "the namespaces of other tests to be gone", 180)
    lab.wait_until_settled()
    before = len(lab.writes())
    lab.restart_operator()
    looked_at = lab.wait_until_settled()
    new = lab.writes()[before:]
    report(f"operator restarted: {looked_at:.0f} objects looked at, {len(new)} written; {before} writes before, all of this run")
    assert looked_at >= 1
    assert new == []
