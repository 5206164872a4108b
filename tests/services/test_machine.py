"""Cores and memory as the container has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_serving import machine


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", 64), ("150000 100000", 2), ("50000 100000", 1), ("garbage", 64)])
def test_cores_follow_the_quota_of_cgroup_v2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu.max").write_text(quota)
    assert machine.cpu_count(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 64), ("300000", 3)])
def test_cores_follow_the_quota_of_cgroup_v1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert machine.cpu_count(tmp_path) == cores


def test_memory_is_the_smaller_of_limit_and_machine(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       1000 kB\n")
    assert machine.memory_bytes(tmp_path, meminfo) == 1_024_000
    (tmp_path / "memory.max").write_text("5000")
    assert machine.memory_bytes(tmp_path, meminfo) == 5000
    (tmp_path / "memory.max").write_text("max")
    assert machine.memory_bytes(tmp_path, meminfo) == 1_024_000
    assert machine.memory_bytes(tmp_path / "none", tmp_path / "none") is None


@pytest.mark.parametrize(
    ("value", "gpus"),
    [(None, []), ("", []), ("-1", []), ("0", ["0"]), ("0, 2", ["0", "2"]), ("1,-1,2", ["1"]), ("GPU-abc", ["GPU-abc"])],
)
def test_visible_gpus(value: str | None, gpus: list[str]) -> None:
    assert machine.visible_gpus({} if value is None else {"CUDA_VISIBLE_DEVICES": value}) == gpus
