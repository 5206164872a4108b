"""A field that the operator and another one set in turns, on a cluster in a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helpers.lab import Clock, Lab, container
from ocr_operator.api.allowed import Allowed
from ocr_operator.observed.cache import Owner, Ref

OWNER = Owner("ns", "invoices")
DEPLOYMENT = Ref("Deployment", "ns", "invoices-ocr-system")
IMAGES = Allowed(registries=("*",))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lab(clock: Clock) -> Lab:
    """One service that has settled; images may come from anywhere."""
    made = Lab(OWNER, {"modules": [{"name": "ocr_system", "device": "cpu"}]}, clock, IMAGES)
    made.settle()
    return made


def contend(lab: Lab, clock: Clock, seconds: int, change: Callable[[dict[str, Any]], Any]) -> int:
    """Another one changes the Deployment each second, right after each turn; how often it was put back."""
    lab.kube.writes.clear()
    for _ in range(seconds):
        lab.kube.edit(DEPLOYMENT, change, manager="image-patcher")
        lab.turn()
        clock.now += 1
    return lab.kube.writes.count(("apply", DEPLOYMENT))


def test_a_field_that_another_one_owns_too_is_left_alone_after_a_few_rounds_and_told(lab: Lab, clock: Clock) -> None:
    assert contend(lab, clock, 30, lambda body: container(body).update(image="theirs:1")) == 3
    degraded = lab.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "Contended")
    assert "has spec.template.spec.containers[server].image changed again and again by image-patcher" in degraded["message"]
    assert [event for event in lab.kube.events if event.startswith("Contended")] == [f"Contended: {degraded['message']}"]
    assert len(lab.kube.events) <= 4
    assert contend(lab, clock, 600, lambda body: container(body).update(image="theirs:1")) <= 6


def test_once_the_other_one_is_gone_it_is_put_back_and_all_is_well(lab: Lab, clock: Clock) -> None:
    contend(lab, clock, 30, lambda body: container(body).update(image="theirs:1"))
    for _ in range(200):
        clock.now += 1
        lab.turn()
    assert container(lab.kube.objects[DEPLOYMENT])["image"] != "theirs:1"
    assert lab.condition("Degraded")["status"] == "False"


def test_another_field_than_the_contended_one_is_put_back_at_once(lab: Lab, clock: Clock) -> None:
    contend(lab, clock, 10, lambda body: container(body).update(image="theirs:1"))
    lab.kube.edit(DEPLOYMENT, lambda body: container(body).update(args=["sleep"]))
    lab.turn()
    assert container(lab.kube.objects[DEPLOYMENT])["args"][0] == "start"


def test_what_the_user_asks_for_is_applied_whoever_contends(lab: Lab, clock: Clock) -> None:
    contend(lab, clock, 10, lambda body: container(body).update(image="theirs:1"))
    lab.kube.service(*OWNER, {"modules": [{"name": "ocr_system", "device": "cpu", "image": {"reference": "new:2"}}]})
    lab.turn()
    assert container(lab.kube.objects[DEPLOYMENT])["image"] == "new:2"
