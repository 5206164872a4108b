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

from ocr_serving.engines import EngineOptions, open_engine
from ocr_serving.errors import ModelError
from ocr_serving.images import Image
from ocr_serving.params import ClassifierParams


class Angle(NamedTuple):
    """A label of `label_list` and how sure the classifier is of it, 0 to 1."""

    label: str
    confidence: float


class TextClassifier:
    """Tells upright lines from lines upside down."""

    def __init__(self, params: ClassifierParams, model: Path, options: EngineOptions) -> None:
        """Load the network in `model`. Raises ConfigError or ModelError."""
        self.params = params
        self.engine = open_engine(model, options)
        answers = self.engine.run(np.zeros((1, *params.cls_image_shape), np.float32))
        if answers[0].shape != (1, len(params.label_list)):
            raise ModelError(
                f"{model} answers shape {answers[0].shape} for a line, but label_list names {len(params.label_list)} angles; "
                "correct cls_model_dir or label_list."
            )

    def __call__(self, crops: Sequence[Image]) -> list[Angle]:
        """One angle for each crop, in their order."""
        angles: list[Angle] = []
        for start in range(0, len(crops), self.params.cls_batch_num):
            batch = crops[start : start + self.params.cls_batch_num]
            tensor = np.concatenate([network_input(crop, self.params.cls_image_shape) for crop in batch])
            (probabilities,) = self.engine.run(tensor)
            angles += [Angle(self.params.label_list[int(row.argmax())], float(row.max())) for row in probabilities]
        return angles


def network_input(crop: Image, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """`crop` scaled to the height of `shape` (3, H, W), squeezed where wider than W, in -1…1, grey beyond its end: (1, 3, H, W)."""
    _, height, width = shape
    own_width = min(width, math.ceil(height * crop.shape[1] / crop.shape[0]))
    return line_input(crop, height, own_width, width)


def line_input(crop: Image, height: int, own_width: int, width: int) -> NDArray[np.float32]:
    """`crop` resized to `height` x `own_width`, in -1…1, with zeros up to `width`: float32 of shape (1, 3, height, width)."""
    resized = cv2.resize(crop, (own_width, height))
    tensor = np.zeros((1, 3, height, width), np.float32)
    inside = tensor[0, :, :, :own_width]
    np.divide(resized.transpose(2, 0, 1), np.float32(255), out=inside)
    inside -= 0.5
    inside /= 0.5
    return tensor


def turned(crop: Image, angle: Angle, threshold: float) -> Image:
    """`crop` turned by 180° where the classifier says so and is surer than `threshold`."""
    if "180" not in angle.label or angle.confidence <= threshold:
        return crop
    return np.asarray(cv2.rotate(crop, cv2.ROTATE_180), np.uint8)
