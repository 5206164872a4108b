"""What this machine, or this container, gives: cores, memory, GPUs. Read from the cgroup, not from the host."""

from __future__ import annotations

import errno
import math
import os
import resource
from collections.abc import Mapping
from functools import cache
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
WORKER_BYTES = 800 * 2**20
"""Memory to plan for one CPU worker: PP-OCRv6 small on full pages stays under it."""
LEAST_BYTES = 256 << 20
"""Bytes that a process may take beyond what it has, however small its share is."""
STACK_BYTES = 8 << 20
"""What Linux reserves for the stack of a thread unless it is told otherwise."""
SHORTAGE = ("bad_alloc", "bad allocation", "failed to allocate", "insufficient memory", "out of memory", "cannot allocate memory")
"""How libraries in C++ say it; each in words of its own, in an exception of its own."""


def cpu_count(cgroup: Path = CGROUP) -> int:
    """Whole cores this process may use: the affinity mask, cut to the cgroup's CPU quota (v2 or v1), at least 1."""
    cores = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def memory_bytes(cgroup: Path = CGROUP, meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes this process may use: the cgroup's limit or the machine's total, the smaller; None where neither can be read."""
    known = [size for size in (_limit(cgroup), _total(meminfo)) if size is not None]
    return min(known, default=None)


def worker_count(cores: int, memory: int | None) -> int:
    """CPU workers to start: one per core as long as memory holds them, at least 1."""
    fits = cores if memory is None else memory // WORKER_BYTES
    return int(max(1, min(cores, fits)))


@cache
def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction sets of the CPU as Linux names them, such as avx2; none where it does not say."""
    lines = (line.partition(":") for line in _read(cpuinfo).splitlines())
    return frozenset(next((flags.split() for name, _, flags in lines if name.strip() in ("flags", "Features")), ()))


def visible_gpus(environ: Mapping[str, str]) -> list[str]:
    """The entries of CUDA_VISIBLE_DEVICES; empty where it is unset, empty or hides all."""
    ids = [part.strip() for part in environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    # CUDA itself stops at the first entry that names no device.
    usable = []
    for gpu in ids:
        if not gpu or gpu.startswith("-"):
            break
        usable.append(gpu)
    return usable


def is_running(pid: int) -> bool:
    """Whether a process is there and not stopped (SIGSTOP, a debugger) nor dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("T", "t", "Z", "X")
    except (OSError, IndexError):
        return False


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def bound_memory(share: int) -> None:
    """Let this process have `share` bytes of data, and some in any case; further ones are refused, which `is_memory_short` tells.

    The limit is on data (RLIMIT_DATA: the heap and private writable mappings), not on addresses: engines and allocators reserve
    many more of these than they ever touch. Stacks of threads are such reserves too, and come on top.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    stacks = (sum(1 for _ in Path("/proc/self/task").iterdir()) - 1) * STACK_BYTES
    limit = max(share + stacks, data_bytes() + LEAST_BYTES)
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


def is_memory_short(exc: BaseException | None) -> bool:
    """Whether a failure comes from want of memory, said by Python, numpy, OpenCV or an engine; its causes are asked too."""
    while exc is not None:
        if isinstance(exc, MemoryError) or (isinstance(exc, OSError) and exc.errno == errno.ENOMEM):
            return True
        text = str(exc).lower()
        if any(sign in text for sign in SHORTAGE):
            return True
        exc = exc.__cause__ or exc.__context__
    return False


def _quota(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota, period = _read(cgroup / "cpu/cpu.cfs_quota_us"), _read(cgroup / "cpu/cpu.cfs_period_us")
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return cores if cores > 0 else None


def _limit(cgroup: Path) -> int | None:
    text = _read(cgroup / "memory.max") or _read(cgroup / "memory/memory.limit_in_bytes")
    return int(text) if text.isdigit() else None


def _total(meminfo: Path) -> int | None:
    for line in _read(meminfo).splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
