"""The pictures: something is drawn where the result says, nothing elsewhere, and the letters are letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.output import drawing, files

SLANTED = [[40, 80], [160, 40], [170, 70], [50, 110]]
UPRIGHT = [[40, 40], [160, 40], [160, 70], [40, 70]]
PAPER = 200


@pytest.fixture
def page() -> Image:
    return np.full((160, 220, 3), PAPER, np.uint8)


@pytest.fixture(scope="session")
def font() -> Path:
    found, missing = files.find_font()
    assert found is not None, missing
    return found


def line(text: str, polygon: list[list[int]]) -> dict[str, Any]:
    return {"text": text, "confidence": 0.9, "text_region": polygon}


def inside(polygon: list[list[int]], page: Image, margin: int) -> NDArray[np.bool_]:
    """Pixels of the polygon, widened by `margin` (or narrowed where it is negative)."""
    mask = np.zeros(page.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(polygon, np.int32)], 1)
    kernel = np.ones((2 * abs(margin) + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mask, kernel) if margin > 0 else cv2.erode(mask, kernel), bool)


def changed(picture: Image, background: int) -> NDArray[np.bool_]:
    return np.asarray((picture != background).any(axis=2), bool)


def dark(picture: Image) -> NDArray[np.bool_]:
    """Pixels of ink: darker than any colour of a box."""
    return np.asarray(picture.max(axis=2) < 90, bool)


@pytest.mark.parametrize("polygon", [SLANTED, UPRIGHT])
def test_boxes_alone_change_the_page_inside_and_nowhere_else(page: Image, polygon: list[list[int]]) -> None:
    picture = drawing.draw(page, [{"text_region": polygon}])
    assert picture.shape == page.shape
    assert changed(picture, PAPER)[inside(polygon, page, -1)].all()
    assert not changed(picture, PAPER)[~inside(polygon, page, 2)].any()
    assert (page == PAPER).all(), "the image that was given must stay as it is"


@pytest.mark.parametrize("polygon", [SLANTED, UPRIGHT])
@pytest.mark.parametrize("text", ["Ag", "a line too long for its box"])
def test_text_stands_beside_in_the_same_place_and_fits(page: Image, polygon: list[list[int]], text: str) -> None:
    picture = drawing.draw(page, [line(text, polygon)])
    assert picture.shape == (160, 440, 3)
    left, right = picture[:, :220], picture[:, 220:]
    assert changed(left, PAPER)[inside(polygon, page, -1)].all()
    assert not dark(left).any()
    assert dark(right)[inside(polygon, page, -2)].sum() > 20
    assert not changed(right, 255)[~inside(polygon, page, 2)].any()


def test_text_that_is_too_long_is_made_smaller_and_not_cut(page: Image) -> None:
    pictures = [drawing.draw(page, [line(f"a line too long for its box {last}", UPRIGHT)]) for last in "XO"]
    assert (pictures[0] != pictures[1]).any()


def test_slanted_text_runs_along_its_box(page: Image) -> None:
    right = drawing.draw(page, [line("llllllllllllllllllllllll", SLANTED)])[:, 220:]
    rows, columns = np.nonzero(dark(right))
    slope = np.polyfit(columns, rows, 1)[0]
    assert slope == pytest.approx(-40 / 120, abs=0.05)


@pytest.mark.models
def test_a_tall_box_has_latin_letters_turned_and_chinese_ones_upright(page: Image, font: Path) -> None:
    tall = [[20, 10], [50, 10], [50, 150], [20, 150]]
    turned = dark(drawing.draw(page, [line("llll", tall)], font)[:, 220:])[12:148, 22:48]
    bars = np.flatnonzero(turned.any(axis=1))
    assert turned.any(axis=0).sum() > 15, "the letters lie"
    assert (np.diff(bars) > 1).sum() == 3, "four bars, one under the other"
    upright = dark(drawing.draw(page, [line("一一一", tall)], font)[:, 220:])[12:148, 22:48]
    assert (np.diff(np.flatnonzero(upright.any(axis=1))) > 1).sum() == 2, "three strokes, one under the other"


@pytest.mark.models
def test_chinese_letters_are_letters_and_not_the_box_for_missing_ones(page: Image, font: Path) -> None:
    square = [[40, 40], [100, 40], [100, 100], [40, 100]]
    drawn = {text: dark(drawing.draw(page, [line(text, square)], font)[:, 220:]) for text in ("永", "国", "あ", "한", "\U0010fffe")}
    assert all(ink.sum() > 100 for ink in drawn.values())
    looks = list(drawn.values())
    assert all((a != b).sum() > 100 for n, a in enumerate(looks) for b in looks[:n])


def test_a_caption_strip_is_set_below_the_untouched_image(page: Image) -> None:
    picture = drawing.draw(page, [{"text": "A caption that is wider than the crop it belongs to", "confidence": 0.5}])
    assert (picture[:160, :220] == page).all()
    assert picture.shape[0] > 160
    assert picture.shape[1] > 220
    assert dark(picture[160:]).sum() > 100


def test_kie_labels_have_colours_of_their_own_and_pairs_an_arrow(page: Image) -> None:
    def item(left: int, label: str) -> dict[str, Any]:
        return {
            "text": "x",
            "text_region": [[left, 90], [left + 40, 90], [left + 40, 120], [left, 120]],
            "pred": label,
            "confidence": 1.0,
        }

    items = [item(10, "QUESTION"), item(80, "ANSWER"), item(150, "ANSWER")]
    picture = drawing.draw(page, {"ser_res": items})
    question, first, second = (tuple(picture[115, left + 35]) for left in (10, 80, 150))
    assert first == second != question
    between = np.s_[104:107, 55:75]
    assert not dark(picture[between]).any()
    assert dark(drawing.draw(page, {"re_res": [items[:2]]})[between]).any()


def test_labels_of_a_layout_stand_above_their_regions(page: Image) -> None:
    picture = drawing.draw(page, {"layout": [{"bbox": [40, 60, 160, 120], "label": "title", "score": 0.9}]})
    assert picture.shape == page.shape
    assert dark(picture[40:58, 40:90]).sum() > 10
    assert not changed(picture, PAPER)[70:110, 50:150].any(), "a region is framed, not filled"


def test_the_tables_text_is_set_into_its_cells(page: Image) -> None:
    cell = [10, 10, 70, 10, 70, 40, 10, 40]
    table = {
        "type": "table",
        "bbox": [100, 60, 210, 150],
        "res": {"html": "<table><tr><td>AB</td></tr></table>", "cell_bbox": [cell]},
    }
    right = drawing.draw(page, {"regions": [table]})[:, 220:]
    assert dark(right)[72:98, 112:168].sum() > 20
    assert not dark(right)[110:].any()


def test_an_unknown_shape_leaves_the_image_as_it_is(page: Image) -> None:
    assert (drawing.draw(page, {"mine": [1, 2]}) == page).all()


numbers = st.floats(-1e6, 1e6) | st.floats(-50, 300)


@given(st.lists(st.tuples(numbers, numbers), max_size=6), st.text(max_size=12), st.sampled_from(["", "O"]))
def test_no_polygon_and_no_text_breaks_the_picture(polygon: list[tuple[float, float]], text: str, label: str) -> None:
    blank = np.full((60, 80, 3), PAPER, np.uint8)
    picture = drawing.draw(blank, [{"text": text, "text_region": polygon, "pred": label, "confidence": 0.5}])
    assert picture.dtype == np.uint8
    assert picture.shape[0] == 60
    assert picture.shape[1] in (80, 160)
