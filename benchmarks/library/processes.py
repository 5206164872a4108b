"""CPU time and memory of a process and all it started, read from Linux's /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One process; `cpu_s` are the seconds it and those of its children that ended have computed, user and system."""

    pid: int
    parent: int
    cpu_s: float


def parsed(stat: str) -> Process:
    """A process from its /proc/PID/stat; see proc_pid_stat(5)."""
    # The second field is the program's name in parentheses, and may itself hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    return Process(int(stat.split(maxsplit=1)[0]), int(fields[1]), ticks / TICKS)


def tree(running: Iterable[Process], root: int) -> list[Process]:
    """`root` and its descendants among `running`."""
    children: dict[int, list[Process]] = {}
    found: list[Process] = []
    for process in running:
        children.setdefault(process.parent, []).append(process)
        if process.pid == root:
            found.append(process)
    for process in found:
        found += children.get(process.pid, [])
    return found


def running() -> list[Process]:
    """Every process of this machine that /proc shows."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                found.append(parsed((folder / "stat").read_text()))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def cpu_by_pid(root: int) -> dict[int, float]:
    """CPU seconds of each process of the tree of `root`, by its id. Their sum only grows while the tree lives."""
    return {process.pid: process.cpu_s for process in tree(running(), root)}


def cpu_seconds(root: int) -> float:
    """CPU seconds of the tree of `root` since it started."""
    return sum(cpu_by_pid(root).values())


def resident_bytes(root: int) -> int:
    """Resident memory of the tree of `root` as the sum of PSS: pages that several processes share are counted once."""
    return sum(_pss(process.pid) for process in tree(running(), root))


def open_files(pid: int) -> int:
    """How many files and sockets a process has open; 0 where it is gone."""
    return _entries(pid, "fd")


def threads(pid: int) -> int:
    """How many threads a process has; 0 where it is gone."""
    return _entries(pid, "task")


def command_line(pid: int) -> str:
    """The arguments a process was started with, blanks between them; empty where it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _entries(pid: int, folder: str) -> int:
    try:
        return len(list((PROC / str(pid) / folder).iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _pss(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
