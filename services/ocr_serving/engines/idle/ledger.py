"""The ledger that the workers of a service share: a little memory, and locks on its bytes.

Which workers are at work stands in the memory; a borrowed core is a lock of the worker's process on a byte behind it. What a
worker had borrowed when it was killed is free at once, as the kernel keeps no locks of the dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

AT_WORK = 1


@dataclass(frozen=True)
class LedgerAddress:
    """Where a worker finds the ledger: a descriptor that it inherits, how many workers and cores there are, and its own number."""

    fd: int
    workers: int
    cores: int
    worker: int = 0

    @property
    def own(self) -> int:
        """The worker's own core; where there are more workers than cores they share them."""
        return self.worker % self.cores


def new(workers: int, cores: int) -> LedgerAddress:
    """A ledger in new memory, in which nobody is at work; its owner closes the descriptor."""
    fd = os.memfd_create("ocr-serving-cores")
    os.ftruncate(fd, workers + cores)
    return LedgerAddress(fd, workers, cores)


class SharedLedger:
    """One worker's view. A core is borrowed by one thread of a worker, and may be released by another."""

    def __init__(self, address: LedgerAddress) -> None:
        """Map the memory. While it loads a worker is at work; `rest` says that it is done."""
        self._address = address
        self._table = mmap.mmap(address.fd, address.workers + address.cores)
        self._since: dict[int, float] = {}
        self._lock = threading.Lock()
        self.lent_seconds = 0.0
        """Seconds that this worker had cores of others, all together."""
        self._table[address.worker] = AT_WORK

    @contextlib.contextmanager
    def at_work_on_a_request(self) -> Iterator[None]:
        """This worker's own core is not lent inside the block."""
        self._table[self._address.worker] = AT_WORK
        try:
            yield
        finally:
            self.rest()

    def rest(self) -> None:
        """This worker's own core may be lent from now on."""
        self._table[self._address.worker] = 0

    def is_wanted(self, core: int) -> bool:
        """Whether a worker whose own core that is, is at work."""
        return AT_WORK in self._table[core : self._address.workers : self._address.cores]

    def at_work(self) -> int:
        """How many workers are."""
        return self._table[: self._address.workers].count(AT_WORK)

    def take(self, core: int) -> bool:
        """Mark a core as borrowed; False where it is already, or cannot be."""
        with self._lock:
            # A process is never refused a lock that it has.
            if core in self._since:
                return False
            try:
                fcntl.lockf(self._address.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._address.workers + core)
            except OSError:
                return False
            self._since[core] = time.monotonic()
        return True

    def release(self, core: int) -> None:
        """It is borrowed no longer."""
        with self._lock:
            self.lent_seconds += time.monotonic() - self._since.pop(core)
            fcntl.lockf(self._address.fd, fcntl.LOCK_UN, 1, self._address.workers + core)
