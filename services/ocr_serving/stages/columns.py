"""Which lines of a block are columns, to be read one after the other, and not the cells of rows. Pure.

Lines are given as indices into `Lines`, in the frame of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ocr_serving.stages.text_frame import Lines, Rectangles, U, V

WIDE, WIDE_DOWN = 9.0, 5.0
"""A column of running text is at least that many times as wide as its lines are high, a tier of upright columns as high as they are
wide: a character of theirs is two letters …"""

DENSE = 0.33
"""… which stand that close: their heights together are at least this share of the column's …"""

BOXES = 1.5
"""… in so many boxes a row, as cells of a table would be in more …"""

RAGGED, UNALIGNED = 0.7, 0.6
"""… and each fills, on average, this share of its width. Where its rows are not those of its neighbour the second will do."""

NARROW_ROWS, NARROW_DENSE = 5, 0.5
"""A narrower column, as one beside the text of a page, is one where it has so many rows, that close, of one box each, and they are
not those of its neighbours: cells of a table, and labels of a form, stand beside each other."""

GOES_ON = 1.5
"""Where they are its neighbour's all the same, that is the text of a page if it has so many times as many, and fills its width."""

FULL = 0.8
"""Share of its width that each row of such text fills on average."""

BLOCK_ROWS, BLOCK_GAP, SAME_PITCH = 3, 4.0, 0.75
"""Blocks of few words, as an address and the numbers of an invoice, have so many rows each, stand so many heights apart, and their
rows do not face each other; rows as many on either side, none of which is off by that share of its height, do, on bent paper."""

OUTER = 1.5
"""They stand that many times further apart than their labels from their values."""

LIST_COLUMNS, LIST_ROWS, LIST_WIDTH = 3, 6, 4.5
"""A list of words in columns has so many columns, of so many rows, that many heights wide: numbers of a table are shorter, …"""

LIKE, EVEN = 1.6, 0.1
"""… no column is that many times as wide as another, they begin at even distances but for this share, …"""

FLUSH = 0.5
"""… all at their left within this share of a height, and none at its right, …"""

LIST_GAP, SINGLE = 3.0, 0.9
"""… and they stand apart by so many times what its rows do, or these stand so close that their heights are this share of theirs."""

MANY = 6
"""Rows from which on what is as narrow as a gap between words may be a gap between columns."""

DISPLAY = 2.0
"""Type that many times as high as what stands beside it in that many times as many rows is a column of its own, of few words."""

STAGGERED = 0.2
"""Columns have more than this share of their rows beside each other: what people say to each other in bubbles has none."""


def between_gutters(lines: Lines, block: list[int]) -> list[list[int]]:
    """The lines of `block` between gaps, as wide as most lines are high, that all of them leave free, from left to right."""
    groups = apart(lines.boxes, block, U)
    if len(groups) == 1:
        return groups
    parts = [list(groups[0])]
    for left, right in pairwise(groups):
        if lines.boxes[right, 0].min() - lines.boxes[left, 2].max() >= lines.gutter:
            parts.append([])
        parts[-1] += right
    return parts


def columns_of(lines: Lines, block: list[int]) -> list[list[int]]:
    """The columns of running text that `block` is made of, from left to right; one where it is something else.

    Columns of running text have such neighbours alone, but for what stands in one row, as a number up the margin does.
    """
    parts = between_gutters(lines, block)
    columns: list[list[int]] = []
    rows: list[list[list[int]]] = []
    narrow: list[bool] = []
    few: list[int] = []
    for part in parts:
        own = apart(lines.cores, part, V)
        running = len(own) > 1 and (_is_running(lines, part, own) or _is_display(lines, part, own, parts))
        if running or _is_narrow_column(lines, part, own):
            columns.append(few + part)
            rows.append(own)
            narrow.append(not running)
            few = []
        elif len(own) > 1:
            return [block]
        elif columns:
            columns[-1] += part
        else:
            few = few + part
    if len(columns) < 2 or max(map(len, rows)) < 3:
        return [block]
    for (left, right), (left_rows, right_rows), are_narrow in zip(pairwise(columns), pairwise(rows), pairwise(narrow), strict=True):
        if not _stand_beside(lines, left_rows, right_rows):
            return [block]
        if _is_display(lines, left, left_rows, [right]) or _is_display(lines, right, right_rows, [left]):
            continue
        fills = _filled(lines, left, left_rows), _filled(lines, right, right_rows)
        ragged = any(are_narrow) or min(fills) < RAGGED
        counts = len(left_rows), len(right_rows)
        is_sidebar = are_narrow in ((True, False), (False, True)) and fills[are_narrow.index(False)] >= FULL
        beside_text = is_sidebar and counts[are_narrow.index(False)] >= GOES_ON * counts[are_narrow.index(True)]
        if ragged and not beside_text and _aligned(lines, left_rows, right_rows) > 0.5:
            return [block]
    return columns


def _is_running(lines: Lines, part: list[int], rows: list[list[int]]) -> bool:
    """Whether `part` may be a column of running text: of few boxes a row, wide, dense and filled."""
    if len(part) > BOXES * len(rows):
        return False
    high = float(np.median(lines.height[part]))
    boxes = lines.boxes[part]
    if boxes[:, 2].max() - boxes[:, 0].min() < (WIDE_DOWN if lines.down else WIDE) * high:
        return False
    dense = len(rows) * high >= DENSE * float(np.ptp(boxes[:, [1, 3]]))
    return dense and _filled(lines, part, rows) >= UNALIGNED


def _is_narrow_column(lines: Lines, part: list[int], rows: list[list[int]]) -> bool:
    """Whether `part`, too narrow for running text, may be a column all the same, where its rows are not those of its neighbours."""
    if len(rows) < NARROW_ROWS or len(part) > len(rows):
        return False
    high = float(np.median(lines.height[part]))
    return len(rows) * high >= NARROW_DENSE * float(np.ptp(lines.boxes[part][:, [1, 3]]))


def _is_display(lines: Lines, part: list[int], rows: list[list[int]], others: Sequence[list[int]]) -> bool:
    """Whether `part`, in `rows`, is large type beside another of `others` that is running text in many more rows."""
    high = float(np.median(lines.height[part]))
    for other in others:
        if high < DISPLAY * float(np.median(lines.height[other])):
            continue
        own = apart(lines.cores, other, V)
        if len(own) >= DISPLAY * len(rows) and len(own) >= MANY and _is_running(lines, other, own):
            return True
    return False


def _stand_beside(lines: Lines, left: list[list[int]], right: list[list[int]]) -> bool:
    """Whether enough rows of the shorter of two sides have one of the other side beside them, and not above or below alone."""
    fewer, more = (np.array([_extent(lines, row) for row in side]) for side in sorted((left, right), key=len))
    faces = (fewer[:, None, 0] < more[None, :, 1]) & (more[None, :, 0] < fewer[:, None, 1])
    return float(faces.any(axis=1).mean()) > STAGGERED


def _extent(lines: Lines, row: list[int]) -> tuple[float, float]:
    return float(lines.boxes[row, 1].min()), float(lines.boxes[row, 3].max())


def _filled(lines: Lines, part: list[int], rows: list[list[int]]) -> float:
    """Share of its width that each row of `part` takes on average."""
    boxes = lines.boxes[part]
    # A heading may stick out: the width of a column is what most of its lines stay within.
    width = float(np.quantile(boxes[:, 2], 0.9) - np.quantile(boxes[:, 0], 0.1))
    return float((boxes[:, 2] - boxes[:, 0]).sum()) / (len(rows) * max(width, 1.0))


def _aligned(lines: Lines, left: list[list[int]], right: list[list[int]]) -> float:
    """Share of the rows of the shorter side that stand on the height of one of the other side."""
    fewer, more = sorted((left, right), key=len)
    middles = [np.array([lines.boxes[row][:, [1, 3]].mean() for row in side]) for side in (fewer, more)]
    tolerance = 0.2 * float(np.median(lines.height[flat(fewer)]))
    return float((np.abs(middles[0][:, None] - middles[1][None]).min(axis=1) <= tolerance).mean())


def apart(boxes: Rectangles, indices: list[int], axis: int) -> list[list[int]]:
    """Groups of boxes with a gap between each two along `axis`, in its direction."""
    groups: list[list[int]] = []
    end = -np.inf
    for index in sorted(indices, key=lambda index: float(boxes[index, axis])):
        if boxes[index, axis] >= end:
            groups.append([])
        groups[-1].append(index)
        end = max(end, boxes[index, axis + 2])
    return groups


def flat(groups: Sequence[list[int]]) -> list[int]:
    return [index for group in groups for index in group]


def lists_of(lines: Lines, block: list[int]) -> list[list[int]]:
    """The columns of a list of words or names that is set in several, as an index is; one where `block` is something else."""
    parts = between_gutters(lines, block)
    if len(parts) < LIST_COLUMNS or min(map(len, parts)) < LIST_ROWS or lines.down:
        return [block]
    rows = [apart(lines.cores, part, V) for part in parts]
    if any(len(own) < len(part) for own, part in zip(rows, parts, strict=True)):
        return [block]
    high = float(np.median(lines.height[block]))
    boxes = [lines.boxes[part] for part in parts]
    lefts = np.array([np.median(own[:, 0]) for own in boxes])
    widths = np.array([np.median(own[:, 2] - own[:, 0]) for own in boxes])
    steps = np.diff(lefts)
    even = float(np.ptp(steps)) <= EVEN * float(steps.mean())
    flush = all(float(own[:, 0].std()) < FLUSH * high <= float(own[:, 2].std()) for own in boxes)
    if not (even and flush and widths.min() >= LIST_WIDTH * high and widths.max() <= LIKE * widths.min()):
        return [block]
    pitch = max(float(np.median(np.diff(np.sort(own[:, 1])))) for own in boxes)
    gap = min(float(right[:, 0].min() - left[:, 2].max()) for left, right in pairwise(boxes))
    return parts if gap >= LIST_GAP * pitch or high >= SINGLE * pitch else [block]


def blocks_beside(lines: Lines, block: list[int]) -> list[list[int]]:
    """Blocks of few words that stand beside each other, as an address and what is told of an invoice; one where there are none.

    What shares its rows, as labels and their values do, is one of them, and one of two neighbours has such.
    """
    blocks: list[list[int]] = []
    inner = [0.0]
    for part in between_gutters(lines, block):
        gap = float(lines.boxes[part, 0].min() - lines.boxes[blocks[-1], 2].max()) if blocks else 0.0
        if blocks and not _stands_off(lines, blocks[-1], part):
            blocks[-1] = blocks[-1] + part
            inner[-1] = max(inner[-1], gap)
        else:
            blocks.append(part)
            inner.append(0.0)
    for left, right, inside in zip(blocks, blocks[1:], pairwise(inner[1:]), strict=False):
        gap = float(lines.boxes[right, 0].min() - lines.boxes[left, 2].max())
        if max(inside) == 0.0 or gap < OUTER * max(inside) or not _stands_off(lines, left, right):
            return [block]
    return blocks if all(_is_block(lines, part) for part in blocks) else [block]


def _is_block(lines: Lines, part: list[int]) -> bool:
    rows = apart(lines.cores, part, V)
    high = float(np.median(lines.height[part]))
    return len(rows) >= BLOCK_ROWS and len(rows) * high >= NARROW_DENSE * float(np.ptp(lines.boxes[part][:, [1, 3]]))


def _stands_off(lines: Lines, left: list[int], right: list[int]) -> bool:
    """Whether `right` shares no rows with `left`, and stands far from it."""
    if lines.boxes[right, 0].min() - lines.boxes[left, 2].max() < BLOCK_GAP * lines.gutter:
        return False
    sides = [apart(lines.cores, side, V) for side in (left, right)]
    middles = [np.array([lines.boxes[row][:, [1, 3]].mean() for row in side]) for side in sides]
    high = float(np.median(lines.height[left + right]))
    if len(sides[0]) == len(sides[1]) and float(np.abs(middles[0] - middles[1]).max()) < SAME_PITCH * high:
        return False
    return _stand_beside(lines, *sides) and _aligned(lines, *sides) <= 0.5
