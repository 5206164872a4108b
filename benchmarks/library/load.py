"""Clients in a closed loop: each asks for the next page of one shared sequence as soon as it has an answer."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

PAUSE_S, LONGEST_PAUSE_S = 1.0, 5.0
"""Seconds until a refused client tries again: without Retry-After, and at most. A place may be free long before that says so, but
clients that ask every second are a load of their own."""

PATIENCE_S = 900.0
"""Seconds after which a page that is refused again counts as lost."""


class Outcome(StrEnum):
    """What became of a request: read; refused with a 503; or no answer, or one of another kind."""

    ANSWERED = "answered"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True)
class Reply:
    """What a server said: how many `lines` it read, when it asks to be tried again (seconds), why a page was `lost`."""

    outcome: Outcome
    lines: int = 0
    retry_after: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class Load:
    """What `clients` saw: wall-clock seconds from the first request to the last reply, latencies (s) by outcome."""

    clients: int
    seconds: float
    answered: tuple[float, ...]
    refused: tuple[float, ...] = ()
    lost: tuple[str, ...] = ()
    lines: int = 0

    @property
    def rate(self) -> float:
        """Pages answered in a second."""
        return len(self.answered) / self.seconds


def sequence(pages: int, least: int) -> list[int]:
    """The numbers of all pages, over and over in their order, as often as makes `least` requests."""
    return list(range(pages)) * max(1, math.ceil(least / pages))


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest of `values` that at least `share` (over 0, up to 1) of them do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1] if ordered else None


def drive(ask: Callable[[int], Reply], pages: Sequence[int], *, clients: int, step: Callable[[], object] = lambda: None) -> Load:
    """Have `clients` ask for `pages`, in order; `step` is called for each that is answered or lost.

    A page that is refused goes back to the head of the sequence, and the client pauses before it takes the next.
    What `ask` raises ends the run and is raised here.
    """
    shared = _Shared(ask, deque(pages), step)
    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(shared.client, begun + PATIENCE_S) for _ in range(clients)]
    seconds = time.perf_counter() - begun
    for client in running:
        client.result()
    return Load(clients, seconds, tuple(shared.answered), tuple(shared.refused), tuple(shared.lost), shared.lines)


@dataclass
class _Shared:
    """What the clients of one run have in common."""

    ask: Callable[[int], Reply]
    waiting: deque[int]
    step: Callable[[], object]
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    lines: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, patience: float) -> None:
        """Ask until nothing waits; `patience` is a time of perf_counter."""
        while True:
            with self.lock:
                if not self.waiting:
                    return
                page = self.waiting.popleft()
            begun = time.perf_counter()
            try:
                reply = self.ask(page)
            except BaseException:
                with self.lock:
                    self.waiting.clear()
                raise
            ended = time.perf_counter()
            if reply.outcome is Outcome.REFUSED and ended > patience:
                reply = Reply(Outcome.LOST, why=f"still refused after {PATIENCE_S:g} s")
            self._count(page, reply, ended - begun)
            if reply.outcome is Outcome.REFUSED:
                time.sleep(min(LONGEST_PAUSE_S, reply.retry_after or PAUSE_S))

    def _count(self, page: int, reply: Reply, seconds: float) -> None:
        with self.lock:
            if reply.outcome is Outcome.REFUSED:
                self.refused.append(seconds)
                self.waiting.appendleft(page)
                return
            if reply.outcome is Outcome.ANSWERED:
                self.answered.append(seconds)
                self.lines += reply.lines
            else:
                self.lost.append(reply.why)
            self.step()
