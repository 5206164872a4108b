"""A new version of the operator beside many services, on a cluster in a dictionary."""

from __future__ import annotations

import asyncio
from typing import Any

from helpers.fake_kube import FakeKube
from helpers.lab import container
from ocr_operator.api.spec import Settings
from ocr_operator.loop.reconcile import Reconciler
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref

NS = "ns"
ONE: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}


class Fleet:
    """Many services beside one operator, each with its Deployment."""

    def __init__(self, count: int) -> None:
        self.kube, self.cache = FakeKube(), Cache()
        self.owners = [Owner(NS, f"s{number}") for number in range(count)]
        for owner in self.owners:
            self.kube.service(*owner, ONE)
        self.start("1")

    def start(self, tag: str) -> None:
        self.cache = Cache()
        self.reconciler = Reconciler(self.kube, self.cache, Settings(tag=tag))

    def turns(self) -> None:
        """A turn of each, and of those that are told to go on."""

        async def all_of_them() -> None:
            self.kube.tell(self.cache)
            for owner in self.owners:
                wake = [owner]
                while wake:
                    wake += (await self.reconciler.reconcile(wake.pop(0))).wake

        asyncio.run(all_of_them())

    def deployment(self, owner: Owner) -> Ref:
        return Ref("Deployment", NS, f"{owner.name}-ocr-system")

    def run(self, owners: list[Owner]) -> None:
        for owner in owners:
            self.kube.run(self.deployment(owner))

    def with_tag(self, tag: str) -> list[Owner]:
        return [owner for owner in self.owners if f":{tag}-" in container(self.kube.objects[self.deployment(owner)])["image"]]


def test_a_new_version_of_the_operator_rolls_a_few_services_at_a_time() -> None:
    fleet = Fleet(10)
    for _ in range(3):
        fleet.turns()
        fleet.run(fleet.owners)
    fleet.start("2")
    seen = []
    for _ in range(12):
        fleet.turns()
        fleet.turns()
        done = fleet.with_tag("2")
        seen.append(len(done))
        rolling = [
            owner
            for owner in done
            if fleet.kube.objects[fleet.deployment(owner)]["status"]["observedGeneration"]
            != fleet.kube.objects[fleet.deployment(owner)]["metadata"]["generation"]
        ]
        assert len(rolling) <= 3
        fleet.run(done)
    assert seen[0] == 3
    assert seen[-1] == 10


def test_where_the_first_do_not_become_healthy_the_others_stay_as_they_are_and_say_so() -> None:
    fleet = Fleet(6)
    for _ in range(3):
        fleet.turns()
        fleet.run(fleet.owners)
    fleet.start("2")
    for _ in range(10):
        fleet.turns()
    assert len(fleet.with_tag("2")) == 3
    waiting = next(owner for owner in fleet.owners if owner not in fleet.with_tag("2"))
    conditions = fleet.kube.objects[Ref(KIND, *waiting)]["status"]["conditions"]
    assert next(item for item in conditions if item["type"] == "Progressing")["reason"] == "UpgradeWaits"


def test_what_a_user_changes_waits_for_nobody() -> None:
    fleet = Fleet(6)
    for _ in range(3):
        fleet.turns()
        fleet.run(fleet.owners)
    for owner in fleet.owners:
        fleet.kube.service(*owner, {"image": {"tag": "theirs"}, **ONE})
    fleet.turns()
    assert len(fleet.with_tag("theirs")) == 6
