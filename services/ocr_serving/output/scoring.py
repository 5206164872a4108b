"""How well pages were read: the words that were read beside the true ones, as bags. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class WordCount:
    """Words that are both read and true, words read, words true; counts of several pages add up."""

    both: int = 0
    read: int = 0
    true: int = 0

    def __add__(self, other: WordCount) -> WordCount:
        return WordCount(self.both + other.both, self.read + other.read, self.true + other.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0 to 1; of no words at all, 1."""
        return 2 * self.both / (self.read + self.true) if self.read + self.true else 1.0


def word_bag(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands in `lines`: a word is a run of letters and digits, its case folded."""
    return Counter(word for line in lines for word in WORD.findall(line.casefold()))


def spaced_bag(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands in `lines`: a word is what stands between spaces, signs and all, its case folded."""
    return Counter(word for line in lines for word in line.casefold().split())


def count_words(read: Iterable[str], true: Iterable[str], bag: Callable[[Iterable[str]], Counter[str]] = word_bag) -> WordCount:
    """Compare the lines read on a page with its true ones as bags: where a word stands does not matter, how often does."""
    ours, theirs = bag(read), bag(true)
    return WordCount((ours & theirs).total(), ours.total(), theirs.total())
