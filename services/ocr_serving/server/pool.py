"""The front's pool of worker processes, fed from one bounded queue.

One thread of the front looks after each worker: it starts the process, hands it one job at a time, ends it when a job
outlives its deadline, and starts it anew, with back-off, when it dies. A death costs the job it happened on; a job that
never reached the dead worker goes back to the head of the queue.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

from ocr_serving.server.messages import Done, Failed, Ready, Task, WorkerSpec

log = logging.getLogger("ocr_serving.pool")

MAX_BACKOFF_S = 30.0


class FullError(Exception):
    """The queue is full, or nothing can be answered yet; try again in `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: int) -> None:
        """`reason` is a sentence for the caller."""
        super().__init__(reason)
        self.retry_after = retry_after


class LostError(Exception):
    """The worker died on the job."""


class GoneError(Exception):
    """Nobody waits for the answer any more."""


class LateError(Exception):
    """The job was not done by its deadline."""


@dataclass(eq=False)
class Job:
    """A task in the queue. `deadline` is on the monotonic clock; `wanted` says whether anybody still waits for the answer."""

    task: Task
    deadline: float
    wanted: Callable[[], bool] = lambda: True
    queued: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    future: Future[Done] = field(default_factory=Future)


@dataclass(frozen=True)
class PoolState:
    """A snapshot: how many workers there should be, are ready, are busy; jobs waiting; process ids (0 where there is none)."""

    workers: int
    ready: int
    busy: int
    waiting: int
    max_queue: int
    restarts: int
    pids: tuple[int, ...]
    loaded_once: bool


@dataclass(eq=False)
class _Slot:
    number: int
    env: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    busy: bool = False


class Pool:
    """N worker processes and the queue before them. Thread-safe."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        environments: Sequence[Mapping[str, str]],
        max_queue: int,
        timeout_s: float,
        on_ready: Callable[[Mapping[str, Mapping[str, Any]]], None],
        on_fatal: Callable[[str], None],
    ) -> None:
        """One worker for each of `environments`, the variables to set in its process.

        `on_ready` gets the modules' descriptions once all workers are ready for the first time; `on_fatal` a sentence where one
        cannot load at the start. Both are called from a thread of the pool.
        """
        self._spec = spec
        self._slots = [_Slot(n, env) for n, env in enumerate(environments)]
        self._max_queue = max_queue
        self._timeout_s = timeout_s
        self._on_ready = on_ready
        self._on_fatal = on_fatal
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._restarts = 0
        self._loaded_once = False
        self._mean_seconds = 1.0
        self._threads = [
            threading.Thread(target=self._look_after, args=[slot], daemon=True, name=f"worker-{slot.number}")
            for slot in self._slots
        ]

    def start(self) -> None:
        """Start the processes; returns at once."""
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, *, wanted: Callable[[], bool] = lambda: True) -> Job:
        """Queue a task; its future gets a Done, or LostError, LateError or GoneError. Raises FullError."""
        now = time.monotonic()
        with self._changed:
            if self._closing.is_set():
                raise FullError("The service is stopping.", 1)
            if not self._loaded_once:
                raise FullError("The models are still loading.", 2)
            if len(self._jobs) + self._busy() >= len(self._slots) + self._max_queue:
                raise FullError(f"{len(self._jobs)} requests are waiting already, as many as may (max_queue).", self._retry_after())
            job = Job(task, now + self._timeout_s, wanted, queued=now)
            self._jobs.append(job)
            self._changed.notify()
        return job

    def state(self) -> PoolState:
        """How things stand now."""
        with self._changed:
            return PoolState(
                workers=len(self._slots),
                ready=sum(slot.ready for slot in self._slots),
                busy=self._busy(),
                waiting=len(self._jobs),
                max_queue=self._max_queue,
                restarts=self._restarts,
                pids=tuple(slot.process.pid if slot.process else 0 for slot in self._slots),
                loaded_once=self._loaded_once,
            )

    def close(self) -> None:
        """Hang up on all workers, which then end; jobs still queued fail with FullError."""
        self._closing.set()
        with self._changed:
            waiting, self._jobs = self._jobs, deque()
            self._changed.notify_all()
        for job in waiting:
            job.future.set_exception(FullError("The service is stopping.", 1))
        for thread in self._threads:
            thread.join(timeout=5)
        for slot in self._slots:
            if slot.process and slot.process.poll() is None:
                slot.process.kill()

    def _busy(self) -> int:
        return sum(slot.busy for slot in self._slots)

    def _retry_after(self) -> int:
        ahead = (len(self._jobs) + 1) / len(self._slots)
        return int(min(60, max(1, round(ahead * self._mean_seconds))))

    def _look_after(self, slot: _Slot) -> None:
        failures = 0
        while not self._closing.is_set():
            connection = self._spawn(slot)
            reason = self._load(slot, connection)
            if reason is None:
                failures = 0
                self._serve(slot, connection)
            elif not self._loaded_once and not self._closing.is_set():
                self._on_fatal(reason)
                return
            self._reap(slot, connection)
            if self._closing.is_set():
                return
            failures += 1
            with self._changed:
                self._restarts += 1
            log.warning("worker %d ended (%s); starting it again", slot.number, reason or self._cause(slot))
            if failures > 1:
                self._closing.wait(min(MAX_BACKOFF_S, 2.0 ** (failures - 2)))

    def _spawn(self, slot: _Slot) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            # A new interpreter, not a fork: nothing of the front's threads, sockets or (later) CUDA state comes along.
            slot.process = subprocess.Popen(
                [sys.executable, "-m", "ocr_serving.server.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno(), *([self._spec.engines.board] if self._spec.engines else [])],
                env={**os.environ, **slot.env},
                stdin=subprocess.DEVNULL,
            )
        return Connection(ours.detach())

    def _load(self, slot: _Slot, connection: Connection) -> str | None:
        """Wait until the worker is ready; a sentence where it cannot be."""
        try:
            connection.send(self._spec)
            while not connection.poll(0.5):
                if self._closing.is_set():
                    return "The service is stopping."
            hello = connection.recv()
        except (EOFError, OSError):
            return f"A worker died while loading ({self._cause(slot)})."
        if isinstance(hello, Failed):
            return hello.reason
        assert isinstance(hello, Ready)
        with self._changed:
            slot.ready = True
            first = not self._loaded_once and all(other.ready for other in self._slots)
            self._loaded_once |= first
        if first:
            self._on_ready(hello.modules)
        return None

    def _serve(self, slot: _Slot, connection: Connection) -> None:
        """Hand over jobs until the worker is lost or the pool closes."""
        while (job := self._next(slot)) is not None:
            job.waited = time.monotonic() - job.queued
            try:
                connection.send(replace(job.task, deadline=job.deadline))
            except OSError:
                self._put_back(slot, job)
                return
            try:
                if not connection.poll(max(0.0, job.deadline - time.monotonic())):
                    self._finish(slot, job, error=LateError(f"The prediction took longer than {self._timeout_s:g} s (timeout_s)."))
                    return
                done: Done = connection.recv()
            except (EOFError, OSError):
                self._finish(
                    slot, job, error=LostError(f"The worker process died on this request ({self._cause(slot)}); the others go on.")
                )
                return
            self._finish(slot, job, done=done)

    def _next(self, slot: _Slot) -> Job | None:
        """The next job that is still wanted; None when the worker is gone or the pool closes."""
        assert slot.process is not None
        while True:
            with self._changed:
                while not self._jobs:
                    # The time-out is for noticing a worker that dies while idle.
                    self._changed.wait(timeout=1.0)
                    if self._closing.is_set() or slot.process.poll() is not None:
                        return None
                job = self._jobs.popleft()
                slot.busy = True
            if time.monotonic() > job.deadline:
                self._finish(slot, job, error=LateError(f"No worker was free within {self._timeout_s:g} s (timeout_s)."))
            elif not job.wanted():
                self._finish(slot, job, error=GoneError("The caller hung up before the prediction began."))
            else:
                return job

    def _put_back(self, slot: _Slot, job: Job) -> None:
        with self._changed:
            slot.busy = False
            self._jobs.appendleft(job)
            self._changed.notify()

    def _finish(self, slot: _Slot, job: Job, *, done: Done | None = None, error: Exception | None = None) -> None:
        with self._changed:
            slot.busy = False
            if done is not None:
                self._mean_seconds += 0.1 * (done.seconds - self._mean_seconds)
        if done is not None:
            job.future.set_result(done)
        else:
            job.future.set_exception(error)

    def _reap(self, slot: _Slot, connection: Connection) -> None:
        with self._changed:
            slot.ready = False
        connection.close()
        if slot.process is not None:
            if not self._closing.is_set():
                slot.process.kill()
            slot.process.wait()

    @staticmethod
    def _cause(slot: _Slot) -> str:
        assert slot.process is not None
        try:
            code = slot.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it hung up"
        return f"signal {-code}" if code < 0 else f"exit code {code}"
