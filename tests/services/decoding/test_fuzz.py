"""Damaged files of each kind, the same at each run: whatever stands in them, each is a picture or has a reason."""

from __future__ import annotations

import io
import random
from collections import Counter

import numpy as np
import PIL.Image
import pytest

from ocr_serving.decoding import pages
from ocr_serving.decoding.images import Limits, Undecodable
from ocr_serving.errors import TooLargeError

LIMITS = Limits(max_pixels=1_000_000, page_timeout_s=2, page_memory_mb=300, pdf_dpi=72)
TEXT = b"BT /F 12 Tf 10 10 Td (Invoice 1247) Tj ET"
PDF = (
    b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 3 0 R]/Count 2>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length %d>>stream\n%s\nendstream endobj\n5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
    b"trailer<</Root 1 0 R>>\n" % (len(TEXT), TEXT)
)


def saved(kind: str, *more: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    PIL.Image.radial_gradient("L").convert("RGB").save(file, kind, save_all=bool(more), append_images=more)
    return file.getvalue()


SOURCES = {kind: saved(kind) for kind in ("TIFF", "AVIF", "JPEG2000", "PNG", "JPEG", "WEBP", "GIF", "BMP")} | {
    "TIFF of pages": saved("TIFF", PIL.Image.new("L", (60, 40)), PIL.Image.new("1", (60, 40))),
    "PDF": PDF,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_damaged_files_are_pictures_or_have_a_reason(kind: str) -> None:
    chance = random.Random(f"decoding {kind}")
    found: Counter[str] = Counter()
    for _ in range(30):
        data = bytearray(SOURCES[kind])
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(min(len(data), chance.choice((64, 400, len(data)))))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(8, len(data)) :]
        try:
            items = list(pages.from_bytes(bytes(data), where="it", limits=LIMITS, kept=True))
        except TooLargeError:
            items = [Undecodable("too large")]
        assert items
        for item in items:
            found[type(item).__name__] += 1
            if isinstance(item, np.ndarray):
                assert item.dtype == np.uint8
                assert item.shape[0] * item.shape[1] <= LIMITS.max_pixels
            else:
                assert item.text if isinstance(item, pages.Remark) else item.reason
    assert found["ndarray"] < sum(found.values()) or kind == "BMP", found
