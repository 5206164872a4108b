"""Messages over a socket between the front and a process of its own, each sent and received by a deadline.

`multiprocessing.connection` writes without one: a peer that is stopped and does not read holds up its sender for ever.
"""

from __future__ import annotations

import math
import pickle
import select
import socket
import struct
import time
from typing import Any

HEAD = struct.Struct("<Q")
"""Bytes of the pickle that follows."""


class Pipe:
    """One end. Both are processes of one service, which trust each other's pickles. Used by one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over `sock`, a connected stream."""
        self._socket = sock

    def fileno(self) -> int:
        """The socket, for select and poll."""
        return self._socket.fileno()

    def send(self, message: Any, deadline: float = math.inf) -> None:
        """Send by `deadline`, on the monotonic clock. Raises TimeoutError, after which the pipe is of no more use, and OSError."""
        body = pickle.dumps(message, protocol=5)
        for part in (HEAD.pack(len(body)), body):
            self._limit(deadline)
            self._socket.sendall(part)

    def receive(self, deadline: float = math.inf) -> Any:
        """The next message. Raises EOFError where the other end is gone, TimeoutError and OSError as `send`."""
        (size,) = HEAD.unpack(self._read(HEAD.size, deadline))
        return pickle.loads(self._read(size, deadline))  # noqa: S301

    def has_message(self, timeout: float) -> bool:
        """Whether something, or the end, can be read within so many seconds."""
        return bool(select.select([self._socket], [], [], max(0.0, timeout))[0])

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _read(self, size: int, deadline: float) -> bytearray:
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            self._limit(deadline)
            count = self._socket.recv_into(view[at:])
            if not count:
                raise EOFError
            at += count
        return data

    def _limit(self, deadline: float) -> None:
        # At least a moment: zero would mean not to block, and say something else than TimeoutError.
        self._socket.settimeout(None if deadline == math.inf else max(0.001, deadline - time.monotonic()))
