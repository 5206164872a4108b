"""What one entry of `images` holds: a picture, or a PDF or TIFF with one picture a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ocr_serving.decoding import bounded, headers, images
from ocr_serving.decoding.limits import Allowance, Limits, Undecodable
from ocr_serving.decoding.messages import Refused
from ocr_serving.decoding.pixels import Image
from ocr_serving.errors import TooLargeError, UnavailableError

MAGIC = b"%PDF-"

SEARCHED = 1024
"""Bytes at the beginning in which readers look for the magic ones: mail gateways and scanners put their own before it."""

TOGETHER = 3
"""Pages of one document that are in memory at once have up to this many times `max_pixels` together."""


@dataclass(frozen=True)
class Remark:
    """Something to say of an entry that was read all the same, as a sentence."""

    text: str


@dataclass(frozen=True)
class LostPage(Undecodable):
    """A page of a document that could not be decoded; the others may be."""


PageOrRemark = Image | Undecodable | Remark


@dataclass
class Chosen:
    """The pages of a file that are wanted, from 1, `last` included; `of`, how many it has, is known once one was asked for."""

    first: int = 1
    last: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        self.last = self.last or self.first


def is_pdf(data: bytes) -> bool:
    """Whether a PDF begins within the first 1024 bytes, as readers have it, and no picture before it."""
    return MAGIC in data[: SEARCHED + len(MAGIC) - 1] and not data.startswith(PICTURES)


PICTURES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", *headers.TIFF_MAGIC)
"""Beginnings of pictures that may well hold the magic bytes in a comment."""


def has_pages(data: bytes) -> bool:
    """Whether the entries that the file gives are pages, with numbers."""
    return is_pdf(data) or headers.has_second_page(data)


def from_base64(text: str, *, where: str, limits: Limits, allowance: Allowance | None = None) -> Iterator[PageOrRemark]:
    """The picture or the pages of one entry of a request, all to be kept, and remarks on what was cut; as `from_bytes`.

    Raises InputError too.
    """
    data = images.bytes_from_base64(text, where=where)
    return from_bytes(data, where=where, limits=limits, kept=True, allowance=allowance)


def from_bytes(
    data: bytes,
    *,
    where: str,
    limits: Limits,
    kept: bool = False,
    allowance: Allowance | None = None,
    chosen: Chosen | None = None,
) -> Iterator[PageOrRemark]:
    """The picture or the pages of a file, one after the other, and remarks on what was cut.

    `kept` says that the caller keeps all pages, so that there may not be too many of them; `chosen` are those that are wanted.

    A page of a PDF is rendered at `pdf_dpi`, or at what `max_pixels` allows, with its annotations and form fields; one of a TIFF
    has the size it has, and is left out where that is too large. A PDF that is damaged or needs a password is one Undecodable; so
    is a picture with too many pixels, with `large`. Raises UnavailableError where memory is short.
    """
    allowance = allowance or Allowance()
    if allowance.left <= 0 and not headers.is_light(headers.read(data), data):
        yield Undecodable(f"{where} was not decoded: decoding the images before it took {limits.seconds_together:g} s of CPU time")
    elif is_pdf(data) or (headers.is_tiff(data) and limits.decoding == "full"):
        most = TOGETHER * limits.max_pixels if kept else math.inf
        try:
            yield from _Document(data, where, limits, allowance, chosen).pages(most)
        except MemoryError:
            raise UnavailableError(f"Memory is too short to decode {where} now: send it again later.") from None
    elif chosen and chosen.first > 1:
        yield no_such_page(where, chosen)
    else:
        try:
            yield images.from_bytes(data, where=where, limits=limits, allowance=allowance)
        except TooLargeError as exc:
            yield Undecodable(str(exc).removesuffix("."), large=True)
            return
        header = headers.read(data)
        if header is not None and header.animated:
            yield Remark(f"{where}: an animation, of which only the first picture was read")


def no_such_page(where: str, chosen: Chosen) -> LostPage:
    """What is said of a page beyond the last."""
    count = "1 page" if chosen.of == 1 else f"{chosen.of} pages"
    return LostPage(f"{where} has {count}, so that there is no page {chosen.first}")


class _Document:
    """A file of pages."""

    def __init__(self, data: bytes, where: str, limits: Limits, allowance: Allowance, chosen: Chosen | None) -> None:
        self._chosen = chosen
        self.kind = "PDF" if is_pdf(data) else "TIFF"
        self._data, self._where, self._limits, self._allowance = data, where, limits, allowance

    def pages(self, most: float) -> Iterator[PageOrRemark]:
        """Its pages and what is to be said, as long as they have `most` pixels together at the most."""
        with bounded.File(self._data, "pdf" if self.kind == "PDF" else "tiff", self._limits, self._allowance) as file:
            opened = file.open()
            if isinstance(opened, Refused):
                yield self._unopened(opened)
                return
            count, pixels, cut = opened.pages, 0, ""
            small: list[str] = []
            first, last = (self._chosen.first - 1, min(count, self._chosen.last)) if self._chosen else (0, count)
            if self._chosen:
                self._chosen.of = count
                if first >= count:
                    yield no_such_page(self._where, self._chosen)
                    return
            for number in range(first, last):
                if number - first == self._limits.max_pdf_pages:
                    cut = f"max_pdf_pages = {self._limits.max_pdf_pages}"
                    break
                if self._allowance.left <= 0:
                    cut = f"decoding took {self._limits.seconds_together:g} s of CPU time, which is 6 x page_timeout_s"
                    break
                found = file.page(number)
                if isinstance(found, Refused):
                    yield self._lost(found, number, count)
                    continue
                pixels += found.image.shape[0] * found.image.shape[1]
                if pixels > most:
                    cut = f"more would have over {TOGETHER} x max_pixels = {most} pixels together"
                    break
                if found.smaller:
                    small.append(str(number + 1))
                yield found.image
                del found
        if cut:
            read = f"{first + 1} to {number}" if first else f"the first {number}"
            yield Remark(f"{self._where} has {count} pages, of which only {read} were read ({cut})")
        if opened.broken:
            yield Remark(f"{self._where}: the {self.kind} is damaged after its page {count}, so there may have been more")
        if small:
            over = f"over {self._limits.max_pixels} pixels (max_pixels) at {self._limits.pdf_dpi} dpi"
            yield Remark(f"{self._where}: page {', '.join(small)} would be {over} and was rendered smaller")

    def _unopened(self, refused: Refused) -> Undecodable:
        reasons = {"locked": "it needs a password", "damaged": "it is damaged or has no pages"}
        return Undecodable(f"{self._where} is a {self.kind} that cannot be opened: {reasons.get(refused.why, refused.detail)}")

    def _lost(self, refused: Refused, number: int, count: int) -> Undecodable:
        large = refused.why == "large"
        if count == 1 and self.kind == "TIFF":
            text = f"{self._where} {refused.detail if large else f'cannot be decoded: {refused.detail or images.UNKNOWN}'}"
            return Undecodable(text.removesuffix("."), large)
        page = f"{self._where}: page {number + 1} of the {self.kind}"
        if large:
            return LostPage(f"{page} {refused.detail}".removesuffix("."), large)
        reason = f": {refused.detail}" if refused.detail else ""
        return LostPage(f"{page} cannot be {'rendered' if self.kind == 'PDF' else 'decoded'}{reason}")
