"""The frame of a page's text: `u` runs along the lines, `v` from one line to the next, both in pixels.

On a level page they are x and y; where columns of upright characters prevail `u` runs down and `v` from right to left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.geometry import UPRIGHT, Quad

Rectangles = NDArray[np.float64]
"""Shape (N, 4): least x, least y, greatest x, greatest y; of lines u and v in their place."""

Numbers = NDArray[np.float64]

U, V = 0, 1

LEADING = 0.3
"""Share of its height by which a line may reach into the next, above and below, and still be another row; of very large type, of
twice the height that most lines have: small rows beside it do not stand above it."""


def runs_down(quads: Sequence[Quad]) -> bool:
    """Whether columns of upright characters prevail: boxes much higher than wide have more length together than wide ones."""
    return len(quads) > 0 and prevails_down(np.asarray(quads, np.float64))


def slope(quads: Sequence[Quad]) -> float:
    """Degrees, clockwise, by which the lines of a page slope: the median over their length; 0 without long lines."""
    return math.degrees(_direction(np.asarray(quads, np.float64).reshape(-1, 4, 2), down=False))


@dataclass(frozen=True)
class Lines:
    """Lines in the frame of the text: `boxes` around them, `v` of their left and right ends, their heights.

    `cores` are the boxes without what may reach into the row above or below; `gutter` is the least width of one. `down`: they are
    columns of upright characters.
    """

    boxes: Rectangles
    cores: Rectangles
    left: Numbers
    right: Numbers
    height: Numbers
    gutter: float
    down: bool


def laid(quads: Numbers) -> Lines:
    """Lines, shape (N, 4, 2), in the frame of the text; each as high and long as it is by itself."""
    down = prevails_down(quads)
    angle = _direction(quads, down=down)
    along = np.array([math.cos(angle), math.sin(angle)])
    corners = quads @ np.stack([along, [-along[1], along[0]]], axis=1)
    if down:
        corners = np.roll(corners, -1, axis=1)  # an upright column begins at its top right corner
    ends = np.stack([corners[:, [0, 3]].mean(axis=1), corners[:, [1, 2]].mean(axis=1)], axis=1)
    height = np.linalg.norm(corners[:, [3, 2]] - corners[:, [0, 1]], axis=2).mean(axis=1).clip(1)
    middle = ends.mean(axis=1)
    boxes = np.stack([ends[:, 0, U], middle[:, V] - height / 2, ends[:, 1, U], middle[:, V] + height / 2], axis=1)
    usual = float(np.median(height))
    cores = boxes + LEADING * height.clip(max=2 * usual)[:, None] * np.array([0, 1, 0, -1])
    return Lines(boxes, cores, ends[:, 0, V], ends[:, 1, V], height, usual, down)


def prevails_down(quads: Numbers) -> bool:
    width, height = _sides(quads)
    return bool(height[height >= UPRIGHT * width].sum() > width[width >= UPRIGHT * height].sum())


def _sides(quads: Numbers) -> tuple[Numbers, Numbers]:
    """Width and height of each quad."""
    across = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]) / 2
    downwards = (quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1]) / 2
    return np.linalg.norm(across, axis=1), np.linalg.norm(downwards, axis=1)


def _direction(quads: Numbers, *, down: bool) -> float:
    """Radians, clockwise, from the x axis to where the text runs: the median of its long lines over their length."""
    one, other = ((0, 3), (1, 2)) if down else ((0, 1), (3, 2))
    runs = quads[:, one[1]] - quads[:, one[0]] + quads[:, other[1]] - quads[:, other[0]]
    width, height = _sides(quads)
    length, thickness = (height, width) if down else (width, height)
    level = math.pi / 2 if down else 0.0
    long = length >= 2 * thickness
    if not long.any():
        return level
    # A minAreaRect of a line is level to half a pixel at its ends: short lines say little, and weigh little.
    angles = np.arctan2(runs[long, 1], runs[long, 0])
    order = np.argsort(angles)
    weight = np.cumsum(length[long][order])
    return float(angles[order][np.searchsorted(weight, weight[-1] / 2)])
