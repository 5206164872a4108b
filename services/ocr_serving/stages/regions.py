"""Regions of a page and the lines of text that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ocr_serving.stages.text_frame import Rectangles

__all__ = ["Rectangles", "centred", "touching"]


def touching(lines: Rectangles, box: Sequence[float]) -> list[int]:
    """Indices of the lines that touch `box`: PaddleOCR's rule, by which a line between two regions is in both."""
    x1, y1, x2, y2 = box
    inside = (lines[:, 0] <= x2) & (lines[:, 2] >= x1) & (lines[:, 1] <= y2) & (lines[:, 3] >= y1)
    return np.flatnonzero(inside).tolist()


def centred(lines: Rectangles, box: Sequence[float]) -> list[int]:
    """Indices of the lines whose centre lies in `box`."""
    centres = (lines[:, :2] + lines[:, 2:]) / 2
    return touching(np.concatenate([centres, centres], axis=1), box)


def __getattr__(name: str) -> Any:
    """The order of regions was here when users copied modules that import it, as `reading_order`, from here."""
    if name == "reading_order":
        from ocr_serving.stages.reading_order import regions_in_order

        return regions_in_order
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
