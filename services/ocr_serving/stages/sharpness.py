"""Whether lines of text are too blurred to be read. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.decoding.pixels import FLAT

BLURRED = 0.14
"""Share of a line's height over which its steepest edges rise, in half of the lines. Seen: .02 to .06 on scans, prints and
photographed receipts; .13 where PP-OCRv6 small still reads, .15 where it does not."""

CONTRAST, STEEPEST = (1, 99), 99.5
"""Percentiles of grey between which a line's contrast lies, and of the steps from pixel to pixel that are its edges."""


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


def is_blank(crop: Image) -> bool:
    """Whether a picture, BGR uint8 of shape (H, W, 3), is all of one colour."""
    pixels = crop.reshape(-1, crop.shape[-1])
    return not pixels.size or int((pixels.max(axis=0).astype(int) - pixels.min(axis=0)).max()) <= FLAT
