"""Regions of a page: the order they are read in, and the lines of text that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Rectangles = NDArray[np.float64]
"""Shape (N, 4): x1, y1, x2, y2 in pixels of the page."""

X, Y = 0, 1

SLACK = 0.02
"""Share of the page's side by which two regions may overlap and still stand beside or below each other."""

GUTTER = 0.12
"""Share of the page's width: what stands further apart is a row of separate things, as in a letterhead, and no columns of text."""


def reading_order(boxes: Rectangles, width: int, height: int) -> list[int]:
    """Indices of `boxes` on a page of that size as they are read: from top to bottom, columns one after the other.

    A recursive XY cut (Nagy and Seth, "Hierarchical Representation of Optically Scanned Documents", ICPR 1984) that cuts between
    columns before it cuts between rows, and keeps together rows of text that share a gutter.
    """
    slack = np.minimum(SLACK * np.array([width, height]), (boxes[:, 2:] - boxes[:, :2]) / 2)
    shrunk = np.concatenate([boxes[:, :2] + slack / 2, boxes[:, 2:] - slack / 2], axis=1)
    return _ordered(shrunk, list(range(len(boxes))), (GUTTER + SLACK) * width)


def _ordered(boxes: Rectangles, indices: list[int], gutter: float) -> list[int]:
    if len(indices) < 2:
        return indices
    parts = _apart(boxes, indices, X)
    if len(parts) == 1:
        parts = _blocks(boxes, _apart(boxes, indices, Y), gutter)
    if len(parts) == 1:
        return sorted(indices, key=lambda index: (boxes[index, 1], boxes[index, 0]))
    return [index for part in parts for index in _ordered(boxes, part, gutter)]


def _blocks(boxes: Rectangles, rows: list[list[int]], gutter: float) -> list[list[int]]:
    """Rows joined to the one above where either has columns and both leave the same gutters free, none wider than `gutter`."""
    blocks = [rows[0]]
    for row in rows[1:]:
        columns = _apart(boxes, blocks[-1] + row, X)
        gaps = [boxes[right, 0].min() - boxes[left, 2].max() for left, right in pairwise(columns)]
        has_columns = any(len(_apart(boxes, part, X)) > 1 for part in (blocks[-1], row))
        if has_columns and gaps and max(gaps) <= gutter:
            blocks[-1] = blocks[-1] + row
        else:
            blocks.append(row)
    return blocks


def _apart(boxes: Rectangles, indices: list[int], axis: int) -> list[list[int]]:
    """Groups of boxes with a gap between each two along `axis`, in its direction."""
    groups: list[list[int]] = []
    end = -np.inf
    for index in sorted(indices, key=lambda index: float(boxes[index, axis])):
        if boxes[index, axis] >= end:
            groups.append([])
        groups[-1].append(index)
        end = max(end, boxes[index, axis + 2])
    return groups


def touching(lines: Rectangles, box: Sequence[float]) -> list[int]:
    """Indices of the lines that touch `box`: PaddleOCR's rule, by which a line between two regions is in both."""
    x1, y1, x2, y2 = box
    inside = (lines[:, 0] <= x2) & (lines[:, 2] >= x1) & (lines[:, 1] <= y2) & (lines[:, 3] >= y1)
    return np.flatnonzero(inside).tolist()


def centred(lines: Rectangles, box: Sequence[float]) -> list[int]:
    """Indices of the lines whose centre lies in `box`."""
    centres = (lines[:, :2] + lines[:, 2:]) / 2
    return touching(np.concatenate([centres, centres], axis=1), box)
