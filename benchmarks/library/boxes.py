"""How well boxes of words lie on true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.library.pages import Box, BoxedWord

MATCHED = 0.5
"""Least intersection over union of a word that counts as found."""


MOST_PARTS = 8
"""Parts that annotators make of one word at most, as of a telephone number."""


@dataclass(frozen=True)
class Boxes:
    """How words of an answer lie on true ones; pages add up.

    `overlap` is the sum of the intersections over union of the words read: true words whose text a word of the answer has, with its
    case folded, that touches it; `matched` are those of at least `MATCHED`. `placed` are the true words on which some word of the
    answer lies as well, whatever it says.
    """

    overlap: float = 0.0
    matched: int = 0
    read: int = 0
    placed: int = 0
    true: int = 0

    def __add__(self, other: Boxes) -> Boxes:
        return Boxes(
            self.overlap + other.overlap,
            self.matched + other.matched,
            self.read + other.read,
            self.placed + other.placed,
            self.true + other.true,
        )

    @property
    def mean(self) -> float:
        """Mean intersection over union of the words read, 0 to 1."""
        return self.overlap / self.read if self.read else 1.0

    @property
    def share(self) -> float:
        """Of the words read the share whose box matches."""
        return self.matched / self.read if self.read else 1.0

    @property
    def found(self) -> float:
        """Of all true words the share that a box matches, whatever was read."""
        return self.placed / self.true if self.true else 1.0


def compare(read: Sequence[BoxedWord], true: Sequence[BoxedWord]) -> Boxes:
    """Pair the words of an answer with true ones, those that overlap most first, each once; parts of one word read are one word."""
    true = joined(read, true)
    alike = _pairs(read, true, same_text=True)
    return Boxes(
        sum(alike),
        sum(overlap >= MATCHED for overlap in alike),
        len(alike),
        sum(overlap >= MATCHED for overlap in _pairs(read, true, same_text=False)),
        len(true),
    )


def joined(read: Sequence[BoxedWord], true: Sequence[BoxedWord]) -> list[BoxedWord]:
    """`true` with neighbours as one word where one that was read is their text without a space, and touches them.

    FUNSD's annotators cut many words at their signs: "312-" "558-" "5600".
    """
    places: dict[str, list[Box]] = {}
    for text, box in read:
        places.setdefault(text.casefold(), []).append(box)
    words: list[BoxedWord] = []
    at = 0
    while at < len(true):
        text, box = true[at]
        longest, word = at, true[at]
        for n in range(at + 1, min(at + MOST_PARTS, len(true))):
            text, box = text + true[n][0], _around(box, true[n][1])
            if any(iou(box, place) for place in places.get(text.casefold(), ())):
                longest, word = n, (text, box)
        words.append(word)
        at = longest + 1
    return words


def _pairs(read: Sequence[BoxedWord], true: Sequence[BoxedWord], *, same_text: bool) -> list[float]:
    """Intersections over union of the words paired."""
    overlaps = sorted(
        (
            (iou(ours, theirs), n, m)
            for n, (said, ours) in enumerate(read)
            for m, (text, theirs) in enumerate(true)
            if not same_text or said.casefold() == text.casefold()
        ),
        reverse=True,
    )
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs = []
    for overlap, n, m in overlaps:
        if overlap > 0 and n not in taken[0] and m not in taken[1]:
            taken[0].add(n)
            taken[1].add(m)
            pairs.append(overlap)
    return pairs


def _around(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both) if both else 0.0


def bounds(region: Sequence[Sequence[float]]) -> Box:
    """The upright box around the corners of a quad."""
    xs, ys = [float(x) for x, _ in region], [float(y) for _, y in region]
    return min(xs), min(ys), max(xs), max(ys)
