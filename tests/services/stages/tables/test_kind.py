"""Which regions of a page are tables, by what is drawn and written in them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.drawn_tables import Style, drawn
from ocr_serving.stages.layout import Region
from ocr_serving.stages.tables.kind import grids, labelled
from ocr_serving.stages.tables.picture import Rectangles

ROWS = [["Item", "Pieces", "Net"], ["Belt", "12", "7.25"], ["Pump", "3", "98.00"], ["Fuse", "640", "0.15"]]
PROSE = [
    ["All deliveries of the year were on time, and so were those"],
    ["of the year before. Claims fell by a third, and no partner"],
    ["asked for another date. The contracts are renewed."],
]


def page(rows: list[list[str]], style: Style, pad: int = 16) -> tuple[NDArray[np.uint8], Rectangles]:
    """A picture and its lines of text."""
    places: list[tuple[str, tuple[int, int, int, int]]] = []
    picture = drawn(rows, style, places=places, pad=pad)
    return picture, np.array([box for text, box in places if text], np.float64)


def label(rows: list[list[str]], style: Style, called: str, pad: int = 16) -> str:
    picture, lines = page(rows, style, pad)
    height, width = picture.shape[:2]
    (region,) = labelled(picture, [Region((20.0, 20.0, width - 20.0, height - 20.0), called, 0.7)], lines)
    return region.label


@pytest.mark.parametrize("called", ["text", "equation", "figure", "reference"])
def test_texts_in_a_grid_of_rules_are_a_table_whatever_it_is_called(called: str) -> None:
    assert label(ROWS, "ruled", called) == "table"


def test_rows_that_nobody_filled_in_are_of_the_grid() -> None:
    assert label([*ROWS, *[[""] * 3] * 4], "ruled", "equation") == "table"


def test_columns_that_nobody_filled_in_are_of_the_grid() -> None:
    assert label([["", *row, ""] for row in [*ROWS, [""] * 3]], "ruled", "figure") == "table"


def test_the_region_of_a_grid_reaches_to_its_outermost_rules() -> None:
    picture, lines = page(ROWS, "ruled")
    height, width = picture.shape[:2]
    (region,) = labelled(picture, [Region((40.0, 40.0, width - 40.0, height - 40.0), "equation", 0.7)], lines)
    assert np.abs(np.array(region.box) - (30, 30, width - 30, height - 30)).max() <= 6


@pytest.mark.parametrize(("rows", "style"), [(ROWS, "bare"), (PROSE, "bare"), (PROSE, "ruled"), (ROWS[:1], "bare")])
def test_what_is_no_grid_keeps_its_label(rows: list[list[str]], style: Style) -> None:
    assert label(rows, style, "text") == "text"


@pytest.mark.parametrize("rows", [ROWS[:1], [[row[0]] for row in ROWS]], ids=["row", "column"])
def test_a_framed_row_and_a_framed_column_are_tables(rows: list[list[str]]) -> None:
    assert label(rows, "ruled", "figure") == "table"
    (found,) = grids(*_with_no_region(rows, "ruled"))
    assert found.label == "table"


def test_titles_and_headers_are_no_tables() -> None:
    assert label(ROWS, "ruled", "title") == "title"
    assert label(ROWS, "ruled", "header") == "header"


def test_running_text_that_is_called_a_table_is_text() -> None:
    assert label(PROSE, "bare", "table", pad=2) == "text"


@pytest.mark.parametrize(
    ("rows", "style"), [(ROWS, "bare"), (PROSE, "ruled"), ([[row[0]] for row in ROWS], "ruled"), (ROWS[:1], "bare")]
)
def test_tables_stay_tables(rows: list[list[str]], style: Style) -> None:
    assert label(rows, style, "table") == "table"


def test_grids_in_no_region_are_found_each_for_itself() -> None:
    picture, lines = page(ROWS, "ruled")
    height, width = picture.shape[:2]
    both = np.concatenate([picture, picture])
    there = np.concatenate([lines, lines + np.array([0, height, 0, height])])
    told = grids(both, [], there)
    assert [region.label for region in told] == ["table", "table"]
    tops = sorted(region.box[1] for region in told)
    assert np.abs(np.array(tops) - (30, height + 30)).max() <= 6
    (left,) = grids(both, [Region((0.0, 0.0, float(width), float(height)), "text", 0.9)], there)
    assert left.box[1] > height, "what is in a region is the layout's"
    assert grids(*_with_no_region(ROWS, "bare")) == []
    assert grids(*_with_no_region(PROSE, "ruled")) == []


def _with_no_region(rows: list[list[str]], style: Style) -> tuple[NDArray[np.uint8], list[Region], Rectangles]:
    picture, lines = page(rows, style)
    return picture, [], lines
