"""Real pages with their true words: FUNSD's test forms and SROIE receipts, and how many of the words were read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.library.support import BenchmarkError
from ocr_serving.output.scoring import WORD, WordCount, count_words, spaced_bag, word_bag

__all__ = [
    "BoxedWord",
    "Page",
    "WordCount",
    "count_words",
    "form_lines",
    "forms",
    "receipt_lines",
    "receipts",
    "spaced_bag",
    "word_bag",
]

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
