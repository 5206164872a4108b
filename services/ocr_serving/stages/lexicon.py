"""Words of a language as a hint to what a line says, where the network itself is in doubt.

A word that is in no dictionary becomes one that is if the network gave every other letter at least a hundredth of the
probability of the one it chose: "Applicaule" is "Applicable", with a b of .17 of the u. Names, codes and words that the network
is sure of stay. Only pages that are in the language take part, which the words that were surely read tell. The lists are those of
pyspellchecker.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.words import Reading

LANGUAGES = ("en",)
"""Languages whose words can be hints."""

LEAST_RATIO = 0.01
"""Of a letter's probability to that of the one the network chose, from which it may stand in for it."""

LEAST_LENGTH = 4
"""Shorter words have too many neighbours."""

MOST_CHANGED, MOST_DOUBTS = 3, 12
"""Letters of a word that may change, and letters to choose from: the surest."""

SURE = 0.9
"""A word whose least certain letter has this probability is surely read."""

LEAST_SURE, LEAST_SHARE = 8, 0.5
"""A page is in a language if it has so many surely read words or more, of which this share is in its dictionary."""

LETTERS_SHARE = 0.6
"""A word is one if this share of it are letters: of the others, most are codes."""


class Lexicon:
    """The words of a language, case folded."""

    def __init__(self, words: Sequence[str]) -> None:
        """Keep the words that are letters of ASCII."""
        kept = sorted({word for word in map(str.casefold, words) if word.isascii() and word.isalpha()})
        # A sorted array takes 4 MB for 160,000 words, a set of strings 17.
        self._words: NDArray[np.bytes_] = np.array([word.encode() for word in kept])

    def has(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Which of `words` are in it."""
        sought = np.array([word.casefold().encode() if word.isascii() else b"" for word in words])
        at = np.searchsorted(self._words, sought)
        return np.asarray(self._words[np.minimum(at, len(self._words) - 1)] == sought)


@cache
def lexicon(language: str) -> Lexicon:
    """The words of one of `LANGUAGES`."""
    packed = files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
    return Lexicon(list(json.loads(gzip.decompress(packed))))


def hinted(page: Sequence[Reading], letters: Sequence[str], words: Lexicon) -> list[Reading]:
    """The lines of a page with doubtful letters as `words` has them; as they are where the page is in another language.

    `letters` are the characters of the last axis of each reading's `told`.
    """
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
        known = words.has([text for _, text in candidates])
        if known.any():
            return max(candidate for candidate, is_known in zip(candidates, known, strict=True) if is_known)[1]
    return None


def _words_of(reading: Reading) -> Iterator[tuple[int, int]]:
    """Start and end of each run of letters and digits that may be a word."""
    for is_word, run in itertools.groupby(range(len(reading.characters)), lambda n: reading.characters[n].isalnum()):
        places = list(run)
        letters = sum(reading.characters[n].isalpha() for n in places)
        if is_word and len(places) >= LEAST_LENGTH and letters >= LETTERS_SHARE * len(places):
            yield places[0], places[-1] + 1
