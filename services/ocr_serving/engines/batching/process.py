"""The engine process: owns the sessions of one device and runs what all workers ask of it, in batches.

Three threads: this one reads requests and writes answers; the feeder asks the batcher for the next batch and puts it together; the
device's alone touches the device. All share the batcher, under one lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from ocr_serving.engines.base import ModelSpec
from ocr_serving.engines.batching.batcher import Batch, Batcher, Outcome
from ocr_serving.engines.batching.board import Board
from ocr_serving.engines.batching.channel import Channel
from ocr_serving.engines.batching.device import Network, is_fatal, open_network
from ocr_serving.engines.batching.messages import (
    EngineFailed,
    EngineReady,
    EngineSpec,
    Fault,
    ModelOpened,
    Open,
    Opened,
    Results,
    Run,
    Unknown,
)
from ocr_serving.errors import ServingError
from ocr_serving.spans import Span

log = logging.getLogger("ocr_serving.engine")


@dataclass(frozen=True)
class _Ready:
    """A batch whose arrays are on the host, for the device."""

    batch: Batch
    network: Network
    arrays: Any


@dataclass(eq=False)
class _Traced:
    """A request that is traced: since when it waits, and the batches that it was in."""

    traceparent: str
    since_ns: int
    runs: list[Span] = field(default_factory=list)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Its wait for the first batch, and each run."""
        first = min((run.begin_ns for run in self.runs), default=self.since_ns)
        return (Span("wait", self.since_ns, first), *self.runs)


class EngineProcess:
    """One device, its networks and its batcher."""

    def __init__(self, spec: EngineSpec, owner: Connection) -> None:
        """Nothing is loaded yet; `owner` hears of every model that is."""
        self._spec = spec
        self._owner = owner
        self._board = Board(spec.board, spec.engines)
        self._batcher = Batcher(max_delay=spec.settings.max_delay)
        self._changed = threading.Condition()
        self._networks: dict[ModelSpec, Network] = {}
        self._names: dict[str, Network] = {}
        self._work: queue.SimpleQueue[_Ready | Callable[[], None]] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[tuple[Channel, Any]] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._broken = False
        self._traced: dict[Channel, _Traced] = {}
        """What is noted of the requests at hand that are traced."""

    def run(self) -> int:
        """Open what the spec names, say so, serve until the owner hangs up. The exit code of the process."""
        try:
            for model in self._spec.models:
                self._open(model)
        except ServingError as exc:
            self._owner.send(EngineFailed(str(exc)))
            return 1
        for name, work in (("feeder", self._feed), ("device", self._drive)):
            threading.Thread(target=self._for_ever, args=[work], daemon=True, name=name).start()
        self._note("ready", 1)
        self._owner.send(EngineReady())
        listener = socket.socket(fileno=self._spec.listener)
        listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            for readable in (listener, self._owner, self._wake):
                selector.register(readable, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._owner:
                        return 0
                    if key.fileobj is listener:
                        with contextlib.suppress(BlockingIOError):
                            channel = Channel(listener.accept()[0])
                            selector.register(channel, selectors.EVENT_READ)
                    elif key.fileobj == self._wake:
                        os.eventfd_read(self._wake)
                    elif isinstance(key.fileobj, Channel) and not self._read(key.fileobj):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
                self._reply()
                if self._broken:
                    return 3

    def _read(self, channel: Channel) -> bool:
        """Take one message; False where the worker is gone."""
        try:
            message = channel.receive()
        except (EOFError, OSError):
            self._traced.pop(channel, None)
            with self._changed:
                self._batcher.cancel(channel)
                self._note_load()
            return False
        if isinstance(message, Open):
            self._work.put(lambda: self._open_for(channel, message.model))
        elif isinstance(message, Run):
            self._submit(channel, message)
        return True

    def _submit(self, channel: Channel, message: Run) -> None:
        network = self._networks.get(message.model)
        if network is None:
            self._replies.put((channel, Unknown()))
            return
        rows = [(row, network.bucket(row)) for row in message.rows]
        if message.traceparent:
            self._traced[channel] = _Traced(message.traceparent, time.time_ns())
        try:
            with self._changed:
                self._batcher.submit(channel, repr(message.model), rows, time.monotonic(), message.deadline)
                self._note_load()
                self._changed.notify()
        except ServingError as exc:
            self._replies.put((channel, Fault.of(exc)))

    def _reply(self) -> None:
        """Send what is ready to be sent."""
        with self._changed:
            answers = self._batcher.answers()
        for answer in answers:
            assert isinstance(answer.request.requester, Channel)
            _send(answer.request.requester, _said(answer, self._traced.pop(answer.request.requester, None)))
        with contextlib.suppress(queue.Empty):
            while True:
                _send(*self._replies.get_nowait())

    def _for_ever(self, work: Callable[[], None]) -> None:
        """A thread of this process, without which it would take requests and answer none: it does not outlive it."""
        try:
            work()
        except Exception:
            log.exception("the thread %s failed", threading.current_thread().name)
        finally:
            self._broken = True
            self._notify_io()

    def _feed(self) -> None:
        """Put batches together as the batcher gives them."""
        while True:
            with self._changed:
                while (batch := self._batcher.next_batch(time.monotonic())) is None:
                    self._notify_io()  # a request may have been dropped for its deadline
                    at = self._batcher.next_event(time.monotonic())
                    self._changed.wait(None if at is None else max(0.0, at - time.monotonic()))
                network = self._names[batch.model]
                self._board.observe_batch(self._spec.number, [row.waited for row in batch.rows])
                self._note_load()
            try:
                arrays = network.assemble(batch.bucket, [row.payload for row in batch.rows])
            except Exception as exc:
                log.exception("a batch could not be put together")
                self._finish(batch, exc)
                continue
            self._work.put(_Ready(batch, network, arrays))

    def _drive(self) -> None:
        """The device's thread."""
        while True:
            work = self._work.get()
            if not isinstance(work, _Ready):
                work()
                continue
            payloads = [row.payload for row in work.batch.rows]
            started, started_ns = time.monotonic(), time.time_ns()
            outcome: Any
            try:
                outcome = work.network.run(work.batch.bucket, work.arrays, payloads)
            except Exception as exc:
                if not isinstance(exc, ServingError):
                    log.exception("a batch failed", extra={"traces": self._traces(work.batch)} if self._traced else None)
                outcome = exc
                self._broken |= is_fatal(exc)
            self._board.add(self._spec.number, "busy_seconds", time.monotonic() - started)
            if self._traced:
                self._trace(work.batch, started_ns)
            asked, run = work.network.pixels(work.batch.bucket, work.arrays, payloads)
            self._board.add(self._spec.number, "row_pixels", asked)
            self._board.add(self._spec.number, "batch_pixels", run)
            if not work.network.is_warm(work.batch.bucket):
                self._board.add(self._spec.number, "unwarmed")
            self._finish(work.batch, outcome)

    def _trace(self, batch: Batch, started_ns: int) -> None:
        """Note the run of `batch` for those of its requests that are traced."""
        own = Counter(row.request.requester for row in batch.rows)
        for channel, count in own.items():
            traced = self._traced.get(channel) if isinstance(channel, Channel) else None
            if traced is not None:
                attributes = {"ocr.rows": count, "ocr.batch_rows": len(batch.rows)}
                traced.runs.append(Span("run", started_ns, time.time_ns(), attributes=attributes))

    def _traces(self, batch: Batch) -> list[str]:
        """The traces that a batch is a part of."""
        found = {self._traced.get(row.request.requester) for row in batch.rows if isinstance(row.request.requester, Channel)}
        return sorted(traced.traceparent for traced in found if traced is not None)

    def _finish(self, batch: Batch, outcome: Any) -> None:
        with self._changed:
            self._batcher.finish(batch, outcome)
            self._note_load()
            self._changed.notify()
        self._notify_io()

    def _open(self, model: ModelSpec) -> Network:
        if model not in self._networks:
            network = open_network(model, self._spec.settings)
            self._names[repr(model)] = network
            self._networks[model] = network
            self._owner.send(ModelOpened(model))
        return self._networks[model]

    def _open_for(self, channel: Channel, model: ModelSpec) -> None:
        try:
            network = self._open(model)
            said: Any = Opened(network.name, dict(network.metadata))
        except Exception as exc:
            if not isinstance(exc, ServingError):
                log.exception("%s cannot be opened", model.path)
            said = Fault.of(exc)
        self._replies.put((channel, said))
        self._notify_io()

    def _note(self, name: str, value: float) -> None:
        self._board.set(self._spec.number, name, value)

    def _note_load(self) -> None:
        self._note("outstanding", self._batcher.outstanding)
        self._note("waiting", self._batcher.waiting)

    def _notify_io(self) -> None:
        os.eventfd_write(self._wake, 1)


def _said(answer: Outcome, traced: _Traced | None) -> Any:
    if answer.error is not None:
        return Fault.of(answer.error)
    return Results(answer.results) if traced is None else Results(answer.results, traced.spans)


def _send(channel: Channel, message: Any) -> None:
    # A worker that is gone is noticed when its channel is read.
    with contextlib.suppress(OSError):
        channel.send(message)
