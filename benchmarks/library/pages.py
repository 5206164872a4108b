"""Real pages with their true words: FUNSD's test forms and SROIE receipts, and how many of the words were read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.library.support import BenchmarkError

WORD = re.compile(r"[^\W_]+")


Box = tuple[float, float, float, float]
BoxedWord = tuple[str, Box]


@dataclass(frozen=True)
class Page:
    """An image file and the lines of text on it; where they are known, its words with boxes x1, y1, x2, y2 in pixels."""

    image: Path
    lines: tuple[str, ...]
    words: tuple[BoxedWord, ...] = ()


def forms(data: Path) -> list[Page]:
    """The 50 test forms of FUNSD in `data`/forms/testing. Raises BenchmarkError."""
    folder = data / "forms" / "testing"
    found = []
    for image in _images(folder / "images", "png"):
        annotation = _text(folder / "annotations" / f"{image.stem}.json")
        found.append(Page(image, form_lines(annotation), form_words(annotation)))
    return found


def receipts(data: Path) -> list[Page]:
    """The receipts of SROIE in `data`/receipts. Raises BenchmarkError."""
    return [Page(image, receipt_lines(_text(image.with_suffix(".csv")))) for image in _images(data / "receipts", "jpg")]


def form_lines(annotation: str) -> tuple[str, ...]:
    """The words of a FUNSD annotation."""
    return tuple(word["text"] for entity in json.loads(annotation)["form"] for word in entity["words"])


def form_words(annotation: str) -> tuple[BoxedWord, ...]:
    """The words of a FUNSD annotation that have a letter or a digit, with their boxes where it states them."""
    words = [word for entity in json.loads(annotation)["form"] for word in entity["words"] if "box" in word]
    return tuple((word["text"], _box(word["box"])) for word in words if WORD.search(word["text"]))


def _box(values: Iterable[float]) -> Box:
    left, top, right, bottom = map(float, values)
    return left, top, right, bottom


def receipt_lines(table: str) -> tuple[str, ...]:
    """The texts of a SROIE table: what follows the eight coordinates of each line, commas and all."""
    rows = (row.split(",", 8) for row in table.splitlines())
    return tuple(row[8] for row in rows if len(row) == 9)


def word_bag(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands in `lines`: a word is a run of letters and digits, its case folded."""
    return Counter(word for line in lines for word in WORD.findall(line.casefold()))


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


def spaced_bag(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands in `lines`: a word is what stands between spaces, signs and all, its case folded."""
    return Counter(word for line in lines for word in line.casefold().split())


def count_words(read: Iterable[str], true: Iterable[str], bag: Callable[[Iterable[str]], Counter[str]] = word_bag) -> WordCount:
    """Compare the lines read on a page with its true ones as bags: where a word stands does not matter, how often does."""
    ours, theirs = bag(read), bag(true)
    return WordCount((ours & theirs).total(), ours.total(), theirs.total())


def _images(folder: Path, suffix: str) -> list[Path]:
    found = sorted(folder.glob(f"*.{suffix}"))
    if not found:
        raise BenchmarkError(
            f"There are no .{suffix} files in {folder}: name with --data the folder that holds forms and receipts."
        )
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise BenchmarkError(f"{path} cannot be read ({exc.strerror}): it has the true words of the page beside it.") from None
