"""Pictures of an answer: drawn, shrunk, encoded. Pure."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from ocr_serving.decoding.images import Image

LONGEST = 2000
"""Pixels of the longer side that a picture of an answer is shrunk to, as there."""

CAPTION = 25
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.55


def jpeg(picture: Image) -> str:
    """`picture` (BGR uint8, shape (H, W, 3)) as base64 of a JPEG, its longer side no more than `LONGEST`."""
    return _encoded(_shrunk(picture), ".jpg")


def png(picture: Image) -> str:
    """`picture` as base64 of a PNG, in its own size."""
    return _encoded(picture, ".png")


def preprocessing(sent: Image, upright: Image) -> Image:
    """The steps before a page is read, side by side as there: as it was sent, set upright, flattened.

    Nothing here flattens pages, so that the last two are the same. BGR uint8; a strip of `CAPTION` pixels below names them.
    """
    panels = {"Original Image": sent, "Rotated Image": upright, "Unwarping Image": upright}
    height = max(panel.shape[0] for panel in panels.values())
    shown = []
    for name, panel in panels.items():
        framed = np.full((height + CAPTION, panel.shape[1], 3), 255, np.uint8)
        framed[: panel.shape[0]] = panel
        left = max(0, (panel.shape[1] - cv2.getTextSize(name, FONT, FONT_SCALE, 1)[0][0]) // 2)
        cv2.putText(framed, name, (left, height + CAPTION - 7), FONT, FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)
        shown.append(framed)
    return np.hstack(shown)


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
