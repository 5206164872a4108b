"""Whether lines of text are too blurred to be read, or a page too noisy. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.decoding.pixels import FLAT
from ocr_serving.stages.geometry import Quad

BLURRED = 0.14
"""Share of a line's height over which its steepest edges rise, in half of the lines. Seen: .02 to .06 on scans, prints and
photographed receipts; .13 where PP-OCRv6 small still reads, .15 where it does not."""

CONTRAST, STEEPEST = (1, 99), 99.5
"""Percentiles of grey between which a line's contrast lies, and of the steps from pixel to pixel that are its edges."""

NOISY = 40.0
"""Grey levels: standard deviation of a page's noise. Seen: 0 to 2 on scans, prints and photographs; from 50 on letters are misread,
and lines not found."""

LOOKED_AT, LOOKED_AROUND = 1000, 3000
"""Pixels of the sides of the middle of a page that is asked for noise, and for marks around its lines."""

TWO_LEVELS = 0.9
"""Share of a page in its two commonest grey levels from which its dots are a print's, and no noise."""

WITHOUT_EDGES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""Answers to noise, and not to slopes or straight edges …"""

OF_NOISE = 6.0
"""… with noise of that many times the standard deviation …"""

OF_MEDIAN = 0.6745
"""… of which the median of the absolute values is this share."""

NEAR = 25
"""Pixels of the side of a square around what belongs to a line that was found."""

PAPER, LEVEL = 0.5, 4
"""Share of a page around its lines that is within so many grey levels of its paper: photographs have no paper."""

BLOCK = 16
"""Pixels of the side of blocks, …"""

FINE, COARSE = 2.0, 8.0
"""… and the standard deviations of the blurs between which marks are as large as type."""

MARKED, MARKS = 6.0, 0.05
"""Grey levels, as a standard deviation, from which on a block has marks, and the share of a page's blocks that have some."""

SOFT = 5.0
"""Pixels over which the steepest edge of a block with blurred marks rises."""


def is_blurred(crops: Sequence[Image]) -> bool:
    """Whether half of the lines, BGR uint8 of shape (H, W, 3), have no sharp edges, or are so small that it comes to the same."""
    widths = [width for width in map(edge_width, crops) if width is not None]
    return bool(widths) and float(np.median(widths)) >= BLURRED


def edge_width(crop: Image) -> float | None:
    """Over which share of a line's height its edges go from ink to paper; None where nothing stands on it."""
    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_BGR2GRAY).astype(np.float32)
    low, high = np.percentile(grey, CONTRAST)
    if high - low <= FLAT or min(grey.shape) < 2:
        return None
    steepest = max(float(np.percentile(np.abs(np.diff(grey, axis=axis)), STEEPEST)) for axis in (0, 1))
    return float(high - low) / max(steepest, 1.0) / len(grey)


def is_blurred_around(page: Image, quads: Sequence[Quad]) -> bool:
    """Whether there are blurred marks, as high as type, on the paper of a page, BGR uint8 of shape (H, W, 3), around its lines."""
    grey, corner = _middle(page, LOOKED_AROUND)
    free = np.full(grey.shape, 255, np.uint8)
    for quad in quads:
        cv2.fillPoly(free, [(quad - corner).astype(np.int32)], 0)
    free = np.asarray(cv2.erode(free, np.ones((NEAR, NEAR), np.uint8), borderValue=255), np.uint8)
    counts = cv2.calcHist([grey], [0], free, [256], [0, 256]).ravel()
    around = int(counts.sum())
    paper = int(counts.argmax())
    if around < BLOCK**2 or counts[max(0, paper - LEVEL) : paper + LEVEL + 1].sum() < PAPER * around:
        return False
    shades = grey.astype(np.float32)
    marks = _blocks(cv2.GaussianBlur(shades, (0, 0), FINE) - cv2.GaussianBlur(shades, (0, 0), COARSE))
    marked = (marks.std(axis=(1, 3)) > MARKED) & (_blocks(free).min(axis=(1, 3)) > 0)
    if not marked.size or marked.mean() < MARKS:
        return False
    inside = _blocks(shades).transpose(0, 2, 1, 3)[marked]
    steepest = np.maximum(np.abs(np.diff(inside, axis=1)).max(axis=(1, 2)), np.abs(np.diff(inside, axis=2)).max(axis=(1, 2)))
    return float(np.median(np.ptp(inside, axis=(1, 2)) / steepest.clip(1.0))) >= SOFT


def _blocks(pixels: NDArray[Any]) -> NDArray[Any]:
    """Whole blocks of a picture of shape (H, W), as (rows, `BLOCK`, columns, `BLOCK`)."""
    rows, columns = (side // BLOCK for side in pixels.shape)
    return pixels[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)


def is_noisy(page: Image) -> bool:
    """Whether a page, BGR uint8 of shape (H, W, 3), is noise for the most part, as where light was short.

    Immerkaer, "Fast Noise Variance Estimation", CVIU 1996, with the median in the place of the mean, which letters do not move.
    """
    grey, _ = _middle(page, LOOKED_AT)
    if min(grey.shape) < len(WITHOUT_EDGES) or np.sort(np.bincount(grey.ravel()))[-2:].sum() >= TWO_LEVELS * grey.size:
        return False
    return float(np.median(np.abs(cv2.filter2D(grey.astype(np.float32), -1, WITHOUT_EDGES)))) >= NOISY * OF_NOISE * OF_MEDIAN


def _middle(page: Image, side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The middle of a page in grey, of `side` pixels either way at most, and where it begins: x, y."""
    top, left = (max(0, (length - side) // 2) for length in page.shape[:2])
    part = np.ascontiguousarray(page[top : top + side, left : left + side])
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), np.uint8), (left, top)


def is_blank(crop: Image) -> bool:
    """Whether a picture, BGR uint8 of shape (H, W, 3), is all of one colour."""
    pixels = crop.reshape(-1, crop.shape[-1])
    return not pixels.size or int((pixels.max(axis=0).astype(int) - pixels.min(axis=0)).max()) <= FLAT
