"""Threads that do a round of jobs on the worker's own core and on those that it borrows."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, runtime_checkable

from ocr_serving.engines.base import Engine
from ocr_serving.engines.idle.schedule import Lender, Round, helping, leading

Item = TypeVar("Item")
Answer = TypeVar("Answer")

STACK_BYTES = 1 << 20
"""Of a helper's thread: what is reserved counts against the memory that a worker may have."""


class Crew(Protocol):
    """Those who do jobs side by side, for one stage of one page."""

    @property
    def hands(self) -> int:
        """How many cores there are for it now, the worker's own included."""

    def map(self, do: Callable[[Item], Answer], items: Sequence[Item], costs: Sequence[float]) -> list[Answer]:
        """`do` of each of `items`, in their order, whoever did it; of `costs` only the order counts. Raises what `do` raises."""


class Alone:
    """A crew of one: the calling thread, for engines that do one thing at a time."""

    hands = 1

    def map(self, do: Callable[[Item], Answer], items: Sequence[Item], costs: Sequence[float]) -> list[Answer]:  # noqa: ARG002
        """As `Crew.map`."""
        return [do(item) for item in items]


ALONE = Alone()


@runtime_checkable
class Reentrant(Engine, Protocol):
    """An engine that may be run by several threads at once, where its worker has `helpers` for that."""

    helpers: Helpers | None


def crew_of(engine: Engine, most: int) -> AbstractContextManager[Crew]:
    """Who may run `engine` side by side, for at most so many jobs: the calling thread at least."""
    helpers = engine.helpers if isinstance(engine, Reentrant) else None
    return contextlib.nullcontext(ALONE) if helpers is None or most < 2 else helpers.crew(most)


class Helpers:
    """The helping threads of a worker; they sleep until there is something to do."""

    def __init__(self, lender: Lender) -> None:
        """Start a thread for each core that may be borrowed at a time, as starting them later may fail for want of memory."""
        self.lender = lender
        self._stints: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        before = threading.stack_size(STACK_BYTES)
        try:
            for number in range(lender.most):
                threading.Thread(target=self._help, daemon=True, name=f"helper-{number}").start()
        finally:
            threading.stack_size(before)

    @contextlib.contextmanager
    def crew(self, most: int) -> Iterator[Crew]:
        """A crew for at most so many jobs side by side, on the cores that are idle now and those that become so."""
        crew = _Borrowing(self, self.lender.borrow(most - 1))
        try:
            yield crew
        finally:
            crew.close()

    @contextlib.contextmanager
    def threads(self, widths: Sequence[int]) -> Iterator[int]:
        """How many threads a network may run with inside the block, of the rising numbers that it can run with."""
        borrowed = self.lender.borrow_for(widths)
        try:
            yield 1 + len(borrowed)
        finally:
            for core in borrowed:
                self.lender.give_back(core)

    def start(self, stint: Callable[[], None]) -> None:
        """Have a thread do `stint`, which does not raise."""
        self._stints.put(stint)

    def _help(self) -> None:
        while True:
            self._stints.get()()


class _Borrowing:
    """A crew whose cores are borrowed: those in `cores` already, others as they come."""

    def __init__(self, helpers: Helpers, cores: list[int]) -> None:
        self._helpers = helpers
        self._cores = cores

    @property
    def hands(self) -> int:
        return 1 + len(self._cores)

    def close(self) -> None:
        while self._cores:
            self._helpers.lender.give_back(self._cores.pop())

    def map(self, do: Callable[[Item], Answer], items: Sequence[Item], costs: Sequence[float]) -> list[Answer]:
        """As `Crew.map`; the cores that were borrowed are given back as soon as there is nothing for them to do."""
        jobs, lender = Round(costs), self._helpers.lender
        answers: dict[int, Answer] = {}
        failures: list[BaseException] = []
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        started = 0

        def work(share: Iterator[int]) -> None:
            for job in share:
                answers[job] = do(items[job])

        def help_out(core: int) -> None:
            try:
                with contextlib.closing(helping(jobs, lender, core)) as share:
                    work(share)
            except BaseException as exc:  # noqa: BLE001  raised again where it is waited for
                failures.append(exc)
                jobs.cancel()
            finally:
                ended.put(None)

        def start(core: int) -> None:
            nonlocal started
            started += 1
            self._helpers.start(lambda: help_out(core))

        while self._cores:
            start(self._cores.pop())
        try:
            work(leading(jobs, lender, start))
        finally:
            # Whatever became of this thread's own share, no helper is to work for a request that is over.
            jobs.cancel()
            for _ in range(started):
                ended.get()
        if failures:
            raise failures[0]
        return [answers[job] for job in range(len(items))]
