"""An API server that takes seconds for each request, with hundreds of services: slow is not stuck. Minutes pass in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from helpers import virtual_time
from helpers.fake_kube import FakeKube
from ocr_operator.api.spec import Settings
from ocr_operator.loop.controller import Controller
from ocr_operator.loop.health import STUCK_S, Health
from ocr_operator.metrics import Metrics
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Ref
from ocr_operator.observed.status import condition

SPEC: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}
SERVICES = 200
REQUEST_S = 2.5
WORKERS = 8


class SlowKube(FakeKube):
    """Takes `request_s` for each request; what comes of it is told by watches at once, and pods come to be."""

    def __init__(self, request_s: float) -> None:
        super().__init__()
        self.answered_at = asyncio.get_running_loop().time()
        self.request_s = request_s
        self.controller: Controller | None = None

    async def _answer(self) -> None:
        await asyncio.sleep(self.request_s)
        self.answered_at = asyncio.get_running_loop().time()

    async def get(self, kind: str, namespace: str, name: str, *, at_any_age: bool = False) -> dict[str, Any] | None:
        await self._answer()
        return await super().get(kind, namespace, name, at_any_age=at_any_age)

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False, is_new: bool = False) -> dict[str, Any]:
        await self._answer()
        applied = await super().apply(manifest, dry_run=dry_run, is_new=is_new)
        if not dry_run and manifest["kind"] == "Deployment":
            self.run(Ref("Deployment", manifest["metadata"]["namespace"], manifest["metadata"]["name"]))
        return applied

    async def apply_status(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        await self._answer()
        return await super().apply_status(manifest)

    async def create_event(self, body: Mapping[str, Any]) -> None:
        await self._answer()
        await super().create_event(body)

    def put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        written = super().put(body)
        if self.controller is not None:
            self.controller.seen(written["kind"], "MODIFIED", written)
        return written

    @property
    def ready(self) -> int:
        """How many services are told to be Ready."""
        services = [body for ref, body in self.objects.items() if ref.kind == KIND]
        return sum(condition(body.get("status"), "Ready").get("status") == "True" for body in services)


async def begun(kube: SlowKube, health: Health) -> list[asyncio.Task[None]]:
    """An operator at work on `SERVICES` new services."""
    clock = asyncio.get_running_loop().time
    kube.controller = Controller(kube, Settings(), Metrics(), health, namespaces=(), resync_s=3600, clock=clock)
    await kube.controller.learn_pods()
    for number in range(SERVICES):
        kube.service("ns", f"s{number}", SPEC)
    return [asyncio.create_task(kube.controller.work()) for _ in range(WORKERS)]


def test_hundreds_of_services_become_ready_one_after_the_other_and_nobody_restarts_the_operator() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        kube, health, began = SlowKube(REQUEST_S), Health(clock=loop.time), loop.time()
        workers = await begun(kube, health)
        longest, first_ready, ready = 0.0, 0.0, []
        while kube.ready < SERVICES:
            await asyncio.sleep(10)
            assert health.complaint() is None
            longest = max(longest, health.queue_age())
            ready.append(kube.ready)
            first_ready = first_ready or (loop.time() - began if ready[-1] else 0.0)
            assert loop.time() - began < 1200, f"{ready[-1]} of {SERVICES} are ready"
        for worker in workers:
            worker.cancel()
        assert longest > STUCK_S  # else it would prove nothing
        assert first_ready <= 60
        halfway = next(number for number, count in enumerate(ready) if count >= SERVICES / 2)
        assert halfway / len(ready) == pytest.approx(0.5, abs=0.15)
        # Nothing is done twice: eleven requests for each, of which one is the event.
        writes = [verb for verb, _ in kube.writes]
        assert (writes.count("apply"), writes.count("status")) == (4 * SERVICES, SERVICES)

    virtual_time.run(scenario())


def test_an_api_server_that_answers_no_more_is_told_of_though_it_did_answer_once() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        kube, health = SlowKube(REQUEST_S), Health(clock=loop.time)
        workers = await begun(kube, health)
        await asyncio.sleep(60)
        assert health.complaint() is None
        kube.request_s = 1e6
        await asyncio.sleep(STUCK_S - 10)
        assert health.complaint() is None
        await asyncio.sleep(60)
        assert "the queue is stuck" in (health.complaint() or "")
        for worker in workers:
            worker.cancel()

    virtual_time.run(scenario())
