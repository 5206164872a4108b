"""The front's engine processes: one for each GPU, or one for the CPU, started again with back-off when they die.

Their listening sockets are the front's, so that a worker's connection made while an engine is down waits for the next one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from ocr_serving.engines.base import ModelSpec
from ocr_serving.engines.batching.board import Board
from ocr_serving.engines.batching.messages import EngineFailed, EngineReady, EngineSettings, EngineSpec, ModelOpened
from ocr_serving.engines.batching.remote import EngineAddress
from ocr_serving.server.supervisor import Ended, Slot, Supervisor

BACKLOG = 1024


class EnginePool:
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
        self._listeners = [_listener(path) for path in paths]
        # What to open before an engine that is started again is ready.
        self._models: list[dict[ModelSpec, None]] = [{} for _ in environments]
        self._supervisor = Supervisor(
            "engine",
            "ocr_serving.server.engine_main",
            environments,
            attend=self._attend,
            inherited=lambda slot: [self._listeners[slot.number].fileno(), self.board.fd],
        )

    def start(self) -> None:
        """Start the processes; returns at once."""
        self._supervisor.start()

    @property
    def ready(self) -> int:
        """How many are ready now."""
        return sum(self.board.get(slot.number, "ready") > 0 for slot in self._supervisor.slots)

    @property
    def restarts(self) -> int:
        """How many died since the start."""
        return self._supervisor.restarts

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids, 0 where there is none."""
        return self._supervisor.pids

    def close(self) -> None:
        """End them."""
        self._supervisor.closing.set()
        self._supervisor.kill()
        for listener in self._listeners:
            listener.close()
        self._supervisor.close()
        os.close(self.board.fd)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _attend(self, slot: Slot, sock: socket.socket) -> Ended:
        """Until it ends: the sentence it said, if any, and whether it was ready."""
        was_ready, models = False, self._models[slot.number]
        spec = EngineSpec(
            self._settings,
            slot.number,
            len(self._listeners),
            self.board.fd,
            self._listeners[slot.number].fileno(),
            tuple(models),
        )
        with Connection(sock.detach()) as connection:
            try:
                with contextlib.suppress(OSError):
                    connection.send(self._log_format)
                    connection.send(spec)
                while True:
                    message = connection.recv()
                    if isinstance(message, EngineFailed):
                        return Ended(message.reason, was_ready)
                    if isinstance(message, ModelOpened):
                        models[message.model] = None
                    was_ready |= isinstance(message, EngineReady)
            except (EOFError, OSError):
                return Ended(was_ready=was_ready)
            finally:
                for name in ("ready", "outstanding", "waiting"):
                    self.board.set(slot.number, name, 0)


def _listener(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(BACKLOG)
    return listener
