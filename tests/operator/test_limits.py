"""What bounds the operator's requests and events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from ocr_operator.kube import Kube
from ocr_operator.limits import Bucket, EventLimit
from ocr_operator.metrics import Metrics
from ocr_operator.observed.events import changes_event, problem_event


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def body(number: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": f"s{number}", "namespace": "ns", "uid": f"u{number}"}}


@pytest.mark.parametrize(("requests", "seconds"), [(10, 0.0), (11, 0.2), (60, 10.0)])
def test_requests_beyond_a_burst_wait_their_turn(requests: int, seconds: float) -> None:
    bucket = Bucket(10, 5, Clock())
    assert [bucket.reserve() for _ in range(requests)][-1] == pytest.approx(seconds)


def test_a_bucket_fills_again_and_never_beyond_its_burst() -> None:
    clock = Clock()
    bucket = Bucket(2, 1, clock)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.now += 1
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now += 3600
    assert bucket.is_full
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_thousand_services_made_at_once_are_told_of_by_a_few_events_and_each_problem_by_its_own() -> None:
    limit = EventLimit(Clock())
    made = [limit.allows(changes_event(body(number), "created all")) for number in range(1000)]
    assert sum(made) == 25
    assert all(limit.allows(problem_event(body(number), "Refused", "no")) for number in range(1000))


def test_one_service_that_never_settles_tells_no_more_than_once_a_minute() -> None:
    clock = Clock()
    limit = EventLimit(clock)
    told = 0
    for _ in range(3600):
        told += limit.allows(problem_event(body(), "Refused", "no"))
        clock.now += 1
    assert told <= 25 + 60
    assert limit.allows(problem_event(body(1), "Refused", "no"))


def test_what_is_remembered_of_services_that_are_gone_does_not_grow() -> None:
    clock = Clock()
    limit = EventLimit(clock)
    for number in range(5000):
        limit.allows(problem_event(body(number), "Refused", "no"))
        clock.now += 61
    assert len(limit._of_one) <= 1001


def test_the_api_server_is_asked_no_more_often_than_allowed_and_events_left_out_are_counted() -> None:
    async def scenario() -> None:
        asked: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            asked.append(f"{request.method} {asyncio.get_running_loop().time() - began:.2f}")
            return web.json_response({})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        metrics, loop = Metrics(), asyncio.get_running_loop()
        began = loop.time()
        async with client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")) as api:
            kube = Kube(api, metrics, qps=20)
            await asyncio.gather(*(kube.create_event(changes_event(body(number), "made")) for number in range(30)))
            await asyncio.gather(*(kube.get("Pod", "ns", f"p{number}") for number in range(25)))
        took = loop.time() - began
        await runner.cleanup()
        assert sum(item.startswith("POST") for item in asked) == 25
        assert "ocr_operator_events_left_out_total 5.0" in metrics.text().decode()
        # Of fifty requests forty are one burst; ten more take half a second, however fast the machine.
        assert took >= 0.49

    asyncio.run(scenario())
