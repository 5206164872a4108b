"""Where a page is cut between what stands beside each other, and where a gutter is one of a table's."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.stages.tables.beside import Cut, parted, sides, without_bridges
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings

HEIGHT = 20.0
NO_RULES = Rulings(np.zeros((0, 3)), np.zeros((0, 3)))

Lines = list[list[float]]


def prose(left: float, right: float, top: float, count: int, step: float = 26) -> Lines:
    return [[left, top + n * step, right - 40 * (n % 3), top + n * step + HEIGHT] for n in range(count)]


def table(left: float, top: float, count: int, columns: int = 3, step: float = 34) -> Lines:
    return [
        [left + 130 * column, top + n * step, left + 130 * column + 80, top + n * step + HEIGHT]
        for n in range(count)
        for column in range(columns)
    ]


def ruled(left: float, right: float, top: float, count: int, step: float = 34) -> list[tuple[float, float, float]]:
    return [(top + n * step, left, right) for n in range(count)]


def page(level: Sequence[tuple[float, float, float]] = ()) -> Image:
    picture = np.full((1000, 1000, 3), 255, np.uint8)
    for y, x1, x2 in level:
        cv2.line(picture, (int(x1), int(y)), (int(x2), int(y)), (90, 90, 90), 1)
    return picture


def cuts(lines: Lines, rules: Rulings = NO_RULES, picture: Image | None = None) -> list[Cut]:
    boxes: Rectangles = np.array(lines, np.float64)
    return parted(page() if picture is None else picture, boxes, [boxes[[n]] for n in range(len(boxes))], rules, HEIGHT)


def test_a_table_in_one_of_two_columns_of_print_is_beside_the_other() -> None:
    left = [*prose(40, 480, 60, 4), *table(40, 180, 6), *prose(40, 480, 400, 5)]
    lines = [[40.0, 20, 900, 40], *left, *prose(540, 960, 60, 18)]
    (cut,) = cuts(lines)
    assert 480 <= cut.x <= 540
    assert sides([cut], np.array(lines)) == [[0], list(range(1, 1 + len(left))), list(range(1 + len(left), len(lines)))]


def test_two_columns_of_print_on_one_grid_of_lines_are_beside_each_other() -> None:
    assert len(cuts(prose(40, 480, 60, 12) + prose(540, 960, 60, 12))) == 1


def test_ruled_tables_are_beside_each_other_though_their_rules_were_found_as_one() -> None:
    drawn = ruled(30, 420, 192, 7) + ruled(460, 850, 192, 7)
    joined = Rulings(np.array([(y, 30, 850) for y, *_ in ruled(30, 850, 192, 7)]), np.zeros((0, 3)))
    lines = prose(40, 900, 60, 3) + table(40, 200, 6) + table(470, 200, 6)
    (cut,) = cuts(lines, joined, page(drawn))
    assert 380 <= cut.x1 < cut.x2 <= 470
    assert sorted(map(tuple, without_bridges(joined, [cut]).level.tolist())) == sorted(
        (y, x1, x2) for y, *_ in ruled(0, 0, 192, 7) for x1, x2 in ((30, cut.x1), (cut.x2, 850))
    )
    through = ruled(30, 850, 192, 7)
    assert cuts(lines, joined, page(through)) == [], "rules through the gutter make one table of it"


def test_gutters_of_a_table_cut_nothing() -> None:
    assert cuts(table(40, 60, 12, columns=5)) == []
    names: Lines = [[40, 60 + 26 * n, 330 - 20 * (n % 4), 80 + 26 * n] for n in range(12)]
    amounts: Lines = [[500, 60 + 26 * n, 600, 80 + 26 * n] for n in range(12)]
    assert cuts(names + amounts) == [], "long names, close below each other, beside their amounts"


def test_clauses_of_several_lines_beside_their_dates_are_one_table() -> None:
    clauses = [line for n in range(6) for line in prose(40, 480, 60 + 120 * n, 4, step=24)]
    dates: Lines = [[560, 96 + 120 * n, 680, 116 + 120 * n] for n in range(6)]
    assert cuts(clauses + dates) == []


def test_tables_whose_bands_of_colour_end_between_them_are_beside_each_other() -> None:
    lines = table(40, 60, 7) + table(470, 60, 7)
    banded, whole = page(), page()
    for y in range(54, 290, 68):
        cv2.rectangle(banded, (30, y), (390, y + 32), (250, 240, 232), -1)
        cv2.rectangle(banded, (460, y), (820, y + 32), (250, 240, 232), -1)
        cv2.rectangle(whole, (30, y), (820, y + 32), (250, 240, 232), -1)
    (cut,) = cuts(lines, picture=banded)
    assert 390 <= cut.x <= 460
    assert cuts(lines, picture=whole) == []
    groups = page()
    for x1, x2 in ((30, 390), (460, 820)):
        cv2.line(groups, (x1, 90), (x2, 90), (60, 60, 60), 2)
    assert cuts(lines, picture=groups) == [], "rules below the headings of two groups of columns"
