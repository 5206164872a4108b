"""What one turn does for one OCRService, on a cluster in a dictionary: written where something differs, and only there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from helpers.invoices import ADDRESS, CHILDREN, CONFIG, DEPLOYMENT, NAME, NS, ONE, OWNER, PAUSED, SERVICE, TWO, lab_of
from helpers.lab import container
from ocr_operator.kube import RefusedError, UnreachableError
from ocr_operator.loop.reconcile import Result
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Ref


def test_a_new_service_becomes_its_children_then_a_status() -> None:
    lab = lab_of()
    assert lab.turn() is Result.CHANGED
    assert sorted(lab.kube.objects) == sorted([*CHILDREN, SERVICE])
    assert lab.kube.events == [f"Applied: created ConfigMap, Deployment, Service, NetworkPolicy {NAME}"]
    assert lab.turn() is Result.UNCHANGED
    assert lab.condition("Progressing")["status"] == "True"


def test_what_has_settled_costs_no_write_also_after_a_restart() -> None:
    lab = lab_of()
    lab.settle()
    lab.turn()
    lab.restart()
    assert lab.turn() is Result.UNCHANGED
    assert lab.kube.writes == []


def test_one_that_is_gone_costs_nothing() -> None:
    lab = lab_of()
    del lab.kube.objects[SERVICE]
    assert lab.turn() is Result.UNCHANGED
    assert lab.kube.writes == []


def test_one_that_is_being_deleted_is_left_alone() -> None:
    lab = lab_of()
    lab.kube.service(*OWNER, ONE, deletionTimestamp="2026-01-01T00:00:00Z")
    assert lab.turn() is Result.UNCHANGED
    assert lab.kube.writes == []


@pytest.mark.parametrize("ref", CHILDREN, ids=lambda ref: ref.kind)
def test_a_child_that_is_gone_comes_back_alone(ref: Ref) -> None:
    lab = lab_of()
    lab.settle()
    del lab.kube.objects[ref]
    assert lab.turn() is Result.CHANGED
    assert lab.kube.writes == [("apply", ref)]
    assert lab.kube.events == [f"Applied: created {ref.kind} {NAME}"]


def test_an_edit_is_put_back_and_named() -> None:
    lab = lab_of()
    lab.settle()
    lab.kube.edit(ADDRESS, lambda body: body["spec"].update(type="NodePort"))
    assert lab.turn() is Result.CHANGED
    assert lab.kube.writes == [("apply", ADDRESS)]
    assert lab.kube.events == [f"Applied: updated Service {NAME} (spec.type)"]
    assert lab.spec(ADDRESS)["type"] == "ClusterIP"


def test_a_spec_that_cannot_be_understood_changes_no_child() -> None:
    lab = lab_of()
    lab.settle()
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "replica": 2}]})
    assert lab.turn() is Result.REFUSED
    assert [verb for verb, _ in lab.kube.writes] == ["status"]
    assert "did you mean replicas?" in lab.condition("Degraded")["message"]


def test_what_the_api_server_refuses_is_told_in_its_words_and_once() -> None:
    lab = lab_of()

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
    whole, cut = lab_of(), lab_of()
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
    lab = lab_of({"modules": [{"name": "ocr_system", "device": "cpu", "replicas": 5}]})
    lab.settle()
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "autoscaling": {"maxReplicas": 9}}]})
    lab.settle()
    assert lab.spec(DEPLOYMENT)["replicas"] == 5
    lab.kube.edit(DEPLOYMENT, lambda body: body["spec"].update(replicas=7), manager="kube-controller-manager")
    lab.settle()
    assert lab.spec(DEPLOYMENT)["replicas"] == 7


def test_each_field_that_a_webhook_writes_its_own_way_stands_alone() -> None:
    """What a webhook changes of our words is let be, and nothing else of the object is."""
    lab = lab_of()

    def mirror(body: dict[str, Any]) -> None:
        if body["kind"] == "Deployment":
            container(body)["image"] = "mirror.example/ocr:1"

    lab.kube.webhook = mirror
    lab.settle()
    assert lab.turn() is Result.UNCHANGED
    lab.restart()
    assert lab.turn() is Result.UNCHANGED
    assert lab.kube.writes == []
    edits: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
        ("args", lambda body: container(body).update(args=["sleep"])),
        ("env", lambda body: container(body).pop("securityContext")),
        ("paused", lambda body: body["spec"].update(paused=True)),
        ("token", lambda body: body["spec"]["template"]["spec"].pop("automountServiceAccountToken")),
        ("image", lambda body: container(body).update(image="evil:1")),
    ]
    before = lab.spec(DEPLOYMENT)
    for name, edit in edits:
        lab.kube.writes.clear()
        lab.kube.edit(DEPLOYMENT, edit)
        assert lab.turn() is Result.CHANGED, name
        assert lab.kube.writes == [("apply", DEPLOYMENT)], name
        assert lab.spec(DEPLOYMENT) == before, name


def test_children_are_made_only_for_an_owner_that_is_there() -> None:
    """The watch is silent: the cache has an OCRService that is gone, and whose children the garbage collector takes."""
    lab = lab_of()
    lab.settle()
    old = dict(lab.kube.objects[SERVICE])
    lab.kube.objects.clear()
    lab.kube.tell(lab.cache)
    lab.cache.put(old)
    for _ in range(5):
        assert asyncio.run(lab.reconciler.reconcile(OWNER)).result is Result.UNCHANGED
        lab.cache.put(old)
    assert lab.kube.writes == []
    assert lab.kube.events == []


def test_a_module_that_is_refused_keeps_no_other_from_being_made_and_nothing_of_it_stays() -> None:
    lab = lab_of(TWO)

    def quota(verb: str, ref: Ref) -> None:
        if verb == "apply" and ref.kind in ("ConfigMap", "Service") and ref.name == NAME:
            raise RefusedError(f"exceeded quota: {ref.kind}")

    lab.kube.fault = quota
    lab.turn()
    lab.turn()
    assert {ref.name for ref in lab.kube.objects} == {"invoices", "invoices-ocr-det"}
    degraded = lab.condition("Degraded")
    assert degraded["message"] == "ocr_system: exceeded quota: ConfigMap"
    assert [module.get("problem") for module in lab.kube.objects[SERVICE]["status"]["modules"]] == [
        None,
        "exceeded quota: ConfigMap",
    ]
    lab.kube.fault = lambda _verb, _ref: None
    lab.settle()
    assert lab.condition("Ready")["status"] == "True"


def test_a_part_that_is_refused_is_tried_before_another_one_is_made_again() -> None:
    """Else the other one is made and taken away for ever, since what is seen of that calls for the next attempt."""
    lab = lab_of({"modules": [*ONE["modules"], {"name": "ocr_det", "device": "cpu"}]})

    def refuse(verb: str, ref: Ref) -> None:
        if verb in ("apply", "dry-run") and ref == Ref("Service", NS, "invoices-ocr-det"):
            raise RefusedError("exceeded quota")

    lab.kube.fault = refuse
    lab.settle()
    lab.kube.writes.clear()
    for _ in range(3):
        assert lab.turn() is Result.REFUSED
    assert lab.kube.writes == []
    assert lab.condition("Degraded")["message"] == "ocr_det: exceeded quota"
    assert not [ref for ref in lab.kube.objects if ref.name == "invoices-ocr-det"]
    lab.kube.fault = lambda _verb, _ref: None
    lab.settle()
    assert lab.condition("Ready")["status"] == "True"


AUTOSCALED: dict[str, Any] = {
    "modules": [{"name": "ocr_system", "device": "cpu", "autoscaling": {"minReplicas": 2, "maxReplicas": 9}}]
}


def test_an_autoscaler_that_takes_over_at_no_pods_begins_at_its_least() -> None:
    lab = lab_of({"modules": [{"name": "ocr_system", "device": "cpu", "replicas": 0}]})
    lab.settle()
    lab.kube.service(*OWNER, AUTOSCALED)
    lab.settle()
    assert lab.spec(DEPLOYMENT)["replicas"] == 2


def test_no_pods_by_hand_under_an_autoscaler_is_put_back_to_its_least() -> None:
    lab = lab_of(AUTOSCALED)
    lab.settle()
    lab.kube.edit(DEPLOYMENT, lambda body: body["spec"].update(replicas=0), manager="kubectl")
    lab.settle()
    assert lab.spec(DEPLOYMENT)["replicas"] == 2


def test_what_is_paused_is_left_as_it_is_until_it_is_not() -> None:
    lab = lab_of()
    lab.settle()
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "workers": 2}]}, annotations=PAUSED)
    lab.kube.edit(CONFIG, lambda body: body["data"].update({"config.json": "{}"}))
    for _ in range(2):
        assert lab.turn() is Result.UNCHANGED
    assert {ref.kind for _, ref in lab.kube.writes} == {KIND}
    assert lab.condition("Progressing")["reason"] == "Paused"
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "workers": 2}]})
    lab.turn()
    assert '"workers": 2' in lab.kube.objects[CONFIG]["data"]["config.json"]


def test_what_kstatus_waits_by_is_there_only_while_it_holds() -> None:
    lab = lab_of()
    lab.turn()
    lab.turn()
    assert lab.condition("Reconciling")["status"] == "True"
    lab.settle()
    types = [item["type"] for item in lab.kube.objects[SERVICE]["status"]["conditions"]]
    assert types == ["Ready", "Progressing", "Degraded"]
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "serviceAccountName": "admin"}]})
    lab.turn()
    assert lab.condition("Stalled")["reason"] == "NotAllowed"
