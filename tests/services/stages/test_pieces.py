"""Pages too long or too dense for one look: all their lines are found, each once, and what cannot be is said."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.pictures import written as printed
from ocr_serving import models
from ocr_serving.config.params import DetectionParams, OCRParams
from ocr_serving.engines import EngineOptions
from ocr_serving.stages import detection, pieces
from ocr_serving.stages.detection import TextDetector, quads_from_map
from ocr_serving.stages.geometry import Quad
from ocr_serving.stages.reading_order import reading_order

Page = NDArray[np.uint8]

WORDS = ("silver", "trains", "near", "the", "bank", "leave", "brown", "coins", "while", "every", "seven", "men", "count", "jumps")


def params(**changes: Any) -> DetectionParams:
    return DetectionParams.read({"model_set": "PP-OCRv6_tiny"}, changes)


@pytest.fixture(scope="module")
def detector() -> TextDetector:
    return TextDetector(params(), models.resolve("PP-OCRv6_tiny_det").path, EngineOptions())


def written(height: int, width: int, scale: float, pitch: int, until: int | None = None) -> tuple[Page, int]:
    """A page full of lines of type, and how many they are; capitals are about 22 * `scale` pixels high."""
    page = np.full((height, width, 3), 255, np.uint8)
    lines, word = 0, 0
    for bottom in range(2 * pitch, height - pitch, pitch):
        text = ""
        while True:
            longer = f"{text} {WORDS[word % len(WORDS)]}".strip()
            if cv2.getTextSize(longer, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] > (until or width) - 2 * pitch:
                break
            text, word = longer, word + 1
        thick = max(1, round(2 * scale))
        cv2.putText(page, text, (pitch, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20), thick, cv2.LINE_AA)
        lines += 1
    return page, lines


def whole(quads: list[Quad], pitch: int, lines: int) -> bool:
    """Whether there is one quad for each line, where it stands."""
    middles = [float(quad[:, 1].mean()) for quad in reading_order(quads)]
    return len(middles) == lines and all(abs(at - (2 * pitch + n * pitch)) < pitch / 2 for n, at in enumerate(middles))


@pytest.mark.models
@pytest.mark.parametrize(
    ("height", "width", "scale", "pitch"),
    [(6000, 900, 0.9, 60), (12_000, 700, 0.8, 80), (1500, 5600, 0.6, 50), (300, 7000, 1.2, 80), (4000, 2800, 0.45, 30)],
    ids=["tall", "taller", "wide", "strip", "dense"],
)
def test_every_line_is_found_once(detector: TextDetector, height: int, width: int, scale: float, pitch: int) -> None:
    page, lines = written(height, width, scale, pitch)
    found = detector.find(page)
    assert whole(found.quads, pitch, lines)
    assert found.remark == ""
    assert not whole(detector(page, params(det_pieces=False)), pitch, lines)


@pytest.mark.models
def test_of_many_lines_in_small_type_none_is_lost(detector: TextDetector) -> None:
    # Most of them are found at the scale that the page is looked at first, and a few are not.
    sentence = "The quick brown fox jumps over the lazy dog while seven wizards mix potions before June"
    column = printed(*(sentence[start % 9 :][:75] for start in range(48)), size=14)[:1500, :670]
    quads = detector(np.concatenate([column] * 9, axis=1))
    places = {(int(quad[:, 0].mean()) // 670, int(quad[:, 1].mean() - 40) // 30) for quad in quads}
    assert len(quads) == len(places) == 9 * 48


@pytest.mark.models
def test_columns_that_melt_at_first_sight_are_no_heading(detector: TextDetector) -> None:
    column, lines = written(1500, 660, 0.5, 24)
    assert len(detector(np.concatenate([column] * 9, axis=1))) == 9 * lines


@pytest.mark.models
def test_small_type_below_large_type_is_found(detector: TextDetector) -> None:
    small, lines = written(2200, 2400, 0.6, 40)
    page = np.full((3200, 2400, 3), 255, np.uint8)
    page[1000:] = small
    cv2.putText(page, "REPORT", (200, 600), cv2.FONT_HERSHEY_SIMPLEX, 15, (0, 0, 0), 50, cv2.LINE_AA)
    quads = detector(page)
    heading = [quad for quad in quads if quad[:, 1].mean() < 900]
    assert len(heading) == 1
    assert np.ptp(heading[0][:, 0]) > 1200
    assert len(quads) == lines + 1


@pytest.mark.models
def test_an_ordinary_page_is_read_as_it_ever_was(detector: TextDetector) -> None:
    page, _ = written(1400, 1000, 0.8, 50)
    assert [quad.tolist() for quad in detector(page)] == [quad.tolist() for quad in detector(page, params(det_pieces=False))]


@pytest.mark.models
@pytest.mark.parametrize("most", [700_000, 1_000_000], ids=["once", "closer"])
def test_type_too_small_for_a_huge_page_is_said(detector: TextDetector, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(pieces, "MOST_PIXELS", most)
    page, _ = written(2900, 2000, 0.5, 34)
    assert detector.find(page).remark == detection.TOO_SMALL


@pytest.mark.models
def test_a_cut_at_a_closer_look_is_said(detector: TextDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "MANY_CANDIDATES", 8)
    page, lines = written(2900, 2000, 0.6, 120)
    remark = detector.find(page).remark
    assert remark.startswith("it has ")
    assert remark.endswith(" spots that may be text, of which 8 were looked at"), lines


@pytest.mark.models
def test_who_asks_for_a_quick_look_gets_one(detector: TextDetector) -> None:
    page, lines = written(2900, 2000, 0.6, 40)
    assert len(detector(page, params(det_limit_side_len=320))) < lines


def spots(count: int) -> NDArray[np.float32]:
    """A map with that many blobs."""
    probability = np.zeros((16 * -(-count // 60), 60 * 24), np.float32)
    for n in range(count):
        top, left = 16 * (n // 60), 24 * (n % 60)
        probability[top + 3 : top + 13, left + 3 : left + 21] = 0.9
    return probability


def test_more_than_a_thousand_words_are_found() -> None:
    map_ = spots(1500)
    assert len(quads_from_map(map_, map_.shape[0], map_.shape[1], params()).quads) == 1500
    assert len(quads_from_map(map_, map_.shape[0], map_.shape[1], params(det_pieces=False)).quads) == 1000


def test_a_cut_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "MANY_CANDIDATES", 100)
    map_ = spots(120)
    assert (
        quads_from_map(map_, map_.shape[0], map_.shape[1], params()).remark
        == "it has 120 spots that may be text, of which 100 were looked at"
    )


def test_legacy_widths_ask_for_the_old_answers() -> None:
    assert not OCRParams.read({"rec_width": "legacy"}, {}).in_pieces
    assert OCRParams.read({"rec_width": "legacy"}, {"det_pieces": True}).in_pieces
    assert OCRParams.read({}, {}).in_pieces


sides = st.integers(1, 500).map(lambda count: count * pieces.STRIDE)


@given(sides, sides, st.sampled_from([320, 640, 736, 960]))
def test_pieces_cover_a_map_and_are_no_larger_than_asked(height: int, width: int, limit: int) -> None:
    covered = np.zeros((height // 32, width // 32), np.bool_)
    for (top, bottom, left, right), (first, last, begin, end) in pieces.pieces((height, width), limit):
        assert 0 <= top <= first < last <= bottom <= height
        assert 0 <= left <= begin < end <= right <= width
        assert max(bottom - top, right - left) <= limit
        assert (bottom - top) % pieces.STRIDE == (right - left) % pieces.STRIDE == 0
        covered[first // 32 : -(-last // 32), begin // 32 : -(-end // 32)] = True
    assert covered.all()


def test_paper_and_photographs_of_one_tone_have_no_texture() -> None:
    page = np.full((640, 640, 3), 240, np.uint8)
    page[200:400, 200:400] = 60
    blocks = pieces.missed(page, np.zeros((640, 640), np.bool_))
    assert pieces.suspicious(blocks, 2000, 2000) is None
