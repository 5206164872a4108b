"""Pictures of an answer: drawn, shrunk, encoded. Pure."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from ocr_serving.decoding.images import Image

LONGEST = 2000
"""Pixels of the longer side that a picture of an answer is shrunk to, as there."""


def jpeg(picture: Image) -> str:
    """`picture` (BGR uint8, shape (H, W, 3)) as base64 of a JPEG, its longer side no more than `LONGEST`."""
    return _encoded(_shrunk(picture), ".jpg")


def png(picture: Image) -> str:
    """`picture` as base64 of a PNG, in its own size."""
    return _encoded(picture, ".png")


def pair(left: Image, right: Image) -> Image:
    """Two pictures side by side, the lower one with white below."""
    height = max(left.shape[0], right.shape[0])
    sides = [np.full((height, side.shape[1], 3), 255, np.uint8) for side in (left, right)]
    for side, picture in zip(sides, (left, right), strict=True):
        side[: picture.shape[0]] = picture
    return np.hstack(sides)


def _shrunk(picture: Image) -> Image:
    longer = max(picture.shape[:2])
    if longer <= LONGEST:
        return picture
    size = [max(1, round(side * LONGEST / longer)) for side in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def encoded(content: bytes) -> str:
    """Base64, without a prefix."""
    return base64.b64encode(content).decode()


def _encoded(picture: Image, suffix: str) -> str:
    return encoded(cv2.imencode(suffix, picture)[1].tobytes())
