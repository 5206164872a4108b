"""Which lines of a picture are tables: whole pages have headings and paragraphs about one, or several. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.ruled import groups_of_rules
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.words import rows_of_text

APART, LINES_APART = 1.0, 0.4
"""Heights of a line between words of one row that are in two columns, and between such that were found as two lines of text, or
where rows near by leave all the spaces of a row free too."""

AROUND = 3
"""Rows above and below that are near by."""

AT_EDGE = 3.0
"""Heights of a line by which a space between two columns is off the end of one that rows near by leave there, at most."""

INTO = 0.3
"""Heights of a line by which a text that crosses a gutter may fall short of its ends."""

FAR = 1.7
"""Steps of a table's rows; a text further from it than this is no part of it."""

SPLIT = 2.2
"""Steps of rows between two tables that nothing but room parts."""

LARGE = 1.3
"""A line so many times as high as the table's is a heading of the page."""

PROSE, WIDE = 2, 0.5
"""Lines that cross the gutters of a table, one of them over so large a share of its width, are prose; one alone may be a row over
all columns."""

LINES_OF_PROSE = 1.6
"""Heights of a line between two lines of a paragraph, at most."""

NEARER = 1.5
"""A line that is so many times nearer to a paragraph than to the table is the paragraph's."""

CENTRED = 1.5
"""Heights of a line by which a heading over all columns is off the table's middle; what begins at its left is a caption."""

RULED = 0.6
"""Share of a table's width that a level rule has where what stands between it and the table belongs to this."""

UNDER = 0.4
"""Heights of a line by which what underlines it is below it at most."""

LEAST_CELLS = 6
"""Columns times rows of a table that no rules frame; fewer are an address, or two lines with a tab."""


ACROSS = 0.3
"""Share of the width of two columns that is room between them in each row where they are an address and a date."""

LEAST_RULES = 5
"""Rules of a frame that is a table's; four are one around a page, or about a table that spaces part."""


@dataclass
class Row:
    """Texts on one level: which lines they are of, x1, x2 of what stands apart in it, y1, y2, and the frame it is in.

    `is_caption` where it says that it is one.
    """

    lines: list[int]
    parts: list[tuple[float, float]]
    top: float
    bottom: float
    frame: int | None
    is_caption: bool = False

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def is_tabular(self) -> bool:
        return len(self.parts) > 1 or self.frame is not None


def tables_apart(
    boxes: Rectangles, words: Sequence[Rectangles], rules: Rulings, height: float, captions: Collection[int] = ()
) -> list[list[int]]:
    """Indices of the lines of each table, from top to bottom; one list of all where the picture is one table, or shows none.

    `boxes` are lines of text on a level picture, `words` the boxes of the words of each, `rules` what is ruled there, `captions`
    the indices of lines that say that they are such.
    """
    tables = tables_among(boxes, words, rules, height, captions)
    return tables if len(tables) > 1 or (tables and len(tables[0]) < len(boxes)) else [list(range(len(boxes)))]


def tables_among(
    boxes: Rectangles, words: Sequence[Rectangles], rules: Rulings, height: float, captions: Collection[int] = ()
) -> list[list[int]]:
    """The same; [] where there is none."""
    if len(boxes) < LEAST_CELLS:
        return []
    frames = _frames(boxes, rules, height)
    rows = _rows(boxes, words, frames, height)
    for row in rows:
        row.is_caption = not row.is_tabular and any(line in captions for line in row.lines)
    found = _not_letterheads(rows, [run for run in _runs(rows, height) if _is_table(rows, run)], rules)
    free = _outside(rules, frames)
    found = [_grown(rows, run, free, height) for run in found]
    return [sorted({line for index in run for line in rows[index].lines}) for run in _without_overlap(found)]


def _frames(boxes: Rectangles, rules: Rulings, height: float) -> Rectangles:
    """Around rules that touch each other, draw columns and rows, and hold some lines of text: x1, y1, x2, y2."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    found = []
    for group in groups_of_rules(rules, height):
        if len(group.upright) < 2 or len(group.level) < 2 or len(group.upright) + len(group.level) < LEAST_RULES:
            continue
        box = np.concatenate([group.boxes()[:, :2].min(axis=0), group.boxes()[:, 2:].max(axis=0)])
        inside = np.all((centres > box[:2]) & (centres < box[2:]), axis=1)
        if inside.sum() >= LEAST_CELLS - 2:
            found.append(box)
    return np.array(found, np.float64).reshape(-1, 4)


def _outside(rules: Rulings, frames: Rectangles) -> Rulings:
    """`rules` without those of frames, which close what is in these and nothing beyond."""
    boxes = rules.boxes()
    held = np.zeros(len(boxes), bool)
    for frame in frames:
        held |= np.all((boxes[:, :2] >= frame[:2] - 1) & (boxes[:, 2:] <= frame[2:] + 1), axis=1)
    return Rulings(rules.level[~held[: len(rules.level)]], rules.upright[~held[len(rules.level) :]])


def _rows(boxes: Rectangles, words: Sequence[Rectangles], frames: Rectangles, height: float) -> list[Row]:
    lines = rows_of_text(boxes, height)
    pieces = [sorted((float(x1), float(x2), index) for index in line for x1, _, x2, _ in words[index].tolist()) for line in lines]
    far = [_parts(row, APART * height, APART * height) for row in pieces]
    wide = [_parts(row, APART * height, LINES_APART * height) for row in pieces]
    narrow = [_parts(row, LINES_APART * height, LINES_APART * height) for row in pieces]
    sure = [len(a) > 1 or len(b) > 2 for a, b in zip(far, wide, strict=True)]
    spaces = [_spaces(parts) for parts in narrow]
    found = []
    for n, line in enumerate(lines):
        near = [spaces[of] for of in range(max(0, n - AROUND), min(len(lines), n + AROUND + 1)) if of != n and sure[of]]
        shared = all(2 * sum(_meets(space, of, AT_EDGE * height) for of in near) > len(near) for space in spaces[n])
        over = sum(any(x1 < a and b < x2 for x1, x2 in narrow[n] for a, b in of) for of in near)
        parts = narrow[n] if shared and 2 * over <= len(near) else wide[n] if sure[n] else far[n]
        top, bottom = float(boxes[line, 1].min()), float(boxes[line, 3].max())
        x = (parts[0][0] + parts[-1][1]) / 2 if parts else 0.0
        middle = (top + bottom) / 2
        held = [n for n, (x1, y1, x2, y2) in enumerate(frames.tolist()) if x1 < x < x2 and y1 < middle < y2]
        found.append(Row(list(line), parts, top, bottom, held[0] if held else None))
    return found


def _parts(pieces: Sequence[tuple[float, float, int]], apart: float, lines_apart: float) -> list[tuple[float, float]]:
    """x1, x2 of what stands apart among words x1, x2 of lines: by `apart` in one line of text, by `lines_apart` in two."""
    parts: list[tuple[float, float]] = []
    last = -1
    for x1, x2, index in pieces:
        if parts and x1 - parts[-1][1] < (apart if index == last else lines_apart):
            parts[-1] = parts[-1][0], max(parts[-1][1], x2)
        else:
            parts.append((x1, x2))
        last = index
    return parts


def _spaces(parts: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(left[1], right[0]) for left, right in pairwise(parts)]


def _meets(space: tuple[float, float], others: Sequence[tuple[float, float]], edge: float) -> bool:
    """Whether a space is in one of `others`, no further than `edge` from one of its ends: words stand in the midst of it."""
    found = [(start, end) for start, end in others if space[0] < end and start < space[1]]
    return any(min(space[0] - start, end - space[1]) <= edge for start, end in found)


def _runs(rows: Sequence[Row], height: float) -> list[list[int]]:
    """Indices of the rows from the first tabular one of each table to its last."""
    tabular = [index for index, row in enumerate(rows) if row.is_tabular]
    if not tabular:
        return []
    step = _step(rows, tabular)
    runs = [[tabular[0]]]
    for upper, lower in pairwise(tabular):
        if _goes_on(rows, runs[-1], upper, lower, step, tabular, height):
            runs[-1] += range(upper + 1, lower + 1)
        else:
            runs.append([lower])
    return runs


def _step(rows: Sequence[Row], tabular: Sequence[int]) -> float:
    steps = [rows[b].middle - rows[a].middle for a, b in pairwise(tabular) if b == a + 1]
    return float(np.median(steps)) if steps else 2 * (rows[tabular[0]].bottom - rows[tabular[0]].top)


def _goes_on(
    rows: Sequence[Row],
    run: Sequence[int],
    upper: int,
    lower: int,
    step: float,
    tabular: Sequence[int],
    height: float,
) -> bool:
    """Whether the tabular row `lower` is of the table that has come as far as the row `upper`."""
    first, second = rows[upper].frame, rows[lower].frame
    if first is not None and first == second:
        return True
    if first is not None and second is not None:
        return False
    between = [rows[index] for index in range(upper + 1, lower)]
    if any(row.is_caption for row in between):
        return False
    following = [lower]
    for index in tabular[tabular.index(lower) + 1 :]:
        if index != following[-1] + 1 or rows[index].frame != second or len(following) == 6:
            break
        following.append(index)
    gutters = _gutters([rows[index] for index in run[-12:] if rows[index].is_tabular], height)
    below = _gutters([rows[index] for index in following], height)
    columns = [rows[index] for index in [*run[-12:], *following] if rows[index].is_tabular]
    shared = _gutters(columns, height)
    other = len(shared) < min(len(gutters), len(below))
    # A few rows leave more free than the gutters of their table.
    crossing = _with_paragraphs(
        between, [row for row in between if _crosses(row, [*gutters, *below] if other else shared, height)], height
    )
    width = max(row.parts[-1][1] for row in columns) - min(row.parts[0][0] for row in columns)
    prose = any(row.parts[-1][1] - row.parts[0][0] >= WIDE * width for row in crossing)
    if any(_is_large(row, columns) for row in crossing) or (len(crossing) >= PROSE and (prose or other)):
        return False
    widest = max(b.middle - a.middle for a, b in pairwise([rows[upper], *between, rows[lower]]))
    return widest <= SPLIT * step or not (crossing or other)


def _gutters(rows: Sequence[Row], height: float) -> list[tuple[float, float]]:
    """x1, x2 of the spaces that no text of `rows` stands in, but for one in eight of them."""
    if not rows:
        return []
    left, right = min(row.parts[0][0] for row in rows), max(row.parts[-1][1] for row in rows)
    covered = np.zeros(int(right - left) + 2, int)
    for row in rows:
        for x1, x2 in row.parts:
            covered[int(x1 - left) : int(x2 - left) + 1] += 1
    free = covered <= len(rows) // 8
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(np.int8))).reshape(-1, 2)
    return [(left + a, left + b) for a, b in edges.tolist() if a > 0 and b < len(free) - 1 and b - a >= 0.4 * height]


def _crosses(row: Row, gutters: Sequence[tuple[float, float]], height: float) -> bool:
    """Whether a text of `row` goes through a gutter; one that ends inside it is longer than the others of its column."""
    into = INTO * height
    return any(x1 < a + into and x2 > b - into for x1, x2 in row.parts for a, b in gutters)


def _with_paragraphs(between: Sequence[Row], crossing: Sequence[Row], height: float) -> list[Row]:
    """Those rows of `between` that cross gutters, and the last lines of paragraphs, which go on below one and need not."""
    found: list[Row] = []
    for index, row in enumerate(between):
        above = between[index - 1] if index else None
        goes_on = above is not None and above in found and row.middle - above.middle < LINES_OF_PROSE * height
        if row in crossing or (goes_on and above is not None and abs(row.parts[0][0] - above.parts[0][0]) < INTO * height):
            found.append(row)
    return found


def _is_large(row: Row, others: Sequence[Row]) -> bool:
    usual = float(np.median([other.bottom - other.top for other in others]))
    return row.bottom - row.top > LARGE * usual


def _is_table(rows: Sequence[Row], run: Sequence[int]) -> bool:
    """Whether rows are a table: framed by rules, or several columns in several rows."""
    if any(rows[index].frame is not None for index in run):
        return True
    tabular = [rows[index] for index in run if rows[index].is_tabular]
    columns = float(np.median([len(row.parts) for row in tabular]))
    return len(tabular) > 1 and columns * len(tabular) >= LEAST_CELLS


def _not_letterheads(rows: Sequence[Row], runs: Sequence[list[int]], rules: Rulings) -> list[list[int]]:
    """`runs` without two columns far apart that no rule touches, as an address and a date beside it, where others are more."""
    kept = []
    for run in runs:
        members = [rows[index] for index in run]
        parted = [row for row in members if len(row.parts) > 1]
        width = max(row.parts[-1][1] for row in members) - min(row.parts[0][0] for row in members)
        between = min((max(b - a for a, b in _spaces(row.parts)) for row in parted), default=0.0)
        top, bottom = members[0].top, members[-1].bottom
        ruled = ((rules.level[:, 0] > top) & (rules.level[:, 0] < bottom)).any() or any(row.frame is not None for row in members)
        if ruled or between < ACROSS * width or float(np.median([len(row.parts) for row in parted])) > 2:
            kept.append(run)
    return kept or list(runs)


def _grown(rows: Sequence[Row], run: Sequence[int], rules: Rulings, height: float) -> list[int]:
    """`run` with what stands above and below it and is of the table too: lines of its columns, and what its rules hold."""
    members = [rows[index] for index in run]
    step = max(_step(rows, [index for index in run if rows[index].is_tabular]), height)
    gutters = _gutters([row for row in members if row.is_tabular], height)
    left, right = min(row.parts[0][0] for row in members), max(row.parts[-1][1] for row in members)
    found = list(run)
    for direction in (-1, 1):
        at = run[0] if direction < 0 else run[-1]
        taken: list[int] = []
        crossing: list[Row] = []
        # What stands alone beyond a frame is a caption, or a note, wherever it begins.
        while rows[at].frame is None and 0 <= at + direction < len(rows):
            row, inner = rows[at + direction], rows[at]
            if row.is_tabular or row.is_caption or abs(row.middle - inner.middle) > FAR * step or _is_large(row, members):
                break
            if row.parts[0][0] < left - height or row.parts[-1][1] > right + height:
                break
            crossing += [row] if _crosses(row, gutters, height) else []
            taken.append(at + direction)
            at += direction
        middle = [(row.parts[0][0] + row.parts[-1][1]) / 2 for row in crossing]
        beyond = rows[at + direction] if 0 <= at + direction < len(rows) else None
        goes_on = beyond is not None and not beyond.is_tabular and abs(beyond.middle - rows[at].middle) < LINES_OF_PROSE * height
        prose = _with_paragraphs([rows[index] for index in sorted(taken)], crossing, height)
        if len(prose) >= PROSE or (crossing and goes_on) or any(abs(x - (left + right) / 2) > CENTRED * height for x in middle):
            taken = []
        elif taken and goes_on and beyond and _ends_paragraph(rows[at - direction], rows[at], beyond, left, height):
            taken.pop()
        found += taken
        found += _held(rows, run, taken, direction, rules, (left, right), height)
    return sorted(set(found))


def _ends_paragraph(inner: Row, row: Row, beyond: Row, left: float, height: float) -> bool:
    """Whether a line begins where the longer one next to it does, and not where the table at `left` does, or is far from it."""
    starts = row.parts[0][0]
    longer = beyond.parts[-1][1] > row.parts[-1][1] + height
    far = abs(row.middle - inner.middle) > NEARER * abs(beyond.middle - row.middle)
    return longer and abs(starts - beyond.parts[0][0]) < INTO * height and (abs(starts - left) > INTO * height or far)


def _held(
    rows: Sequence[Row],
    run: Sequence[int],
    taken: Sequence[int],
    direction: int,
    rules: Rulings,
    sides: tuple[float, float],
    height: float,
) -> list[int]:
    """Rows between the table and a level rule beyond it, no more than two."""
    at = min([*run, *taken]) if direction < 0 else max([*run, *taken])
    left, right = sides
    shared = np.minimum(rules.level[:, 2], right) - np.maximum(rules.level[:, 1], left)
    long = (shared >= RULED * (right - left)) & (rules.level[:, 2] - rules.level[:, 1] < (right - left) + 4 * height)
    beyond_it = rows[: max(0, at)] if direction < 0 else []
    wide = np.array([y for y, *ends in rules.level[long].tolist() if not _underlines(y, ends, beyond_it, height)], np.float64)
    for count in (2, 1):
        beyond = [at + direction * n for n in range(1, count + 1)]
        if not all(0 <= index < len(rows) and not rows[index].is_tabular for index in beyond):
            continue
        outer, inner = rows[beyond[-1]], rows[at]
        if direction < 0:
            closed = ((wide < outer.top + height / 4) & (wide > outer.top - height)).any()
        else:
            closed = ((wide > outer.bottom - height / 4) & (wide < outer.bottom + height)).any()
        if closed and abs(outer.middle - inner.middle) < 3 * count * height:
            return beyond
    return []


def _underlines(y: float, ends: Sequence[float], rows: Sequence[Row], height: float) -> bool:
    """Whether a level rule is that below the only text of one of `rows`, and no longer."""
    return any(
        len(row.parts) == 1
        and row.middle < y < row.bottom + UNDER * height
        and row.parts[0][0] - height < ends[0]
        and ends[1] < row.parts[0][1] + height
        for row in rows
    )


def _without_overlap(runs: Sequence[Sequence[int]]) -> list[list[int]]:
    """`runs`, each row in the first that has it."""
    taken: set[int] = set()
    found = []
    for run in runs:
        found.append([index for index in run if index not in taken])
        taken.update(run)
    return found
