"""In which order a page is read: lines of text and regions, along columns, along the page's own slope, upright columns of CJK too.

All is judged in the frame of the text, see `text_frame`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ocr_serving.stages.columns import MANY, apart, between_gutters, blocks_beside, columns_of, flat, lists_of
from ocr_serving.stages.geometry import Quad, sorted_boxes
from ocr_serving.stages.text_frame import Lines, Rectangles, U, V, laid

SAME_ROW = 0.5
"""Lines whose ends face each other stand on one row where they differ by less than this share of the lower one's height."""

NARROW = 0.25
"""Newspapers set columns closer to each other than a line is high. A gap of this share of it is a gutter, too, where columns of
`MANY` rows leave it free: spaces between words do not stand below each other for so long."""

CUTS = 4
"""Headlines above such columns, and footers below them, that are cut off."""

MOST = 0.75
"""Share of the lines of columns that, with a gutter as wide as a line is high, are columns without the others."""

LEVEL = 2.0
"""Beside upright columns a line that is so many times as wide as high is level."""

HEADING = 1.2
"""A line that many times as high as most is a heading."""

SLACK = 0.02
"""Share of the page's side by which two regions may overlap and still stand beside or below each other."""

GUTTER = 0.12
"""Share of the page's width: regions that stand further apart are a row of separate things, as in a letterhead, no columns."""


def reading_order(quads: Sequence[Quad], *, legacy: bool = False) -> list[Quad]:
    """The lines of a page, as quads in pixels of it clockwise from the top left, as they are read; `legacy` as PaddleOCR sorts."""
    return sorted_boxes(quads) if legacy else [quads[index] for index in lines_in_order(quads)]


def lines_in_order(quads: Sequence[Quad]) -> list[int]:
    """Indices of `quads` as they are read: columns of running text one after the other, all else row by row.

    A recursive XY cut (Nagy and Seth, "Hierarchical Representation of Optically Scanned Documents", ICPR 1984) in the frame of the
    text. It cuts between columns only where both are running text, so that a label keeps its value and an item its price.
    """
    if len(quads) < 2:
        return list(range(len(quads)))
    lines = laid(np.asarray(quads, np.float64))
    everything = list(range(len(quads)))
    return _between_titles(lines, everything) if lines.down else _lines_ordered(lines, everything)


def regions_in_order(boxes: Rectangles, width: int, height: int, *, down: bool = False) -> list[int]:
    """Indices of regions of a page of that size as they are read: from top to bottom, columns one after the other.

    The same cut, which between regions takes columns first, unless nothing stands beside another, and keeps together rows of text
    that share a gutter. `down`
    says that the text runs down in columns from right to left.
    """
    if down:
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], axis=1)
        width, height = height, width
    slack = np.minimum(SLACK * np.array([width, height]), (boxes[:, 2:] - boxes[:, :2]) / 2)
    shrunk = np.concatenate([boxes[:, :2] + slack / 2, boxes[:, 2:] - slack / 2], axis=1)
    return _regions_ordered(shrunk, list(range(len(boxes))), (GUTTER + SLACK) * width)


def _between_titles(lines: Lines, indices: list[int]) -> list[int]:
    """Upright columns, above and below the level lines that none of them stands beside: titles, and numbers of pages."""
    begin, end = lines.boxes[:, 0], lines.boxes[:, 2]
    middle = (begin + end) / 2
    level = [index for index in indices if lines.height[index] >= LEVEL * (end[index] - begin[index])]
    upright = sorted(set(indices) - set(level))
    titles = [index for index in level if not ((begin[upright] < middle[index]) & (middle[index] < end[upright])).any()]
    rest = sorted(set(indices) - set(titles))
    rows: list[list[int]] = []
    for title in sorted(titles, key=lambda title: float(middle[title])):
        if not rows or middle[title] > end[rows[-1][0]]:
            rows.append([])
        rows[-1].append(title)
    above = np.searchsorted([middle[row[0]] for row in rows], middle[rest]).tolist()
    between: list[list[int]] = [[] for _ in range(len(rows) + 1)]
    for index, n in zip(rest, above, strict=True):
        between[n].append(index)
    order: list[int] = []
    for row, columns in zip([*rows, []], between, strict=True):
        order += _lines_ordered(lines, columns)
        # Columns count from the right, level lines are read from the left.
        order += sorted(row, key=lambda title: -float(lines.boxes[title, 1]))
    return order


def _lines_ordered(lines: Lines, indices: list[int]) -> list[int]:
    if len(indices) < 2:
        return indices
    narrow = replace(lines, gutter=NARROW * lines.gutter)
    order: list[int] = []
    rest: list[int] = []
    for block in _blocks_of_lines(narrow, indices):
        for columns in _close_columns(lines, narrow, block):
            if len(columns) > 1:
                order += _blocks_ordered(lines, rest)
                rest = []
                order += [index for column in columns for index in _lines_ordered(lines, column)]
            else:
                rest += columns[0]
    return order + _blocks_ordered(lines, rest)


def _close_columns(lines: Lines, narrow: Lines, block: list[int], cuts: int = CUTS) -> list[list[list[int]]]:
    """A block in parts from top to bottom, each the columns of running text of which some stand close to each other, or one."""
    # What narrows a wide gutter may be a footer below it.
    if len(block) < MANY or any(
        len(wide) > MOST * len(block) and len(columns_of(lines, wide)) > 1 for wide in _blocks_of_lines(lines, block)
    ):
        return [[block]]
    columns = columns_of(narrow, block)
    rows = sorted(len(apart(lines.cores, column, V)) for column in columns)
    if len(rows) > 1 and rows[-2] >= MANY and len(between_gutters(narrow, block)) > len(between_gutters(lines, block)):
        return [columns]
    if len(sides := _with_headlines(narrow, block)) > 1:
        return [sides]
    # A headline above may leave some of the gutters free.
    parts = _parted(lines, block) if cuts else [block]
    return [[block]] if len(parts) == 1 else [found for part in parts for found in _close_columns(lines, narrow, part, cuts - 1)]


def _with_headlines(narrow: Lines, block: list[int]) -> list[list[int]]:
    """The articles of a newspaper that stand beside each other, each of columns below a headline of its own; else one."""
    parts = between_gutters(narrow, block)
    is_news = len(parts) > 1 and all(any(_are_long(narrow, own) for own in _blocks_of_lines(narrow, part)) for part in parts)
    return parts if is_news else [block]


def _are_long(lines: Lines, block: list[int]) -> bool:
    """Whether `block` is columns of running text of which two have `MANY` rows, as many as it has lines."""
    columns = columns_of(lines, block)
    rows = sorted(len(apart(lines.cores, column, V)) for column in columns)
    return len(columns) > 1 and rows[-2] >= MANY and sum(rows) == len(block)


def _blocks_ordered(lines: Lines, indices: list[int]) -> list[int]:
    if not indices:
        return []
    return [index for block in _blocks_of_lines(lines, indices) for index in _block_ordered(lines, block)]


def _block_ordered(lines: Lines, block: list[int]) -> list[int]:
    """A block whose rows share a gutter, or have none: its columns if they are running text, or those of its parts, or its rows."""
    if len(between_gutters(lines, block)) == 1:
        return _by_rows(lines, block)
    parts = _parted(lines, block)
    columns = columns_of(lines, block)
    if len(columns) == 1:
        columns = lists_of(lines, block)
    stand_apart = len(parts) > 1 and (any(_is_apart(lines, part) for part in parts) or _is_section(lines, parts[1], block))
    if len(columns) > 1 and not stand_apart:
        return [index for column in columns for index in _lines_ordered(lines, column)]
    if len(parts) > 1:
        return [index for part in parts for index in _block_ordered(lines, part)]
    beside = blocks_beside(lines, block)
    return [index for part in beside for index in (_by_rows(lines, part) if len(beside) == 1 else _block_ordered(lines, part))]


def _is_apart(lines: Lines, part: list[int]) -> bool:
    """Whether `part`, above or below columns of running text, is none of them: a header, a footer, a table of three rows."""
    if len(part) == 1:
        return True
    sides = between_gutters(lines, part)
    if len(sides) == 1 or len(columns_of(lines, part)) > 1:
        return False
    return sorted(len(apart(lines.cores, side, V)) for side in sides)[-2] >= 3


def _is_section(lines: Lines, part: list[int], block: list[int]) -> bool:
    """Whether `part`, below columns of running text, begins with a heading that stands by itself."""
    first = apart(lines.cores, part, V)[0]
    return len(first) == 1 and bool(lines.height[first[0]] >= HEADING * np.median(lines.height[block]))


def _blocks_of_lines(lines: Lines, indices: list[int]) -> list[list[int]]:
    """Bands of lines from top to bottom, each joined to those above while all leave some gutter free."""
    blocks: list[list[int]] = []
    taken: list[tuple[float, float]] = []
    for band in apart(lines.cores, indices, V):
        own = [(float(lines.boxes[index, 0]), float(lines.boxes[index, 2])) for index in band]
        together = _union(taken + own)
        if blocks and any(right[0] - left[1] >= lines.gutter for left, right in pairwise(together)):
            blocks[-1] += band
            taken = together
        else:
            blocks.append(list(band))
            taken = _union(own)
    return blocks


def _union(intervals: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """What the intervals cover, as intervals with gaps between them, in order."""
    union: list[tuple[float, float]] = []
    for low, high in sorted(intervals):
        if union and low < union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], high))
        else:
            union.append((low, high))
    return union


def _parted(lines: Lines, block: list[int]) -> list[list[int]]:
    """`block` cut in two at its widest gap between rows, if that is wider than most."""
    bands = apart(lines.cores, block, V)
    gaps = [float(lines.boxes[below, 1].min() - lines.boxes[above, 3].max()) for above, below in pairwise(bands)]
    if not gaps or max(gaps) < float(np.median(gaps)) + 0.5 * float(np.median(lines.height[block])):
        return [block]
    at = int(np.argmax(gaps)) + 1
    return [flat(bands[:at]), flat(bands[at:])]


def _by_rows(lines: Lines, block: list[int]) -> list[int]:
    """The lines of `block` row by row. A row is a chain of lines whose ends face each other, so that it may bend."""
    index = np.array(block)
    boxes, height = lines.boxes[index], lines.height[index]
    follower: dict[int, tuple[float, int]] = {}
    for n in np.argsort(boxes[:, 0]).tolist():
        lower = np.minimum(height[n], height)
        gap = boxes[:, 0] - boxes[n, 2]
        off = np.abs(lines.left[index] - lines.right[index[n]])
        beside = (gap > -lower) & (boxes[:, 0] > boxes[n, 0]) & (boxes[:, 2] > boxes[n, 2]) & (off < SAME_ROW * lower)
        candidates = np.flatnonzero(beside)
        if not len(candidates):
            continue
        cost = gap[candidates].clip(0) / height[n] + 4 * off[candidates] / lower[candidates]
        best = int(np.argmin(cost))
        # Of two lines that lead to the same one the nearer has it.
        to = int(candidates[best])
        follower[to] = min(follower.get(to, (math.inf, -1)), (float(cost[best]), n))
    following = {before: to for to, (_, before) in follower.items()}
    rows = []
    for n in set(range(len(block))) - follower.keys():
        row = [n]
        while row[-1] in following:
            row.append(following[row[-1]])
        rows.append(row)
    rows.sort(key=lambda row: (float(boxes[row][:, [1, 3]].mean()), float(boxes[row[0], 0])))
    return [block[n] for row in rows for n in row]


def _regions_ordered(boxes: Rectangles, indices: list[int], gutter: float) -> list[int]:
    if len(indices) < 2:
        return indices
    parts = apart(boxes, indices, U)
    if len(parts) > 1 and _are_rows(boxes, parts, gutter):
        parts = apart(boxes, indices, V)
    elif len(parts) == 1:
        parts = _blocks_of_regions(boxes, apart(boxes, indices, V), gutter)
    if len(parts) == 1:
        return sorted(indices, key=lambda index: (boxes[index, 1], boxes[index, 0]))
    return [index for part in parts for index in _regions_ordered(boxes, part, gutter)]


def _are_rows(boxes: Rectangles, columns: Sequence[list[int]], most: float) -> bool:
    """Whether nothing in one of `columns` stands beside what is in another, and all follow each other by less than `most`.

    As a table and a line further left below it; what is far below may be the end of one column, and go on at the top of the next.
    """
    column = {index: n for n, part in enumerate(columns) for index in part}
    rows = apart(boxes, flat(columns), V)
    near = all(boxes[below, 1].min() - boxes[above, 3].max() < most for above, below in pairwise(rows))
    return near and all(len({column[index] for index in row}) == 1 for row in rows)


def _blocks_of_regions(boxes: Rectangles, rows: list[list[int]], gutter: float) -> list[list[int]]:
    """Rows joined to the one above where either has columns and both leave the same gutters free, none wider than `gutter`."""
    blocks = [rows[0]]
    for row in rows[1:]:
        columns = apart(boxes, blocks[-1] + row, U)
        gaps = [boxes[right, 0].min() - boxes[left, 2].max() for left, right in pairwise(columns)]
        has_columns = any(len(apart(boxes, part, U)) > 1 for part in (blocks[-1], row))
        if has_columns and gaps and max(gaps) <= gutter:
            blocks[-1] = blocks[-1] + row
        else:
            blocks.append(row)
    return blocks
