"""When the first look at a service comes, and the second look at everything."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes.aio import client

from ocr_operator.api.spec import Settings
from ocr_operator.kube import Kube
from ocr_operator.loop import controller as controllers
from ocr_operator.loop.controller import WATCHED_KINDS, Controller
from ocr_operator.loop.health import Health
from ocr_operator.metrics import Metrics
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Ref

PERIOD_S = 0.4


class EmptyCluster(Kube):
    """Has nothing, and knows when it was asked for all of it."""

    def __init__(self) -> None:
        super().__init__(client.ApiClient(), Metrics())
        self.looks: list[float] = []

    async def pages(self, kind: str, namespace: str | None, selector: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        if kind == WATCHED_KINDS[0]:
            self.looks.append(time.monotonic())
        yield []


def test_it_looks_again_after_the_seconds_it_is_told_and_not_earlier() -> None:
    async def scenario() -> None:
        kube = EmptyCluster()
        controller = Controller(kube, Settings(), Metrics(), Health(), namespaces=(), resync_s=PERIOD_S)
        began = time.monotonic()
        resync = asyncio.create_task(controller.resync())
        async with asyncio.timeout(30):
            while len(kube.looks) < 3:
                await asyncio.sleep(0.01)
        resync.cancel()
        times = [began, *kube.looks]
        pauses = [after - before for before, after in itertools.pairwise(times)]
        assert min(pauses) >= PERIOD_S - 0.01

    asyncio.run(scenario())


def test_after_a_watch_began_anew_it_looks_now_and_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controllers, "LOOKS_AFTER_OUTAGE_S", (0.1, 0.2))

    async def scenario() -> None:
        kube = EmptyCluster()
        controller = Controller(kube, Settings(), Metrics(), Health(), namespaces=(), resync_s=3600)
        resync = asyncio.create_task(controller.resync())
        body = {"metadata": {"namespace": "ns", "name": "a", "resourceVersion": "7"}}
        for kind in WATCHED_KINDS:
            controller.seen(kind, None, body)
        await asyncio.sleep(1.5)
        assert kube.looks == []
        controller.seen(WATCHED_KINDS[-1], None, body)
        async with asyncio.timeout(30):
            while len(kube.looks) < 3:
                await asyncio.sleep(0.01)
        resync.cancel()

    asyncio.run(scenario())


class SilentPod(EmptyCluster):
    """Lists a pod of which no watch tells, and gives no OCRService."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    async def pages(self, kind: str, namespace: str | None, selector: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        yield [POD] if kind == "Pod" else []

    async def get(self, kind: str, namespace: str, name: str, *, at_any_age: bool = False) -> dict[str, Any] | None:
        self.reads.append(name)
        return None


POD: dict[str, Any] = {"kind": "Pod", "metadata": {"namespace": "ns", "name": "a-0", "resourceVersion": "7"}}


def test_the_first_look_waits_for_a_list_of_the_pods() -> None:
    async def scenario() -> None:
        kube = SilentPod()
        controller = Controller(kube, Settings(), Metrics(), Health(), namespaces=(), resync_s=3600)
        tasks = [asyncio.create_task(controller.work())]
        controller.seen(KIND, None, {"metadata": {"namespace": "ns", "name": "a", "resourceVersion": "5"}, "spec": {}})
        controller.cache.drop(Ref(KIND, "ns", "a"))  # so that a look at it is a read
        await asyncio.sleep(0.2)
        assert kube.reads == []
        tasks.append(asyncio.create_task(controller.learn_pods()))
        async with asyncio.timeout(30):
            while kube.reads != ["a"]:
                await asyncio.sleep(0.01)
        assert controller.cache.get(Ref("Pod", "ns", "a-0")) is not None
        for task in tasks:
            task.cancel()

    asyncio.run(scenario())
