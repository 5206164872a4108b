"""Headings of several lines, headings of sections and labels of sums: what a grid of spaces makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_serving.stages.tables import explain
from ocr_serving.stages.tables.grid import Borders, Grid, GridCell
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.spaced import spaced
from ocr_serving.stages.tables.spans import with_headings, with_labels

NO_RULES = Rulings(np.zeros((0, 3)), np.zeros((0, 3)))
HEIGHT = 20.0
COLUMNS = (40.0, 200.0, 360.0)


def at(x: float, y: float, width: float = 90) -> list[float]:
    return [x, y - HEIGHT / 2, x + width, y + HEIGHT / 2]


def borders(count: int, step: float, first: float = 0.0) -> Borders:
    return np.array([first + step * n for n in range(count)], np.float64)


def body(top: float, rows: int, columns: tuple[float, ...] = COLUMNS, step: float = 30) -> list[list[float]]:
    return [at(x, top + n * step) for n in range(rows) for x in columns]


def below(y: float) -> Rulings:
    return Rulings(np.array([[y, 30.0, 460.0]]), np.zeros((0, 3)))


def rows_of(boxes: Rectangles, rules: Rulings) -> int:
    grid = spaced(boxes, rules, HEIGHT)
    assert grid is not None
    return grid.size[0]


def test_headings_of_two_lines_set_tight_above_a_rule_are_one_row() -> None:
    two = [at(x, y, 70) for y in (30.0, 52.0) for x in COLUMNS]
    boxes = np.array([*two, *body(86, 5)])
    assert rows_of(boxes, below(68)) == 6
    beside = np.array([at(40, 41, 70), *[box for box in two if box[0] > 40], *body(86, 5)])
    assert rows_of(beside, below(68)) == 6, "a heading of one line stands in the middle beside the others"


def test_two_rows_above_a_rule_are_no_heading_of_two_lines() -> None:
    as_far = np.array([at(x, y, 70) for y in (22.0, 52.0) for x in COLUMNS] + body(86, 5))
    assert rows_of(as_far, below(68)) == 7
    columns = (40.0, 180.0, 300.0, 420.0, 540.0)
    over = [at(190, 30, 180), at(430, 30, 180), *(at(x, 52) for x in columns[1:])]
    wide = Rulings(np.array([[68.0, 30.0, 640.0]]), np.zeros((0, 3)))
    assert rows_of(np.array([*over, *body(86, 5, columns)]), wide) == 7, "headings over two columns each"
    tight = np.array([at(x, y, 70) for y in (30.0, 52.0) for x in COLUMNS] + body(86, 5))
    between = Rulings(np.array([[41.0, 190.0, 460.0], [68.0, 30.0, 460.0]]), np.zeros((0, 3)))
    assert rows_of(tight, between) == 7, "a rule parts them"


def test_a_grid_that_tears_a_heading_of_two_lines_explains_less() -> None:
    boxes = np.array([at(x, y, 70) for y in (30.0, 52.0) for x in COLUMNS] + body(86, 5))
    whole = spaced(boxes, below(68), HEIGHT)
    torn = spaced(boxes, NO_RULES, HEIGHT)
    assert whole is not None
    assert torn is not None
    assert torn.size[0] == whole.size[0] + 1
    assert explain.faults(whole, boxes, below(68), HEIGHT) == 0
    assert explain.faults(torn, boxes, below(68), HEIGHT) > 0.2


@pytest.mark.parametrize("right", [150.0, 175.0])
def test_headings_of_sections_and_sums_hide_no_gutter(right: float) -> None:
    columns = (40.0, 120.0, 280.0, 380.0)
    lines: list[list[float]] = []
    for n in range(12):
        y = 30.0 + 30 * n
        if n % 4 == 1:
            lines.append([40, y - 10, right, y + 10])
        else:
            lines += [at(x, y, 60) for x in columns]
    grid = spaced(np.array(lines), NO_RULES, HEIGHT)
    assert grid is not None
    assert grid.size == (12, 4)


def test_the_heading_of_a_section_that_is_longer_than_its_column_is_over_all_and_so_are_others() -> None:
    cells = [GridCell(0, column) for column in range(3)]
    cells += [GridCell(1, 0, 1, 2), GridCell(1, 2), *(GridCell(row, column) for row in (2, 3, 4) for column in range(3))]
    grid = Grid(cells, borders(6, 30), borders(4, 100))
    # The row 1 is a long heading, 3 a short one; the others are full.
    where = [index for index, cell in enumerate(cells) if cell.row in (0, 2, 4) or cell.column == 0]
    boxes = grid.boxes()[where]
    found = with_labels(grid, boxes, where)
    assert {cell.row: cell.columns for cell in found.cells if cell.columns > 1} == {1: 3, 3: 3}
    short = grid._replace(cells=[GridCell(row, column) for row in range(5) for column in range(3)])
    alone = [index for index, cell in enumerate(short.cells) if cell.row in (0, 2, 4) or cell.column == 0]
    assert with_labels(short, short.boxes()[alone], alone) == short, (
        "one that is no longer than its column has empty cells beside it"
    )


def test_the_label_of_a_sum_that_is_longer_than_its_column_is_over_all_before_it() -> None:
    cells = [GridCell(row, column) for row in (0, 1) for column in range(4)]
    cells += [GridCell(2, 0), GridCell(2, 1, 1, 2), GridCell(2, 3), *(GridCell(3, column) for column in range(4))]
    grid = Grid(cells, borders(5, 30), borders(5, 100))
    sums = ((2, 1), (2, 3), (3, 2), (3, 3))
    where = [index for index, cell in enumerate(cells) if cell.row < 2 or (cell.row, cell.column) in sums]
    found = with_labels(grid, grid.boxes()[where], where)
    assert [tuple(cell) for cell in found.cells if cell.row >= 2] == [(2, 0, 1, 3), (2, 3, 1, 1), (3, 0, 1, 3), (3, 3, 1, 1)]


@pytest.mark.parametrize(("starts", "columns"), [(212.0, 3), (235.0, 1)])
def test_the_label_of_a_sum_that_fills_the_gutter_before_it_is_longer_than_its_column(starts: float, columns: int) -> None:
    cells = [GridCell(row, column) for row in range(5) for column in range(4)]
    grid = Grid(cells, borders(6, 30), borders(5, 100))
    where = [index for index, cell in enumerate(cells) if cell.row < 4 or cell.column > 1]
    boxes = grid.boxes()[where] + np.array([10, 5, -10, -5])
    boxes[(boxes[:, 0] == 210) & (boxes[:, 1] < 120), 0] = 235
    boxes[(boxes[:, 0] == 210), 0] = starts
    boxes[boxes[:, 0] == 110, 2] = 204
    found = with_labels(grid, boxes, where)
    assert max(cell.columns for cell in found.cells if cell.row == 4) == columns


def test_rows_of_a_group_that_go_on_without_a_beginning_are_no_sums() -> None:
    cells = [GridCell(row, column) for row in range(6) for column in range(4)]
    grid = Grid(cells, borders(7, 30), borders(5, 100))
    where = [index for index, cell in enumerate(cells) if cell.row in (0, 3) or cell.column > 0]
    boxes = grid.boxes()[where] + np.array([10, 5, -10, -5])
    boxes[(boxes[:, 0] == 110) & (boxes[:, 1] % 90 < 10), 0] = 150
    boxes[boxes[:, 0] == 10, 2] = 104
    assert with_labels(grid, boxes, where) == grid, "a figure wider than those of the groups' first rows"


def test_what_stands_below_the_rule_of_the_headings_is_no_heading() -> None:
    boxes = np.array([box for box in body(30, 6) if not (box[0] == 200 and box[1] in (20, 50))])
    cells = [GridCell(row, column) for row in range(6) for column in range(3)]
    grid = Grid(cells, borders(7, 30, 15), borders(4, 160, 20))
    where = explain.homes(grid, boxes)
    told = with_headings(grid, boxes, where, below(45), HEIGHT)
    assert [cell.row for cell in told.cells if cell.columns > 1] == [], "the second row has an empty cell"
