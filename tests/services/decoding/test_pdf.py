"""PDFs: a result for each page, cuts that are said, and what cannot be opened."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pypdfium2
import pytest

from helpers import pdfs
from helpers.services import ECHO, b64
from ocr_serving.decoding import pages
from ocr_serving.decoding.images import Image, Limits, Undecodable
from ocr_serving.modules.loader import load_module

A4 = (595, 842)


def pdf(*sizes: tuple[float, float]) -> bytes:
    """A PDF of empty pages of these sizes in points."""
    document = pypdfium2.PdfDocument.new()
    for width, height in sizes:
        document.new_page(width, height)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def read(data: bytes, **limits: Any) -> tuple[list[Image], list[str]]:
    """The pages of a PDF and what is said of it."""
    found = list(pages.from_bytes(data, where="images[0]", limits=Limits(**limits), kept=True))
    said = [item.text if isinstance(item, pages.Remark) else item.reason for item in found if not isinstance(item, np.ndarray)]
    return [item for item in found if isinstance(item, np.ndarray)], said


def test_pages_come_in_order_at_the_resolution_asked_for() -> None:
    found, said = read(pdf((72, 144), (144, 72)), pdf_dpi=100)
    assert [page.shape for page in found] == [(200, 100, 3), (100, 200, 3)]
    assert all(page.dtype == np.uint8 and page.min() == 255 for page in found)
    assert said == []


def test_a_cut_is_said() -> None:
    found, said = read(pdf(*[(72, 72)] * 5), max_pdf_pages=3)
    assert len(found) == 3
    assert said == ["images[0] has 5 pages, of which only the first 3 were read (max_pdf_pages = 3)"]
    assert read(pdf(*[(72, 72)] * 3), max_pdf_pages=3)[1] == []


def test_pages_together_keep_to_a_limit_and_none_is_too_large() -> None:
    found, said = read(pdf(*[A4] * 5), max_pixels=100_000, pdf_dpi=36)
    assert len(found) == 3
    assert "only the first 3 were read (more would have over 3 x max_pixels = 300000 pixels together)" in said[0]
    one_by_one = pages.from_bytes(pdf(*[A4] * 5), where="x", limits=Limits(max_pixels=130_000, pdf_dpi=36))
    assert sum(isinstance(item, np.ndarray) for item in one_by_one) == 5
    (large, small), said = read(pdf((14400, 14400), (72, 72)), max_pixels=250_000, pdf_dpi=200)
    assert 200_000 < large.shape[0] * large.shape[1] <= 250_000
    assert small.shape == (200, 200, 3)
    assert said == ["images[0]: page 1 would be over 250000 pixels (max_pixels) at 200 dpi and was rendered smaller"]
    ((strip,), _) = read(pdf((14400, 1)), max_pixels=10_000)
    assert strip.shape[0] * strip.shape[1] <= 10_000


def test_a_pdf_is_known_by_its_first_bytes() -> None:
    assert pages.is_pdf(b"%PDF-1.7")
    assert pages.is_pdf(b"\r\n%PDF-1.4")
    assert not pages.is_pdf(b"\x89PNG%PDF-")


LOCKED = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>endobj\n"
    b"4 0 obj<</Filter/Standard/V 1/R 2/P -4/O<" + b"41" * 32 + b">/U<" + b"42" * 32 + b">>>endobj\n"
    b"trailer<</Root 1 0 R/Encrypt 4 0 R/ID[<41><41>]>>\n"
)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"%PDF-1.7 and no more", "images[0] is a PDF that cannot be opened: it is damaged or has no pages"),
        (pdf(A4)[:300], "images[0] is a PDF that cannot be opened: it is damaged or has no pages"),
        (LOCKED, "images[0] is a PDF that cannot be opened: it needs a password"),
        (pdf(), "images[0] is a PDF that cannot be opened: it is damaged or has no pages"),
    ],
)
def test_what_cannot_be_opened_is_undecodable_with_the_reason(data: bytes, why: str) -> None:
    assert list(pages.from_bytes(data, where="images[0]", limits=Limits())) == [Undecodable(why)]


def test_a_request_has_an_entry_for_each_page_between_those_of_its_pictures() -> None:
    module = load_module(str(ECHO), limits=Limits(max_pdf_pages=2, pdf_dpi=72))
    decoded = module.decode([b64(pdf((30, 40))), b64(b"%PDF-1.7 broken"), b64(pdf((10, 20), (30, 20), (10, 10)))])
    assert [page if page is None else page.shape for page in decoded] == [(40, 30, 3), None, (20, 10, 3), (20, 30, 3)]
    assert module.warnings == [
        "images[1] is a PDF that cannot be opened: it is damaged or has no pages",
        "images[2] has 3 pages, of which only the first 2 were read (max_pdf_pages = 2)",
    ]


def test_a_page_of_one_colour_that_has_content_is_told_from_an_empty_one() -> None:
    _, said = read(pdfs.of_text(["unseen"], [" "], [], mode=3), pdf_dpi=36)
    assert len(said) == 1
    assert said[0].startswith("images[0]: page 1 shows one colour alone, although it has content")
