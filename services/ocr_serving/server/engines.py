"""The front's engine processes: one for each GPU, or one for the CPU, started again with back-off when they die.

Their listening sockets are the front's, so that a worker's connection made while an engine is down waits for the next one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from ocr_serving.engines.base import ModelSpec
from ocr_serving.engines.batching.board import Board
from ocr_serving.engines.batching.messages import EngineFailed, EngineReady, EngineSettings, EngineSpec, ModelOpened
from ocr_serving.engines.batching.remote import EngineAddress

log = logging.getLogger("ocr_serving.engines")

MAX_BACKOFF_S = 30.0
BACKLOG = 1024


@dataclass(eq=False)
class _Slot:
    number: int
    env: Mapping[str, str]
    listener: socket.socket
    process: subprocess.Popen[bytes] | None = None
    models: dict[ModelSpec, None] = field(default_factory=dict)


class Engines:
    """The engine processes of one service. Thread-safe."""

    def __init__(
        self, environments: Sequence[Mapping[str, str]], settings: EngineSettings, *, on_cpu: bool, log_format: str = "auto"
    ) -> None:
        """One for each of `environments`, the variables to set in its process; `on_cpu`: networks of the CPU run there too."""
        self._settings = settings
        self._log_format = log_format
        self.board = Board.new(len(environments))
        # Of mode 0700: nobody else reaches the sockets in it.
        self._folder = Path(tempfile.mkdtemp(prefix="ocr-serving-"))
        paths = tuple(str(self._folder / str(n)) for n in range(len(environments)))
        self.address = EngineAddress(paths, self.board.fd, on_cpu)
        self._slots = [_Slot(n, env, _listener(paths[n])) for n, env in enumerate(environments)]
        self._closing = threading.Event()
        self._restarts = 0
        self._threads = [
            threading.Thread(target=self._look_after, args=[slot], daemon=True, name=f"engine-{slot.number}")
            for slot in self._slots
        ]

    def start(self) -> None:
        """Start the processes; returns at once."""
        for thread in self._threads:
            thread.start()

    @property
    def ready(self) -> int:
        """How many are ready now."""
        return sum(self.board.get(slot.number, "ready") > 0 for slot in self._slots)

    @property
    def restarts(self) -> int:
        """How many died since the start."""
        return self._restarts

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids, 0 where there is none."""
        return tuple(slot.process.pid if slot.process else 0 for slot in self._slots)

    def close(self) -> None:
        """End them."""
        self._closing.set()
        for slot in self._slots:
            slot.listener.close()
            if slot.process is not None:
                slot.process.kill()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=5)
        os.close(self.board.fd)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _look_after(self, slot: _Slot) -> None:
        failures = 0
        while not self._closing.is_set():
            connection = self._spawn(slot)
            reason, was_ready = self._listen(slot, connection)
            self.board.set(slot.number, "ready", 0)
            self.board.set(slot.number, "outstanding", 0)
            self.board.set(slot.number, "waiting", 0)
            connection.close()
            assert slot.process is not None
            slot.process.kill()
            code = slot.process.wait()
            if self._closing.is_set():
                return
            failures = 1 if was_ready else failures + 1
            self._restarts += 1
            cause = reason or (f"signal {-code}" if code < 0 else f"exit code {code}")
            log.warning("engine process %d ended (%s); starting it again", slot.number, cause)
            if failures > 1:
                self._closing.wait(min(MAX_BACKOFF_S, 2.0 ** (failures - 2)))

    def _spawn(self, slot: _Slot) -> Connection:
        ours, theirs = socket.socketpair()
        inherited = [theirs.fileno(), slot.listener.fileno(), self.board.fd]
        with theirs:
            # A new interpreter, not a fork: CUDA must not have been touched before.
            slot.process = subprocess.Popen(
                [sys.executable, "-m", "ocr_serving.server.engine_process", str(theirs.fileno())],
                pass_fds=inherited,
                env={**os.environ, **slot.env},
                stdin=subprocess.DEVNULL,
            )
        connection = Connection(ours.detach())
        spec = EngineSpec(self._settings, slot.number, len(self._slots), self.board.fd, slot.listener.fileno(), tuple(slot.models))
        with contextlib.suppress(OSError):
            connection.send(self._log_format)
            connection.send(spec)
        return connection

    def _listen(self, slot: _Slot, connection: Connection) -> tuple[str | None, bool]:
        """Until it ends: the sentence it said, if any, and whether it was ready."""
        was_ready = False
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                return None, was_ready
            if isinstance(message, EngineFailed):
                return message.reason, was_ready
            if isinstance(message, ModelOpened):
                slot.models[message.model] = None
            was_ready |= isinstance(message, EngineReady)


def _listener(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(BACKLOG)
    return listener
