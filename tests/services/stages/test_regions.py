"""Reading order over regions, and lines to regions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ocr_serving.stages.regions import centred, reading_order, touching

Box = tuple[float, float, float, float]


def order(*boxes: Box) -> list[int]:
    return reading_order(np.array(boxes, np.float64).reshape(-1, 4), 1000, 1400)


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


def test_lines_of_a_region() -> None:
    lines = np.array([[10, 10, 90, 20], [95, 10, 300, 20], [10, 200, 90, 220]], np.float64)
    assert touching(lines, (0, 0, 100, 100)) == [0, 1]
    assert centred(lines, (0, 0, 100, 100)) == [0]
    assert touching(lines[:0], (0, 0, 100, 100)) == []
