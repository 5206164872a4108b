"""What is written on the pages of a PDF and how large their units are, as the decoding process reads it: within its bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ocr_serving.decoding import bounded
from ocr_serving.decoding.limits import Allowance, Limits
from ocr_serving.decoding.messages import Refused
from ocr_serving.decoding.pdf_words import UNREAD, PdfPage
from ocr_serving.errors import UnavailableError

BOUNDS = Limits()

DEATHS = 4
"""Pages that may not be read within the bounds before the rest of a file is not asked for."""


def read(data: bytes, most: int, limits: Limits = BOUNDS, *, first: int = 0) -> list[PdfPage]:
    """The pages of a PDF from `first`, counted from 0, up to the `most`-th. One that could not be read, or not within `limits`,
    says so in `doubt`. Raises UnavailableError.
    """
    return list(read_of(data, range(first, most), limits).values())


def read_of(data: bytes, numbers: Iterable[int], limits: Limits = BOUNDS) -> dict[int, PdfPage]:
    """As `read`, those pages of `numbers`, rising and counted from 0, that there are."""
    with bounded.File(data, "pdf", limits, Allowance()) as file:
        opened = file.open()
        count = 0 if isinstance(opened, Refused) else opened.pages
        found: dict[int, PdfPage] = {}
        lost = 0
        for number in numbers:
            if number >= count:
                break
            page = UNREAD if lost == DEATHS else file.written(number)
            lost += isinstance(page, Refused)
            found[number] = UNREAD if isinstance(page, Refused) else page
        return found


def units(
    data: bytes, most: int, limits: Limits = BOUNDS, *, first: int = 0, allowance: Allowance | None = None
) -> list[float] | None:
    """What a unit of each page of a PDF is in points, from `first`, counted from 0, up to the `most`-th; [] where it does not open.

    None where it cannot be told, or not within `limits`. Raises UnavailableError.
    """
    # Nearly no file has them; those that say so in packed objects are looked into.
    if b"/UserUnit" not in data and b"/ObjStm" not in data:
        return []
    with bounded.File(data, "pdf", limits, allowance or Allowance()) as file:
        found = [] if isinstance(file.open(), Refused) else file.units(first, most)
    return None if isinstance(found, Refused) else found


def counts(files: Sequence[Path], limits: Limits = BOUNDS) -> Iterator[int]:
    """How many pages each file has, one after the other; 1 for what is no PDF that opens."""
    for name in files:
        try:
            with bounded.File(name.read_bytes(), "pdf", limits, Allowance()) as file:
                opened = file.open()
        except (OSError, UnavailableError):
            opened = Refused("other")
        yield 1 if isinstance(opened, Refused) else opened.pages
