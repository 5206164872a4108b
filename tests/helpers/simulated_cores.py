"""A service on cores that are only counted: the scheduler itself, engines of fixed times, and a clock that nobody waits for."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ocr_serving.engines.idle.schedule import Lender, Round, helping, leading, rows_of_a_run, widths

SPEED = {1: 1.0, 2: 1.85, 4: 3.2, 8: 5.0}
"""How many times as fast a detector is on so many threads."""

RUN_S = 0.0012
"""What a run of the recogniser takes beside its lines."""

ROWS = 6
"""Lines of a batch."""


@dataclass(frozen=True)
class SimulatedPage:
    """Seconds on one core: before and after what can be parted, detection, and each line."""

    before: float
    detect: float
    lines: tuple[float, ...]
    after: float


@dataclass
class _Flowing:
    """A page of which so many seconds are left in its phase: 0 before, 1 detection, 2 lines, 3 after."""

    page: SimulatedPage
    phase: int = 0
    left: float = 0.0


def ideal_seconds(pages: Sequence[SimulatedPage], cores: int, clients: int) -> float:
    """How long the pages take where work flows to whatever core is free, at once and in drops.

    Of the pages that are read at a time those that can use more than a core share all that the others leave; a detector is as fast
    on its share as between the numbers of threads that are known, and no faster than on the most of them.
    """
    waiting, now = iter(pages), 0.0
    reading = [_Flowing(page, 0, page.before) for page in itertools.islice(waiting, min(clients, cores))]
    while reading:
        flowing = [one for one in reading if one.phase in (1, 2)]
        share = (cores - len(reading) + len(flowing)) / max(1, len(flowing))
        detects = float(np.interp(share, list(SPEED), list(SPEED.values())))
        speeds = [{1: detects, 2: share}.get(one.phase, 1.0) for one in reading]
        step = min(one.left / speed for one, speed in zip(reading, speeds, strict=True))
        now += step
        for one, speed in zip(list(reading), speeds, strict=True):
            one.left -= step * speed
            while one.left <= 1e-12:
                one.phase += 1
                if one.phase > 3:
                    following = next(waiting, None)
                    if following is None:
                        reading.remove(one)
                        break
                    one.page, one.phase = following, 0
                one.left = (one.page.before, one.page.detect, sum(one.page.lines), one.page.after)[one.phase]
    return now


def mixed_pages(count: int, seed: int = 0) -> list[SimulatedPage]:
    """Forms, receipts, dense pages, stamps and blank ones."""
    chance = random.Random(seed)
    pages = []
    for _ in range(count):
        lines = chance.choice([50, 50, 30, 60, 120, 3, 0])
        times = tuple(chance.uniform(0.015, 0.09) for _ in range(lines))
        pages.append(SimulatedPage(chance.uniform(0.01, 0.04), chance.uniform(0.1, 0.35), times, 0.01 + 0.0005 * lines))
    return pages


class CountedLedger:
    """The ledger in this process's memory."""

    def __init__(self) -> None:
        """Nobody is at work."""
        self.wanted: set[int] = set()
        self.borrowed: set[int] = set()

    def is_wanted(self, core: int) -> bool:
        """As `Ledger` has it."""
        return core in self.wanted

    def at_work(self) -> int:
        """As `Ledger` has it."""
        return len(self.wanted)

    def take(self, core: int) -> bool:
        """As `Ledger` has it."""
        if core in self.borrowed:
            return False
        self.borrowed.add(core)
        return True

    def release(self, core: int) -> None:
        """As `Ledger` has it."""
        self.borrowed.remove(core)


Doing = Generator["float | Latch", None, None]
"""Something that goes on in simulated time: it yields when it goes on, or what it waits for."""


@dataclass(eq=False)
class Latch:
    """So many helpers are to end."""

    open_: int = 0
    waiting: list[Doing] = field(default_factory=list)


class SimulatedService:
    """Workers with a core each, asked by clients in a closed loop. A core does one thing at a time, in the order of asking."""

    def __init__(self, cores: int, *, lends: bool = True) -> None:
        """All idle at 0 s. Without `lends` a request stays on its core."""
        self.now = 0.0
        self.cores = cores
        self.shared_s = 0.0
        """Seconds that work waited for its core, which another still used."""
        self._busy_until = [0.0] * cores
        self._events: list[tuple[float, int, Doing]] = []
        self._order = itertools.count()
        self._ledger = CountedLedger()
        self._lenders = [Lender(self._ledger, own, cores, most=cores - 1 if lends else 0) for own in range(cores)]

    def seconds(self, pages: Sequence[SimulatedPage], clients: int, pauses: Sequence[float] = ()) -> float:
        """Until all pages are read, in their order; before the n-th its client makes the n-th of `pauses`."""
        waiting = iter(zip(pages, itertools.chain(pauses, itertools.repeat(0.0)), strict=False))
        for worker in range(min(clients, self.cores)):
            self._go_on(self._worker(worker, waiting))
        while self._events:
            self.now, _, doing = heapq.heappop(self._events)
            self._go_on(doing)
        assert not self._ledger.borrowed
        return self.now

    def _go_on(self, doing: Doing) -> None:
        for until in doing:
            if isinstance(until, Latch):
                if until.open_:
                    until.waiting.append(doing)
                    return
            else:
                heapq.heappush(self._events, (until, next(self._order), doing))
                return

    def _compute(self, cores: Iterable[int], seconds: float) -> float:
        """When that ends, begun as soon as all of `cores` are free."""
        begin = max(self.now, *(self._busy_until[core] for core in cores))
        self.shared_s += begin - self.now
        for core in cores:
            self._busy_until[core] = begin + seconds
        return begin + seconds

    def _worker(self, own: int, pages: Iterable[tuple[SimulatedPage, float]]) -> Doing:
        for page, pause in pages:
            if pause:
                yield self.now + pause
            self._ledger.wanted.add(own)
            yield from self._read(own, page)
            self._ledger.wanted.remove(own)

    def _read(self, own: int, page: SimulatedPage) -> Doing:
        lender = self._lenders[own]
        yield self._compute([own], page.before)
        borrowed = lender.borrow_for(widths(1 + lender.most))
        yield self._compute([own, *borrowed], page.detect / SPEED[1 + len(borrowed)])
        for core in borrowed:
            lender.give_back(core)
        borrowed = lender.borrow(len(page.lines) - 1)
        by_width = sorted(range(len(page.lines)), key=page.lines.__getitem__)
        rows = rows_of_a_run(ROWS, 1 + len(borrowed))
        runs = [by_width[start : start + rows] for start in range(0, len(by_width), rows)]
        costs = [RUN_S + sum(page.lines[line] for line in run) for run in runs]
        jobs, latch = Round(costs), Latch()

        def start(core: int) -> None:
            latch.open_ += 1
            self._go_on(self._help(jobs, lender, core, costs, latch))

        for core in borrowed:
            start(core)
        for job in leading(jobs, lender, start):
            yield self._compute([own], costs[job])
        yield latch
        yield self._compute([own], page.after)

    def _help(self, jobs: Round, lender: Lender, core: int, costs: Sequence[float], latch: Latch) -> Doing:
        for job in helping(jobs, lender, core):
            yield self._compute([core], costs[job])
        latch.open_ -= 1
        if not latch.open_:
            for doing in latch.waiting:
                self._go_on(doing)
