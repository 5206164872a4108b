"""The way of a GPU, taken without one: every step that needs none, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.services import GOLDEN

ROOT = Path(__file__).parents[2]


def run(data: Path, out: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    python = {"PYTHON": sys.executable, "DEVICE": "cpu", "OMP_NUM_THREADS": "1", "PATIENCE": "100", "SECONDS_IN_ALL": "9000"}
    return subprocess.run(
        ["sh", "benchmarks/on_a_gpu.sh", "run", str(data), str(out)],
        cwd=ROOT,
        env=os.environ | python | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def steps(out: Path) -> dict[str, int]:
    """The exit code of each step that was taken."""
    rows = (line.split("\t") for line in (out / "steps.tsv").read_text().splitlines())
    return {name: int(code) for name, code, _ in rows}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One form."""
    folder = tmp_path / "forms" / "testing"
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True)
    shutil.copy(GOLDEN / "pages" / "table_crop.jpg", folder / "images" / "a.png")
    (folder / "annotations" / "a.json").write_text(json.dumps({"form": [{"words": [{"text": "nothing"}]}]}))
    return tmp_path


@pytest.mark.models
def test_the_whole_way(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    taken = "answers serve_tiny option_fp16"
    done = run(data, out, STEPS=taken, LIMIT="1", CLIENTS="1", SECONDS_EACH="1")
    assert done.returncode == 0, done.stdout
    assert steps(out) == dict.fromkeys(taken.split(), 0)
    found = {name: json.loads((out / f"{name}.json").read_text()) for name in taken.split()}
    assert found["answers"]["same_text"]
    assert found["answers"]["same_after"]
    assert [row["lost"] for row in found["serve_tiny"]["rows"]] == [0]
    assert min(found["option_fp16"]["det_same"], found["option_fp16"]["rec_same"]) > 0.9


def test_a_step_that_fails_or_takes_too_long_costs_itself_alone(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path / "out", STEPS="machine serve_tiny option_graphs")
    assert done.returncode == 1
    assert "Not done: serve_tiny" in done.stdout
    assert steps(tmp_path / "out") == {"machine": 0, "serve_tiny": 2, "option_graphs": 0}
    assert "There are no .png files" in (tmp_path / "out" / "serve_tiny.log").read_text()
    cut = run(tmp_path, tmp_path / "cut", STEPS="machine", SECONDS_IN_ALL="0")
    assert steps(tmp_path / "cut") == {"machine": 124}
    assert "Not done: machine" in cut.stdout
