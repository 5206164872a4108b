"""What another version of the operator would change is shown before it does, and nothing is written."""

from __future__ import annotations

import asyncio
from typing import Any

from helpers.fake_kube import FakeKube
from ocr_operator.api.spec import Settings
from ocr_operator.loop.diff import Found, of_service
from ocr_operator.loop.reconcile import Reconciler
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref

OWNER = Owner("ns", "invoices")
SERVICE = Ref(KIND, *OWNER)
SPEC: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}


async def found(kube: FakeKube, tag: str) -> Found:
    children: dict[str, list[Ref]] = {}
    for ref, body in kube.objects.items():
        for owner in body["metadata"].get("ownerReferences", ()):
            children.setdefault(owner["uid"], []).append(ref)
    told = Found()
    await of_service(kube, kube.objects[SERVICE], Settings(tag=tag), None, children, told)
    return told


async def lines(kube: FakeKube, tag: str) -> list[str]:
    return (await found(kube, tag)).lines


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
        assert (await found(kube, "2")).summary == (
            "1 of 1 OCRService would change; the pods of 1 Deployment would be replaced: ns/invoices-ocr-system"
        )
        assert kube.writes == []

    asyncio.run(scenario())


def test_what_would_be_deleted_what_is_paused_and_what_is_tried_first_is_told() -> None:
    gated = {"rollout": {"strategy": "Gated", "golden": {"configMap": "golden"}}}
    cached = {"modules": [{"name": "ocr_system", "device": "cpu", "models": {"cache": {"names": ["PP-OCRv6_tiny"]}}}]}

    async def settled(spec: dict[str, Any]) -> FakeKube:
        kube, cache = FakeKube(), Cache()
        kube.service(*OWNER, spec)
        for _ in range(4):
            kube.tell(cache)
            await Reconciler(kube, cache, Settings(tag="1")).reconcile(OWNER)
        return kube

    async def scenario() -> None:
        kube = await settled(cached)
        told = await found(kube, "2")
        jobs = [line.rpartition(": ")[2] for line in told.lines if "Job" in line]
        assert jobs == ["would be created", "would be deleted"]
        # Nothing of the module was there yet, as its cache is being filled.
        assert told.summary == "1 of 1 OCRService would change; no pod that serves would be replaced"
        kube = await settled({"modules": [{"name": "ocr_system", "device": "cpu", **gated}]})
        assert await lines(kube, "2") == ["ns/invoices: ocr_system: would be tried beside the old pods first, as its rollout says"]
        assert (await found(kube, "2")).summary == "1 of 1 OCRService would change; no pod that serves would be replaced"
        kube = await settled(SPEC)
        kube.service(*OWNER, SPEC, annotations={"ocr-serving.dev/paused": "true"})
        assert await lines(kube, "2") == ["ns/invoices: is paused, and left as it is"]
        assert (await found(kube, "2")).summary == "nothing would change of 1 OCRService"
        assert Found().summary.startswith("there is no OCRService here")

    asyncio.run(scenario())
