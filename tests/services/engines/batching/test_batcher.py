"""The batcher under thousands of random arrivals, failures and cancellations, with a clock and a device of the test's own."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_serving.engines.batching.batcher import Batch, Batcher, Outcome, Request
from ocr_serving.engines.batching.buckets import Bucket, ExactBuckets, TableBuckets, table
from ocr_serving.errors import FullError, LateError

NARROW, MIDDLE, WIDE = Bucket(48, 128, 8), Bucket(48, 320, 4), Bucket(48, 1024, 1)
BUCKETS = (NARROW, MIDDLE, WIDE)
MAX_DELAY = 0.01
PAYLOAD = object()


class DeviceError(Exception):
    """What the device of the test fails with."""


@dataclass
class Simulation:
    """A batcher, a clock, and a device that ends its batches in order when told to."""

    batcher: Batcher = field(default_factory=lambda: Batcher(max_delay=MAX_DELAY, max_rows=60))
    now: float = 0.0
    under_way: deque[Batch] = field(default_factory=deque)
    asked: dict[Request, list[tuple[int, int]]] = field(default_factory=dict)
    answered: dict[Request, Outcome] = field(default_factory=dict)
    cancelled: set[Request] = field(default_factory=set)
    failed: dict[Request, Exception] = field(default_factory=dict)
    run: Counter[tuple[int, int]] = field(default_factory=Counter)
    served: Counter[object] = field(default_factory=Counter)
    refused: int = 0

    def submit(self, requester: object, model: str, buckets: list[Bucket], patience: float = float("inf")) -> Request | None:
        number = len(self.asked) + self.refused
        payloads = [(number, n) for n in range(len(buckets))]
        before = self.batcher.waiting
        try:
            request = self.batcher.submit(
                requester, model, list(zip(payloads, buckets, strict=True)), self.now, self.now + patience
            )
        except FullError:
            assert before + len(buckets) > self.batcher.max_rows
            self.refused += 1
            return None
        self.asked[request] = payloads
        self.pump()
        return request

    def pump(self) -> None:
        """Take every batch that is due, as the feeder does, and check each."""
        while (batch := self.batcher.next_batch(self.now)) is not None:
            assert 1 <= len(batch.rows) <= batch.bucket.batch
            for row in batch.rows:
                assert (row.request.model, row.bucket) == (batch.model, batch.bucket)
                assert row.request.deadline > self.now, "a late row costs device time"
                assert row.request not in self.cancelled, "a cancelled row costs device time"
                assert row.request not in self.answered
                self.run[row.payload] += 1
                self.served[row.request.requester] += batch.bucket.cost
            self.under_way.append(batch)
            assert len(self.under_way) <= self.batcher.depth
        self.collect()
        self.check_waiting()

    def check_waiting(self) -> None:
        """Nothing waits that may go: not while the device is idle, nor beyond max_delay while there is room."""
        if not self.under_way:
            assert self.batcher.waiting == 0
        event = self.batcher.next_event(self.now)
        if self.batcher.waiting and len(self.under_way) < self.batcher.depth:
            assert event is not None
            assert self.now < event <= self.now + MAX_DELAY

    def finish(self, *, fails: bool = False) -> None:
        if not self.under_way:
            return
        batch = self.under_way.popleft()
        if fails:
            error = DeviceError()
            for row in batch.rows:
                self.failed.setdefault(row.request, error)
            self.batcher.finish(batch, error)
        else:
            self.batcher.finish(batch, [("result of", row.payload) for row in batch.rows])
        self.pump()

    def cancel(self, requester: object) -> None:
        self.cancelled |= {r for r in self.asked if r.requester == requester and r not in self.answered}
        self.batcher.cancel(requester)
        self.pump()

    def wait(self, seconds: float) -> None:
        """Let time pass, and wake up whenever the batcher asks for it."""
        until = self.now + seconds
        while (event := self.batcher.next_event(self.now)) is not None and event <= until:
            assert event >= self.now
            before = (self.batcher.waiting, len(self.under_way))
            self.now = event
            self.pump()
            assert (self.batcher.waiting, len(self.under_way)) != before, "woken up for nothing"
        self.now = until
        self.pump()

    def collect(self) -> None:
        for answer in self.batcher.answers():
            assert answer.request not in self.answered, "answered twice"
            assert answer.request not in self.cancelled
            self.answered[answer.request] = answer
            if answer.error is None:
                assert list(answer.results) == [("result of", payload) for payload in self.asked[answer.request]]
                assert answer.request not in self.failed
            elif isinstance(answer.error, LateError):
                assert answer.request.deadline <= self.now
            else:
                assert answer.error is self.failed[answer.request]

    def drain(self) -> None:
        """Let the device work off everything; then each request has had its one answer."""
        while self.under_way or self.batcher.waiting:
            self.finish()
        assert set(self.answered) == set(self.asked) - self.cancelled
        assert max(self.run.values(), default=1) == 1, "a row was run twice"
        # Exactly the requests of a failed batch fail.
        for request in self.failed.keys() & self.answered.keys():
            assert self.answered[request].error is not None
        for request, answer in self.answered.items():
            if answer.error is None:
                assert all(self.run[payload] == 1 for payload in self.asked[request])
        assert (self.batcher.waiting, self.batcher.outstanding) == (0, 0)
        assert self.batcher.next_event(self.now) is None


requesters = st.integers(0, 4)
events = st.one_of(
    st.tuples(
        st.just("submit"),
        requesters,
        st.sampled_from(["det", "rec"]),
        st.lists(st.sampled_from(BUCKETS), min_size=0, max_size=25),
        st.sampled_from([0.0, 0.003, 0.02, 1.0, float("inf")]),
    ),
    st.tuples(st.just("finish"), st.booleans()),
    st.tuples(st.just("cancel"), requesters),
    st.tuples(st.just("wait"), st.floats(0, 0.03)),
)


def play(simulation: Simulation, event: tuple[object, ...]) -> None:
    kind, *rest = event
    if kind == "finish":
        simulation.finish(fails=bool(rest[0]))
    else:
        getattr(simulation, str(kind))(*rest)


@settings(max_examples=400, deadline=None)
@given(st.lists(events, max_size=60))
def test_nothing_is_lost_doubled_or_mixed_up(played: list[tuple[object, ...]]) -> None:
    simulation = Simulation()
    for event in played:
        play(simulation, event)
    simulation.drain()


@pytest.mark.parametrize("seed", range(4))
def test_nor_in_a_long_life(seed: int) -> None:
    dice = random.Random(seed)
    simulation = Simulation()
    for _ in range(3000):
        kind = dice.choices(["submit", "finish", "cancel", "wait"], [10, 14, 1, 6])[0]
        if kind == "submit":
            buckets = dice.choices(BUCKETS, [6, 3, 1], k=dice.choice([1, 1, 2, 5, 30]))
            patience = dice.choice([0.0, 0.02, 0.5, float("inf"), float("inf")])
            simulation.submit(dice.randrange(8), dice.choice(["det", "rec"]), buckets, patience)
        elif kind == "finish":
            simulation.finish(fails=dice.random() < 0.1)
        elif kind == "cancel":
            simulation.cancel(dice.randrange(8))
        else:
            simulation.wait(dice.expovariate(200))
    simulation.drain()
    errors = Counter(type(answer.error).__name__ for answer in simulation.answered.values())
    # The life had everything in it.
    assert min(errors["NoneType"], errors["LateError"], errors["DeviceError"], simulation.refused, len(simulation.cancelled)) > 20


def test_an_idle_device_gets_a_row_at_once_and_a_busy_one_when_it_is_full_or_has_waited() -> None:
    simulation = Simulation()
    simulation.submit("a", "rec", [NARROW])
    assert [len(batch.rows) for batch in simulation.under_way] == [1]
    simulation.submit("b", "rec", [NARROW] * 3)
    assert len(simulation.under_way) == 1
    simulation.submit("c", "rec", [NARROW] * 5)
    assert [len(batch.rows) for batch in simulation.under_way] == [1, 8]

    simulation.finish()
    simulation.submit("d", "rec", [NARROW])
    assert len(simulation.under_way) == 1
    simulation.wait(MAX_DELAY * 0.9)
    assert len(simulation.under_way) == 1
    simulation.wait(MAX_DELAY * 0.2)
    assert [len(batch.rows) for batch in simulation.under_way] == [8, 1]


@pytest.mark.parametrize("line", [NARROW, MIDDLE])
def test_a_page_of_200_lines_does_not_hold_up_one_line(line: Bucket) -> None:
    """Behind it at the device are the batches under way and its share of those of a page whose rows all came before."""
    simulation = Simulation(Batcher(max_delay=MAX_DELAY, max_rows=1000))
    simulation.submit("page", "rec", [NARROW] * 200)
    crop = simulation.submit("crop", "rec", [line])
    simulation.wait(MAX_DELAY)
    turns = 0
    while crop not in simulation.answered:
        simulation.finish()
        turns += 1
    # Two were under way when it came; in a bucket of its own one more of the page's may go first.
    assert turns <= (3 if line is NARROW else 4)


def test_a_stream_of_single_lines_does_not_hold_up_a_page() -> None:
    simulation = Simulation(Batcher(max_delay=MAX_DELAY, max_rows=10_000))
    page = simulation.submit("page", "rec", [NARROW] * 40)
    for turn in range(200):
        for n in range(8):
            simulation.submit(("line", turn, n), "rec", [NARROW])
        simulation.finish()
        if page in simulation.answered:
            break
    # Alone it would take 5 batches. With as many lines coming as the device can do, each of its 40 rows waits for all lines
    # that wait at that time, 8 and more and more, up to 48: 1 + 9/8 + 10/8 + … + 48/8 batches.
    assert page in simulation.answered


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(BUCKETS), min_size=1, max_size=6), min_size=2, max_size=5), st.integers(0, 1 << 30))
def test_requesters_that_always_wait_get_equal_shares(pages: list[list[Bucket]], seed: int) -> None:
    """However many rows each of them asks for at a time, none is ahead of another by more than a batch."""
    dice = random.Random(seed)
    simulation = Simulation(Batcher(max_delay=0, max_rows=100_000))
    for requester, page in enumerate(pages):
        simulation.submit(requester, "rec", page * 300)
    start = Counter(simulation.served)
    batch = max(bucket.cost * bucket.batch for bucket in BUCKETS)
    for _ in range(60):
        simulation.wait(dice.random() / 100)
        simulation.finish(fails=False)
        got = [simulation.served[requester] - start[requester] for requester in range(len(pages))]
        assert max(got) - min(got) <= 3 * batch


def test_a_request_too_large_or_too_many_are_refused_and_nothing_else_changes() -> None:
    simulation = Simulation()
    assert simulation.submit("a", "rec", [NARROW] * 61) is None
    assert simulation.submit("a", "rec", [NARROW] * 60) is not None
    simulation.drain()
    assert simulation.refused == 1


def test_a_request_without_rows_is_answered() -> None:
    simulation = Simulation()
    request = simulation.submit("a", "rec", [])
    assert request is not None
    assert simulation.answered[request].results == []


def test_results_that_do_not_fit_the_batch_fail_it() -> None:
    batcher = Batcher()
    batcher.submit("a", "rec", [(PAYLOAD, NARROW), (PAYLOAD, NARROW)], 0.0)
    batch = batcher.next_batch(0.0)
    assert batch is not None
    batcher.finish(batch, ["one result"])
    (answer,) = batcher.answers()
    assert "1 results for 2 rows" in str(answer.error)


def test_a_row_goes_to_the_smallest_bucket_that_holds_it() -> None:
    lines = table("recognition", (48, 0))
    assert lines.of(48, 100) == lines.of(48, 128) == Bucket(48, 128, 96)
    assert lines.of(48, 672) == Bucket(48, 704, 16)
    assert lines.of(48, 3200) == Bucket(48, 3200, 4)
    assert table("recognition", (48, 0), max_batch=16).of(48, 160) == Bucket(48, 160, 16)
    # As wide as stages ask for, where most lines are.
    assert all(lines.of(48, width).width == width for width in range(32, 641, 32))
    pages = table("detection", (0, 0))
    assert [(b.height, b.width) for b in (pages.of(960, 750), pages.of(700, 960), pages.of(960, 960))] == [
        (960, 768),
        (736, 960),
        (960, 960),
    ]
    assert table("classification", (48, 192)).of(48, 192) == Bucket(48, 192, 64)


def test_what_no_bucket_holds_goes_alone_as_it_is() -> None:
    assert table("detection", (0, 0)).of(1920, 1088) == Bucket(1920, 1088, 1)
    assert ExactBuckets(8).of(48, 352) == Bucket(48, 352, 8)
    assert list(TableBuckets({(48, 128): 96}, max_batch=4)) == [Bucket(48, 128, 4)]
