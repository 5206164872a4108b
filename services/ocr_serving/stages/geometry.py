"""Quadrilaterals on a page: corner order, PaddleOCR's order of lines, and the upright picture of one.

A quad is float32 of shape (4, 2): x, y in pixels of the page, clockwise from its top left corner. The numbers are those of
PaddleOCR 2.10 (`tools/infer/utility.py`, `predict_det.py`, `predict_system.py`), the judge of this pipeline.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image

Quad = NDArray[np.float32]
Points = NDArray[np.float32]

SAME_LINE = 10
"""Boxes whose top left corners differ by fewer pixels in height stand on one line."""

UPRIGHT = 1.5
"""A crop at least this many times as high as wide is vertical text, and is turned."""

WARP_LIMIT = 32766
"""Largest side of a source picture that OpenCV's remapping addresses (16 bits)."""


def clockwise(quad: Points) -> Quad:
    """The same four corners, from top left clockwise: least x + y first, greatest third, the others by y - x."""
    # For four points lists of numbers are several times as fast as arrays, here and below.
    corners: list[list[float]] = quad.tolist()
    total = [x + y for x, y in corners]
    first, third = total.index(min(total)), total.index(max(total))
    if first == third:
        return quad.copy()
    others = [corner for n, corner in enumerate(corners) if n not in (first, third)]
    return np.array([corners[first], min(others, key=_rise), corners[third], max(others, key=_rise)], np.float32)


def _rise(corner: Sequence[float]) -> float:
    return corner[1] - corner[0]


def clipped(quad: Quad, height: int, width: int) -> Quad:
    """Corners moved inside a page of that size and cut to whole pixels."""
    inside = [[int(min(max(x, 0), width - 1)), int(min(max(y, 0), height - 1))] for x, y in quad.tolist()]
    return np.array(inside, np.float32)


def side_lengths(quad: Quad) -> tuple[int, int]:
    """Width and height in whole pixels: the longer of each pair of opposite sides."""
    top, right, bottom, left = (float(np.linalg.norm(quad[a] - quad[b])) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)))
    return int(max(top, bottom)), int(max(left, right))


def sorted_boxes(quads: Sequence[Quad]) -> list[Quad]:
    """Top to bottom, then left to right within a line: PaddleOCR's order, for level pages of one column."""
    ordered = sorted(quads, key=lambda quad: (quad[0][1], quad[0][0]))
    for end in range(len(ordered) - 1):
        for at in range(end, -1, -1):
            upper, lower = ordered[at][0], ordered[at + 1][0]
            if abs(lower[1] - upper[1]) >= SAME_LINE or lower[0] >= upper[0]:
                break
            ordered[at], ordered[at + 1] = ordered[at + 1], ordered[at]
    return ordered


def crop(page: Image, quad: Quad, flags: int = cv2.INTER_CUBIC) -> Image:
    """The inside of a quad as an upright picture; vertical text is turned 90° counter-clockwise (`get_rotate_crop_image`).

    `flags` are OpenCV's for what lies between pixels, where the quad is no upright rectangle.
    """
    if max(page.shape[:2]) > WARP_LIMIT:
        page, quad = _around(page, quad)
    rectangle = _upright_rectangle(quad, *page.shape[:2])
    picture = _unwarped(page, quad, flags) if rectangle is None else page[rectangle]
    return np.rot90(picture) if picture.shape[0] / picture.shape[1] >= UPRIGHT else picture


def sharp_crop(page: Image, quad: Quad) -> Image:
    """As `crop`, for pages that lie skewed: all their lines are resampled, and cubic interpolation blurs small type."""
    return crop(page, quad, cv2.INTER_LANCZOS4)


def smallest_crop(page: Image, quad: Quad) -> Image:
    """As `crop`, but of the smallest rectangle around the quad, as PaddleX 3 cuts lines (`get_minarea_rect_crop`)."""
    corners = sorted(cv2.boxPoints(cv2.minAreaRect(quad.astype(np.int32))).tolist(), key=lambda corner: corner[0])
    left, right = (sorted(pair, key=lambda corner: corner[1]) for pair in (corners[:2], corners[2:]))
    rectangle = np.array([left[0], right[0], right[1], left[1]], np.float32)
    if max(page.shape[:2]) > WARP_LIMIT:
        page, rectangle = _around(page, rectangle)
    picture = _unwarped(page, rectangle)
    return np.rot90(picture) if picture.shape[0] / picture.shape[1] >= UPRIGHT else picture


def _upright_rectangle(quad: Quad, height: int, width: int) -> tuple[slice, slice] | None:
    """Rows and columns of a page of that size which are the inside of `quad`; None where that is not what it encloses.

    Of such a quad, and most are, warping would give these very pixels.
    """
    (left, top), (right, _), (_, bottom), _ = quad.astype(int).tolist()
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        return None
    if quad.tolist() != [[left, top], [right, top], [right, bottom], [left, bottom]]:
        return None
    return slice(top, bottom), slice(left, right)


def _unwarped(page: Image, quad: Quad, flags: int = cv2.INTER_CUBIC) -> Image:
    """The inside of `quad`, in perspective, as a picture as wide and high as the longer of opposite sides."""
    width, height = (max(1, side) for side in side_lengths(quad))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    upright = cv2.warpPerspective(
        page,
        cv2.getPerspectiveTransform(quad, target),
        (width, height),
        borderMode=cv2.BORDER_REPLICATE,
        flags=flags,
    )
    return np.asarray(upright, np.uint8)


def _around(page: Image, quad: Quad) -> tuple[Image, Quad]:
    """The part of a page that a crop of `quad` can read, and the quad in it; a part still too large is scaled down."""
    margin = 4
    left, top = (max(0, math.floor(low) - margin) for low in quad.min(axis=0))
    right, bottom = (math.ceil(high) + margin + 1 for high in quad.max(axis=0))
    part = page[top:bottom, left:right]
    moved = quad - np.array([left, top], np.float32)
    longest = max(part.shape[:2])
    if longest <= WARP_LIMIT:
        return part, moved
    scale = WARP_LIMIT / longest
    size = (max(1, int(part.shape[1] * scale)), max(1, int(part.shape[0] * scale)))
    smaller = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return smaller, moved * np.array([size[0] / part.shape[1], size[1] / part.shape[0]], np.float32)


def __getattr__(name: str) -> Any:
    """`reading_order` was here when users copied modules that import it from here."""
    if name == "reading_order":
        return importlib.import_module("ocr_serving.stages.reading_order").reading_order
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
