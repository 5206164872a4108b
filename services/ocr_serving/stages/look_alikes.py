"""Letters and digits that look alike, told by their neighbours where the network itself is in doubt; whatever the language. Pure.

A letter in a number becomes the digit it is likeliest to be, a digit in a word the letter: "T0:" is "TO:", "SET1A" is "SETIA".
Codes such as "B1G1F" and "C1", and all that the network is sure of, stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ocr_serving.stages.sureness import script
from ocr_serving.stages.words import Reading

LETTERS_OF: Mapping[str, str] = {"0": "Oo", "1": "lIi", "5": "Ss", "8": "B"}
"""The letters that a digit may be."""

LEAST_DIGIT_RATIO = 0.2
"""Of a digit's probability to that of the letter the network chose, from which it may stand in for it in a number."""

LEAST_LETTER_RATIO, LONE_LETTER_RATIO = 0.5, 1.0
"""Of a letter's probability to that of the digit the network chose, from which it may stand in for it in a word; and where the word
has but one more letter."""

ROUND_RATIO = 0.003
"""As the first, of one of the zeros of a round number, which in some typefaces are the letter: "3OOO" is no code."""

NUMBER_SHARE = 0.6
"""A run of letters and digits is a number if this share of it are digits: of the others, most are codes."""

LEAST_DIGITS = 3
"""Shorter numbers are units and grades as often."""

MEASURES = ("mg", "kg", "ml", "cl", "dl", "cm", "mm", "km", "px", "pt", "ft", "oz", "lb")
COUNTS = ("am", "pm", "hr", "hrs", "min", "sec", "pc", "pcs", "kb", "mb", "gb", "tb", "hz", "khz", "mhz", "ghz")
BEHIND_ZERO = frozenset((*MEASURES, *COUNTS))
"""What stands behind a zero that is one, case folded."""


def settled(reading: Reading, letters: Sequence[str]) -> Reading:
    """`reading` with letters in its numbers as digits, and digits in its words as letters.

    `letters` are the characters of the last axis of the reading's `told`.
    """
    characters = list(reading.characters)
    if not any(character.isdigit() for character in characters):
        return reading
    column = {letter: n for n, letter in enumerate(letters)}
    for start, end in runs(characters):
        run = characters[start:end]
        if not all(character.isdigit() for character in run):
            characters[start:end] = _number(run, start, reading, column) or _word(run, start, reading, column) or run
    return reading._replace(characters=characters)


def runs(characters: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of letters and digits."""
    for is_run, run in itertools.groupby(range(len(characters)), lambda n: characters[n].isalnum()):
        places = list(run)
        if is_run:
            yield places[0], places[-1] + 1


def _number(run: Sequence[str], start: int, reading: Reading, column: Mapping[str, int]) -> list[str] | None:
    """A run of letters and digits that begins at `start` as a number; None where it is none."""
    digits = [letter for letter in column if letter.isdigit()]
    letters = [n for n, character in enumerate(run) if not character.isdigit()]
    if not digits or len(run) < LEAST_DIGITS:
        return None
    at = [start + n for n in letters]
    ratios = reading.told[np.ix_(at, [column[digit] for digit in digits])] / np.maximum(reading.scores[at], 1e-6)[:, None]
    if run[0] in "123456789" and set(run[1:]) <= set("0Oo") and "0" in column and ratios[:, digits.index("0")].max() >= ROUND_RATIO:
        return [run[0], *"0" * (len(run) - 1)]
    if len(letters) > (1 - NUMBER_SHARE) * len(run) or ratios.max(axis=1).min() < LEAST_DIGIT_RATIO:
        return None
    number = list(run)
    for n, best in zip(letters, ratios.argmax(axis=1).tolist(), strict=True):
        number[n] = digits[best]
    return number


def _word(run: Sequence[str], start: int, reading: Reading, column: Mapping[str, int]) -> list[str] | None:
    """A run of letters and digits that begins at `start` as a word; None where it is none, or has more than one digit."""
    digits = [n for n, character in enumerate(run) if character.isdigit()]
    if len(digits) != 1 or run[digits[0]] not in LETTERS_OF:
        return None
    (at,) = digits
    is_lone = len(run) == 2
    if (is_lone and run[at] != "0") or (at == len(run) - 1 and not is_lone):
        # A figure behind a word counts something: "note1".
        return None
    if at == 0 and (run[at] != "0" or "".join(run[1:]).casefold() in BEHIND_ZERO):
        # A figure before letters counts them, as in "5EUR".
        return None
    if not all(character.isdigit() or script(character) == "LATIN" for character in run):
        return None
    beside = run[at - 1] if at else run[at + 1]
    # In capitals an l is none; behind a small letter no capital is.
    likely = [letter for letter in LETTERS_OF[run[at]] if letter in column and _may_stand_beside(letter, beside, is_first=not at)]
    told = {letter: _told(letter, start + at, reading, column) for letter in likely}
    best = max(told, key=told.__getitem__, default=None)
    least = LONE_LETTER_RATIO if is_lone else LEAST_LETTER_RATIO
    if best is None or told[best] < least * reading.scores[start + at]:
        return None
    word = list(run)
    word[at] = best
    return word


def _told(letter: str, at: int, reading: Reading, column: Mapping[str, int]) -> float:
    """The probability of a letter, and of the other case of it where the two look alike."""
    alike = {letter, letter.swapcase()} if letter in "OoSs" else {letter}
    return float(np.sum(reading.told[at, [column[other] for other in alike if other in column]]))


def _may_stand_beside(letter: str, beside: str, *, is_first: bool) -> bool:
    """Whether a word has that letter next to `beside`, as its case goes."""
    return letter.isupper() == beside.isupper() or (is_first and letter.isupper())
