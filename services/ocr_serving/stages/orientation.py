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

from ocr_serving.config.params import ClassifierParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, PixelInput, Pixels, Steps, open_for_pixels
from ocr_serving.errors import ModelError

LINE_STEPS: Steps = (("Div", (255.0,)), ("Sub", (0.5,)), ("Div", (0.5,)))
"""What makes a network's input of the pixels of a line: numbers in -1…1."""


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
        self.network = open_for_pixels(model, options.without_int8, PixelInput("classification", (height, width), LINE_STEPS))
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
        rows = (line_pixels(crop, height, width) for crop in crops)
        return [outputs[0] for outputs in self.network.run(rows, self.params.cls_batch_num)]


def scaled_line(crop: Image, height: int, width: int) -> Image:
    """`crop` scaled to `height`, squeezed where wider than `width`."""
    return np.asarray(cv2.resize(crop, (line_width(crop.shape[0], crop.shape[1], height, width), height)), np.uint8)


def line_width(rows: int, columns: int, height: int, width: int) -> int:
    """How many pixels of an input of `height` x `width` a crop of `rows` x `columns` fills."""
    return min(width, math.ceil(height * columns / rows))


def line_pixels(crop: Image, height: int, width: int) -> Pixels:
    """`crop`, scaled, at the left of an input of that size."""
    return Pixels(scaled_line(crop, height, width), height, width)


def is_turned(angle: Angle, threshold: float) -> bool:
    """Whether the classifier says that a line is upside down, and is surer than `threshold`."""
    return "180" in angle.label and angle.confidence > threshold


def turned(crop: Image, angle: Angle, threshold: float) -> Image:
    """`crop` turned by 180° where it `is_turned`."""
    if not is_turned(angle, threshold):
        return crop
    return np.asarray(cv2.rotate(crop, cv2.ROTATE_180), np.uint8)
