"""What one entry of `images` holds: a picture, or a PDF with one picture a page."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ocr_serving.decoding import images
from ocr_serving.decoding.images import Image, Limits, Undecodable

MAGIC = b"%PDF-"
POINTS = 72
"""A PDF measures in points, 72 to the inch."""

TOGETHER = 3
"""Pages of one PDF that are in memory at once have up to this many times `max_pixels` together."""


@dataclass(frozen=True)
class Remark:
    """Something to say of an entry that was read all the same, as a sentence."""

    text: str


Found = Image | Undecodable | Remark


def is_pdf(data: bytes) -> bool:
    """Whether the bytes begin as a PDF does; white space before it is forgiven, as readers do."""
    return data[:1024].lstrip().startswith(MAGIC)


def from_base64(text: str, *, where: str, limits: Limits) -> Iterator[Found]:
    """The picture or the pages of one entry of a request, all to be kept, and remarks on what was cut; as `from_bytes`.

    Raises InputError too.
    """
    return from_bytes(images.bytes_from_base64(text, where=where), where=where, limits=limits, kept=True)


def from_bytes(data: bytes, *, where: str, limits: Limits, kept: bool = False) -> Iterator[Found]:
    """The picture or the pages of a file, one after the other, and remarks on what was cut.

    `kept` says that the caller keeps all pages, so that there may not be too many of them.

    A page is rendered at `pdf_dpi`, or at what `max_pixels` allows, with its annotations and form fields. A PDF that is damaged or
    needs a password is one Undecodable. Raises TooLargeError for pictures as `images.from_bytes` does.
    """
    if is_pdf(data):
        yield from _pdf_pages(data, where, limits, TOGETHER * limits.max_pixels if kept else math.inf)
    else:
        yield images.from_bytes(data, where=where, limits=limits)


def _pdf_pages(data: bytes, where: str, limits: Limits, most: float) -> Iterator[Found]:
    # Only those who send a PDF pay for loading PDFium.
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as exc:
        # For a PDF without pages PDFium gives no reason, and pypdfium2 then the one of the last failure.
        locked = "password" in str(exc) and b"/Encrypt" in data
        why = "it needs a password" if locked else "it is damaged or has no pages"
        yield Undecodable(f"{where} is a PDF that cannot be opened: {why}")
        return
    with document:
        count = len(document)
        if document.get_formtype():
            document.init_forms()
        pixels, cut = 0, ""
        small: list[str] = []
        for number in range(count):
            if number == limits.max_pdf_pages:
                cut = f"max_pdf_pages = {number}"
                break
            rendered = _render(document, number, limits)
            if rendered is None:
                yield Undecodable(f"{where}: page {number + 1} of the PDF cannot be rendered")
                continue
            pixels += rendered.image.shape[0] * rendered.image.shape[1]
            if pixels > most:
                cut = f"more would have over {TOGETHER} x max_pixels = {most} pixels together"
                break
            if rendered.reduced:
                small.append(str(number + 1))
            yield rendered.image
        if cut:
            yield Remark(f"{where} has {count} pages, of which only the first {number} were read ({cut})")
        if small:
            over = f"over {limits.max_pixels} pixels (max_pixels) at {limits.pdf_dpi} dpi"
            yield Remark(f"{where}: page {', '.join(small)} would be {over} and was rendered smaller")


class _Rendered(NamedTuple):
    """A page, and whether it is smaller than `pdf_dpi` asks for."""

    image: Image
    reduced: bool


def _render(document: Any, number: int, limits: Limits) -> _Rendered | None:
    import pypdfium2

    try:
        with contextlib.closing(document[number]) as page:
            width, height = page.get_size()
            scale = limits.pdf_dpi / POINTS
            # PDFium rounds sides up to whole pixels.
            reduced = math.ceil(width * scale) * math.ceil(height * scale) > limits.max_pixels
            if reduced:
                scale = min(math.sqrt(limits.max_pixels / (width * height)), limits.max_pixels / max(width, height)) * 0.99
            with contextlib.closing(page.render(scale=scale)) as bitmap:
                return _Rendered(images.over_white(np.array(bitmap.to_numpy())), reduced)
    except (pypdfium2.PdfiumError, ValueError, ZeroDivisionError, MemoryError):
        return None
