"""Words of a language as a hint to what a line says, where the network itself is in doubt.

A word that is in no dictionary becomes one that is if the network gave every other letter some probability, the likeliest and
commonest first: "Applicaule" is "Applicable", with a b of .17 of the u. In a number a letter becomes the digit it is likeliest to
be. Names, codes and words that the network
is sure of stay. Only pages that are in the language take part, which the words that were surely read tell. The lists are those of
pyspellchecker.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.words import Reading

LANGUAGES = ("en",)
"""Languages whose words can be hints."""

LEAST_RATIO, LEAST_DIGIT_RATIO = 0.003, 0.2
"""Of a letter's probability to that of the one the network chose, from which it may stand in for it; of a digit's in a number."""

COMMON = 0.3
"""How much it counts that a word is common: by this power of how often it occurs."""

LEAST_LENGTH = 4
"""Shorter words have too many neighbours."""

MOST_CHANGED, MOST_DOUBTS = 3, 12
"""Letters of a word that may change, and letters to choose from: the surest."""

SURE = 0.9
"""A word whose least certain letter has this probability is surely read."""

LEAST_SURE, LEAST_SHARE = 8, 0.5
"""A page is in a language if it has so many surely read words or more, of which this share is in its dictionary."""

LETTERS_SHARE = 0.6
"""A word is one if this share of it are letters, a number if this share are digits: of the others, most are codes."""

LEAST_DIGITS = 3
"""Shorter numbers are units and grades as often."""


class Lexicon:
    """The words of a language, case folded, and how often they occur."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        """Keep the words that are letters of ASCII; `counts` say how often each occurs in any body of text."""
        kept = sorted((word.casefold(), count) for word, count in counts.items() if word.isascii() and word.isalpha())
        # A sorted array takes 4 MB for 160,000 words, a set of strings 17.
        self._words: NDArray[np.bytes_] = np.array([word.encode() for word, _ in kept])
        self._counts = np.array([max(1, count) for _, count in kept], np.float32)

    def counts(self, words: Sequence[str]) -> NDArray[np.float32]:
        """How often each of `words` occurs, at least 1; 0 of one that is not in it."""
        sought = np.array([word.casefold().encode() if word.isascii() else b"" for word in words])
        at = np.minimum(np.searchsorted(self._words, sought), len(self._words) - 1)
        return np.where(self._words[at] == sought, self._counts[at], np.float32(0))

    def has(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Which of `words` are in it."""
        return self.counts(words) > 0


@cache
def lexicon(language: str) -> Lexicon:
    """The words of one of `LANGUAGES`."""
    packed = files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
    return Lexicon(json.loads(gzip.decompress(packed)))


def hinted(page: Sequence[Reading], letters: Sequence[str], words: Lexicon) -> list[Reading]:
    """The lines of a page with doubtful letters as `words` and numbers have them; words as they are in another language.

    `letters` are the characters of the last axis of each reading's `told`.
    """
    digits = {letter: n for n, letter in enumerate(letters) if letter.isdigit()}
    page = [_with_numbers(reading, digits) for reading in page]
    found = [(n, start, end) for n, reading in enumerate(page) for start, end in _words_of(reading)]
    texts = ["".join(page[n].characters[start:end]) for n, start, end in found]
    if not texts:
        return list(page)
    known = words.has(texts)
    sure = [float(page[n].scores[start:end].min()) >= SURE for n, start, end in found]
    if sum(sure) < LEAST_SURE or known[sure].mean() < LEAST_SHARE:
        return list(page)
    lines = list(page)
    column = {letter: n for n, letter in enumerate(letters) if letter.isalpha()}
    for (n, start, end), is_known in zip(found, known, strict=True):
        if is_known:
            continue
        better = _better(lines[n], start, end, column, words)
        if better is not None:
            characters = list(lines[n].characters)
            characters[start:end] = better
            lines[n] = lines[n]._replace(characters=characters)
    return lines


def _better(reading: Reading, start: int, end: int, column: dict[str, int], words: Lexicon) -> str | None:
    """The word of `words` that the network holds for likeliest in place of the one from `start` to `end`; None without any."""
    doubts = []
    for n in range(start, end):
        chosen = max(float(reading.scores[n]), 1e-6)
        for letter, k in column.items():
            ratio = float(reading.told[n, k]) / chosen
            if ratio >= LEAST_RATIO and letter != reading.characters[n]:
                doubts.append((ratio, n - start, letter))
    doubts = sorted(doubts, reverse=True)[:MOST_DOUBTS]
    word = reading.characters[start:end]
    for changed in range(1, MOST_CHANGED + 1):
        candidates = []
        for choice in itertools.combinations(doubts, changed):
            if len({at for _, at, _ in choice}) == changed:
                other = list(word)
                for _, at, letter in choice:
                    other[at] = letter
                candidates.append((float(np.prod([ratio for ratio, _, _ in choice])), "".join(other)))
        if not candidates:
            return None
        counts = words.counts([text for _, text in candidates])
        if counts.any():
            weights = np.array([ratio for ratio, _ in candidates]) * counts**COMMON
            return candidates[int(weights.argmax())][1]
    return None


def _with_numbers(reading: Reading, column: Mapping[str, int]) -> Reading:
    """`reading` with the letters in its numbers as digits, where the network holds all of them for likely."""
    characters = list(reading.characters)
    if not column or not any(character.isdigit() for character in characters):
        return reading
    digits, columns = list(column), list(column.values())
    for start, end in _runs(characters):
        letters = [n for n in range(start, end) if not characters[n].isdigit()]
        if not letters or end - start < LEAST_DIGITS or len(letters) > (1 - LETTERS_SHARE) * (end - start):
            continue
        likeliest = [digits[int(reading.told[n, columns].argmax())] for n in letters]
        if all(
            reading.told[n, column[digit]] >= LEAST_DIGIT_RATIO * reading.scores[n]
            for n, digit in zip(letters, likeliest, strict=True)
        ):
            for n, digit in zip(letters, likeliest, strict=True):
                characters[n] = digit
    return reading._replace(characters=characters)


def _words_of(reading: Reading) -> Iterator[tuple[int, int]]:
    """Start and end of each run of letters and digits that may be a word."""
    for start, end in _runs(reading.characters):
        letters = sum(character.isalpha() for character in reading.characters[start:end])
        if end - start >= LEAST_LENGTH and letters >= LETTERS_SHARE * (end - start):
            yield start, end


def _runs(characters: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of letters and digits."""
    for is_run, run in itertools.groupby(range(len(characters)), lambda n: characters[n].isalnum()):
        places = list(run)
        if is_run:
            yield places[0], places[-1] + 1
