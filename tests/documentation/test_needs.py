"""What `make test` says on a machine that lacks something, and which tests it skips there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with Python and nothing else, and an empty home."""
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


def said(env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What is said there, run in `folder`."""
    command = [sys.executable, str(ROOT / "tests/helpers/needs.py")]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_bare_machine_is_told_what_is_skipped_and_how_to_run_it(bare: dict[str, str], tmp_path: Path) -> None:
    done = said(bare, tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "Missing: Go; skipped: tests of the operator on an API server, of the chart and of the release. To run them: install Go"
    )
    assert lines[1].startswith("Missing: chromium and chromedriver; skipped: ")
    assert lines[2] == "Missing: curl; skipped: the call that `ocr-serving start --try` prints. To run them: apt-get install curl."
    assert any(line.startswith("Making .venv ") for line in lines[3:])


def test_ci_is_told_that_they_will_fail(bare: dict[str, str], tmp_path: Path) -> None:
    assert "Missing: Go, for tests of the operator" in said(bare | {"CI": "true"}, tmp_path).stdout


def test_binaries_that_are_given_need_no_go(bare: dict[str, str], tmp_path: Path) -> None:
    text = said(bare | {"OCR_CLUSTER_BIN": str(tmp_path)}, tmp_path).stdout
    assert "Go" not in text
    assert "building" not in text.lower()


@pytest.mark.parametrize(("ci", "outcome"), [("false", "1 skipped"), ("true", "1 error")])
def test_what_needs_go_is_skipped_outside_ci_and_fails_in_it(bare: dict[str, str], ci: str, outcome: str) -> None:
    target = "tests/operator/test_kube.py::test_what_is_applied_as_new_is_applied_like_all_else"
    command = [sys.executable, "-m", "pytest", target, "-q", "-p", "no:cacheprovider"]
    kept = {name: value for name, value in os.environ.items() if name not in ("OCR_CLUSTER_BIN", "PYTEST_ADDOPTS")}
    env = {**kept, **bare, "CI": ci}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert outcome in done.stdout
    if ci == "false":
        assert "needs Go: install Go 1.25 or newer" in done.stdout
