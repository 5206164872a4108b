"""Image files of every format that OpenCV reads: whole, unusual, cut short, lying, and far too large."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
from PIL.Image import Transpose

from ocr_serving import data

from . import files
from .case import DOCUMENTS, LINES, MODULES, Case, Expect, Picture, images_body, posted, refused, served

MAX_PIXELS = 1_000_000
"""The limit of the service under test."""

WORD = PIL.Image.open(data.WARMUP).convert("RGB")
RGB = np.asarray(WORD)
BGR = np.ascontiguousarray(RGB[:, :, ::-1])
GREY = WORD.convert("L")
INK = 255 - np.asarray(GREY)
CLEAR = PIL.Image.fromarray(np.dstack([np.zeros((*INK.shape, 3), np.uint8), INK]))
"""The word in black ink on nothing: black on black for whoever ignores the alpha channel."""
RED = PIL.Image.new("RGB", WORD.size, "red")

UNDO = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""How to store a picture so that the EXIF orientation turns it upright."""


def saved(image: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def encoded(ending: str, pixels: Any) -> bytes:
    """The file that OpenCV writes."""
    return cv2.imencode(ending, pixels)[1].tobytes()


def turned(image: PIL.Image.Image, kind: str, orientation: int) -> bytes:
    """A file whose pixels lie otherwise and whose EXIF orientation says how."""
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Orientation] = orientation
    stored = image.transpose(UNDO[orientation]) if orientation in UNDO else image
    return saved(stored, kind, exif=exif)


def plain() -> dict[str, bytes]:
    """The word in every format, opaque and upright."""
    wide = BGR.astype(np.uint16) * 257
    whole = {
        "jpeg": saved(WORD, "JPEG"),
        "jpeg-progressive": saved(WORD, "JPEG", progressive=True),
        "jpeg-grey": saved(GREY, "JPEG"),
        "jpeg-cmyk": saved(WORD.convert("CMYK"), "JPEG"),
        "png": saved(WORD, "PNG"),
        "png-interlaced": files.interlaced_png(RGB),
        "png-grey": saved(GREY, "PNG"),
        "png-1bit": saved(WORD.convert("1"), "PNG"),
        "png-palette": saved(WORD.convert("P"), "PNG"),
        "png-16bit-grey": saved(PIL.Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "PNG"),
        "png-16bit": encoded(".png", wide),
        "png-animated": saved(WORD, "PNG", save_all=True, append_images=[RED]),
        "bmp": saved(WORD, "BMP"),
        "bmp-palette": saved(WORD.convert("P"), "BMP"),
        "bmp-1bit": saved(WORD.convert("1"), "BMP"),
        "webp": saved(WORD, "WEBP"),
        "webp-lossless": saved(WORD, "WEBP", lossless=True),
        "webp-animated": saved(WORD, "WEBP", save_all=True, append_images=[RED]),
        "gif": saved(WORD, "GIF"),
        "gif-animated": saved(WORD, "GIF", save_all=True, append_images=[RED]),
        "tiff": saved(WORD, "TIFF"),
        "tiff-tiled": files.tiled_tiff(RGB),
        "tiff-group4": saved(WORD.convert("1"), "TIFF", compression="group4"),
        "tiff-16bit": encoded(".tiff", wide),
        "tiff-cmyk": saved(WORD.convert("CMYK"), "TIFF"),
        "tiff-palette": saved(WORD.convert("P"), "TIFF"),
        "tiff-float": encoded(".tiff", BGR.astype(np.float32)),
        "tiff-zstd": saved(WORD, "TIFF", compression="zstd"),
        "ppm": saved(WORD, "PPM"),
        "pgm": saved(GREY, "PPM"),
        "pbm": saved(WORD.convert("1"), "PPM"),
        "pam": encoded(".pam", BGR),
        "jp2": saved(WORD, "JPEG2000"),
        "j2k": saved(WORD, "JPEG2000", no_jp2=True),
        "avif": saved(WORD, "AVIF"),
        "hdr": encoded(".hdr", BGR.astype(np.float32) / 255),
        "ras": encoded(".ras", BGR),
    }
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        whole[f"tiff-{compression}"] = saved(WORD, "TIFF", compression=compression)
    return whole


def unusual() -> dict[str, bytes]:
    """The word where reading it asks for care: transparency, orientation, foreign bytes around it."""
    word, jpeg = saved(WORD, "PNG"), saved(WORD, "JPEG")
    zeros = zlib.compress(bytes(50 << 20), 1)
    stencil = GREY.point(lambda value: int(value > 128)).convert("P")
    stencil.putpalette([0, 0, 0] * 256)
    pictures = {
        "png-alpha": saved(CLEAR, "PNG"),
        "png-16bit-alpha": encoded(".png", np.asarray(CLEAR).astype(np.uint16) * 257),
        "png-grey-alpha": saved(CLEAR.convert("LA"), "PNG"),
        "png-palette-alpha": saved(CLEAR.quantize(64), "PNG"),
        "webp-alpha": saved(CLEAR, "WEBP"),
        "tiff-alpha": saved(CLEAR, "TIFF"),
        "jp2-alpha": saved(CLEAR, "JPEG2000"),
        "avif-alpha": saved(CLEAR, "AVIF"),
        "gif-transparent": saved(stencil, "GIF", transparency=1),
        "trailing-garbage-png": word + b"\x00garbage" * 1000,
        "trailing-garbage-jpeg": jpeg + b"\xff\xda\xff\xda garbage" * 1000,
        "polyglot-jpeg-zip": jpeg + b"PK\x03\x04" + bytes(100) + b"PK\x05\x06" + bytes(18),
        "polyglot-jpeg-png": jpeg + word,
        "polyglot-png-html": files.patched(word, len(word), b"<script>alert(1)</script>"),
        "png-ztxt-bomb": word[:33] + files.chunk(b"zTXt", b"Comment\x00\x00" + zeros) + word[33:],
        "png-iccp-bomb": word[:33] + files.chunk(b"iCCP", b"icc\x00\x00" + zeros) + word[33:],
        "tiff-directory-loop": files.tiff(300, 90, RGB.tobytes(), {}, next_ifd=8 + RGB.size + 6),
        "tiff-negative-resolution": files.tiff(300, 90, RGB.tobytes(), {282: 0xFFFFFFFF}),
    }
    for orientation in range(1, 9):
        for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
            pictures[f"exif-{kind.lower()}-{orientation}"] = turned(WORD, kind, orientation)
        for kind in ("PNG", "WEBP"):
            pictures[f"exif-{kind.lower()}-alpha-{orientation}"] = turned(CLEAR, kind, orientation)
    pictures["exif-nonsense"] = saved(WORD, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + bytes(20))
    return pictures


def blank() -> dict[str, bytes]:
    """Pictures with nothing to read, of the sizes at which arithmetic goes wrong."""
    sizes = [(1, 1), (1, 2), (1, 500), (500, 1), (31, 33), (2, 20000), (20000, 2), (1, 100_000), (100_000, 1), (1000, 1000)]
    pictures = {f"size-{width}x{height}": saved(PIL.Image.new("RGB", (width, height), "white"), "PNG") for width, height in sizes}
    noise = np.random.default_rng(0).integers(0, 256, RGB.shape, np.uint8)
    return pictures | {
        "all-black": saved(PIL.Image.new("RGB", WORD.size), "PNG"),
        "all-white": saved(PIL.Image.new("RGB", WORD.size, "white"), "JPEG"),
        "all-transparent": saved(PIL.Image.new("RGBA", WORD.size), "PNG"),
        "jpeg-higher-than-its-data": files.with_jpeg_size(saved(WORD, "JPEG"), 300, 3000),
        "noise": encoded(".png", noise),
        "stripes": encoded(".png", np.tile(np.array([[0], [255]], np.uint8), (45, 300))),
    }


def damaged() -> dict[str, bytes]:
    """Files that no decoder should make a picture of."""
    word, jpeg, bmp, gif = saved(WORD, "PNG"), saved(WORD, "JPEG"), saved(WORD, "BMP"), saved(WORD, "GIF")
    pixels = RGB.tobytes()
    return {
        "one-byte": b"\xff",
        "text": b"this is not an image",
        "html": b"<html><body>404 not found</body></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><text>INVOICE</text></svg>',
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF",
        "zip": b"PK\x03\x04" + bytes(100),
        "elf": b"\x7fELF" + bytes(100),
        "ico": saved(WORD, "ICO"),
        "exr": b"\x76\x2f\x31\x01" + bytes(100),
        "zeros": bytes(10_000),
        "tiff-strip-of-no-bytes": files.tiff(300, 90, pixels, {279: 0, 278: 0}),
        "tiff-strip-beyond-the-file": files.tiff(300, 90, pixels, {273: 0x7FFFFFFF}),
        "tiff-rows-that-are-not-there": files.tiff(300, 3000, pixels, {}),
        "tiff-channels": files.tiff(300, 90, pixels, {277: 65535}),
        "tiff-tile-of-no-size": files.tiff(300, 90, pixels, {322: 0, 323: 0, 324: 8, 325: 0}),
        "png-signature-alone": files.PNG_SIGNATURE,
        "png-no-data": files.png(files.ihdr(300, 90)),
        "png-no-header": files.png(files.chunk(b"IDAT", zlib.compress(bytes(100)))),
        "png-no-width": files.with_png_size(word, 0, 90),
        "png-wider-than-its-data": files.with_png_size(word, 3000, 90),
        "png-higher-than-its-data": files.with_png_size(word, 300, 900),
        "png-size-with-wrong-crc": files.patched(word, 16, b"\x00\x00\x0b\xb8"),
        "png-bad-colour-type": files.png(files.ihdr(300, 90, colour=5), files.chunk(b"IDAT", zlib.compress(pixels))),
        "png-of-noise": files.png(files.ihdr(300, 90), files.chunk(b"IDAT", pixels)),
        "jpeg-no-size": files.with_jpeg_size(jpeg, 0, 0),
        "jpeg-markers-alone": b"\xff\xd8" + b"\xff\xfe\x00\x02" * 10_000 + b"\xff\xd9",
        "bmp-no-size": files.patched(bmp, 18, bytes(8)),
        "bmp-wider-than-its-data": files.patched(bmp, 18, (3000).to_bytes(4, "little")),
        "bmp-pixels-beyond-the-file": files.patched(bmp, 10, b"\xff\xff\xff\x7f"),
        "gif-no-size": files.patched(gif, 6, bytes(4)),
        "gif-no-frame": gif[:13] + b";",
        "webp-empty": b"RIFF\x04\x00\x00\x00WEBP",
        "webp-16383x16383-of-nothing": b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + bytes(4) + b"\xfe\x3f\x00" * 2,
        "ppm-fewer-pixels": b"P6 300 90 255\n" + pixels[:100],
        "ppm-no-numbers": b"P6 a b c\n" + pixels,
    }


def traps() -> dict[str, tuple[bytes, str]]:
    """Small files that would cost the decoder gigabytes or minutes, and what the answer must say to show that it never saw them."""
    word = saved(WORD, "PNG")
    return {
        "png-2-gigabyte-chunk": (files.patched(word, 33, b"\x7f\xff\xff\xff"), "longer than the file"),
        "png-4-gigabyte-chunk": (files.patched(word, 33, b"\xff\xff\xff\xf0"), "longer than the file"),
        "jpeg-200-scans": (files.with_scans(saved(WORD, "JPEG", progressive=True), 200), "scans"),
    }


def cut_short() -> Iterator[tuple[str, bytes]]:
    """Every format, cut in its header, early, in the middle and near its end."""
    for name, content in plain().items():
        for percent in (2, 25, 50, 95):
            yield f"{name}-cut-at-{percent}%", content[: max(1, len(content) * percent // 100)]


def too_large() -> dict[str, bytes]:
    """Files that claim, or have, more pixels than the limit; most are a few bytes."""
    huge = (20000).to_bytes(4, "little")
    side = MAX_PIXELS // 900
    return {
        "png-20000x20000": files.png(files.ihdr(20000, 20000), files.chunk(b"IDAT", zlib.compress(bytes(100)))),
        "png-largest": files.png(files.ihdr(2**31 - 1, 2**31 - 1), files.chunk(b"IDAT", zlib.compress(bytes(100)))),
        "png-2000000x1": files.png(files.ihdr(2_000_000, 1), files.chunk(b"IDAT", zlib.compress(bytes(100)))),
        "png-bomb": saved(PIL.Image.new("1", (side, 1000)), "PNG"),
        "jpeg-20000x20000": files.with_jpeg_size(saved(WORD, "JPEG"), 20000, 20000),
        "jpeg-65535x65535": files.with_jpeg_size(saved(WORD, "JPEG", progressive=True), 65535, 65535),
        "bmp-20000x20000": files.patched(saved(WORD, "BMP"), 18, huge * 2),
        "gif-20000x20000": files.patched(saved(WORD, "GIF"), 6, huge[:2] * 2),
        "tiff-20000x20000": files.tiff(20000, 20000, b"", {279: 0}),
        "webp-bomb": saved(PIL.Image.new("RGB", (side, 1000)), "WEBP", lossless=True, method=0),
        "ppm-20000x20000": b"P6 20000 20000 255\n" + bytes(100),
        "pgm-1000001x1": b"P5 1000001 1 255\n" + bytes(1_000_001),
        "jp2-bomb": saved(PIL.Image.new("L", (side, 1000)), "JPEG2000"),
        "avif-bomb": saved(PIL.Image.new("RGB", (side, 1000)), "AVIF", speed=10),
        "hdr-20000x20000": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 20000 +X 20000\n" + bytes(100),
        "pam-20000x20000": b"P7\nWIDTH 20000\nHEIGHT 20000\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + bytes(100),
    }


def cases() -> Iterator[Case]:
    """Each file to each OCR module and, as all decode by the same door, to one of the others in turn; mixtures to every module."""
    bomb = too_large()["png-bomb"]
    named = (
        *((name, content, served()) for name, content in (plain() | unusual()).items()),
        *((name, content, served(Picture.BLANK)) for name, content in blank().items()),
        *((name, content, served(Picture.DAMAGED)) for name, content in damaged().items()),
        *((name, content, Expect(pictures=(Picture.DAMAGED,), says=says)) for name, (content, says) in traps().items()),
        *((name, content, refused(413, "max_pixels")) for name, content in too_large().items()),
    )
    for n, (name, content, expect) in enumerate(named):
        body = images_body(content)
        for module in (*LINES, DOCUMENTS[n % len(DOCUMENTS)]):
            yield posted(name, module, body, expect)
    for n, (name, content) in enumerate(cut_short()):
        yield posted(name, MODULES[n % len(MODULES)], images_body(content), served(Picture.DAMAGED))
    several = saved(WORD, "TIFF", save_all=True, append_images=[RED])
    word, million = saved(WORD, "PNG"), saved(PIL.Image.new("1", (1000, 1000)), "PNG")
    for module in MODULES:
        mixed = Expect(pictures=(Picture.READ, Picture.DAMAGED, Picture.READ), says="images[1]")
        yield posted("damaged-between-good", module, images_body(word, b"rubbish", word), mixed)
        large = Expect(
            pictures=(Picture.READ, Picture.DAMAGED, Picture.READ), says="images[1] has 1111x1000 pixels, over the limit"
        )
        yield posted("large-between-good", module, images_body(word, bomb, word), large)
        yield posted("large-and-damaged", module, images_body(bomb, b"rubbish"), refused(413, "images[0]"))
        # A page each, of which the second is red all over.
        yield posted("tiff-pages", module, images_body(several), served(Picture.READ, Picture.BLANK))
        yield posted("all-damaged", module, images_body(b"a", b"b"), served(Picture.DAMAGED, Picture.DAMAGED))
        yield posted("large-together", module, images_body(*[million] * 5), refused(413, "together"))
