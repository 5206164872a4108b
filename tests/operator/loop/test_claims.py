"""Two operators over one namespace: the one that came first works, the other one follows once it is gone."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from helpers.fake_kube import FakeKube
from helpers.lab import Clock
from ocr_operator.api.spec import Settings
from ocr_operator.loop.claims import CLAIM_S, Claims, Move
from ocr_operator.loop.reconcile import Reconciler
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref

OWNER = Owner("ns", "invoices")
SERVICE = Ref(KIND, *OWNER)
SPEC: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}
CHILDREN = [Ref(kind, "ns", "invoices-ocr-system") for kind in ("Deployment", "ConfigMap", "Service", "NetworkPolicy")]


class Pair:
    """Operators of different releases, and so different images, beside one cluster."""

    def __init__(self, *identities: str) -> None:
        self.kube, self.clock = FakeKube(), Clock()
        self.kube.service(*OWNER, SPEC)
        self.operators = {name: self._operator(name) for name in identities}

    def _operator(self, name: str) -> tuple[Cache, Reconciler]:
        cache = Cache()
        return cache, Reconciler(self.kube, cache, Settings(tag=name.rpartition("/")[2]), self.clock, identity=name)

    async def turn(self, name: str) -> None:
        cache, reconciler = self.operators[name]
        self.kube.tell(cache)
        await reconciler.reconcile(OWNER)

    @property
    def image(self) -> str:
        deployment = self.kube.objects[Ref("Deployment", "ns", "invoices-ocr-system")]
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])

    @property
    def marker(self) -> str:
        return str(self.kube.objects[SERVICE]["status"]["operator"])


async def settle(pair: Pair, name: str) -> None:
    for _ in range(4):
        await pair.turn(name)
        pair.kube.run(Ref("Deployment", "ns", "invoices-ocr-system"))


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_one_that_comes_second_writes_nothing_of_the_children_and_is_told_of() -> None:
    async def scenario() -> None:
        pair = Pair("a/first", "b/second")
        await settle(pair, "a/first")
        image = pair.image
        pair.kube.writes.clear()
        for _ in range(60):
            await pair.turn("b/second")
            await pair.turn("a/first")
            pair.clock.now += 1
        assert pair.image == image
        assert pair.marker == "a/first"
        assert {verb for verb, _ in pair.kube.writes} == {"status"}
        assert len(pair.kube.writes) <= 4
        degraded = next(item for item in pair.kube.objects[SERVICE]["status"]["conditions"] if item["type"] == "Degraded")
        assert degraded["reason"] == "Contended"
        assert "the lease second in namespace b" in degraded["message"]

    run(scenario())


def test_one_that_is_gone_is_followed() -> None:
    async def scenario() -> None:
        pair = Pair("a/first", "b/second")
        await settle(pair, "a/first")
        await pair.turn("b/second")
        pair.clock.now += CLAIM_S / 2
        await pair.turn("b/second")
        assert pair.image.endswith(":first-cpu")
        pair.clock.now += CLAIM_S
        await pair.turn("b/second")
        assert pair.image.endswith(":second-cpu")
        assert pair.marker == "b/second"

    run(scenario())


def test_two_that_begin_together_end_with_one() -> None:
    async def scenario() -> None:
        pair = Pair("a/first", "b/second")
        for _ in range(100):
            await pair.turn("b/second")
            await pair.turn("a/first")
            pair.clock.now += 1
        pair.kube.writes.clear()
        for _ in range(100):
            await pair.turn("b/second")
            await pair.turn("a/first")
            pair.clock.now += 1
        assert pair.kube.writes == []

    run(scenario())


@pytest.mark.parametrize("seed", range(8))
def test_two_whose_turns_restarts_and_absences_are_drawn_end_with_one_and_with_what_it_wants(seed: int) -> None:
    """Also once both are there all the time: the children change hands a few times at most."""

    async def scenario() -> None:
        dice = random.Random(seed)
        pair = Pair("a/first", "b/second")
        names = list(pair.operators)

        async def turn(name: str) -> str:
            await pair.turn(name)
            pair.kube.run(CHILDREN[0])
            return pair.image

        await turn("a/first")
        for _ in range(150):
            name = dice.choices(names, [dice.random(), dice.random()])[0]
            if dice.random() < 0.05:
                pair.operators[name] = pair._operator(name)
            if dice.random() < 0.1:
                pair.kube.service(*OWNER, {"modules": [{**SPEC["modules"][0], "workers": dice.randrange(1, 4)}]})
            if dice.random() < 0.1:
                pair.kube.objects.pop(dice.choice(CHILDREN[1:]), None)
            await turn(name)
            pair.clock.now += dice.choice((0.1, 1, 5, 30, 400))
        images = []
        for _ in range(80):
            images += [await turn(name) for name in names]
            pair.clock.now += 10
        assert sum(one != other for one, other in itertools.pairwise(images)) <= 3
        pair.kube.writes.clear()
        for _ in range(30):
            for name in names:
                await turn(name)
            pair.clock.now += 10
        assert {verb for verb, _ in pair.kube.writes} <= {"status"}
        assert pair.image.endswith(f":{pair.marker.rpartition('/')[2]}-cpu")
        assert all(ref in pair.kube.objects for ref in CHILDREN)

    run(scenario())


def test_one_without_a_lease_asks_nobody() -> None:
    assert Claims("").move(OWNER, "somebody/else") == (Move.WORK, None)
