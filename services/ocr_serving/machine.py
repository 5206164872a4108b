"""What this machine, or this container, gives: cores, memory, GPUs. Read from the cgroup, not from the host."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
WORKER_BYTES = 800 * 2**20
"""Memory to plan for one CPU worker: PP-OCRv6 small on full pages stays under it."""


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
