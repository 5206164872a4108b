"""A queue of names to reconcile: each name once, never twice at a time, failures later and later.

The semantics are those of client-go's workqueue: a name that is added while it is worked on comes again afterwards, so no change
is missed, and any number of changes in between costs one more turn.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class _Place:
    due: float
    is_ahead: bool

    def merged(self, other: _Place | None) -> _Place:
        return self if other is None else _Place(min(self.due, other.due), self.is_ahead or other.is_ahead)


_Entry = tuple[float, int, Key]


class WorkQueue(Generic[Key]):
    """Names waiting, in the order in which they are due, those that are `ahead` before all others. For one event loop.

    `clock` gives seconds, monotonically.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[Key, _Place] = {}
        self._heaps: tuple[list[_Entry[Key]], list[_Entry[Key]]] = ([], [])
        self._order = itertools.count()
        self._running: dict[Key, float] = {}
        self._again: dict[Key, _Place] = {}
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()

    def add(self, key: Key, after: float = 0.0, *, is_ahead: bool = False) -> None:
        """Has `key` worked on in `after` seconds, or earlier where it is due earlier; then before all that are not ahead."""
        self._add(key, _Place(self._clock() + after, is_ahead))

    def put_off(self, key: Key, after: float) -> None:
        """Has `key` worked on in `after` seconds before all that are not ahead, and no earlier, whatever it was added for."""
        place = _Place(self._clock() + after, is_ahead=True)
        if key in self._running:
            self._again[key] = place
            return
        self._due.pop(key, None)
        self._add(key, place)

    def is_ahead(self, key: Key) -> bool:
        """Whether `key` waits before all that are not ahead."""
        place = self._due.get(key) or self._again.get(key)
        return place is not None and place.is_ahead

    def _add(self, key: Key, place: _Place) -> None:
        if key in self._running:
            self._again[key] = place.merged(self._again.get(key))
            return
        known = self._due.get(key)
        place = place.merged(known)
        if place == known:
            return
        self._due[key] = place
        heapq.heappush(self._heaps[not place.is_ahead], (place.due, next(self._order), key))
        self._wake.set()

    def retry(self, key: Key, least_s: float = 0.0) -> float:
        """Has `key` worked on later, each time in a row twice as late, at most a minute, at least `least_s`; the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # More than LAST_RETRY_S by far; no float has room for 2 to the 1024th, which a day of failures comes to.
        after: float = max(min(FIRST_RETRY_S * 2.0 ** min(failures, 20), LAST_RETRY_S), least_s)
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
                heap = next(heap for heap in self._heaps if heap and heap[0][0] <= now)
                _, _, key = heapq.heappop(heap)
                self._running[key] = now
                del self._due[key]
                if self._due:
                    self._wake.set()  # another one who waits may have the next
                return key
            self._wake.clear()
            try:
                async with asyncio.timeout(None if due is None else due - now):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def done(self, key: Key) -> None:
        """`key` is no longer worked on."""
        self._running.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None:
            self._add(key, again)

    def _next_due(self) -> float | None:
        for heap, is_ahead in zip(self._heaps, (True, False), strict=True):
            while heap and self._due.get(heap[0][2]) != _Place(heap[0][0], is_ahead):
                heapq.heappop(heap)  # an entry that another one has replaced
        return min((heap[0][0] for heap in self._heaps if heap), default=None)

    def __len__(self) -> int:
        return len(self._due) + len(self._again)

    def due_within(self, seconds: float) -> int:
        """How many names are to be worked on in so many seconds."""
        until = self._clock() + seconds
        return sum(place.due <= until for place in (*self._due.values(), *self._again.values()))

    @property
    def running(self) -> int:
        """How many names are being worked on."""
        return len(self._running)

    def oldest_s(self) -> float:
        """For how many seconds the name that waits longest is overdue, or the one worked on longest is worked on."""
        now = self._clock()
        overdue = now - (self._next_due() or now)
        return max(overdue, *(now - since for since in self._running.values()), 0.0) if self._running else max(overdue, 0.0)
