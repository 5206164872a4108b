"""A TIFF has a result for each page, an animation one for its first picture, and what is left out is said."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import pytest

from helpers.services import ECHO, b64
from ocr_serving.decoding import pages, tiff_codecs
from ocr_serving.decoding.images import Image, Limits
from ocr_serving.errors import TooLargeError
from ocr_serving.modules.loader import load_module

COLOURS = ("red", "lime", "blue", "black", "gold")


def picture(colour: str, size: tuple[int, int] = (40, 30)) -> PIL.Image.Image:
    return PIL.Image.new("RGB", size, colour)


def saved(kind: str, first: PIL.Image.Image, *others: PIL.Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    first.save(file, kind, save_all=bool(others), append_images=others, **options)
    return file.getvalue()


def read(data: bytes, **limits: Any) -> tuple[list[Image], list[str]]:
    """The pages and what is said."""
    found = list(pages.from_bytes(data, where="images[0]", limits=Limits(**limits), kept=True))
    said = [item.text if isinstance(item, pages.Remark) else item.reason for item in found if not isinstance(item, np.ndarray)]
    return [item for item in found if isinstance(item, np.ndarray)], said


def colours(found: list[Image]) -> list[tuple[int, ...]]:
    """Red, green, blue of the first pixel of each."""
    return [tuple(int(value) for value in page[0, 0, ::-1]) for page in found]


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}])
def test_each_page_of_a_tiff_counts(options: dict[str, Any]) -> None:
    found, said = read(saved("TIFF", *map(picture, COLOURS), **options))
    assert colours(found) == [PIL.ImageColor.getrgb(name) for name in COLOURS]
    assert said == []


def test_pages_of_a_tiff_have_the_limits_and_words_of_a_pdf() -> None:
    data = saved("TIFF", *map(picture, COLOURS))
    found, said = read(data, max_pdf_pages=2)
    assert len(found) == 2
    assert said == ["images[0] has 5 pages, of which only the first 2 were read (max_pdf_pages = 2)"]
    found, said = read(data, max_pixels=1200)
    assert len(found) == 3
    assert said == [
        "images[0] has 5 pages, of which only the first 3 were read (more would have over 3 x max_pixels = 3600 pixels together)"
    ]
    found, said = read(saved("TIFF", picture("red"), picture("red", (400, 300)), picture("blue")), max_pixels=100_000)
    assert colours(found) == [(255, 0, 0), (0, 0, 255)]
    assert said == ["images[0]: page 2 of the TIFF has 400x300 pixels, over the limit of 100000 (max_pixels): send it smaller"]
    found, said = read(data, decoding="legacy")
    assert (colours(found), said) == ([(255, 0, 0)], [])


def test_pages_of_a_tiff_may_be_of_any_kind() -> None:
    grey = PIL.Image.linear_gradient("L").resize((40, 30))
    clear = PIL.Image.merge("RGBA", [PIL.Image.new("L", grey.size)] * 3 + [grey])
    found, said = read(
        saved("TIFF", picture("red", (9, 8)), grey.convert("1"), grey, grey.convert("CMYK"), clear, grey.convert("P"))
    )
    assert said == []
    assert [page.shape for page in found] == [(8, 9, 3), *[(30, 40, 3)] * 5]
    assert int(found[4][0, 0, 0]) >= 247
    assert int(found[4][-1, 0, 0]) <= 8


def test_a_smaller_copy_of_a_page_is_no_page() -> None:
    copy = PIL.TiffImagePlugin.ImageFileDirectory_v2()
    copy[254] = 1
    thumbnail = picture("lime", (4, 3))
    thumbnail.encoderinfo = {"tiffinfo": copy}
    found, said = read(saved("TIFF", picture("red"), thumbnail, picture("blue")))
    assert (colours(found), said) == ([(255, 0, 0), (0, 0, 255)], [])


def test_a_tiff_cut_short_gives_the_pages_it_has() -> None:
    data = saved("TIFF", *(picture(name) for name in COLOURS[:3]))
    found, said = read(data[: len(data) * 2 // 3])
    assert 1 <= len(found) <= 2
    assert colours(found)[0] == (255, 0, 0)
    assert said


def compressed_as(data: bytes, code: int, *, page: int) -> bytes:
    """A TIFF whose page says that it is of another compression."""
    found = bytearray(data)
    at = list(tiff_codecs.directories(data))[page]
    for entry in range(at + 2, at + 2 + 12 * int.from_bytes(data[at : at + 2], "little"), 12):
        if int.from_bytes(data[entry : entry + 2], "little") == tiff_codecs.COMPRESSION:
            found[entry + 8 : entry + 10] = code.to_bytes(2, "little")
    return bytes(found)


@pytest.mark.parametrize(
    ("code", "name"), [(34712, "JPEG 2000 (34712)"), (50002, "JPEG XL (50002)"), (34661, "JBIG (34661)"), (61000, "number 61000")]
)
def test_a_compression_that_is_not_read_is_named_and_costs_its_own_page(code: int, name: str) -> None:
    why = f"its compression, {name}, is not read here: send it as a JPEG, PNG or PDF"
    one = saved("TIFF", picture("red"))
    assert read(compressed_as(one, code, page=0)) == ([], [f"images[0] cannot be decoded: {why}"])
    three = saved("TIFF", *map(picture, COLOURS[:3]))
    for page, others in ((0, ["lime", "blue"]), (1, ["red", "blue"])):
        found, said = read(compressed_as(three, code, page=page))
        assert colours(found) == [PIL.ImageColor.getrgb(name) for name in others]
        assert said == [f"images[0]: page {page + 1} of the TIFF cannot be decoded: {why}"]


def test_limits_hold_behind_a_page_whose_compression_is_not_read() -> None:
    thumbnail = picture("gold")
    thumbnail.encoderinfo = {"tiffinfo": PIL.TiffImagePlugin.ImageFileDirectory_v2()}
    thumbnail.encoderinfo["tiffinfo"][254] = 1
    data = compressed_as(saved("TIFF", picture("red"), picture("blue", (400, 300)), thumbnail, picture("lime")), 34712, page=0)
    found, said = read(data, max_pixels=100_000)
    assert colours(found) == [PIL.ImageColor.getrgb("lime")]
    assert said[1] == "images[0]: page 2 of the TIFF has 400x300 pixels, over the limit of 100000 (max_pixels): send it smaller"


def test_a_compression_told_in_four_bytes_is_known() -> None:
    """Big-endian, as from a Macintosh: its number stands in the last two of them."""
    at = 8 + 2
    fields = [(256, 4, 40), (257, 4, 30), (258, 3, 8 << 16), (259, 4, 1), (262, 3, 1 << 16), (273, 4, 8 + 2 + 8 * 12 + 4)]
    fields += [(278, 4, 30), (279, 4, 1200)]
    entries = b"".join(tag.to_bytes(2) + kind.to_bytes(2) + (1).to_bytes(4) + value.to_bytes(4) for tag, kind, value in fields)
    data = b"MM\0\x2a" + (at - 2).to_bytes(4) + len(fields).to_bytes(2) + entries + bytes(4) + bytes([200]) * 1200
    found, said = read(data)
    assert (colours(found), said) == ([(200, 200, 200)], [])


def test_the_old_decoding_answers_such_a_page_with_black_as_it_did() -> None:
    (page,) = load_module(str(ECHO), limits=Limits(decoding="legacy")).decode(
        [b64(compressed_as(saved("TIFF", picture("red")), 9, page=0))]
    )
    assert page is not None
    assert colours([page]) == [(0, 0, 0)]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_read_and_the_rest_is_said(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    found, said = read(saved(kind, picture("red"), picture("blue"), **options))
    assert colours(found) == [(255, 0, 0)]
    assert said == ["images[0]: an animation, of which only the first picture was read"]
    assert read(saved(kind, picture("red"), **options))[1] == []


def test_a_pdf_may_begin_a_little_later() -> None:
    assert pages.is_pdf(b"\xef\xbb\xbf%PDF-1.7")
    assert pages.is_pdf(b"From: scanner\r\n" + bytes(1000) + b"%PDF-1.4")
    assert not pages.is_pdf(bytes(1024) + b"%PDF-1.4")


def test_an_image_too_large_costs_its_own_place() -> None:
    small, large = saved("PNG", picture("red")), saved("PNG", picture("red", (400, 300)))
    module = load_module(str(ECHO), limits=Limits(max_pixels=100_000))
    decoded = module.decode([b64(small), b64(large), b64(small)])
    assert [page if page is None else page.shape for page in decoded] == [(30, 40, 3), None, (30, 40, 3)]
    assert module.warnings == ["images[1] has 400x300 pixels, over the limit of 100000 (max_pixels): send it smaller"]
    with pytest.raises(TooLargeError, match=r"^images\[0\] has 400x300 pixels.*smaller\.$"):
        module.decode([b64(large)])
    with pytest.raises(TooLargeError, match=r"^images\[1\] has 400x300 pixels"):
        load_module(str(ECHO), limits=Limits(max_pixels=100_000, decoding="legacy")).decode([b64(small), b64(large)])
