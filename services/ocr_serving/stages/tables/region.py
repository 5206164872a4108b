"""The region of a table on a page, grown to all of it: layout networks cut off headings and halves of outer lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.tables.picture import Rectangles, line_height
from ocr_serving.stages.tables.words import rows_of_text

Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels of the page."""

NEAR = 1.6
"""A heading is no further above the table than so many times the distance of its rows."""

LEAST_STEP = 1.5
"""Heights of a line that rows are apart at least."""

ALIGNED = 0.7
"""Heights of a line by which a heading may be off the left, the right or the middle of its column."""

MOST_ALIGNED = 0.6
"""Share of the texts above a table that stand over its columns where they are its headings."""

ROOM = 1.0
"""Heights of a line between lines about tables that stand together, at most."""


def whole(box: Sequence[int], boxes: Rectangles, size: tuple[int, int]) -> Box:
    """`box` of a table, with all of the lines of text that are in it for the most part, and with its row of headings.

    `boxes` are all lines of the page, whose height and width are `size`.
    """
    x1, y1, x2, y2 = (float(side) for side in box)
    inside = _centred(boxes, (x1, y1, x2, y2))
    if not inside.any():
        return box[0], box[1], box[2], box[3]
    height = line_height(boxes[inside])
    lines = rows_of_text(boxes[inside], height)
    middles = [float((boxes[inside][line, 1] + boxes[inside][line, 3]).mean()) / 2 for line in lines]
    step = max(LEAST_STEP * height, float(np.median(np.diff(middles)))) if len(middles) > 1 else 2 * height
    x1, y1 = np.minimum((x1, y1), boxes[inside, :2].min(axis=0)).tolist()
    x2, y2 = np.maximum((x2, y2), boxes[inside, 2:].max(axis=0)).tolist()
    top = float(boxes[inside, 1].min())
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    above = np.flatnonzero((centres[:, 1] < top) & (centres[:, 0] > x1 - height) & (centres[:, 0] < x2 + height) & ~inside)
    for line in reversed(rows_of_text(boxes[above], height)):
        row = boxes[above[line]]
        if top - float(row[:, 3].max()) > NEAR * step or not _headings(row, boxes[inside], height):
            break
        top = float(row[:, 1].min())
        x1, y1, x2 = min(x1, float(row[:, 0].min())), min(y1, top), max(x2, float(row[:, 2].max()))
    limits = (size[1], size[0])
    low = [max(0, int(np.floor(side))) for side in (x1, y1)]
    high = [min(limit, int(np.ceil(side))) for side, limit in zip((x2, y2), limits, strict=True)]
    return low[0], low[1], high[0], high[1]


def added(box: Sequence[int], grown: Sequence[int], boxes: Rectangles) -> list[int]:
    """Indices of the lines that are in `grown` for the most part, but not in `box`."""
    inside = _centred(boxes, (grown[0], grown[1], grown[2], grown[3]))
    return np.flatnonzero(inside & ~_centred(boxes, (box[0], box[1], box[2], box[3]))).tolist()


def about(boxes: Rectangles, tables: Rectangles) -> list[list[int]]:
    """Which lines of text stand together about tables: indices of `boxes` outside all of `tables`, from top to bottom.

    What a table stands between, or more than `ROOM` heights of a line, is apart.
    """
    outside = np.flatnonzero(~np.any([_centred(boxes, (a, b, c, d)) for a, b, c, d in tables.tolist()], axis=0))
    if not len(outside):
        return []
    height = line_height(boxes[outside])
    groups: list[list[int]] = []
    for row in rows_of_text(boxes[outside], height):
        lines = outside[row].tolist()
        if groups:
            above, both = boxes[groups[-1]], boxes[[*groups[-1], *lines]]
            near = boxes[lines, 1].min() - above[:, 3].max() <= ROOM * height
            middles = (tables[:, 1] + tables[:, 3]) / 2
            between = (middles > above[:, 1].min()) & (middles < boxes[lines, 3].max())
            between &= (tables[:, 0] < both[:, 2].max()) & (tables[:, 2] > both[:, 0].min())
            if near and not between.any():
                groups[-1] += lines
                continue
        groups.append(lines)
    return groups


def covered(quads: Sequence[Sequence[Sequence[float]]], boxes: Rectangles) -> list[bool]:
    """Whether the middle of each quad is in one of `boxes`."""
    middles = [np.mean(np.array(quad, np.float64), axis=0) for quad in quads]
    return [bool(np.all((boxes[:, :2] <= middle) & (middle <= boxes[:, 2:]), axis=1).any()) for middle in middles]


def _centred(boxes: Rectangles, box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: NDArray[np.bool_] = np.all((centres >= np.array(box[:2])) & (centres <= np.array(box[2:])), axis=1)
    return inside


def _headings(row: Rectangles, inside: Rectangles, height: float) -> bool:
    """Whether texts beside each other, two at least, stand over columns of texts."""
    if len(row) < 2:
        return False
    over = 0
    for x1, _, x2, _ in row.tolist():
        below = inside[(inside[:, 0] < x2) & (inside[:, 2] > x1)]
        off = np.stack([below[:, 0] - x1, below[:, 2] - x2, (below[:, 0] + below[:, 2] - x1 - x2) / 2])
        over += bool((np.abs(off) < ALIGNED * height).any())
    return over >= MOST_ALIGNED * len(row)
