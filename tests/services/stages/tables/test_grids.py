"""Grids of tables: tokens to cells and back, rules to cells, the network's rows on lines of text, spans by where texts stand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.drawn_tables import drawn
from ocr_serving.output import tables
from ocr_serving.stages.recognition import Text
from ocr_serving.stages.table import TOKENS, Structure, table_input
from ocr_serving.stages.tables import explain
from ocr_serving.stages.tables.fit import fitted, unspanned
from ocr_serving.stages.tables.grid import Grid, GridCell, Plan, covering, markup, plan, without_empty
from ocr_serving.stages.tables.picture import Rectangles, prepared, skew
from ocr_serving.stages.tables.read import Written, read
from ocr_serving.stages.tables.region import whole
from ocr_serving.stages.tables.ruled import enclosed, ruled
from ocr_serving.stages.tables.rulings import Rulings, rulings
from ocr_serving.stages.tables.spaced import spaced
from ocr_serving.stages.tables.spans import with_headings, with_spans

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


@settings(deadline=None)
@given(cells())
def test_a_grid_is_read_from_its_html_as_it_was(drawn: tuple[list[GridCell], int, int]) -> None:
    grid = laid(*drawn)
    read = tables.read(markup(grid, [str(n) for n in range(len(grid.cells))]))
    assert [(cell.row, cell.column, cell.rows, cell.columns) for cell in read] == [tuple(cell) for cell in grid.cells]


@settings(deadline=None)
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


@settings(deadline=None)
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
    assert with_spans(single, boxes, boxes, NO_RULES, HEIGHT).cells == grid.cells


def test_a_grid_that_makes_one_of_two_columns_or_rows_explains_less() -> None:
    grid = laid(unspanned(6, 4), 6, 4)
    boxes = texts(grid)
    narrow = Grid(unspanned(6, 3), grid.levels, grid.uprights[[0, 1, 2, 4]])
    flat = Grid(unspanned(3, 4), grid.levels[::2], grid.uprights)
    right, two_columns, two_rows = (explain.faults(one, boxes, NO_RULES, HEIGHT) for one in (grid, narrow, flat))
    assert right == 0
    assert two_columns > 0.2
    assert two_rows > 0.2


def test_a_cell_over_rows_whose_texts_stand_on_each_explains_less() -> None:
    grid = laid(covering([GridCell(1, 2, 3)], 6, 3), 6, 3)
    boxes = texts(laid(unspanned(6, 3), 6, 3))
    assert explain.faults(grid, boxes, NO_RULES, HEIGHT) > 0.1
    assert explain.faults(grid, texts(grid), NO_RULES, HEIGHT) == 0


def test_a_cell_torn_in_two_explains_less() -> None:
    apart = np.array([0, 1, 2, 2.55, 3.1, 4.1, 5.1, 5.65, 6.65]) * 44
    boxes = np.array(
        [[x, 30 + y, x + 60, 50 + y] for n, y in enumerate(apart.tolist()) for x in (30, 150, 270) if x == 30 or n not in (2, 4, 7)]
    )
    rows = [0.0, 70, 108, 207, 250, 300, 340]
    whole = Grid(unspanned(6, 3), np.array([*rows[:3], 200, 245, 295, 350]), 20 + 120 * np.arange(4.0))
    torn = Grid(unspanned(7, 3), np.array([*rows[:3], 132, 200, 245, 295, 350]), whole.uprights)
    assert explain.faults(whole, boxes, NO_RULES, HEIGHT) < explain.faults(torn, boxes, NO_RULES, HEIGHT)


@pytest.mark.parametrize(
    ("headings", "spans"),
    [
        ([(60, 120), (225, 305), (420, 480)], [(0, 1), (1, 2), (3, 1)]),
        ([(60, 120), (180, 240), (350, 430)], [(0, 1), (1, 1), (2, 2)]),
        ([(110, 190), (340, 440)], [(0, 2), (2, 2)]),
        ([(60, 120), (280, 380)], [(0, 1), (1, 3)]),
    ],
)
def test_a_heading_is_over_the_columns_whose_middle_it_has(headings: list[tuple[int, int]], spans: list[tuple[int, int]]) -> None:
    grid = laid(unspanned(5, 4), 5, 4)
    boxes = np.concatenate([[[x1, 40, x2, 60] for x1, x2 in headings], texts(grid)[4:]])
    found = with_headings(grid, boxes, explain.homes(grid, boxes), NO_RULES, HEIGHT)
    assert [(cell.column, cell.columns) for cell in found.cells if cell.row == 0] == spans


def test_empty_cells_below_a_whole_row_of_headings_stay_cells() -> None:
    grid = laid(unspanned(5, 4), 5, 4)
    boxes = np.delete(texts(grid), [5, 6], axis=0)
    assert with_headings(grid, boxes, explain.homes(grid, boxes), NO_RULES, HEIGHT).cells == grid.cells


def test_spaces_show_columns_and_rows() -> None:
    grid = laid(unspanned(8, 4), 8, 4)
    found = spaced(texts(grid), NO_RULES, HEIGHT)
    assert found is not None
    assert found.size == (8, 4)


def test_headings_over_several_columns_hide_no_gutter() -> None:
    grid = laid(unspanned(7, 5), 7, 5)
    boxes = texts(grid)
    rows = np.repeat(np.arange(7), 5)
    headings = [[160.0, 40, 600, 60], [180, 80, 360, 100], [420, 80, 600, 100], [40, 80, 100, 100]]
    found = spaced(np.concatenate([headings, boxes[rows > 1]]), NO_RULES, HEIGHT)
    assert found is not None
    assert found.size == (7, 5)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("USG-99-", "9557368063013", "USG-99- 9557368063013"),
        ("due 2026-08-", "12 at noon", "due 2026-08-12 at noon"),
        ("12/08/", "2026", "12/08/2026"),
        ("4-", "2 left", "4- 2 left"),
        ("PVC-", "rohr", "PVC- rohr"),
        ("deliv-", "eries", "deliveries"),
        ("before-", "Christmas", "before- Christmas"),
    ],
)
def test_a_cell_keeps_words_that_end_in_a_hyphen_unless_they_are_broken_there(first: str, second: str, said: str) -> None:
    places: list[tuple[str, tuple[int, int, int, int]]] = []
    picture = drawn([["Item", "Price"], [f"{first}\n{second}", "4.50"], ["Other", "3.00"]], places=places)
    quads = np.array([[[x1, y1], [x2, y1], [x2, y2], [x1, y2]] for _, (x1, y1, x2, y2) in places], np.float64)
    written = Written(quads, [text for text, _ in places], [[] for _ in places])
    nothing = Structure([], np.zeros((0, 8), np.float32), cut=False)
    found = read(picture, written, lambda _: nothing, lambda crops: [Text("", 0.0) for _ in crops])
    assert [cell.text for cell in tables.read(found.html)] == ["Item", "Price", said, "4.50", "Other", "3.00"]


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


@pytest.mark.parametrize("falls", [1.0, -1.0])
def test_the_skew_of_a_hundred_short_rows_is_found(falls: float) -> None:
    page = np.full((2900, 340, 3), 255, np.uint8)
    for row in range(100):
        for x, text in ((30, f"{row * 37 % 100}"), (110, "1,204.50"[row % 4 :]), (230, f"{row * 7919 % 1000}.{row % 10}")):
            cv2.putText(page, text, (x, 40 + 28 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    turned = cv2.warpAffine(page, cv2.getRotationMatrix2D((170, 1450), -falls, 1), (340, 2900), borderValue=(255, 255, 255))
    noisy = np.clip(turned + np.random.default_rng(3).normal(0, 8, turned.shape), 0, 255).astype(np.uint8)
    quads = np.array([[[10, 10], [330, 10], [330, 2890], [10, 2890]]], np.float64)
    assert skew(noisy, quads) == pytest.approx(falls, abs=0.11)


def test_light_print_on_dark_is_turned_into_dark_print_on_light() -> None:
    light = np.full((300, 500, 3), 240, np.uint8)
    quads = []
    for y in range(40, 280, 40):
        cv2.putText(light, "bearing  431", (60, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (20, 20, 20), 2, cv2.LINE_AA)
        quads.append([[55, y - 22], [260, y - 22], [260, y + 6], [55, y + 6]])
        cv2.line(light, (40, y + 15), (460, y + 15), (120, 120, 120), 1)
    places = np.array(quads, np.float64)
    dark = np.asarray(cv2.bitwise_not(light), np.uint8)
    assert (prepared(light, places).picture == light).all()
    assert (prepared(dark, places).picture == light).all()
    boxes = np.concatenate([places.min(axis=1), places.max(axis=1)], axis=1)
    assert len(rulings(prepared(dark, places).picture, boxes).level) == 6
    assert len(rulings(dark, boxes).level) < 6, "rules are dark lines on light"


def test_small_pictures_for_the_network_keep_rules_of_one_pixel() -> None:
    page = np.full((1500, 1100, 3), 255, np.uint8)
    for y in range(101, 1450, 97):
        page[y, 50:1050] = 0
    kept = {how: dips(table_input(page, 488, how)[0][0, 0, :480, 200]) for how in ("area", "linear")}
    assert kept["area"] == len(range(101, 1450, 97))
    assert kept["linear"] < kept["area"]


def dips(column: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> int:
    """How many rules a column of pixels crosses."""
    dark = column < column.max() - 0.05 * (column.max() - column.min())
    return int((np.diff(dark.astype(np.int8)) == 1).sum())


def test_a_rule_that_was_not_found_parts_rows_all_the_same() -> None:
    boxes = np.array([[50.0 + 120 * c, 30 + 40 * r, 120 + 120 * c, 52 + 40 * r] for r in range(7) for c in range(3)])
    level = np.array([[21.0 + 40 * r, 40, 400] for r in range(8) if r != 1])
    grid = spaced(boxes, Rulings(level, np.zeros((0, 3))), 22)
    assert grid is not None
    assert grid.size == (7, 3)


def test_gaps_through_the_table_part_rows_whose_cells_are_set_in_the_middle() -> None:
    rows: list[list[float]] = []
    y = 20.0
    for counts in ((1, 1, 1), (2, 1, 3), (3, 1, 2), (1, 1, 2), (2, 1, 1)):
        high = 24 * max(counts)
        for x, lines in zip((40.0, 240.0, 340.0), counts, strict=True):
            rows += [[x, top, x + 80, top + 22] for top in (y + (high - 24 * lines) / 2 + 24 * n for n in range(lines))]
        y += high + 20
    none = Rulings(np.zeros((0, 3)), np.zeros((0, 3)))
    boxes = np.array(rows)
    grid = spaced(boxes, none, 22, by_gaps=True)
    assert grid is not None
    assert grid.size == (5, 3)
    loose = grid._replace(cells=covering([], 2, 3), levels=np.array([grid.levels[0], grid.levels[2], grid.levels[5]]))
    assert explain.faults(loose, boxes, none, 22) > explain.faults(grid, boxes, none, 22)


ITEMS = [(3, 1), (2, 1), (3, 1), (2, 0)]
"""Lines of the description of items that stand at the top of their rows, and whether more rows of items follow."""


def items(step: float, room: float) -> Rectangles:
    """Four items whose descriptions have several lines, and two rows of totals."""
    found: list[list[float]] = []
    y = 20.0
    for lines, _ in ITEMS:
        found += [[x, y, x + 60, y + 22] for x in (40.0, 400.0, 520.0)]
        found += [[140, y + step * n, 300, y + step * n + 22] for n in range(lines)]
        y += step * (lines - 1) + 22 + room
    found += [[x, y + (22 + room) * n, x + 60, y + (22 + room) * n + 22] for n in range(2) for x in (400.0, 520.0)]
    return np.array(found)


@pytest.mark.parametrize(("step", "room"), [(22.0, 5.0), (24.0, 8.0), (24.0, 20.0), (24.0, 40.0), (24.0, 60.0)])
def test_descriptions_of_several_lines_stay_with_their_items(step: float, room: float) -> None:
    boxes = items(step, room)
    grid = spaced(boxes, NO_RULES, 22)
    assert grid is not None
    assert grid.size == (6, 4)
    whole = with_spans(grid, boxes, boxes, NO_RULES, 22)
    assert [cell for cell in whole.cells if cell.rows > 1] == []


def test_a_cell_torn_where_rules_part_all_rows_explains_less() -> None:
    boxes = items(24.0, 20.0)
    grid = spaced(boxes, NO_RULES, 22)
    assert grid is not None
    rules = Rulings(np.array([[y, 40.0, 580.0] for y in grid.levels]), np.zeros((0, 3)))
    torn = np.sort([*grid.levels, grid.levels[1] + 24])
    cells = covering([], 7, 4)
    assert explain.faults(grid, boxes, rules, 22) == 0
    assert explain.faults(Grid(cells, torn, grid.uprights), boxes, rules, 22) > 0.05


def test_rows_and_columns_of_nothing_go() -> None:
    cells = [GridCell(0, 0), GridCell(0, 1), GridCell(0, 2), GridCell(1, 0, 2), GridCell(1, 1), GridCell(1, 2)]
    grid = Grid(covering(cells, 4, 3), np.array([0.0, 30, 60, 90, 120]), np.array([0.0, 100, 150, 250]), 1)
    boxes = np.array(
        [[10.0, 5, 60, 25], [160, 5, 220, 25], [10, 62, 60, 82], [160, 35, 220, 55], [160, 95, 220, 115], [10, 95, 60, 115]]
    )
    found = without_empty(grid, boxes)
    assert found.size == (3, 2)
    assert found.head == 1
    assert found.uprights.tolist() == [0, 150, 250]


def test_a_row_of_headings_above_a_region_belongs_to_it_and_a_caption_does_not() -> None:
    grid = laid(unspanned(6, 4), 6, 4)
    boxes = np.concatenate([texts(grid), [[40, 2, 320, 22]]])
    assert whole([30, 70, 510, 270], boxes, (400, 600))[1] == 40
    assert whole([30, 70, 510, 270], boxes[4:], (400, 600))[1] == 70


def test_a_rule_hardly_longer_than_a_letter_parts_cells_between_two_level_ones() -> None:
    page = np.full((130, 400, 3), 255, np.uint8)
    for y in (20, 45, 70, 95):
        cv2.line(page, (20, y), (380, y), (60, 60, 60), 1)
    for x in (20, 200, 380):
        cv2.line(page, (x, 45 if x == 200 else 20), (x, 70 if x == 200 else 95), (60, 60, 60), 1)
    cv2.line(page, (300, 28), (300, 48), (60, 60, 60), 2)
    boxes = np.array([[30.0, y, 120, y + HEIGHT] for y in (22, 47, 72)])
    assert {round(x) for x, *_ in rulings(page, boxes).upright.tolist()} == {20, 200, 380}, "the stroke at 300 ends inside a cell"


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
