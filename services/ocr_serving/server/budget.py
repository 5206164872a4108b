"""Bytes of bodies that the front may hold at once, over all requests. Pure."""

from __future__ import annotations

from typing import Protocol

from ocr_serving.errors import FullError


class Holder(Protocol):
    """A request whose body is arriving, or is kept until it is answered."""

    def drop(self) -> None:
        """Stop receiving: it lost its share to others."""


class Budget:
    """Who sends much goes first: where all is taken, the largest of the unfinished bodies is given up. Not thread-safe."""

    def __init__(self, limit: int) -> None:
        """At most `limit` bytes."""
        self.limit = limit
        self.total = 0
        self._arriving: dict[Holder, int] = {}
        self._kept: dict[Holder, int] = {}

    def grow(self, holder: Holder, size: int) -> None:
        """So many more bytes have arrived. Raises FullError where this holder is the one to go."""
        self._arriving[holder] = self._arriving.get(holder, 0) + size
        self.total += size
        while self.total > self.limit:
            largest = max(self._arriving, key=self._arriving.__getitem__)
            self.release(largest)
            if largest is holder:
                raise self.refusal()
            largest.drop()

    def keep(self, holder: Holder) -> None:
        """What has arrived is complete: it is no longer given up for others."""
        self._kept[holder] = self._kept.get(holder, 0) + self._arriving.pop(holder, 0)

    def release(self, holder: Holder) -> None:
        """Nothing of it is held any more."""
        self.total -= self._arriving.pop(holder, 0) + self._kept.pop(holder, 0)

    def check(self) -> None:
        """Raises FullError where what is kept leaves room for nobody else."""
        if sum(self._kept.values()) >= self.limit:
            raise self.refusal()

    def refusal(self) -> FullError:
        """What is said to who has to go."""
        return FullError(f"The bodies of all requests together are over the limit of {self.limit >> 20} MiB (max_held_mb).")
