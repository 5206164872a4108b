"""Decoding: base64 or bytes of an image file to a BGR array, within limits."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ocr_serving.errors import InputError, TooLargeError
from ocr_serving.validation import Frozen

# `Limits.max_pixels` decides, with an answer of its own; Pillow only reads headers here.
PIL.Image.MAX_IMAGE_PIXELS = None

Image = NDArray[np.uint8]
"""Pixels, BGR, shape (H, W, 3), in the frame `cv2.imread` gives: EXIF orientation applied."""


class Limits(Frozen):
    """How much one request may ask for. `max_pixels` counts the pixels of one image."""

    max_images: int = 64
    max_pixels: int = 50_000_000


@dataclass(frozen=True)
class Undecodable:
    """Why an image could not be decoded, as a sentence."""

    reason: str


def from_base64(text: str, *, where: str, limits: Limits) -> Image | Undecodable:
    """Decode one entry of `images` as PaddleOCR's `base64_to_cv2` does; a `data:…;base64,` prefix is taken off.

    Line breaks and other characters outside the alphabet are skipped, as the old server did. Raises InputError where
    what is left is not base64 or is empty, TooLargeError over `limits.max_pixels`.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode(text.encode("utf8"))
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise InputError(f"{where} is not base64: {exc}.") from None
    if not data:
        raise InputError(f"{where} is empty: send the base64 of an image file.")
    return from_bytes(data, where=where, limits=limits)


def from_bytes(data: bytes, *, where: str, limits: Limits) -> Image | Undecodable:
    """Decode the bytes of an image file (what OpenCV reads: JPEG, PNG, BMP, WebP, TIFF, GIF's first frame, …).

    16 bits become 8, CMYK and palettes become BGR, transparency is laid over white. Raises TooLargeError.
    """
    header = _header(data)
    if header is not None and header.pixels > limits.max_pixels:
        raise TooLargeError(
            f"{where} has {header.width}x{header.height} pixels, over the limit of {limits.max_pixels} (max_pixels): send it smaller."
        )
    flags = cv2.IMREAD_UNCHANGED if header is not None and header.alpha else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as exc:
        # A size that only OpenCV could read from the header, stopped by OPENCV_IO_MAX_IMAGE_PIXELS.
        if "CV_IO_MAX_IMAGE" in str(exc):
            raise TooLargeError(
                f"{where} has more pixels than the limit of {limits.max_pixels} (max_pixels): send it smaller."
            ) from None
        pixels = None
    if pixels is None:
        return Undecodable(f"{where} cannot be decoded: it is not an image file that OpenCV reads, or it is damaged")
    return over_white(pixels)


def over_white(pixels: NDArray[Any]) -> Image:
    """Lay an image of shape (H, W), (H, W, 3) or (H, W, 4), 8 or 16 bits, over white: BGR uint8 of shape (H, W, 3)."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        pixels = cv2.convertScaleAbs(pixels)
    if pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.uint16)
        blended = (pixels[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
        return np.ascontiguousarray(blended, np.uint8)
    return np.ascontiguousarray(pixels, np.uint8)


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    alpha: bool

    @property
    def pixels(self) -> int:
        return self.width * self.height


def _header(data: bytes) -> _Header | None:
    """Size and transparency from the first bytes, without decoding; None where Pillow does not know the format."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(data)) as image:
                alpha = "A" in image.getbands() or "transparency" in image.info
                return _Header(image.width, image.height, alpha and image.format in ("PNG", "WEBP", "TIFF"))
    except Exception:  # noqa: BLE001  Pillow raises many types on damaged files; the decoder has the last word
        return None
