"""From a name or a path to files that are whole, or to a sentence that says what to do."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ocr_serving import models
from ocr_serving.errors import ModelError

CLASSIFIER = "ch_ppocr_mobile_v2.0_cls"


@pytest.fixture
def mine(store: Path, tmp_path: Path) -> Path:
    """A small model of the user's, in the store under the name `mine`."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "inference.onnx").write_bytes(b"weights")
    models.adopt(source, "mine")
    return store / "mine"


def test_name_that_was_not_pulled(store: Path) -> None:
    with pytest.raises(ModelError, match=rf"{CLASSIFIER} is not on this machine; run `ocr-serving models pull {CLASSIFIER}`"):
        models.resolve(CLASSIFIER)


def test_misspelt_name_gets_a_suggestion(store: Path) -> None:
    with pytest.raises(ModelError, match=r"did you mean PP-OCRv6_small_det\?"):
        models.resolve("PP-OCRv6_smal_det")


def test_set_is_not_a_model(store: Path) -> None:
    with pytest.raises(ModelError, match="name one of PP-OCRv6_tiny_det, PP-OCRv6_tiny_rec"):
        models.resolve("PP-OCRv6_tiny")


@pytest.mark.parametrize("spec", ["", "  ", "a\0b"])
def test_empty_spec(store: Path, spec: str) -> None:
    with pytest.raises(ModelError, match="empty name"):
        models.resolve(spec)


def test_path_is_sought_in_the_working_directory_then_in_root(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, root = tmp_path / "here", tmp_path / "root"
    (root / "inference/det").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    assert models.resolve("./inference/det/", root=root).path == root / "inference/det"
    (here / "inference/det").mkdir(parents=True)
    assert models.resolve("./inference/det/", root=root).path == here / "inference/det"


def test_missing_path_names_every_place_tried(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as raised:
        models.resolve("./inference/det/", root=tmp_path / "root")
    assert f"{tmp_path}/inference/det or {tmp_path}/root/inference/det" in str(raised.value)


def test_single_files(store: Path, tmp_path: Path) -> None:
    for name in ("a.onnx", "a.pdmodel"):
        (tmp_path / name).write_bytes(b"")
    assert models.resolve(str(tmp_path / "a.onnx")).path == tmp_path / "a.onnx"
    with pytest.raises(ModelError, match="give the folder that holds the model"):
        models.resolve(str(tmp_path / "a.pdmodel"))


def test_path_works_without_any_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.delenv("OCR_SERVING_MODELS", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert models.resolve(str(tmp_path)).path == tmp_path
    with pytest.raises(ModelError, match="No model is at"):
        models.resolve(str(tmp_path / "none"))
    with pytest.raises(ModelError, match="set OCR_SERVING_MODELS"):
        models.resolve(CLASSIFIER)


def test_own_model_by_name_and_with_a_path_inside(mine: Path) -> None:
    assert models.resolve("mine").path == mine
    assert models.resolve("mine/inference.onnx").path == mine / "inference.onnx"
    with pytest.raises(ModelError, match="No model is at"):
        models.resolve("mine/other.onnx")


def test_changed_file_is_noticed(mine: Path) -> None:
    (mine / "inference.onnx").write_bytes(b"Weights")
    os.utime(mine / "inference.onnx", (1, 1))
    with pytest.raises(ModelError, match=r"damaged \(inference.onnx has the wrong SHA-256\); pull it again"):
        models.resolve("mine")


@pytest.mark.parametrize(("content", "complaint"), [(b"short", "has 5 bytes, not 7"), (None, "is missing")])
def test_damaged_file_is_noticed(mine: Path, content: bytes | None, complaint: str) -> None:
    (mine / "inference.onnx").unlink()
    if content is not None:
        (mine / "inference.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=f"inference.onnx {complaint}"):
        models.resolve("mine")


def test_verified_file_is_not_read_again(mine: Path) -> None:
    # Same size and time, other bytes: only reading would tell.
    before = (mine / "inference.onnx").stat()
    (mine / "inference.onnx").write_bytes(b"WEIGHTS")
    os.utime(mine / "inference.onnx", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert models.resolve("mine").path == mine
    assert models.problems("mine", thorough=True) == ["inference.onnx has the wrong SHA-256"]


def test_copied_store_is_verified_once_and_stamped(mine: Path) -> None:
    os.utime(mine / "inference.onnx", (1, 1))
    assert models.resolve("mine").path == mine
    stamp = json.loads((mine / ".model.json").read_text())
    assert stamp["files"]["inference.onnx"]["mtime"] == 1


def test_store_that_cannot_be_written(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_args: object, **_options: object) -> tuple[int, str]:
        raise OSError(30, "Read-only file system")

    # Tests may run as root, whom no mode bits stop.
    monkeypatch.setattr("tempfile.mkstemp", read_only)
    os.utime(mine / "inference.onnx", (1, 1))
    before = sorted(mine.iterdir())
    assert models.resolve("mine").path == mine
    assert sorted(mine.iterdir()) == before


def test_catalogue_hashes_rule_over_the_stamp(mine: Path, store: Path) -> None:
    """A folder that calls itself a catalogue model is not believed."""
    shutil.copytree(mine, store / CLASSIFIER)
    with pytest.raises(ModelError, match=f"inference.onnx has 7 bytes, not 585532.*models pull {CLASSIFIER}"):
        models.resolve(CLASSIFIER)


def test_lost_stamp_of_an_own_model(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / ".model.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        models.resolve("mine")
