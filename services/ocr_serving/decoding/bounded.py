"""The decoding process as seen by those who need it: one for each process that decodes, started with the first file that needs it.

Whatever a file does there costs its own page: the process dies of it, within the budget of `Limits.page_memory_mb` and
`Limits.page_timeout_s`, and the next page finds a new one. It cannot outlive whoever started it: it ends when its socket does.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import numpy as np

from ocr_serving import machine
from ocr_serving.decoding import pdf_words
from ocr_serving.decoding.limits import Allowance, Limits
from ocr_serving.decoding.messages import (
    Close,
    Decode,
    Kind,
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
from ocr_serving.decoding.pixels import Image
from ocr_serving.errors import UnavailableError
from ocr_serving.searchable.overlay import PageText

WALL = 4
"""Seconds of the clock allowed for a second of CPU time: other processes want the cores too."""

WALL_LEAST = 30
"""Seconds of the clock that are always allowed: CPU time ends what computes, the clock only what stands still."""

START_SECONDS = 60
"""Seconds of the clock allowed for the start of the process, on a machine that is busy starting everything else."""

START = "import sys; sys.path.append(sys.argv.pop(1)); from ocr_serving.decoding import renderer; renderer.main(*sys.argv[1:])"
"""What the process runs, with -P: whoever runs `predict` among files of strangers must not import them. Where this package lies is
told, as it may have been found by way of a folder that another start would not look into."""


@dataclass(frozen=True)
class Decoded:
    """A picture, or a page; whether it is smaller than `pdf_dpi` asks for, and of one colour though it has content."""

    image: Image
    smaller: bool = False
    empty: bool = False


class DecodingProcess:
    """The process, or none as long as nobody needs one. Thread-safe: one file at a time."""

    def __init__(self, memory_mb: int) -> None:
        """One that may take `memory_mb` MiB for a file."""
        self.memory_mb = memory_mb
        self.lock = threading.RLock()
        self.started = 0
        self.holder: File | None = None
        """Whose file is open in it: where one file is read while another is, each is opened again."""
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._memory = -1

    @property
    def pid(self) -> int | None:
        """Its process id, where it runs."""
        return self._process.pid if self._process is not None else None

    def ask(self, message: Message, data: bytes | None, seconds: float, pages: Iterable[PageText] = ()) -> Message:
        """Its answer; `Refused` where it died of the question. `pages` are what it is given one after the other where it asks for
        more. Raises UnavailableError where it cannot run here now.
        """
        if self._connection is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send_bytes(packed(message))
            if data is not None:
                self._connection.send_bytes(data)
            until = time.monotonic() + max(WALL * seconds, WALL_LEAST) + START_SECONDS * (data is not None)
            following = iter(pages)
            while self._connection.poll(max(0.0, until - time.monotonic())):
                answer = unpacked(self._connection.recv_bytes())
                if isinstance(answer, More) and (page := next(following, None)) is not None:
                    self._connection.send_bytes(packed(Words(list(page))))
                    continue
                if isinstance(answer, Refused) and answer.last:
                    self.close()
                return answer
            self.close()
            return Refused("late", seconds=seconds)
        except (EOFError, OSError, ValueError):
            return self._died(seconds)

    def tell(self, message: Message) -> None:
        """Send what has no answer, if the process is there."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send_bytes(packed(message))

    def pixels(self, shape: Pixels) -> Image:
        """The picture that the last answer spoke of."""
        image = np.empty((shape.height, shape.width, 3), np.uint8)
        self._copy(image.data.cast("B"))
        if shape.last:
            self.close()
        return image

    def content(self, made: Overlaid) -> bytes:
        """The file that the last answer spoke of."""
        content = bytearray(made.size)
        self._copy(memoryview(content))
        if made.last:
            self.close()
        return bytes(content)

    def _copy(self, view: memoryview) -> None:
        got = 0
        while got < len(view) and (more := os.preadv(self._memory, [view[got:]], got)):
            got += more

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
            os.close(self._memory)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = self.holder = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._memory = -1
        try:
            self._memory = os.memfd_create("decoded")
            words = [str(theirs.fileno()), str(self._memory), str(self.memory_mb)]
            package = str(Path(__file__).parents[2])
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", START, package, *words],
                pass_fds=[theirs.fileno(), self._memory],
                env=os.environ
                | {
                    "OPENBLAS_NUM_THREADS": "1",
                    "OPENCV_FOR_THREADS_NUM": "1",
                    "OPENCV_LOG_LEVEL": "OFF",
                    "MALLOC_ARENA_MAX": "1",
                },
                stdin=subprocess.DEVNULL,
            )
        except OSError as exc:
            ours.close()
            if self._memory >= 0:
                os.close(self._memory)
            raise UnavailableError(f"No process for decoding can be started now ({exc.strerror}): send it again later.") from None
        finally:
            theirs.close()
        self.started += 1
        self._connection = Connection(ours.detach())

    def _died(self, seconds: float) -> Refused:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        if code == -signal.SIGPROF:
            return Refused("late", seconds=seconds)
        if code == -signal.SIGKILL:
            raise UnavailableError("The machine is short of memory and ended the process that decodes: send it again later.")
        if code >= 0:
            raise UnavailableError(f"The process for decoding ended by itself (exit code {code}): the server's log says why.")
        return Refused("memory", f"it takes more than {self.memory_mb} MiB (page_memory_mb), or the decoder crashed on it", seconds)


class File:
    """A file open in the decoding process; there again after a death. Use it as a context manager."""

    def __init__(self, data: bytes, kind: Kind, limits: Limits, allowance: Allowance) -> None:
        """Nothing is started yet. The process is this one's own until the end of the context."""
        self._data, self._limits, self._allowance = data, limits, allowance
        self._kind: Kind = kind
        self._process = shared(limits.page_memory_mb)

    def __enter__(self) -> File:
        self._process.lock.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if exc is not None and not isinstance(exc, (Exception, GeneratorExit)):
                self._process.close()
            elif self._process.holder is self:
                self._process.tell(Close())
                self._process.holder = None
        finally:
            self._process.lock.release()

    def open(self) -> Opened | Refused:
        """How many pages it has. Raises UnavailableError."""
        seconds = self._seconds
        self._process.holder = None
        answer = self._process.ask(Open(self._kind, self._limits.model_dump(), seconds), self._data, seconds)
        if isinstance(answer, Opened):
            self._process.holder = self
        counted = self._counted(answer)
        return counted if isinstance(counted, (Opened, Refused)) else Refused("damaged")

    def page(self, number: int) -> Decoded | Refused:
        """A page, counted from 0. Raises UnavailableError."""
        answer = self._answer(Decode(number, self._seconds))
        if isinstance(answer, Pixels):
            return Decoded(self._process.pixels(answer), answer.smaller, answer.empty)
        return answer if isinstance(answer, Refused) else Refused("damaged")

    def written(self, number: int) -> pdf_words.PdfPage | Refused:
        """What a PDF says is written on a page, counted from 0. Raises UnavailableError."""
        answer = self._answer(Read(number, self._seconds))
        if isinstance(answer, Written):
            with contextlib.suppress(KeyError, TypeError):
                return pdf_words.from_fields(answer.page)
        return answer if isinstance(answer, Refused) else Refused("damaged")

    def units(self, first: int, most: int) -> list[float] | Refused:
        """What a unit of each page of a PDF is in points, from `first`, counted from 0, up to the `most`-th.

        Raises UnavailableError.
        """
        answer = self._answer(Measure(first, most, self._seconds))
        if isinstance(answer, Measured):
            return answer.units
        return answer if isinstance(answer, Refused) else Refused("damaged")

    def overlaid(self, title: str, pages: Sequence[PageText], seconds: float) -> bytes | Refused:
        """A PDF with `pages` added, within so many seconds of CPU time; `title` is that of a file that becomes PDF/A.

        Raises UnavailableError.
        """
        answer = self._answer(Overlay(title, len(pages), seconds), pages)
        if isinstance(answer, Overlaid):
            return self._process.content(answer)
        return answer if isinstance(answer, Refused) else Refused("damaged")

    def _answer(
        self, message: Decode | Read | Measure | Overlay, pages: Iterable[PageText] = ()
    ) -> Opened | Pixels | Written | Measured | Overlaid | Refused:
        """What is answered about the file, which is opened again where the process has died or opened another since."""
        if self._process.holder is not self:
            again = self.open()
            if isinstance(again, Refused):
                return again
        return self._counted(self._process.ask(message, None, message.seconds, pages))

    @property
    def _seconds(self) -> float:
        # Not nothing: the last question of a request ends by itself.
        return max(0.1, min(self._limits.page_timeout_s, self._allowance.left))

    def _counted(self, answer: Message) -> Opened | Pixels | Written | Measured | Overlaid | Refused:
        assert isinstance(answer, (Opened, Pixels, Written, Measured, Overlaid, Refused))
        self._allowance.spend(answer.seconds)
        if isinstance(answer, Refused) and answer.why == "memory" and not answer.detail:
            return Refused("memory", f"it takes more than {self._process.memory_mb} MiB (page_memory_mb)")
        if isinstance(answer, Refused) and answer.why == "late":
            return Refused("other", f"it takes longer than {answer.seconds:.3g} s of CPU time ({self._bound(answer.seconds)})")
        return answer

    def _bound(self, seconds: float) -> str:
        """Which setting it is that allows so many seconds."""
        timeout = self._limits.page_timeout_s
        if seconds < timeout:
            return "what is left of 6 x page_timeout_s"
        return "page_timeout_s" if seconds == timeout else f"{seconds / timeout:.3g} x page_timeout_s"


_processes: dict[int, DecodingProcess] = {}


def shared(memory_mb: int) -> DecodingProcess:
    """This process's decoding process of that budget, or of half of what the machine has where that is less."""
    if (most := machine.memory_bytes()) is not None:
        memory_mb = min(memory_mb, most // 2**21)
    return _processes.setdefault(memory_mb, DecodingProcess(memory_mb))


@atexit.register
def close_all() -> None:
    """End the decoding processes of this process."""
    for process in _processes.values():
        process.close()
