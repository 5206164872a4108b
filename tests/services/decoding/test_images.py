"""Decoding, seen from the pixels: what comes out is what a viewer shows."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps
import pytest
from numpy.typing import NDArray

from ocr_serving.decoding import images, pages, pixels
from ocr_serving.decoding.images import Limits, Undecodable
from ocr_serving.errors import InputError, TooLargeError

WIDTH, HEIGHT = 40, 24
COLOURS = PIL.Image.new("RGB", (WIDTH, HEIGHT), "white")
for _at, _colour in enumerate(("red", "lime", "blue", "black", "gold")):
    COLOURS.paste(_colour, (8 * _at, 0, 8 * _at + 8, 12))
"""Five colours over white: no two of its eight orientations look alike."""


def saved(image: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(data: bytes, limits: Limits | None = None) -> NDArray[np.uint8]:
    found = images.from_bytes(data, where="it", limits=limits or Limits())
    assert not isinstance(found, Undecodable), found.reason
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    return found


def difference(data: bytes, expected: PIL.Image.Image) -> float:
    """Mean absolute difference of the decoded picture from the expected one, in grey levels."""
    found = decoded(data)[:, :, ::-1]
    wanted = np.asarray(expected.convert("RGB"))
    assert found.shape == wanted.shape
    return float(np.abs(found.astype(int) - wanted).mean())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("GIF", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 20),
        ("JPEG", {"quality": 95, "subsampling": 0}, 3),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 3),
        ("JPEG2000", {}, 0),
        ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 3),
    ],
)
def test_each_format_gives_its_colours(kind: str, options: dict[str, Any], tolerance: float) -> None:
    assert difference(saved(COLOURS, kind, **options), COLOURS) <= tolerance


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_gives_its_colours(kind: str) -> None:
    assert difference(saved(COLOURS.convert("CMYK"), kind), COLOURS) <= 5


def test_a_palette_gives_its_colours() -> None:
    assert difference(saved(COLOURS.quantize(8), "PNG"), COLOURS) == 0


@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_sixteen_bits_become_eight(ending: str) -> None:
    eight = np.asarray(COLOURS)[:, :, ::-1]
    assert np.array_equal(decoded(cv2.imencode(ending, eight.astype(np.uint16) * 257)[1].tobytes()), eight)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG2000", "AVIF"])
def test_transparency_is_laid_over_white(kind: str) -> None:
    ramp = PIL.Image.linear_gradient("L").resize((64, 300))
    clear = PIL.Image.merge("RGBA", [PIL.Image.new("L", ramp.size)] * 3 + [ramp])
    options = {"lossless": True} if kind == "WEBP" else {}
    on_white = PIL.Image.alpha_composite(PIL.Image.new("RGBA", ramp.size, "white"), clear)
    assert difference(saved(clear, kind, **options), on_white) <= 1


def test_a_transparent_colour_is_white() -> None:
    opaque_above = PIL.Image.new("RGB", (WIDTH, HEIGHT), "white")
    opaque_above.paste("red", (0, 0, WIDTH, 12))
    picture = PIL.Image.new("RGB", (WIDTH, HEIGHT), "black")
    picture.paste("red", (0, 0, WIDTH, 12))
    palette = picture.quantize(2)
    black = palette.getpixel((0, HEIGHT - 1))
    assert difference(saved(picture, "PNG", transparency=(0, 0, 0)), opaque_above) == 0
    assert difference(saved(palette, "PNG", transparency=black), opaque_above) == 0
    assert difference(saved(palette, "GIF", transparency=black), opaque_above) == 0


ORIENTED = [
    *((kind, False) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")),
    *((kind, True) for kind in ("PNG", "WEBP", "TIFF", "AVIF")),
]


@pytest.mark.parametrize(("kind", "alpha"), ORIENTED)
def test_exif_orientation_is_applied_as_viewers_do(kind: str, alpha: bool) -> None:
    picture = COLOURS.convert("RGBA") if alpha else COLOURS
    if alpha:
        picture.putpixel((0, 0), (0, 0, 0, 0))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind in ("JPEG", "AVIF") else {}
    for orientation in range(1, 9):
        exif = PIL.Image.Exif()
        exif[PIL.ExifTags.Base.Orientation] = orientation
        data = saved(picture, kind, exif=exif, **options)
        assert difference(data, viewed(COLOURS, orientation)) <= 10, orientation


def test_an_orientation_behind_the_pixels_is_applied() -> None:
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Orientation] = 6
    data = saved(COLOURS.convert("RGBA"), "PNG", exif=exif)
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4])]
    behind = data.replace(chunk, b"").removesuffix(data[-12:]) + chunk + data[-12:]
    assert difference(behind, viewed(COLOURS, 6)) == 0


def viewed(image: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    """The stored picture as a viewer turns it, by the table of the EXIF standard: where its row 0 and column 0 are to be seen."""
    turns = PIL.Image.Transpose
    turn = (
        None,
        turns.FLIP_LEFT_RIGHT,
        turns.ROTATE_180,
        turns.FLIP_TOP_BOTTOM,
        turns.TRANSPOSE,
        turns.ROTATE_270,
        turns.TRANSVERSE,
        turns.ROTATE_90,
    )[orientation - 1]
    return image if turn is None else image.transpose(turn)


def test_the_first_frame_counts() -> None:
    other = PIL.Image.new("RGB", COLOURS.size, "red")
    for kind in ("GIF", "PNG", "TIFF"):
        assert difference(saved(COLOURS, kind, save_all=True, append_images=[other]), COLOURS) == 0


INK = PIL.Image.new("L", (200, 60))
INK.paste(255, (20, 20, 60, 40))
"""A block of ink on nothing, as an alpha channel."""


def inked(*colours: tuple[int, int, int]) -> PIL.Image.Image:
    """Blocks of ink of these colours, side by side, on nothing."""
    picture = PIL.Image.new("RGBA", (200 * len(colours), 60), (0, 0, 0, 0))
    for at, colour in enumerate(colours):
        picture.paste(PIL.Image.merge("RGBA", [*PIL.Image.new("RGB", INK.size, colour).split(), INK]), (200 * at, 0))
    return picture


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG2000", "AVIF"])
@pytest.mark.parametrize(
    ("colours", "ground"),
    [
        ([(255, 255, 255)], "black"),
        ([(255, 235, 150)], "black"),
        ([(255, 255, 255), (220, 0, 0)], "black"),
        ([(0, 0, 0)], "white"),
        ([(220, 0, 0)], "white"),
        ([(120, 120, 120)], "white"),
        ([(0, 0, 0), (255, 255, 0)], "white"),
        ([(255, 255, 255), (0, 0, 0)], (128, 128, 128)),
    ],
)
def test_ink_on_nothing_is_laid_over_what_it_contrasts_with(
    kind: str, colours: list[tuple[int, int, int]], ground: str | tuple[int, int, int]
) -> None:
    picture = inked(*colours)
    expected = PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, ground), picture)
    assert difference(saved(picture, kind, **({"lossless": True} if kind == "WEBP" else {})), expected) <= 2


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_translucent_ink_is_ink(kind: str) -> None:
    picture = PIL.Image.new("RGBA", INK.size, "white")
    picture.putalpha(INK.point(lambda value: value // 3))
    found = decoded(saved(picture, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert found[30, 40].tolist() == [85, 85, 85]
    assert not found[0, 0].any()


@pytest.mark.parametrize("mode", ["LA", "P", "I;16"])
def test_white_ink_on_nothing_in_other_modes(mode: str) -> None:
    picture = inked((255, 255, 255))
    if mode == "I;16":
        data = cv2.imencode(".png", np.asarray(picture).astype(np.uint16) * 257)[1].tobytes()
    else:
        data = saved(picture.quantize(4) if mode == "P" else picture.convert("LA"), "PNG")
    assert difference(data, INK.convert("RGB")) <= 1


@pytest.mark.parametrize("kind", ["TIFF", "JPEG2000"])
def test_grey_ink_on_nothing_is_seen_where_opencv_drops_its_transparency(kind: str) -> None:
    for ink, seen in ((0, PIL.ImageOps.invert(INK)), (255, INK)):
        picture = PIL.Image.merge("LA", [PIL.Image.new("L", INK.size, ink), INK])
        assert difference(saved(picture, kind), seen.convert("RGB")) <= 1


def test_grey_ink_on_nothing_is_turned_as_its_tag_says_and_found_on_later_pages() -> None:
    ink = PIL.Image.merge("LA", [PIL.Image.new("L", INK.size), INK])
    assert difference(saved(ink, "TIFF", tiffinfo={274: 6}), PIL.ImageOps.invert(viewed(INK, 6)).convert("RGB")) <= 1
    data = saved(COLOURS, "TIFF", save_all=True, append_images=[ink])
    _, second = pages.from_bytes(data, where="it", limits=Limits())
    assert isinstance(second, np.ndarray)
    assert np.array_equal(second[:, :, 0], 255 - np.asarray(INK))


def test_a_page_with_clear_edges_stays_on_white() -> None:
    page = PIL.Image.new("RGBA", (200, 100), (255, 255, 255, 0))
    page.paste((250, 250, 250, 255), (10, 10, 190, 90))
    page.paste((0, 0, 0, 255), (20, 20, 30, 30))
    expected = PIL.Image.alpha_composite(PIL.Image.new("RGBA", page.size, "white"), page)
    assert difference(saved(page, "PNG"), expected) == 0


def test_legacy_lays_over_white_and_leaves_faint_pages_alone() -> None:
    plain = Limits(decoding="legacy")
    assert decoded(saved(inked((255, 255, 255)), "PNG"), plain).min() == 255
    assert decoded(saved(PIL.Image.linear_gradient("L").point(lambda value: 100 + value // 16), "PNG"), plain).max() == 115


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("ending", [".png", ".tiff", ".pgm", ".jp2"])
def test_the_lower_bits_of_sixteen_are_seen(bits: int, ending: str) -> None:
    grey = np.asarray(PIL.Image.linear_gradient("L").resize((64, 256)))
    deep = (grey.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
    found = decoded(cv2.imencode(ending, deep)[1].tobytes()).astype(int)
    assert abs(found - grey[:, :, None].astype(int)).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_odd_depths_of_a_tiff_are_read(bits: int) -> None:
    grey = np.asarray(PIL.Image.linear_gradient("L").resize((64, 256))) >> 7
    samples = grey.astype(np.uint16) * (2**bits - 1)
    rows = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(256, 64, 2), axis=2)[:, :, 16 - bits :].reshape(256, -1)
    data = grey_tiff(64, 256, np.packbits(rows, axis=1).tobytes(), bits)
    assert np.abs(decoded(data).astype(int) - grey[:, :, None] * 255).max() <= 1


def grey_tiff(width: int, height: int, strip: bytes, bits: int, **more: int) -> bytes:
    """A TIFF of one strip of grey samples of so many bits; tags beyond those of a plain one by their numbers, as in t339=2."""
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(strip)}
    tags |= {int(tag[1:]): value for tag, value in more.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\x00" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


RAMP = np.tile(np.arange(256, dtype=np.uint8), (64, 1))


@pytest.mark.parametrize(
    ("samples", "sample_format"),
    [
        (RAMP.astype(np.int16) - 128, 2),
        ((RAMP.astype(np.int16) - 128).astype(np.int8), 2),
        (RAMP.astype(np.int16) * 128, 2),
        (RAMP.astype(np.int32) * 1000, 2),
        (RAMP.astype(np.uint32) * 0x01010101, 1),
        (RAMP.astype(np.float32) / 127.5 - 1, 3),
        (RAMP.astype(np.float32) * 257, 3),
        (RAMP.astype(np.float64) / 255, 3),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_samples_of_any_kind_of_number_are_seen(samples: NDArray[Any], sample_format: int) -> None:
    data = grey_tiff(256, 64, samples.tobytes(), samples.dtype.itemsize * 8, t339=sample_format)
    assert np.abs(decoded(data)[:, :, 0].astype(int) - RAMP).max() <= 1


def test_colours_in_floating_point_are_seen() -> None:
    colours = np.asarray(COLOURS)[:, :, ::-1]
    for ending in (".tiff", ".pfm"):
        data = cv2.imencode(ending, colours.astype(np.float32) / 255)[1].tobytes()
        assert difference(data, COLOURS) <= 1, ending


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_compressions_that_opencv_lacks_are_read(compression: str) -> None:
    assert difference(saved(COLOURS, "TIFF", compression=compression), COLOURS) == 0


def test_channels_that_are_neither_colour_nor_transparency_are_left_out() -> None:
    five = np.concatenate([np.asarray(COLOURS), np.full((HEIGHT, WIDTH, 2), 77, np.uint8)], axis=2)
    # Bits of each channel: five short numbers, behind the pixels; so are what the two more channels are.
    strip = five.tobytes() + struct.pack("<5H", *[8] * 5) + struct.pack("<2H", 0, 0) + bytes(2)
    at = 8 + five.nbytes
    tags = [
        (256, 4, 1, WIDTH),
        (257, 4, 1, HEIGHT),
        (258, 3, 5, at),
        (259, 4, 1, 1),
        (262, 4, 1, 2),
        (273, 4, 1, 8),
        (277, 4, 1, 5),
        (278, 4, 1, HEIGHT),
        (279, 4, 1, five.nbytes),
        (338, 3, 2, 0),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    data = b"II*\x00" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)
    assert difference(data, COLOURS) == 0


def test_a_faint_page_is_stretched_and_no_other() -> None:
    ramp = PIL.Image.linear_gradient("L")
    assert np.ptp(decoded(saved(ramp.point(lambda value: 100 + value // 16), "PNG"))) == 255
    assert np.ptp(decoded(saved(PIL.Image.new("L", (50, 50), 240), "PNG"))) == 0
    assert np.ptp(decoded(saved(ramp.point(lambda value: 60 + value // 4), "PNG"))) == 255
    kept = ramp.point(lambda value: 100 + value // 2)
    assert difference(saved(kept, "PNG"), kept) == 0


def printed(level: int, paper: int = 255, block: int | None = 0) -> images.Image:
    """A page of printed lines of one grey level, above a block of another."""
    page = np.full((500, 900, 3), paper, np.uint8)
    for top in range(60, 340, 40):
        cv2.putText(
            page, "Payable within thirty days 1,234.50", (40, top), cv2.FONT_HERSHEY_SIMPLEX, 1, (level,) * 3, 2, cv2.LINE_AA
        )
    if block is not None:
        page[380:460, 40:860] = block
    return page


@pytest.mark.parametrize(("ink", "paper", "block"), [(248, 255, 0), (240, 248, 20), (7, 0, 255)])
@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_ink_nearly_as_bright_as_its_paper_is_drawn_away_from_it_beside_darker_things(
    ink: int, paper: int, block: int, ending: str
) -> None:
    page = printed(ink, paper, block)
    found = decoded(cv2.imencode(ending, page)[1].tobytes()).astype(int)
    strokes, ground = page[:360, :, 0] == ink, page[:360, :, 0] == paper
    assert abs(np.median(found[:360, :, 0][strokes]) - np.median(found[:360, :, 0][ground])) > 60
    assert abs(np.median(found[:360, :, 0][ground]) - paper) <= 2
    assert abs(np.median(found[390:450, 60:840]) - block) <= 2


def test_a_page_with_other_pale_things_stays_as_it_is() -> None:
    for page in (printed(0), printed(200), printed(0, 255, 240)):
        assert (decoded(cv2.imencode(".png", page)[1].tobytes()) == page).all()
    shaded = printed(0)
    shaded[350:380] = np.linspace(255, 235, 900)[None, :, None].round()
    shaded[::40, :, :] = np.minimum(shaded[::40], 242)
    assert (decoded(cv2.imencode(".png", shaded)[1].tobytes()) == shaded).all()
    plain = printed(248)
    assert (decoded(cv2.imencode(".png", plain)[1].tobytes(), Limits(decoding="legacy")) == plain).all()
    through = printed(0)
    other = np.asarray(cv2.GaussianBlur(printed(200, 255, 225)[:, ::-1], (0, 0), 4), np.uint8)
    through = np.minimum(through, 255 - (255 - other) // 3)
    assert (decoded(cv2.imencode(".png", through)[1].tobytes()) == through).all(), "what stands on the back of the sheet"


def dotted(page: images.Image, distance: int, radius: int, *, staggered: bool) -> images.Image:
    """`page` over a screen of grey dots."""
    ground = np.full_like(page, 255)
    for row, top in enumerate(range(0, len(page), distance)):
        for left in range(distance // 2 * (row % 2) * staggered, page.shape[1], distance):
            cv2.circle(ground, (left, top), radius, (110,) * 3, -1, cv2.LINE_AA)
    return np.minimum(page, ground)


@pytest.mark.parametrize(("distance", "radius"), [(6, 1), (8, 2), (12, 3)])
@pytest.mark.parametrize("staggered", [True, False])
def test_a_ground_of_dots_is_made_an_even_one(distance: int, radius: int, staggered: bool) -> None:
    page = dotted(printed(0, block=None), distance, radius, staggered=staggered)
    for ending in (".png", ".jpg"):
        found = decoded(cv2.imencode(ending, page)[1].tobytes())[380:480, 40:860, 0]
        assert np.ptp(found) < 24 < np.ptp(page[380:480, 40:860, 0])
    assert (decoded(cv2.imencode(".png", page)[1].tobytes(), Limits(decoding="legacy")) == page).all()


def test_print_hatching_and_noise_are_no_screen() -> None:
    close = np.full((600, 900, 3), 255, np.uint8)
    for top in range(10, 600, 14):
        cv2.putText(
            close, "illinimum of running text, set without any space " * 3, (0, top), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0,) * 3
        )
    hatched = np.broadcast_to(np.where(np.arange(900) % 8 < 3, 90, 255)[None, :, None], (600, 900, 3)).astype(np.uint8)
    noise = np.random.default_rng(3).integers(0, 256, (600, 900, 3), np.uint8)
    for page in (close, hatched, noise):
        assert (decoded(cv2.imencode(".png", page)[1].tobytes()) == page).all()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x00\x00\x00\x18ftypheic" + bytes(99), "a HEIC picture"),
        (b"\x00\x00\x00\x18ftypmif1" + bytes(99), "a HEIC picture"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        ("\ufeff<svg/>".encode(), "an SVG drawing"),
        ("\ufeff<svg/>".encode("utf-16-le"), "an SVG drawing"),
        (saved(COLOURS, "ICO"), "an ICO icon"),
        (b"<!DOCTYPE html><p>404", "an HTML page"),
        (b"PK\x03\x04" + bytes(99), "a ZIP archive, or an office document, which is one"),
        (b"8BPS" + bytes(99), "a Photoshop file (PSD)"),
        (saved(COLOURS, "TGA"), "a TGA picture"),
        (b"\x00\x00\x02\x00\x01\x00\x20\x20" + bytes(99), "a CUR cursor"),
        (b"Dear Sir or Madam,\nthe invoice is on its way.", "text"),
        ("Grüße aus Köln".encode("utf-16"), "text"),
        (bytes(128) + b"DICM" + bytes(99), "a DICOM file"),
    ],
)
def test_what_is_not_read_is_named(data: bytes, what: str) -> None:
    found = images.from_bytes(data, where="it", limits=Limits())
    assert found == Undecodable(f"it cannot be decoded: it is {what}, which is not read here: send it as a JPEG, PNG or PDF")


def test_a_file_that_was_encoded_twice_is_told_from_others() -> None:
    once = base64.b64encode(saved(COLOURS, "PNG"))
    for data in (once, b"data:image/png;base64," + once, base64.encodebytes(once)):
        found = images.from_bytes(data, where="it", limits=Limits())
        assert found == Undecodable("it cannot be decoded: it is base64 once more: encode the file once")


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("GIF", {}), ("WEBP", {"lossless": True}), ("BMP", {})])
def test_a_picture_without_its_end_says_so(kind: str, options: dict[str, Any]) -> None:
    data = saved(COLOURS, kind, **options)
    found = images.from_bytes(data[: len(data) * 2 // 3], where="it", limits=Limits())
    assert found == Undecodable("it cannot be decoded: it ends too early, as if it had been cut off: send the whole file")


def test_an_empty_file_is_told_as_such() -> None:
    found = images.from_bytes(b"", where="it", limits=Limits())
    assert found == Undecodable("it cannot be decoded: it is empty: send the file itself")


def test_too_many_pixels_are_refused_by_the_header() -> None:
    data = saved(COLOURS, "PNG")
    assert decoded(data, Limits(max_pixels=WIDTH * HEIGHT)).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(TooLargeError, match=r"^it has 40x24 pixels, over the limit of 959 \(max_pixels\)"):
        images.from_bytes(data, where="it", limits=Limits(max_pixels=WIDTH * HEIGHT - 1))
    with pytest.raises(TooLargeError, match="no side may be longer"):
        images.from_bytes(b"P5 1000001 1 255\n", where="it", limits=Limits())


def test_files_that_would_cost_gigabytes_or_minutes_are_damaged() -> None:
    png, jpeg = saved(COLOURS, "PNG"), saved(COLOURS, "JPEG", progressive=True)
    last_scan = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    longer = images.from_bytes(png[:33] + b"\x7f\xff\xff\xff" + png[37:], where="it", limits=Limits())
    assert longer == Undecodable(
        "it cannot be decoded: a PNG chunk says that it is longer than the file, as if that had been cut off: send the whole file"
    )
    scans = images.from_bytes(jpeg[:-2] + last_scan * 100 + jpeg[-2:], where="it", limits=Limits())
    assert scans == Undecodable("it cannot be decoded: a JPEG of more than 100 scans")
    # Bytes that only look like scans, in a comment and behind the end, are none.
    comment = b"\xff\xfe\x01\x92" + b"\xff\xda" * 200
    assert difference(jpeg[:2] + comment + jpeg[2:] + b"\xff\xda" * 200, COLOURS) < 15


@pytest.mark.parametrize("data", [b"x", b"this is not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", zlib.compress(bytes(99))])
def test_what_is_no_image_says_so(data: bytes) -> None:
    found = images.from_bytes(data, where="it", limits=Limits())
    assert isinstance(found, Undecodable)
    assert found.reason.startswith("it cannot be decoded: ")


def test_base64_is_taken_as_clients_send_it() -> None:
    text = base64.encodebytes(saved(COLOURS, "PNG")).decode()
    for sent in (text, text.replace("\n", ""), f"data:image/png;base64,{text}", text.replace("\n", "\r\n ")):
        found = images.from_bytes(images.bytes_from_base64(sent, where="it"), where="it", limits=Limits())
        assert not isinstance(found, Undecodable)
        assert np.array_equal(found[:, :, ::-1], np.asarray(COLOURS))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("data:image/png;base64,", "it is empty"),
        ("!!!!", "it is empty or holds no base64"),
        ("abcde", "it is not base64"),
        ("\ud800", "it is not base64"),
        ("http://127.0.0.1/page.png", "it is a URL, and none is fetched"),
    ],
)
def test_what_is_not_base64_is_the_callers_fault(text: str, says: str) -> None:
    with pytest.raises(InputError, match=f"^{says}"):
        images.bytes_from_base64(text, where="it")


def test_any_depth_and_number_of_channels_goes_over_white() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(pixels.bgr(grey), np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(pixels.bgr(grey.astype(np.uint16) * 257), pixels.bgr(grey))
    tall = np.zeros((pixels.STRIP * 2 + 3, 5, 4), np.uint8)
    tall[..., 3] = np.arange(len(tall), dtype=np.uint8)[:, None]
    assert np.array_equal(pixels.bgr(tall), np.repeat(255 - tall[..., 3:], 3, axis=2))


@pytest.mark.parametrize("scale", [1, 255])
def test_a_tiff_of_floating_point_is_read(scale: int) -> None:
    grey = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    file = io.BytesIO()
    PIL.Image.fromarray(grey.astype(np.float32) / 255 * scale).save(file, "TIFF")
    (found,) = pages.from_bytes(file.getvalue(), where="images[0]", limits=Limits())
    assert isinstance(found, np.ndarray)
    assert np.abs(found[:, :, 0].astype(int) - grey).max() <= 1
