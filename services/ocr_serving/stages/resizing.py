"""How a picture is made smaller for a network."""

from __future__ import annotations

import cv2
import numpy as np

from ocr_serving.config.params import Resize
from ocr_serving.decoding.images import Image


def resized(picture: Image, size: tuple[int, int], how: Resize) -> Image:
    """`picture` of `size` (height, width).

    To make it smaller, "area" takes the mean of all pixels that one stands for, "linear", PaddleOCR's way, of the four nearest,
    which skips hairlines. What becomes larger is interpolated either way.
    """
    height, width = picture.shape[:2]
    if picture.shape[:2] == size:
        return picture
    smaller = size[0] <= height and size[1] <= width
    method = cv2.INTER_AREA if how == "area" and smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=method), np.uint8)
