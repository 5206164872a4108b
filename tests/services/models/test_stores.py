"""Several stores: what an image brings and what a volume adds."""

from pathlib import Path

import pytest

from helpers.site import Answer, Site, sha256
from ocr_serving import models
from ocr_serving.errors import ModelError


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two stores, the second with the model `mine`; both are searched."""
    first, second = tmp_path / "first", tmp_path / "second"
    (tmp_path / "x.onnx").write_bytes(b"weights")
    monkeypatch.setenv("OCR_SERVING_MODELS", str(second))
    models.adopt(tmp_path / "x.onnx", "mine")
    monkeypatch.setenv("OCR_SERVING_MODELS", f"{first}:{second}")
    return first, second


def test_a_model_is_found_in_any_store(stores: tuple[Path, Path]) -> None:
    first, second = stores
    assert not first.exists()
    assert models.resolve("mine").path == second / "mine"
    assert models.stored_names() == ["mine"]
    first.mkdir()
    assert models.resolve("mine/inference.onnx").path == second / "mine/inference.onnx"


def test_pulls_go_to_the_first_store_which_then_wins(stores: tuple[Path, Path], site: Site) -> None:
    first, second = stores
    site.answers = [Answer(b"better"), Answer(b"other")]
    models.pull([f"url={site.url}/m.onnx,sha256={sha256(b'better')},name=mine"])
    models.pull([f"url={site.url}/o.onnx,sha256={sha256(b'other')},name=other"])
    assert models.resolve("mine").path == first / "mine"
    assert models.stored_names() == ["mine", "other"]
    assert (second / "mine/inference.onnx").read_bytes() == b"weights"


def test_what_a_later_store_has_from_the_same_url_is_not_fetched_again(
    stores: tuple[Path, Path], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = f"url={site.url}/m.onnx,sha256={sha256(b'weights')},name=fetched"
    site.answers = [Answer(b"weights")]
    first, second = stores
    monkeypatch.setenv("OCR_SERVING_MODELS", str(second))
    models.pull([spec])
    monkeypatch.setenv("OCR_SERVING_MODELS", f"{first}:{second}")
    models.pull([spec])
    assert len(site.requests) == 1
    assert not first.exists()


def test_a_model_that_no_store_has_would_lie_in_the_first(stores: tuple[Path, Path]) -> None:
    assert models.home("PP-OCRv6_small_det") == stores[0] / "PP-OCRv6_small_det"
    with pytest.raises(ModelError, match="not on this machine"):
        models.resolve("PP-OCRv6_small_det")


def test_empty_parts_of_the_list_count_for_nothing(stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCR_SERVING_MODELS", f":{stores[1]}:")
    assert models.store_root() == stores[1]
