"""Messages between a worker and an engine process: the bytes lie in shared memory, a datagram says where.

Each end has an outbox, an anonymous memory file (memfd) whose descriptor the other gets with the first message that lies in it;
nothing is left in /dev/shm or on disk when a process dies. Requests and answers take turns, so an outbox is free again once the
other end has answered. Messages are pickled with their arrays out of band: an array that arrives is a view of the sender's memory.
Both ends are processes of one server, which reach each other through a socket in a folder that is the server's own.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import socket
import struct
from typing import Any

HEAD = struct.Struct("<QQ")
"""Bytes of the pickle, and how many buffers follow it."""

SPAN = struct.Struct("<QQ")
"""Where a buffer begins, and its bytes."""

ALIGNED = 64
SMALLEST = 1 << 20


class Channel:
    """One end of a connection; `sock` is of type SOCK_SEQPACKET. Used by one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over `sock`."""
        self._socket = sock
        self._outbox: mmap.mmap | None = None
        self._inbox: mmap.mmap | None = None

    def fileno(self) -> int:
        """The socket, for select and poll."""
        return self._socket.fileno()

    def send(self, message: Any) -> None:
        """Send a message. Raises OSError where the other end is gone."""
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        at = SPAN.size * len(views) + len(body)
        spans = []
        for view in views:
            at += -at % ALIGNED
            spans.append((at, view.nbytes))
            at += view.nbytes
        descriptors = self._make_room(at)
        outbox = self._outbox
        assert outbox is not None
        for n, span in enumerate(spans):
            SPAN.pack_into(outbox, n * SPAN.size, *span)
        outbox[SPAN.size * len(views) : SPAN.size * len(views) + len(body)] = body
        for (start, length), view in zip(spans, views, strict=True):
            outbox[start : start + length] = view
        try:
            socket.send_fds(self._socket, [HEAD.pack(len(body), len(views))], descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def receive(self) -> Any:
        """The next message; its arrays, read-only, hold until the next `send`. Raises EOFError, OSError."""
        head, descriptors, _, _ = socket.recv_fds(self._socket, HEAD.size, 1)
        if not head:
            raise EOFError
        if descriptors:
            # Arrays that still look at the old memory keep it.
            self._inbox = mmap.mmap(descriptors[0], 0, access=mmap.ACCESS_READ)
            os.close(descriptors[0])
        assert self._inbox is not None
        length, count = HEAD.unpack(head)
        view = memoryview(self._inbox)
        spans = [SPAN.unpack_from(view, n * SPAN.size) for n in range(count)]
        begin = SPAN.size * count
        return pickle.loads(view[begin : begin + length], buffers=[view[start : start + size] for start, size in spans])  # noqa: S301

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _make_room(self, size: int) -> list[int]:
        """An outbox of at least `size` bytes; the descriptor to send along where it is new."""
        if self._outbox is not None and len(self._outbox) >= size:
            return []
        size = max(SMALLEST, 1 << (size - 1).bit_length())
        descriptor = os.memfd_create("ocr-serving", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, size)
        # Shrunk, it would kill whoever reads it.
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self._outbox = mmap.mmap(descriptor, size)
        return [descriptor]
