"""API keys from a file: one a line. The file is read again when it changes, and its last good keys stay where it cannot be."""

from __future__ import annotations

import hmac
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

from ocr_serving.errors import ConfigError

log = logging.getLogger("ocr_serving")

UNSETTLED_NS = 2_000_000_000
"""A file written within so many nanoseconds is read again: it may be written once more within the tick of its clock."""


class _UnusableError(Exception):
    """What is wrong with the file."""


@dataclass(frozen=True)
class Caller:
    """Who presented a key: its place among the keys, which may stand in a log."""

    number: int


class ApiKeys:
    """The keys a caller may present. Thread-safe: a reload swaps one tuple."""

    def __init__(self, path: Path) -> None:
        """Read `path`. Raises ConfigError where it cannot be read or holds no key."""
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._keys: tuple[bytes, ...] = ()
        self._told = ""
        try:
            self._reload()
        except _UnusableError as exc:
            raise ConfigError(f"api_keys_file {path} {exc}.") from None

    def caller(self, presented: str) -> Caller | None:
        """Whose key `presented` is, if anybody's; takes the same time whichever it is."""
        try:
            self._reload()
            self._told = ""
        except _UnusableError as exc:
            # A secret being rotated is absent, or empty, for a moment.
            if str(exc) != self._told:
                self._told = str(exc)
                log.warning("api_keys_file %s %s; the keys read last stay in force", self._path, exc)
        given = presented.encode("utf-8", "replace")
        # A list, not a generator: stopping at the first match would tell by its time which key it was.
        matches = [hmac.compare_digest(given, key) for key in self._keys]
        return Caller(matches.index(True)) if any(matches) else None

    def _reload(self) -> None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size)
            if stamp == self._stamp and time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > UNSETTLED_NS:
                return
            text = self._path.read_bytes().decode("utf-8-sig")
        except OSError as exc:
            raise _UnusableError(f"cannot be read: {exc.strerror}") from None
        except UnicodeDecodeError:
            raise _UnusableError("is not UTF-8: write one key a line, as plain text") from None
        keys = _keys(text)
        if not keys:
            raise _UnusableError("holds no key: write one a line")
        self._keys = keys
        self._stamp = stamp


def _keys(text: str) -> tuple[bytes, ...]:
    """One key a line; `#` begins a comment at the start of a line or after a blank, and is a character of the key elsewhere."""
    lines = (re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in text.splitlines())
    return tuple(line.encode() for line in lines if line)
