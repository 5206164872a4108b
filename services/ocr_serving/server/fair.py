"""A queue that is fair to those who put something into it. Pure.

Start-time fair queuing (Goyal, Vin and Cheng, 1996): each caller pays for its items with the seconds they took.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")

ENTRY_S = 0.01
"""Seconds that one who comes anew is behind: level with the others, newcomers without end would keep them from their turn."""


class FairQueue(Generic[T]):
    """Items of several callers, each caller's in their order.

    The next item is that of the caller who has the fewest at work, and among equals of the one who has had the least time: who
    sends many, or such as take long, waits for them, and nobody else does. One who comes anew, or again after a while, counts as
    having had hardly more than the one served last, which had the least: it is next, and has not saved up. Not thread-safe.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self._at_work: Counter[str] = Counter()
        self._spent: dict[str, float] = {}
        self._level = 0.0

    def __len__(self) -> int:
        """Items that wait."""
        return sum(map(len, self._waiting.values()))

    def held(self, caller: str) -> int:
        """Items of a caller that wait or are at work."""
        return len(self._waiting.get(caller, ())) + self._at_work[caller]

    def put(self, caller: str, item: T) -> None:
        """Behind all others of this caller."""
        if not self.held(caller):
            self._spent[caller] = max(self._spent.get(caller, 0.0), self._level + ENTRY_S)
        self._queue(caller).append(item)

    def put_back(self, caller: str, item: T) -> None:
        """Before all others of this caller: what was taken, and not worked on after all."""
        self._queue(caller).appendleft(item)
        self._waiting.move_to_end(caller, last=False)
        self.done(caller, 0.0)

    def take(self) -> T:
        """The next item, which is at work from now on. Raises IndexError where none waits."""
        if not self._waiting:
            raise IndexError("nothing waits")
        # min takes the first of equals, and callers stand in the order in which they were served last.
        caller = min(self._waiting, key=lambda caller: (self._at_work[caller], self._spent[caller]))
        items = self._waiting.pop(caller)
        item = items.popleft()
        if items:
            self._waiting[caller] = items
        self._at_work[caller] += 1
        self._level = max(self._level, self._spent[caller])
        return item

    def done(self, caller: str, seconds: float) -> None:
        """One of a caller's items is no longer at work, having taken so long."""
        self._spent[caller] += seconds
        self._at_work[caller] -= 1
        if self._at_work[caller] <= 0:
            del self._at_work[caller]
        if not self.held(caller):
            # Whoever has had no more than the one served last is as good as new, and so are all once nobody is left.
            level = self._level if self._waiting or self._at_work else math.inf
            self._spent = {who: spent for who, spent in self._spent.items() if spent > level or self.held(who)}

    def clear(self) -> list[T]:
        """All that wait, which wait no longer."""
        items = [item for waiting in self._waiting.values() for item in waiting]
        self._waiting.clear()
        return items

    def _queue(self, caller: str) -> deque[T]:
        return self._waiting.setdefault(caller, deque())
