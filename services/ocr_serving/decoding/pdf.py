"""Pages of a PDF, rendered by PDFium. Only the decoding process uses this."""

from __future__ import annotations

import contextlib
import io
import math
from typing import Any, NamedTuple

from ocr_serving.decoding.legible import legible
from ocr_serving.decoding.limits import Limits
from ocr_serving.decoding.messages import Refused
from ocr_serving.decoding.pdf_words import UNREAD, PdfPage, written
from ocr_serving.decoding.pixels import Image, bgr

POINTS = 72
"""A PDF measures in points, 72 to the inch."""


IMAGE_PIXELS = 20
"""Pixels that one picture on a page may have, in `max_pixels`: an A0 drawing scanned at 600 dpi has a little over half of that."""


SMALLEST_UNIT, LARGEST_UNIT = 0.01, 75_000.0
"""Points that a unit of a page may be; more than the second is beyond what readers take."""


class Page(NamedTuple):
    """A page; whether it is smaller than `pdf_dpi` asks for, and of one colour though something is drawn on it."""

    image: Image
    smaller: bool
    empty: bool = False


def load() -> None:
    """Load PDFium, so that the first page does not pay for it."""
    import pypdfium2  # noqa: F401


def opened(data: bytes, limits: Limits) -> Document | Refused:
    """The PDF in `data`, or why it cannot be opened: it is damaged, has no pages, or needs a password."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as exc:
        # For a PDF without pages PDFium gives no reason, and pypdfium2 then the one of the last failure.
        return Refused("locked" if "password" in str(exc) and b"/Encrypt" in data else "damaged")
    return Document(document, data, limits)


class Document:
    """A PDF that is open."""

    broken = False

    def __init__(self, document: Any, data: bytes, limits: Limits) -> None:
        """`document` is pypdfium2's of `data`."""
        self._document, self.data, self._limits = document, data, limits
        if document.get_formtype():
            document.init_forms()

    def __len__(self) -> int:
        return len(self._document)

    def page(self, number: int) -> Page | Refused:
        """A page at `pdf_dpi`, or at what `max_pixels` allows, with its annotations and form fields."""
        import pypdfium2

        limits = self._limits
        try:
            with contextlib.closing(self._document[number]) as page:
                if (large := _largest_picture(page, IMAGE_PIXELS * limits.max_pixels)) is not None:
                    return Refused("other", f"it holds a picture of {large[0]}x{large[1]} pixels, over {IMAGE_PIXELS} x max_pixels")
                width, height = page.get_size()
                scale = limits.pdf_dpi / POINTS
                # PDFium rounds sides up to whole pixels.
                smaller = math.ceil(width * scale) * math.ceil(height * scale) > limits.max_pixels
                if smaller:
                    scale = min(math.sqrt(limits.max_pixels / (width * height)), limits.max_pixels / max(width, height)) * 0.99
                with contextlib.closing(page.render(scale=scale, bitmap_maker=pypdfium2.PdfBitmap.new_native)) as bitmap:
                    # A native bitmap lies in memory of Python's, which the array keeps when PDFium has closed its own end.
                    image = bgr(bitmap.to_numpy(), "white")
                    empty = bool((image == image[0, 0]).all()) and _draws(page)
                    return Page(legible(image) if limits.decoding == "full" else image, smaller, empty)
        except (pypdfium2.PdfiumError, ValueError, ZeroDivisionError):
            return Refused("damaged")

    def written(self, number: int) -> PdfPage:
        """What the PDF itself says is written on a page."""
        import pypdfium2

        try:
            with contextlib.closing(self._document[number]) as page:
                return written(page)
        except (pypdfium2.PdfiumError, ValueError, ZeroDivisionError, OverflowError):
            return UNREAD

    def units(self, first: int, most: int) -> list[float]:
        """What a unit of each page is in points (/UserUnit, ISO 32000-1, 14.11.2), from `first` up to the `most`-th.

        PDFium does not tell. Raises MemoryError, and what pikepdf raises where it cannot open the file.
        """
        import pikepdf

        with pikepdf.open(io.BytesIO(self.data)) as opened:
            found = [_unit(opened.pages[number].obj) for number in range(first, min(most, len(opened.pages)))]
            # qpdf takes an object to be null that it had no memory to unpack.
            if any("bad_alloc" in warning for warning in opened.get_warnings()):
                raise MemoryError
            return found

    def close(self) -> None:
        """Free it."""
        self._document.close()


def _unit(page: Any) -> float:
    """A page's /UserUnit; 1 where it is none that makes sense."""
    try:
        unit = float(page.get("/UserUnit", 1))
    except (TypeError, ValueError, OverflowError):
        return 1.0
    return unit if SMALLEST_UNIT <= unit <= LARGEST_UNIT else 1.0


def _draws(page: Any) -> bool:
    """Whether there is more on a page than spaces."""
    import pypdfium2.raw

    if any(piece.type != pypdfium2.raw.FPDF_PAGEOBJ_TEXT for piece in page.get_objects(max_depth=1)):
        return True
    with contextlib.closing(page.get_textpage()) as text:
        return bool(text.get_text_range().strip())


def _largest_picture(page: Any, most: int) -> tuple[int, int] | None:
    """Width and height of a picture on the page of more than `most` pixels: PDFium would unpack all of it, to draw it small."""
    import pypdfium2
    import pypdfium2.raw

    for picture in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        with contextlib.suppress(pypdfium2.PdfiumError):
            width, height = picture.get_px_size()
            if width * height > most:
                return width, height
    return None
