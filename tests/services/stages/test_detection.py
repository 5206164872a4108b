from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import networks
from ocr_serving.config.params import DetectionParams
from ocr_serving.engines import engine_options
from ocr_serving.errors import ModelError
from ocr_serving.stages import detection
from ocr_serving.stages.detection import (
    MAX_SIDE,
    NORMALISED,
    TextDetector,
    at_least,
    input_size,
    is_skewed,
    mean_inside,
    network_input,
    quads_from_map,
    unclipped,
)
from ocr_serving.stages.geometry import WARP_LIMIT
from ocr_serving.stages.pieces import STRIDE
from ocr_serving.stages.reading_order import reading_order


def params(**values: Any) -> DetectionParams:
    return DetectionParams.read({"det_db_thresh": 0.3, "det_db_box_thresh": 0.6, "det_db_unclip_ratio": 1.5} | values, {})


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> TextDetector:
    """Takes dark pixels for text."""
    model = networks.dark_pixels(tmp_path_factory.mktemp("det") / "inference.onnx")
    return TextDetector(params(), model, engine_options())


def test_another_network_is_refused(tmp_path: Path) -> None:
    model = networks.upside_down_if_dark(tmp_path / "inference.onnx")
    with pytest.raises(ModelError, match="is no DB text detector"):
        TextDetector(params(), model, engine_options())


def page_with(*boxes: tuple[int, int, int, int], height: int = 640, width: int = 640) -> np.ndarray[Any, np.dtype[np.uint8]]:
    page = np.full((height, width, 3), 255, np.uint8)
    for left, top, right, bottom in boxes:
        page[top:bottom, left:right] = 0
    return page


def test_lines_are_found_where_they_are_a_little_larger(detector: TextDetector) -> None:
    found = reading_order(detector(page_with((100, 60, 300, 80), (320, 400, 620, 440))))
    # A rectangle of w x h grows by 1.5 w h / 2 (w + h) to each side.
    growth = [1.5 * 200 * 20 / 440, 1.5 * 300 * 40 / 680]
    expected = [(100, 60, 300, 80), (320, 400, 620, 440)]
    for box, (left, top, right, bottom), by in zip(found, expected, growth, strict=True):
        wanted = np.array([[left - by, top - by], [right + by, top - by], [right + by, bottom + by], [left - by, bottom + by]])
        assert np.abs(box - np.clip(wanted, 0, 639)).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(1280, 1600), (700, 333), (2000, 90)])
def test_boxes_are_in_pixels_of_the_page_that_was_given(detector: TextDetector, height: int, width: int) -> None:
    text = (width // 4, height // 2, 3 * width // 4, height // 2 + height // 10)
    (box,) = detector(page_with(text, height=height, width=width))
    assert np.abs(box.mean(axis=0) - np.mean([text[:2], text[2:]], axis=0)).max() <= 4


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 31), (640, 640), (3, 5000), (5000, 3)])
def test_a_page_without_text_has_no_lines(detector: TextDetector, height: int, width: int) -> None:
    assert detector(page_with(height=height, width=width)) == []


def test_a_page_smaller_than_the_network_takes_keeps_its_pixels(detector: TextDetector) -> None:
    # 30 x 30 is padded with black, which is "text" to this network, and the box is cut to the page.
    (box,) = detector(page_with(height=30, width=30) * 0)
    assert box.tolist() == [[0, 0], [29, 0], [29, 29], [0, 29]]


def test_text_at_the_border_stays_on_the_page(detector: TextDetector) -> None:
    (box,) = detector(page_with((0, 0, 640, 30)))
    assert box.min() >= 0
    assert box.max() <= 639


def test_specks_are_no_lines(detector: TextDetector) -> None:
    assert detector(page_with((100, 100, 103, 102), (300, 300, 302, 400))) == []


def test_a_hairline_is_no_line_however_much_it_would_grow(detector: TextDetector) -> None:
    assert detector(page_with((100, 100, 300, 103)), params(det_db_unclip_ratio=4.0)) == []


def test_small_print_is_a_line(detector: TextDetector) -> None:
    assert len(detector(page_with((100, 100, 200, 105)))) == 1


def test_parameters_of_one_call_do_not_outlive_it(detector: TextDetector) -> None:
    page = page_with((100, 60, 300, 80))
    before = detector(page)[0].tolist()
    wider = detector(page, params(det_db_unclip_ratio=3.0))[0].tolist()
    assert wider != before
    assert detector(page)[0].tolist() == before


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(32, 16_384), st.sampled_from(["max", "min"]))
def test_the_network_gets_sides_it_can_halve_five_times_and_bear(height: int, width: int, limit: int, limit_type: str) -> None:
    for side in input_size(height, width, limit, limit_type):
        assert side % STRIDE == 0
        assert STRIDE <= side <= MAX_SIDE + STRIDE


@pytest.mark.parametrize(
    ("page", "limit", "limit_type", "size"),
    [
        ((1920, 1080), 960, "max", (960, 544)),
        ((500, 400), 960, "max", (512, 384)),
        ((500, 400), 736, "min", (928, 736)),
        ((1500, 1000), 736, "min", (1504, 992)),
        ((10_000, 100), 736, "min", (4000, 32)),
        ((1, 1), 16_384, "min", (1984, 1984)),
        ((3000, 2500), 4000, "min", (3008, 2496)),
    ],
)
def test_which_side_is_limited(page: tuple[int, int], limit: int, limit_type: str, size: tuple[int, int]) -> None:
    assert input_size(*page, limit, limit_type) == size


def test_pixels_are_normalised_as_in_training() -> None:
    page = np.arange(256, dtype=np.uint8).reshape(16, 16)[:, :, None].repeat(3, axis=2)
    expected = (page.astype(np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    tensor = network_input(page, (16, 16), NORMALISED["DB"])
    assert tensor.shape == (1, 3, 16, 16)
    np.testing.assert_allclose(tensor[0], expected.transpose(2, 0, 1), atol=1e-5)


def test_a_small_page_is_padded_with_black() -> None:
    page = np.full((20, 40, 3), 200, np.uint8)
    padded = at_least(page, 32)
    assert padded.shape == (32, 40, 3)
    assert (padded[:20] == 200).all()
    assert (padded[20:] == 0).all()


def blob(value: float, hole: float | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
    probability = np.zeros((64, 64), np.float32)
    probability[20:40, 10:50] = value
    if hole is not None:
        probability[22:38, 12:48] = hole
    return probability


@pytest.mark.parametrize(("value", "found"), [(0.2, 0), (0.5, 0), (0.7, 1)])
def test_faint_blobs_are_left_out(value: float, found: int) -> None:
    assert len(quads_from_map(blob(value), 64, 64, params()).quads) == found


def test_slow_scores_follow_the_contour_and_fast_ones_the_box() -> None:
    triangle = np.zeros((64, 64), np.float32)
    cv2.fillPoly(triangle, [np.array([[5, 10], [60, 10], [60, 55]], np.int32)], 0.8)
    assert quads_from_map(triangle, 64, 64, params(det_db_score_mode="fast")).quads == []
    assert len(quads_from_map(triangle, 64, 64, params(det_db_score_mode="slow")).quads) == 1


def test_dilation_joins_neighbours() -> None:
    probability = np.zeros((64, 128), np.float32)
    probability[20:40, 10:50] = probability[20:40, 51:90] = 0.9
    assert len(quads_from_map(probability, 64, 128, params(use_dilation=False)).quads) == 2
    assert len(quads_from_map(probability, 64, 128, params(use_dilation=True)).quads) == 1


def test_the_mean_is_taken_inside_only() -> None:
    probability = blob(0.9)
    inside = np.array([[10, 20], [49, 20], [49, 39], [10, 39]], np.float32)
    assert mean_inside(probability, inside) == pytest.approx(0.9)
    assert mean_inside(probability, inside + np.array([0, 10], np.float32)) == pytest.approx(0.45, abs=0.03)
    assert mean_inside(probability, inside + 1000) == 0


def test_a_quad_without_an_area_cannot_grow() -> None:
    assert unclipped(np.full((4, 2), 7, np.float32), 1.5) is None


@pytest.mark.parametrize("degrees", [-15, 8, 15])
def test_lines_that_melt_into_one_where_they_slope_are_found_along_them(tmp_path: Path, degrees: float) -> None:
    model = networks.dark_pixels(tmp_path / "inference.onnx", reach=20)
    detector = TextDetector(params(), model, engine_options())
    tops = [160, 220, 280, 340, 400, 418, 436, 454, 472, 490, 560, 620]
    words = [(left, top, left + 80, top + 14) for top in tops for left in range(160, 640, 95)]
    page = page_with(*words, height=800, width=800)
    turn = cv2.getRotationMatrix2D((400, 400), -degrees, 1.0)
    askew = np.asarray(cv2.warpAffine(page, turn, (800, 800), borderValue=(255, 255, 255)), np.uint8)
    level, sloping = reading_order(detector(page)), reading_order(detector(askew))
    assert len(level) == len(sloping) == 12
    for line, was in zip(sloping, level, strict=True):
        assert line == pytest.approx(cv2.transform(was[None], turn)[0], abs=3)


def test_small_type_of_a_page_askew_is_found_as_that_of_the_level_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = TextDetector(params(), networks.dark_pixels(tmp_path / "inference.onnx"), engine_options())
    sizes: list[tuple[int, int]] = []
    run = detector.network.run

    def seen(pixels: Any) -> Any:
        looked = list(pixels)
        sizes.extend((look.height, look.width) for look in looked)
        return run(looked)

    monkeypatch.setattr(detector.network, "run", seen)
    words = [(left, top, left + 120, top + 16) for top in range(60, 1860, 60) for left in range(60, 1200, 160)]
    page = page_with(*words, height=1920, width=1280)
    degrees, side = 12, 2308
    turn = cv2.getRotationMatrix2D((640, 960), -degrees, 1.0) + np.array([[0, 0, (side - 1280) / 2], [0, 0, (side - 1920) / 2]])
    askew = np.asarray(cv2.warpAffine(page, turn, (side, side), borderValue=(255, 255, 255)), np.uint8)
    assert len(detector(askew)) == len(detector(page)) == len(words)
    at_first, again, level = sizes
    assert at_first[0] < again[0] == pytest.approx(level[0], abs=64)
    # Who sets the scale by the shorter side gets it.
    sizes.clear()
    detector(askew, params(det_limit_type="min"))
    assert sizes == [(2304, 2304)]


@pytest.mark.parametrize(("degrees", "skewed"), [(0, False), (2, False), (5, True), (-15, True), (40, False)])
def test_which_slopes_are_skew(degrees: float, skewed: bool) -> None:
    turn = cv2.getRotationMatrix2D((400, 400), -degrees, 1.0)
    lines = [np.array([[60, y], [460, y], [460, y + 20], [60, y + 20]], np.float32) for y in range(100, 700, 60)]
    assert is_skewed([np.asarray(cv2.transform(line[None], turn)[0], np.float32) for line in lines]) == skewed


def test_a_page_askew_that_is_too_long_to_be_laid_level_is_read_all_the_same(detector: TextDetector) -> None:
    page = np.full((WARP_LIMIT + 100, 160, 3), 255, np.uint8)
    tops = range(100, WARP_LIMIT, 2000)
    for top in tops:
        cv2.fillConvexPoly(page, np.array([[20, top], [140, top + 10], [138, top + 30], [18, top + 20]]), (0, 0, 0))
    assert len(detector(page)) == len(tops)


def test_a_cut_of_a_page_askew_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "MANY_CANDIDATES", 10)
    detector = TextDetector(params(), networks.dark_pixels(tmp_path / "inference.onnx"), engine_options())
    turn = cv2.getRotationMatrix2D((400, 400), -8, 1.0)
    page = page_with(*[(160, top, 640, top + 20) for top in range(160, 660, 40)], height=800, width=800)
    askew = np.asarray(cv2.warpAffine(page, turn, (800, 800), borderValue=(255, 255, 255)), np.uint8)
    assert detector.find(askew).remark == "it has 13 spots that may be text, of which 10 were looked at"


def test_a_level_page_is_looked_at_once(detector: TextDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []
    run = detector.network.run

    def counted(pixels: Any) -> Any:
        looked.append(pixels)
        return run(pixels)

    monkeypatch.setattr(detector.network, "run", counted)
    page = page_with((100, 60, 500, 80), (100, 120, 620, 140))
    assert len(detector(page)) == 2
    assert len(looked) == 1
