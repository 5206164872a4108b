from __future__ import annotations

import numpy as np
import pytest

from ocr_serving.stages.look_alikes import settled
from ocr_serving.stages.words import Reading

LETTERS = " 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def text_of(text: str, doubts: str = "", share: float = 0.3) -> str:
    """What is made of `text` where the network holds each sign of `doubts`, "-" for none, for likely by `share` in place of it."""
    told = np.zeros((len(text), len(LETTERS)), np.float32)
    scores = np.full(len(text), 0.98, np.float32)
    for at, letter in enumerate(doubts):
        if letter != "-":
            told[at, LETTERS.index(letter)] = share
            scores[at] = 0.5
    return settled(Reading(list(text), 0.9, np.arange(len(text), dtype=np.float32), scores, told), LETTERS).text


@pytest.mark.parametrize(
    ("read", "doubts", "true"),
    [
        ("T0: all", "-O", "TO: all"),
        ("10-N0V-86", "----O", "10-NOV-86"),
        ("0UT", "O", "OUT"),
        ("JALAN SET1A", "---------I", "JALAN SETIA"),
        ("Mi1ano", "--l", "Milano"),
    ],
)
def test_a_digit_in_a_word_becomes_the_letter_the_network_half_sees(read: str, doubts: str, true: str) -> None:
    assert text_of(read, doubts, share=0.5) == true
    assert text_of(read, doubts, share=0.2) == read


@pytest.mark.parametrize(
    ("read", "doubts", "true"),
    [("1g20", "-9", "1920"), ("12O4", "--0", "1204"), ("S5,20 7S30", "-------5", "S5,20 7530")],
)
def test_a_letter_in_a_number_becomes_the_digit_the_network_half_sees(read: str, doubts: str, true: str) -> None:
    assert text_of(read, doubts) == true
    assert text_of(read, doubts, share=0.01) == read


def test_the_zeros_of_a_round_number_need_less() -> None:
    assert text_of("3OOO, 2OO", "--0----0", share=0.01) == "3000, 200"
    assert text_of("3OOO, 2OO") == "3OOO, 2OO"
    assert text_of("H2O 4OOM BOO", "--0--0---00", share=0.01) == "H2O 4OOM BOO"


def test_a_longer_word_needs_half_of_the_likelihood() -> None:
    assert text_of("Mi1ano T0", "--l-----O", share=0.26) == "Milano T0"
    assert text_of("Mi1ano T0", "--l-----O", share=0.24) == "Mi1ano T0"


@pytest.mark.parametrize(
    ("read", "doubts"),
    [("C1", "-l"), ("CT1", "--I"), ("AH01", "--O"), ("B1G1F", "-I-I"), ("30CM", "-O"), ("S9", "-g"), ("63rd", "6"), ("MP3", "--B")],
)
def test_codes_stay(read: str, doubts: str) -> None:
    assert text_of(read, doubts, share=0.25) == read


@pytest.mark.parametrize(
    ("read", "doubts"),
    [
        ("note1 x1", "----l--l"),
        ("user0", "----O"),
        ("P0", "-O"),
        ("1a", "l"),
        ("5EUR 1kWh", "S----I"),
        ("8Tage", "B"),
        ("0kg", "O"),
    ],
)
def test_a_figure_that_counts_something_stays(read: str, doubts: str) -> None:
    assert text_of(read, doubts, share=0.49) == read


@pytest.mark.parametrize(("read", "doubts"), [("제1조", "-l"), ("第5章", "-S"), ("図0号", "-O"), ("Ж0Ж", "-O")])
def test_a_figure_among_other_letters_is_no_latin_one(read: str, doubts: str) -> None:
    assert text_of(read, doubts, share=0.49) == read
