from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import networks
from ocr_serving.config.params import ClassifierParams
from ocr_serving.engines import engine_options, table_of, tensor_of
from ocr_serving.errors import ModelError
from ocr_serving.stages.orientation import LINE_STEPS, Angle, TextClassifier, line_pixels, turned

BRIGHT = np.full((20, 100, 3), 250, np.uint8)
DARK = np.full((20, 100, 3), 5, np.uint8)


@pytest.mark.parametrize("batch", [1, 2, 30])
def test_each_crop_has_its_angle(tmp_path: Path, batch: int) -> None:
    model = networks.upside_down_if_dark(tmp_path / "inference.onnx")
    classifier = TextClassifier(ClassifierParams.read({"cls_batch_num": batch}, {}), model, engine_options())
    angles = classifier([BRIGHT, DARK, DARK, BRIGHT, DARK])
    assert [angle.label for angle in angles] == ["0", "180", "180", "0", "180"]
    assert [angle.confidence for angle in angles] == pytest.approx([0.95] * 5)
    assert classifier([]) == []


def test_labels_that_do_not_fit_the_network_are_refused(tmp_path: Path) -> None:
    model = networks.upside_down_if_dark(tmp_path / "inference.onnx")
    with pytest.raises(ModelError, match=r"answers shape \(1, 2\) for a line, but label_list names 4 angles"):
        TextClassifier(ClassifierParams.read({"label_list": ["0", "90", "180", "270"]}, {}), model, engine_options())


@pytest.mark.parametrize(
    ("angle", "is_turned"),
    [(Angle("180", 0.95), True), (Angle("180", 0.9), False), (Angle("0", 0.99), False)],
)
def test_only_what_is_surely_upside_down_is_turned(angle: Angle, is_turned: bool) -> None:
    crop = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert (turned(crop, angle, 0.9) == (crop[::-1, ::-1] if is_turned else crop)).all()


@pytest.mark.parametrize(("height", "width", "used"), [(20, 50, 120), (20, 100, 192), (20, 10, 24), (500, 1, 1), (1, 500, 192)])
def test_crops_are_scaled_to_the_height_and_padded_with_grey(height: int, width: int, used: int) -> None:
    tensor = tensor_of([line_pixels(np.full((height, width, 3), 255, np.uint8), 48, 192)], table_of(LINE_STEPS))
    assert tensor.shape == (1, 3, 48, 192)
    assert (tensor[..., :used] == 1).all()
    assert (tensor[..., used:] == 0).all()


def test_pixels_are_normalised_to_the_bit_as_arithmetic_does() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 70, 3), np.uint8)
    expected = (picture.transpose(2, 0, 1) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    tensor = tensor_of([line_pixels(crop, 48, 96) for crop in (BRIGHT, picture)], table_of(LINE_STEPS))
    assert (tensor[1, :, :, :70] == expected).all()
    assert not tensor[1, :, :, 70:].any()
