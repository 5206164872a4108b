"""Greedy CTC inside the graph answers what numpy does outside of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from helpers import networks
from ocr_serving.engines import CTC_CLASSES, Ctc, Steps, Tensor, engine_options, open_engine, table_of, tensor_of
from ocr_serving.engines.ctc import greedy, restricted
from ocr_serving.engines.graphs import edits
from ocr_serving.errors import ModelError
from ocr_serving.stages.detection import NORMALISED, network_input
from ocr_serving.stages.orientation import LINE_STEPS, line_pixels


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
    edited = edits.parse(edits.with_greedy_ctc(model), "rec.onnx")
    assert edits.metadata(edited) == {"character": "a\nb\n", CTC_CLASSES: "3"}


def test_editing_twice_changes_nothing_more(tmp_path: Path) -> None:
    once = edits.with_greedy_ctc(networks.dark_and_bright_columns(tmp_path / "rec.onnx").read_bytes())
    assert edits.with_greedy_ctc(once) == once


def test_classes_are_inferred_where_the_file_does_not_state_them(tmp_path: Path) -> None:
    model = onnx.load(str(networks.dark_and_bright_columns(tmp_path / "rec.onnx")))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    edited = edits.parse(edits.with_greedy_ctc(model.SerializeToString()), "rec.onnx")
    assert edits.metadata(edited)[CTC_CLASSES] == "3"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_network_that_is_no_recogniser_is_refused(tmp_path: Path, engine: str) -> None:
    file = networks.dark_pixels(tmp_path / "det.onnx")
    with pytest.raises(
        ModelError, match=r"det\.onnx has an output of 4 dimensions, but a CTC recogniser's is of shape \(N, T, C\)"
    ):
        open_engine(file, engine_options(engine=engine), greedy_ctc=True)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_classes_are_picked_and_others_told_as_numpy_does(tmp_path: Path, engine: str) -> None:
    """Of a graph that ends in no last layer to be cut; numpy's way is what paddle's answers are made by."""
    file = networks.passing_through(tmp_path / "rec.onnx", ["N", "T", 50])
    probabilities = np.random.default_rng(0).dirichlet(np.full(50, 0.1), (5, 40)).astype(np.float32)
    asked = Ctc(kept=(0, 3, 7, 11, 49), told=(4, 1))

    answers = open_engine(file, engine_options(engine=engine), greedy_ctc=asked).run(probabilities)
    part = probabilities[..., list(asked.kept)]
    shares = part / (part.sum(axis=2, keepdims=True) + 1e-30)
    assert (answers[0] == shares.argmax(axis=2)).all()
    assert answers[1] == pytest.approx(shares.max(axis=2), rel=1e-5)
    assert answers[2] == pytest.approx(shares[..., list(asked.told)], rel=1e-5, abs=1e-9)
    for one, other in zip(answers, greedy(restricted(probabilities, list(asked.kept)), asked.told), strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-9)


LINE: Steps = (("Div", (255.0,)), ("Sub", (0.5,)), ("Div", (0.5,)))
PAGE: Steps = (("Mul", (1 / 255,)), ("Sub", (0.485, 0.456, 0.406)), ("Div", (0.229, 0.224, 0.225)))


def seen(path: Path, steps: Steps, pictures: list[NDArray[np.uint8]], size: tuple[int, int], opset: int, *, fixed: bool) -> Tensor:
    """What a network behind `with_pixels` is given for pictures of several sizes in the corner of one of `size`."""
    model = edits.with_pixels(networks.passing_through(path, ["N", 3, "H", "W"], opset=opset).read_bytes(), steps)
    if fixed:
        model = edits.with_shape(model, len(pictures), *size)
    path.write_bytes(model)
    pixels = np.full((len(pictures), *size, 3), 77, np.uint8)
    for row, picture in zip(pixels, pictures, strict=True):
        row[: picture.shape[0], : picture.shape[1]] = picture
    sizes = np.array([picture.shape[:2] for picture in pictures], np.int64)
    return open_engine(path, engine_options()).run(pixels, sizes)[0]


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("opset", [11, 13, 18])
def test_a_front_of_pixels_gives_the_very_bits_of_the_stages(tmp_path: Path, opset: int, fixed: bool) -> None:
    pictures = [np.random.default_rng(n).integers(0, 256, (48, width, 3), np.uint8) for n, width in enumerate((70, 96, 1))]
    tensor = seen(tmp_path / "any.onnx", LINE, pictures, (48, 96), opset, fixed=fixed)
    assert (tensor == tensor_of([line_pixels(picture, 48, 96) for picture in pictures], table_of(LINE_STEPS))).all()
    page = seen(tmp_path / "any.onnx", PAGE, pictures, (64, 96), opset, fixed=fixed)
    for row, picture in zip(page, pictures, strict=True):
        width = picture.shape[1]
        assert (row[:, :48, :width] == network_input(picture, (48, width), NORMALISED["DB"])[0]).all()
        assert not row[:, 48:].any()
        assert not row[:, :, width:].any()


def test_a_front_of_pixels_is_refused_where_it_does_not_fit(tmp_path: Path) -> None:
    old = networks.passing_through(tmp_path / "old.onnx", ["N", 3, "H", "W"], opset=10).read_bytes()
    with pytest.raises(ModelError, match=r"old\.onnx is of opset 10, but pixels need 11"):
        edits.with_pixels(old, LINE, "old.onnx")
    flat = networks.passing_through(tmp_path / "flat.onnx", ["N", 2]).read_bytes()
    with pytest.raises(ModelError, match=r"pixels fit a network with one, of shape \(N, 3, H, W\)"):
        edits.with_pixels(flat, LINE)
