"""How well a grid explains the words of a table, and which cell each is in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.tables.grid import Grid
from ocr_serving.stages.tables.headings import lines_of_headings
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.words import gaps, rows_of_text

BEYOND = 0.4
"""Heights of a line by which a text may reach beyond its cell."""

APART = 1.0
"""Heights of a line; texts of one cell further from each other than this stand in two columns."""

LIKE_ROWS = 0.8
"""Lines of text in one row that are as far apart as so many times the rows are, are rows of their own."""

LOOSE = 1.25
"""Lines of one cell are no further apart than so many times the nearest lines of two cells below each other are."""

SAME, SPARSE = 1.12, 0.5
"""Lines of two cells no further apart than so many times the usual lines of one are torn from each other, where one of the rows has
texts in so few of the columns."""

ROOMY, ON_LEVEL = 1.15, 0.2
"""Rows so many heights of a line apart leave room between them that lines of one cell do not; a text is on the level of a row where
it is off its middle by this share of their distance."""

MOSTLY_RULED = 2
"""Rules part cells below each other where they part so many times as many as they do not."""

EMPTY_ROW = 0.5
"""Words not explained that a row without any is worth."""

ONE_COLUMN = 0.3
"""Share of faults that a table of one column is worth, unless rules draw it: it is a list."""


def homes(grid: Grid, boxes: Rectangles) -> list[int | None]:
    """The cell that the middle of each box is in; None above the first row and below the last."""
    rows, columns = grid.size
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    row = np.searchsorted(grid.levels, centres[:, 1], side="right") - 1
    column = np.clip(np.searchsorted(grid.uprights, centres[:, 0], side="right") - 1, 0, columns - 1)
    owners = grid.owners()
    return [int(owners[r, c]) if 0 <= r < rows else None for r, c in zip(row.tolist(), column.tolist(), strict=True)]


def cuts(
    grid: Grid, owners: NDArray[np.int64], box: NDArray[np.float64], rules: Rulings, picture: Image, height: float
) -> list[float]:
    """Where to cut a text that stands in several cells of its row: at an upright rule, else at a gap near the border.

    `owners` are those of `grid`.
    """
    rows = grid.size[0]
    x1, y1, x2, y2 = box.tolist()
    row = int(np.searchsorted(grid.levels, (y1 + y2) / 2, side="right")) - 1
    if not 0 <= row < rows:
        return []
    found: list[float] = []
    spaces: list[tuple[float, float]] | None = None
    slack = BEYOND * height
    inner = grid.uprights[1:-1]
    through = (inner > x1 + slack) & (inner < x2 - slack) & (owners[row, 1:] != owners[row, :-1])
    for x in inner[through].tolist():
        standing = rules.upright[(rules.upright[:, 1] < y2 - slack / 2) & (rules.upright[:, 2] > y1 + slack / 2)]
        near = standing[np.abs(standing[:, 0] - x) < height / 2, 0]
        if len(near):
            found.append(float(near[np.abs(near - x).argmin()]))
            continue
        spaces = gaps(picture, (x1, y1, x2, y2)) if spaces is None else spaces
        reachable = [(a, b) for a, b in spaces if a - 1.5 * height < x < b + 1.5 * height]
        if reachable:
            a, b = max(reachable, key=lambda gap: (gap[1] - gap[0]) - 0.5 * max(0.0, gap[0] - x, x - gap[1]))
            found.append((a + b) / 2)
    return sorted(set(found))


def faults(grid: Grid, boxes: Rectangles, rules: Rulings, height: float, *, is_drawn: bool = False) -> float:
    """How many of the words a grid does not explain, as a share.

    0 where each is in one cell, no cell is made of two columns and no row of two, and no row or column is empty. Rules draw
    (`is_drawn`) rows and columns that nobody filled in, too, but none that a line of text has no room in.
    """
    if not len(boxes):
        return 0.0
    rows, columns = grid.size
    cells = grid.boxes()
    where = homes(grid, boxes)
    wrong = 0.0
    inside: dict[int, list[int]] = {}
    for index, home in enumerate(where):
        if home is None:
            wrong += 1
            continue
        inside.setdefault(home, []).append(index)
        over = max(cells[home, 0] - boxes[index, 0], boxes[index, 2] - cells[home, 2]) / height
        first, last = grid.cells[home].column == 0, grid.cells[home].column + grid.cells[home].columns == columns
        left, right = boxes[index, 0] < cells[home, 0] - BEYOND * height, boxes[index, 2] > cells[home, 2] + BEYOND * height
        if (left and not first) or (right and not last):
            wrong += min(1.0, over)
    for home, members in inside.items():
        wrong += _two_columns(boxes[members], height)
        wrong += _crossed(boxes[members], cells[home], rules)
    headings = _headings(boxes, rules, height)
    wrong += _two_rows(grid, boxes, where, height, headings) + _loose(grid, boxes, where, rules, height)
    wrong += 0.0 if is_drawn else _torn(grid, where, headings)
    wrong += _one_of_rows(grid, boxes, where, height)
    held_rows = {grid.cells[home].row for home in inside if grid.cells[home].rows == 1}
    held_columns = {grid.cells[home].column + n for home in inside for n in range(grid.cells[home].columns)}
    wrong += ONE_COLUMN * len(boxes) if columns == 1 and not is_drawn else 0.0
    least = height if is_drawn else np.inf
    blank_rows = sum(side < least for row, side in enumerate(np.diff(grid.levels).tolist()) if row not in held_rows)
    blank_columns = sum(side < least for column, side in enumerate(np.diff(grid.uprights).tolist()) if column not in held_columns)
    wrong += EMPTY_ROW * float(blank_rows) + float(blank_columns) * max(1.0, 0.1 * rows)
    return wrong / len(boxes)


def missed_gutters(grid: Grid, words: Rectangles, gutters: Sequence[float], height: float) -> float:
    """How many lines of text have words of one cell on both sides of a gutter that runs through all of the table.

    `gutters` are places x that no word covers, or nearly none, each the middle of a wide space.
    """
    if not len(words):
        return 0.0
    where = homes(grid, words)
    lines = rows_of_text(words, height)
    missed = 0
    for x in gutters:
        parted = 0
        for line in lines:
            left = [n for n in line if words[n, 2] <= x]
            right = [n for n in line if words[n, 0] >= x]
            if left and right and where[left[-1]] is not None and where[left[-1]] == where[right[0]]:
                parted += grid.cells[int(where[left[-1]] or 0)].columns == 1
        missed += parted if parted >= max(2, 0.5 * len(lines)) else 0
    return float(missed)


def _two_columns(boxes: Rectangles, height: float) -> float:
    """Texts of one cell that stand beside another with a gutter between."""
    wide = 0
    for line in rows_of_text(boxes, height):
        for left, right in pairwise(line):
            wide += bool(boxes[right, 0] - boxes[left, 2] > APART * height)
    return 2.0 * wide


def _crossed(boxes: Rectangles, cell: NDArray[np.float64], rules: Rulings) -> float:
    """Rules that part the texts of one cell."""
    x1, y1, x2, y2 = cell.tolist()
    parting = 0
    for rule, low, high, first, last in ((rules.level, x1, x2, 1, 3), (rules.upright, y1, y2, 0, 2)):
        along = np.minimum(rule[:, 2], high) - np.maximum(rule[:, 1], low) > 0.7 * (high - low)
        after, before = rule[:, 0] > boxes[:, last].min() - 3, rule[:, 0] < boxes[:, first].max() + 3
        parting += int((along & after & before).sum())
    return float(parting)


def _loose(grid: Grid, boxes: Rectangles, where: Sequence[int | None], rules: Rulings, height: float) -> float:
    """Texts of one cell that are further apart than those of two cells below each other with no rule between.

    Also those of two cells that are as near as texts of one are, though rows are further apart or parted by rules: a cell torn in
    two.
    """
    filled = _filled(grid, where)
    columns: dict[int, list[int]] = {}
    for index, home in enumerate(where):
        if home is not None and grid.cells[home].columns == 1:
            columns.setdefault(grid.cells[home].column, []).append(index)
    wrong = 0
    for members in columns.values():
        lines = rows_of_text(boxes[members], height)
        inside: list[float] = []
        across: list[float] = []
        sparse: list[float] = []
        ruled = 0
        for upper, lower in pairwise(lines):
            one, other = where[members[upper[0]]], where[members[lower[0]]]
            step = float(boxes[members[lower[0]], 1] - boxes[members[upper[0]], 1])
            if one == other:
                inside.append(step)
            elif _parted_by_rule(boxes[members[upper[0]]], boxes[members[lower[0]]], rules):
                ruled += 1
            else:
                across.append(step)
                fewest = min(filled[grid.cells[int(home or 0)].row] for home in (one, other))
                sparse += [step] if fewest <= SPARSE * len(columns) else []
        if inside and across:
            nearest, usual = min(across), float(np.median(inside))
            wrong += sum(step > LOOSE * nearest for step in inside)
            if np.median(across) > LOOSE * usual or ruled > MOSTLY_RULED * len(across):
                wrong += sum(step <= SAME * usual for step in sparse)
    return 2.0 * wrong


def _filled(grid: Grid, where: Sequence[int | None]) -> NDArray[np.int64]:
    """In how many of its columns each row has a text, by the first row of cells over several."""
    filled = np.zeros(grid.size, np.int64)
    for home in where:
        if home is not None:
            cell = grid.cells[home]
            filled[cell.row, cell.column : cell.column + cell.columns] = 1
    return np.asarray(filled.sum(axis=1), np.int64)


def _one_of_rows(grid: Grid, boxes: Rectangles, where: Sequence[int | None], height: float) -> float:
    """Texts of a cell over several rows that stand on the level of each: they are cells for themselves."""
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    single: dict[int, list[float]] = {}
    inside: dict[int, list[int]] = {}
    for index, home in enumerate(where):
        if home is not None and grid.cells[home].rows == 1:
            single.setdefault(grid.cells[home].row, []).append(float(middles[index]))
        elif home is not None:
            inside.setdefault(home, []).append(index)
    levels = {row: float(np.median(found)) for row, found in single.items()}
    wrong = 0
    for home, members in inside.items():
        cell = grid.cells[home]
        told = np.array([levels.get(cell.row + n, np.nan) for n in range(cell.rows)])
        lines = [float(middles[[members[n] for n in line]].mean()) for line in rows_of_text(boxes[members], height)]
        if len(lines) != cell.rows or np.isnan(told).any():
            continue
        step = float(np.diff(told).min())
        if step > ROOMY * height and (np.abs(np.array(lines) - told) < ON_LEVEL * step).all():
            wrong += len(members)
    return float(wrong)


def _parted_by_rule(upper: NDArray[np.float64], lower: NDArray[np.float64], rules: Rulings) -> bool:
    low, high = (upper[1] + upper[3]) / 2, (lower[1] + lower[3]) / 2
    at = rules.level[(rules.level[:, 0] > low) & (rules.level[:, 0] < high)]
    return bool((np.minimum(at[:, 2], upper[2]) - np.maximum(at[:, 1], upper[0]) > 0).any())


def _headings(boxes: Rectangles, rules: Rulings, height: float) -> list[list[int]]:
    """The lines of text that are one row of headings; [] where there are no such."""
    lines = rows_of_text(boxes, height)
    return lines[: lines_of_headings(boxes, lines, rules, height)]


def _torn(grid: Grid, where: Sequence[int | None], headings: Sequence[Sequence[int]]) -> float:
    """Texts of `headings` of several lines that are in rows below the first."""
    rows = [grid.cells[home].row if (home := where[index]) is not None else 0 for line in headings for index in line]
    return 2.0 * sum(row > min(rows) for row in rows)


def _two_rows(
    grid: Grid, boxes: Rectangles, where: Sequence[int | None], height: float, headings: Sequence[Sequence[int]]
) -> float:
    """Texts of rows whose cells all have several lines, as far apart as rows are; but for `headings`."""
    known = {index for line in headings for index in line}
    rows = grid.size[0]
    texts: list[list[int]] = [[] for _ in range(rows)]
    for index, home in enumerate(where):
        if home is not None and grid.cells[home].rows == 1:
            texts[grid.cells[home].row].append(index)
    lines = [rows_of_text(boxes[row], height) if row else [] for row in texts]
    middles = [
        [float((boxes[[row[n] for n in line], 1] + boxes[[row[n] for n in line], 3]).mean()) / 2 for line in found]
        for row, found in zip(texts, lines, strict=True)
    ]
    steps = [later[0] - former[-1] for former, later in pairwise(middles) if former and later]
    usual = float(np.median(steps)) if steps else 0.0
    wrong = 0.0
    for row, found, middle in zip(texts, lines, middles, strict=True):
        if len(found) < 2 or known.issuperset(row):
            continue
        columns = [{grid.cells[home].column for n in line if (home := where[row[n]]) is not None} for line in found]
        filled = set().union(*columns)
        both = [column for column in filled if sum(column in line for line in columns) > 1]
        far = min(np.diff(middle)) >= LIKE_ROWS * usual
        all_of_them = len(found) > 2 and len(both) == len(filled)
        if (far and len(both) >= max(2, 0.6 * len(filled))) or (len(both) > 1 and all_of_them):
            wrong += len(row) / 2
    return wrong
