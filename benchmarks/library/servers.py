"""What `benchmarks.serving` puts under load: a service over HTTP, the floor beneath it, and what both share with their peers."""

from __future__ import annotations

import contextlib
import functools
import queue
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from benchmarks.library import alone, processes, support
from benchmarks.library.answering import Answering
from benchmarks.library.load import Outcome, Reply
from ocr_serving.engines import Precision

OURS = "ours"
FLOOR = "floor"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """One that reads pages by their number, `parallel` of them at once, in the process trees of `pids`.

    One that is `warm` has put every page through already; `engines` are what its networks run on, where that is told.
    """

    name: str
    ask: Callable[[int], Reply]
    pids: tuple[int, ...]
    parallel: int = 1
    warm: bool = False
    engines: str = ""

    def cpu_seconds(self) -> float:
        """CPU seconds of all its processes since they started."""
        return sum(processes.cpu_seconds(pid) for pid in self.pids)

    def resident_bytes(self) -> int:
        """Resident memory of all its processes."""
        return sum(processes.resident_bytes(pid) for pid in self.pids)


@contextlib.contextmanager
def ours(model_set: str, images: Sequence[Path], precision: Precision = "fp32") -> Iterator[Server]:
    """`ocr-serving start` as it ships but for `precision`, with the weights of `model_set`. Raises BenchmarkError, ModelError."""
    bodies = [support.request_body(image) for image in images]
    with support.serve(model_set, workers=None, init_args={"precision": precision}) as service:
        workers = int(requests.get(f"{service.url}/readyz", timeout=support.ANSWER_S).json()["workers"])
        ask = functools.partial(post, f"{service.url}/predict/{service.module}", bodies, hubserving_lines)
        yield Server(OURS, ask, (service.pid,), workers)


@contextlib.contextmanager
def floor(model_set: str, images: Sequence[Path], *, parallel: int) -> Iterator[Server]:
    """`parallel` processes that only run the networks, on the tensors that `images` lead to. Raises BenchmarkError, ModelError."""
    support.fetch(model_set)
    with tempfile.TemporaryDirectory(prefix="ocr-serving-benchmark-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        with tqdm(desc="recording what the networks are given", bar_format="{desc} {elapsed}", leave=False):
            alone.helper("pipeline", model_set, folder, *images).close()
        helpers = []
        for _ in range(parallel):
            helpers.append(alone.helper("networks", model_set, folder))
            stack.callback(helpers[-1].close)
        yield Server(FLOOR, pooled(helpers), tuple(helper.pid for helper in helpers), parallel, warm=True, engines=helpers[0].hello)


def pooled(helpers: Sequence[Answering]) -> Callable[[int], Reply]:
    """Put a page through the first of `helpers` that is free; each answers with its lines, how many they are, or something else."""
    free: queue.SimpleQueue[Answering] = queue.SimpleQueue()
    for helper in helpers:
        free.put(helper)

    def run(page: int) -> Reply:
        helper = free.get_nowait()
        try:
            answer = helper.ask(page)
        finally:
            free.put(helper)
        count = len(answer) if isinstance(answer, list) else answer if isinstance(answer, int) else 0
        return Reply(Outcome.ANSWERED, lines=count)

    # Clients that wait for a lock are woken in any order; these are served in the order in which they came, as by a server.
    served = ThreadPoolExecutor(len(helpers))
    return lambda page: served.submit(run, page).result()


def post(url: str, bodies: Sequence[bytes], lines: Callable[[Any], int], page: int) -> Reply:
    """POST one of `bodies`; `lines` tells from the JSON that comes back how many were read, or raises where none could be."""
    try:
        response = requests.post(url, bodies[page], headers=JSON, timeout=support.ANSWER_S)
    except requests.RequestException as exc:
        return Reply(Outcome.LOST, why=f"no answer: {type(exc).__name__}")
    try:
        if response.status_code == 200:
            return Reply(Outcome.ANSWERED, lines=lines(response.json()))
    except (ValueError, TypeError, LookupError):
        return Reply(Outcome.LOST, why=f"code 200 without a result: {response.text[:200]}")
    return refusal_or_loss(response.status_code, response.headers)


def refusal_or_loss(code: int, headers: Mapping[str, str]) -> Reply:
    """What an answer without a result is: a 503 asks to be tried again, anything else has lost the page."""
    if code != 503:
        return Reply(Outcome.LOST, why=f"code {code}")
    after = headers.get("Retry-After", "")
    return Reply(Outcome.REFUSED, retry_after=float(after) if after.isdigit() else 0.0)


def hubserving_lines(answer: Any) -> int:
    """Lines in an answer of hubserving's form. Raises ValueError where it tells of an error."""
    if answer["status"] != "000" or answer["results"] in ([], [[]]):
        raise ValueError(answer["msg"])
    return len(answer["results"][0])
