"""Words of a table: lines of text and pieces of them, by where there is no ink between."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.tables.picture import Rectangles

GAP = 0.22
"""Height of a line; words of one are at least so far apart."""

INSET = 0.2
"""Share of a line's height, above and below, that is room and not letters."""


class Word(NamedTuple):
    """A word of a line: what it says and its corners, float64 of shape (4, 2)."""

    text: str
    quad: NDArray[np.float64]


def rows_of_text(boxes: Rectangles, height: float) -> list[list[int]]:
    """Indices of `boxes` that stand on one line, from top to bottom, each from left to right."""
    rows: list[list[int]] = []
    middle = 0.0
    for index in np.argsort(boxes[:, 1] + boxes[:, 3], kind="stable").tolist():
        centre = float(boxes[index, 1] + boxes[index, 3]) / 2
        if not rows or centre - middle > 0.45 * height:
            rows.append([])
        rows[-1].append(index)
        middle = float((boxes[rows[-1], 1] + boxes[rows[-1], 3]).mean()) / 2
    return [sorted(row, key=lambda index: float(boxes[index, 0])) for row in rows]


def ink(picture: Image) -> NDArray[np.bool_]:
    """Where a picture, dark on light or light on dark, is printed: what stands off from the usual grey around it."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    usual = float(np.median(grey))
    away = np.abs(grey - usual)
    strongest = float(np.percentile(away, 99.5)) if away.size else 0.0
    marked: NDArray[np.bool_] = away > max(32.0, 0.4 * strongest)
    return marked


def words(picture: Image, box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    """Where words of a line of text begin and end, x1, x2 from left to right, by their ink; the line's sides where it has none."""
    x1, y1, x2, y2 = (int(side) for side in box)
    inset = max(1, int(INSET * (y2 - y1)))
    part = picture[max(0, y1 + inset) : max(0, y2 - inset), max(0, x1) : max(0, x2)]
    if part.size == 0:
        return [(box[0], box[2])]
    printed = ink(part).any(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], printed, [False]]).astype(np.int8))).reshape(-1, 2) + max(0, x1)
    found: list[list[float]] = []
    for start, end in edges.tolist():
        if found and start - found[-1][1] < max(2.0, GAP * (y2 - y1)):
            found[-1][1] = float(end)
        else:
            found.append([float(start), float(end)])
    return [(start, end) for start, end in found] or [(box[0], box[2])]


def gaps(picture: Image, box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    """Stretches x1, x2 of a line of text without ink, between words, from left to right."""
    return [(left[1], right[0]) for left, right in pairwise(words(picture, box))]


def cell_lines(picture: Image, cell: NDArray[np.float64], boxes: Rectangles, height: float) -> NDArray[np.float64] | None:
    """Where something as large as a sign is printed in a cell outside `boxes`, with room around: x1, y1, x2, y2, or None."""
    inset = max(2.0, 0.12 * height)
    x1, y1, x2, y2 = (int(side) for side in cell + np.array([inset, inset, -inset, -inset]))
    x1, y1 = max(0, x1), max(0, y1)
    part = picture[y1 : max(y1, y2), x1 : max(x1, x2)]
    if part.shape[0] < 0.4 * height or part.shape[1] < 0.3 * height:
        return None
    marked = ink(part).astype(np.uint8)
    for a1, b1, a2, b2 in boxes.tolist():
        if a1 < x2 and a2 > x1 and b1 < y2 and b2 > y1:
            marked[max(0, int(b1) - y1) : max(0, int(b2) + 1 - y1), max(0, int(a1) - x1) : max(0, int(a2) + 1 - x1)] = 0
    count, _, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
    signs = []
    for left, top, width, depth, area in stats[1:count].tolist():
        at_edge = left == 0 or top == 0 or left + width == part.shape[1] or top + depth == part.shape[0]
        if at_edge or area < max(3.0, 0.012 * height * height) or depth > 1.2 * height or width > 6 * height:
            continue
        signs.append((left, top, left + width, top + depth))
    if not signs:
        return None
    found = np.array(signs, np.float64)
    low, high = found[:, :2].min(axis=0), found[:, 2:].max(axis=0)
    if (high - low).max() < 0.2 * height or high[1] - low[1] > 1.5 * height:
        return None
    # A sign is read as a line of text is: with the room above and below that a line has.
    room = max(0.25 * height, (0.9 * height - (high[1] - low[1])) / 2)
    box = np.array([low[0] - 0.3 * height, low[1] - room, high[0] + 0.3 * height, high[1] + room])
    shifted: NDArray[np.float64] = box + np.array([x1, y1, x1, y1])
    return shifted
