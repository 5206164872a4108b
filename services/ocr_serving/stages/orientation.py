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
from ocr_serving.engines import EngineOptions, PixelEngine, PixelInput, Pixels, crew_of, open_engine
from ocr_serving.engines.base import Steps
from ocr_serving.errors import ModelError

LINE_STEPS: Steps = (("Div", (255.0,)), ("Sub", (0.5,)), ("Div", (0.5,)))
"""What `lines_input` does to a pixel, for engines that do it themselves."""


NORMALISED: NDArray[np.float32] = (np.arange(256, dtype=np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
"""The network's input for each of the 256 values of a byte."""


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
        batches = [crops[start : start + self.params.cls_batch_num] for start in range(0, len(crops), self.params.cls_batch_num)]
        with crew_of(self.engine, len(batches)) as crew:
            answers = crew.map(
                lambda batch: self.engine.run(lines_input(batch, height, width))[0], batches, [len(batch) for batch in batches]
            )
        return [row for answer in answers for row in answer]


def scaled_line(crop: Image, height: int, width: int) -> Image:
    """`crop` scaled to `height`, squeezed where wider than `width`."""
    own_width = min(width, math.ceil(height * crop.shape[1] / crop.shape[0]))
    return np.asarray(cv2.resize(crop, (own_width, height)), np.uint8)


def lines_input(crops: Sequence[Image], height: int, width: int) -> NDArray[np.float32]:
    """`crops` as `scaled_line` gives them, in -1…1, with zeros up to `width`: float32 of shape (N, 3, height, width)."""
    tensor = np.zeros((len(crops), 3, height, width), np.float32)
    for n, crop in enumerate(crops):
        resized = scaled_line(crop, height, width)
        # As in detection, a table look-up gives the very bits of the arithmetic in a fraction of its time.
        for channel, plane in enumerate(cv2.split(resized)):
            cv2.LUT(plane, NORMALISED, tensor[n, channel, :, : plane.shape[1]])
    return tensor


def is_turned(angle: Angle, threshold: float) -> bool:
    """Whether the classifier says that a line is upside down, and is surer than `threshold`."""
    return "180" in angle.label and angle.confidence > threshold


def turned(crop: Image, angle: Angle, threshold: float) -> Image:
    """`crop` turned by 180° where it `is_turned`."""
    if not is_turned(angle, threshold):
        return crop
    return np.asarray(cv2.rotate(crop, cv2.ROTATE_180), np.uint8)
