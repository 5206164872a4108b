"""Lines too long for the recogniser, which would squeeze them beyond reading: cut between words, into lines one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.stages.geometry import UPRIGHT, Quad, crop, side_lengths

LONGEST = 60.0
"""Times its height that a line is read whole: recognisers take 3200 pixels at a height of 48."""

SEARCHED = 0.2
"""Share of a part, before and after the place of a cut, in which a gap between words is looked for."""


LEAST_HEIGHT = 8
"""Pixels of a picture's height below which there are no letters in it."""

LONGEST_IN_PARTS = 1000.0
"""Times its height that a picture is read in parts, some twenty of them."""


def in_readable_lengths(page: Image, quads: Sequence[Quad]) -> list[Quad]:
    """`quads` of the lines on `page`, with those over `LONGEST` times as long as high in parts, in order."""
    return [part for quad in quads for part in (_parts(page, quad) if _ratio(quad) > LONGEST else [quad])]


def readable_parts(picture: Image) -> list[tuple[int, Image]]:
    """The picture of a line, BGR of shape (H, W, 3), in parts that are read whole, each with its left edge in it, in pixels.

    One that `is_too_long` stays whole: a part costs as much as a long line does.
    """
    height, width = picture.shape[:2]
    if width <= LONGEST * height or is_too_long(picture):
        return [(0, picture)]
    cuts = [round(share * width) for share in _cuts(picture, width / height)]
    return [(left, picture[:, left:right]) for left, right in pairwise(cuts) if right > left]


def is_too_long(picture: Image) -> bool:
    """Whether the picture of a line, of shape (H, W, 3), is squeezed, which leaves little to read.

    It is too low to show letters, or too long to be a line.
    """
    height, width = picture.shape[:2]
    return bool(width > (LONGEST if height < LEAST_HEIGHT else LONGEST_IN_PARTS) * height)


def _cuts(picture: Image, ratio: float) -> list[float]:
    """Where a line so many times as long as high is cut, its ends included, as shares of its length."""
    count = math.ceil(ratio / (LONGEST * (1 - SEARCHED)))
    return [0.0, *(gap(picture, n / count, SEARCHED / count) for n in range(1, count)), 1.0]


def _ratio(quad: Quad) -> float:
    width, height = side_lengths(quad)
    return max(width, height) / max(1, min(width, height))


def _parts(page: Image, quad: Quad) -> list[Quad]:
    width, height = side_lengths(quad)
    cuts = _cuts(crop(page, quad), _ratio(quad))
    # A column of characters is cut from top to bottom, a line from left to right.
    upright = height >= UPRIGHT * width
    (begin, other_begin), (end, other_end) = (quad[[0, 1]], quad[[3, 2]]) if upright else (quad[[0, 3]], quad[[1, 2]])
    parts = []
    for first, last in pairwise(cuts):
        one, two = (np.round(begin + (end - begin) * share) for share in (first, last))
        other_one, other_two = (np.round(other_begin + (other_end - other_begin) * share) for share in (first, last))
        corners = [one, other_one, other_two, two] if upright else [one, two, other_two, other_one]
        parts.append(np.array(corners, np.float32))
    return parts


def gap(picture: Image, share: float, reach: float) -> float:
    """Where, as a share of its width, the picture of a line is blank for longest within `reach` of `share`."""
    width = picture.shape[1]
    low, high = int(width * (share - reach)), int(width * (share + reach)) + 1
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(picture[:, low:high]), cv2.COLOR_BGR2GRAY), np.float32)
    contrast = grey.max(axis=0) - grey.min(axis=0)
    # A gap between words is some third of the height: over that width the least contrast is in the middle of one.
    window = max(1, grey.shape[0] // 3)
    smooth = np.convolve(contrast, np.ones(window), mode="same")
    at = low + int(smooth.argmin())
    return at / int(width)
