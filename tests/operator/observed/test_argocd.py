"""What Argo CD shows of an OCRService, by manifests/argocd/health.lua, of the statuses that the operator writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lupa import LuaRuntime

from ocr_operator.api.spec import Settings, parse
from ocr_operator.names import PAUSE_ANNOTATION
from ocr_operator.observed.status import Findings, Observed, Problem, status_of

SCRIPT = (Path(__file__).parents[3] / "manifests/argocd/health.lua").read_text()
SETTINGS = Settings("reg.example", "team", "1.2")


def service(**annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": {"name": "invoices", "namespace": "ns", "uid": "u", "generation": 3, "annotations": annotations},
        "spec": {"modules": [{"name": "ocr_system"}]},
    }


def deployment(available: int, updated: int) -> dict[str, Any]:
    counts = {"availableReplicas": available, "readyReplicas": available, "updatedReplicas": updated, "replicas": 1}
    return {"metadata": {"generation": 5}, "spec": {"replicas": 1}, "status": {"observedGeneration": 5, **counts}}


def seen(body: Mapping[str, Any], findings: Findings | None = None, *, available: int = 1, updated: int = 1) -> dict[str, Any]:
    """`body` with the status that the operator gives it."""
    observed = {"ocr_system": Observed(deployment(available, updated))}
    status = status_of(body, parse(body), observed, findings or Findings(), SETTINGS, "2026-01-01T00:00:00Z")
    return {**body, "status": status}


def health(body: Mapping[str, Any]) -> tuple[str, str]:
    """As Argo CD runs the script: `obj` is the object, and what it returns has a status and a message."""
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(body, recursive=True)
    told = lua.execute(SCRIPT)
    return str(told.status), str(told.message)


def test_one_that_serves_is_healthy() -> None:
    assert health(seen(service()))[0] == "Healthy"


def test_one_that_nobody_has_looked_at_yet_or_only_before_its_change_is_progressing() -> None:
    assert health(service()) == ("Progressing", "the operator has not looked at this version yet")
    changed = seen(service())
    changed["metadata"] = {**changed["metadata"], "generation": 4}
    assert health(changed)[0] == "Progressing"


@pytest.mark.parametrize(("available", "updated"), [(0, 1), (1, 0)], ids=["no pod yet", "rolling out"])
def test_one_whose_pods_are_on_their_way_is_progressing(available: int, updated: int) -> None:
    status, message = health(seen(service(), available=available, updated=updated))
    assert status == "Progressing"
    assert "ocr_system" in message


def test_one_that_cannot_be_applied_is_degraded_in_the_operators_words() -> None:
    refused = Findings(problem=Problem("NotAllowed", "the Secret keys may not be used: ask whoever runs the operator"))
    assert health(seen(service(), refused)) == (
        "Degraded",
        "the Secret keys may not be used: ask whoever runs the operator",
    )


def test_one_that_is_paused_is_suspended() -> None:
    assert health(seen(service(**{PAUSE_ANNOTATION: "true"})))[0] == "Suspended"
