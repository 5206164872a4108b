"""Where the characters and words of a line stand: from the steps of CTC, the line's own spacing and its ink.

A step of the network answers for a fixed stretch of the line, and CTC's character is at the step that is surest of it. Between two
of them the emptiest place parts them. Pixels are those of the crop that was read; `quad_of` takes them to the page.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.images import Image
from ocr_serving.stages.geometry import UPRIGHT, Quad, side_lengths

INK = 0.5
"""Share of a crop's contrast from which a pixel is ink."""

RULE = 0.8
"""A row with more of its width in ink is a rule or a frame, not letters."""

SPACE_EVIDENCE, WIDE_SPACE_EVIDENCE = 0.1, 0.005
"""Probability of a space, at its surest step between two characters, from which one is put: beside a sign, before a capital, or
between letters that are further apart than their neighbours; and between characters that no letter spacing puts so far apart."""

STRONG_SPACE_EVIDENCE, ALMOST_LOOSE = 0.3, 0.25
"""Where a space is nearly the network's own guess, a gap that is hardly wider than the others is enough."""

BEFORE_FIGURES = 0.01
"""As the first, between a word of small letters and a figure that are loose: "total1,234.50" is no code, as "mp3" and "A4" are."""

WORD = 3
"""Small letters of such a word at least."""

LOOSE, WIDE = 0.5, 2.0
"""By how many widths of a letter two characters stand further apart than the line's own spacing, to count as loose, or wide."""

SIGN_WIDTH = 3.0
"""A sign stands for at most so much of its line, by the line's height."""

ACROSS, OF_GAP, AROUND, MOST_AROUND = 0.11, 0.18, 0.5, 0.4
"""How far a word's box goes beyond its ink, as people draw them: to the sides by a share of the line's height, but never more than
one of the gap to the next word; above and below by a share of the way to the line's own edge, but, on a line that bends or has a
flourish, never more than one of its ink."""

_NARROW, _SLIM, _BROAD = frozenset("iljI.,:;'!|`·"), frozenset('tfr()[]{}1"-/\\*°'), frozenset("mwMW@%&—")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC", "THAI", "LAO", "KHMER", "MYANMAR", "BOPOMOFO")


class Reading(NamedTuple):
    """What a line says, with the place and the confidence of each of its characters.

    `characters` joined are the text, `confidence` is the mean of their scores, 0 to 1. `centres`, float32 of shape (N,), are pixels
    across the crop from its left edge, rising; `scores`, float32 of shape (N,), 0 to 1; a space that was put in has the probability
    the network gave it. `told`, float32 of shape (N, K), are the probabilities of the K classes that were asked for where each
    character stands; K may be 0.
    """

    characters: list[str]
    confidence: float
    centres: NDArray[np.float32]
    scores: NDArray[np.float32]
    told: NDArray[np.float32]

    @property
    def text(self) -> str:
        """The characters in one."""
        return "".join(self.characters)


class Span(NamedTuple):
    """A piece of a line: what it says, its mean confidence, 0 to 1, and its box in pixels of the crop."""

    text: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float


def spaced(reading: Reading, spaces: NDArray[np.float32]) -> Reading:
    """`reading` with spaces where its line has them and the network's best guess has not.

    `spaces`, float32 of shape (N - 1,), are the network's probabilities of a space between neighbours, each at its surest step.
    The line tells its own spacing: the median distance of neighbours by the widths that letters usually have. Where two stand
    further apart than that, or a sign stands between, much less than half of the probability is a space. Scripts that write none
    get none.
    """
    characters = reading.characters
    if len(characters) < 2:
        return reading
    excess = _excess(characters, reading.centres)
    put = [
        n
        for n, (left, right) in enumerate(itertools.pairwise(characters))
        if not left.isspace()
        and not right.isspace()
        and (
            _is_space(left, right, float(spaces[n]), float(excess[n]))
            or (spaces[n] >= BEFORE_FIGURES and excess[n] >= LOOSE and _is_word_before_figure(characters, n))
        )
    ]
    if not put:
        return reading
    after = [n + 1 for n in put]
    parted = list(characters)
    for n in reversed(after):
        parted.insert(n, " ")
    middles = (reading.centres[put] + reading.centres[after]) / 2
    return Reading(
        parted,
        reading.confidence,
        np.insert(reading.centres, after, middles).astype(np.float32),
        np.insert(reading.scores, after, spaces[put]).astype(np.float32),
        np.insert(reading.told, after, 0, axis=0).astype(np.float32),
    )


def joined(parts: Sequence[tuple[int, Reading]]) -> Reading:
    """One reading of a line that was read in parts, each with its left edge in the line, in pixels; it was cut between words."""
    (_, whole), *others = parts
    for left, part in others:
        apart = whole.characters and part.characters and not whole.characters[-1].isspace() and not part.characters[0].isspace()
        put = int(bool(apart) and not (_writes_no_spaces(whole.characters[-1]) or _writes_no_spaces(part.characters[0])))
        counts = len(whole.characters), len(part.characters)
        whole = Reading(
            [*whole.characters, *[" "] * put, *part.characters],
            (whole.confidence * counts[0] + part.confidence * counts[1]) / max(1, sum(counts)),
            np.concatenate([whole.centres, np.full(put, left, np.float32), part.centres + np.float32(left)]),
            np.concatenate([whole.scores, np.ones(put, np.float32), part.scores]),
            np.concatenate([told for told in (whole.told, np.zeros((put, part.told.shape[1]), np.float32), part.told) if len(told)])
            if counts[0] + counts[1]
            else whole.told,
        )
    return whole


def words(reading: Reading, crop: Image) -> list[Span]:
    """The words of a line, in its order: what stands between spaces; characters of scripts without spaces stay together."""
    return _spans(reading, crop, _words_of(reading.characters))


def characters(reading: Reading, crop: Image) -> list[Span]:
    """The characters of a line that are no spaces, in its order."""
    pieces = [(n, n + 1) for n, character in enumerate(reading.characters) if not character.isspace()]
    return _spans(reading, crop, pieces, margin=0.0)


def is_read(reading: Reading, height: int, width: int) -> bool:
    """Whether a crop of that size has been read: text of nothing but signs and spaces that leaves most of its line out has not.

    A dash in a cell and a row of dots are what the line shows; spaces with a stop are what a network makes of a script that it
    does not know.
    """
    text = reading.text
    if any(unicodedata.category(character)[0] in "LN" for character in text):
        return True
    signs = len("".join(text.split()))
    return signs > 0 and " " not in text.strip() and max(width, height) <= SIGN_WIDTH * signs * min(width, height)


def quad_of(span: Span, quad: Quad, size: tuple[int, int]) -> Quad:
    """The box of `span`, whose line's crop has that size (height, width), on the page: within the line's `quad`, along its slope.

    Float32 of shape (4, 2), in the order of the line's corners. The crop of a quad that is `UPRIGHT` times as high as wide was
    turned, so there pixels across run from the quad's top to its bottom, and pixels down from its right to its left.
    """
    across, down = (max(1, side) for side in side_lengths(quad))
    height, width = size
    left, right, top, bottom = span.left / width, span.right / width, span.top / height, span.bottom / height
    if down / across >= UPRIGHT:
        left, right, top, bottom = 1 - bottom, 1 - top, left, right
    # In perspective, as `crop` sees it: where the left side is a pixel longer than the right the middle is not halfway.
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    to_page = cv2.getPerspectiveTransform(square, quad.astype(np.float32))
    corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float64)
    return np.asarray(cv2.perspectiveTransform(corners, to_page)[0], np.float32)


def _is_space(left: str, right: str, probability: float, excess: float) -> bool:
    if probability < WIDE_SPACE_EVIDENCE or _writes_no_spaces(left) or _writes_no_spaces(right):
        return False
    if excess >= WIDE:
        return True
    if excess >= ALMOST_LOOSE and probability >= STRONG_SPACE_EVIDENCE:
        return True
    if excess < LOOSE and (left in _OPENING or right in _CLOSING):
        # Brackets are narrow, and stand off what they enclose in many typefaces.
        return False
    # A capital behind a small letter begins a word wherever the network half thinks so: "ofEmployer" is no name, "McDonald" is.
    within = left.isalnum() and right.isalnum() and not (left.islower() and right.isupper())
    return (excess >= LOOSE or not within) and probability >= SPACE_EVIDENCE


def _is_word_before_figure(characters: Sequence[str], end: int) -> bool:
    """Whether a word of small letters ends at `end`, and a figure follows."""
    word = characters[max(0, end + 1 - WORD) : end + 1]
    return len(word) == WORD and all(letter.islower() for letter in word) and characters[end + 1].isdecimal()


def _writes_no_spaces(character: str) -> bool:
    return character > "\u0e00" and unicodedata.name(character[0], "").startswith(_WITHOUT_SPACES)


def _excess(characters: Sequence[str], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """By how many widths of a letter neighbours stand further apart than the line's spacing has it."""
    widths = np.array([_width(character) for character in characters], np.float32)
    usual = (widths[1:] + widths[:-1]) / 2
    distances = np.diff(centres)
    letters = np.array([not character.isspace() for character in characters])
    inside = letters[1:] & letters[:-1]
    unit = float(np.median((distances / usual)[inside])) if inside.any() else 0.0
    if unit <= 0:
        return np.zeros(len(distances), np.float32)
    return np.asarray(distances / unit - usual, np.float32)


def _width(character: str) -> float:
    """How wide a letter of most typefaces is, by the width of an n."""
    if character in _NARROW:
        return 0.5
    if character in _SLIM:
        return 0.7
    if character in _BROAD:
        return 1.45
    return 1.2 if character.isupper() else 1.0


def _words_of(characters: Sequence[str]) -> list[tuple[int, int]]:
    """Start and end of each run without spaces."""
    runs = itertools.groupby(range(len(characters)), lambda n: characters[n].isspace())
    places = [list(run) for is_space, run in runs if not is_space]
    return [(run[0], run[-1] + 1) for run in places]


def _spans(reading: Reading, crop: Image, pieces: Sequence[tuple[int, int]], *, margin: float = ACROSS) -> list[Span]:
    """The pieces, given by their first character and the one after their last, with their edges around the ink."""
    if not pieces:
        return []
    ink = ink_of(crop)
    height, width = ink.shape
    # The outermost rows may hold what hangs down from the line above.
    columns: NDArray[np.bool_] = np.asarray(ink[height // 10 : height - height // 10].any(axis=0))
    centres = reading.centres
    gaps = [_gap(columns, float(centres[a[1] - 1]), float(centres[b[0]])) for a, b in itertools.pairwise(pieces)]
    ends = [0.0, *(end for _, end in gaps)], [*(start for start, _ in gaps), float(width)]
    side = margin * height
    room = [side, *(min(side, OF_GAP * (end - start)) for start, end in gaps), side]
    across = [
        _on_ink(columns, ends[0][n], ends[1][n], float(centres[start]), float(centres[end - 1]))
        for n, (start, end) in enumerate(pieces)
    ]
    down = [_rows(ink, left, right) for left, right in across]
    # A dash, and dots, are as high as the words beside them.
    most = MOST_AROUND * max(bottom - top for top, bottom in down)
    spans = []
    for n, (start, end) in enumerate(pieces):
        (left, right), (top, bottom) = across[n], down[n]
        left, right = max(left - room[n], 0.0), min(right + room[n + 1], float(width))
        text = "".join(reading.characters[start:end])
        confidence = float(reading.scores[start:end].mean())
        top, bottom = top - min(AROUND * top, most), bottom + min(AROUND * (height - bottom), most)
        spans.append(Span(text, confidence, left, top, right, bottom))
    return spans


def ink_of(crop: Image) -> NDArray[np.bool_]:
    """Which pixels of a line's picture are ink, bool of its shape (H, W): what stands out from its background, without rules."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    apart = np.abs(grey - float(np.median(grey)))
    ink = apart > max(INK * float(np.percentile(apart, 98)), 1.0)
    ink[ink.mean(axis=1) > RULE] = False
    return np.asarray(ink)


def _gap(columns: NDArray[np.bool_], left: float, right: float) -> tuple[float, float]:
    """Where the widest gap between two characters begins and ends; the middle between them where they touch."""
    start, end = max(0, round(left)), min(len(columns), round(right) + 1)
    best, at, run = 0, 0, 0
    for n in range(start, end):
        run = 0 if columns[n] else run + 1
        if run > best:
            best, at = run, n + 1
    if best:
        return float(at - best), float(at)
    middle = (left + right) / 2
    return middle, middle


def _on_ink(columns: NDArray[np.bool_], left: float, right: float, first: float, last: float) -> tuple[float, float]:
    """The stretch from `left` to `right` without the empty columns at its ends, but with the centres `first` and `last` in it."""
    low, high = max(0, int(left)), min(len(columns), round(right))
    filled = np.flatnonzero(columns[low:high])
    if not len(filled):
        return left, max(left, right)
    start, end = min(float(low + filled[0]), first), max(float(low + filled[-1] + 1), last)
    return max(start, left), min(end, right)


def _rows(ink: NDArray[np.bool_], left: float, right: float) -> tuple[float, float]:
    """From which to which row there is ink between two columns; all rows where there is none."""
    low = int(left)
    filled = np.flatnonzero(ink[:, low : max(low + 1, round(right))].any(axis=1))
    return (float(filled[0]), float(filled[-1] + 1)) if len(filled) else (0.0, float(len(ink)))
