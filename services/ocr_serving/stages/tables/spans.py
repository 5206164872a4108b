"""Cells over several rows or columns that a grid of single ones hides: told by where texts stand and where rules end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.tables.explain import homes
from ocr_serving.stages.tables.grid import Grid, GridCell, covering
from ocr_serving.stages.tables.headings import FULL
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.words import rows_of_text

PARTED = 0.7
"""Heights of a line; words of one cell over several columns that are further apart stand in different ones."""

BETWEEN = 0.28
"""Share of the distance of two rows; a text further off the middle of its row than this stands between rows."""

NEAR = 0.22
"""The same; a text nearer to the middle of several rows than this stands in a cell over them."""

ON_LEVEL = 0.15
"""The same; a line nearer to the middle of a row than this is on its level."""

HEADINGS = 3
"""Rows from the top that may hold headings over several columns."""

INTO_GUTTER = 0.6
"""A text that leaves less than this share of the narrowest gutter before it is longer than its column."""

LEFT_OUT = 1.0
"""What it costs, in heights of a line that a heading is off the middle of its columns, to leave one that is free without any."""


def with_spans(grid: Grid, boxes: Rectangles, words: Rectangles, rules: Rulings, height: float) -> Grid:
    """`grid` with cells over several rows where texts stand in the middle of them, or where rules stop beside them.

    `boxes` are texts, `words` their words by the ink. A cell over several columns is parted where a gutter parts its words.
    """
    rows, columns = grid.size
    if rows < 2:
        return grid
    grid = _parted(grid, words, homes(grid, words), height)
    where = homes(grid, boxes)
    texts = _by_column(grid, where)
    cells = list(grid.cells)
    for column in range(columns):
        if any(cell.columns > 1 and cell.column <= column < cell.column + cell.columns for cell in cells if cell.rows > 1):
            continue
        others = _middles(grid, boxes, where, column)
        blocks = _blocks(boxes[texts[column]], [where[index] for index in texts[column]], others)
        ends = _dealt(blocks, others)
        cells = _paired(cells, column, blocks, others) if ends is None else _replaced(cells, column, ends)
    cells = _beside_rules(covering(sorted(cells), rows, columns), grid, boxes, rules)
    return grid._replace(cells=covering(sorted(cells), rows, columns))


def with_headings(grid: Grid, boxes: Rectangles, where: Sequence[int | None], rules: Rulings, height: float) -> Grid:
    """`grid` with headings spread over the empty places beside them that have texts below, where they stand over these.

    `where` has the cell of each text in `boxes`. A row with a text in each column is the last of the headings, and so is one above
    a rule over all the table where few rows have such.
    """
    rows, columns = grid.size
    long = rules.level[rules.level[:, 2] - rules.level[:, 1] >= FULL * (grid.uprights[-1] - grid.uprights[0]), 0]
    inner = long[(long > boxes[:, 3].min()) & (long < boxes[:, 1].max())]
    last = int((grid.levels[:-1] < inner.min() - height / 2).sum()) if 0 < len(inner) < rows / 2 else rows
    held = {home for home in where if home is not None}
    owners = grid.owners()
    sides = _sides(grid, boxes, where)
    cells = list(grid.cells)
    for row in range(min(HEADINGS, rows - 1, last)):
        filled = [owner in held for owner in owners[row].tolist()]
        if all(filled) and all(grid.cells[owner].columns == 1 for owner in owners[row].tolist()):
            break
        below = [owner in held for owner in owners[row + 1].tolist()]
        found = {
            column: owner
            for column, owner in enumerate(owners[row].tolist())
            if owner in held and grid.cells[owner][:3] == (row, column, 1)
        }
        free = [below[column] and not filled[column] and grid.cells[owners[row, column]].rows == 1 for column in range(columns)]
        texts = {column: boxes[[n for n, home in enumerate(where) if home == owner]] for column, owner in found.items()}
        spread = _spread({column: part for column, part in texts.items() if below[column]}, free, sides, height)
        for column, (start, over) in spread.items():
            cell = grid.cells[found[column]]
            end = max(over, column + cell.columns - 1)
            if end - start + 1 > cell.columns:
                cells = [other for other in cells if other != cell and not (other.row == row and start <= other.column <= end)]
                cells.append(GridCell(row, start, 1, end - start + 1))
    cells.sort(key=lambda cell: (cell.row, cell.column, -cell.columns))
    return grid._replace(cells=covering(cells, rows, columns))


def with_labels(grid: Grid, boxes: Rectangles, where: Sequence[int | None]) -> Grid:
    """`grid` with labels over all that is empty beside them, where one is longer than its column: headings of sections, and sums.

    A heading of a section is alone in its row and begins it; what leads to a sum has nothing before it. `where` has the cell of
    each text in `boxes`. Others like it, that are short, are over as many columns. What leads to a sum is too long, too, where it
    leaves less of a gutter than any column does, for it would have made its own wider, and sums are the last rows alone: rows
    without a beginning elsewhere are those of a group that go on.
    """
    rows, columns = grid.size
    held = {home for home in where if home is not None}
    owners = grid.owners()
    alone: dict[int, int] = {}
    leading: dict[int, int] = {}
    for row in range(rows):
        cells = list(dict.fromkeys(owner for owner in owners[row].tolist() if owner in held))
        if not cells or any(grid.cells[owner].rows > 1 for owner in owners[row].tolist()):
            continue
        first = grid.cells[cells[0]]
        if len(cells) == 1 and first.column == 0:
            alone[row] = cells[0]
        elif len(cells) > 1 and first.column > 0:
            leading[row] = cells[0]
    spread: dict[int, GridCell] = {}
    if any(grid.cells[owner].columns > 1 for owner in alone.values()):
        spread |= {row: GridCell(row, 0, 1, columns) for row in alone}
    ends = {row: grid.cells[owner].column + grid.cells[owner].columns for row, owner in leading.items()}
    low, high = _extents(grid, boxes, where, {*alone, *leading})
    are_last = sorted(leading) == list(range(rows - len(leading), rows))
    least = INTO_GUTTER * float(np.min(low[1:] - high[:-1], initial=np.inf)) if are_last else -np.inf
    long = set()
    for row, owner in leading.items():
        start = float(boxes[[n for n, home in enumerate(where) if home == owner], 0].min())
        if grid.cells[owner].columns > 1 or start - high[grid.cells[owner].column - 1] < least:
            long.add(ends[row])
    spread |= {row: GridCell(row, 0, 1, end) for row, end in ends.items() if end in long}
    kept = [cell for cell in grid.cells if cell.row not in spread or cell.column >= spread[cell.row].columns]
    return grid._replace(cells=covering(sorted([*kept, *spread.values()]), rows, columns))


def _extents(
    grid: Grid, boxes: Rectangles, where: Sequence[int | None], without: set[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the texts of each column begin and end in all rows but `without`; NaN for a column that has none."""
    low, high = np.full(grid.size[1], np.nan), np.full(grid.size[1], np.nan)
    for column, members in enumerate(_by_column(grid, where)):
        usual = [n for n in members if grid.cells[int(where[n] or 0)].row not in without]
        if usual:
            low[column], high[column] = boxes[usual, 0].min(), boxes[usual, 2].max()
    return low, high


def _sides(grid: Grid, boxes: Rectangles, where: Sequence[int | None]) -> NDArray[np.float64]:
    """(columns, 2): where the texts of each column begin and end; its borders where it has none of its own."""
    sides = np.stack([grid.uprights[:-1], grid.uprights[1:]], axis=1)
    for column, members in enumerate(_by_column(grid, where)):
        below = [n for n in members if grid.cells[int(where[n] or 0)].row > 0]
        if below:
            sides[column] = boxes[below, 0].min(), boxes[below, 2].max()
    return sides


def _spread(
    texts: Mapping[int, Rectangles], free: Sequence[bool], sides: NDArray[np.float64], height: float
) -> dict[int, tuple[int, int]]:
    """For the column of each heading, whose text is at `texts`, the first and the last column that it is over.

    Those beside it are `free`. All together leave as little as possible: how far headings are off the middle, or the left, of the
    columns they are over, in heights of a line, and columns that none is over (dynamic programming from left to right).
    """
    best: dict[int, tuple[float, dict[int, tuple[int, int]]]] = {-1: (0.0, {})}
    for column, text in texts.items():
        x1, x2 = float(text[:, 0].min()), float(text[:, 2].max())
        after: dict[int, tuple[float, dict[int, tuple[int, int]]]] = {}
        for last, (cost, chosen) in best.items():
            start = column
            while start > last:
                end = column
                while end < len(free):
                    left, right = float(sides[start, 0]), float(sides[end, 1])
                    off = min(abs(x1 + x2 - left - right) / 2, abs(x1 - left), abs(x2 - right) if start == end else np.inf)
                    total = cost + off / height + LEFT_OUT * sum(free[last + 1 : start])
                    if end not in after or total < after[end][0]:
                        after[end] = total, {**chosen, column: (start, end)}
                    end += 1
                    if end < len(free) and not free[end]:
                        break
                start -= 1
                if start > last and not free[start]:
                    break
        best = after or best
    ends = [(cost + LEFT_OUT * sum(free[last + 1 :]), last) for last, (cost, _) in best.items()]
    return best[min(ends)[1]][1]


def _by_column(grid: Grid, where: Sequence[int | None]) -> list[list[int]]:
    texts: list[list[int]] = [[] for _ in range(grid.size[1])]
    for index, home in enumerate(where):
        if home is not None and grid.cells[home].columns == 1:
            texts[grid.cells[home].column].append(index)
    return texts


def _middles(grid: Grid, boxes: Rectangles, where: Sequence[int | None], column: int) -> NDArray[np.float64]:
    """The middle of each row by the texts of all columns but one; NaN where there are none."""
    centres = (boxes[:, 1] + boxes[:, 3]) / 2
    middles = np.full(grid.size[0], np.nan)
    rows = np.clip(np.searchsorted(grid.levels, centres, side="right") - 1, 0, grid.size[0] - 1)
    other = np.array([home is not None and not _holds(grid.cells[home], column) for home in where], bool)
    for row in range(grid.size[0]):
        found = centres[other & (rows == row)]
        if len(found):
            # Of cells with several lines the middle of all, which they share where they are centred.
            middles[row] = (found.min() + found.max()) / 2
    return middles


def _holds(cell: GridCell, column: int) -> bool:
    return cell.column <= column < cell.column + cell.columns


def _step(middles: NDArray[np.float64]) -> float:
    """The usual distance of two rows; 0 where fewer are known."""
    known = np.flatnonzero(~np.isnan(middles))
    return float(np.median(np.diff(middles[known]) / np.diff(known))) if len(known) > 1 else 0.0


def _blocks(boxes: Rectangles, cells: Sequence[int | None], middles: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Top and bottom of texts below each other, those of one of `cells` that are much nearer than rows are as one.

    One that begins on the level of a row, and does not end on that of another, is told by its first line: it is set at the top.
    """
    step = _step(middles)
    known = middles[~np.isnan(middles)]
    blocks: list[list[tuple[float, float]]] = []
    last, of = -np.inf, None
    for index in np.argsort(boxes[:, 1] + boxes[:, 3], kind="stable").tolist():
        top, bottom = float(boxes[index, 1]), float(boxes[index, 3])
        centre = (top + bottom) / 2
        if blocks and cells[index] == of and centre - last < max(0.75 * step, bottom - top):
            blocks[-1].append((top, bottom))
        else:
            blocks.append([(top, bottom)])
        last, of = centre, cells[index]

    def on_level(line: tuple[float, float]) -> bool:
        return bool((np.abs(known - (line[0] + line[1]) / 2) < ON_LEVEL * step).any())

    found = []
    for lines in blocks:
        at_top = on_level(lines[0]) and not on_level(lines[-1])
        found.append(lines[0] if at_top else (lines[0][0], max(bottom for _, bottom in lines)))
    return found


def _parted(grid: Grid, boxes: Rectangles, where: Sequence[int | None], height: float) -> Grid:
    """`grid` with cells over several columns parted where their texts stand in different ones, a gutter apart."""
    cells = []
    for index, cell in enumerate(grid.cells):
        members = [n for n, home in enumerate(where) if home == index] if cell.columns > 1 else []
        starts = [cell.column]
        for line in rows_of_text(boxes[members], height) if len(members) > 1 else []:
            for left, right in pairwise(line):
                x = float(boxes[members[right], 0])
                column = int(np.searchsorted(grid.uprights, x + 0.3 * height, side="right")) - 1
                if x - boxes[members[left], 2] > PARTED * height and column > starts[-1]:
                    starts.append(min(column, cell.column + cell.columns - 1))
        ends = [*starts[1:], cell.column + cell.columns]
        cells += [GridCell(cell.row, start, cell.rows, end - start) for start, end in zip(starts, ends, strict=True) if end > start]
    return grid._replace(cells=sorted(cells))


def _dealt(blocks: Sequence[tuple[float, float]], middles: NDArray[np.float64]) -> list[int] | None:
    """For each block of text the last of its rows, where all rows can be dealt so that each block is in the middle of its own.

    None where they cannot, or where no block stands between rows and so none needs several.
    """
    rows = len(middles)
    if not blocks or np.isnan(middles).any() or len(blocks) >= rows:
        return None
    step = _step(middles)
    ends: list[int] = []
    row, between = 0, False
    for top, bottom in blocks:
        if row >= rows:
            return None
        centre = (top + bottom) / 2
        off = np.abs((middles[row] + middles[row:]) / 2 - centre)
        last = row + int(off.argmin())
        if off.min() > NEAR * step:
            return None
        between |= (last - row) % 2 == 1 and float(np.abs(middles - centre).min()) > BETWEEN * step
        ends.append(last)
        row = last + 1
    return ends if row == rows and between else None


def _replaced(cells: Sequence[GridCell], column: int, ends: Sequence[int]) -> list[GridCell]:
    kept = [cell for cell in cells if not (cell.column == column and cell.columns == 1)]
    start = 0
    for end in ends:
        kept.append(GridCell(start, column, end - start + 1))
        start = end + 1
    return sorted(kept, key=lambda cell: (cell.row, cell.column, -cell.columns))


def _paired(
    cells: Sequence[GridCell], column: int, blocks: Sequence[tuple[float, float]], middles: NDArray[np.float64]
) -> list[GridCell]:
    """Cells of one row with the one above or below them where their text stands between the two and the other has none."""
    step = _step(middles)
    if not step:
        return list(cells)
    centres = [(top + bottom) / 2 for top, bottom in blocks]
    single = {cell.row for cell in cells if cell.column == column and cell.rows == cell.columns == 1}
    taken = {int(np.nanargmin(np.abs(middles - centre))) for centre in centres}
    joined: list[GridCell] = []
    for centre in centres:
        nearest = int(np.nanargmin(np.abs(middles - centre)))
        off = centre - middles[nearest]
        other = nearest + (1 if off > 0 else -1)
        if abs(off) < BETWEEN * step or other not in single or nearest not in single or other in taken or np.isnan(middles[other]):
            continue
        if abs((middles[nearest] + middles[other]) / 2 - centre) < NEAR * step:
            joined.append(GridCell(min(nearest, other), column, 2))
            taken.add(other)
    gone = {(cell.row + n, column) for cell in joined for n in range(2)}
    return [cell for cell in cells if (cell.row, cell.column) not in gone or cell.columns > 1] + joined


def _beside_rules(cells: Sequence[GridCell], grid: Grid, boxes: Rectangles, rules: Rulings) -> list[GridCell]:
    """Cells joined with empty ones below where a rule parts two rows in most columns, but stops beside this one."""
    rows, columns = grid.size
    if columns < 2:
        return list(cells)
    drawn = _drawn(grid, boxes, rules)
    owners = grid._replace(cells=list(cells)).owners()
    filled = np.zeros(len(cells), bool)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    row = np.clip(np.searchsorted(grid.levels, centres[:, 1], side="right") - 1, 0, rows - 1)
    column = np.clip(np.searchsorted(grid.uprights, centres[:, 0], side="right") - 1, 0, columns - 1)
    filled[owners[row, column]] = True
    joined = dict(enumerate(cells))
    for at in range(columns):
        head: int | None = None
        for level in range(grid.head, rows - 1):
            upper, lower = int(owners[level, at]), int(owners[level + 1, at])
            stops = not drawn[level, at] and drawn[level].sum() >= max(1, columns // 2)
            single = upper != lower and all(cells[index].columns == 1 for index in (upper, lower))
            if stops and single and not filled[lower] and drawn[:, at].any():
                head = upper if head is None else head
                start = joined[head]
                joined[head] = start._replace(rows=level + 2 - start.row)
                joined.pop(lower, None)
            else:
                head = None
    return list(joined.values())


def _drawn(grid: Grid, boxes: Rectangles, rules: Rulings) -> NDArray[np.bool_]:
    """(rows - 1, columns): whether a rule parts two rows in a column."""
    rows, columns = grid.size
    drawn = np.zeros((rows - 1, columns), bool)
    centres = (boxes[:, 1] + boxes[:, 3]) / 2
    at = np.clip(np.searchsorted(grid.levels, centres, side="right") - 1, 0, rows - 1)
    middles = np.array([np.median(centres[at == row]) if (at == row).any() else np.nan for row in range(rows)])
    for row in range(rows - 1):
        between = rules.level[(rules.level[:, 0] > middles[row]) & (rules.level[:, 0] < middles[row + 1])]
        shared = np.minimum(between[:, None, 2], grid.uprights[None, 1:]) - np.maximum(
            between[:, None, 1], grid.uprights[None, :-1]
        )
        drawn[row] = np.clip(shared, 0, None).sum(axis=0) > 0.5 * np.diff(grid.uprights)
    return drawn
