"""Which lines of a page are tables, by where they stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pytest

from ocr_serving.stages.tables.apart import tables_apart
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.several import CAPTION, without_paragraphs

NO_RULES = Rulings(np.zeros((0, 3)), np.zeros((0, 3)))
HEIGHT = 20.0


def rows(top: float, count: int, columns: tuple[float, ...] = (50, 300, 500), step: float = 32) -> list[list[float]]:
    return [[x, top + n * step, x + 110, top + n * step + HEIGHT] for n in range(count) for x in columns]


def prose(top: float, count: int, right: float = 900) -> list[list[float]]:
    return [[50, top + n * 26, right, top + n * 26 + HEIGHT] for n in range(count)]


def apart(lines: Sequence[Sequence[float]], rules: Rulings = NO_RULES, captions: Collection[int] = ()) -> list[list[int]]:
    boxes: Rectangles = np.array(lines, np.float64)
    return tables_apart(boxes, [boxes[[n]] for n in range(len(boxes))], rules, HEIGHT, captions)


def test_prose_about_a_table_is_no_part_of_it() -> None:
    assert apart(prose(20, 3) + rows(120, 5) + prose(300, 4)) == [list(range(3, 18))]


def test_the_last_line_of_a_paragraph_is_its_own_though_it_begins_where_the_table_does() -> None:
    short: list[list[float]] = [[50, 72, 100, 92]]
    assert apart(prose(20, 2) + short + rows(116, 5)) == [list(range(3, 18))]
    first: list[list[float]] = [[50, 84, 100, 104]]
    assert apart(first + rows(116, 5)) == [list(range(16))], "with no paragraph beside it, it is of the table"


def test_paragraphs_in_the_region_of_a_table_are_no_part_of_it() -> None:
    table = rows(120, 5)
    boxes: Rectangles = np.array([*prose(20, 3), *table, *prose(300, 2)], np.float64)
    group = list(range(3, 18))
    assert without_paragraphs(boxes, group) == group
    note: Rectangles = np.array([*prose(20, 3), *table, [50.0, 300, 500, 320]], np.float64)
    assert without_paragraphs(note, group) == [*group, 18], "a single line may be a row"
    assert without_paragraphs(boxes, []) == list(range(len(boxes)))


def test_a_line_of_prose_that_was_found_in_two_pieces_is_no_row() -> None:
    pieces: list[list[float]] = [[50, 72, 230, 92], [238, 72, 890, 92]]
    table = [[x, 120 + 26 * n, x + 60, 140 + 26 * n] for n in range(6) for x in (50.0, 460)]
    assert apart([*prose(20, 2), *pieces, *table]) == [list(range(4, 16))]


def test_a_caption_at_the_left_is_no_row_but_a_heading_in_the_middle_is() -> None:
    assert apart([[50, 88, 420, 108], *rows(120, 5)]) == [list(range(1, 16))]
    assert apart([[150, 88, 510, 108], *rows(120, 5)]) == [list(range(16))]


@pytest.mark.parametrize(
    ("text", "is_caption"),
    [
        ("Table 3. Stock by site", True),
        ("TABLE IV: Costs", True),
        ("Tableau 2 – Prix", True),
        ("表2：价格", True),
        ("Tables and chairs", False),
        ("Tablets 20 mg", False),
        ("Stock by site", False),
    ],
)
def test_captions_say_their_name_and_number(text: str, *, is_caption: bool) -> None:
    assert bool(CAPTION.match(text)) is is_caption


def test_what_says_that_it_is_a_caption_is_no_row_and_parts_tables() -> None:
    caption: list[float] = [150, 88, 510, 108]
    assert apart([caption, *rows(120, 5)], captions=[0]) == [list(range(1, 16))]
    between: list[list[float]] = [*rows(20, 3), [150, 116, 510, 136], *rows(148, 3)]
    assert apart(between, captions=[9]) == [list(range(9)), list(range(10, 19))]
    assert apart(between) == [list(range(19))]


@pytest.mark.parametrize("columns", [(50, 300, 500), (80, 240, 420, 640)])
def test_prose_parts_two_tables_of_any_columns(columns: tuple[float, ...]) -> None:
    found = apart(rows(20, 4) + prose(160, 2) + rows(230, 4, columns))
    assert found == [list(range(12)), list(range(14, 14 + 4 * len(columns)))]


def test_a_paragraph_whose_last_line_is_short_parts_tables_all_the_same() -> None:
    letter = [[50, 20 + 24 * n, 160, 40 + 24 * n] for n in range(3)] + [[700, 20 + 24 * n, 860, 40 + 24 * n] for n in range(3)]
    text = [[50, 108, 840, 128], [50, 132, 200, 152]]
    assert apart([*letter, *text, *rows(168, 5, (50, 300, 500, 750))]) == [list(range(8, 28))]


def test_room_parts_tables_of_different_columns_only() -> None:
    assert apart(rows(20, 4) + rows(260, 4)) == [list(range(24))]
    assert apart(rows(20, 4) + rows(260, 4, (110, 260, 390, 560))) == [list(range(12)), list(range(12, 28))]


def test_lines_inside_a_cell_and_a_row_over_all_columns_part_nothing() -> None:
    inside: list[list[float]] = [[50, 148, 160, 168], [50, 180, 560, 200]]
    assert apart(rows(20, 4) + inside + rows(212, 4)) == [list(range(26))]


def test_rows_whose_columns_stand_close_are_rows_all_the_same() -> None:
    wide, close = (60, 340, 460, 550), (60, 340, 420, 490)
    table = [[x, 120 + 32 * n, x + (60 if n % 2 else 50), 140 + 32 * n] for n in range(8) for x in (wide if n % 3 else close)]
    assert apart([*prose(20, 3), *table]) == [list(range(3, 35))]


def test_one_row_that_leaves_more_free_than_the_table_does_parts_nothing() -> None:
    lines = [[50, 184, 240, 204], [50, 230, 120, 250], [300, 230, 410, 250], [500, 230, 610, 250]]
    assert apart([*rows(20, 5, (50, 300, 500)), *lines]) == [list(range(19))]


def test_an_address_beside_a_date_is_no_table_above_one() -> None:
    letter: list[list[float]] = [[50, 20, 250, 40], [700, 20, 900, 40], [50, 46, 250, 66], [700, 46, 900, 66]]
    assert apart(letter + prose(90, 2) + rows(200, 5)) == [list(range(6, 21))]


def test_an_address_of_four_lines_is_no_table_where_there_is_another() -> None:
    letter: list[list[float]] = [[x, 20 + 26 * n, x + 150, 40 + 26 * n] for n in range(4) for x in (50, 700)]
    assert apart([*letter, *prose(170, 2), *rows(300, 6)]) == [list(range(10, 28))]
    assert apart([*letter, *prose(170, 2)]) == [list(range(8))]


def test_the_last_line_of_a_paragraph_close_above_a_table_is_no_heading_of_it() -> None:
    assert apart([*prose(20, 3), [50, 98, 560, 118], *rows(132, 6)]) == [list(range(4, 22))]


def test_a_last_word_close_above_a_table_that_is_set_in_is_no_heading_of_it() -> None:
    table = rows(132, 6, (62, 300, 500))
    assert apart([*prose(20, 3), [50, 98, 120, 118], *table]) == [list(range(4, 22))]
    assert apart([*prose(20, 2), [62, 98, 120, 118], *table]) == [list(range(2, 21))]


def test_prose_found_in_two_pieces_is_no_row() -> None:
    broken: list[list[float]] = [[50, 300, 190, 320], [199, 300, 900, 320]]
    assert apart([*rows(80, 6), *broken, *prose(326, 3)]) == [list(range(18))]


def test_a_text_longer_than_its_column_parts_nothing() -> None:
    long = [[50, 210, 270, 230], [50, 242, 265, 262]]
    assert apart([*rows(20, 6), *long, *rows(290, 4)]) == [list(range(32))]


def test_a_page_without_a_table_and_one_that_is_a_table_are_taken_whole() -> None:
    assert apart(prose(20, 9)) == [list(range(9))]
    assert apart(rows(20, 9)) == [list(range(27))]


def test_what_rules_enclose_is_one_table_though_its_cells_have_one_line() -> None:
    level = np.array([[y, 40, 640] for y in (110, 150, 190, 230)], np.float64)
    upright = np.array([[40, 110, 230], [640, 110, 230], [290, 110, 190]], np.float64)
    lines: list[Sequence[float]] = [*prose(20, 3), *rows(120, 2, (50, 300), step=40), [50, 200, 600, 220], *prose(250, 3)]
    assert apart(lines, Rulings(level, upright)) == [list(range(3, 8))]


def test_what_a_rule_closes_off_belongs_to_the_table() -> None:
    rules = Rulings(np.array([[84, 45, 640], [116, 45, 640], [290, 45, 640]], np.float64), np.zeros((0, 3)))
    assert apart([*prose(0, 2), [50, 88, 420, 108], *rows(120, 5)], rules) == [list(range(2, 18))]


def framed(top: float, count: int) -> tuple[list[list[float]], list[tuple[float, float, float]], list[tuple[float, float, float]]]:
    """Rows of a table, and the level and upright rules about each of its cells."""
    bottom = top + 32.0 * count
    return (
        rows(top + 6, count),
        [(top + 32.0 * n, 40.0, 620.0) for n in range(count + 1)],
        [(x, top, bottom) for x in (40.0, 290.0, 490.0, 620.0)],
    )


@pytest.mark.parametrize("right", [200.0, 420.0])
def test_a_caption_between_two_frames_is_of_neither(right: float) -> None:
    (first, level, upright), (second, more, others) = framed(20, 4), framed(190, 4)
    rules = Rulings(np.array(level + more), np.array(upright + others))
    caption: list[float] = [50, 158, right, 178]
    assert apart([*first, caption, *second], rules) == [list(range(12)), list(range(13, 25))]


def test_what_underlines_a_line_does_not_close_a_table() -> None:
    lines: list[list[float]] = [[50, 20, 600, 40], [50, 60, 450, 80], *rows(100, 5)]
    closed = Rulings(np.array([[52.0, 40, 620]]), np.zeros((0, 3)))
    underlined = Rulings(np.array([[42.0, 50, 600]]), np.zeros((0, 3)))
    assert apart(lines, closed) == [list(range(1, 17))]
    assert apart(lines, underlined) == [list(range(2, 17))]
