"""How well boxes of words lie on true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.library.pages import Box, BoxedWord

MATCHED = 0.5
"""Least intersection over union of a word that counts as found."""


@dataclass(frozen=True)
class Boxes:
    """Sum of the intersections over union of the words matched, how many those are, and how many words there are; pages add up.

    A true word that was read is one whose text a word of the answer has, with its case folded, that touches it.
    """

    overlap: float = 0.0
    matched: int = 0
    read: int = 0
    true: int = 0

    def __add__(self, other: Boxes) -> Boxes:
        return Boxes(self.overlap + other.overlap, self.matched + other.matched, self.read + other.read, self.true + other.true)

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
        """Of all true words the share that was read with a box that matches."""
        return self.matched / self.true if self.true else 1.0


def compare(read: Sequence[BoxedWord], true: Sequence[BoxedWord]) -> Boxes:
    """Pair the words of an answer with true ones of the same text, those that overlap most first, each once."""
    overlaps = sorted(
        (
            (iou(ours, theirs), n, m)
            for n, (said, ours) in enumerate(read)
            for m, (text, theirs) in enumerate(true)
            if said.casefold() == text.casefold()
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
    return Boxes(sum(pairs), sum(overlap >= MATCHED for overlap in pairs), len(pairs), len(true))


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
