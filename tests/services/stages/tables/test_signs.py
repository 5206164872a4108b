"""Check marks, which are read as letters."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ocr_serving.stages.tables.signs import with_checks

CHECK = np.array([[10, 32], [18, 42], [36, 14]], np.int32)
BOX = np.array([[4.0, 6.0, 44.0, 48.0]])


def sign(corners: NDArray[np.int32], *, dark: bool = False, thick: int = 3) -> NDArray[np.uint8]:
    picture = np.full((56, 56, 3), 30 if dark else 250, np.uint8)
    cv2.polylines(picture, [corners], isClosed=False, color=(240,) * 3 if dark else (20,) * 3, thickness=thick)
    return picture


def letter(text: str) -> NDArray[np.uint8]:
    picture = Image.new("RGB", (56, 56), "white")
    ImageDraw.Draw(picture).text((10, 8), text, fill="black", font=ImageFont.load_default(32))
    return np.asarray(picture, np.uint8)


def test_a_mark_with_a_short_arm_at_the_left_is_no_letter() -> None:
    assert with_checks(sign(CHECK), BOX, ["V"]) == ["✓"]
    assert with_checks(sign(CHECK, dark=True, thick=2), BOX, ["v"]) == ["✓"]
    assert with_checks(sign(CHECK), BOX, ["W"]) == ["W"], "only what looks like one is read as one"


def test_letters_stay_letters() -> None:
    for text in ("V", "v", "Y", "y"):
        assert with_checks(letter(text), BOX, [text]) == [text]


def test_signs_of_roots_are_check_marks_beside_such_only() -> None:
    two = np.concatenate([sign(CHECK), sign(CHECK)])
    boxes = np.concatenate([BOX, BOX + np.array([0, 56, 0, 56])])
    assert with_checks(two, boxes, ["√", "V"]) == ["✓", "✓"]
    assert with_checks(two, boxes, ["√", "√"]) == ["√", "√"]
