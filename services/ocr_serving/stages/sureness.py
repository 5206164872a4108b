"""How sure a network can be of what it read, so that a script it does not know is told from one it reads. Pure.

Confidence alone does not tell: a network answers lines of a foreign script with the spaces, digits and signs it knows of them at
.98, or with letters that look alike at .9 ("C4ëT Ha o∏naTy"). Two things give it away: there is far less text than the line is
long, and words mix what no language mixes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

LEAST = 0.73
"""Sureness below which a page reads badly. Seen with PP-OCRv6 small and tiny: .78 and more on 33 real pages, .73 and less on pages
of Russian, Ukrainian, Arabic, Hebrew, Greek, Korean, Georgian and Armenian, which they do not know."""

ENOUGH = 8.0
"""Length, in line heights, of all lines together below which nothing is judged: a few words may be anything."""

SPARSE = 0.5
"""Letters and digits for each line height of length: Chinese has one, Latin two, a script of which only spaces are known fewer."""

EAST_ASIAN = frozenset(("CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "HALFWIDTH", "BOPOMOFO", "IDEOGRAPHIC", "HANGUL"))
"""Scripts that stand together in words, and with others."""

NO_SCRIPT = frozenset(("MODIFIER", "MICRO", "MASCULINE", "FEMININE"))
"""First words of the names of letters of no script, such as the ordinals."""


class Line(NamedTuple):
    """What was read, the mean confidence of its characters, and the length of the line in its heights."""

    text: str
    confidence: float
    length: float


def line(text: str, confidence: float, shape: Sequence[int]) -> Line:
    """The line in a crop of `shape` (height, width, …) pixels."""
    return Line(text, confidence, max(shape[1] / max(1, shape[0]), 1.0))


def is_read(found: Line) -> bool:
    """Whether there are letters and digits on the line, and as many as its length promises."""
    return sum(character.isalnum() for character in found.text) > SPARSE * found.length * (found.length >= 2)


def sureness(lines: Iterable[Line]) -> float | None:
    """Between 0 and 1, the mean by length; None where there is too little to judge by."""
    total = sure = 0.0
    for found in lines:
        total += found.length
        if is_read(found):
            words = found.text.split()
            letters = sum(map(len, words))
            garbled = sum(len(word) for word in words if is_garbled(word))
            sure += found.length * found.confidence * (1 - garbled / letters)
    return sure / total if total >= ENOUGH else None


def is_garbled(word: str) -> bool:
    """Whether a word of three letters mixes scripts, has a digit or sign between letters, or a capital after a small one.

    Numbers of devices and keys, digits for a third, are written so. A Greek word of several syllables has an accent, or is in
    capitals.
    """
    letters = [character for character in word if character.isalpha()]
    scripts = {script(character) for character in letters} - NO_SCRIPT
    if scripts & EAST_ASIAN or len(letters) < 3:
        return False
    if len(scripts) > 1 or any(sign in word for sign in "∏∑∆"):
        return True
    if scripts == {"GREEK"} and len(letters) > 3 and not word.isupper() and unicodedata.normalize("NFD", word) == word:
        return True
    if any(before.islower() and after.isupper() for before, after in pairwise(word)):
        return True
    is_code = 3 * sum(character.isdigit() for character in word) >= len(word)
    return any(
        before.isalpha()
        and after.isalpha()
        and ((middle.isdigit() and not is_code) or unicodedata.category(middle) in ("Sm", "So"))
        for before, middle, after in zip(word, word[1:], word[2:], strict=False)
    )


@cache
def script(character: str) -> str:
    """The first word of the Unicode name of a character, which for a letter is its script's; "?" where there is none."""
    return unicodedata.name(character, "?").split()[0]
