"""An event loop in which hours pass in the time that the work itself takes: where all wait, its clock goes on to the next timer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing from outside, such as a socket, is waited for in it."""

    def __init__(self) -> None:
        """Begins at 1,000 s."""
        self.now = 1000.0
        super().__init__()

    def time(self) -> float:
        """Seconds, by the loop's own clock."""
        return self.now

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready and scheduled:
            self.now = max(self.now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


def run(main: Coroutine[Any, Any, Answer]) -> Answer:
    """As asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
