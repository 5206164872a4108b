"""One operator for each OCRService, also where two are installed over one namespace: pure.

The status names the operator that works on the service. Another one does not begin to work before it has put its own name there and
it was left there for a while: an operator that works puts its name back at once. So one that is gone is followed, and of two that
are there the one that came first goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ocr_operator.observed.cache import Owner

CLAIM_S = 10.0
"""A claim that nobody has objected to for so long holds."""
FIRST_PAUSE_S = 300.0
LAST_PAUSE_S = 3600.0
RIVAL_S = 900.0
"""A rival is told of for so long after its last claim."""


class Move(StrEnum):
    """What an operator may do with a service."""

    WORK = "work"
    CLAIM = "claim"
    WAIT = "wait"


@dataclass
class _Row:
    is_held: bool = False
    claimed_at: float | None = None
    refused: int = 0
    ceded_until: float = 0.0
    flips: int = 0
    rival: str = ""
    rival_at: float = 0.0


class Claims:
    """Those of the operator `identity`; an empty one claims nothing and works always. `clock` gives seconds, monotonically."""

    def __init__(self, identity: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self._clock = clock
        self._rows: dict[Owner, _Row] = {}

    def move(self, owner: Owner, marker: str) -> tuple[Move, float | None]:
        """What to do where the status names `marker`, and in how many seconds to ask again where nothing is to be done."""
        if not self.identity:
            return Move.WORK, None
        row, now = self._rows.setdefault(owner, _Row()), self._clock()
        if marker in ("", self.identity):
            if row.claimed_at is not None and now - row.claimed_at < CLAIM_S and marker:
                return Move.WAIT, CLAIM_S - (now - row.claimed_at)
            row.claimed_at, row.is_held = None, row.is_held or bool(marker)
            return Move.WORK, None
        row.rival, row.rival_at = marker, now
        if row.is_held:
            row.flips += 1
            if row.flips < 2 or self.identity < marker:
                return Move.WORK, None
            row.is_held = False
            row.claimed_at = now
        if row.claimed_at is not None:
            row.claimed_at, row.refused = None, row.refused + 1
            row.ceded_until = now + min(FIRST_PAUSE_S * 2.0 ** (row.refused - 1), LAST_PAUSE_S)
        if now < row.ceded_until:
            return Move.WAIT, row.ceded_until - now
        row.claimed_at = now
        return Move.CLAIM, CLAIM_S

    def rival(self, owner: Owner) -> str:
        """The other operator that has lately claimed a service that is ours; empty where there is none."""
        row = self._rows.get(owner)
        return row.rival if row is not None and row.is_held and row.rival and self._clock() - row.rival_at < RIVAL_S else ""

    def forget(self, owner: Owner) -> None:
        """The service is gone."""
        self._rows.pop(owner, None)
