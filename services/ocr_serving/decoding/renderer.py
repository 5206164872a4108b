"""The decoding process: renders pages and decodes what may cost anything, within a budget of memory and CPU time.

Started by `bounded.py` with the numbers of two descriptors, a socket and a memory file. What is over the budget kills it, as does a
crash of one of its libraries: that costs the page at hand, and whoever asked starts another.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ocr_serving.decoding import pdf, tiff
from ocr_serving.decoding.images import decoded
from ocr_serving.decoding.limits import Limits, Undecodable
from ocr_serving.decoding.messages import (
    Decode,
    Measure,
    Measured,
    Message,
    More,
    Open,
    Opened,
    Overlaid,
    Overlay,
    Pixels,
    Read,
    Refused,
    Words,
    Written,
    packed,
    unpacked,
)
from ocr_serving.errors import TooLargeError
from ocr_serving.searchable import overlay

KEPT_BYTES = 256 * 2**20
"""Resident memory that an idle decoding process may keep; above it, it ends, and the next file finds a new one."""


GROWTH, GROWTH_BYTES = 2, 64 * 2**20
"""What a PDF with words may have at most, in bytes of the file that was sent, and in bytes more."""


class Document(Protocol):
    """A file that is open."""

    def __len__(self) -> int: ...

    @property
    def broken(self) -> bool:
        """Whether there may have been more pages."""

    def page(self, number: int) -> pdf.Page | Refused:
        """One page."""

    def close(self) -> None:
        """Free what it holds."""


class Picture:
    """A file of one picture."""

    broken = False

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data, self._limits = data, limits

    def __len__(self) -> int:
        return 1

    def page(self, number: int) -> pdf.Page | Refused:  # noqa: ARG002  the protocol's
        """The picture."""
        try:
            found = decoded(self._data, self._limits)
        except TooLargeError as exc:
            return Refused("large", str(exc))
        return Refused("other", found.reason) if isinstance(found, Undecodable) else pdf.Page(found, smaller=False)

    def close(self) -> None:
        """Nothing to free."""


def opened(message: Open, data: bytes) -> Document | Refused:
    """The file as a document."""
    limits = Limits(**message.limits)
    if message.kind == "pdf":
        return pdf.opened(data, limits)
    return tiff.Pages(data, limits) if message.kind == "tiff" else Picture(data, limits)


class Renderer:
    """Answers one message after the other."""

    def __init__(self, connection: Connection, memory: int) -> None:
        self._connection, self._memory = connection, memory
        self._document: Document | None = None

    def run(self) -> None:
        """Answer until the other side hangs up."""
        while True:
            answer = self._answered(unpacked(self._received()))
            if isinstance(answer, Refused):
                answer = replace(answer, last=_keeps_too_much())
            if answer is not None:
                self._connection.send_bytes(packed(answer))
            if isinstance(answer, Pixels | Overlaid | Refused) and answer.last:
                return

    def _received(self) -> bytes:
        try:
            return self._connection.recv_bytes()
        except MemoryError:
            # The rest of it is still to come, and would be taken for messages. Whoever asked tells of memory what dies of a signal.
            os.abort()

    def _answered(self, message: Message) -> Message | None:
        begin = time.process_time()
        if isinstance(message, Open):
            data = self._received()
            self._close()
            with _cpu_time(message.seconds):
                return self._opened(message, data, begin)
        if isinstance(message, Decode):
            with _cpu_time(message.seconds):
                return self._page(message.page, begin)
        if isinstance(message, Read):
            with _cpu_time(message.seconds):
                return self._written(message.page, begin)
        if isinstance(message, Measure):
            with _cpu_time(message.seconds):
                return self._measured(message, begin)
        if isinstance(message, Overlay):
            with _cpu_time(message.seconds):
                return self._overlaid(message, begin)
        self._close()
        return None

    def _opened(self, message: Open, data: bytes, begin: float) -> Opened | Refused:
        try:
            found = opened(message, data)
            if isinstance(found, Refused):
                return found
            self._document = found
            return Opened(len(found), found.broken, time.process_time() - begin)
        except MemoryError:
            return Refused("memory", seconds=time.process_time() - begin)
        except Exception:  # noqa: BLE001  libraries raise many types on damaged files, and none is to cost the process
            return Refused("damaged", seconds=time.process_time() - begin)

    def _page(self, number: int, begin: float) -> Pixels | Refused:
        if self._document is None:
            return Refused("damaged")
        try:
            found = self._document.page(number)
            if isinstance(found, Refused):
                return found
            view = np.ascontiguousarray(found.image).data.cast("B")
            written = 0
            while written < len(view):
                written += os.pwrite(self._memory, view[written:], written)
            height, width = found.image.shape[:2]
            smaller, empty = found.smaller, found.empty
            del found, view
        except MemoryError:
            return Refused("memory", seconds=time.process_time() - begin)
        except Exception:  # noqa: BLE001  as above
            return Refused("damaged", seconds=time.process_time() - begin)
        return Pixels(height, width, smaller, empty, _keeps_too_much(), time.process_time() - begin)

    def _written(self, number: int, begin: float) -> Written | Refused:
        if not isinstance(self._document, pdf.Document):
            return Refused("damaged")
        try:
            return Written(asdict(self._document.written(number)), time.process_time() - begin)
        except MemoryError:
            return Refused("memory", seconds=time.process_time() - begin)

    def _measured(self, message: Measure, begin: float) -> Measured | Refused:
        if not isinstance(self._document, pdf.Document):
            return Refused("damaged")
        try:
            return Measured(self._document.units(message.first, message.most), time.process_time() - begin)
        except MemoryError:
            return Refused("memory", seconds=time.process_time() - begin)
        except Exception:  # noqa: BLE001  as above
            return Refused("damaged", seconds=time.process_time() - begin)

    def _overlaid(self, message: Overlay, begin: float) -> Overlaid | Refused:
        if not isinstance(self._document, pdf.Document):
            return Refused("damaged")
        try:
            os.ftruncate(self._memory, 0)
            data = self._document.data
            with _MemoryFile(self._memory, GROWTH * len(data) + GROWTH_BYTES) as out:
                overlay.write(data, message.title, self._pages(message.pages), out)
                size = out.tell()
            return Overlaid(size, _keeps_too_much(), time.process_time() - begin)
        except overlay.UnwritableError as exc:
            return Refused("unwritable", str(exc), time.process_time() - begin)
        except MemoryError:
            return Refused("memory", seconds=time.process_time() - begin)
        except Exception:  # noqa: BLE001  as above
            return Refused("damaged", seconds=time.process_time() - begin)

    def _pages(self, count: int) -> Iterator[overlay.PageText]:
        """The words of one page after the other."""
        for _ in range(count):
            self._connection.send_bytes(packed(More()))
            words = unpacked(self._received())
            assert isinstance(words, Words)
            yield overlay.PageText(*words.page)

    def _close(self) -> None:
        # Not after each page: to give memory back and take it again costs as much as to copy a page.
        os.ftruncate(self._memory, 0)
        if self._document is not None:
            self._document.close()
            self._document = None


class _MemoryFile(io.RawIOBase):
    """The memory file as one that is written; its bytes are not counted as memory of this process, so that they are here."""

    def __init__(self, memory: int, most: int) -> None:
        super().__init__()
        self._memory, self._most, self._at = memory, most, 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self._at + len(view) > self._most:
            most = f"{self._most // 2**20} MiB"
            raise overlay.UnwritableError(f"The PDF would have more than {most} with its words: {overlay.ANOTHER}.")
        written = os.pwrite(self._memory, view, self._at)
        self._at += written
        return written


@contextlib.contextmanager
def _cpu_time(seconds: float) -> Any:
    """Die by SIGPROF where what happens inside takes more than so many CPU seconds."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _keeps_too_much() -> bool:
    if _resident() > KEPT_BYTES:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
    return _resident() > KEPT_BYTES


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _end_with_the_other_side(socket: int) -> None:
    """Wait, beside whatever is being decoded, until nobody holds the other end any more, and leave."""
    hung_up = select.poll()
    hung_up.register(socket, 0)
    hung_up.poll()
    os._exit(0)


def confine(memory_mb: int) -> None:
    """From now on this process may take `memory_mb` MiB more than it has, leaves no core behind, and is the first that a machine
    short of memory takes.
    """
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = size + memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    # What bounds the data of the process that started this one is that one's own affair.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main(*words: str) -> None:
    """Be the decoding process: `words` are the descriptors of its socket and memory file, and its budget in MiB."""
    socket, memory, memory_mb = map(int, words)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_other_side, args=[socket], daemon=True).start()
    pdf.load()
    confine(memory_mb)
    with contextlib.suppress(EOFError, OSError):
        Renderer(Connection(socket), memory).run()
    os._exit(0)
