"""How many services may be brought to what a new version of the operator makes of them at a time: pure.

A new version, or new flags, may render every Deployment otherwise. Were all of them to roll at once, a mistake would take them all.
"""

from __future__ import annotations

from ocr_operator.observed.cache import Owner


class Upgrades:
    """`at_a_time` services are under way; the next begins once one of them is healthy."""

    def __init__(self, at_a_time: int) -> None:
        self._at_a_time = at_a_time
        self._under_way: set[Owner] = set()
        self._waiting: dict[Owner, None] = {}

    def may_begin(self, owner: Owner) -> bool:
        """Whether `owner` may go on; else it waits, and `done` of another tells when to ask again."""
        if owner in self._under_way:
            return True
        if len(self._under_way) < self._at_a_time:
            self._under_way.add(owner)
            self._waiting.pop(owner, None)
            return True
        self._waiting[owner] = None
        return False

    def done(self, owner: Owner) -> tuple[Owner, ...]:
        """`owner` is healthy, or gone; those that may ask again."""
        self._waiting.pop(owner, None)
        if owner not in self._under_way:
            return ()
        self._under_way.discard(owner)
        return tuple(list(self._waiting)[: self._at_a_time - len(self._under_way)])

    @property
    def under_way(self) -> frozenset[Owner]:
        """Those that the others wait for."""
        return frozenset(self._under_way)
