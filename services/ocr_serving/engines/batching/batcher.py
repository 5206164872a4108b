"""The batcher: rows of many requests in, batches for one device out, each result back to who asked, in order.

No clock, no threads and no I/O of its own: whoever drives it passes the time in, so every behaviour can be tested.

When a batch goes: at once where the device has nothing to do; while it is busy, one that is full or whose oldest row has waited
`max_delay`, as long as fewer than `depth` batches are under way. Whose turn it is: each requester pays for a row with the pixels
of its bucket; the one that has had least chooses the bucket by its oldest row and the others fill it up row by row, again whoever
has had least first. One that comes anew starts a row behind the one that has had least. This is start-time fair queuing (Goyal, Vin
and Cheng, 1996), a deficit round robin whose turns are sorted: a page of 200 lines holds up a single line by no more than its
equal share.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_serving.engines.batching.buckets import Bucket
from ocr_serving.errors import FullError, LateError

Lane = tuple[str, Bucket]
"""Rows that can share a batch: those of one model and one bucket."""


@dataclass(eq=False)
class Row:
    """One row of a request: `payload` is the engine's business; `waited` are seconds until its batch was made."""

    payload: Any
    bucket: Bucket
    request: Request
    index: int
    waited: float = 0.0


@dataclass(eq=False)
class Request:
    """What was asked by `requester` at `since`, to be answered by `deadline`."""

    requester: Hashable
    model: str
    since: float
    deadline: float
    results: list[Any]
    number: int
    waiting: int = 0
    under_way: int = 0
    error: Exception | None = None
    cancelled: bool = False


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows to run together: at most `bucket.batch`, of one model."""

    model: str
    bucket: Bucket
    rows: Sequence[Row]

    @property
    def cost(self) -> int:
        """Pixels that are run."""
        return self.bucket.cost * len(self.rows)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The end of a request: what came out for each of its rows, in their order, or why nothing did."""

    request: Request
    results: Sequence[Any] = ()
    error: Exception | None = None


@dataclass(eq=False)
class _Requester:
    """The rows that one requester has waiting, and the pixels it has been served."""

    arrival: int
    spent: int
    lanes: dict[Lane, deque[Row]] = field(default_factory=dict)

    @property
    def turn(self) -> tuple[int, int]:
        return self.spent, self.arrival


class Batcher:
    """See above. Not thread-safe: whoever drives it holds a lock."""

    def __init__(self, *, max_delay: float = 0.005, max_rows: int = 16384, depth: int = 2) -> None:
        """`max_delay` in seconds; `max_rows` may wait; `depth` batches may be under way, one running and the next made ready."""
        self.max_delay = max_delay
        self.max_rows = max_rows
        self.depth = depth
        self.waiting = 0
        """Rows that wait for a batch."""
        self.outstanding = 0
        """Pixels that wait or are under way: how loaded this device is."""
        self._requesters: dict[Hashable, _Requester] = {}
        self._under_way: set[Batch] = set()
        self._requests: dict[Request, None] = {}
        self._answers: list[Outcome] = []
        self._numbers = itertools.count()

    def submit(
        self, requester: Hashable, model: str, rows: Sequence[tuple[Any, Bucket]], now: float, deadline: float = math.inf
    ) -> Request:
        """Queue a request of (payload, bucket) rows. Raises FullError where more rows would wait than may."""
        if self.waiting + len(rows) > self.max_rows:
            raise FullError(f"{self.waiting} rows wait for the engine already, and {len(rows)} more are too many: try again later.")
        request = Request(requester, model, now, deadline, [None] * len(rows), next(self._numbers), waiting=len(rows))
        if not rows:
            self._answers.append(Outcome(request, []))
            return request
        self._requests[request] = None
        queue = self._requesters.get(requester)
        if queue is None:
            # As if it had had its cheapest row: level with the one that has had least, newcomers without end would starve that one.
            ahead = min(bucket.cost for _, bucket in rows)
            level = min((other.spent + ahead for other in self._requesters.values()), default=0)
            self._requesters[requester] = queue = _Requester(next(self._numbers), level)
        for index, (payload, bucket) in enumerate(rows):
            queue.lanes.setdefault((model, bucket), deque()).append(Row(payload, bucket, request, index))
            self.outstanding += bucket.cost
        self.waiting += len(rows)
        return request

    def cancel(self, requester: Hashable) -> None:
        """Forget a requester that is gone: what waits is dropped, what is under way is run and answered to nobody."""
        for request in [request for request in self._requests if request.requester == requester]:
            request.cancelled = True
            self._drop(request)

    def next_batch(self, now: float) -> Batch | None:
        """The batch to run next, if it is time for one. Requests past their deadline are answered LateError first."""
        self._drop_late(now)
        if len(self._under_way) >= self.depth:
            return None
        lanes = self._lanes()
        due = lanes if not self._under_way else {lane: rows for lane, rows in lanes.items() if self._is_due(lane, rows, now)}
        if not due:
            return None
        first = min((queue for queue in self._requesters.values() if not due.keys().isdisjoint(queue.lanes)), key=_turn)
        # Of one request's lanes the fullest, so that padding is least.
        lane = min(due.keys() & first.lanes.keys(), key=lambda lane: (first.lanes[lane][0].request.number, -due[lane], lane))
        batch = Batch(*lane, self._taken(lane))
        for row in batch.rows:
            row.waited = now - row.request.since
            row.request.waiting -= 1
            row.request.under_way += 1
        self.waiting -= len(batch.rows)
        self._under_way.add(batch)
        return batch

    def finish(self, batch: Batch, outcome: Sequence[Any] | Exception) -> None:
        """Say what came of a batch: a result for each row, in order, or the error that all its requests fail with."""
        self._under_way.remove(batch)
        self.outstanding -= batch.cost
        if not isinstance(outcome, Exception) and len(outcome) != len(batch.rows):
            outcome = RuntimeError(f"The engine gave {len(outcome)} results for {len(batch.rows)} rows.")
        for n, row in enumerate(batch.rows):
            row.request.under_way -= 1
            if isinstance(outcome, Exception):
                row.request.error = row.request.error or outcome
            else:
                row.request.results[row.index] = outcome[n]
        for request in dict.fromkeys(row.request for row in batch.rows):
            if request.error is not None:
                self._drop(request)
            self._settle(request)

    def next_event(self, now: float) -> float | None:
        """When `next_batch` may do something it would not do now, all else being equal: a time from now on, or None."""
        times = [request.deadline for request in self._requests if request.waiting and request.deadline < math.inf]
        if len(self._under_way) < self.depth:
            lanes = self._lanes()
            if lanes and not self._under_way:
                return now
            for lane, rows in lanes.items():
                times.append(now if self._is_due(lane, rows, now) else self._oldest(lane) + self.max_delay)
        return max(now, min(times)) if times else None

    def answers(self) -> list[Outcome]:
        """Requests that ended since the last call, each once; never those of a requester that was cancelled."""
        ended, self._answers = self._answers, []
        return ended

    def _lanes(self) -> dict[Lane, int]:
        """How many rows wait in each lane."""
        counts: dict[Lane, int] = {}
        for queue in self._requesters.values():
            for lane, rows in queue.lanes.items():
                counts[lane] = counts.get(lane, 0) + len(rows)
        return counts

    def _is_due(self, lane: Lane, rows: int, now: float) -> bool:
        return rows >= lane[1].batch or now >= self._oldest(lane) + self.max_delay

    def _oldest(self, lane: Lane) -> float:
        return min(queue.lanes[lane][0].request.since for queue in self._requesters.values() if lane in queue.lanes)

    def _taken(self, lane: Lane) -> list[Row]:
        """Rows for a batch, by turns."""
        rows: list[Row] = []
        while len(rows) < lane[1].batch:
            queue = min((queue for queue in self._requesters.values() if lane in queue.lanes), key=_turn, default=None)
            if queue is None:
                break
            rows.append(queue.lanes[lane].popleft())
            queue.spent += lane[1].cost
            self._tidy(queue, lane)
        self._forget_idle()
        return rows

    def _drop_late(self, now: float) -> None:
        for request in [request for request in self._requests if request.waiting and now >= request.deadline]:
            request.error = request.error or LateError("The engine had no time for this request before its deadline.")
            self._drop(request)

    def _drop(self, request: Request) -> None:
        """Take what still waits of a request out of the queue; it ends once nothing of it is under way."""
        queue = self._requesters.get(request.requester)
        if queue is not None and request.waiting:
            for lane in list(queue.lanes):
                kept = deque(row for row in queue.lanes[lane] if row.request is not request)
                self.outstanding -= lane[1].cost * (len(queue.lanes[lane]) - len(kept))
                queue.lanes[lane] = kept
                self._tidy(queue, lane)
            self.waiting -= request.waiting
            request.waiting = 0
            self._forget_idle()
        self._settle(request)

    def _settle(self, request: Request) -> None:
        """Outcome a request of which nothing waits or is under way."""
        if request.waiting or request.under_way or request not in self._requests:
            return
        del self._requests[request]
        if not request.cancelled:
            self._answers.append(Outcome(request, () if request.error else request.results, request.error))

    @staticmethod
    def _tidy(queue: _Requester, lane: Lane) -> None:
        if not queue.lanes[lane]:
            del queue.lanes[lane]

    def _forget_idle(self) -> None:
        self._requesters = {who: queue for who, queue in self._requesters.items() if queue.lanes}


def _turn(queue: _Requester) -> tuple[int, int]:
    return queue.turn
