"""A page alone uses the cores of workers that have nothing to do; when all are busy each request keeps to its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from helpers import networks
from helpers.services import needs_vnni, wait_until
from helpers.simulated_cores import CountedLedger, SimulatedPage, SimulatedService, ideal_seconds, mixed_pages
from ocr_serving import models
from ocr_serving.engines import Ctc, crew_of, engine_options, open_engine, shared
from ocr_serving.engines.idle import ledger
from ocr_serving.engines.idle.crew import Helpers
from ocr_serving.engines.idle.schedule import Lender, Round, helping, widths
from ocr_serving.engines.local import open_local
from ocr_serving.engines.onnxruntime import OnnxRuntimeEngine

BORROWER = """
import sys
from ocr_serving.engines.idle.ledger import LedgerAddress, SharedLedger
mine = SharedLedger(LedgerAddress(int(sys.argv[1]), 2, 2, worker=1))
assert mine.take(0)
print("took", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def counted() -> CountedLedger:
    return CountedLedger()


@pytest.fixture
def helpers(counted: CountedLedger) -> Helpers:
    """Those of worker 0 of four, which is at work."""
    counted.wanted.add(0)
    return Helpers(Lender(counted, 0, 4, most=3))


@pytest.mark.parametrize("clients", [1, 4, 16, 64])
def test_sixteen_cores_are_used_as_well_as_can_be(clients: int) -> None:
    pages = mixed_pages(40 * max(clients, 4))
    service = SimulatedService(16)
    seconds = service.seconds(pages, clients)
    assert seconds <= ideal_seconds(pages, 16, clients) / 0.9
    assert seconds <= SimulatedService(16, lends=False).seconds(pages, clients)


def test_a_request_that_comes_waits_for_no_more_than_a_job() -> None:
    """All cores are lent to a page of many lines when another page comes."""
    dense = SimulatedPage(0.01, 0.2, (0.05,) * 400, 0.1)
    other = SimulatedPage(0.01, 0.2, (0.05,) * 4, 0.01)
    service = SimulatedService(4)
    seconds = service.seconds([dense, other], 2, pauses=[0.0, 1.0])
    assert 0 < service.shared_s < 0.06
    # What it took with both pages' work parted among four cores, near enough.
    assert seconds < 1.1 * (400 * 0.05 + 4 * 0.05 + 0.4) / 4 + 0.3


def test_a_worker_has_no_more_than_its_share(counted: CountedLedger) -> None:
    lenders = [Lender(counted, own, 16, most=15) for own in range(16)]
    counted.wanted.add(0)
    first = lenders[0].borrow(15)
    assert len(first) == 15
    counted.wanted |= {1, 2, 3}
    assert lenders[1].borrow(15) == []
    # As its helpers ask after each job, they leave until it has four in all.
    left = []
    for core in first:
        if not lenders[0].may_keep(core):
            lenders[0].give_back(core)
            left.append(core)
    assert len(left) == 12
    assert set(left) >= {1, 2, 3}
    assert len(lenders[1].borrow(15)) == 3
    assert not {1, 2, 3} & counted.borrowed


def test_a_helper_leaves_when_its_core_is_wanted(counted: CountedLedger) -> None:
    counted.wanted.add(0)
    lender, jobs = Lender(counted, 0, 2, most=1), Round([1.0] * 5)
    (core,) = lender.borrow(5)
    helper = helping(jobs, lender, core)
    next(helper)
    counted.wanted.add(1)
    assert list(helper) == []
    assert jobs.left == 4
    assert not counted.borrowed
    assert lender.borrow(5) == []


def test_the_largest_jobs_come_first() -> None:
    jobs = Round([1.0, 3.0, 2.0])
    assert [jobs.take(), jobs.take(), jobs.take(), jobs.take()] == [1, 2, 0, None]


@pytest.mark.parametrize(("cores", "expected"), [(1, (1,)), (2, (1, 2)), (3, (1, 2)), (6, (1, 2, 4)), (64, (1, 2, 4, 8))])
def test_widths(cores: int, expected: tuple[int, ...]) -> None:
    assert widths(cores) == expected


def test_a_detector_takes_as_many_threads_as_there_are_cores(counted: CountedLedger) -> None:
    counted.wanted |= {0, 3}
    lender = Lender(counted, 0, 4, most=3)
    # Of cores 1 and 2 one is its share; there is nothing between two and four threads.
    assert len(lender.borrow_for((1, 2, 4))) == 1
    assert len(counted.borrowed) == 1


def test_jobs_are_done_side_by_side(helpers: Helpers, counted: CountedLedger) -> None:
    meeting = threading.Barrier(4, timeout=20)

    def meet(item: int) -> int:
        meeting.wait()
        return 10 * item

    with helpers.crew(4) as crew:
        assert crew.hands == 4
        assert crew.map(meet, [1, 2, 3, 4], [1, 1, 1, 1]) == [10, 20, 30, 40]
    assert not counted.borrowed


def test_cores_come_to_help_in_the_middle(helpers: Helpers, counted: CountedLedger) -> None:
    counted.wanted |= {1, 2, 3}
    meeting = threading.Barrier(2, timeout=20)

    def do(item: int) -> None:
        if item == 0:
            counted.wanted -= {1, 2, 3}
        else:
            meeting.wait()

    with helpers.crew(3) as crew:
        assert crew.hands == 1
        crew.map(do, [0, 1, 2], [3, 2, 1])
    assert not counted.borrowed


@pytest.mark.parametrize("failing", range(4))
def test_what_fails_in_any_thread_is_raised_and_cores_go_back(helpers: Helpers, counted: CountedLedger, failing: int) -> None:
    meeting = threading.Barrier(4, timeout=20)

    def do(item: int) -> None:
        if item < 4:
            meeting.wait()
        if item == failing:
            raise MemoryError(item)

    with helpers.crew(40) as crew, pytest.raises(MemoryError, match=str(failing)):
        crew.map(do, range(40), [1] * 40)
    assert not counted.borrowed
    with helpers.crew(2) as crew:
        assert crew.map(abs, [-1, -2], [1, 1]) == [1, 2]


def test_a_core_is_borrowed_by_one_worker_and_free_when_that_is_killed() -> None:
    address = ledger.new(2, 2)
    own = ledger.SharedLedger(address)
    with subprocess.Popen(
        [sys.executable, "-c", BORROWER, str(address.fd)],
        pass_fds=[address.fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as borrower:
        assert borrower.stdout is not None
        assert borrower.stdout.readline() == b"took\n"
        assert not own.take(0)
        assert own.take(1)
        assert not own.take(1)
        borrower.send_signal(signal.SIGKILL)
        borrower.wait(20)
    wait_until(lambda: own.take(0), "the core of a worker that was killed")
    own.release(0)
    own.release(1)
    assert own.lent_seconds > 0


def test_who_is_at_work_is_seen_by_the_others() -> None:
    address = ledger.new(3, 2)
    first, second, third = (ledger.SharedLedger(ledger.LedgerAddress(address.fd, 3, 2, worker)) for worker in range(3))
    assert second.at_work() == 3
    for one in (first, second, third):
        one.rest()
    assert not first.is_wanted(0)
    # Three workers on two cores: the third's own is that of the first.
    with third.at_work_on_a_request():
        assert second.is_wanted(0)
        assert not second.is_wanted(1)
        assert second.at_work() == 1
    assert not second.is_wanted(0)


def test_the_same_network_is_opened_once(tmp_path: Path, helpers: Helpers) -> None:
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
        networks.dark_and_bright_columns(tmp_path / name / "inference.onnx", "c\nd\n" if name == "other" else "a\nb\n")
    opens = shared.opener(helpers)
    options = engine_options()
    first = opens(tmp_path / "one", options, greedy_ctc=True)
    assert opens(tmp_path / "two", options, greedy_ctc=Ctc()) is first
    assert opens(tmp_path / "other", options, greedy_ctc=True) is not first
    assert opens(tmp_path / "one", options) is not first
    assert opens(tmp_path / "one", engine_options(engine="openvino"), greedy_ctc=True) is not first
    with crew_of(first, 4) as crew:
        assert crew.hands == 4


@pytest.mark.parametrize("asked", [{"cpu_threads": 2}, {"engine": "openvino"}])
def test_who_asks_for_threads_or_another_engine_has_no_helpers(tmp_path: Path, helpers: Helpers, asked: dict[str, object]) -> None:
    file = networks.passing_through(tmp_path / "inference.onnx", ["N", 2])
    with crew_of(shared.opener(helpers)(file, engine_options(**asked)), 4) as crew:
        assert crew.hands == 1


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("PP-OCRv6_tiny", "fp32"),
        ("PP-OCRv6_small", "fp32"),
        ("PP-OCRv4_mobile", "fp32"),
        pytest.param("PP-OCRv6_small", "int8", marks=needs_vnni),
    ],
)
def test_answers_are_the_same_to_the_bit(name: str, precision: str, helpers: Helpers) -> None:
    """Whatever the number of a detector's threads, and however many lines a batch has."""
    chosen = models.model_sets()[name]
    values = np.random.default_rng(0).normal(size=(6, 3, 320, 480)).astype(np.float32)
    detector = models.home(chosen.det) / "inference.onnx"
    wide = OnnxRuntimeEngine(detector, engine_options(), helpers=helpers, widths=(1, 2, 4))
    (alone,) = open_local(detector, engine_options()).run(values[:1])
    assert all(np.array_equal(found, alone) for found in _at_each_width(wide, helpers, values[:1]))
    lines = np.ascontiguousarray(values[:, :, :48])
    recogniser = open_engine(models.home(chosen.rec), engine_options(engine="onnxruntime", precision=precision), greedy_ctc=True)
    together = recogniser.run(lines)
    for rows in (1, 2, 3):
        parts = [recogniser.run(lines[start : start + rows]) for start in range(0, 6, rows)]
        assert all(
            np.array_equal(np.concatenate(part), whole) for part, whole in zip(zip(*parts, strict=True), together, strict=True)
        )


def _at_each_width(engine: OnnxRuntimeEngine, helpers: Helpers, values: np.ndarray) -> Sequence[np.ndarray]:
    found = []
    for busy in (0, 2, 3):
        taken = [helpers.lender.borrow(1)[0] for _ in range(busy)]
        found.append(engine.run(values)[0])
        for core in taken:
            helpers.lender.give_back(core)
    return found


def test_helpers_need_no_memory_of_their_own_to_start(monkeypatch: pytest.MonkeyPatch, counted: CountedLedger) -> None:
    """They are there before a worker is bounded: what cannot be started later is not asked for."""
    counted.wanted.add(0)
    ready = Helpers(Lender(counted, 0, 2, most=1))

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    meeting: Callable[[int], int] = threading.Barrier(2, timeout=20).wait
    with ready.crew(2) as crew:
        assert sorted(crew.map(lambda _: meeting(20), [0, 1], [1, 1])) == [0, 1]
