"""What another version of the operator would change is shown before it does, and nothing is written."""

from __future__ import annotations

import asyncio
from typing import Any

from helpers.fake_kube import FakeKube
from ocr_operator.api.spec import Settings
from ocr_operator.loop.diff import of_service
from ocr_operator.loop.reconcile import Reconciler
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref

OWNER = Owner("ns", "invoices")
SERVICE = Ref(KIND, *OWNER)
SPEC: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}


async def lines(kube: FakeKube, tag: str) -> list[str]:
    return await of_service(kube, kube.objects[SERVICE], Settings(tag=tag))


def test_each_difference_is_a_line_and_nothing_is_written() -> None:
    async def scenario() -> None:
        kube, cache = FakeKube(), Cache()
        kube.service(*OWNER, SPEC)
        assert await lines(kube, "1") == [
            f"ns/invoices: {kind} invoices-ocr-system: would be created"
            for kind in ("ConfigMap", "Deployment", "Service", "NetworkPolicy")
        ]
        kube.tell(cache)
        await Reconciler(kube, cache, Settings(tag="1")).reconcile(OWNER)
        kube.writes.clear()
        assert await lines(kube, "1") == []
        image = "docker.io/ocr-serving/ocr-system:{}-cpu"
        path = "spec.template.spec.containers[server].image"
        assert await lines(kube, "2") == [
            f"ns/invoices: Deployment invoices-ocr-system: {path}: {image.format(1)} would be {image.format(2)}"
        ]
        assert kube.writes == []

    asyncio.run(scenario())
