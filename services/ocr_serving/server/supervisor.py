"""Keeps processes of ours alive: each has a slot, and a thread that starts it, attends to it, and starts it anew with back-off.

What a process is for, its owner knows: it `attends` to each life of the process until that is over, and says how it ended.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

log = logging.getLogger("ocr_serving.supervisor")

MAX_BACKOFF_S = 30.0
PATIENCE_S = 5.0
"""How long a process that was hung up on may take to end."""


@dataclass(frozen=True)
class Ended:
    """How the life of a process ended: `reason` a sentence where it said one, `was_ready` whether it had come to work.

    `planned`: its owner wants a fresh one; that is no failure, and is not waited for.
    """

    reason: str = ""
    was_ready: bool = False
    planned: bool = False


@dataclass(eq=False)
class Slot:
    """The place of one process: its number, the variables set in it, the process itself where there is one."""

    number: int
    env: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process; 0 where there is none."""
        return self.process.pid if self.process is not None and self.process.returncode is None else 0

    def cause(self) -> str:
        """How the process ended, in words; waits a moment for it to do so."""
        if self.process is None:
            return "it could not be started"
        try:
            code = self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "it hung up"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


class Supervisor:
    """A process for each environment. Thread-safe."""

    def __init__(
        self,
        kind: str,
        module: str,
        environments: Sequence[Mapping[str, str]],
        *,
        attend: Callable[[Slot, socket.socket], Ended],
        inherited: Callable[[Slot], Sequence[int]] = lambda _: (),
        on_unready: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`kind` is what the log calls them, `module` what `python -m` runs, with the number of its socket's descriptor.

        `attend` runs in the slot's thread from start to end of each life and gets our end of the socket; `inherited` names the
        descriptors that the process gets besides. `on_unready` hears the reason where a process ended with one before it was
        ready; true means to give up on it.
        """
        self.slots = [Slot(n, env) for n, env in enumerate(environments)]
        self.closing = threading.Event()
        self.restarts = 0
        self.replaced = 0
        self._kind = kind
        self._module = module
        self._attend = attend
        self._inherited = inherited
        self._on_unready = on_unready
        self._threads = [
            threading.Thread(target=self._look_after, args=[slot], daemon=True, name=f"{kind}-{slot.number}") for slot in self.slots
        ]

    def start(self) -> None:
        """Start the processes; returns at once."""
        for thread in self._threads:
            thread.start()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids, 0 where there is none."""
        return tuple(slot.pid for slot in self.slots)

    def kill(self) -> None:
        """End all processes at once."""
        for slot in self.slots:
            if slot.pid:
                with contextlib.suppress(OSError):
                    slot.process.kill()  # type: ignore[union-attr]

    def close(self) -> None:
        """Start none any more; wait for `attend` to return, which sees `closing`, and end what is still there."""
        self.closing.set()
        until = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=max(0.0, until - time.monotonic()))
        self.kill()

    def _look_after(self, slot: Slot) -> None:
        failures = 0
        while not self.closing.is_set():
            ended = self._live(slot)
            if self.closing.is_set():
                return
            if ended.planned:
                self.replaced += 1
                failures = 0
                continue
            if ended.reason and not ended.was_ready and self._on_unready(ended.reason):
                return
            failures = 1 if ended.was_ready else failures + 1
            self.restarts += 1
            log.warning("%s %d ended (%s); starting it again", self._kind, slot.number, ended.reason or slot.cause())
            # One that was ready had a reason of its own to end; the others may fail for one that lasts.
            if not ended.was_ready:
                self.closing.wait(min(MAX_BACKOFF_S, 2.0 ** (failures - 2)))

    def _live(self, slot: Slot) -> Ended:
        """One life of the process, from its start to its end. Never raises: a thread that ended would look after nobody."""
        try:
            try:
                ours = self._spawn(slot)
            except OSError as exc:
                # Too many processes, or too little memory, for now.
                slot.process = None
                log.warning("%s %d cannot be started: %s", self._kind, slot.number, exc.strerror or exc)
                return Ended()
            with ours:
                ended = self._attend(slot, ours)
        except Exception:
            log.exception("looking after %s %d failed", self._kind, slot.number)
            ended = Ended()
        self._bury(slot)
        return ended

    def _spawn(self, slot: Slot) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # A new interpreter, not a fork: nothing of the front's threads, sockets or (later) CUDA state comes along.
                slot.process = subprocess.Popen(
                    [sys.executable, "-m", self._module, str(theirs.fileno()), str(os.getpid())],
                    pass_fds=[theirs.fileno(), *self._inherited(slot)],
                    env={**os.environ, **slot.env},
                    stdin=subprocess.DEVNULL,
                )
            except BaseException:
                ours.close()
                raise
        return ours

    def _bury(self, slot: Slot) -> None:
        process = slot.process
        if process is None:
            return
        if self.closing.is_set():
            # It was hung up on, and ends by itself once it has sent what it is at.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=PATIENCE_S)
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
