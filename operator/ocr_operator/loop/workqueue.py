"""A queue of names to reconcile: each name once, never twice at a time, failures later and later.

The semantics are those of client-go's workqueue: a name that is added while it is worked on comes again afterwards, so no change
is missed, and any number of changes in between costs one more turn.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 60.0


class WorkQueue(Generic[Key]):
    """Names waiting, in the order in which they are due. For one event loop.

    `clock` gives seconds, monotonically.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._running: dict[Key, float] = {}
        self._again: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()

    def add(self, key: Key, after: float = 0.0) -> None:
        """Has `key` worked on in `after` seconds, or earlier where it is due earlier."""
        due = self._clock() + after
        if key in self._running:
            self._again[key] = min(due, self._again.get(key, due))
            return
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._wake.set()

    def retry(self, key: Key, least_s: float = 0.0) -> float:
        """Has `key` worked on later, each time in a row twice as late, at most a minute, at least `least_s`; the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        after: float = max(min(FIRST_RETRY_S * 2.0**failures, LAST_RETRY_S), least_s)
        self.add(key, after)
        return after

    def forget(self, key: Key) -> None:
        """Ends a row of failures."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next name, once it is due; `done` must follow."""
        while True:
            due = self._next_due()
            now = self._clock()
            if due is not None and due <= now:
                _, _, key = heapq.heappop(self._heap)
                self._running[key] = now
                del self._due[key]
                if self._heap:
                    self._wake.set()  # another one who waits may have the next
                return key
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), None if due is None else due - now)
            except TimeoutError:
                pass

    def done(self, key: Key) -> None:
        """`key` is no longer worked on."""
        self._running.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None:
            self.add(key, max(again - self._clock(), 0.0))

    def _next_due(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # an entry that an earlier one has replaced
        return self._heap[0][0] if self._heap else None

    def __len__(self) -> int:
        return len(self._due) + len(self._again)

    def due_within(self, seconds: float) -> int:
        """How many names are to be worked on in so many seconds."""
        until = self._clock() + seconds
        return sum(due <= until for due in (*self._due.values(), *self._again.values()))

    @property
    def running(self) -> int:
        """How many names are being worked on."""
        return len(self._running)

    def oldest_s(self) -> float:
        """For how many seconds the name that waits longest is overdue, or the one worked on longest is worked on."""
        now = self._clock()
        overdue = now - (self._next_due() or now)
        return max(overdue, *(now - since for since in self._running.values()), 0.0) if self._running else max(overdue, 0.0)
