"""The grid that the spacing of texts shows: gutters that no text, or nearly none, crosses, and texts on one level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.tables.grid import Borders, Grid, GridCell, covering
from ocr_serving.stages.tables.headings import lines_of_headings
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.words import rows_of_text

GUTTER, KEPT_FREE = 0.5, 0.42
"""Heights of a line that a gutter is wide, and that one is which nine of ten lines leave free: twice a space between words."""

NARROW, AROUND, SUPPORTED, LEAST_LINES = 0.36, 0.9, 0.7, 4
"""A narrower gutter, of so many heights of a line at least and so wider than a space between words, is one where words stand no
further apart about it, in so large a share of so many lines at least."""

ONE_LINE = 0.85
"""Share of the bands between rules that hold a column with one line only, where each band is a row."""

CROSSED = 0.08
"""Share of the lines of text that may cross a gutter: headings over several columns, and lines found as one."""

SEVERAL = 6
"""Lines of text of which one may cross a gutter."""

HEADINGS, FEWER = 3, 0.8
"""Lines at the top that may be headings over several columns: they have fewer texts than so large a share of what is usual."""

LEAST_TEXTS, MANY = 3, 0.6
"""Texts that lines usually have, at least, and share of the lines that have more than half of these, where the others are headings
of sections and sums, and hide no gutter."""

BODY = 0.15
"""Share of a line's height, above and below, that is room and not letters."""

FILLED = 0.6
"""Share of the columns that a line of text fills where it is a row for itself."""

BETWEEN, CROWDED = 0.25, 1.3
"""Shares of the usual step of rows: texts of one column that are off both neighbours by the first, and these no further apart than
the second, are in a cell over several rows and no row."""

FULL = 0.8
"""Share of the table's width, or height, that a rule must have to part rows, or columns, all through."""

AS_FAR = 0.9
"""Lines of a row set so many times as far apart as those of two rows are rows of their own."""

TIGHT = 0.7
"""Lines of one cell are nearer to each other than rows by this factor at least."""

NEARER = 0.87
"""The same of a line of text in one column only, which the row above has a text in."""


def spaced(boxes: Rectangles, rules: Rulings, height: float, *, by_gaps: bool = False) -> Grid | None:
    """Rows and columns by the spaces between `boxes`, lines of text or pieces of them; None where there is no text.

    With `by_gaps` rows are what stands between the gaps that run through the whole table, as where cells of one line are set in the
    middle of such of several; None too where these part nothing.
    """
    if not len(boxes):
        return None
    lines = rows_of_text(boxes, height)
    uprights = _uprights(boxes, lines, rules, height)
    columns = len(uprights) - 1
    headings = lines_of_headings(boxes, lines, rules, height)
    if headings:
        lines = [[index for line in lines[:headings] for index in line], *lines[headings:]]
    home = np.clip(np.searchsorted(uprights, (boxes[:, 0] + boxes[:, 2]) / 2, side="right") - 1, 0, columns - 1)
    groups = _between_gaps(boxes, height) if by_gaps else _rows(boxes, _rows_alone(boxes, lines, home), home, rules)
    if groups is None or (by_gaps and _as_far_as_rows(boxes, groups, home)):
        return None
    levels = _levels(boxes, groups)
    cells = []
    for row, group in enumerate(groups):
        for index in group:
            first, last = _covered(boxes[index], uprights, height)
            if last > first:
                cells.append(GridCell(row, first, 1, last - first + 1))
    return Grid(covering(sorted(cells), len(groups), columns), levels, uprights)


def _uprights(boxes: Rectangles, lines: list[list[int]], rules: Rulings, height: float) -> Borders:
    left, right = int(np.floor(boxes[:, 0].min())), int(np.ceil(boxes[:, 2].max()))
    top, bottom = float(boxes[:, 1].min()), float(boxes[:, 3].max())
    lines = _below_headings(boxes, lines, height)
    found = _gutters(boxes, lines, left, right, height)
    borders = [x for x, _ in found]
    # Headings of sections and sums hide gutters; texts that few rows have in a column of their own do not, but widen them.
    for x, (start, end) in _gutters(boxes, _of_many_texts(boxes, lines, height), left, right, height):
        if not any(a < end and start < b for _, (a, b) in found):
            borders.append(x)
    tall = rules.upright[rules.upright[:, 2] - rules.upright[:, 1] >= FULL * (bottom - top)]
    for x in tall[:, 0].tolist():
        if left + height / 2 < x < right - height / 2:
            borders = [border for border in borders if abs(border - x) > height]
            borders.append(x)
    return np.array([float(left), *sorted(borders), float(right)])


def _gutters(
    boxes: Rectangles, lines: Sequence[Sequence[int]], left: int, right: int, height: float
) -> list[tuple[float, tuple[int, int]]]:
    """Where columns part between `left` and `right` by what `lines` of text leave free: the border, and the gutter it is in."""
    crossed = np.zeros(right - left + 1, int)
    for line in lines:
        covered = np.zeros_like(crossed, dtype=bool)
        for x1, _, x2, _ in boxes[list(line)].tolist():
            covered[int(x1) - left : int(x2) - left + 1] = True
        crossed += covered
    free = crossed <= max(CROSSED * len(lines), 1.0 if len(lines) >= SEVERAL else 0.0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(np.int8))).reshape(-1, 2)
    found = []
    for start, end in edges.tolist():
        if start == 0 or end == len(free):
            continue
        if end - start >= GUTTER * height or _supported(boxes, lines, left + start, left + end, height):
            least = crossed[start:end]
            emptiest = np.flatnonzero(least == least.min())
            found.append((left + start + float(emptiest.mean()), (left + start, left + end)))
    return found


def _counts(boxes: Rectangles, lines: Sequence[Sequence[int]], height: float) -> list[int]:
    """How many texts stand apart in each of `lines`."""
    counts = []
    for line in lines:
        reach = np.maximum.accumulate(boxes[list(line), 2])
        counts.append(1 + int((boxes[list(line[1:]), 0] - reach[:-1] >= GUTTER * height).sum()))
    return counts


def _of_many_texts(boxes: Rectangles, lines: list[list[int]], height: float) -> list[list[int]]:
    """`lines` of text that have more than half of the usual number of texts, where these are most of them; [] where not."""
    counts = _counts(boxes, lines, height)
    usual = float(np.median(counts))
    many = [line for line, count in zip(lines, counts, strict=True) if count > usual / 2]
    return many if usual >= LEAST_TEXTS and len(many) >= max(LEAST_LINES, MANY * len(lines)) else []


def _below_headings(boxes: Rectangles, lines: list[list[int]], height: float) -> list[list[int]]:
    """`lines` of text without those at the top that have fewer texts than most: headings over several columns cross gutters."""
    counts = _counts(boxes, lines, height)
    usual = float(np.median(counts))
    most = min(HEADINGS, len(lines) - LEAST_LINES)
    first = next((n for n, count in enumerate(counts) if count >= FEWER * usual), 0)
    return lines[first:] if first <= most else lines


def wide_gutters(boxes: Rectangles, grid: Grid, height: float) -> list[float]:
    """Borders of columns of `grid`, by spaces, that lie in a wide gutter: the middle of each."""
    lines = rows_of_text(boxes, height)
    found = []
    for x in grid.uprights[1:-1].tolist():
        spaces = []
        for line in lines:
            before = boxes[line, 2][boxes[line, 2] <= x].max(initial=-np.inf)
            behind = boxes[line, 0][boxes[line, 0] >= x].min(initial=np.inf)
            spaces.append((before, behind))
        # Where a line has nothing on a side there is no space to measure, and no infinity between two values either.
        low = np.percentile([a for a, _ in spaces], 90, method="lower")
        high = np.percentile([b for _, b in spaces], 10, method="higher")
        if high - low >= KEPT_FREE * height and len(lines) >= LEAST_LINES:
            found.append(float(low + high) / 2)
    return found


def _supported(boxes: Rectangles, lines: Sequence[Sequence[int]], low: float, high: float, height: float) -> bool:
    """Whether most lines of text have a word that ends shortly before, and one that begins shortly behind, a narrow gutter."""
    if high - low < NARROW * height or len(lines) < LEAST_LINES:
        return False
    both = 0
    for line in lines:
        row = boxes[list(line)]
        before = row[row[:, 2] <= low + 2, 2].max(initial=-np.inf)
        behind = row[row[:, 0] >= high - 2, 0].min(initial=np.inf)
        both += bool(behind - before < AROUND * height)
    return both >= SUPPORTED * len(lines)


def _rows(boxes: Rectangles, lines: list[list[int]], home: NDArray[np.int64], rules: Rulings) -> list[list[int]]:
    """Indices of the texts of each row: lines of text on one level, and those below them that go on in the same cell."""
    width = float(boxes[:, 2].max() - boxes[:, 0].min())
    parting = np.sort(rules.level[rules.level[:, 2] - rules.level[:, 1] >= FULL * width][:, 0])
    middle = np.array([(boxes[line, 1] + boxes[line, 3]).mean() / 2 for line in lines])
    banded = _bands(parting, middle, lines, home)
    if banded is not None:
        return banded
    ends = [_ends(boxes[line]) for line in lines]
    between = [(upper[1], lower[0]) for upper, lower in pairwise(ends)]
    apart = np.array([lower - upper for upper, lower in between])
    ruled = [bool(((parting > a) & (parting < b)).any()) for a, b in between]
    together = _together(apart, ruled, lines, home)
    groups = [list(lines[0])]
    for line, joined in zip(lines[1:], together, strict=True):
        if joined:
            groups[-1] += line
        else:
            groups.append(list(line))
    return groups


def _ends(boxes: Rectangles) -> tuple[float, float]:
    """The middles of the first and of the last line among texts of one row."""
    lines = rows_of_text(boxes, float(np.median(boxes[:, 3] - boxes[:, 1])))
    first, last = ((boxes[line, 1] + boxes[line, 3]).mean() / 2 for line in (lines[0], lines[-1]))
    return float(first), float(last)


def _bands(
    parting: NDArray[np.float64], middle: NDArray[np.float64], lines: list[list[int]], home: NDArray[np.int64]
) -> list[list[int]] | None:
    """The texts between each two rules, where these part rows: between most of them some column has one line only."""
    of = np.searchsorted(parting, middle)
    bands = [[lines[n] for n in np.flatnonzero(of == band).tolist()] for band in np.unique(of).tolist()]
    if len(bands) < 4:
        return None
    columns = len(set(home.tolist()))
    bands = [part for band in bands for part in _apart(band, home, columns)]
    one = 0
    for band in bands:
        counts = np.bincount([column for line in band for column in set(home[line].tolist())])
        one += bool((counts == 1).any())
    return [[index for line in band for index in line] for band in bands] if one >= ONE_LINE * len(bands) else None


def _apart(band: list[list[int]], home: NDArray[np.int64], columns: int) -> list[list[list[int]]]:
    """The lines of text between two rules each for itself where all fill nearly all columns: a rule was not found."""
    full = all(len(set(home[line].tolist())) >= max(2, FILLED * columns) for line in band)
    return [[line] for line in band] if full else [band]


def _rows_alone(boxes: Rectangles, lines: list[list[int]], home: NDArray[np.int64]) -> list[list[int]]:
    """Lines of text without those that stand between two rows, whose texts go to the nearer one: cells over several rows.

    Rows are lines that fill most columns, and, above the first of these, headings of several columns.
    """
    middle = np.array([(boxes[line, 1] + boxes[line, 3]).mean() / 2 for line in lines])
    filled = [set(home[line].tolist()) for line in lines]
    full = np.array([len(of) >= FILLED * len(set(home.tolist())) for of in filled])
    if len(set(home.tolist())) < 2 or full.sum() < 3 or full.all():
        return lines
    usual = float(np.median(np.diff(middle[full])))
    kept: list[list[int]] = [list(line) for line in lines]
    first = int(np.flatnonzero(full)[0])
    rows = np.array([n for n in range(len(lines)) if full[n] or (n < first and len(filled[n]) > 1)])
    for n in np.flatnonzero(~full).tolist():
        above, below = rows[rows < n], rows[rows > n]
        if not len(above) or not len(below):
            continue
        up, down = middle[n] - middle[above[-1]], middle[below[0]] - middle[n]
        if _continues(n, filled, middle, full, usual):
            kept[int(above[-1])] += lines[n]
            kept[n] = []
        elif min(up, down) >= BETWEEN * usual and up + down <= CROWDED * usual and len(filled[n]) == 1:
            kept[int(above[-1] if up <= down else below[0])] += lines[n]
            kept[n] = []
    return [line for line in kept if line]


def _continues(line: int, filled: Sequence[set[int]], middle: NDArray[np.float64], full: NDArray[np.bool_], usual: float) -> bool:
    """Whether a line in one column only goes on with the cell of the row above, and is nearer to it than to others."""
    if len(filled[line]) > 1:
        return False
    # The next line of the same text is in the same column alone, too: the row below it fills more.
    after = next((n for n in range(line + 1, len(filled)) if filled[line] < filled[n]), None)
    away = usual if after is None else min(usual, middle[after] - middle[line])
    while not full[line]:
        if line == 0 or filled[line] != filled[line - 1] & filled[line] or middle[line] - middle[line - 1] > NEARER * away:
            return False
        line -= 1
    return True


def _between_gaps(boxes: Rectangles, height: float) -> list[list[int]] | None:
    """Indices of the texts of each row, where gaps through the whole table part rows and are wider than those inside of cells."""
    inset = BODY * (boxes[:, 3] - boxes[:, 1])
    tops, ends = boxes[:, 1] + inset, boxes[:, 3] - inset
    order = np.argsort(tops, kind="stable")
    groups: list[list[int]] = [[int(order[0])]]
    gaps: list[float] = []
    end = float(ends[order[0]])
    for index in order[1:].tolist():
        if tops[index] > end:
            gaps.append(float(tops[index]) - end)
            groups.append([])
        groups[-1].append(index)
        end = max(end, float(ends[index]))
    if len(gaps) < 2:
        return None
    steps = np.sort(np.maximum(gaps, 1.0))
    jumps = steps[1:] / steps[:-1]
    limit = float(steps[int(jumps.argmax())]) if jumps.max() >= 1 / TIGHT else 0.0
    if limit > height:
        return None
    rows = [list(groups[0])]
    for gap, group in zip(gaps, groups[1:], strict=True):
        if max(gap, 1.0) > limit:
            rows.append(list(group))
        else:
            rows[-1] += group
    return rows


def _as_far_as_rows(boxes: Rectangles, groups: Sequence[Sequence[int]], home: NDArray[np.int64]) -> bool:
    """Whether texts of one row stand below each other in a column no nearer than such of two rows do."""
    row = np.zeros(len(boxes), np.int64)
    for n, group in enumerate(groups):
        row[list(group)] = n
    inside, across = 0.0, np.inf
    for column in np.unique(home):
        members = np.flatnonzero(home == column)
        members = members[np.argsort(boxes[members, 1], kind="stable")]
        steps, same = np.diff(boxes[members, 1]), np.diff(row[members]) == 0
        inside = max(inside, float(steps[same].max(initial=0.0)))
        across = min(across, float(steps[~same].min(initial=np.inf)))
    return inside > AS_FAR * across


def _together(apart: NDArray[np.float64], ruled: list[bool], lines: list[list[int]], home: NDArray[np.int64]) -> list[bool]:
    """For each line of text but the first whether it goes on with the row above."""
    if not len(apart):
        return []
    free = np.array([not rule for rule in ruled])
    if free.sum() < len(free) / 3 or len(free) < 3:
        # Rules part nearly all lines: where none is, the cell goes on.
        return [not rule and len(ruled) > 2 and sum(ruled) >= 3 for rule in ruled]
    steps = np.sort(apart[free])
    # The widest relative jump between two steps parts those inside a cell from those between rows.
    jumps = steps[1:] / np.maximum(steps[:-1], 1e-6)
    if not len(jumps) or jumps.max() < 1 / TIGHT:
        return _going_on(apart, free, lines, home)
    limit = float(steps[int(jumps.argmax())]) * 1.001
    if (apart[free] <= limit).mean() > 0.85:
        return [False] * len(apart)
    joined = []
    for n, step in enumerate(apart.tolist()):
        fewer = len(set(home[lines[n + 1]].tolist())) <= len(set(home.tolist())) - 1
        joined.append(bool(free[n]) and step <= limit and (fewer or len(set(home.tolist())) == 1))
    return joined


def _going_on(apart: NDArray[np.float64], free: NDArray[np.bool_], lines: list[list[int]], home: NDArray[np.int64]) -> list[bool]:
    """For each line of text but the first whether it goes on with one cell of the row above, nearer to it than rows are."""
    filled = [set(home[line].tolist()) for line in lines]
    rows = [step for step, (upper, lower) in zip(apart.tolist(), pairwise(filled), strict=True) if min(len(upper), len(lower)) > 1]
    if len(rows) < 2:
        return [False] * len(apart)
    limit = NEARER * float(np.median(rows))
    alone = [len(lower) == 1 and lower <= upper for upper, lower in pairwise(filled)]
    return [bool(one and near and step <= limit) for one, near, step in zip(alone, free, apart.tolist(), strict=True)]


def _levels(boxes: Rectangles, groups: list[list[int]]) -> Borders:
    low = [float(boxes[group, 1].min()) for group in groups]
    high = [float(boxes[group, 3].max()) for group in groups]
    between = [(upper + lower) / 2 for upper, lower in zip(high[:-1], low[1:], strict=True)]
    return np.maximum.accumulate(np.array([low[0], *between, high[-1]]))


def _covered(box: NDArray[np.float64], uprights: Borders, height: float) -> tuple[int, int]:
    """First and last column that a text is in by more than its edges."""
    slack = 0.4 * height
    columns = len(uprights) - 1
    first = int(np.clip(np.searchsorted(uprights, box[0] + slack, side="right") - 1, 0, columns - 1))
    last = int(np.clip(np.searchsorted(uprights, box[2] - slack, side="right") - 1, 0, columns - 1))
    return (first, last) if first <= last else (first, first)
