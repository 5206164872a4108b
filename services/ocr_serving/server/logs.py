"""Logs to stderr: one line a record, as text on a terminal and as JSON elsewhere. Never an image, never a key.

A thread writes them, so that nobody waits for a stderr that nobody reads; what is too much for it is counted and left out.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import re
import sys
import threading
import time
from typing import Any, TextIO

BACKLOG = 10_000
"""Lines that may wait to be written."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys instead of showing it: control characters, line and paragraph separators, changes of direction."""

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time (RFC 3339, UTC), level, logger, message, and whatever `extra` held."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # JSON escapes what is below a blank; the others are no less of a command.
        return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(line, ensure_ascii=False, default=str))


class TextFormatter(logging.Formatter):
    """`12:00:00 info message key=value …` for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        words = [time.strftime("%H:%M:%S", time.localtime(record.created)), record.levelname.lower(), record.getMessage()]
        words += [f"{key}={value}" for key, value in extras(record).items()]
        text = escaped(" ".join(words))
        if not record.exc_info:
            return text
        return "\n".join([text, *map(escaped, self.formatException(record.exc_info).splitlines())])


def escaped(text: str) -> str:
    """The text with control characters as Python writes them: a caller's words must not move the cursor or begin a line."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller passed as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _PLAIN}


class Writer(logging.Handler):
    """Formats in the caller's thread, writes in its own; never waits for the stream."""

    def __init__(self, stream: TextIO) -> None:
        """Nothing is started before there is something to write: a fork takes no thread along."""
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | threading.Event] = queue.Queue(BACKLOG)
        self._dropped = 0
        self._writer_of = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over; called under the handler's lock."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  a line of the log must not cost an answer
            self.handleError(record)
            return
        self._start()
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait until all is written, a second at the most."""
        if self._writer_of == os.getpid():
            written = threading.Event()
            try:
                self._lines.put_nowait(written)
            except queue.Full:
                return
            written.wait(1.0)

    def _start(self) -> None:
        if self._writer_of != os.getpid():
            self._writer_of = os.getpid()
            self._lines = queue.Queue(BACKLOG)
            threading.Thread(target=self._write, daemon=True, name="log").start()

    def _write(self) -> None:
        while True:
            item = self._lines.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            try:
                self._stream.write(f"{item}\n")
                self._stream.flush()
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    logging.getLogger("ocr_serving").warning("%d lines of the log were left out: nobody read them in time", dropped)
            except (OSError, ValueError):
                # There is no stderr any more, and nowhere to say so.
                self._dropped += 1


def flush() -> None:
    """Wait a moment for what was logged to be written."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def configure(log_format: str) -> None:
    """Send all logging to stderr. `auto` is text on a terminal, JSON elsewhere."""
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = Writer(sys.stderr)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    atexit.unregister(flush)
    atexit.register(flush)
