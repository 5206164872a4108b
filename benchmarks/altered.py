"""What is read on pages that lie turned or askew, and on long ones, beside the same pages upright and one by one.

Part of `python -m benchmarks.accuracy`: the first pages of a set are posted as they are, turned by 90, 180 and 270 degrees, skewed
by 15 degrees either way on a larger sheet, and some at a time one below the other in one long picture.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.library import pages, report, support
from benchmarks.library.pages import Page, WordCount

MAY_LOSE = 0.01
"""Word F1 that a page may lose by lying turned or being part of a long one."""

SKEW = 15
"""Degrees by which a page lies askew."""

TOGETHER = 5
"""Pages of which a long one is made."""


@dataclass(frozen=True)
class AlteredRow:
    """Word F1 of some pages altered in one way, and of the same pages as they are."""

    model_set: str
    kind: str
    altered: str
    pages: int
    word_f1: float
    as_they_are: float
    reached: bool


WAYS = ("turned", "skewed", "long")
"""How pages are altered."""


def measure(
    service: support.Service, model_set: str, kind: str, chosen: Sequence[Page], workers: int, ways: Sequence[str] = WAYS
) -> Iterator[AlteredRow]:
    """Read `chosen` as they are and altered in each of `ways`, a row as soon as it is known. Raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="ocr-serving-benchmark-") as name:
        folder = Path(name)
        upright = _word_f1(service, chosen, workers, f"{model_set} {kind} as they are")
        for way, altered in _altered(chosen, folder, ways):
            f1 = _word_f1(service, altered, workers, f"{model_set} {kind} {way}")
            yield AlteredRow(model_set, kind, way, len(chosen), f1, upright, f1 >= upright - MAY_LOSE)


def _altered(chosen: Sequence[Page], folder: Path, ways: Sequence[str]) -> Iterator[tuple[str, list[Page]]]:
    for degrees in (90, 180, 270) if "turned" in ways else ():
        yield f"turned by {degrees}", [turned(page, degrees, folder) for page in chosen]
    for degrees in (SKEW, -SKEW) if "skewed" in ways else ():
        yield f"skewed by {degrees}", [skewed(page, degrees, folder) for page in chosen]
    if "long" in ways:
        yield f"{TOGETHER} in one", long_pages(chosen, folder)


def turned(page: Page, degrees: int, folder: Path) -> Page:
    """`page` turned clockwise, as a file in `folder`."""
    return _written(np.rot90(_pixels(page), -degrees // 90), page.lines, folder / f"{page.image.stem}-{degrees}.png")


def skewed(page: Page, degrees: float, folder: Path) -> Page:
    """`page` turned clockwise by a little, whole on a white sheet that is as much larger, as a file in `folder`."""
    picture = _pixels(page)
    height, width = picture.shape[:2]
    turn = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0), np.float64)
    cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
    size = int(height * sine + width * cosine), int(height * cosine + width * sine)
    turn[:, 2] += np.array([size[0] - width, size[1] - height]) / 2
    sheet = cv2.warpAffine(picture, turn, size, flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    return _written(np.asarray(sheet, np.uint8), page.lines, folder / f"{page.image.stem}-skewed-{degrees}.png")


def long_pages(chosen: Sequence[Page], folder: Path) -> list[Page]:
    """Pages `TOGETHER` at a time, one below the other on white, as files in `folder`."""
    made = []
    for first in range(0, len(chosen), TOGETHER):
        group = chosen[first : first + TOGETHER]
        pictures = [_pixels(page) for page in group]
        width = max(picture.shape[1] for picture in pictures)
        white = (255, 255, 255)
        wide = [cv2.copyMakeBorder(p, 0, 0, 0, width - p.shape[1], cv2.BORDER_CONSTANT, value=white) for p in pictures]
        lines = tuple(line for page in group for line in page.lines)
        made.append(_written(np.concatenate([np.asarray(p, np.uint8) for p in wide]), lines, folder / f"long-{first}.png"))
    return made


def table(rows: Sequence[AlteredRow]) -> str:
    """The rows as Markdown."""
    header = ["weights", "set", "pages", "altered", "word F1", "as they are", f"within {MAY_LOSE:.2f}"]
    cells = [
        [
            row.model_set,
            row.kind,
            str(row.pages),
            row.altered,
            f"{row.word_f1:.3f}",
            f"{row.as_they_are:.3f}",
            support.verdict(row.reached),
        ]
        for row in rows
    ]
    return report.markdown_table(header, cells)


def _word_f1(service: support.Service, chosen: Sequence[Page], workers: int, about: str) -> float:
    with tqdm(total=len(chosen), desc=about, unit="page") as progress:
        read = support.read_all(service, [page.image for page in chosen], clients=workers, progress=progress)
    return sum((pages.count_words(lines, page.lines) for lines, page in zip(read, chosen, strict=True)), WordCount()).f1


def _pixels(page: Page) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imread(str(page.image))
    if picture is None:
        raise support.BenchmarkError(f"{page.image} is no picture that OpenCV reads.")
    return np.asarray(picture, np.uint8)


def _written(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], lines: tuple[str, ...], file: Path) -> Page:
    cv2.imwrite(str(file), picture)
    return Page(file, lines)
