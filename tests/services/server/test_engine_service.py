"""A service whose networks run in an engine process answers as one without, and outlives the engine's death."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import requests

from helpers.pictures import written
from helpers.services import GOLDEN, Service, b64, serve, strip, wait_until
from ocr_serving.modules.loader import load_module

pytestmark = pytest.mark.models

MODELS = {"model_set": "PP-OCRv6_tiny", "use_angle_cls": True}
PAGES = sorted((GOLDEN / "pages").glob("*.jpg"))
CONFIDENCE = 1e-4


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """ocr_system, two workers, one engine process."""
    with serve(tmp_path_factory.mktemp("engines"), {"ocr_system": {"params": MODELS}}, engine_process=True) as started:
        yield started


def ask(service: Service, *images: str) -> requests.Response:
    return service.post("ocr_system", {"images": list(images)})


def ends(page: Path, share: int) -> list[str]:
    """The top and the foot of a page, each that part of its height, as base64."""
    whole = cv2.imread(str(page))
    assert whole is not None
    height = len(whole) // share
    return [b64(cv2.imencode(".png", part)[1].tobytes()) for part in (whole[:height], whole[-height:])]


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether two pages have the same lines, and confidences but for rounding."""
    plain = [[{key: line[key] for key in ("text", "text_region", "angle")} for line in lines] for lines in (one, other)]
    near = all(abs(line["confidence"] - was["confidence"]) <= CONFIDENCE for line, was in zip(one, other, strict=False))
    return plain[0] == plain[1] and near


def child(service: Service, of: str) -> list[int]:
    """Processes of the service that run a module of ours."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            grandparent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if of.encode() in words and service.process.pid in (parent, grandparent):
            found.append(int(folder.name))
    return found


def test_pages_are_read_as_without_it(service: Service) -> None:
    alone = load_module("ocr_system", params=MODELS)
    assert "1 engine process of " in service.output.read_text()
    for page in PAGES:
        (here,) = alone.predict(paths=[str(page)])
        response = ask(service, b64(page.read_bytes()))
        assert response.status_code == 200
        (there,) = response.json()["results"]
        assert len(here) == len(there) > 0
        assert same(here, there)


def test_what_is_said_of_pages_is_said_as_without_it(service: Service) -> None:
    alone = load_module("ocr_system", params=MODELS)
    foreign = written("Счёт на оплату № 1247 от 17 марта", "Итого к оплате 12 450,00 руб.", "Руководитель предприятия Иванова")
    for picture, sentence in (
        (np.rot90(np.asarray(cv2.imread(str(PAGES[3])), np.uint8), 2), "results[0]: it lies turned by 180 degrees clockwise"),
        (foreign, "results[0]: it reads badly, for it looks Cyrillic, which this network does not know: "),
    ):
        page = np.ascontiguousarray(picture)
        alone.begin_request()
        alone.predict([page])
        msg = ask(service, b64(cv2.imencode(".png", page)[1].tobytes())).json()["msg"]
        assert msg == "; ".join(alone.warnings)
        assert msg.startswith(sentence)


def test_answers_are_not_mixed_up_between_callers(service: Service) -> None:
    """Eight callers with a page, parts of pages and a strip, each compared with what it got alone."""
    pictures = [strip(), b64(PAGES[-2].read_bytes()), *(encoded for page in PAGES[:3] for encoded in ends(page, 6))]
    alone = [ask(service, picture).json()["results"][0] for picture in pictures]
    before = service.metrics()

    def check(caller: int) -> bool:
        order = pictures[caller:] + pictures[:caller]
        expected = alone[caller:] + alone[:caller]
        answers = [ask(service, picture) for picture in order]
        return all(
            answer.status_code == 200 and same(answer.json()["results"][0], was)
            for answer, was in zip(answers, expected, strict=True)
        )

    with ThreadPoolExecutor(8) as callers:
        assert all(callers.map(check, range(8)))
    after = service.metrics()

    def grown(name: str) -> float:
        return after[f'ocr_serving_engine_{name}{{engine="0"}}'] - before[f'ocr_serving_engine_{name}{{engine="0"}}']

    assert grown("batch_rows_sum") == grown("queue_wait_seconds_count") > grown("batch_rows_count") > 0
    assert grown("busy_seconds_total") > 0
    # Nothing is filled up on a CPU.
    assert grown("batch_pixels_total") == grown("row_pixels_total") > 0
    assert after['ocr_serving_engine_rows_waiting{engine="0"}'] == 0
    assert after['ocr_serving_engine_unwarmed_total{engine="0"}'] == 0


def test_an_engine_killed_under_load_costs_what_was_in_flight_and_no_worker(service: Service) -> None:
    (engine,), workers = child(service, "ocr_serving.server.engine_main"), child(service, "ocr_serving.server.worker")
    assert len(workers) == 2
    page = ends(PAGES[0], 3)[0]
    answers: list[requests.Response] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            answers.append(ask(service, page))

    callers = [threading.Thread(target=load) for _ in range(8)]
    for caller in callers:
        caller.start()
    try:
        wait_until(lambda: len(answers) >= 4, "the first answers under load")
        # While the engine is stopped, each worker comes to wait for it.
        os.kill(engine, signal.SIGSTOP)
        wait_until(lambda: all(idle(worker) for worker in workers), "the workers to wait for the engine")
        answered = len(answers)
        os.kill(engine, signal.SIGKILL)
        wait_until(lambda: len(answers) >= answered + 12, "answers after the engine's death")
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    lost = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in lost} == {503}
    assert len(lost) <= len(workers)
    for answer in lost:
        assert answer.json()["msg"] == (
            "The engine process died on this request and is started again: ask once more in a few seconds."
        )
        assert int(answer.headers["Retry-After"]) > 0
    metrics = service.metrics()
    assert (metrics["ocr_serving_engine_restarts"], metrics["ocr_serving_worker_restarts"]) == (1, 0)
    assert child(service, "ocr_serving.server.worker") == workers
    assert requests.get(f"{service.url}/readyz", timeout=10).json()["engines_ready"] == 1


def idle(pid: int) -> bool:
    """Whether a process uses no processor time for a moment."""

    def ticks() -> list[str]:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]

    before = ticks()
    threading.Event().wait(1)
    return ticks() == before and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
