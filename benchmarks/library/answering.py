"""A process that takes a page's number on stdin and answers with a line of JSON on stdout; the first line says it is ready."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.library.support import BenchmarkError


class Answering:
    """Such a process, running. For one thread at a time."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, called: str = "A process that measures") -> None:
        """Start it and wait until it can answer. Raises BenchmarkError."""
        self._called = called
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment))
        self.hello = self._answer()
        """What it said when it was ready."""

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, page: int) -> Any:
        """Put one page through. Raises BenchmarkError."""
        assert self._process.stdin is not None
        # The answer that does not come says so.
        with contextlib.suppress(BrokenPipeError):
            print(page, file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End it: it reads until its questions do."""
        with self._process:
            assert self._process.stdin is not None
            # What could not be written to a process that is gone is tried once more here.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise BenchmarkError(f"{self._called} ended early; what it printed says why.")
        return json.loads(line)
