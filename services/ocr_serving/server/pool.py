"""The front's pool of worker processes, fed from one bounded queue.

One thread of the front attends to each worker: it hands it one job at a time and gives up on it when a job outlives its deadline,
upon which the supervisor starts it anew. A death costs the job it happened on; a job that never reached the dead worker goes back
to the head of the queue.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from ocr_serving import machine
from ocr_serving.errors import CrashedError, FullError, GoneError, LateError, ServingError
from ocr_serving.server.fair import FairQueue
from ocr_serving.server.messages import Done, Failed, Ready, Task, WorkerSpec
from ocr_serving.server.pipe import Pipe
from ocr_serving.server.supervisor import Ended, Slot, Supervisor

log = logging.getLogger("ocr_serving.pool")

GRACE_S = 0.5
"""How long after its deadline an answer that is already being sent may still arrive."""


@dataclass(eq=False)
class Job:
    """A task in the queue. `deadline` is on the monotonic clock; `wanted` says whether anybody still waits for the answer."""

    task: Task
    deadline: float
    wanted: Callable[[], bool] = lambda: True
    caller: str = ""
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
    replaced: int
    pids: tuple[int, ...]
    loaded_once: bool


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
        self._max_queue = max_queue
        self._timeout_s = timeout_s
        self._on_ready = on_ready
        self._on_fatal = on_fatal
        self._jobs: FairQueue[Job] = FairQueue()
        self._changed = threading.Condition()
        self._ready: set[int] = set()
        self._busy: set[int] = set()
        self._loaded_once = False
        self._mean_seconds = 1.0
        self._supervisor = Supervisor(
            "worker",
            "ocr_serving.server.worker",
            environments,
            attend=self._attend,
            inherited=lambda _: [*([spec.engines.board] if spec.engines else []), *([spec.idle.fd] if spec.idle else [])],
            on_unready=self._give_up,
        )

    def start(self) -> None:
        """Start the processes; returns at once."""
        self._supervisor.start()

    @property
    def loaded_once(self) -> bool:
        """Whether all workers have been ready at one time."""
        return self._loaded_once

    def admit(self, caller: str = "") -> None:
        """Raises FullError where a task of this caller would not be taken now."""
        with self._changed:
            self._admit(caller)

    def submit(self, task: Task, *, caller: str = "", wanted: Callable[[], bool] = lambda: True) -> Job:
        """Queue a task; its future gets a Done, or CrashedError, LateError or GoneError. Raises FullError."""
        now = time.monotonic()
        with self._changed:
            self._admit(caller)
            job = Job(task, now + self._timeout_s, wanted, caller, queued=now)
            self._jobs.put(caller, job)
            self._changed.notify()
        return job

    def state(self) -> PoolState:
        """How things stand now."""
        supervisor = self._supervisor
        with self._changed:
            return PoolState(
                workers=len(supervisor.slots),
                ready=sum(machine.is_running(supervisor.slots[number].pid) for number in self._ready),
                busy=len(self._busy),
                waiting=len(self._jobs),
                max_queue=self._max_queue,
                restarts=supervisor.restarts,
                replaced=supervisor.replaced,
                pids=supervisor.pids,
                loaded_once=self._loaded_once,
            )

    def kill(self) -> None:
        """End all workers at once."""
        self._supervisor.kill()

    def close(self) -> None:
        """Hang up on all workers, which then end; jobs still queued fail with FullError."""
        self._supervisor.closing.set()
        with self._changed:
            waiting = self._jobs.clear()
            self._changed.notify_all()
        for job in waiting:
            job.future.set_exception(FullError("The service is stopping.", 1))
        self._supervisor.close()

    def _admit(self, caller: str) -> None:
        if self._supervisor.closing.is_set():
            raise FullError("The service is stopping.", 1)
        if not self._loaded_once:
            raise FullError("The models are still loading.", 2)
        waiting = len(self._jobs)
        # Who has nothing here finds some more places, so that those who fill the queue do not keep all others out.
        spare = 0 if self._jobs.held(caller) else -(-self._max_queue // 4)
        if waiting + len(self._busy) >= len(self._supervisor.slots) + self._max_queue + spare:
            raise FullError(f"{waiting} requests are waiting already, as many as may (max_queue).", self._retry_after())

    def _retry_after(self) -> int:
        ahead = (len(self._jobs) + 1) / len(self._supervisor.slots)
        return int(min(60, max(1, round(ahead * self._mean_seconds))))

    def _give_up(self, reason: str) -> bool:
        """A worker that cannot load at the start will not later; one that could once, may again."""
        if self._loaded_once or self._supervisor.closing.is_set():
            return False
        self._on_fatal(reason)
        return True

    def _attend(self, slot: Slot, sock: socket.socket) -> Ended:
        pipe = Pipe(sock)
        try:
            reason = self._load(slot, pipe)
            return Ended(reason) if reason else self._serve(slot, pipe)
        finally:
            with self._changed:
                self._ready.discard(slot.number)

    def _load(self, slot: Slot, pipe: Pipe) -> str:
        """Wait until the worker is ready; a sentence where it cannot be."""
        closing = self._supervisor.closing
        try:
            pipe.send(replace(self._spec, idle=self._spec.idle and replace(self._spec.idle, worker=slot.number)))
            while not pipe.has_message(0.5):
                if closing.is_set():
                    return "The service is stopping."
            hello = pipe.receive()
        except (EOFError, OSError):
            return f"A worker died while loading ({slot.cause()})."
        if isinstance(hello, Failed):
            return hello.reason
        assert isinstance(hello, Ready)
        with self._changed:
            self._ready.add(slot.number)
            first = not self._loaded_once and len(self._ready) == len(self._supervisor.slots)
            self._loaded_once |= first
        if first:
            self._on_ready(hello.modules)
        return ""

    def _serve(self, slot: Slot, pipe: Pipe) -> Ended:
        """Hand over jobs until the worker is lost or has grown too large, or the pool closes."""
        share = self._share(slot.pid)
        while (job := self._next(slot)) is not None:
            try:
                ended = self._exchange(slot, pipe, job, share)
            except BaseException:
                # Somebody waits for it.
                self._finish(slot, job, error=CrashedError("The request was lost by a fault of ours; the server's log says why."))
                raise
            if ended is not None:
                return ended
        return Ended(was_ready=True)

    def _exchange(self, slot: Slot, pipe: Pipe, job: Job, share: int | None) -> Ended | None:
        """One job to the worker and its answer back; how the worker ended, if it did."""
        job.waited = time.monotonic() - job.queued
        try:
            pipe.send(replace(job.task, deadline=job.deadline), job.deadline)
        except TimeoutError:
            # What is stopped, or swapped out, does not even read; that is none of the request's fault.
            self._finish(slot, job, error=LateError(f"No worker was free within {self._timeout_s:g} s (timeout_s)."))
            return Ended("it did not take a request in time", was_ready=True)
        except OSError:
            self._put_back(slot, job)
            return Ended(was_ready=True)
        try:
            done: Done = pipe.receive(job.deadline + GRACE_S)
        except TimeoutError:
            reason = f"The prediction took longer than {self._timeout_s:g} s (timeout_s): send less in one request."
            self._finish(slot, job, error=LateError(reason, retry_after=None))
            return Ended("a prediction took longer than timeout_s", was_ready=True)
        except (EOFError, OSError):
            reason = f"The worker process died on this request ({slot.cause()}); the others go on."
            self._finish(slot, job, error=CrashedError(reason))
            return Ended(was_ready=True)
        self._finish(slot, job, done=done)
        if share is not None and done.resident > share:
            log.info("worker %d kept %d MiB after an answer; a fresh one takes its place", slot.number, done.resident >> 20)
            return Ended(was_ready=True, planned=True)
        return None

    def _share(self, pid: int) -> int | None:
        """Bytes a worker may keep between requests: what it had once it was ready, and what is planned for each."""
        return None if self._spec.memory is None else machine.resident_bytes(pid) + machine.WORKER_BYTES

    def _next(self, slot: Slot) -> Job | None:
        """The next job that is still wanted; None when the worker is gone or the pool closes."""
        assert slot.process is not None
        while True:
            with self._changed:
                while not len(self._jobs):
                    # The time-out is for noticing a worker that dies while idle.
                    self._changed.wait(timeout=1.0)
                    if self._supervisor.closing.is_set() or slot.process.poll() is not None:
                        return None
                job = self._jobs.take()
                self._busy.add(slot.number)
            if time.monotonic() > job.deadline:
                self._finish(slot, job, error=LateError(f"No worker was free within {self._timeout_s:g} s (timeout_s)."))
            elif not job.wanted():
                self._finish(slot, job, error=GoneError("The caller hung up before the prediction began."))
            else:
                return job

    def _put_back(self, slot: Slot, job: Job) -> None:
        with self._changed:
            self._busy.discard(slot.number)
            self._jobs.put_back(job.caller, job)
            self._changed.notify()

    def _finish(self, slot: Slot, job: Job, *, done: Done | None = None, error: ServingError | None = None) -> None:
        if job.future.done():
            return
        with self._changed:
            self._busy.discard(slot.number)
            self._jobs.done(job.caller)
            if done is not None:
                self._mean_seconds += 0.1 * (done.seconds - self._mean_seconds)
        if done is not None:
            job.future.set_result(done)
        else:
            job.future.set_exception(error)
