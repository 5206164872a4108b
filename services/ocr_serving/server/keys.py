"""API keys from a file: one a line, `#` starts a comment. The file is read again when it changes."""

from __future__ import annotations

import hmac
from pathlib import Path

from ocr_serving.errors import ConfigError


class ApiKeys:
    """The keys a caller may present. Thread-safe: a reload swaps one tuple."""

    def __init__(self, path: Path) -> None:
        """Read `path`. Raises ConfigError where it cannot be read or holds no key."""
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: tuple[bytes, ...] = ()
        try:
            self._reload()
        except OSError as exc:
            raise ConfigError(f"api_keys_file {path} cannot be read: {exc.strerror}.") from None
        if not self._keys:
            raise ConfigError(f"api_keys_file {path} holds no key: write one a line.")

    def allows(self, presented: str) -> bool:
        """Whether `presented` is one of the keys; takes the same time whichever it is."""
        try:
            self._reload()
        except OSError:
            # A secret being rotated is absent for a moment; the keys read last stay in force.
            pass
        given = presented.encode("utf-8", "replace")
        # A list, not a generator: stopping at the first match would tell by its time which key it was.
        return any([hmac.compare_digest(given, key) for key in self._keys])  # noqa: C419

    def _reload(self) -> None:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp == self._stamp:
            return
        lines = (line.partition("#")[0].strip() for line in self._path.read_text(encoding="utf-8").splitlines())
        self._keys = tuple(line.encode() for line in lines if line)
        self._stamp = stamp
