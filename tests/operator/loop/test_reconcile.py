"""What one turn does for one OCRService, on a cluster in a dictionary: written where something differs, and only there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fake_kube import FakeKube
from ocr_operator.api.spec import Settings
from ocr_operator.kube import RefusedError, UnreachableError
from ocr_operator.loop.reconcile import Reconciler, Result
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref

NS = "ns"
OWNER = Owner(NS, "invoices")
SERVICE = Ref(KIND, *OWNER)
NAME = "invoices-ocr-system"
CHILDREN = [Ref(kind, NS, NAME) for kind in ("ConfigMap", "Deployment", "Service")]
CONFIG, DEPLOYMENT, ADDRESS = CHILDREN
ONE: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}


class Lab:
    """An operator's reconciler beside a cluster."""

    def __init__(self, spec: dict[str, Any] | None = None) -> None:
        self.kube = FakeKube()
        self.restart()
        self.kube.service(*OWNER, spec or ONE)

    def restart(self) -> None:
        self.cache = Cache()
        self.reconciler = Reconciler(self.kube, self.cache, Settings())

    def turn(self) -> Result:
        """The watches tell all, then one turn."""
        self.kube.tell(self.cache)
        return asyncio.run(self.reconciler.reconcile(OWNER))

    def settle(self) -> None:
        """Turns until nothing changes, with every pod there."""
        for _ in range(10):
            result = self.turn()
            for ref in [ref for ref in self.kube.objects if ref.kind == "Deployment"]:
                self.kube.run(ref)
            if result is not Result.CHANGED:
                break
        self.turn()
        self.kube.writes.clear()
        self.kube.events.clear()

    def condition(self, type_: str) -> dict[str, Any]:
        conditions = self.kube.objects[SERVICE].get("status", {}).get("conditions", ())
        return next((dict(item) for item in conditions if item["type"] == type_), {})

    def spec(self, ref: Ref = DEPLOYMENT) -> dict[str, Any]:
        return dict(self.kube.objects[ref]["spec"])


def test_a_new_service_becomes_its_children_then_a_status() -> None:
    lab = Lab()
    assert lab.turn() is Result.CHANGED
    assert sorted(lab.kube.objects) == sorted([*CHILDREN, SERVICE])
    assert lab.kube.events == [f"Applied: created ConfigMap, Deployment, Service {NAME}"]
    assert lab.turn() is Result.UNCHANGED
    assert lab.condition("Progressing")["status"] == "True"


def test_what_has_settled_costs_no_write_also_after_a_restart() -> None:
    lab = Lab()
    lab.settle()
    lab.turn()
    lab.restart()
    assert lab.turn() is Result.UNCHANGED
    assert lab.kube.writes == []


def test_one_that_is_gone_costs_nothing() -> None:
    lab = Lab()
    del lab.kube.objects[SERVICE]
    assert lab.turn() is Result.UNCHANGED
    assert lab.kube.writes == []


def test_one_that_is_being_deleted_is_left_alone() -> None:
    lab = Lab()
    lab.kube.service(*OWNER, ONE, deletionTimestamp="2026-01-01T00:00:00Z")
    assert lab.turn() is Result.UNCHANGED
    assert lab.kube.writes == []


@pytest.mark.parametrize("ref", CHILDREN, ids=lambda ref: ref.kind)
def test_a_child_that_is_gone_comes_back_alone(ref: Ref) -> None:
    lab = Lab()
    lab.settle()
    del lab.kube.objects[ref]
    assert lab.turn() is Result.CHANGED
    assert lab.kube.writes == [("apply", ref)]
    assert lab.kube.events == [f"Applied: created {ref.kind} {NAME}"]


def test_an_edit_is_put_back_and_named() -> None:
    lab = Lab()
    lab.settle()
    lab.kube.edit(ADDRESS, lambda body: body["spec"].update(type="NodePort"))
    assert lab.turn() is Result.CHANGED
    assert lab.kube.writes == [("apply", ADDRESS)]
    assert lab.kube.events == [f"Applied: updated Service {NAME} (spec.type)"]
    assert lab.spec(ADDRESS)["type"] == "ClusterIP"


def test_a_module_taken_out_goes_with_all_it_has() -> None:
    lab = Lab({"modules": [*ONE["modules"], {"name": "ocr_det", "device": "cpu"}]})
    lab.settle()
    assert len(lab.kube.objects) == 7
    lab.kube.service(*OWNER, ONE)
    lab.settle()
    assert sorted(lab.kube.objects) == sorted([*CHILDREN, SERVICE])


def test_somebody_elses_object_is_neither_taken_nor_deleted() -> None:
    lab = Lab()
    lab.kube.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": NS}, "spec": {"type": "NodePort"}})
    before = lab.spec(ADDRESS)
    assert lab.turn() is Result.REFUSED
    assert lab.condition("Degraded")["reason"] == "NameTaken"
    assert lab.spec(ADDRESS) == before
    assert set(lab.kube.objects) == {SERVICE, ADDRESS}


def test_children_of_a_former_owner_of_the_same_name_are_waited_for() -> None:
    lab = Lab()
    lab.settle()
    del lab.kube.objects[SERVICE]
    lab.kube.service(*OWNER, ONE, uid="another")
    assert lab.turn() is Result.WAITING
    assert lab.kube.writes == []


def test_a_spec_that_cannot_be_understood_changes_no_child() -> None:
    lab = Lab()
    lab.settle()
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "replica": 2}]})
    assert lab.turn() is Result.REFUSED
    assert [verb for verb, _ in lab.kube.writes] == ["status"]
    assert "did you mean replicas?" in lab.condition("Degraded")["message"]


def test_what_the_api_server_refuses_is_told_in_its_words_and_once() -> None:
    lab = Lab()

    def refuse(verb: str, ref: Ref) -> None:
        if verb in ("apply", "dry-run") and ref.kind == "Deployment":
            raise RefusedError("spec.template.x is invalid")

    lab.kube.fault = refuse
    assert [lab.turn() for _ in range(3)] == [Result.REFUSED] * 3
    assert lab.condition("Degraded")["message"] == "spec.template.x is invalid"
    assert lab.kube.events == ["Refused: spec.template.x is invalid"]
    assert [verb for verb, _ in lab.kube.writes] == ["status"]
    lab.kube.fault = lambda _verb, _ref: None
    lab.settle()
    assert lab.condition("Ready")["status"] == "True"


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(12))
def test_cut_off_at_any_call_the_next_turns_end_where_they_would_have(number: int, is_done: bool) -> None:
    whole, cut = Lab(), Lab()
    whole.settle()
    calls = 0
    real: Callable[..., Any] = cut.kube.apply

    def fail(_verb: str, _ref: Ref) -> None:
        nonlocal calls
        calls += 1
        if calls == number + 1:
            raise UnreachableError("cut off")

    async def apply(*args: Any, **options: Any) -> dict[str, Any]:
        answer = await real(*args, **options)
        fail("", SERVICE)
        return dict(answer)

    if is_done:
        cut.kube.apply = apply  # type: ignore[method-assign]  # the answer is lost, the work done
    else:
        cut.kube.fault = fail
    for _ in range(8):
        try:
            cut.turn()
            if DEPLOYMENT in cut.kube.objects:
                cut.kube.run(DEPLOYMENT)
        except UnreachableError:
            cut.restart()
    cut.settle()
    assert set(cut.kube.objects) == set(whole.kube.objects)
    for ref in CHILDREN:
        assert cut.kube.objects[ref].get("spec") == whole.kube.objects[ref].get("spec")
    assert cut.condition("Ready")["status"] == "True"


def test_an_autoscaler_takes_over_at_the_present_number() -> None:
    lab = Lab({"modules": [{"name": "ocr_system", "device": "cpu", "replicas": 5}]})
    lab.settle()
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "autoscaling": {"maxReplicas": 9}}]})
    lab.settle()
    assert lab.spec()["replicas"] == 5
    lab.kube.edit(DEPLOYMENT, lambda body: body["spec"].update(replicas=7), manager="kube-controller-manager")
    lab.settle()
    assert lab.spec()["replicas"] == 7
