"""Figures that engine processes write and others read, in memory they share: no message has to be sent for them.

A row of float64 for each engine. It belongs to the server's front and outlives an engine that dies, so counters only rise.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence

import numpy as np

BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 96)
WAIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of the histograms."""

GAUGES = ("ready", "outstanding", "waiting")
COUNTERS = ("busy_seconds", "unwarmed", "row_pixels", "batch_pixels", "rows", "wait_seconds")
BATCHES = tuple(f"batch_{n}" for n in range(len(BATCH_ROWS) + 1))
WAITS = tuple(f"wait_{n}" for n in range(len(WAIT_SECONDS) + 1))
COLUMNS: Mapping[str, int] = {name: n for n, name in enumerate((*GAUGES, *COUNTERS, *BATCHES, *WAITS))}


class Board:
    """The rows of all engines. One process writes a row, any may read it: each figure is 8 bytes, written at once."""

    def __init__(self, fd: int, engines: int) -> None:
        """Map the memory of `fd`, which stays the caller's."""
        self.fd = fd
        self.engines = engines
        self._table = np.frombuffer(mmap.mmap(fd, engines * len(COLUMNS) * 8), np.float64).reshape(engines, len(COLUMNS))

    @classmethod
    def new(cls, engines: int) -> Board:
        """One of zeros, in new memory."""
        fd = os.memfd_create("ocr-serving-board")
        os.ftruncate(fd, engines * len(COLUMNS) * 8)
        return cls(fd, engines)

    def get(self, engine: int, name: str) -> float:
        """A figure of an engine."""
        return float(self._table[engine, COLUMNS[name]])

    def set(self, engine: int, name: str, value: float) -> None:
        """Write a figure."""
        self._table[engine, COLUMNS[name]] = value

    def add(self, engine: int, name: str, value: float = 1.0) -> None:
        """Raise a counter."""
        self._table[engine, COLUMNS[name]] += value

    def observe_batch(self, engine: int, waits: Sequence[float]) -> None:
        """Count a batch of rows that waited so many seconds each."""
        self.add(engine, BATCHES[int(np.searchsorted(BATCH_ROWS, len(waits)))])
        self.add(engine, "rows", len(waits))
        for wait in waits:
            self.add(engine, WAITS[int(np.searchsorted(WAIT_SECONDS, wait))])
            self.add(engine, "wait_seconds", wait)
