"""Callers who mean no good: they hold connections and send nothing, half of something, or too much. Loopback only, bounded."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

HEAD = b"POST /predict/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@dataclass
class Attackers:
    """Open connections to a service on this machine."""

    port: int
    held: list[socket.socket] = field(default_factory=list)

    def hold(self, count: int, sends: bytes = b"") -> None:
        """Open so many connections, send so much on each, and stay."""
        for _ in range(count):
            caller = self.connect()
            if sends:
                with contextlib.suppress(OSError):
                    caller.sendall(sends)

    def connect(self) -> socket.socket:
        """Open one, and keep it."""
        caller = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.held.append(caller)
        return caller

    def say(self, sends: bytes) -> bytes:
        """Open one, send so much, and read what comes until the service hangs up."""
        caller = self.connect()
        with contextlib.suppress(OSError):
            caller.sendall(sends)
        return read(caller)

    def leave(self) -> None:
        """All at one moment."""
        for caller in self.held:
            caller.close()
        self.held.clear()


def read(caller: socket.socket) -> bytes:
    """All that comes until the other end hangs up."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := caller.recv(1 << 16):
            received += part
    return received


@contextlib.contextmanager
def attackers(port: int) -> Iterator[Attackers]:
    """Who leave when the block ends. The limit of open files is raised as far as it may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Attackers(port)
    try:
        yield crowd
    finally:
        crowd.leave()


def most(wanted: int) -> int:
    """So many connections, or as many as this process may open."""
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 4)
