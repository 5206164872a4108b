"""Who else writes the same field: counts how often a field had to be put back, and says when to leave it alone. Pure.

A field that is changed again right after it was put back has another owner. To put it back for ever would be two programs that
write against each other, so after a few rounds it is left alone for a while, longer each time, and the status says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ocr_operator.names import FIELD_MANAGER
from ocr_operator.observed.cache import Ref

ROUNDS = 3
"""So often a field is put back at once."""
WINDOW_S = 120.0
"""Rounds further apart than this are no contention."""
FIRST_PAUSE_S = 30.0
LAST_PAUSE_S = 1800.0
GONE = "."
"""The path of an object that is not there at all."""


@dataclass
class _Row:
    count: int
    last: float
    until: float = 0.0
    who: str = ""


class Contention:
    """The rows of one operator. `clock` gives seconds, monotonically."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[Ref, dict[str, _Row]] = {}

    def is_held(self, ref: Ref, paths: Iterable[str]) -> bool:
        """Whether all of `paths` are to be left alone for now."""
        rows, now = self._rows.get(ref, {}), self._clock()
        return all(path in rows and rows[path].until > now for path in paths)

    def is_due(self, ref: Ref, paths: Iterable[str]) -> bool:
        """Whether putting back `paths` once more will make it a contention, so that it is time to find out with whom."""
        rows, now = self._rows.get(ref, {}), self._clock()
        return any(path in rows and rows[path].count + 1 >= ROUNDS and now - rows[path].last < WINDOW_S for path in paths)

    def put_back(self, ref: Ref, paths: Iterable[str], who: str = "") -> None:
        """Counts a round of `paths`, which `who` had changed."""
        rows, now = self._rows.setdefault(ref, {}), self._clock()
        for path in paths:
            row = rows.get(path)
            if row is None or (row.count < ROUNDS and now - row.last > WINDOW_S):
                row = rows[path] = _Row(0, now)
            row.count, row.last, row.who = row.count + 1, now, who or row.who
            if row.count >= ROUNDS:
                row.until = now + min(FIRST_PAUSE_S * 2.0 ** min(row.count - ROUNDS, 10), LAST_PAUSE_S)

    def seen_right(self, ref: Ref) -> None:
        """What is at `ref` is as it should be: rows whose time is over are forgotten."""
        rows, now = self._rows.get(ref), self._clock()
        if rows is None:
            return
        for path, row in list(rows.items()):
            if now >= row.until and (row.count >= ROUNDS or now - row.last > WINDOW_S):
                del rows[path]
        if not rows:
            del self._rows[ref]

    def forget(self, ref: Ref) -> None:
        """`ref` is to be something else now."""
        self._rows.pop(ref, None)

    def contended(self, ref: Ref) -> list[tuple[str, str]]:
        """(path, manager) of what another one writes too."""
        return [(path, row.who) for path, row in self._rows.get(ref, {}).items() if row.count >= ROUNDS]

    def seconds_left(self, ref: Ref) -> float | None:
        """In how many seconds `ref` should be looked at again; None where nothing is contended."""
        untils = [row.until for row in self._rows.get(ref, {}).values() if row.count >= ROUNDS]
        return max(min(untils) - self._clock(), 0.0) if untils else None


def writer_of(body: Mapping[str, Any], path: str) -> str:
    """The manager who last wrote the field at `path` of `body`, or else the one who last wrote anything; empty for nobody."""
    leaf = path.rpartition(".")[2].partition("[")[0]
    entries = [
        entry
        for entry in body["metadata"].get("managedFields", ())
        if entry.get("manager") != FIELD_MANAGER and entry.get("subresource") != "status"
    ]
    near = [entry for entry in entries if f'"f:{leaf}"' in json.dumps(entry.get("fieldsV1", {}))]
    latest: Mapping[str, Any] = max(near or entries, key=lambda entry: str(entry.get("time", "")), default={})
    return str(latest.get("manager", ""))
