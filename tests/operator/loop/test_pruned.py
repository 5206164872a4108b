"""What a module that is gone or renamed leaves behind, and whose objects are touched, on a cluster in a dictionary."""

from __future__ import annotations

from helpers.invoices import ADDRESS, CHILDREN, CONFIG, DEPLOYMENT, NAME, NS, ONE, OWNER, SERVICE, TWO, lab_of
from helpers.lab import Clock
from ocr_operator.kube import RefusedError
from ocr_operator.loop.reconcile import Result
from ocr_operator.observed.cache import Ref


def test_a_module_taken_out_goes_with_all_it_has() -> None:
    lab = lab_of({"modules": [*ONE["modules"], {"name": "ocr_det", "device": "cpu"}]})
    lab.settle()
    assert len(lab.kube.objects) == 9
    lab.kube.service(*OWNER, ONE)
    lab.settle()
    assert sorted(lab.kube.objects) == sorted([*CHILDREN, SERVICE])


def test_somebody_elses_object_is_neither_taken_nor_deleted() -> None:
    lab = lab_of()
    lab.kube.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": NS}, "spec": {"type": "NodePort"}})
    before = lab.spec(ADDRESS)
    assert lab.turn() is Result.REFUSED
    assert lab.condition("Degraded")["reason"] == "NameTaken"
    assert lab.spec(ADDRESS) == before
    assert set(lab.kube.objects) == {SERVICE, ADDRESS}


def test_children_of_a_former_owner_of_the_same_name_are_waited_for() -> None:
    lab = lab_of()
    lab.settle()
    del lab.kube.objects[SERVICE]
    lab.kube.service(*OWNER, ONE, uid="another")
    assert lab.turn() is Result.WAITING
    assert lab.kube.writes == []


def test_a_module_renamed_is_pruned_once_the_new_one_serves_also_after_a_restart() -> None:
    lab = lab_of()
    lab.settle()
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_systm", "device": "cpu", "image": {"reference": "i:1"}}]})
    lab.turn()
    lab.turn()
    assert DEPLOYMENT in lab.kube.objects
    assert f"{NAME} goes once invoices-ocr-systm-8 serves" in lab.condition("Progressing")["message"]
    lab.restart()
    lab.turn()
    assert DEPLOYMENT in lab.kube.objects
    lab.kube.run(Ref("Deployment", NS, "invoices-ocr-systm-8"))
    lab.turn()
    assert not [ref for ref in lab.kube.objects if ref.name == NAME]


def test_a_typo_that_is_mended_by_another_one_takes_away_nothing_that_serves() -> None:
    lab = lab_of()
    lab.settle()
    for name in ("ocr_systm", "ocr_sytem", "ocrsystem"):
        lab.kube.service(*OWNER, {"modules": [{"name": name, "device": "cpu", "image": {"reference": "i:1"}}]})
        for _ in range(3):
            lab.turn()
        assert DEPLOYMENT in lab.kube.objects
        lab.restart()
    lab.turn()
    assert DEPLOYMENT in lab.kube.objects
    lab.kube.run(Ref("Deployment", NS, "invoices-ocrsystem"))
    lab.turn()
    assert {ref.name for ref in lab.kube.objects if ref.kind == "Deployment"} == {"invoices-ocrsystem"}


def test_a_module_renamed_back_leaves_nothing_of_the_typo() -> None:
    lab = lab_of()
    lab.settle()
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_systm", "device": "cpu", "image": {"reference": "i:1"}}]})
    lab.turn()
    lab.turn()
    lab.kube.service(*OWNER, ONE)
    lab.settle()
    assert sorted(lab.kube.objects) == sorted([*CHILDREN, SERVICE])


def test_a_former_child_that_is_stuck_is_told_after_a_while() -> None:
    clock = Clock()
    lab = lab_of(clock=clock)
    lab.settle()
    uid = lab.kube.objects[SERVICE]["metadata"]["uid"]
    del lab.kube.objects[SERVICE]
    del lab.kube.objects[CONFIG]
    lab.kube.objects[DEPLOYMENT]["metadata"] |= {"finalizers": ["example.org/keep"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    lab.restart()
    lab.kube.service(*OWNER, ONE, uid=f"{uid}-2")
    assert lab.turn() is Result.WAITING
    assert "status" not in lab.kube.objects[SERVICE]
    clock.now += 11
    assert lab.turn() is Result.WAITING
    degraded = lab.condition("Degraded")
    assert degraded["reason"] == "Waiting"
    assert "its finalizers example.org/keep keep it" in degraded["message"]


def test_an_object_with_our_labels_that_we_have_not_made_is_not_ours() -> None:
    lab = lab_of()
    lab.settle()
    theirs = dict(lab.kube.objects[CONFIG])
    theirs["metadata"] = {key: value for key, value in theirs["metadata"].items() if key in ("name", "namespace", "labels")}
    other = lab_of()
    other.kube.put({**theirs, "data": {"config.json": "theirs"}})
    assert other.turn() is Result.REFUSED
    assert other.kube.objects[CONFIG]["data"] == {"config.json": "theirs"}
    assert other.condition("Degraded")["reason"] == "NameTaken"


def test_a_deletion_that_is_refused_is_told() -> None:
    lab = lab_of(TWO)
    lab.settle()

    def forbid(verb: str, _ref: Ref) -> None:
        if verb == "delete":
            raise RefusedError("services is forbidden: User x cannot delete resource services")

    lab.kube.fault = forbid
    lab.kube.service(*OWNER, ONE)
    for _ in range(2):
        lab.turn()
    degraded = lab.condition("Degraded")
    assert degraded["reason"] == "Forbidden"
    assert "is wanted no longer and cannot be deleted" in degraded["message"]
