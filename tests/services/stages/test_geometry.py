from __future__ import annotations

import random

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_serving.stages.geometry import clipped, clockwise, crop, sharp_crop, side_lengths, sorted_boxes


def quad(left: float, top: float, right: float, bottom: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


PAGE = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)


@given(st.permutations(range(4)), st.integers(-30, 30))
def test_corners_in_any_order_become_clockwise_from_the_top_left(order: list[int], angle: int) -> None:
    turn = cv2.getRotationMatrix2D((50, 20), angle, 1.0)
    tilted = cv2.transform(quad(0, 0, 100, 40)[None], turn)[0].astype(np.float32)
    assert (clockwise(tilted[order]) == tilted).all()


def test_clipped_corners_lie_on_the_page() -> None:
    assert clipped(quad(-3, -0.5, 300.7, 7.9), height=200, width=300).tolist() == quad(0, 0, 299, 7).tolist()


def test_sides_are_the_longer_of_each_pair() -> None:
    assert side_lengths(np.array([[0, 0], [100, 0], [90, 40], [0, 20]], np.float32)) == (100, 41)


def test_paddleocr_sorts_top_to_bottom_then_left_to_right() -> None:
    # The right box of each line stands a little higher than the left one.
    lines = [quad(10, 104, 50, 120), quad(60, 100, 90, 120), quad(10, 9, 50, 30), quad(60, 0, 90, 30)]
    random.Random(3).shuffle(lines)
    ordered = sorted_boxes(lines)
    assert [box[0].tolist() for box in ordered] == [[10, 9], [60, 0], [10, 104], [60, 100]]


def test_ten_pixels_apart_is_another_line() -> None:
    ordered = sorted_boxes([quad(60, 0, 90, 8), quad(10, 10, 50, 18)])
    assert [box[0].tolist() for box in ordered] == [[60, 0], [10, 10]]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=30))
def test_paddleocrs_order_keeps_every_box(corners: list[tuple[int, int]]) -> None:
    boxes = [quad(x, y, x + 20, y + 10) for x, y in corners]
    assert sorted(map(id, sorted_boxes(boxes))) == sorted(map(id, boxes))


def test_an_upright_crop_is_that_part_of_the_page() -> None:
    assert (crop(PAGE, quad(40, 30, 120, 60)) == PAGE[30:60, 40:120]).all()


@given(st.integers(-3, 303), st.integers(-3, 203), st.integers(1, 60), st.integers(0, 40), st.sampled_from([0, 0.5]))
def test_a_crop_is_what_warping_gives_also_where_it_leaves_the_page(x: int, y: int, width: int, height: int, off: float) -> None:
    width = max(width, height)
    box = quad(x + off, y, x + off + width, y + height)
    target = quad(0, 0, width, max(1, height))
    matrix = cv2.getPerspectiveTransform(box, target)
    size = (width, max(1, height))
    warped = cv2.warpPerspective(PAGE, matrix, size, borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)
    assert (crop(PAGE, box) == warped).all()


def test_vertical_text_is_turned_counter_clockwise() -> None:
    assert (crop(PAGE, quad(40, 30, 60, 60)) == np.rot90(PAGE[30:60, 40:60])).all()


def test_text_a_little_higher_than_wide_is_not_turned() -> None:
    assert crop(PAGE, quad(40, 30, 60, 59)).shape == (29, 20, 3)


def test_a_tilted_crop_is_set_upright() -> None:
    page = np.full((200, 300, 3), 255, np.uint8)
    tilted = cv2.boxPoints(((150, 100), (120, 30), 20))
    cv2.fillPoly(page, [np.round(tilted).astype(np.int32)], (0, 0, 0))
    upright = crop(page, clockwise(tilted.astype(np.float32)))
    assert upright.shape[:2] in {(29, 119), (29, 120), (30, 119), (30, 120)}
    assert upright[3:-3, 3:-3].mean() < 5


def test_a_sharp_crop_keeps_more_of_fine_strokes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    strokes = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8), np.uint8)
    turn = cv2.getRotationMatrix2D((150, 100), -15, 1.0)
    page = np.asarray(cv2.warpAffine(strokes, turn, (300, 200), flags=cv2.INTER_CUBIC), np.uint8)
    level = quad(80, 80, 220, 100)
    line = clockwise(cv2.transform(level[None], turn)[0])
    true = crop(strokes, level).astype(float)
    sharp, plain = (np.abs(cut(page, line)[:20, :139] - true[:20, :139]).mean() for cut in (sharp_crop, crop))
    assert sharp < 0.9 * plain
    assert (sharp_crop(page, quad(40, 30, 120, 60)) == page[30:60, 40:120]).all()


@pytest.mark.parametrize("box", [quad(5, 5, 5, 5), quad(0, 0, 4, 0), quad(299, 199, 299, 199)])
def test_a_box_without_an_area_still_gives_a_picture(box: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    assert min(crop(PAGE, box).shape[:2]) >= 1


@pytest.mark.parametrize("columns", [32_767, 60_000])
def test_a_page_too_wide_for_opencv_is_cropped_all_the_same(columns: int) -> None:
    page = np.tile(PAGE[:40], (1, columns // 300 + 1, 1))[:, :columns]
    far = columns - 200
    assert (crop(page, quad(far, 5, far + 80, 35)) == page[5:35, far : far + 80]).all()


def test_a_crop_of_a_page_too_wide_reads_the_pixels_around_it_too() -> None:
    # Half a pixel off, each pixel of the crop is mixed of its neighbours, also of those outside of the quad.
    page = np.tile(PAGE, (1, 120, 1))
    box = quad(40.5, 30.5, 120.5, 60.5)
    assert (crop(page, box + np.array([33_000, 0], np.float32)) == crop(PAGE, box)).all()


def test_a_line_too_wide_for_opencv_is_scaled_down() -> None:
    page = np.zeros((40, 40_000, 3), np.uint8)
    page[:, 20_000:] = 255
    line = crop(page, quad(0, 0, 39_999, 39))
    assert 30_000 < line.shape[1] < 32_767
    middle = line.shape[1] // 2
    assert line[:, : middle - 5].max() == 0
    assert line[:, middle + 5 :].min() == 255
