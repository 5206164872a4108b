"""CPU time and memory of a process tree."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from benchmarks.library import processes
from benchmarks.library.processes import Process

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(child.stdout.readline().decode(), end="", flush=True)
sys.stdin.readline()
child.stdin.close()
child.wait()
print("ended", flush=True)
sys.stdin.readline()
"""
CHILD = """
import sys, time
block = b"x" * (64 << 20)
while time.process_time() < 0.5:
    pass
print("computed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A process whose child has 64 MiB and has computed for half a second."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "computed\n"
        yield process
        process.stdin.close()


def test_a_tree_has_the_time_and_memory_of_its_children_while_they_run_and_their_time_after(family: subprocess.Popen[str]) -> None:
    assert family.stdin is not None
    assert family.stdout is not None
    by_pid = processes.cpu_by_pid(family.pid)
    (child,) = by_pid.keys() - {family.pid}
    assert by_pid[child] >= 0.4
    assert by_pid[family.pid] < 0.4
    assert processes.resident_bytes(family.pid) >= 64 << 20
    assert "print" in processes.command_line(child)

    print(file=family.stdin, flush=True)
    assert family.stdout.readline() == "ended\n"
    assert set(processes.cpu_by_pid(family.pid)) == {family.pid}
    assert processes.cpu_seconds(family.pid) >= 0.4
    assert processes.resident_bytes(family.pid) < 64 << 20
    assert processes.command_line(child) == ""


def test_a_program_may_have_any_name() -> None:
    fields = "S 7 1 1 0 -1 4194304 102 0 0 0 100 50 25 25 20 0 1 0 228385"
    assert processes.parsed(f"42 (a) b (c) {fields}") == Process(42, 7, 200 / processes.TICKS)


def test_a_tree_leaves_out_who_does_not_belong() -> None:
    running = [Process(5, 3, 0), Process(3, 1, 0), Process(4, 2, 0), Process(6, 5, 0), Process(1, 0, 0)]
    assert {process.pid for process in processes.tree(running, 3)} == {3, 5, 6}
    assert processes.tree(running, 99) == []
