"""Headings of several lines: set tight above a rule, they are one row, where lines of the same distance would be two. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings

MOST_LINES, LEAST_ROWS = 4, 3
"""Lines of one heading at most, and rows below them at least."""

NEARER = 0.88
"""Lines of one heading are nearer to each other than rows by this factor at least."""

FULL = 0.8
"""Share of the table's width that a rule below the headings has."""

APART = 0.5
"""Heights of a line between texts of two columns."""

ALIGNED, MOSTLY = 0.4, 0.5
"""Heights of a line by which the lines of one heading are off one side, or one middle; share of a line's texts that the next goes
on with."""


def lines_of_headings(boxes: Rectangles, lines: Sequence[Sequence[int]], rules: Rulings, height: float) -> int:
    """How many of `lines` of text, from the top, are one row of headings; 0 where each may be a row.

    They stand above a rule over all the table, no rule between them, and nearer to each other than the rows below. Headings over
    several columns are rows for themselves: the texts below them are more, and stand elsewhere.
    """
    if len(lines) < 2 + LEAST_ROWS:
        return 0
    middles = np.array([float((boxes[list(line), 1] + boxes[list(line), 3]).mean()) / 2 for line in lines])
    width = float(boxes[:, 2].max() - boxes[:, 0].min())
    level = rules.level[(rules.level[:, 0] > middles[0]) & (rules.level[:, 0] < middles[-1])]
    whole = level[level[:, 2] - level[:, 1] >= FULL * width, 0]
    if not len(whole):
        return 0
    count = int((middles < whole.min()).sum())
    if not 2 <= count <= MOST_LINES or len(lines) - count < LEAST_ROWS or (level[:, 0] < middles[count - 1]).any():
        return 0
    parts = [_parts(boxes, line, height) for line in lines]
    usual = float(np.median([len(found) for found in parts[count:]]))
    rows = [middle for middle, found in zip(middles[count:].tolist(), parts[count:], strict=True) if len(found) > usual / 2]
    if len(rows) < LEAST_ROWS:
        return 0
    limit = NEARER * float(np.median(np.diff(rows)))
    middle, above = middles[0], parts[0]
    for lower, found in zip(middles[1:count].tolist(), parts[1:count], strict=True):
        if not any(a < x2 and x1 < b for a, b in found for x1, x2 in above):
            # A heading of one line is set in the middle beside those of two.
            above = sorted([*above, *found])
            continue
        if lower - middle > limit or not _goes_on(above, found, height):
            return 0
        middle, above = lower, found
    return count


Part = tuple[float, float]
"""x1, x2 of a text."""


def _parts(boxes: Rectangles, line: Sequence[int], height: float) -> list[Part]:
    """What stands apart in a line of text."""
    found: list[Part] = []
    for x1, _, x2, _ in sorted(boxes[list(line)].tolist()):
        if found and x1 - found[-1][1] < APART * height:
            found[-1] = found[-1][0], max(found[-1][1], x2)
        else:
            found.append((x1, x2))
    return found


def _goes_on(upper: Sequence[Part], lower: Sequence[Part], height: float) -> bool:
    """Whether most texts of a line have, in the next, one text that is set as they are, and none has two."""
    alike = 0
    for x1, x2 in upper:
        below = [(a, b) for a, b in lower if a < x2 and x1 < b]
        if len(below) > 1:
            return False
        alike += any(min(abs(a - x1), abs(b - x2), abs(a + b - x1 - x2) / 2) <= ALIGNED * height for a, b in below)
    return alike >= MOSTLY * max(len(upper), len(lower)) and alike > 0
