"""A network's plan of a table laid onto the lines of text: which row and column each is in, and so where borders run.

Rows go to lines of text as a whole, in order, so that one row told too high or low does not draw the text of its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.tables.grid import Borders, Grid, GridCell, Plan, covering
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.words import rows_of_text

EMPTY_ROW = 1.5
"""What it costs, in heights of a line that a text is away from its row, to leave a row without text, …"""

SECOND_LINE = 0.15
"""… and to put another line of text into one that has some."""

FULL_LINE = 0.8
"""What it costs, the same way, to go on in a row with a full line of text, or to begin one with a line that has few texts."""

EVEN = 0.75
"""Lines of text are evenly spaced where the nearest are so many times as far apart as is usual."""


def fitted(plan: Plan, places: Rectangles, boxes: Rectangles, height: float) -> Grid | None:
    """`plan`, whose cells the network sees at `places`, on the lines of text in `boxes`; None where either has nothing."""
    if not plan.rows or not plan.columns or not len(boxes):
        return None
    bands = _spans(plan, places, rows=True)
    columns = _spans(plan, places, rows=False)
    lines = rows_of_text(boxes, height)
    centres = np.array([(boxes[line, 1] + boxes[line, 3]).mean() / 2 for line in lines])
    inside = centres > bands[0, 0] - 0.75 * height
    if not inside.any():
        return None
    kept = [line for line, keep in zip(lines, inside, strict=True) if keep]
    counts = np.array([len(line) for line in kept], np.float64)
    rows = _rows(centres[inside], _starting(counts, centres[inside]), bands, height)
    levels = _between(
        [
            boxes[[index for line, at in zip(kept, rows, strict=True) if at == row for index in line]][:, [1, 3]]
            for row in range(plan.rows)
        ],
        bands,
    )
    indices = [index for line in kept for index in line]
    levels[0] = min(levels[0], float(boxes[indices, 1].min()))
    uprights = _between(_in_columns(boxes[indices], columns), columns)
    cells = covering(plan.cells, plan.rows, plan.columns)
    return Grid(cells, levels, uprights, plan.head)


def _spans(plan: Plan, places: Rectangles, *, rows: bool) -> NDArray[np.float64]:
    """Where each row, or column, is told to begin and end, in order: the median over its cells, those of one before others."""
    count = plan.rows if rows else plan.columns
    low, high = (1, 3) if rows else (0, 2)
    found: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    shared: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    for cell, place in zip(plan.cells, places.tolist(), strict=True):
        first, over = (cell.row, cell.rows) if rows else (cell.column, cell.columns)
        step = (place[high] - place[low]) / over
        for n in range(over):
            if first + n < count:
                (found if over == 1 else shared)[first + n].append((place[low] + n * step, place[low] + (n + 1) * step))
    spans = np.full((count, 2), np.nan)
    for index in range(count):
        told = found[index] or shared[index]
        if told:
            spans[index] = np.median(np.array(told), axis=0)
    middle = spans.mean(axis=1)
    known = np.flatnonzero(~np.isnan(middle))
    for side in range(2):
        spans[:, side] = np.interp(np.arange(count), known, spans[known, side])
    order = np.maximum.accumulate(spans.mean(axis=1))
    ordered: NDArray[np.float64] = spans + (order - spans.mean(axis=1))[:, None]
    return ordered


def _starting(counts: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much more each line of text, with `counts` texts, looks like the first of a row than like a further one, -1 to 1.

    In rows set at their tops the first line has a text in most columns. 0 where lines are unevenly spaced: then cells are centred,
    and the fullest line is in the middle.
    """
    apart = np.diff(centres)
    usual = float(np.percentile(counts, 75))
    if len(apart) < 3 or usual < 3 or np.percentile(apart, 10) < EVEN * np.median(apart):
        return np.zeros(len(counts))
    return np.where(counts >= 0.6 * usual, 1.0, np.where(counts <= 0.34 * usual, -1.0, 0.0))


def _rows(centres: NDArray[np.float64], starting: NDArray[np.float64], bands: NDArray[np.float64], height: float) -> list[int]:
    """For each line of text, from top to bottom, its row: the cheapest way to deal lines to rows in order (dynamic programming)."""
    count, rows = len(centres), len(bands)
    middle, half = bands.mean(axis=1), np.maximum(0.5 * height, (bands[:, 1] - bands[:, 0]) / 2)
    off = np.abs(centres[:, None] - middle[None, :])
    away = (np.clip(off - half[None, :], 0, None) + 0.2 * off) / height
    # best[n, r]: lines up to n are dealt, the n-th to row r.
    best = np.full((count, rows), np.inf)
    came = np.zeros((count, rows), np.int64)
    best[0] = away[0] + EMPTY_ROW * np.arange(rows)
    skipped = EMPTY_ROW * np.arange(rows)
    for n in range(1, count):
        stay = best[n - 1] + SECOND_LINE + max(0.0, FULL_LINE * starting[n])
        # From row q to row r > q: the rows between stay empty.
        towards = best[n - 1] - skipped
        lowest = np.minimum.accumulate(towards)
        at = np.zeros(rows, np.int64)
        for r in range(1, rows):
            at[r] = r if towards[r] < towards[at[r - 1]] else at[r - 1]
        move = np.full(rows, np.inf)
        move[1:] = lowest[:-1] + skipped[1:] - EMPTY_ROW + max(0.0, -FULL_LINE * starting[n])
        came[n] = np.where(stay <= move, np.arange(rows), np.concatenate([[0], at[:-1]]))
        best[n] = np.minimum(stay, move) + away[n]
    ends = best[-1] + EMPTY_ROW * (rows - 1 - np.arange(rows))
    row = int(np.argmin(ends))
    dealt = [row]
    for n in range(count - 1, 0, -1):
        row = int(came[n, row])
        dealt.append(row)
    return dealt[::-1]


def _in_columns(boxes: Rectangles, columns: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """For each column where texts begin and end that are in it for the most part and in no other."""
    shared = np.minimum(boxes[:, None, 2], columns[None, :, 1]) - np.maximum(boxes[:, None, 0], columns[None, :, 0])
    centres = (boxes[:, 0] + boxes[:, 2]) / 2
    away = np.abs(centres[:, None] - columns.mean(axis=1)[None, :])
    widths = boxes[:, 2] - boxes[:, 0]
    overlap = np.clip(shared, 0, None)
    home = np.where(overlap.max(axis=1) > 0, overlap.argmax(axis=1), away.argmin(axis=1))
    second = np.sort(overlap, axis=1)[:, -2] if columns.shape[0] > 1 else np.zeros(len(boxes))
    alone = second < 0.15 * widths
    return [boxes[(home == column) & alone][:, [0, 2]] for column in range(len(columns))]


def _between(inside: Sequence[NDArray[np.float64]], told: NDArray[np.float64]) -> Borders:
    """Borders between rows, or columns, given the low and high ends of the texts in each, else what is told of it."""
    count = len(inside)
    low = np.array([part[:, 0].min() if len(part) else told[n, 0] for n, part in enumerate(inside)])
    high = np.array([part[:, 1].max() if len(part) else told[n, 1] for n, part in enumerate(inside)])
    middles = np.array([part.mean() if len(part) else told[n].mean() for n, part in enumerate(inside)])
    borders = np.empty(count + 1)
    borders[0], borders[-1] = low[0], high[-1]
    for n in range(1, count):
        upper, lower = high[n - 1], low[n]
        if upper > lower:
            # Some reach beyond: the usual ends tell more than the furthest.
            upper = float(np.percentile(inside[n - 1][:, 1], 75)) if len(inside[n - 1]) else upper
            lower = float(np.percentile(inside[n][:, 0], 25)) if len(inside[n]) else lower
        border = (upper + lower) / 2
        borders[n] = min(max(border, middles[n - 1]), middles[n]) if middles[n - 1] <= middles[n] else border
    return np.maximum.accumulate(borders)


def unspanned(rows: int, columns: int) -> list[GridCell]:
    """A cell for each place."""
    return [GridCell(row, column) for row in range(rows) for column in range(columns)]
