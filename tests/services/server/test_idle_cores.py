"""A service whose workers lend each other their cores answers as one whose workers do not, to the byte."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.services import GOLDEN, Service, b64, children, serve, wait_until
from ocr_serving import machine

pytestmark = [pytest.mark.models, pytest.mark.skipif(machine.cpu_count() < 2, reason="there is no other core to borrow")]

PAGES = [b64((GOLDEN / "pages" / name).read_bytes()) for name in ("layout_cn.jpg", "table_crop.jpg")]
LENT = 'ocr_serving_lent_core_seconds_total{module="ocr_system"}'
MODULES = {"ocr_system": {"params": {"model_set": "PP-OCRv6_tiny", "use_angle_cls": True}}}


@pytest.fixture(scope="module")
def lending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(tmp_path_factory.mktemp("lending"), MODULES) as service:
        yield service


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(tmp_path_factory.mktemp("keeping"), MODULES, idle_cores=False) as service:
        yield service


def ask(service: Service, page: str) -> bytes:
    response = service.post("ocr_system", {"images": [page], "return_words": True})
    assert response.status_code == 200
    return response.content


def test_a_page_alone_uses_the_other_core(lending: Service) -> None:
    before = lending.metrics().get(LENT, 0.0)
    ask(lending, PAGES[0])
    assert lending.metrics()[LENT] > before


def test_answers_are_the_same_to_the_byte(lending: Service, keeping: Service) -> None:
    apart = [ask(keeping, page) for page in PAGES]
    assert keeping.metrics()[LENT] == 0
    assert [ask(lending, page) for page in PAGES] == apart
    with ThreadPoolExecutor(4) as clients:
        assert list(clients.map(lambda page: ask(lending, page), PAGES * 4)) == apart * 4


def test_what_a_killed_worker_had_borrowed_is_free(lending: Service) -> None:
    restarts = lending.metrics()["ocr_serving_worker_restarts"]
    with ThreadPoolExecutor(1) as client:
        client.submit(lending.post, "ocr_system", {"images": PAGES[:1] * 20})
        wait_until(lambda: lending.metrics()["ocr_serving_in_flight"] == 1, "the request to be at work")
        (front,) = children(lending.process.pid)
        for worker in children(front):
            os.kill(worker, signal.SIGKILL)
    wait_until(lambda: lending.metrics()["ocr_serving_worker_restarts"] >= restarts + 2, "the deaths to be seen")
    wait_until(lambda: lending.metrics()["ocr_serving_workers_ready"] == 2, "both workers")
    before = lending.metrics()[LENT]
    ask(lending, PAGES[0])
    assert lending.metrics()[LENT] > before
