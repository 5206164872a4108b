"""What a worker may take of the machine's memory, and how it shows when that was too little."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

SIGNS = ("bad_alloc", "bad allocation", "failed to allocate", "insufficient memory", "out of memory", "cannot allocate memory")
"""How libraries in C++ say it; each in words of its own, in an exception of its own."""


LEAST = 256 << 20
"""Bytes that a process may take beyond what it has, however small its share is."""


def bound(share: int) -> None:
    """Let this process have `share` bytes of data, and some in any case; further ones are refused, which `is_short` tells.

    The limit is on data (RLIMIT_DATA: the heap and private writable mappings), not on addresses: engines and allocators reserve
    many more of these than they ever touch.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = max(share, data_bytes() + LEAST)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def data_bytes() -> int:
    """What counts against RLIMIT_DATA now; 0 where it cannot be read."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def is_short(exc: BaseException | None) -> bool:
    """Whether a failure comes from want of memory, said by Python, numpy, OpenCV or an engine; its causes are asked too."""
    while exc is not None:
        if isinstance(exc, MemoryError) or (isinstance(exc, OSError) and exc.errno == errno.ENOMEM):
            return True
        text = str(exc).lower()
        if any(sign in text for sign in SIGNS):
            return True
        exc = exc.__cause__ or exc.__context__
    return False
