"""A replica that may have lost the lease writes nothing."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from kubernetes.aio import client
from kubernetes.aio.leaderelection.electionconfig import Config

from ocr_operator.api.spec import Settings
from ocr_operator.kube import Kube, NotLeadingError
from ocr_operator.loop import leader
from ocr_operator.loop.controller import Controller
from ocr_operator.loop.health import STUCK_S, Health
from ocr_operator.loop.leader import LEASE_S, Tenure
from ocr_operator.metrics import Metrics
from ocr_operator.names import KIND
from ocr_operator.observed.events import changes_event

BODY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "ns", "uid": "u"},
    "regarding": {},
}


def test_the_lease_is_ours_only_while_nobody_else_can_have_it() -> None:
    times = iter([LEASE_S / 2, LEASE_S, LEASE_S + 20, LEASE_S + 21])
    tenure = Tenure(lambda: next(times))
    assert not tenure.is_sure()
    tenure.renewed(0.0)
    assert [tenure.is_sure() for _ in range(3)] == [True, False, False]
    tenure.renewed(LEASE_S + 20)
    assert tenure.is_sure()


def test_without_the_lease_nothing_is_written_not_even_an_event() -> None:
    async def scenario() -> None:
        async with client.ApiClient() as api:
            kube = Kube(api, Metrics())
            kube.may_write = lambda: False
            for call in (
                kube.apply(BODY),
                kube.apply_status({**BODY, "kind": KIND}),
                kube.delete("ConfigMap", "ns", "a", "u"),
                kube.create_event(changes_event({"metadata": {"name": "a", "namespace": "ns", "uid": "u"}}, "made")),
                kube.reset(BODY, BODY),
            ):
                with pytest.raises(NotLeadingError):
                    await call

    asyncio.run(scenario())


class Stubborn:
    """An election that is won, and renews its lease for ever, whoever cancels it."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def run(self) -> None:
        working = asyncio.create_task(self._config.onstarted_leading())
        while not working.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        await asyncio.sleep(3600)


@pytest.mark.parametrize("fault", [OverflowError("numerical result out of range"), NotLeadingError("the lease may be another's")])
def test_what_ends_the_work_ends_the_operator_whatever_becomes_of_the_lease(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "LeaderElection", Stubborn)

    async def work() -> None:
        await asyncio.sleep(0)
        raise fault

    async def scenario() -> None:
        async with client.ApiClient() as api:
            leading = leader.lead(api, name="n", namespace="ns", identity="i", tenure=Tenure(), work=work)
            ended, going_on = await asyncio.wait({asyncio.ensure_future(leading)}, timeout=10)
            assert not going_on
            assert ended.pop().exception() is fault

    asyncio.run(scenario())


def test_slow_is_not_stuck() -> None:
    now = 0.0
    progressed = 0.0
    health = Health(lambda: now, lambda: progressed, lambda: now)
    for _ in range(600):
        now += 1
        if now % 60 == 0:
            progressed = now  # an answer a minute
        assert health.complaint() is None
    now += STUCK_S + 1
    complaint = health.complaint()
    assert complaint is not None
    assert "nothing was done for" in complaint


def test_an_answer_of_the_api_server_is_progress() -> None:
    async def scenario() -> None:
        async with client.ApiClient() as api:
            kube, health = Kube(api, Metrics()), Health()
            Controller(kube, Settings(), Metrics(), health, namespaces=(), resync_s=300)
            kube.answered_at = 1e9
            assert health.progressed_at() == 1e9

    asyncio.run(scenario())
