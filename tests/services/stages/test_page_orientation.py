"""Which way up a page lies, by a guess, boxes and readings; and the way back to the image that was sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ocr_serving import models
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions
from ocr_serving.errors import ModelError
from ocr_serving.stages.geometry import Quad
from ocr_serving.stages.page import ReadPage, nothing_found, unread
from ocr_serving.stages.page_orientation import (
    TURNS,
    PageClassifier,
    Turn,
    as_sent,
    is_on_its_head,
    thumbnail,
    turn_by_boxes,
    turn_of,
    turned_upright,
)
from ocr_serving.stages.recognition import Text

PAGE: Image = np.full((600, 400, 3), 255, np.uint8)
ACROSS = [np.array([[40, y], [360, y], [360, y + 20], [40, y + 20]], np.float32) for y in range(40, 560, 40)]
DOWN = [np.array([[x, 40], [x + 20, 40], [x + 20, 560], [x, 560]], np.float32) for x in range(40, 360, 40)]


def guess(turn: Turn, sure: float = 0.9) -> NDArray[np.float32]:
    return np.array([sure if entry == turn else (1 - sure) / 3 for entry in TURNS], np.float32)


def reader(as_they_are: Text, over: Text) -> object:
    """A recogniser that reads the first half of what it is given, lines as they are, one way and the other half another."""

    def read(crops: list[Image]) -> list[Text]:
        half = len(crops) // 2
        return [as_they_are] * half + [over] * half

    return read


GOOD, BAD, CJK = Text("Invoice number 20260317", 0.97), Text("ZLEO 9Z0Z Jequnu", 0.6), Text("国破山河在城春草木深", 0.95)


@pytest.mark.parametrize(
    ("quads", "guessed", "as_they_are", "over", "found"),
    [
        (ACROSS, 0, GOOD, BAD, 0),
        (ACROSS, 180, BAD, GOOD, 180),
        (ACROSS, 180, GOOD, BAD, 0),
        (ACROSS, 180, GOOD, GOOD, 0),
        (ACROSS, 90, GOOD, BAD, 0),
        (ACROSS, 270, GOOD, BAD, 0),
        (DOWN, 90, GOOD, BAD, 90),
        (DOWN, 270, BAD, GOOD, 270),
        (DOWN, 270, GOOD, BAD, 90),
        (DOWN, 0, GOOD, BAD, 90),
        (DOWN, 0, BAD, GOOD, 270),
        (DOWN, 0, CJK, BAD, 0),
        (DOWN, 180, BAD, CJK, 180),
        (ACROSS, 90, BAD, CJK, 90),
        (DOWN, 0, BAD, BAD, 0),
        (ACROSS[:1], 180, Text("ZV", 0.5), Text("INVOICE", 0.9), 180),
        (ACROSS[:1], 180, Text("ZV", 0.8), Text("INVOICE", 0.9), 0),
        (ACROSS[:1], 180, Text("BAKERY", 0.87), Text("BAKERY", 0.99), 180),
        (ACROSS[:1], 180, Text("BAKERY", 0.99), Text("BAKERY", 0.87), 0),
        (DOWN[:1], 270, Text("BAKERY", 0.86), Text("BAKERY", 0.99), 270),
        (DOWN[:1], 90, Text("BAKERY", 0.86), Text("BAKERY", 0.99), 270),
        (DOWN[:1], 270, Text("BAKERY", 0.99), Text("BAKERY", 0.86), 90),
        (DOWN[:1], 90, Text("BAKERY", 0.92), Text("BAKERY", 0.99), 0),
        (DOWN[:1], 90, CJK._replace(text="国破山河在", confidence=0.99), BAD._replace(text="ZLEO9"), 90),
        (DOWN[:1], 0, CJK._replace(text="国破山河在", confidence=0.99), BAD._replace(text="ZLEO9"), 0),
        (ACROSS, 180, Text("60.98 609.88", 0.96), Text("88.609 86.09", 0.998), 180),
        (ACROSS, 180, Text("60.98", 0.998), Text("86.09", 0.96), 0),
        (ACROSS, 0, Text("60.98", 0.96), Text("86.09", 0.998), 0),
        (ACROSS[:1], 180, Text("60.98", 0.96), Text("86.09", 0.998), 180),
        (DOWN, 270, Text("60.98", 0.96), Text("86.09", 0.998), 270),
        (DOWN, 90, Text("60.98", 0.998), Text("86.09", 0.96), 90),
        (DOWN, 90, Text("60.98", 0.96), Text("86.09", 0.97), 0),
        (DOWN[:1], 0, Text("INVOICE", 0.9), Text("ZV", 0.3), 0),
        (ACROSS[:1], 180, Text("No", 0.5), Text("oN", 0.9), 0),
        ([], 180, BAD, GOOD, 0),
        (ACROSS, 180, Text("DuanauindDnDaDinaiD", 0.59), Text("CI4α UC CUCItU ICaXG 4GCL", 0.8), 0),
    ],
)
def test_boxes_and_readings_have_the_last_word(quads: list[Quad], guessed: Turn, as_they_are: Text, over: Text, found: int) -> None:
    assert turn_of(PAGE, quads, guess(guessed), reader(as_they_are, over)) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quads", "as_it_is", "over", "found"),
    [
        (ACROSS, BAD, GOOD, True),
        (ACROSS, GOOD, BAD, False),
        (ACROSS, GOOD, GOOD, False),
        (ACROSS[:1], BAD, Text("No", 0.97), False),
        (ACROSS[:1], Text("BAKERY", 0.8), Text("BAKERY", 0.99), True),
        (ACROSS[:1], Text("BAKERY", 0.92), Text("BAKERY", 0.99), False),
        (DOWN, BAD, GOOD, False),
        (ACROSS, Text("DnauindD", 0.5), Text("CI4α UC CUCItU ICaXG 4GCL", 0.8), False),
        ([*DOWN, ACROSS[0]], BAD, GOOD, False),
    ],
)
def test_a_page_on_its_head_reads_well_the_other_way(quads: list[Quad], as_it_is: Text, over: Text, found: bool) -> None:
    assert is_on_its_head(PAGE, quads, reader(as_it_is, over)) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quads", "guessed", "sure", "found"),
    [
        (ACROSS, 180, 0.9, 180),
        (ACROSS, 180, 0.8, 0),
        (ACROSS, 90, 0.9, 0),
        (DOWN, 90, 0.9, 90),
        (DOWN, 270, 0.9, 270),
        (DOWN, 180, 0.9, 0),
        ([], 180, 0.9, 0),
    ],
)
def test_a_page_that_nobody_reads_is_turned_where_guess_and_boxes_agree(
    quads: list[Quad], guessed: Turn, sure: float, found: int
) -> None:
    assert turn_by_boxes(quads, guess(guessed, sure)) == found


@pytest.mark.parametrize("turn", TURNS)
def test_the_way_back_leads_to_the_same_pixel(turn: Turn) -> None:
    sent = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    page = turned_upright(sent, turn)
    for y in range(page.shape[0]):
        for x in range(page.shape[1]):
            there = as_sent(np.array([x, y], np.float32), turn, 5, 7).astype(int)
            assert (sent[there[1], there[0]] == page[y, x]).all()


@pytest.mark.parametrize("turn", TURNS)
def test_a_box_keeps_its_pixels(turn: Turn) -> None:
    sent = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    page = ReadPage(turned_upright(sent, turn), turn, (50, 70))
    x1, y1, x2, y2 = (int(side) for side in page.box_as_sent((5, 10, 30, 40)))
    assert (turned_upright(sent[y1:y2, x1:x2], turn) == page.image[10:40, 5:30]).all()


def test_a_page_that_reads_badly_says_so() -> None:
    page = ReadPage(PAGE, 0, (600, 400), ACROSS, texts=[Text("?#", 0.4)] * len(ACROSS))
    remark = unread(page, 0.5)
    assert remark.startswith("it reads badly whichever way it lies (the mean confidence of its 13 lines is 0.40)")
    assert unread(ReadPage(PAGE, 0, (600, 400), ACROSS, texts=[GOOD] * len(ACROSS)), 0.5) == ""
    assert unread(ReadPage(PAGE, 0, (600, 400), ACROSS[:4], texts=[Text("?#", 0.4)] * 4), 0.3) == "", "few lines may be anything"


def test_a_page_of_which_no_line_is_told_says_so() -> None:
    few = ReadPage(PAGE, 0, (600, 400), ACROSS[:2], texts=[Text("?#", 0.4), Text("", 0.9)])
    assert unread(few, 0.5) == (
        "2 lines were found on it, but none was read with a confidence of 0.5 or more: send it larger or sharper"
    )
    assert unread(few, 0.4) == ""
    assert unread(replace(few, reading_remark="reads badly, as if …"), 0.5) == ""
    assert unread(ReadPage(PAGE, 0, (600, 400)), 0.5) == "it is blank, all of one colour"


def test_a_page_most_of_which_is_not_read_says_so() -> None:
    large = np.array([[40, 100], [360, 100], [360, 500], [40, 500]], np.float32)
    page = ReadPage(PAGE, 0, (600, 400), [ACROSS[0], large, ACROSS[-1]], texts=[GOOD, Text("", 0.9), GOOD])
    assert unread(page, 0.5) == (
        "3 lines were found on it, but most of what they cover, 1 of them, was not read with a confidence of 0.5 or more: send it "
        "larger or sharper"
    )
    assert unread(replace(page, texts=[Text("?#", 0.4), GOOD, GOOD]), 0.5) == ""


@pytest.mark.parametrize(
    ("colours", "said"),
    [
        ([(255, 0, 0)], "it is blank, all of one colour"),
        ([(255, 0, 0), (254, 2, 0)], "it is blank, all of one colour"),
        ([(255, 0, 0), (0, 0, 255)], "no text was found on it"),
    ],
)
def test_a_page_without_lines_is_blank_or_not(colours: list[tuple[int, int, int]], said: str) -> None:
    page = np.resize(np.array(colours, np.uint8), (40, 41, 3))
    assert nothing_found(page) == said


def test_all_that_is_to_be_said_of_a_page_is_said() -> None:
    page = ReadPage(PAGE, 180, (600, 400), remark="it is cut", texts=[GOOD], reading_remark="was read with lang korean")
    turned, *others = page.remarks
    assert turned.startswith("it lies turned by 180 degrees clockwise")
    assert others == ["it is cut", "it was read with lang korean"]


@pytest.mark.parametrize(("height", "width"), [(300, 200), (1, 5000), (5000, 1), (224, 224), (6400, 1080)])
def test_the_thumbnail_is_the_middle(height: int, width: int) -> None:
    page = np.zeros((height, width, 3), np.uint8)
    page[height // 2, width // 2] = 255
    assert thumbnail(page).shape == (224, 224, 3)
    assert thumbnail(page)[100:124, 100:124].max() > 0


@pytest.mark.models
def test_another_network_is_no_classifier_of_pages() -> None:
    with pytest.raises(ModelError, match="doc_orientation_classify_model_dir"):
        PageClassifier(models.resolve("ch_ppocr_mobile_v2.0_cls").path, EngineOptions())
