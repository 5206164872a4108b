"""What the page at `/` asks beside reading: a page's picture, and the files of a tree that was read before and corrected."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ocr_serving.decoding import images, pages, pdf_text
from ocr_serving.decoding.images import Image, Limits, Undecodable
from ocr_serving.decoding.limits import Allowance
from ocr_serving.decoding.pages import Chosen
from ocr_serving.errors import InputError, TooLargeError
from ocr_serving.output import formats, given
from ocr_serving.output.formats import Joins, Original
from ocr_serving.output.reading import has_unknown
from ocr_serving.output.tree import Document
from ocr_serving.server.messages import Reply

PAGES, SIZE = "X-OCR-Pages", "X-OCR-Page-Size"
"""Headers: how many pages the file has; a page's width and height in the pixels in which places are told."""

LONGEST_SHOWN = 1800
QUALITY = 80
SHOWN_FORMS = ("docx", "markdown")
"""Formats that show the pictures of figures."""


def picture(body: bytes, number: int, limits: Limits) -> Reply:
    """A page of the file in `body` as a JPEG of at most 1800 pixels a side, upright as it was sent. Raises InputError."""
    chosen = Chosen(number)
    found = _image(body, chosen, limits, Allowance(limits.seconds_together))
    if isinstance(found, Undecodable):
        raise (TooLargeError if found.large else InputError)(f"{found.reason}.")
    height, width = found.shape[:2]
    scale = LONGEST_SHOWN / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        found = np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_AREA), np.uint8)
    encoded = cv2.imencode(".jpg", found, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    about = {
        PAGES: str(chosen.of),
        SIZE: f"{width}x{height}",
        "Content-Type": "image/jpeg",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Reply(200, "000", encoded, headers=about)


def files(tree: Document, encoded: Sequence[str], forms: Sequence[str], limits: Limits, joins: Joins) -> formats.Files:
    """`tree` in `forms`; `encoded` are the files it was read from, as base64, which only some formats need. Raises InputError."""
    data = [images.bytes_from_base64(text, where=f"images[{n}]") for n, text in enumerate(encoded)]
    if "pdf" in forms and not data:
        raise InputError("pdf: a searchable PDF shows the pages as they are: send their files as 'images' too.")
    originals = _Originals(data, limits)
    if data and given.has_figures(tree) and any(form in SHOWN_FORMS for form in forms):
        tree = given.with_pictures(tree, originals.page)
    original = originals.of(tree) if "pdf" in forms else Original()
    return formats.files(tree, original, forms, tree.title or "document", joins)


class _Originals:
    """The pages of the files of one request, decoded where they are asked for."""

    def __init__(self, data: Sequence[bytes], limits: Limits) -> None:
        self._data, self._limits = data, limits
        self._allowance = Allowance(limits.seconds_together)

    def page(self, number: int) -> Image | None:
        """The pixels of a page, counted through all files; None where there is none that can be decoded."""
        found = self._at(number)
        return None if found is None else found[1]

    def of(self, tree: Document) -> Original:
        """What a searchable PDF is made over. Raises InputError."""
        if len(self._data) == 1 and pages.is_pdf(self._data[0]):
            return Original(pdf=self._data[0], limits=self._limits, anew=self._anew(tree))
        if any(map(pages.is_pdf, self._data)):
            raise InputError("pdf: send one PDF, or images alone; several files of which one is a PDF are not made into one.")
        found = [self._at(page.number) for page in tree.pages]
        return Original(
            files=[b"" if one is None or pages.has_pages(one[0]) else one[0] for one in found],
            images=[None if one is None else one[1] for one in found],
        )

    def _anew(self, tree: Document) -> set[int]:
        """Pages of the PDF, from 1, whose own text was taken in part because the rest says nothing: the tree does not tell."""
        mixed = sorted({page.number - 1 for page in tree.pages if {"pdf", "ocr"} <= {line.source for line in page.lines}})
        found = pdf_text.read_of(self._data[0], mixed, self._limits) if mixed else {}
        return {number + 1 for number, text in found.items() if has_unknown(text)}

    def _at(self, number: int) -> tuple[bytes, Image] | None:
        left = number
        for data in self._data:
            chosen = Chosen(left)
            found = _image(data, chosen, self._limits, self._allowance)
            if not isinstance(found, Undecodable):
                return data, found
            if left <= chosen.of:
                return None
            left -= chosen.of
        return None


def _image(data: bytes, chosen: Chosen, limits: Limits, allowance: Allowance) -> Image | Undecodable:
    """The page, or why there is none."""
    for item in pages.from_bytes(data, where="The file", limits=limits, allowance=allowance, chosen=chosen):
        if not isinstance(item, pages.Remark):
            return item
    return Undecodable("The file has no pages")
