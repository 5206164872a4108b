"""What keeps services from what was asked for, and is none of their own doing: it is said, waited for, and gone on from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client

from helpers.control_plane import ControlPlane
from helpers.fake_kube import FakeKube
from helpers.ocrservices import service, status, wait_for_condition
from helpers.operator_process import OperatorProcess
from ocr_operator.api.spec import Settings
from ocr_operator.kube import BusyError, Kube
from ocr_operator.loop import watches as watching
from ocr_operator.loop.controller import WATCHED_KINDS, Controller
from ocr_operator.loop.health import Health
from ocr_operator.loop.reconcile import Reconciler
from ocr_operator.loop.watches import Watches
from ocr_operator.metrics import Metrics
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref
from ocr_operator.observed.status import condition

OWNER = Owner("ns", "invoices")
SERVICE = Ref(KIND, *OWNER)
SPEC: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}
CONFIG = Ref("ConfigMap", "ns", "invoices-ocr-system")


def test_an_autoscaler_that_reads_nothing_and_a_budget_that_blocks_every_drain_are_told(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    common = {"device": "cpu", "nodeSelector": {"there-is": "no-such-node"}}
    scaled = {**common, "name": "ocr_det", "autoscaling": {"maxReplicas": 3}}
    bound = {**common, "name": "ocr_rec", "podDisruptionBudget": {"maxUnavailable": 0}}
    api_server.apply(service(namespace, "blind", modules=[scaled]), service(namespace, "blocked", modules=[bound]))
    # There is no metrics API here, and pods count as expected though none runs.
    blind = wait_for_condition(api_server, namespace, "Degraded", name="blind", reason="AutoscalerBlind", seconds=60)
    assert "install metrics-server" in blind["message"]
    blocked = wait_for_condition(api_server, namespace, "Degraded", name="blocked", reason="DrainBlocked", seconds=60)
    assert "lets none of 1 pods go" in blocked["message"]


def test_one_that_is_adopted_is_taken_over_and_one_that_is_not_is_left_alone() -> None:
    def turn(kube: FakeKube) -> None:
        cache = Cache()
        kube.tell(cache)
        asyncio.run(Reconciler(kube, cache, Settings()).reconcile(OWNER))

    kube = FakeKube()
    metadata = {"name": CONFIG.name, "namespace": "ns", "labels": {"app.kubernetes.io/instance": "invoices"}}
    kube.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config.json": "theirs"}})
    kube.service(*OWNER, SPEC)
    turn(kube)
    assert kube.objects[CONFIG]["data"] == {"config.json": "theirs"}
    assert "set spec.adopt to true" in condition(kube.objects[SERVICE]["status"], "Degraded")["message"]
    kube.service(*OWNER, {**SPEC, "adopt": True})
    turn(kube)
    taken = kube.objects[CONFIG]
    assert "ocr_system" in taken["data"]["config.json"]
    assert taken["metadata"]["ownerReferences"][0]["uid"] == kube.objects[SERVICE]["metadata"]["uid"]


def test_an_api_server_that_says_when_to_come_again_is_asked_no_sooner() -> None:
    async def scenario() -> None:
        kube = FakeKube()
        kube.answered_at = 0.0
        kube.service(*OWNER, SPEC)

        def busy(verb: str, _ref: Ref) -> None:
            if verb == "apply":
                raise BusyError("the API server answered 429: too many requests", 23.0)

        kube.fault = busy
        controller = Controller(kube, Settings(), Metrics(), Health(), namespaces=(), resync_s=3600)
        controller.seen(KIND, None, kube.objects[SERVICE])
        await controller.learn_pods()
        work = asyncio.create_task(controller.work())
        async with asyncio.timeout(30):
            while controller.queue.running or not kube.reads or controller.queue.oldest_s() > 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(controller.queue) == 1
        assert controller.queue.due_within(22.0) == 0
        assert controller.queue.due_within(23.5) == 1
        work.cancel()

    asyncio.run(scenario())


class Unwatchable(FakeKube):
    """A cluster in which nobody may watch Services, and whose versions are those of `versions`, the last for ever."""

    def __init__(self, *versions: int | None, forbidden: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.answered_at = 0.0
        self.versions = list(versions)
        self.forbidden = forbidden

    async def may_watch(self, kind: str, namespace: str | None) -> bool:
        return kind not in self.forbidden

    async def has_kind(self, kind: str, namespace: str | None) -> bool:
        return True

    async def newest_version(self, kind: str, namespace: str | None) -> int | None:
        return self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]


def _controller(kube: Kube) -> Controller:
    return Controller(kube, Settings(), Metrics(), Health(), namespaces=(), resync_s=3600)


def test_a_permission_to_watch_that_is_missing_is_told_in_each_status() -> None:
    async def scenario() -> None:
        kube = Unwatchable(1, forbidden=("Service",))
        kube.service(*OWNER, SPEC)
        controller = _controller(kube)
        watches = Watches(kube, controller, Health(), ())
        assert "Service" not in await watches._kinds()
        kube.tell(controller.cache)
        for _ in range(2):
            await controller._reconciler.reconcile(OWNER)
            kube.tell(controller.cache)
            for ref in [ref for ref in kube.objects if ref.kind == "Deployment"]:
                kube.run(ref)
        degraded = condition(kube.objects[SERVICE]["status"], "Degraded")
        assert degraded["reason"] == "MissingPermission"
        assert "grant its role get, list and watch on services" in degraded["message"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("versions", "reason"),
    [((100, 120, 90), "went back from version 120 to 90"), ((100, None), "the CRD ocrservices.ocr-serving.dev is gone")],
)
def test_an_etcd_that_was_put_back_has_all_watches_begin_anew(
    versions: tuple[int | None, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PROBE_S", 0.01)

    async def scenario() -> None:
        kube = Unwatchable(*versions)
        kube.service(*OWNER, SPEC)
        controller = _controller(kube)
        kube.tell(controller.cache)
        watches = Watches(kube, controller, Health(), ())
        async with asyncio.timeout(30):
            assert reason in await watches._probe(WATCHED_KINDS)
        is_restored = versions[-1] is not None
        # What was seen may be newer than what there is, and a newer version is never replaced by an older one.
        assert (controller.cache.get(SERVICE) is None) == is_restored
        assert len(controller.queue) == int(is_restored)

    asyncio.run(scenario())


def test_a_leader_that_was_stopped_until_another_one_leads_writes_nothing_more_and_ends(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, tmp_path: Path
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    second = OperatorProcess(api_server, tmp_path / "log", "--all-namespaces", name="operator-1")
    second.start()
    try:
        with operator.stopped():
            api_server.wait_for(lambda: second.metric("ocr_operator_leader") == 1, "the second to lead", 40)
            second.wait_until_settled()
            patch = json.dumps({"spec": {"paused": True}})
            api_server.kubectl("patch", "deployment", "invoices-ocr-system", "-n", namespace, "-p", patch)
            api_server.wait_for(_is_put_back(api_server, namespace), "what was edited to be put back")
            second.wait_until_settled()
            before = len(api_server.writes())
        api_server.wait_for(lambda: not operator.is_running, "the first to end", 30)
        assert "Traceback" not in operator.log.read_text()
        assert [event for event in api_server.writes()[before:] if event["objectRef"].get("namespace") == namespace] == []
    finally:
        operator.start()
        second.end()
        operator.wait_until_settled()
    assert status(api_server, namespace)["ready"] == "1/1"


def _is_put_back(plane: ControlPlane, namespace: str) -> Callable[[], bool]:
    return lambda: not plane.get("deployment", "invoices-ocr-system", "-n", namespace)["spec"].get("paused")


def test_a_queue_that_nothing_comes_out_of_is_stuck() -> None:
    async def scenario() -> None:
        async with client.ApiClient() as api:
            kube, now = Kube(api, Metrics()), 1000.0
            health = Health(lambda: 500.0, lambda: kube.answered_at, lambda: now)
            kube.answered_at = now - 121
            assert health.complaint() is not None
            kube.answered_at = now - 3
            assert health.complaint() is None

    asyncio.run(scenario())
