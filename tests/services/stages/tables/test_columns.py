"""Tables that the places of words show where the layout's network sees none."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.drawn_tables import Style, drawn
from ocr_serving.stages.layout import Region
from ocr_serving.stages.tables.columns import is_figures, with_columns

STOCK = [
    ["Item", "Pieces", "Net"],
    ["Belt", "12", "7.25"],
    ["Pump", "3", "98.00"],
    ["Fuse", "640", "0.15"],
    ["Gasket", "88", "3.10"],
]
PRICES = [["Steel bearing", "14.20"], ["Conveyor belt", "179.92"], ["Fuse", "43.36"], ["Gasket", "155.54"], ["Pump", "99.00"]]
ADDRESS = [
    ["Marmot Ltd", "Invoice 2564"],
    ["14 Quarry Lane", "Date: 3 May"],
    ["Leeds LS1", "Customer: 16841"],
    ["England", "Your ref.: none"],
]
PROSE = [
    ["All deliveries of the year were on time, and so", "of the year before. Claims fell by a third, no"],
    ["were those that the two partners had asked for.", "partner asked for another date. What was agreed"],
    ["The contracts are renewed for a year from March", "with the works is kept in both houses, and open"],
    ["on, at prices that do not differ from the usual", "to all members who ask for it in due time, with"],
    ["ones by more than what the committee had allowed", "the remarks that were made when it was signed. "],
]
POINTS = [[f"{sign}.", left, right] for sign, (left, right) in zip("ABCDE", PROSE, strict=True)]
AXES = [["40", "", "", ""], ["30", "", "Peak", ""], ["20", "", "", ""], ["10", "", "", ""], ["", "2021", "2022", "2023"]]


def labels(rows: list[list[str]], style: Style, called: str = "figure", above: int = 0) -> list[str]:
    """Labels of the regions of a page that the layout takes for one, with `above` lines of a drawing in it too."""
    places: list[tuple[str, tuple[int, int, int, int]]] = []
    picture = drawn(rows, style, places=places)
    height, width = picture.shape[:2]
    said = [(text, box) for text, box in places if text]
    boxes = np.array([box for _, box in said], np.float64)
    texts = [text for text, _ in said]
    if above:
        high = 60 * above
        picture = np.concatenate([np.full((high, width, 3), 255, np.uint8), picture])
        drawing = np.array([[40 + 50 * (n % 2), 60 * n + 10, 80 + 50 * (n % 2), 60 * n + 30] for n in range(above)], np.float64)
        boxes = np.concatenate([boxes + np.array([0, high, 0, high]), drawing])
        texts += ["Valve"] * above
        height += high
    regions = with_columns(picture, [Region((0.0, 0.0, float(width), float(height)), called, 0.7)], boxes, texts)
    return sorted(region.label for region in regions)


@pytest.mark.parametrize("called", ["text", "figure", "equation", "reference"])
def test_columns_of_figures_are_a_table_whatever_they_are_called(called: str) -> None:
    assert labels(STOCK, "bare", called) == ["table"]


@pytest.mark.parametrize("style", ["lines", "bands", "booktabs"])
def test_columns_between_rules_or_on_bands_are_a_table(style: Style) -> None:
    assert labels(STOCK, style) == ["table"]


def test_names_and_their_prices_are_a_table() -> None:
    assert labels(PRICES, "bare") == ["table"]


@pytest.mark.parametrize(
    "rows",
    [ADDRESS, PROSE, POINTS, AXES, STOCK[:2], PRICES[:3]],
    ids=["address", "prose", "points", "diagram", "two rows", "three prices"],
)
def test_what_only_stands_beside_each_other_is_none(rows: list[list[str]]) -> None:
    assert labels(rows, "bare", "text") == ["text"]


def test_figures_in_a_drawing_stay_its_own() -> None:
    assert labels(STOCK, "bare", above=6) == ["figure"]
    assert labels(STOCK, "bare", "text", above=6) == ["table", "text"]


def test_lines_in_no_region_are_a_table_too() -> None:
    places: list[tuple[str, tuple[int, int, int, int]]] = []
    picture = drawn(STOCK, "bare", places=places)
    boxes = np.array([box for _, box in places], np.float64)
    (found,) = with_columns(picture, [], boxes, [text for text, _ in places])
    assert found.label == "table"
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    assert (np.array(found.box[:2]) <= low).all()
    assert (np.array(found.box[2:]) >= high).all()
    again = with_columns(picture, [found], boxes, [text for text, _ in places])
    assert again == [found], "a table stays the layout's"


@pytest.mark.parametrize(
    ("text", "are"), [("1,204.50", True), ("£ 3.00", True), ("120 kg", True), ("A4", False), ("—", False), ("Leeds 4", False)]
)
def test_figures_are_what_most_signs_of_a_text_say(text: str, *, are: bool) -> None:
    assert is_figures(text) is are
