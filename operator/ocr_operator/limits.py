"""How often something may be done: requests to the API server, events of one object and of all. Pure, but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

Clock = Callable[[], float]
MOST_KEPT = 1000
QPS = 500.0
"""Requests to the API server a second, unless told otherwise."""


class Bucket:
    """`burst` tokens, of which `per_s` come back each second. `clock` gives seconds, monotonically."""

    def __init__(self, burst: float, per_s: float, clock: Clock = time.monotonic) -> None:
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._tokens, self._at = burst, clock()

    def take(self) -> bool:
        """Takes a token; False where there is none."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def reserve(self) -> float:
        """Takes a token, be it one that is still to come; in how many seconds it is there."""
        self._refill()
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_s)

    @property
    def is_full(self) -> bool:
        """Whether it is as if nothing had ever been taken."""
        self._refill()
        return self._tokens >= self._burst

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now


class EventLimit:
    """Which events are posted: what one object tells is bounded, and so is what all tell that is no warning.

    An event is a write like any other. Where a thousand services are made at once each has its status to show for it, and the
    operator's log has every change.
    """

    OF_ONE = (25.0, 1 / 60)
    """For each object, warnings included: burst, and how many come back a second."""
    OF_ALL = (25.0, 0.5)
    """For all that is no warning."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._all = Bucket(*self.OF_ALL, clock)
        self._of_one: dict[str, Bucket] = {}

    def allows(self, event: Mapping[str, Any]) -> bool:
        """Whether `event` is to be posted; counts it as posted where it is."""
        uid = str(event["regarding"]["uid"])
        if uid not in self._of_one:
            if len(self._of_one) >= MOST_KEPT:
                self._of_one = {key: bucket for key, bucket in self._of_one.items() if not bucket.is_full}
            self._of_one[uid] = Bucket(*self.OF_ONE, self._clock)
        return self._of_one[uid].take() and (event["type"] == "Warning" or self._all.take())
