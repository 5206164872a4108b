"""Decoding: base64 or bytes of an image file to a BGR array, within limits."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import re
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
from numpy.typing import NDArray

from ocr_serving.errors import InputError, TooLargeError
from ocr_serving.validation import Frozen

# `Limits.max_pixels` decides, with an answer of its own; Pillow only reads headers here.
PIL.Image.MAX_IMAGE_PIXELS = None

HEADERS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "SUN")
"""Formats whose headers Pillow reads here: those OpenCV decodes. Its readers of all others stay away from strangers' bytes."""

MAX_SIDE = 1_000_000
"""Longest side that libpng, and all but so OpenCV, decodes."""

MAX_SCANS = 100
"""Scans of a progressive JPEG: encoders write about ten, each of a few bytes costs a pass over all pixels."""

STRIP = 256
"""Rows of a transparent picture that are laid over white at once: 16-bit intermediates of a whole page would take a gigabyte."""

Image = NDArray[np.uint8]
"""Pixels, BGR, shape (H, W, 3), in the frame `cv2.imread` gives: EXIF orientation applied."""


class Limits(Frozen):
    """How much one request may ask for. `max_pixels` counts the pixels of one image, or of one page of a PDF."""

    max_images: int = 64
    max_pixels: int = 50_000_000
    max_pdf_pages: int = 20
    pdf_dpi: int = 200

    @property
    def max_pixels_together(self) -> int:
        """Pixels of all images of one request, since they are in memory at once."""
        return 4 * self.max_pixels


@dataclass(frozen=True)
class Undecodable:
    """Why an image could not be decoded, as a sentence."""

    reason: str


def bytes_from_base64(text: str, *, where: str) -> bytes:
    """The file in one entry of `images`, as PaddleOCR's `base64_to_cv2` reads it; a `data:…;base64,` prefix is taken off.

    Line breaks and other characters outside the alphabet are skipped, as the old server did. Raises InputError where
    what is left is not base64 or is empty.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    elif text.startswith(("http://", "https://")):
        raise InputError(f"{where} is a URL, and none is fetched: send the base64 of an image file.")
    try:
        data = base64.b64decode(text.encode("utf8"))
    except binascii.Error as exc:
        raise InputError(f"{where} is not base64: {exc}.") from None
    except UnicodeEncodeError:
        raise InputError(f"{where} is not base64: it holds half of a surrogate pair.") from None
    if not data:
        raise InputError(f"{where} is empty or holds no base64: send the base64 of an image file.")
    return data


def from_bytes(data: bytes, *, where: str, limits: Limits) -> Image | Undecodable:
    """Decode the bytes of an image file (what OpenCV reads: JPEG, PNG, BMP, WebP, TIFF, GIF's first frame, …).

    16 bits become 8, CMYK and palettes become BGR, transparency is laid over white. Raises TooLargeError.
    """
    header = _header(data)
    if header is not None and header.width * header.height > limits.max_pixels:
        raise TooLargeError(
            f"{where} has {header.width}x{header.height} pixels, over the limit of {limits.max_pixels} (max_pixels): "
            "send it smaller."
        )
    if header is not None and max(header.width, header.height) > MAX_SIDE:
        raise TooLargeError(f"{where} has {header.width}x{header.height} pixels: no side may be longer than {MAX_SIDE}.")
    trap = _trap(data)
    if trap is not None:
        return Undecodable(f"{where} cannot be decoded: {trap}")
    flags = cv2.IMREAD_UNCHANGED if header is not None and header.alpha else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as exc:
        # A size that only OpenCV could read from the header, stopped by OPENCV_IO_MAX_IMAGE_PIXELS or its limit of a side.
        if "CV_IO_MAX_IMAGE" in str(exc):
            raise TooLargeError(
                f"{where} has more than {limits.max_pixels} pixels (max_pixels) or a side over {MAX_SIDE}: send it smaller."
            ) from None
        pixels = None
    if pixels is None:
        return Undecodable(f"{where} cannot be decoded: it is not an image file that OpenCV reads, or it is damaged")
    return _turned(over_white(pixels), header.orientation if header is not None else 1)


def over_white(pixels: NDArray[Any]) -> Image:
    """Lay an image of shape (H, W), (H, W, 3) or (H, W, 4), 8 or 16 bits, over white: BGR uint8 of shape (H, W, 3)."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        opaque = np.empty((*pixels.shape[:2], 3), np.uint8)
        for top in range(0, len(pixels), STRIP):
            part = _eight_bits(pixels[top : top + STRIP])
            alpha = part[:, :, 3:].astype(np.uint16)
            opaque[top : top + STRIP] = (part[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
        return opaque
    pixels = _eight_bits(pixels)
    if pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(pixels, np.uint8)


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return np.asarray(pixels if pixels.dtype == np.uint8 else cv2.convertScaleAbs(pixels), np.uint8)


def _turned(pixels: Image, orientation: int) -> Image:
    """Undo one of EXIF's eight orientations: exchange the axes of the last four, then mirror (1 left-right, 0 up-down, -1 both)."""
    if orientation in (5, 6, 7, 8):
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
    mirror = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if mirror is None else np.asarray(cv2.flip(pixels, mirror), np.uint8)


@dataclass(frozen=True)
class _Header:
    """Size in pixels as stored, whether there is transparency, and the EXIF orientation that the decoder will not apply."""

    width: int
    height: int
    alpha: bool
    orientation: int


def _header(data: bytes) -> _Header | None:
    """What the first bytes say, without decoding; None where Pillow does not know the format."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(data), formats=HEADERS) as image:
                # OpenCV gives the transparency of grey images for PNG alone.
                alpha = image.mode == "RGBA" or "transparency" in image.info or (image.mode == "LA" and image.format == "PNG")
                # OpenCV turns what it reads as colour, not what it reads unchanged, and never AVIF; TIFF always.
                ours = image.format == "AVIF" or (alpha and image.format in ("PNG", "WEBP"))
                return _Header(image.width, image.height, alpha, _orientation(image.info.get("exif", b"")) if ours else 1)
    except Exception:  # noqa: BLE001  Pillow raises many types on damaged files; the decoder has the last word
        return None


def _orientation(exif: bytes) -> int:
    tags = PIL.Image.Exif()
    with contextlib.suppress(Exception):
        tags.load(exif)
    found = tags.get(PIL.ExifTags.Base.Orientation, 1)
    return found if isinstance(found, int) else 1


def _trap(data: bytes) -> str | None:
    """Why a small file would cost the decoder minutes or gigabytes; None where it would not."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and _png_chunk_overruns(data):
        # libpng's caller reserves, and reads byte by byte, whatever length stands there: up to 4 GiB.
        return "a PNG chunk says that it is longer than the file"
    if data.startswith(b"\xff\xd8") and _jpeg_scans(data) > MAX_SCANS:
        return f"a JPEG of more than {MAX_SCANS} scans"
    return None


def _png_chunk_overruns(data: bytes) -> bool:
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        at += 8 + int.from_bytes(data[at : at + 4])
        if at > len(data):
            return True
        at += 4
    return False


JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
START_OF_SCAN, END_OF_IMAGE = b"\xda", b"\xd9"


def _jpeg_scans(data: bytes) -> int:
    scans = 0
    at = 2
    while (marker := JPEG_MARKER.search(data, at)) and marker[1] != END_OF_IMAGE and scans <= MAX_SCANS:
        scans += marker[1] == START_OF_SCAN
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    return scans
