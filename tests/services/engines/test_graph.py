"""Greedy CTC inside the graph answers what numpy does outside of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import networks
from ocr_serving.engines import CTC_CLASSES, engine_options, graph, open_engine
from ocr_serving.errors import ModelError


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_ids_and_scores_are_numpys_even_on_ties(tmp_path: Path, engine: str, opset: int) -> None:
    file = networks.passing_through(tmp_path / "rec.onnx", ["N", "T", 50], opset=opset)
    probabilities = np.random.default_rng(0).integers(0, 4, (5, 40, 50)).astype(np.float32)

    network = open_engine(file, engine_options(engine=engine), greedy_ctc=True)
    ids, scores = network.run(probabilities)

    assert ids.dtype == np.int32
    assert (ids == probabilities.argmax(axis=2)).all()
    assert (scores == probabilities.max(axis=2)).all()
    assert network.metadata[CTC_CLASSES] == "50"


def test_metadata_stay_and_classes_are_added(tmp_path: Path) -> None:
    model = networks.dark_and_bright_columns(tmp_path / "rec.onnx").read_bytes()
    edited = graph.parse(graph.with_greedy_ctc(model), "rec.onnx")
    assert graph.metadata(edited) == {"character": "a\nb\n", CTC_CLASSES: "3"}


def test_editing_twice_changes_nothing_more(tmp_path: Path) -> None:
    once = graph.with_greedy_ctc(networks.dark_and_bright_columns(tmp_path / "rec.onnx").read_bytes())
    assert graph.with_greedy_ctc(once) == once


def test_classes_are_inferred_where_the_file_does_not_state_them(tmp_path: Path) -> None:
    model = onnx.load(str(networks.dark_and_bright_columns(tmp_path / "rec.onnx")))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    edited = graph.parse(graph.with_greedy_ctc(model.SerializeToString()), "rec.onnx")
    assert graph.metadata(edited)[CTC_CLASSES] == "3"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_network_that_is_no_recogniser_is_refused(tmp_path: Path, engine: str) -> None:
    file = networks.dark_pixels(tmp_path / "det.onnx")
    with pytest.raises(
        ModelError, match=r"det\.onnx has an output of 4 dimensions, but a CTC recogniser's is of shape \(N, T, C\)"
    ):
        open_engine(file, engine_options(engine=engine), greedy_ctc=True)
