"""Words added to a PDF of somebody's. Only the decoding process uses this: opening such a file may cost anything."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import IO, Any, NamedTuple

from ocr_serving.searchable import archival, words
from ocr_serving.searchable.font import Font
from ocr_serving.searchable.own_text import Silence
from ocr_serving.searchable.words import Placed

ANOTHER = "print it to a new PDF, and send that"


class PageText(NamedTuple):
    """What is added to a page, counted from 1, that is shown in `width` x `height` pixels; `anew`: in place of its own text."""

    number: int
    width: int
    height: int
    anew: bool
    pieces: list[Placed]


class UnwritableError(Exception):
    """The file cannot be changed; says why, as a sentence."""


def write(original: bytes, title: str, pages: Iterable[PageText], out: IO[bytes] | io.RawIOBase) -> None:
    """Write `original`, a PDF, with `pages` added to `out`; pages that it does not have are left out.

    `title` is that of a file that becomes PDF/A. Raises UnwritableError, MemoryError.
    """
    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(original)) as pdf:
            archive = archival.allows(pdf)
            font, silence = Font(pdf), Silence(pdf)
            count = len(pdf.pages)
            for page in pages:
                if page.number > count:
                    continue
                place = pdf.pages[page.number - 1]
                if page.anew:
                    silence.page(place)
                words.add(place, (page.width, page.height), font, page.pieces)
            font.finish()
            if archive:
                archival.declare(pdf, title)
            _save(pdf, out)
            # qpdf takes an object to be null that it had no memory to unpack.
            if any("bad_alloc" in warning for warning in pdf.get_warnings()):
                raise MemoryError
    except pikepdf.PasswordError:
        raise UnwritableError("The PDF needs a password, so that no words can be added.") from None
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        # Among them entries that are of another type than they have to be.
        raise UnwritableError(f"The PDF is too damaged to add words to it: {ANOTHER}.") from None


def _save(pdf: Any, out: IO[bytes] | io.RawIOBase) -> None:
    import pikepdf

    with warnings.catch_warnings():
        # Fields of a form that the form does not know are as they were.
        warnings.simplefilter("ignore", pikepdf.PageCopyWarning)
        pdf.save(out)
