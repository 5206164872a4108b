"""Lines of small print, read on the page and again enlarged: of two readings the surer one."""

from __future__ import annotations

import numpy as np

from ocr_serving.stages.recognition import Text
from ocr_serving.stages.tables.lines import Lines, surest
from ocr_serving.stages.tables.words import Word


def quad(x: float, y: float, width: float = 60.0, height: float = 10.0) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def lines(*said: tuple[str, float, np.ndarray]) -> Lines:
    """Each of one word, which is all that it says."""
    quads = np.array([at for _, _, at in said], np.float64).reshape(-1, 4, 2)
    return Lines(quads, [Text(text, confidence) for text, confidence, _ in said], [[Word(text, at)] for text, _, at in said])


def read(again: Lines, before: Lines) -> list[str]:
    both = surest(again, before)
    assert [[word.text for word in line] for line in both.words] == [[text.text] for text in both.texts]
    assert both.quads is again.quads
    return [text.text for text in both.texts]


def test_spaces_are_those_of_the_page_however_sure_the_second_reading_is() -> None:
    again = lines(("JUNE30", 0.99, quad(0, 0)), ("SEP 22", 0.99, quad(0, 20)))
    assert read(again, lines(("JUNE 30", 0.9, quad(2, 1)), ("SEP22", 0.9, quad(-2, 21)))) == ["JUNE 30", "SEP22"]


def test_signs_about_words_are_those_of_the_page_and_those_about_figures_of_the_surer_reading() -> None:
    again = lines(("STRAIN OF MICE:", 0.98, quad(0, 0)), ("(NO. DEAD)", 0.98, quad(0, 20)), ("-1.50", 0.98, quad(0, 40)))
    before = lines(("STRAIN OF MICE", 0.97, quad(0, 0)), ("NO DEAD)", 0.8, quad(0, 20)), ("150", 0.9, quad(0, 40)))
    assert read(again, before) == ["STRAIN OF MICE", "NO DEAD)", "-1.50"]


def test_of_other_signs_the_surer_ones_are_taken() -> None:
    again = lines(("PRE-SELL.", 0.8, quad(0, 0)), ("vOLUME", 0.9, quad(0, 20)), ("same", 0.7, quad(0, 40)))
    before = lines(("PRE-SELL", 0.9, quad(0, 0)), ("WOLUME", 0.8, quad(0, 20)), ("sane", 0.7, quad(0, 40)))
    assert read(again, before) == ["PRE-SELL", "vOLUME", "same"]


def test_lines_that_were_parted_or_lie_elsewhere_are_left_as_they_are() -> None:
    again = lines(("left", 0.5, quad(0, 0, 25)), ("right", 0.5, quad(32, 0, 28)), ("below", 0.5, quad(0, 20)))
    assert read(again, lines(("left right", 0.99, quad(0, 0)), ("above", 0.99, quad(0, -20)))) == ["left", "right", "below"]


def test_a_page_without_lines_adds_nothing() -> None:
    assert read(lines(("12", 0.9, quad(0, 0))), lines()) == ["12"]
    assert read(lines(), lines(("12", 0.9, quad(0, 0)))) == []
