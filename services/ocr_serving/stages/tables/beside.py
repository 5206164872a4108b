"""What stands beside each other on a page and is no one table: columns of print, and tables left and right of a gutter. Pure.

A cut of the page as by the recursive X-Y cut (Nagy and Seth, "Hierarchical representation of optically scanned documents", ICPR
1984), but only where rules or paragraphs tell that both sides are for themselves: gutters run through tables too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import CONTRAST, Rulings, Segments
from ocr_serving.stages.tables.words import rows_of_text

GUTTER = 1.0
"""Heights of a line that a gutter is wide."""

LEAST_ROWS = 4
"""Rows of text on each side."""

LEAST_RULES, ALONG = 3, 0.85
"""Level rules along so large a share of one side that show a table there, where none crosses the gutter."""

PARAGRAPH, STEP, EVENLY = 6, 1.6, 1.35
"""Lines of paragraphs: so many, no further apart in heights of a line, the furthest no more so than so many times the nearest."""

FULL, LONG = 0.75, 10.0
"""Share of a side, and heights of a line, that most lines of paragraphs are long."""

LEVEL, ALIGNED = 0.25, 0.75
"""Heights of a line by which rows left and right are off one level, and the share of one side's that are on one where they are rows
of one table."""

MOSTLY = 0.6
"""Share of a side's lines that are in paragraphs where it is a column of print, and of the lines of these that are long."""

AT_END, BAND = 0.8, 6.0
"""Heights of a line beside the texts at both ends of a gutter in which bands of colour are looked for, and greys of 255 that these
are off the paper."""

THROUGH = 0.8
"""Share of a gutter that a rule through it darkens."""

TOUCHED = 3
"""Pixels at both ends of a gutter, and about a rule, that are not looked at."""

Gap = tuple[float, float]


class Cut(NamedTuple):
    """A gutter from x1 to x2 between what stands at y1 to y2."""

    x1: float
    x2: float
    y1: float
    y2: float

    @property
    def x(self) -> float:
        """The middle."""
        return (self.x1 + self.x2) / 2


def parted(picture: Image, boxes: Rectangles, words: Sequence[Rectangles], rules: Rulings, height: float) -> list[Cut]:
    """Where a level picture is to be cut between what stands beside each other; [] where nothing does.

    `boxes` are lines of text, `words` the boxes of the words of each, `rules` what is ruled there.
    """
    lines = rows_of_text(boxes, height)
    free = [_free(line, words, height) for line in lines]
    tried: list[tuple[Gap, int, int]] = []
    found: list[Cut] = []
    for row, gaps in enumerate(free):
        for gap in gaps[1:-1]:
            if any(first <= row < last and _overlap(gap, other) for other, first, last in tried):
                continue
            first, last, (x1, x2) = _band(free, row, gap, height)
            tried.append(((x1, x2), first, last))
            members = [index for line in lines[first:last] for index in line]
            cut = Cut(x1, x2, float(boxes[members, 1].min()), float(boxes[members, 3].max()))
            others = any(cut.y1 < other.y2 and other.y1 < cut.y2 and (cut.y1, cut.y2) != (other.y1, other.y2) for other in found)
            if not others and _is_between(picture, boxes, members, rules, cut, height):
                found.append(cut)
    return found


def sides(cuts: Sequence[Cut], boxes: Rectangles) -> list[list[int]]:
    """Indices of `boxes` by the part of the page that `cuts` leave them in; those beside no cut together, first."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    groups: dict[tuple[float, int], list[int]] = {(-1.0, 0): []}
    for index, (x, y) in enumerate(centres.tolist()):
        here = [cut for cut in cuts if cut.y1 <= y <= cut.y2]
        place = (here[0].y1, sum(x > cut.x for cut in here)) if here else (-1.0, 0)
        groups.setdefault(place, []).append(index)
    return [group for _, group in sorted(groups.items()) if group]


def without_bridges(rules: Rulings, cuts: Sequence[Cut]) -> Rulings:
    """`rules` with the level ones that `cuts` cross parted: those of two tables on one level were taken for one."""
    level = rules.level.tolist()
    for cut in cuts:
        parts = []
        for y, start, end in level:
            crosses = cut.y1 - (cut.y2 - cut.y1) < y < cut.y2 + (cut.y2 - cut.y1) and start < cut.x1 and end > cut.x2
            parts += [(y, start, cut.x1), (y, cut.x2, end)] if crosses else [(y, start, end)]
        level = parts
    return Rulings(np.array(level, np.float64).reshape(-1, 3), rules.upright)


def _band(free: Sequence[Sequence[Gap]], row: int, gap: Gap, height: float) -> tuple[int, int, Gap]:
    """The first row and the one behind the last about `row` that leave `gap` free, and what of it all of these leave."""
    ends = []
    for direction in (-1, 1):
        at = row + direction
        while 0 <= at < len(free):
            shared = [(max(gap[0], a), min(gap[1], b)) for a, b in free[at]]
            a, b = max(shared, key=lambda both: both[1] - both[0])
            if b - a < GUTTER * height:
                break
            gap = (a, b)
            at += direction
        ends.append(at)
    return ends[0] + 1, ends[1], gap


def _free(line: Sequence[int], words: Sequence[Rectangles], height: float) -> list[Gap]:
    """What the words of a row leave free, from left to right, the first and the last what is beside them all."""
    spans = sorted((float(x1), float(x2)) for index in line for x1, _, x2, _ in words[index].tolist())
    found: list[Gap] = [(-np.inf, spans[0][0])]
    reach = spans[0][1]
    for x1, x2 in spans[1:]:
        if x1 - reach >= GUTTER * height:
            found.append((reach, x1))
        reach = max(reach, x2)
    return [*found, (reach, np.inf)]


def _overlap(one: Gap, other: Gap) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _is_between(picture: Image, boxes: Rectangles, members: Sequence[int], rules: Rulings, cut: Cut, height: float) -> bool:
    """Whether both sides of a gutter are for themselves."""
    centres = (boxes[:, 0] + boxes[:, 2]) / 2
    parts = [[index for index in members if (centres[index] > cut.x) == right] for right in (False, True)]
    rows = [rows_of_text(boxes[part], height) if part else [] for part in parts]
    if min(map(len, rows)) < LEAST_ROWS:
        return False
    level = rules.level[(rules.level[:, 0] > cut.y1 - height) & (rules.level[:, 0] < cut.y2 + height)]
    if _crossed(picture, level, cut):
        return False
    if any(_is_ruled(level, boxes[part], cut) for part in parts) or _ends_bands(picture, cut, height):
        return True
    together = _are_on_level([boxes[part] for part in parts], rows, height)
    shares = [_in_paragraphs(boxes[part], lines, height) for part, lines in zip(parts, rows, strict=True)]
    return max(shares) >= MOSTLY and (min(shares) > 0 or not together)


def _crossed(picture: Image, level: Segments, cut: Cut) -> bool:
    """Whether a level rule goes through a gutter in the picture; pieces of rules left and right of it may have been joined."""
    x1, x2 = int(cut.x1) + TOUCHED, int(cut.x2) - TOUCHED
    for y, start, end in level.tolist():
        if start >= cut.x1 or end <= cut.x2 or x2 <= x1:
            continue
        top = max(0, int(y) - 3 * TOUCHED)
        strip = cv2.cvtColor(picture[top : int(y) + 3 * TOUCHED + 1, x1:x2], cv2.COLOR_BGR2GRAY).astype(np.float32)
        along = cv2.blur(strip, (max(3, strip.shape[1] // 8), 1))
        drawn = np.median(strip) - along[TOUCHED:-TOUCHED].min(axis=0) >= CONTRAST
        if drawn.mean() > THROUGH:
            return True
    return False


def _ends_bands(picture: Image, cut: Cut, height: float) -> bool:
    """Whether rows are in bands of colour, or a heading is, that end left and right of the middle of a gutter."""
    third = (cut.x2 - cut.x1) / 3
    if third < height / 2:
        return False
    top, bottom = max(0, int(cut.y1)), min(int(cut.y2), len(picture))
    if bottom - top < height or cut.x1 < 0 or cut.x2 > picture.shape[1]:
        return False
    steps = []
    for x1, x2 in ((cut.x1, cut.x1 + AT_END * height), (cut.x1 + third, cut.x2 - third), (cut.x2 - AT_END * height, cut.x2)):
        strip = picture[top:bottom, int(x1) + TOUCHED : max(int(x1) + TOUCHED + 2, int(x2) - TOUCHED)]
        along = cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY).mean(axis=1)
        # The median takes away rules, and keeps the sides of bands.
        side = max(3, int(height / 4))
        windows = np.lib.stride_tricks.sliding_window_view(along, min(len(along), 2 * side + 1))
        usual = np.median(windows, axis=1)
        steps.append(float(np.ptp(usual)))
    left, middle, right = steps
    return min(left, right) >= BAND and middle <= min(left, right) / 3


def _is_ruled(level: Segments, boxes: Rectangles, cut: Cut) -> bool:
    left, right = float(boxes[:, 0].min()), float(boxes[:, 2].max())
    reach = np.stack([level[:, 1], level[:, 2]], axis=1)
    reach = np.clip(reach, -np.inf, cut.x1) if right < cut.x else np.clip(reach, cut.x2, np.inf)
    shared = np.minimum(reach[:, 1], right) - np.maximum(reach[:, 0], left)
    return int((shared >= ALONG * (right - left)).sum()) >= LEAST_RULES


def _are_on_level(parts: Sequence[Rectangles], rows: Sequence[Sequence[Sequence[int]]], height: float) -> bool:
    """Whether rows left and right of a gutter stand on one level, as those of a table do; long lines, of print, do so by chance."""
    middles, long = [], []
    for boxes, lines in zip(parts, rows, strict=True):
        least = max(FULL * float(boxes[:, 2].max() - boxes[:, 0].min()), LONG * height)
        middles.append(np.array([float((boxes[line, 1] + boxes[line, 3]).mean()) / 2 for line in lines]))
        long.append(np.array([max(float(boxes[n, 2] - boxes[n, 0]) for n in line) >= least for line in lines]))
    on_level = np.abs(middles[0][:, None] - middles[1][None, :]) < LEVEL * height
    shares = [on_level.any(axis=1)[~long[0]], on_level.any(axis=0)[~long[1]]]
    return any(len(share) >= LEAST_ROWS and share.mean() > ALIGNED for share in shares)


def _in_paragraphs(boxes: Rectangles, lines: Sequence[Sequence[int]], height: float) -> float:
    """Share of the lines of one side that are of paragraphs: one text each, as wide as the side, evenly below each other."""
    left, right = float(boxes[:, 0].min()), float(boxes[:, 2].max())
    middles = [float((boxes[line, 1] + boxes[line, 3]).mean()) / 2 for line in lines]
    spans = [(float(boxes[line, 0].min()), float(boxes[line, 2].max())) for line in lines]
    gaps = [max((b - a for a, b in _ends(boxes, line)), default=0.0) for line in lines]
    least = max(FULL * (right - left), LONG * height)
    whole = [gap < GUTTER * height for gap in gaps]
    full = [x2 - x1 >= least for x1, x2 in spans]
    told, run = 0, [0]
    for n in range(1, len(lines) + 1):
        steps = np.diff([middles[m] for m in [*run, n]]) if n < len(lines) else np.zeros(0)
        if n < len(lines) and whole[n] and whole[n - 1] and steps.max() <= min(STEP * height, EVENLY * steps.min()):
            run.append(n)
            continue
        told += len(run) if len(run) >= PARAGRAPH and sum(full[m] for m in run) >= MOSTLY * len(run) else 0
        run = [n]
    return told / len(lines)


def _ends(boxes: Rectangles, line: Sequence[int]) -> list[Gap]:
    """Where each text of a row ends, and the next begins."""
    return [(float(boxes[a, 2]), float(boxes[b, 0])) for a, b in pairwise(line)]
