"""Grids of tables: tokens to cells and back, rules to cells, the network's rows on lines of text, spans by where texts stand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_serving.output import tables
from ocr_serving.stages.table import TOKENS
from ocr_serving.stages.tables import explain
from ocr_serving.stages.tables.fit import fitted, unspanned
from ocr_serving.stages.tables.grid import Grid, GridCell, Plan, covering, markup, plan
from ocr_serving.stages.tables.picture import prepared, skew
from ocr_serving.stages.tables.region import whole
from ocr_serving.stages.tables.ruled import enclosed, ruled
from ocr_serving.stages.tables.rulings import Rulings, rulings
from ocr_serving.stages.tables.spaced import spaced
from ocr_serving.stages.tables.spans import with_spans

NO_RULES = Rulings(np.zeros((0, 3)), np.zeros((0, 3)))
HEIGHT = 20.0


@st.composite
def cells(draw: st.DrawFn) -> tuple[list[GridCell], int, int]:
    """Cells that cover a grid of up to 6 x 5 places, some of them several."""
    rows, columns = draw(st.integers(2, 6)), draw(st.integers(2, 5))
    wanted = [
        GridCell(row, column, draw(st.integers(1, 2)), draw(st.integers(1, 2))) for row in range(rows) for column in range(columns)
    ]
    spread = [cell for cell in wanted if draw(st.integers(0, 3)) == 0]
    return covering(sorted(spread), rows, columns), rows, columns


def laid(found: list[GridCell], rows: int, columns: int) -> Grid:
    """Rows 40 and columns 120 pixels apart, from (30, 30) on."""
    return Grid(found, 30 + 40 * np.arange(rows + 1, dtype=np.float64), 30 + 120 * np.arange(columns + 1, dtype=np.float64))


def texts(grid: Grid) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A line of text in the middle of each cell."""
    x, y = ((grid.boxes()[:, side] + grid.boxes()[:, side + 2]) / 2 for side in (0, 1))
    return np.stack([x - 30, y - HEIGHT / 2, x + 30, y + HEIGHT / 2], axis=1)


@given(cells())
def test_a_grid_is_read_from_its_html_as_it_was(drawn: tuple[list[GridCell], int, int]) -> None:
    grid = laid(*drawn)
    read = tables.read(markup(grid, [str(n) for n in range(len(grid.cells))]))
    assert [(cell.row, cell.column, cell.rows, cell.columns) for cell in read] == [tuple(cell) for cell in grid.cells]


@given(st.lists(st.sampled_from([*TOKENS, "<td></td>"]), max_size=60))
def test_any_tokens_have_a_plan_with_a_cell_for_each(tokens: list[str]) -> None:
    found = plan(tokens)
    assert len(found.cells) == sum(token in ("<td>", "<td", "<td></td>") for token in tokens)
    owners = laid(covering(found.cells, found.rows, found.columns), found.rows, found.columns).owners()
    assert (owners >= 0).all()


@settings(max_examples=30, deadline=None)
@given(cells())
def test_rules_in_noise_draw_the_cells_that_they_enclose(drawn: tuple[list[GridCell], int, int]) -> None:
    grid = laid(*drawn)
    page = np.full((int(grid.levels[-1]) + 30, int(grid.uprights[-1]) + 30, 3), 240, np.uint8)
    for x1, y1, x2, y2 in grid.boxes().astype(int).tolist():
        cv2.rectangle(page, (x1, y1), (x2, y2), (170, 170, 170), 1)
    noisy = np.clip(page + np.random.default_rng(1).normal(0, 5, page.shape), 0, 255).astype(np.uint8)
    found = ruled(rulings(noisy, texts(grid)), texts(grid), HEIGHT)
    parted = {cell.column for cell in grid.cells} == set(range(grid.size[1])) and {cell.row for cell in grid.cells} == set(
        range(grid.size[0])
    )
    if parted:
        assert found is not None
        assert found.cells == grid.cells


@given(st.integers(3, 60), st.floats(-0.6, 0.6))
def test_rows_told_too_high_or_low_keep_their_text(rows: int, drift: float) -> None:
    """The network's places drift by up to 60 % of a row over the table, as those of long tables do."""
    grid = laid(unspanned(rows, 3), rows, 3)
    boxes = texts(grid)
    told = grid.boxes()
    told[:, 1::2] += drift * 40 * (told[:, 1::2] - 30) / (rows * 40)
    found = fitted(Plan(grid.cells, rows, 3, 1), told, boxes, HEIGHT)
    assert found is not None
    assert explain.homes(found, boxes) == list(range(3 * rows))


def test_texts_between_rows_stand_in_cells_over_them() -> None:
    grid = laid(covering([GridCell(1, 0, 2), GridCell(3, 0, 3)], 6, 3), 6, 3)
    boxes = texts(grid)
    single = laid(unspanned(6, 3), 6, 3)
    assert with_spans(single, boxes, explain.homes(single, boxes), NO_RULES, HEIGHT).cells == grid.cells


def test_a_grid_that_makes_one_of_two_columns_or_rows_explains_less() -> None:
    grid = laid(unspanned(6, 4), 6, 4)
    boxes = texts(grid)
    narrow = Grid(unspanned(6, 3), grid.levels, grid.uprights[[0, 1, 2, 4]])
    flat = Grid(unspanned(3, 4), grid.levels[::2], grid.uprights)
    right, two_columns, two_rows = (explain.faults(one, boxes, NO_RULES, HEIGHT) for one in (grid, narrow, flat))
    assert right == 0
    assert two_columns > 0.2
    assert two_rows > 0.2


def test_spaces_show_columns_and_rows() -> None:
    grid = laid(unspanned(8, 4), 8, 4)
    found = spaced(texts(grid), NO_RULES, HEIGHT)
    assert found is not None
    assert found.size == (8, 4)


def test_skew_is_found_and_taken_back() -> None:
    page = np.full((400, 800, 3), 255, np.uint8)
    for y in range(40, 380, 40):
        for x in range(40, 700, 160):
            cv2.putText(page, "12,345", (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    quads = np.array([[[30, 20], [760, 20], [760, 380], [30, 380]]], np.float64)
    assert skew(page, quads) == 0
    turned = cv2.warpAffine(page, cv2.getRotationMatrix2D((400, 200), -2, 1), (800, 400), borderValue=(255, 255, 255))
    assert skew(np.asarray(turned, np.uint8), quads) == pytest.approx(2, abs=0.15)
    ready = prepared(np.asarray(turned, np.uint8), quads)
    assert ready.back(ready.there(quads)) == pytest.approx(quads)


def test_a_row_of_headings_above_a_region_belongs_to_it_and_a_caption_does_not() -> None:
    grid = laid(unspanned(6, 4), 6, 4)
    boxes = np.concatenate([texts(grid), [[40, 2, 320, 22]]])
    assert whole([30, 70, 510, 270], boxes, (400, 600))[1] == 40
    assert whole([30, 70, 510, 270], boxes[4:], (400, 600))[1] == 70


def test_prose_about_a_closed_frame_is_no_part_of_its_table() -> None:
    grid = laid(unspanned(4, 3), 4, 3)
    rules = Rulings(
        np.array([[y, grid.uprights[0], grid.uprights[-1]] for y in grid.levels]),
        np.array([[x, grid.levels[0], grid.levels[-1]] for x in grid.uprights]),
    )
    prose = [[30, 300 + 30 * n, 390, 320 + 30 * n] for n in range(5)]
    inside = enclosed(rules, np.concatenate([texts(grid), prose]), HEIGHT)
    assert inside is not None
    assert inside.tolist() == [True] * 12 + [False] * 5
