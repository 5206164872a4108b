"""Who may compute on which core, and in which order jobs go there. Pure: threads (`crew`) or a simulated clock run it.

Each worker has a core that is its own. While a worker is at work on a request it computes on its own core and may borrow others,
those of workers that have nothing to do. That is decided anew for each run of a network: a helper on a borrowed core asks before
each job whether that core's own worker has got a request since, or others share in what is idle, and leaves it then. So a request
never waits for a core to be given back, and for no longer than one job two of them share one.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Protocol


class Ledger(Protocol):
    """What all workers of a service know of each other's cores."""

    def is_wanted(self, core: int) -> bool:
        """Whether a worker whose own core that is, is at work."""

    def at_work(self) -> int:
        """How many workers are."""

    def take(self, core: int) -> bool:
        """Mark a core as borrowed; False where it is already."""

    def release(self, core: int) -> None:
        """It is borrowed no longer."""


class Lender:
    """Lends a worker the cores of others."""

    def __init__(self, ledger: Ledger, own: int, cores: int, *, most: int) -> None:
        """`own` is the number of the worker's own core among `cores`; no more than `most` are lent at a time."""
        self._ledger = ledger
        # Each begins behind its own, so that several workers do not all ask for the same first.
        self._others = [(own + step) % cores for step in range(1, cores)]
        self.most = min(most, cores - 1)
        self._cores = cores
        self._held = 0

    def borrow(self, most: int) -> list[int]:
        """Up to so many cores that are idle now, within this worker's share; each is to be given back."""
        share = self._share()
        borrowed: list[int] = []
        for core in self._others:
            if len(borrowed) >= min(most, self.most, share - self._held):
                break
            if not self._ledger.is_wanted(core) and self._ledger.take(core):
                borrowed.append(core)
        self._held += len(borrowed)
        return borrowed

    def borrow_for(self, widths: Sequence[int]) -> list[int]:
        """As many as a network needs beside the worker's own core, that can run with any of `widths` threads: rising, from 1."""
        borrowed = self.borrow(widths[-1] - 1)
        threads = max(width for width in widths if width <= 1 + len(borrowed))
        while len(borrowed) >= threads:
            self.give_back(borrowed.pop())
        return borrowed

    def may_keep(self, core: int) -> bool:
        """Whether a borrowed core is still not wanted by its own worker, and this one has no more than its share."""
        return not self._ledger.is_wanted(core) and self._held <= self._share()

    def give_back(self, core: int) -> None:
        """It may be lent to others."""
        self._held -= 1
        self._ledger.release(core)

    def _share(self) -> int:
        """Cores that it may have beside its own: all alike, so that who reads lines leaves some to who detects them."""
        return -(-self._cores // max(1, self._ledger.at_work())) - 1


class Round:
    """Jobs that may be done side by side in any order; the largest come first, so that none is begun alone at the end."""

    def __init__(self, costs: Sequence[float]) -> None:
        """One job for each of `costs`, of which only the order counts."""
        self._waiting = deque(sorted(range(len(costs)), key=lambda job: -costs[job]))

    @property
    def left(self) -> int:
        """How many nobody has begun."""
        return len(self._waiting)

    def take(self) -> int | None:
        """The number of the next job; None where all are begun."""
        with contextlib.suppress(IndexError):
            return self._waiting.popleft()
        return None

    def cancel(self) -> None:
        """Begin no more."""
        self._waiting.clear()


def leading(jobs: Round, lender: Lender, start: Callable[[int], None]) -> Iterator[int]:
    """The jobs that a worker does itself; it has `start` a helper on each core that it can borrow, whenever it can."""
    while (job := jobs.take()) is not None:
        for core in lender.borrow(jobs.left):
            start(core)
        yield job


def helping(jobs: Round, lender: Lender, core: int) -> Generator[int]:
    """The jobs that a helper does on a borrowed core, which it gives back at the end."""
    try:
        while lender.may_keep(core) and (job := jobs.take()) is not None:
            yield job
    finally:
        lender.give_back(core)


def rows_of_a_run(batch: int, hands: int) -> int:
    """How many rows to run a network with on each of so many cores, so that all together hold in memory what one `batch` does."""
    return max(1, batch // hands)


def widths(cores: int) -> tuple[int, ...]:
    """Numbers of threads to have a network that runs once a page ready for: doubled from 1 to no more than `cores`, 8 at most."""
    return tuple(width for width in (1, 2, 4, 8) if width <= max(1, cores))
