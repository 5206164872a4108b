"""Grids: rows, columns and the cells on them, with borders on the picture; tokens of HTML to cells, and cells to HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.table import CELL_STARTS
from ocr_serving.stages.tables.picture import Rectangles

Borders = NDArray[np.float64]
"""Shape (N + 1,): where N rows, or columns, begin, and where the last ends, in pixels, rising."""


ROW, HEAD, HEAD_END = "<tr>", "<thead>", "</thead>"


class GridCell(NamedTuple):
    """First row and column of a cell, and how many of each it covers."""

    row: int
    column: int
    rows: int = 1
    columns: int = 1


class Grid(NamedTuple):
    """Cells that cover each place of a grid once, row by row; borders of rows and columns; how many rows are the head."""

    cells: list[GridCell]
    levels: Borders
    uprights: Borders
    head: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.levels) - 1, len(self.uprights) - 1

    def boxes(self) -> Rectangles:
        """x1, y1, x2, y2 of each cell."""
        where = np.array(self.cells, int).reshape(-1, 4)
        sides = (
            self.uprights[where[:, 1]],
            self.levels[where[:, 0]],
            self.uprights[where[:, 1] + where[:, 3]],
            self.levels[where[:, 0] + where[:, 2]],
        )
        return np.stack(sides, axis=1)

    def owners(self) -> NDArray[np.int64]:
        """For each place (row, column) the index of the cell that covers it."""
        owners = np.full(self.size, -1, np.int64)
        where = np.array(self.cells, int).reshape(-1, 4)
        owners[where[:, 0], where[:, 1]] = np.arange(len(where))
        for index in np.flatnonzero(where[:, 2] * where[:, 3] > 1).tolist():
            cell = self.cells[index]
            owners[cell.row : cell.row + cell.rows, cell.column : cell.column + cell.columns] = index
        return owners


def covering(cells: Sequence[GridCell], rows: int, columns: int) -> list[GridCell]:
    """`cells` cut to a grid of that size and to each other, with cells of one place where none was; row by row."""
    taken = np.zeros((rows, columns), bool)
    kept: list[GridCell] = []
    for cell in cells:
        if cell.row >= rows or cell.column >= columns or taken[cell.row, cell.column]:
            continue
        beside = taken[cell.row, cell.column : cell.column + cell.columns].tolist()
        width = beside.index(True) if True in beside else len(beside)
        below = [bool(row.any()) for row in taken[cell.row : cell.row + cell.rows, cell.column : cell.column + width]]
        height = below.index(True) if True in below else len(below)
        taken[cell.row : cell.row + height, cell.column : cell.column + width] = True
        kept.append(GridCell(cell.row, cell.column, height, width))
    kept += [GridCell(row, column) for row, column in np.argwhere(~taken).tolist()]
    return sorted(kept)


def without_margins(grid: Grid, boxes: Rectangles) -> Grid:
    """`grid` without the rows above the first and below the last in which a text has its middle."""
    rows = grid.size[0]
    at = np.searchsorted(grid.levels, (boxes[:, 1] + boxes[:, 3]) / 2, side="right") - 1
    held = at[(at >= 0) & (at < rows)]
    if not len(held) or (held.min() == 0 and held.max() == rows - 1):
        return grid
    first, last = int(held.min()), int(held.max())
    cells = []
    for cell in grid.cells:
        start, end = max(cell.row, first), min(cell.row + cell.rows, last + 1)
        if start < end:
            cells.append(GridCell(start - first, cell.column, end - start, cell.columns))
    return Grid(sorted(cells), grid.levels[first : last + 2], grid.uprights, max(0, grid.head - first))


def without_empty(grid: Grid, words: Rectangles) -> Grid:
    """`grid` without columns in which no word has its middle, and without rows that have words in cells over several rows alone.

    What is before a row or column that goes, or behind the first, is so much larger.
    """
    rows, columns = grid.size
    middle = (words[:, :2] + words[:, 2:]) / 2
    column = np.clip(np.searchsorted(grid.uprights, middle[:, 0], side="right") - 1, 0, columns - 1)
    row = np.clip(np.searchsorted(grid.levels, middle[:, 1], side="right") - 1, 0, rows - 1)
    single = np.array([cell.rows == 1 for cell in grid.cells], bool)[grid.owners()[row, column]]
    held_rows, held_columns = np.zeros(rows, bool), np.zeros(columns, bool)
    held_rows[row[single]] = True
    held_columns[column] = True
    if (held_rows.all() and held_columns.all()) or not held_rows.any():
        return grid
    above, before = (np.concatenate([[0], np.cumsum(held)]) for held in (held_rows, held_columns))
    cells = []
    for cell in grid.cells:
        top, bottom = int(above[cell.row]), int(above[cell.row + cell.rows])
        left, right = int(before[cell.column]), int(before[cell.column + cell.columns])
        if top < bottom and left < right:
            cells.append(GridCell(top, left, bottom - top, right - left))
    levels, uprights = _kept(grid.levels, held_rows), _kept(grid.uprights, held_columns)
    return Grid(covering(sorted(cells), len(levels) - 1, len(uprights) - 1), levels, uprights, int(above[grid.head]))


def _kept(borders: Borders, held: NDArray[np.bool_]) -> Borders:
    return np.concatenate([borders[:1], borders[:-1][held][1:], borders[-1:]])


class Plan(NamedTuple):
    """What a network's tokens say: cells on a grid, in the order of the tokens, the size of the grid, and rows of the head."""

    cells: list[GridCell]
    rows: int
    columns: int
    head: int


def plan(tokens: Sequence[str]) -> Plan:
    """Cells where a browser puts those of `tokens`: in the first place that no cell from above covers."""
    taken: set[tuple[int, int]] = set()
    cells: list[GridCell] = []
    row, head, in_head = -1, 0, False
    spans = {"rowspan": 1, "colspan": 1}

    def close() -> None:
        if cells and cells[-1].rows == 0:
            column = cells[-1].column
            while (cells[-1].row, column) in taken:
                column += 1
            cell = GridCell(cells[-1].row, column, spans["rowspan"], spans["colspan"])
            taken.update((cell.row + down, column + right) for down in range(cell.rows) for right in range(cell.columns))
            cells[-1] = cell

    for token in tokens:
        if token in CELL_STARTS:
            close()
            row = max(row, 0)
            spans = {"rowspan": 1, "colspan": 1}
            cells.append(GridCell(row, 0, 0, 0))
        elif token.startswith(" ") and "=" in token:
            name, value = token.strip().split("=")
            spans[name] = max(1, int(value.strip('"')))
        elif token == ROW:
            close()
            row += 1
            head += in_head
        elif token in (HEAD, HEAD_END):
            close()
            in_head = token == HEAD
    close()
    rows = row + 1
    columns = max((cell.column + cell.columns for cell in cells), default=0)
    return Plan(cells, rows, columns, head if head < rows else 0)


def markup(grid: Grid, contents: Sequence[str]) -> str:
    """HTML of `grid` with `contents`, escaped, in its cells."""
    rows: list[list[str]] = [[] for _ in range(grid.size[0])]
    for cell, content in zip(grid.cells, contents, strict=True):
        spans = "".join(f' {name}="{n}"' for name, n in (("colspan", cell.columns), ("rowspan", cell.rows)) if n > 1)
        rows[cell.row].append(f"<td{spans}>{content}</td>")
    lines = [f"<tr>{''.join(row)}</tr>" for row in rows]
    sections = [("thead", lines[: grid.head]), ("tbody", lines[grid.head :])] if grid.head else [("tbody", lines)]
    body = "".join(f"<{name}>{''.join(part)}</{name}>" for name, part in sections if part)
    return f"<html><body><table>{body}</table></body></html>"
