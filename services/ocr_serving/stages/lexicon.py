"""Words of a language as a hint to what a line says, where the network itself is in doubt.

A word that is in no dictionary becomes one that is if the network gave every other letter some probability, the likeliest and
commonest first: "Applicaule" is "Applicable", with a b of .17 of the u; a letter that was seen twice may be one. Before that digits
and letters that look alike are told by their neighbours (`look_alikes`), and a doubtful word by one that was surely read elsewhere
on the page, whatever its language. Names, codes and words that the network is sure of stay. The dictionary has a say on pages in
its language alone, which the words that were surely read tell. The lists are those of pyspellchecker.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.look_alikes import runs, settled
from ocr_serving.stages.words import Reading

LANGUAGES = ("en",)
"""Languages whose words can be hints."""

LEAST_RATIO = 0.003
"""Of a letter's probability to that of the one the network chose, from which it may stand in for it."""

LEAST_PART_RATIO = 0.1
"""As `LEAST_RATIO`, from which a letter that was seen twice may be one, and an m may be an r and an n."""

SELDOM_DOUBLE = frozenset("ahijkquvwxy")
"""Letters that do not stand twice in a row in words."""

COMMON = 0.3
"""How much it counts that a word is common: by this power of how often it occurs."""

LEAST_LENGTH = 4
"""Shorter words have too many neighbours."""

MOST_CHANGED, MOST_DOUBTS = 3, 12
"""Letters of a word that may change, and letters to choose from: the surest."""

SURE = 0.9
"""A word whose least certain letter has this probability is surely read."""

SURE_ELSEWHERE, LEAST_ELSEWHERE = 0.95, 5
"""The least probability of a letter of a word that settles others on its page, and their least length, whatever the language."""

LEAST_RATIO_ELSEWHERE = 0.05
"""As `LEAST_RATIO`, for those words, and for letters that are less sure themselves: words differ in their endings alone in many
languages, and names in a letter."""

LEAST_SURE, LEAST_SHARE = 8, 0.5
"""A page is in a language if it has so many surely read words or more, of which this share is in its dictionary."""

LETTERS_SHARE = 0.6
"""A run of letters and digits is a word if this share of it are letters: of the others, most are codes."""


Doubt = tuple[float, int, str]
"""How likely something else is beside a letter of a word, which letter, and what may stand in its place."""


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


class Counts(Protocol):
    """Words, and how often they occur."""

    def counts(self, words: Sequence[str]) -> NDArray[np.float32]:
        """How often each of `words` occurs; 0 of one that does not."""


class PageWords:
    """The words that a page surely has, case folded, and how often."""

    def __init__(self, page: Sequence[Reading]) -> None:
        """Count those of which the network is sure of every letter."""
        self._counts = Counter(
            "".join(reading.characters[start:end]).casefold()
            for reading in page
            for start, end in _words_of(reading)
            if reading.scores[start:end].min() >= SURE_ELSEWHERE
        )

    def counts(self, words: Sequence[str]) -> NDArray[np.float32]:
        """How often each of `words` was surely read, 0 of one that was not."""
        return np.array([self._counts[word.casefold()] for word in words], np.float32)


def hinted(page: Sequence[Reading], letters: Sequence[str], words: Lexicon) -> list[Reading]:
    """The lines of a page with doubtful letters as `words`, numbers, and words that were surely read elsewhere on it have them.

    On a page in another language `words` have no say. `letters` are the characters of the last axis of each reading's `told`.
    """
    lines = [settled(reading, letters) for reading in page]
    column = {letter: n for n, letter in enumerate(letters) if letter.isalpha()}
    _settle_by_page(lines, column, words)
    found = [(n, start, end) for n, reading in enumerate(lines) for start, end in _words_of(reading)]
    texts = ["".join(lines[n].characters[start:end]) for n, start, end in found]
    if not texts:
        return lines
    known = words.has(texts)
    sure = [float(lines[n].scores[start:end].min()) >= SURE for n, start, end in found]
    if sum(sure) < LEAST_SURE or known[sure].mean() < LEAST_SHARE:
        return lines
    places = [place for place, is_known in zip(found, known, strict=True) if not is_known]
    _settle(lines, places, words, partial(_doubts, column=column))
    return lines


def _settle_by_page(lines: list[Reading], column: Mapping[str, int], words: Lexicon) -> None:
    """Put what is surely read elsewhere among `lines` in place of doubtful words that are in no dictionary."""
    doubtful = [
        (n, start, end)
        for n, reading in enumerate(lines)
        for start, end in _words_of(reading)
        if end - start >= LEAST_ELSEWHERE and reading.scores[start:end].min() < SURE
    ]
    if not doubtful:
        return
    elsewhere = PageWords(lines)
    texts = ["".join(lines[n].characters[start:end]) for n, start, end in doubtful]
    unknown = ~words.has(texts) & (elsewhere.counts(texts) == 0)
    places = [place for place, left in zip(doubtful, unknown, strict=True) if left]
    _settle(lines, places, elsewhere, partial(_doubts_of_sight, column=column))


def _settle(
    lines: list[Reading],
    places: Sequence[tuple[int, int, int]],
    words: Counts,
    doubts: Callable[[Reading, int, int], Iterable[Doubt]],
) -> None:
    """Put words of `words` in `places`: line, start and end of each, rising, where the network's `doubts` allow any."""
    # From the end of a line to its beginning: a word may have more letters than before, or fewer.
    for n, start, end in reversed(places):
        better = _better(lines[n], doubts(lines[n], start, end), start, end, words)
        if better is not None:
            lines[n] = _with(lines[n], start, better)


def _better(reading: Reading, found: Iterable[Doubt], start: int, end: int, words: Counts) -> list[str] | None:
    """The word of `words` that the network holds for likeliest, by its doubts, in place of the one from `start` to `end`, or None.

    An entry for each character of the word that is there now: a letter, two, or none.
    """
    doubts = sorted(found, reverse=True)[:MOST_DOUBTS]
    word = reading.characters[start:end]
    for changed in range(1, MOST_CHANGED + 1):
        if changed == 2:
            # Without a letter, and with others besides, a word may become too many.
            doubts = [doubt for doubt in doubts if doubt[2]]
        candidates = []
        for choice in itertools.combinations(doubts, changed):
            if len({at for _, at, _ in choice}) == changed:
                other = list(word)
                for _, at, letter in choice:
                    other[at] = letter
                candidates.append((float(np.prod([ratio for ratio, _, _ in choice])), other))
        if not candidates:
            return None
        counts = words.counts(["".join(other) for _, other in candidates])
        if counts.any():
            weights = np.array([ratio for ratio, _ in candidates]) * counts**COMMON
            return candidates[int(weights.argmax())][1]
    return None


def _doubts(reading: Reading, start: int, end: int, column: Mapping[str, int], least: float = LEAST_RATIO) -> Iterator[Doubt]:
    """What may stand in for the letters of a word, which are counted from `start`; for each what is as likely as `least` says."""
    for n in range(start, end):
        character, chosen = reading.characters[n], max(float(reading.scores[n]), 1e-6)
        for letter, k in column.items():
            ratio = float(reading.told[n, k]) / chosen
            if ratio >= least and letter != character:
                yield ratio, n - start, letter
                if character == "m" and letter == "r" and ratio >= LEAST_PART_RATIO:
                    yield ratio, n - start, "rn"
        if n > start and _is_doubled(reading.characters[start : n + 1]):
            # A broad or broken letter may be seen twice; the less sure of the two is the second sight.
            scores = reading.scores[n - 1 : n + 1]
            unsure = max(float(scores.min()), 1e-6)
            if 1 - unsure >= LEAST_PART_RATIO * unsure:
                yield (1 - unsure) / unsure, n - start - int(scores[0] < scores[1]), ""


def _doubts_of_sight(reading: Reading, start: int, end: int, column: Mapping[str, int]) -> Iterator[Doubt]:
    """Those of `_doubts` that hold in any language, of unsure letters, one for one: XXVI is not XXVII, nor hinta hintaa."""
    for doubt in _doubts(reading, start, end, column, LEAST_RATIO_ELSEWHERE):
        if len(doubt[2]) == 1 and reading.scores[start + doubt[1]] < SURE_ELSEWHERE:
            yield doubt


def _is_doubled(word: Sequence[str]) -> bool:
    """Whether a word's last letter stands there once more than it does in English words, and most names."""
    last = word[-1]
    return word[-2] == last and (last.casefold() in SELDOM_DOUBLE or (len(word) > 2 and word[-3] == last))


def _with(reading: Reading, start: int, better: Sequence[str]) -> Reading:
    """`reading` with other letters from `start` on: each entry of `better` stands where one character stood."""
    counts = np.ones(len(reading.characters), int)
    counts[start : start + len(better)] = [len(entry) for entry in better]
    characters = [*reading.characters[:start], *"".join(better), *reading.characters[start + len(better) :]]
    centres, scores, told = (np.repeat(values, counts, axis=0) for values in (reading.centres, reading.scores, reading.told))
    first = np.flatnonzero(np.repeat(counts, counts) == 2)[::2]
    if len(first):
        # Two letters share the place of one broad one.
        steps = np.diff(centres)
        apart = float(np.median(steps[steps > 0])) / 2 if (steps > 0).any() else 0.0
        centres[first] -= apart / 2
        centres[first + 1] += apart / 2
    return Reading(characters, reading.confidence, centres, scores, told)


def _words_of(reading: Reading) -> Iterator[tuple[int, int]]:
    """Start and end of each run of letters and digits that may be a word."""
    for start, end in runs(reading.characters):
        letters = sum(character.isalpha() for character in reading.characters[start:end])
        if end - start >= LEAST_LENGTH and letters >= LETTERS_SHARE * (end - start):
            yield start, end
