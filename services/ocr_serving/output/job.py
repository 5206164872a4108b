"""One document on its way: its file taken apart into pages, each read by somebody, all put together and written in formats."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import PIL.Image

from ocr_serving.decoding import headers, images, pages, pdf_text
from ocr_serving.decoding.images import Image, Limits
from ocr_serving.decoding.limits import Allowance
from ocr_serving.decoding.pdf_words import PdfPage
from ocr_serving.errors import InputError
from ocr_serving.output import build, formats
from ocr_serving.output.reading import PdfText, has_unknown
from ocr_serving.output.tree import Document, Page, Pair

POINTS = 72

LEAST_DPI, MOST_DPI = 100, 2400
"""What a file may say of its pixels to the inch; programs that do not know write 72 or 96."""


NO_UNITS = "The size of the pages may be told wrong: how large their units are (/UserUnit) could not be read."


@dataclass(frozen=True)
class Sheet:
    """A page to be read: its pixels, or why there are none; what the PDF says of it."""

    number: int
    image: Image | None
    text: PdfPage | None = None
    dpi: float | None = None
    why: str = ""


@dataclass
class Job:
    """A document. `title` is its name. Sheets are taken one after the other, and pages given back in any order."""

    title: str
    data: bytes
    forms: Sequence[str]
    limits: Limits
    pdf_text: PdfText = "auto"
    joins: formats.Joins = formats.ALL_JOINS
    """What over several columns and pages is told as one."""
    where: str = ""
    allowance: Allowance | None = None
    """CPU seconds that decoding may take, of several jobs together; None is no bound but that of each page."""
    chosen: pages.Chosen | None = None
    """The pages that are wanted; None is all."""
    remarks: list[str] = field(default_factory=list)
    """What was cut or is missing, as sentences."""
    faults: int = 0
    """Pages that could not be read."""
    _pages: dict[int, Page] = field(default_factory=dict)
    _pairs: list[Pair] = field(default_factory=list)
    _images: dict[int, Image] = field(default_factory=dict)
    _anew: set[int] = field(default_factory=set)
    _count: int = 0
    _files: list[bytes] = field(default_factory=list)
    """Each page's file, b"" where it is one of several."""

    @property
    def is_pdf(self) -> bool:
        """Whether the file is a PDF."""
        return pages.is_pdf(self.data)

    def sheets(self) -> Iterator[Sheet]:
        """The pages, as they are decoded; what cannot be is one too, and says why. Raises TooLargeError."""
        texts: list[PdfPage] = []
        units: list[float] | None = []
        if self.is_pdf:
            first, most = (self.chosen.first - 1, self.chosen.last) if self.chosen else (0, self.limits.max_pdf_pages)
            most = min(most, first + self.limits.max_pdf_pages)
            if self.pdf_text != "never":
                texts = pdf_text.read(self.data, most, self.limits, first=first)
            units = pdf_text.units(self.data, most, self.limits, first=first, allowance=self.allowance)
            if units is None:
                self.remarks.append(NO_UNITS)
        dpi = None if self.is_pdf else _dpi(self.data)
        where, skipped = self.where or self.title, self.chosen.first - 1 if self.chosen else 0
        for item in pages.from_bytes(self.data, where=where, limits=self.limits, allowance=self.allowance, chosen=self.chosen):
            if isinstance(item, pages.Remark):
                self.remarks.append(f"{item.text}.")
                continue
            self._count += 1
            self._files = [self.data] if self._count == 1 else [b""] * self._count
            if isinstance(item, images.Undecodable):
                yield Sheet(skipped + self._count, None, why=f"{item.reason}.")
                continue
            text = texts[self._count - 1] if self._count <= len(texts) else None
            if self.is_pdf:
                unit = units[self._count - 1] if units and self._count <= len(units) else 1.0
                dpi = (item.shape[1] / text.width * POINTS if text and text.width else float(self.limits.pdf_dpi)) / unit
            yield Sheet(skipped + self._count, item, text, dpi)

    def take(self, sheet: Sheet, entry: Any, remarks: Sequence[str] = (), fields: Any = None) -> None:
        """The `entry` that `sheet` was read as, and `fields`, that of kie_ser_re. Raises InputError where it is no page's."""
        if sheet.image is None:
            raise ValueError("a sheet without pixels is missed, not taken")
        page = build.page(entry, sheet.image, number=sheet.number, dpi=sheet.dpi, remarks=remarks)
        self._pages[sheet.number] = page
        self._pairs += build.pairs(fields if fields is not None else entry, sheet.number)
        self.remarks += [f"Page {sheet.number}: {remark}." for remark in remarks]
        if sheet.text and has_unknown(sheet.text):
            self._anew.add(sheet.number)
        if "pdf" in self.forms and not self.is_pdf:
            self._images[sheet.number] = sheet.image

    def miss(self, sheet: Sheet, why: str) -> None:
        """`sheet` could not be read."""
        self.faults += 1
        size = (1, 1) if sheet.image is None else (sheet.image.shape[1], sheet.image.shape[0])
        self._pages[sheet.number] = build.unread(sheet.number, why, size)
        names_it = why.startswith(self.where or self.title)
        self.remarks.append(why if names_it or (self._count == 1 and not self.is_pdf) else f"Page {sheet.number}: {why}")

    def append(self, further: Job) -> None:
        """The pages of `further`, which have all been given back, after those of this one."""
        last = max(self._pages, default=0)
        for number, page in further._pages.items():
            self._pages[last + number] = page.model_copy(update={"number": last + number})
        self._pairs += [pair.model_copy(update={"page": last + pair.page}) for pair in further._pairs]
        self._images |= {last + number: image for number, image in further._images.items()}
        self._files += further._files
        self.remarks += further.remarks
        self.faults += further.faults

    @property
    def is_lost(self) -> bool:
        """Whether no page could be read."""
        return self.faults == len(self._pages)

    @property
    def page_count(self) -> int:
        """Pages given back so far."""
        return len(self._pages)

    def document(self) -> Document:
        """The tree of all pages. Raises InputError where none could be read."""
        if self.is_lost:
            raise InputError(self.remarks[0] if self.remarks else f"{self.title} has no pages.")
        whole = build.document(self.title, [self._pages[number] for number in sorted(self._pages)])
        return build.with_fields(whole, sorted(self._pairs, key=lambda pair: pair.page)) if self._pairs else whole

    def files(self) -> formats.Files:
        """The document in its formats. Raises InputError."""
        numbers = sorted(self._pages)
        if self.is_pdf:
            original = formats.Original(pdf=self.data, limits=self.limits, anew=self._anew)
        else:
            original = formats.Original(files=self._files, images=[self._images.get(number) for number in numbers])
        return formats.files(self.document(), original, self.forms, self.title, self.joins)


def _dpi(data: bytes) -> float | None:
    """Pixels to the inch as an image file says them, where it is to be believed."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=headers.HEADERS) as image:
            across, down = (float(value) for value in image.info["dpi"])
    except Exception:  # noqa: BLE001  Pillow raises many types on damaged files, which the decoder has judged
        return None
    return across if LEAST_DPI <= across <= MOST_DPI and abs(across - down) < 0.02 * across else None
