"""Which way up a line of text is: crops in, "0" or "180" out.

Follows PaddleOCR 2.10's `predict_cls.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.engines import EngineOptions, PixelEngine, PixelInput, Pixels, open_engine
from ocr_serving.engines.base import Steps
from ocr_serving.errors import ModelError
from ocr_serving.images import Image
from ocr_serving.params import ClassifierParams

LINE_STEPS: Steps = (("Div", (255.0,)), ("Sub", (0.5,)), ("Div", (0.5,)))
"""What `line_input` does to a pixel, for engines that do it themselves."""


class Angle(NamedTuple):
    """A label of `label_list` and how sure the classifier is of it, 0 to 1."""

    label: str
    confidence: float


class TextClassifier:
    """Tells upright lines from lines upside down."""

    def __init__(self, params: ClassifierParams, model: Path, options: EngineOptions) -> None:
        """Load the network in `model`. Raises ConfigError or ModelError."""
        self.params = params
        height, width = params.cls_image_shape[1:]
        self.engine = open_engine(model, options, pixels=PixelInput("classification", (height, width), LINE_STEPS))
        answer = self._probabilities([np.zeros((height, width, 3), np.uint8)])[0]
        if answer.shape != (len(params.label_list),):
            raise ModelError(
                f"{model} answers shape {(1, *answer.shape)} for a line, but label_list names {len(params.label_list)} angles; "
                "correct cls_model_dir or label_list."
            )

    def __call__(self, crops: Sequence[Image]) -> list[Angle]:
        """One angle for each crop, in their order."""
        return [Angle(self.params.label_list[int(row.argmax())], float(row.max())) for row in self._probabilities(crops)]

    def _probabilities(self, crops: Sequence[Image]) -> list[NDArray[np.float32]]:
        """For each crop the probabilities of the labels."""
        _, height, width = self.params.cls_image_shape
        if isinstance(self.engine, PixelEngine):
            rows = [Pixels(scaled_line(crop, height, width), height, width) for crop in crops]
            return [outputs[0] for outputs in self.engine.run_pixels(rows)]
        probabilities: list[NDArray[np.float32]] = []
        for start in range(0, len(crops), self.params.cls_batch_num):
            batch = crops[start : start + self.params.cls_batch_num]
            tensor = np.concatenate([network_input(crop, self.params.cls_image_shape) for crop in batch])
            probabilities += list(self.engine.run(tensor)[0])
        return probabilities


def network_input(crop: Image, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """`crop` scaled to the height of `shape` (3, H, W), squeezed where wider than W, in -1…1, grey beyond its end: (1, 3, H, W)."""
    _, height, width = shape
    return line_input(crop, height, width)


def scaled_line(crop: Image, height: int, width: int) -> Image:
    """`crop` scaled to `height`, squeezed where wider than `width`."""
    own_width = min(width, math.ceil(height * crop.shape[1] / crop.shape[0]))
    return np.asarray(cv2.resize(crop, (own_width, height)), np.uint8)


def line_input(crop: Image, height: int, width: int) -> NDArray[np.float32]:
    """`crop` as `scaled_line` gives it, in -1…1, with zeros up to `width`: float32 of shape (1, 3, height, width)."""
    resized = scaled_line(crop, height, width)
    tensor = np.zeros((1, 3, height, width), np.float32)
    inside = tensor[0, :, :, : resized.shape[1]]
    np.divide(resized.transpose(2, 0, 1), np.float32(255), out=inside)
    inside -= 0.5
    inside /= 0.5
    return tensor


def turned(crop: Image, angle: Angle, threshold: float) -> Image:
    """`crop` turned by 180° where the classifier says so and is surer than `threshold`."""
    if "180" not in angle.label or angle.confidence <= threshold:
        return crop
    return np.asarray(cv2.rotate(crop, cv2.ROTATE_180), np.uint8)
