"""Networks in int8, by ranges that come with the package."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import onnx
import pytest

from ocr_serving import models
from ocr_serving.engines.graphs import prepared, quantising
from ocr_serving.engines.graphs.edits import parse
from ocr_serving.errors import ModelError

pytestmark = pytest.mark.models


@pytest.mark.parametrize("name", quantising.known())
def test_ranges_fit_the_weights_of_the_catalogue(name: str) -> None:
    """And folding, which names what lies in between: `python -m training.ranges` measures anew."""
    ranges = quantising.known()[name]
    (published,) = (file for file in models.catalogue()[name].files if file.name == "inference.onnx")
    assert ranges.weights == published.sha256
    file = models.home(name) / "inference.onnx"
    assert quantising.ranges_of(hashlib.sha256(file.read_bytes()).hexdigest(), str(file)) == ranges
    network = quantising.as_quantised(parse(prepared.prepared(file), name))
    assert set(quantising.tensors(network, ranges.float32)) == set(ranges.ranges)
    assert set(ranges.float32) < {node.name for node in network.graph.node}
    assert all(low < high for low, high in ranges.ranges.values())


def test_a_network_in_int8_is_kept_beside_that_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = models.home("PP-OCRv6_small_rec") / "inference.onnx"
    monkeypatch.setenv("OCR_SERVING_MODELS", str(tmp_path))
    exact, rounded = prepared.prepared(file), prepared.prepared(file, precision="int8")
    assert len(rounded) < 0.7 * len(exact)
    assert len(list((tmp_path / prepared.FOLDER).iterdir())) == 2
    monkeypatch.setattr(prepared, "quantised", pytest.fail)
    assert prepared.prepared(file, precision="int8") == rounded
    assert prepared.prepared(file) == exact
    assert "ctc_classes" not in {entry.key for entry in onnx.load_from_string(rounded).metadata_props}


def test_ranges_of_another_network_are_refused() -> None:
    ranges = quantising.known()["PP-OCRv6_small_rec"]
    one = next(iter(ranges.ranges))
    file = models.home("PP-OCRv6_small_rec") / "inference.onnx"
    spoilt = dataclasses.replace(ranges, ranges={name: ends for name, ends in ranges.ranges.items() if name != one})
    with pytest.raises(ModelError, match=r"do not fit small: set precision to 'fp32'"):
        quantising.quantised(prepared.prepared(file), spoilt, "small")
