"""Where a process spends its CPU time: steps that may nest, each charged only for what its inner steps leave."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Clock:
    """CPU seconds of this process by step. For one thread."""

    def __init__(self, now: Callable[[], float] = time.process_time) -> None:
        """`now` tells the CPU seconds used so far."""
        self.seconds: dict[str, float] = {}
        self._now = now
        self._open: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Charge what is computed inside to `name`."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def timed(self, name: str, function: Callable[P, R]) -> Callable[P, R]:
        """`function`, each call of which is a step."""

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.step(name):
                return function(*args, **kwargs)

        return call

    def _charge(self) -> None:
        now = self._now()
        if self._open:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now
