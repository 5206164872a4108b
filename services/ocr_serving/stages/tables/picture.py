"""The picture of a table made ready: cut to what is printed, its lines level, dark on light."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image

Quads = NDArray[np.float64]
"""Shape (N, 4, 2): x, y of the corners of lines of text, clockwise from the top left."""

Rectangles = NDArray[np.float64]
"""Shape (N, 4): x1, y1, x2, y2."""

LEVEL = 0.1
"""Degrees up to which lines are level."""

MOST_SKEW = 4.0
"""Degrees up to which a picture is taken to be skewed."""

PROFILE = 700
"""Side, in pixels, of a square as large as the picture whose profile is taken: a long table keeps its lines apart in it."""

COARSE, FINE = 0.25, 0.05
"""Degrees between two slopes that are tried, first and then about the best of them."""

CLEARLY = 1.03
"""A slope must be so many times as sharp as none."""

DARK = 110
"""A background below this grey, of 255, is dark."""

MARGIN = 0.6
"""Room left around what is printed, in heights of a line."""


class Prepared(NamedTuple):
    """A picture of a table, level and dark on light, with the matrix (2, 3) that takes points of the given picture to it."""

    picture: Image
    matrix: NDArray[np.float64]

    def there(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (…, 2) of the given picture, on this one."""
        moved: NDArray[np.float64] = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return moved

    def back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (…, 2) of this picture, on the given one."""
        moved: NDArray[np.float64] = (points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T
        return moved

    def cut(self, box: tuple[float, float, float, float]) -> Prepared:
        """The part inside x1, y1, x2, y2, as whole pixels."""
        height, width = self.picture.shape[:2]
        x1, y1 = (min(max(0, int(low)), side - 1) for low, side in zip(box[:2], (width, height), strict=True))
        x2, y2 = (
            max(low + 1, min(side, int(high) + 1)) for low, high, side in zip((x1, y1), box[2:], (width, height), strict=True)
        )
        matrix = self.matrix - np.array([[0, 0, x1], [0, 0, y1]], np.float64)
        return Prepared(self.picture[y1:y2, x1:x2], matrix)


def prepared(picture: Image, quads: Quads) -> Prepared:
    """`picture` turned so that its lines of text, `quads`, are level, and inverted where it is light on dark."""
    height, width = picture.shape[:2]
    angle = skew(picture, quads)
    matrix = np.eye(2, 3, dtype=np.float64)
    if abs(angle) > LEVEL:
        matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0), np.float64)
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64) @ matrix[:, :2].T + matrix[:, 2]
        matrix[:, 2] -= corners.min(axis=0)
        size = np.ceil(np.ptp(corners, axis=0)).astype(int).tolist()
        turned = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        picture = np.asarray(turned, np.uint8)
    ready = Prepared(picture, matrix)
    if len(quads) and background(ready.cut(_around(upright(ready.there(quads)))).picture) < DARK:
        ready = ready._replace(picture=np.asarray(cv2.bitwise_not(picture), np.uint8))
    return ready


def skew(picture: Image, quads: Quads) -> float:
    """Degrees by which the print falls to the right: the slope along which its rows, and columns, are told apart best.

    The sharpest projection profile (Postl, "Detection of linear oblique structures and skew scan in digitized documents", ICPR
    1986) over what `quads`, the lines of text, enclose; 0 where a level profile is as sharp. Columns tell the slope of what is much
    higher than wide, whose rows are short.
    """
    if not len(quads):
        return 0.0
    x1, y1, x2, y2 = (int(side) for side in _around(upright(quads)))
    grey = cv2.cvtColor(picture[max(0, y1) : y2 + 1, max(0, x1) : x2 + 1], cv2.COLOR_BGR2GRAY)
    scale = min(1.0, PROFILE / float(np.sqrt(grey.size)))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    ink = np.abs(small - np.median(small))
    level = _sharpness(ink, 0.0)
    best, found = level * CLEARLY, 0.0
    around, step = 0.0, COARSE
    for reach in (MOST_SKEW, COARSE):
        for angle in np.arange(around - reach, around + reach + step / 2, step).tolist():
            sharpness = _sharpness(ink, angle)
            if sharpness > best:
                best, found = sharpness, angle
        around, step = found, FINE
    return found


def _sharpness(ink: NDArray[np.float32], angle: float) -> float:
    """How much rows, and columns, of `ink` differ from their neighbours once what falls by `angle` degrees is level."""
    height, width = ink.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(ink, turn, (width, height))
    profiles = (cv2.reduce(turned, side, cv2.REDUCE_SUM) for side in (1, 0))
    return sum(float(np.square(np.diff(profile.ravel())).sum()) for profile in profiles)


def upright(quads: Quads) -> Rectangles:
    """The upright boxes around quads."""
    boxes: Rectangles = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1).reshape(-1, 4)
    return boxes


def background(picture: Image) -> float:
    """The grey, 0 to 255, that most of a picture has."""
    return float(np.median(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)))


def corners_of(boxes: Rectangles) -> Quads:
    """The corners of upright boxes, clockwise from the top left."""
    return boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]


def line_height(boxes: Rectangles) -> float:
    """The usual height of lines of text in pixels."""
    return max(6.0, float(np.median(boxes[:, 3] - boxes[:, 1]))) if len(boxes) else 16.0


def content(boxes: Rectangles, rules: Rectangles) -> tuple[float, float, float, float]:
    """What is printed, with a margin: lines of text and the rules that touch them, or others that do.

    `boxes` has one line at least.
    """
    height = line_height(boxes)
    x1, y1, x2, y2 = _around(boxes)
    left = list(range(len(rules)))
    reach = 2 * height
    grown = True
    while grown:
        grown = False
        for index in list(left):
            a1, b1, a2, b2 = rules[index].tolist()
            if a1 <= x2 + reach and a2 >= x1 - reach and b1 <= y2 + reach and b2 >= y1 - reach:
                x1, y1, x2, y2 = min(x1, a1), min(y1, b1), max(x2, a2), max(y2, b2)
                left.remove(index)
                grown = True
        reach = 4.0
    margin = MARGIN * height
    return x1 - margin, y1 - margin, x2 + margin, y2 + margin


def _around(boxes: Rectangles) -> tuple[float, float, float, float]:
    x1, y1 = boxes[:, :2].min(axis=0).tolist()
    x2, y2 = boxes[:, 2:].max(axis=0).tolist()
    return x1, y1, x2, y2
