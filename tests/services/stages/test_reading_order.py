"""Reading order: lines along columns and slopes, upright columns, and regions."""

from __future__ import annotations

import random
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_serving.stages import geometry, regions
from ocr_serving.stages.geometry import Quad, sorted_boxes
from ocr_serving.stages.reading_order import lines_in_order, reading_order, regions_in_order
from ocr_serving.stages.text_frame import runs_down, slope

Box = tuple[float, float, float, float]


def order(*boxes: Box) -> list[int]:
    return regions_in_order(np.array(boxes, np.float64).reshape(-1, 4), 1000, 1400)


def test_two_columns_are_read_one_after_the_other() -> None:
    title = (100, 50, 900, 100)
    left = [(80, 150, 480, 300), (80, 330, 480, 600), (80, 620, 480, 900)]
    # The gaps between paragraphs are at the same height in both columns, so that rows could be cut too.
    right = [(520, 150, 920, 300), (520, 330, 920, 600), (520, 620, 920, 900)]
    footer = (400, 1300, 600, 1330)
    page = [right[2], left[1], footer, right[0], title, left[0], right[1], left[2]]
    assert [page[index] for index in order(*page)] == [title, *left, *right, footer]


def test_a_figure_across_both_columns_parts_them() -> None:
    above, across, below = (
        [(80, 100, 480, 300), (520, 100, 920, 300)],
        (80, 340, 920, 600),
        [(80, 640, 480, 900), (520, 640, 920, 900)],
    )
    page = [*below, across, *above]
    assert [page[index] for index in order(*page)] == [*above, across, *below]


def test_one_column_is_read_from_top_to_bottom() -> None:
    page = [(100, 500, 900, 600), (100, 100, 400, 150), (600, 200, 900, 250), (100, 300, 900, 480)]
    assert order(*page) == [1, 2, 3, 0]


def test_what_stands_beside_nothing_is_read_from_top_to_bottom() -> None:
    table, end = (400, 100, 900, 600), (80, 620, 250, 650)
    assert order(end, table) == [1, 0]
    sender, date, address = (600, 80, 900, 200), (700, 230, 900, 250), (80, 260, 400, 380)
    assert order(address, date, sender) == [2, 1, 0]
    # Beside one of the others it is a column.
    left = (80, 300, 350, 650)
    assert order(left, table) == [0, 1]


def test_what_stands_far_apart_is_a_row_and_no_columns() -> None:
    name, number, address, table = (80, 80, 330, 120), (820, 85, 950, 190), (80, 225, 500, 320), (70, 600, 950, 1300)
    bill, left, right = (80, 380, 510, 500), (90, 560, 340, 590), (740, 560, 930, 590)
    page = [bill, table, right, address, number, left, name]
    assert [page[index] for index in order(*page)] == [name, number, address, bill, left, right, table]


def test_boxes_that_overlap_a_little_are_still_columns() -> None:
    assert order((495, 100, 920, 500), (80, 300, 505, 700)) == [1, 0]


def test_boxes_that_nothing_parts_are_read_by_their_tops() -> None:
    assert order((100, 200, 800, 900), (50, 100, 600, 600), (400, 150, 900, 700)) == [1, 2, 0]


sides = st.integers(0, 1000)


@given(st.lists(st.tuples(sides, sides, sides, sides), max_size=12))
def test_no_region_is_lost_or_told_twice(corners: list[tuple[int, int, int, int]]) -> None:
    boxes: list[Box] = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners]
    assert sorted(order(*boxes)) == list(range(len(boxes)))


def test_upright_columns_of_regions_are_read_from_right_to_left() -> None:
    title, right, left = (200, 50, 800, 120), (520, 200, 900, 1300), (80, 200, 480, 1300)
    boxes = np.array([left, right, title], np.float64)
    assert regions_in_order(boxes, 1000, 1400, down=True)[-1] == 0
    assert regions_in_order(boxes, 1000, 1400)[-1] == 1


def line(left: float, middle: float, width: float, height: float = 20) -> Quad:
    """A level line: `middle` is the y of its middle."""
    top, bottom = middle - height / 2, middle + height / 2
    return np.array([[left, top], [left + width, top], [left + width, bottom], [left, bottom]], np.float32)


def sloped(quads: Sequence[Quad], degrees: float) -> list[Quad]:
    """Lines of a page turned clockwise, to whole pixels as the detector tells them."""
    turn = cv2.getRotationMatrix2D((600, 450), -degrees, 1.0)
    return [np.round(cv2.transform(quad[None], turn)[0]).astype(np.float32) for quad in quads]


def shuffled(quads: Sequence[Quad]) -> tuple[list[Quad], list[int]]:
    """`quads` in some other order, and for each where it stood."""
    places = random.Random(5).sample(range(len(quads)), len(quads))
    return [quads[place] for place in places], places


def read(quads: Sequence[Quad]) -> list[int]:
    """The places of `quads`, which are given as they ought to be read, in the order they are read in."""
    mixed, places = shuffled(quads)
    return [places[index] for index in lines_in_order(mixed)]


FORM = [line(left, 100 + 55 * row, width) for row in range(11) for left, width in ((100, 180), (380, 220), (760, 60), (1000, 90))]
RECEIPT = [box for row in range(14) for box in (line(60, 80 + 30 * row, 190 + 17 * (row % 5)), line(420, 81 + 30 * row, 70))]
LEFT = [line(80, 120 + 34 * row, 430 + 13 * (row % 7), 24) for row in range(20)]


def right_column(offset: float, count: int = 20) -> list[Quad]:
    return [line(680, 120 + offset + 34 * row, 420 + 11 * (row % 6), 24) for row in range(count)]


SLOPES = [0, 1, -1, 3, -3, 8, 15, -15]


@pytest.mark.parametrize("degrees", SLOPES)
@pytest.mark.parametrize("page", [FORM, RECEIPT], ids=["form", "receipt"])
def test_a_row_keeps_together_however_the_page_slopes(page: list[Quad], degrees: float) -> None:
    assert read(sloped(page, degrees)) == list(range(len(page)))


@pytest.mark.parametrize("degrees", SLOPES)
@pytest.mark.parametrize("offset", [0, 7, 17])
def test_columns_of_running_text_are_read_one_after_the_other(offset: float, degrees: float) -> None:
    title, footer = line(300, 60, 600, 40), line(540, 850, 120)
    page = [title, *LEFT, *right_column(offset), footer]
    assert read(sloped(page, degrees)) == list(range(len(page)))


def test_a_column_may_be_shorter_than_its_neighbour() -> None:
    page = [*LEFT, *right_column(0, 6)]
    assert read(page) == list(range(len(page)))


def test_three_columns_are_read_from_left_to_right() -> None:
    page = [line(60 + 400 * column, 100 + 30 * row, 330 - 9 * (row % 4)) for column in range(3) for row in range(15)]
    assert read(page) == list(range(len(page)))


@pytest.mark.parametrize("degrees", [0, 3, -8])
@pytest.mark.parametrize("across", [1, 0.55])
@pytest.mark.parametrize("columns", [2, 5])
def test_columns_as_close_as_a_newspapers_are_read_one_after_the_other(columns: int, across: float, degrees: float) -> None:
    ends = [0, 6, 3, 1, 5, 2, 4, 90]  # a paragraph's last line is short
    text = [line(60 + 268 * column, 160 + 25 * row, 260 - ends[row % 8]) for column in range(columns) for row in range(32)]
    page = [line(60, 60, across * 268 * columns - 8, 60), *text]
    assert read(sloped(page, degrees)) == list(range(len(page)))


@pytest.mark.parametrize("degrees", [0, 3, -8])
@pytest.mark.parametrize("width", [90, 150])
@pytest.mark.parametrize("left", [True, False])
def test_a_narrow_column_beside_the_text_is_read_by_itself(left: bool, width: float, degrees: float) -> None:
    beside = [line(80 if left else 780, 120 + 28 * row, width - 12 * (row % 3)) for row in range(10)]
    text = [line(280 if left else 80, 120 + 26 * row, 600 - 9 * (row % 4)) for row in range(14)]
    page = [*beside, *text] if left else [*text, *beside]
    assert read(sloped(page, degrees)) == list(range(len(page)))


@pytest.mark.parametrize("degrees", [0, 3, -8])
def test_a_narrow_column_on_the_rows_of_the_text_beside_it_is_read_by_itself_where_the_text_goes_on(degrees: float) -> None:
    beside = [line(60, 100 + 28 * row, 118 - 10 * (row % 3)) for row in range(8)]
    page = [*beside, *(line(240, 100 + 28 * row, 700 - 30 * (row % 4)) for row in range(18))]
    assert read(sloped(page, degrees)) == list(range(len(page)))


@pytest.mark.parametrize("degrees", [0, 3])
@pytest.mark.parametrize("gap", [10, 24])
def test_articles_beside_each_other_keep_their_headlines(gap: float, degrees: float) -> None:
    width = 245
    page: list[Quad] = []
    for left in (60, 60 + 2 * (width + gap)):
        page.append(line(left, 60, 2 * width, 50))
        ends = [0, 6, 3, 1, 5, 2, 4, 90]
        page += [line(left + at, 120 + 22 * row, width - ends[row % 8], 18) for at in (0, width + gap) for row in range(25)]
    assert read(sloped(page, degrees)) == list(range(len(page)))


@pytest.mark.parametrize("degrees", [0, 1, -3])
def test_an_address_beside_the_numbers_of_an_invoice_is_read_first(degrees: float) -> None:
    address = [line(60, 100 + 26 * row, width) for row, width in enumerate((180, 220, 150, 90))]
    numbers = [cell for row in range(4) for cell in (line(640, 107 + 30 * row, 120), line(820, 107 + 30 * row, 100))]
    items = [
        cell
        for row in range(5)
        for cell in (line(60, 320 + 40 * row, 260), line(480, 320 + 40 * row, 30), line(800, 320 + 40 * row, 80))
    ]
    page = [line(60, 40, 200, 34), *address, *numbers, *items]
    assert read(sloped(page, degrees)) == list(range(len(page)))


def test_values_typed_a_little_off_their_labels_stay_with_them() -> None:
    offsets = (-5, -4, -7, -2, -4)
    page = [
        cell
        for row, off in enumerate(offsets)
        for cell in (line(60, 100 + 26 * row, 130), line(480, 100 + 26 * row + off, 60 + 30 * (row % 2)))
    ]
    moved = [quad + np.array([120 * (n % 4 == 1), 0], np.float32) for n, quad in enumerate(page)]
    for form in (page, moved):
        assert read(form) == list(range(len(form)))


@pytest.mark.parametrize("degrees", [0, 2, -7])
@pytest.mark.parametrize(("width", "step", "columns"), [(90, 360, 3), (130, 265, 4)])
def test_words_in_columns_far_apart_are_a_list(width: float, step: float, columns: int, degrees: float) -> None:
    page = [line(60 + step * column, 100 + 30 * row, width + 14 * (row % 4)) for column in range(columns) for row in range(9)]
    assert read(sloped(page, degrees)) == list(range(len(page)))


def test_numbers_in_columns_far_apart_are_a_table() -> None:
    page = [line(60 + 300 * column, 100 + 30 * row, 40 + 14 * (row % 3)) for row in range(9) for column in range(4)]
    assert read(page) == list(range(len(page)))


def test_labels_beside_texts_of_two_lines_stay_with_them() -> None:
    rows = range(8)
    page = [
        cell
        for row in rows
        for cell in (line(80, 120 + 56 * row, 110), line(280, 120 + 56 * row, 500), line(280, 146 + 56 * row, 320))
    ]
    assert read(page) == list(range(len(page)))


@pytest.mark.parametrize("degrees", [0, 3, -3])
def test_an_item_keeps_its_price_where_lines_are_wrapped(degrees: float) -> None:
    page: list[Quad] = []
    for top in (100, 156, 184, 240, 268, 324):
        page += [line(60, top, 300), line(440, top, 30), line(540, top, 80)]
        if top in (100, 184, 268):
            page.append(line(70, top + 28, 180))
    assert read(sloped(page, degrees)) == list(range(len(page)))


def test_cells_close_to_each_other_are_read_by_rows() -> None:
    cells = [line(left, 100 + 30 * row, 92 - 7 * (row % 3)) for row in range(12) for left in (60, 160, 260, 360)]
    assert read(cells) == list(range(len(cells)))


@pytest.mark.parametrize("degrees", [0, 4])
def test_a_heading_over_two_columns_ends_those_above(degrees: float) -> None:
    def section(top: float) -> list[Quad]:
        columns = [line(left, top + 90 + 34 * row, 430 - 9 * (row % 3), 24) for left in (80, 680) for row in range(6)]
        return [line(80, top, 300, 40), *columns]

    page = [*section(60), *section(460)]
    assert read(sloped(page, degrees)) == list(range(len(page)))


def test_a_heading_within_a_column_belongs_to_it() -> None:
    page = [*LEFT[:8], line(80, 400, 300, 34), *LEFT[10:], *right_column(17)]
    assert read(page) == list(range(len(page)))


def test_headings_of_columns_that_stand_beside_each_other_end_none() -> None:
    tops = [*((100 + 34 * row, 24) for row in range(6)), (400, 40), *((460 + 34 * row, 24) for row in range(6))]
    page = [line(left, top, 430 - 9 * (row % 3), high) for left in (80, 680) for row, (top, high) in enumerate(tops)]
    assert read(page) == list(range(len(page)))


def test_a_form_above_two_columns_is_read_by_rows() -> None:
    form = [line(left, 60 + 30 * row, width) for row in range(3) for left, width in ((80, 150), (680, 90))]
    page = [*form, *sloped(LEFT, 0), *right_column(0)]
    moved = [quad + np.array([0, 150], np.float32) for quad in page[6:]]
    page[6:] = moved
    assert read(page) == list(range(len(page)))


@pytest.mark.parametrize("at_the_left", [True, False])
def test_large_type_beside_many_small_rows_is_not_mixed_with_them(at_the_left: bool) -> None:
    headline = [line(50 if at_the_left else 900, 150 + 300 * n, 700 - 60 * n, 240) for n in range(3)]
    notes = [line(900 if at_the_left else 50, 60 + 22 * n, 280 - 10 * (n % 3), 16) for n in range(40)]
    page = [*headline, *notes] if at_the_left else [*notes, *headline]
    assert read(page) == list(range(len(page)))


def test_large_values_beside_small_labels_stay_with_them() -> None:
    page = [cell for n in range(4) for cell in (line(50, 100 + 90 * n, 200, 20), line(500, 100 + 90 * n, 180, 60))]
    assert read(page) == list(range(len(page)))


def test_bubbles_at_either_side_are_read_from_top_to_bottom() -> None:
    bubbles = ((50, 2), (500, 2), (50, 2), (50, 3), (500, 3), (50, 2), (500, 2))
    page: list[Quad] = []
    top = 100.0
    for left, count in bubbles:
        page += [line(left, top + 30 * n, 380 - 20 * n) for n in range(count)]
        page.append(line(left + 300, top + 30 * count, 50))
        top += 30 * count + 60
    assert read(page) == list(range(len(page)))


def test_bullets_stay_with_their_lines() -> None:
    page = [box for row in range(12) for box in (line(40, 100 + 30 * row, 12), line(80, 100 + 30 * row, 500 - 20 * (row % 3)))]
    assert read(page) == list(range(len(page)))


def test_a_row_may_bend() -> None:
    # As on a crumpled receipt: the right end of each row hangs by more than half a line.
    page = [line(40 + 150 * step, 100 + 40 * row + 3.5 * step, 120) for row in range(6) for step in range(5)]
    assert read(page) == list(range(len(page)))


def column_of_characters(left: float, top: float, height: float) -> Quad:
    return np.array([[left, top], [left + 50, top], [left + 50, top + height], [left, top + height]], np.float32)


@pytest.mark.parametrize("degrees", [0, 2, -5])
def test_upright_columns_are_read_from_right_to_left(degrees: float) -> None:
    page = sloped([column_of_characters(900 - 80 * n, 60, 700 - 50 * (n % 3)) for n in range(10)], degrees)
    assert runs_down(page)
    assert read(page) == list(range(len(page)))


@pytest.mark.parametrize("degrees", [0, 3])
def test_tiers_of_upright_columns_are_read_one_after_the_other(degrees: float) -> None:
    tiers = [column_of_characters(900 - 110 * n, top, 350 - 20 * (n % 2)) for top in (60, 520) for n in range(7)]
    assert read(sloped(tiers, degrees)) == list(range(len(tiers)))


@pytest.mark.parametrize("degrees", [0, 3, -7])
@pytest.mark.parametrize("tiers", [1, 2])
def test_level_lines_above_and_below_upright_columns_are_read_before_and_after_them(tiers: int, degrees: float) -> None:
    columns = [column_of_characters(900 - 70 * n, 160 + 360 * tier, 320 - 20 * (n % 3)) for tier in range(tiers) for n in range(12)]
    page = [line(300, 70, 500, 60), line(450, 125, 200, 24), *columns, line(500, 920, 60, 24)]
    assert read(sloped(page, degrees)) == list(range(len(page)))


@pytest.mark.parametrize("lower", [-2, 0, 2])
def test_level_lines_of_one_row_about_upright_columns_are_read_from_the_left(lower: float) -> None:
    columns = [column_of_characters(900 - 70 * n, 160, 320 - 20 * (n % 3)) for n in range(12)]
    page = [line(150, 90, 200, 40), line(500, 90 + lower, 250, 40), *columns, line(150, 530, 100), line(400, 530 - lower, 100)]
    assert read(page) == list(range(len(page)))


def test_a_line_up_the_margin_does_not_make_columns() -> None:
    assert not runs_down([*FORM, column_of_characters(1150, 100, 500)])
    assert not runs_down([])


@given(st.floats(-15, 15))
def test_the_slope_is_that_of_the_lines(degrees: float) -> None:
    assert abs(slope(sloped(LEFT, degrees)) - degrees) < 0.2


def test_without_lines_nothing_slopes() -> None:
    assert slope([]) == 0
    assert lines_in_order([]) == []


coordinates = st.integers(0, 500)


@given(st.lists(st.tuples(coordinates, coordinates, st.integers(0, 300), st.integers(0, 300)), max_size=25))
def test_no_line_is_lost_or_read_twice(boxes: list[tuple[int, int, int, int]]) -> None:
    quads = [line(left, middle, width, height) for left, middle, width, height in boxes]
    assert sorted(lines_in_order(quads)) == list(range(len(quads)))


def test_legacy_is_the_order_of_paddleocr() -> None:
    page = sloped(FORM, 3)
    assert list(map(id, reading_order(page, legacy=True))) == list(map(id, sorted_boxes(page)))


def test_modules_copied_from_older_releases_find_the_order_where_it_was() -> None:
    assert geometry.reading_order is reading_order
    assert regions.reading_order is regions_in_order
