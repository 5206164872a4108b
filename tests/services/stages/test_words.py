from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from ocr_serving.images import Image
from ocr_serving.stages.geometry import Quad, crop
from ocr_serving.stages.words import Reading, characters, is_read, quad_of, spaced, words

FONT, SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.6


def reading(text: str, centres: Sequence[float], score: float = 0.9) -> Reading:
    count = len(text)
    return Reading(
        list(text), score, np.array(centres, np.float32), np.full(count, score, np.float32), np.zeros((count, 0), np.float32)
    )


def after_spacing(text: str, gaps: Sequence[float], spaces: dict[int, float]) -> str:
    """`text` whose neighbours are `gaps` apart, with the network's probabilities of a space behind the characters named."""
    centres = np.cumsum([0.0, *gaps]).tolist()
    evidence = np.array([spaces.get(n, 0.0) for n in range(len(text) - 1)], np.float32)
    return spaced(reading(text, centres), evidence).text


@pytest.mark.parametrize("pixels", [4.0, 11.0, 40.0])
def test_a_gap_wider_than_the_lines_own_is_a_space_at_every_size(pixels: float) -> None:
    even = [pixels] * 9
    wide = [*even[:3], 1.9 * pixels, *even[4:]]
    assert after_spacing("pageabcdeo", wide, {3: 0.2}) == "page abcdeo"
    assert after_spacing("pageabcdeo", even, {3: 0.2}) == "pageabcdeo"
    assert after_spacing("pageabcdeo", wide, {}) == "pageabcdeo"


def test_letters_set_wide_apart_stay_one_word() -> None:
    assert after_spacing("receipt", [60.0] * 6, dict.fromkeys(range(6), 0.05)) == "receipt"


def test_a_far_gap_needs_little_evidence() -> None:
    assert after_spacing("YesName", [10, 10, 60, 10, 10, 10], {2: 0.02}) == "Yes Name"


def test_beside_a_sign_the_network_alone_decides() -> None:
    assert after_spacing("date:9", [10, 10, 10, 7, 7], {4: 0.15}) == "date: 9"
    assert after_spacing("12:30", [10, 10, 7, 7], {1: 0.02, 2: 0.02}) == "12:30"


def test_a_figure_that_stands_off_a_word_begins_another() -> None:
    loose = [10, 10, 10, 10, 17, 10, 10]
    assert after_spacing("total123", loose, {4: 0.02}) == "total 123"
    assert after_spacing("total123", [10.0] * 7, {4: 0.02}) == "total123"
    assert after_spacing("total123", loose, {4: 0.005}) == "total123"
    assert after_spacing("TOTAL123", loose, {4: 0.02}) == "TOTAL123"
    assert after_spacing("mp3 file", [10, 17, 10, 10, 10, 10, 10], {1: 0.02}) == "mp3 file"


def test_a_capital_behind_a_small_letter_begins_a_word_if_the_network_half_thinks_so() -> None:
    assert after_spacing("ofEmployer", [10.0] * 9, {1: 0.15}) == "of Employer"
    assert after_spacing("McDonald", [10.0] * 7, {1: 0.03}) == "McDonald"
    assert after_spacing("EMPLOYER", [10.0] * 7, {1: 0.15}) == "EMPLOYER"


def test_brackets_hold_what_they_enclose() -> None:
    close = [10, 7.5, 7.5, 10, 10, 7.5]
    assert after_spacing("up(net)", [*close[:5], 7.5], {1: 0.2, 2: 0.2, 5: 0.2}) == "up (net)"
    assert after_spacing("up(net)", [10, 7.5, 16, 10, 10, 16], {2: 0.2, 5: 0.2}) == "up( net )"


def test_chinese_and_japanese_get_no_spaces() -> None:
    assert after_spacing("発行日平成", [20, 20, 60, 20], dict.fromkeys(range(4), 0.4)) == "発行日平成"


def test_a_space_that_is_there_stays_alone() -> None:
    assert after_spacing("to 12", [10, 20, 20, 10], {1: 0.9, 2: 0.9}) == "to 12"


def drawn(text: str) -> tuple[Image, Reading, list[tuple[int, int]]]:
    """A line of `text`, its reading, and from where to where each of its words has ink."""
    (width, height), _ = cv2.getTextSize(text, FONT, SCALE, 1)
    picture = np.full((height + 14, width + 20, 3), 255, np.uint8)
    cv2.putText(picture, text, (10, height + 6), FONT, SCALE, (0, 0, 0), 1, cv2.LINE_AA)
    starts = [10 + cv2.getTextSize(text[:n], FONT, SCALE, 1)[0][0] for n in range(len(text) + 1)]
    centres = [(start + end) / 2 for start, end in itertools.pairwise(starts)]
    at = 0
    edges = []
    for word in text.split():
        at = text.index(word, at)
        edges.append((starts[at], starts[at + len(word)]))
        at += len(word)
    return picture, reading(text, centres), edges


def test_words_and_characters_lie_on_their_ink() -> None:
    picture, line, edges = drawn("Invoice total 1,234.50")
    found = words(line, picture)
    assert [word.text for word in found] == ["Invoice", "total", "1,234.50"]
    for word, (left, right) in zip(found, edges, strict=True):
        assert [word.left, word.right] == pytest.approx([left, right], abs=4)
        assert word.confidence == pytest.approx(0.9)
        assert 0 <= word.top < word.bottom <= len(picture)
    single = characters(line, picture)
    assert "".join(one.text for one in single) == "Invoicetotal1,234.50"
    assert all(a.right <= b.left for a, b in itertools.pairwise(single))
    assert words(reading("", []), picture) == []


def test_words_of_a_line_with_a_flourish_keep_to_their_own_ink() -> None:
    picture, said, _ = drawn("net total")
    high = np.pad(picture, ((60, 60), (0, 0), (0, 0)), constant_values=255)
    for before, after in zip(words(said, picture), words(said, high), strict=True):
        assert after.bottom - after.top <= 1.8 * (before.bottom - before.top)
        assert [after.left, after.right] == pytest.approx([before.left, before.right], abs=0.2 * len(high))


def test_a_dash_is_as_high_as_the_words_beside_it() -> None:
    picture, said, _ = drawn("May - June")
    first, dash, second = words(said, picture)
    assert dash.bottom - dash.top >= 0.6 * min(first.bottom - first.top, second.bottom - second.top)


@pytest.mark.parametrize("degrees", [0, 12, -30, 90, -90])
def test_word_boxes_follow_the_slope_of_their_line(degrees: float) -> None:
    turn = math.radians(degrees)
    along, down = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    start = np.array([200.0, 200.0])
    if abs(degrees) == 90:
        # As a detector tells them: from the top left of the page, the side of a turned line that is 20 long first.
        quad = np.array([[200, 200], [220, 200], [220, 320], [200, 320]], np.float32)
        along, down = np.array([0.0, 1.0]), np.array([-1.0, 0.0])
        start = np.array([220.0, 200.0])
    else:
        quad = np.array([start, start + 120 * along, start + 120 * along + 20 * down, start + 20 * down], np.float32)
    page = np.full((420, 420, 3), 255, np.uint8)
    from_x, to_x = 48, 72
    dark = np.array(
        [start + from_x * along, start + to_x * along, start + to_x * along + 20 * down, start + from_x * along + 20 * down]
    )
    cv2.fillPoly(page, [np.rint(dark).astype(np.int32)], (0, 0, 0))
    picture = crop(page, quad)
    (word,) = words(reading("x", [picture.shape[1] / 2]), picture)
    box = quad_of(word, quad, picture.shape[:2])
    assert _iou(box, dark.astype(np.float32)) > 0.75


def test_a_quad_whose_ends_differ_in_height_does_not_move_its_words() -> None:
    """Corners are whole pixels, so that one end of a long line is often a pixel or two higher than the other."""
    quad = np.array([[20, 200], [400, 202], [400, 218], [20, 222]], np.float32)
    page = np.full((420, 420, 3), 255, np.uint8)
    dark = np.array([[200, 202], [230, 202], [230, 219], [200, 219]], np.float32)
    cv2.fillPoly(page, [dark.astype(np.int32)], (0, 0, 0))
    picture = crop(page, quad)
    (word,) = words(reading("x", [165]), picture)
    assert _iou(quad_of(word, quad, picture.shape[:2]), dark) > 0.75


def _iou(one: Quad, other: Quad) -> float:
    masks = []
    for quad in (one, other):
        mask = np.zeros((420, 420), np.uint8)
        cv2.fillPoly(mask, [np.rint(quad).astype(np.int32)], 1)
        masks.append(mask.astype(bool))
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


@pytest.mark.parametrize(
    ("text", "width", "read"),
    [
        ("   .", 200, False),
        (".", 200, False),
        ("", 50, False),
        ("-", 20, True),
        ("......", 150, True),
        ("a", 300, True),
        ("7", 20, True),
    ],
)
def test_signs_alone_count_as_read_only_where_they_fill_their_line(text: str, width: int, read: bool) -> None:
    assert is_read(reading(text, np.linspace(0, width, len(text)).tolist()), 20, width) == read
