"""A queue that is fair to those who put something into it. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items of several callers, each caller's in their order.

    The next item is that of the caller who has the fewest at work, and among equals of the one who was not served for the longest
    time: who sends many waits for them, and nobody else does. Not thread-safe.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self._at_work: Counter[str] = Counter()

    def __len__(self) -> int:
        """Items that wait."""
        return sum(map(len, self._waiting.values()))

    def held(self, caller: str) -> int:
        """Items of a caller that wait or are at work."""
        return len(self._waiting.get(caller, ())) + self._at_work[caller]

    def put(self, caller: str, item: T) -> None:
        """Behind all others of this caller."""
        self._waiting.setdefault(caller, deque()).append(item)

    def put_back(self, caller: str, item: T) -> None:
        """Before all others: what was taken, and not worked on after all."""
        self.done(caller)
        self._waiting.setdefault(caller, deque()).appendleft(item)
        self._waiting.move_to_end(caller, last=False)

    def take(self) -> T:
        """The next item, which is at work from now on. Raises IndexError where none waits."""
        if not self._waiting:
            raise IndexError("nothing waits")
        # min takes the first of equals, and callers stand in the order in which they were served last.
        caller = min(self._waiting, key=self._at_work.__getitem__)
        items = self._waiting[caller]
        item = items.popleft()
        if items:
            self._waiting.move_to_end(caller)
        else:
            del self._waiting[caller]
        self._at_work[caller] += 1
        return item

    def done(self, caller: str) -> None:
        """One of a caller's items is no longer at work."""
        self._at_work[caller] -= 1
        if self._at_work[caller] <= 0:
            del self._at_work[caller]

    def clear(self) -> list[T]:
        """All that wait, which wait no longer."""
        items = [item for waiting in self._waiting.values() for item in waiting]
        self._waiting.clear()
        return items
