"""Decoding: base64 or bytes of an image file to a BGR array, within limits."""

from __future__ import annotations

import base64
import binascii
import io
import warnings

import cv2
import numpy as np
import PIL.Image
import PIL.ImageChops
import PIL.ImageOps

from ocr_serving.decoding import bounded, headers, pam, pixels
from ocr_serving.decoding.headers import Header
from ocr_serving.decoding.legible import legible
from ocr_serving.decoding.limits import Allowance, Limits, Undecodable
from ocr_serving.decoding.pixels import Image
from ocr_serving.errors import InputError, TooLargeError, UnavailableError

__all__ = ["Allowance", "Image", "Limits", "Undecodable", "bytes_from_base64", "from_bytes"]

MAX_SIDE = 1_000_000
"""Longest side that libpng, and all but so OpenCV, decodes."""


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


def from_bytes(data: bytes, *, where: str, limits: Limits, allowance: Allowance | None = None) -> Image | Undecodable:
    """Decode the bytes of an image file (what OpenCV reads: JPEG, PNG, BMP, WebP, TIFF, GIF's first frame, …).

    16 bits become 8, CMYK and palettes become BGR, transparency is laid over what it contrasts with. What may cost more than its
    size says is decoded in a process of its own, within limits and within what `allowance` has left. Raises TooLargeError, and
    UnavailableError where memory is short.
    """
    header = headers.read(data)
    try:
        if not headers.is_light(header, data):
            check_size(header, limits)
            return _elsewhere(data, header, where, limits, allowance or Allowance())
        found = decoded(data, limits, header)
    except TooLargeError as exc:
        raise TooLargeError(f"{where} {exc}") from None
    except MemoryError:
        raise UnavailableError(f"Memory is too short to decode {where} now: send it again later.") from None
    return Undecodable(f"{where} cannot be decoded: {found.reason}") if isinstance(found, Undecodable) else found


def _elsewhere(data: bytes, header: Header | None, where: str, limits: Limits, allowance: Allowance) -> Image | Undecodable:
    why = _foreign(data) if header is None else headers.trap(data)
    if why is not None:
        return Undecodable(f"{where} cannot be decoded: {why}")
    with bounded.File(data, "tiff" if headers.is_tiff(data) else "picture", limits, allowance) as file:
        found = file.page(0)
    if isinstance(found, bounded.Decoded):
        return found.image
    if found.why == "large":
        raise TooLargeError(found.detail)
    return Undecodable(f"{where} cannot be decoded: {found.detail or UNKNOWN}")


CONVERT = "send it as a JPEG, PNG or PDF"

UNKNOWN = f"it is not an image file that OpenCV reads, or it is damaged: {CONVERT}"

CUT_OFF = "it ends too early, as if it had been cut off: send the whole file"


def _foreign(data: bytes) -> str | None:
    """What is to be said of a file of whose kind none is read here; None where the decoders have to say."""
    if headers.is_base64(data):
        return "it is base64 once more: encode the file once"
    name = headers.foreign(data)
    return None if name is None else _not_read(name)


def _not_read(name: str) -> str:
    return f"it is {name}, which is not read here: {CONVERT}"


def _undecoded(data: bytes) -> str:
    """What is to be said of a file that no decoder took."""
    if not data:
        return "it is empty: send the file itself"
    if headers.is_cut_off(data):
        return CUT_OFF
    return _not_read("text") if headers.is_text(data) else UNKNOWN


def check_size(header: Header | None, limits: Limits) -> None:
    """Raise TooLargeError, with a sentence that wants its subject, where a picture has too many pixels or too long a side."""
    if header is None:
        return
    size = f"has {header.width}x{header.height} pixels"
    if header.width * header.height > limits.max_pixels:
        raise TooLargeError(f"{size}, over the limit of {limits.max_pixels} (max_pixels): send it smaller.")
    if max(header.width, header.height) > MAX_SIDE:
        raise TooLargeError(f"{size}: no side may be longer than {MAX_SIDE}.")


def decoded(data: bytes, limits: Limits, header: Header | None = None) -> Image | Undecodable:
    """The picture in `data`, decoded in this process; the reason against it wants its subject, as do those of TooLargeError.

    Raises MemoryError.
    """
    header = header or headers.read(data)
    check_size(header, limits)
    trap = headers.trap(data)
    return Undecodable(trap) if trap is not None else from_opencv(data, header, limits)


BYTES_A_PIXEL = 12
"""What decoders take at the most for a pixel, their own planes and ours."""


def from_opencv(data: bytes, header: Header | None, limits: Limits, page: int = 0) -> Image | Undecodable:
    """A page of what OpenCV reads, as `decoded`."""
    full = limits.decoding == "full"
    as_stored = (header is not None and header.alpha) or (full and _has_odd_samples(header, data))
    found = _grey_over_nothing(data, header.format, page) if full and header is not None and header.dropped_alpha else None
    if full and header is None:
        found = pam.over_nothing(data)
        if found is not None:
            check_size(
                Header("PAM", found.shape[1], found.shape[0], alpha=found.shape[2] == 4, orientation=1, animated=False), limits
            )
    if found is None:
        found = _opencv(data, cv2.IMREAD_UNCHANGED if as_stored else cv2.IMREAD_COLOR, page)
    if found is None and full and (headers.is_tiff(data) or (header is not None and header.format in ONLY_AS_STORED)):
        # 12 bits packed, floating point of several channels or of 64 bits, and JPEGs without loss are read only as they are.
        found = _opencv(data, cv2.IMREAD_UNCHANGED, page)
    if found is not None and full and found.dtype.kind in "fi":
        found = pixels.full_range(found)
    if found is not None and full and header is not None and header.bare_cmyk and np.median(found) <= DARK:
        found = _cmyk_as_stored(data)
    if found is None:
        if header is not None:
            # OpenCV keeps it to itself when memory was what it lacked.
            np.empty(header.width * header.height * BYTES_A_PIXEL, np.uint8)
        return Undecodable(_undecoded(data))
    if full and found.dtype == np.uint8 and header is not None and header.format in DEEP and found.max(initial=0) <= DARK:
        deeper = _opencv(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, page) if found.ndim == 3 and found.shape[2] == 3 else None
        found = found if deeper is None else pixels.full_range(deeper)
    image = pixels.turned(
        pixels.bgr(found, "contrast" if full else "white"), header.orientation if header is not None and page == 0 else 1
    )
    return legible(image) if full else image


def _has_odd_samples(header: Header | None, data: bytes) -> bool:
    # Of floating point in Netpbm's manner Pillow knows grey alone.
    return data.startswith(b"PF") if header is None else header.odd_samples


DEEP = ("TIFF", "PNG", "PPM", "JPEG2000")
"""Formats of 16 bits, …"""

ONLY_AS_STORED = ("TIFF", "PPM", "JPEG")
"""Formats of which OpenCV gives some samples only as they are stored."""

DARK = 63
"""… and the brightest level, of 8 bits, of a picture that uses no more than the lower 14 of them."""


_Stored = np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]
"""Samples as they are stored, of shape (H, W) or (H, W, channels)."""


def _grey_over_nothing(data: bytes, kind: str, page: int) -> _Stored | None:
    """A page of grey with transparency, of shape (H, W, 4), by Pillow; None where that does not decode it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(data), formats=[kind]) as image:
                image.seek(page)
                return np.asarray(image.convert("RGBA"))[:, :, (2, 1, 0, 3)]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  Pillow raises many types on damaged files
        return None


def _cmyk_as_stored(data: bytes) -> Image | None:
    """A JPEG of CMYK in which 0 is no ink, upright; Pillow takes it, as OpenCV does, for one in which that is all ink.

    None where it is damaged.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            inverted = PIL.ImageChops.invert(PIL.ImageOps.exif_transpose(image))
            return np.asarray(inverted.convert("RGB"), np.uint8)[:, :, ::-1]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  as above
        return None


def _opencv(data: bytes, flags: int, page: int) -> _Stored | None:
    encoded = np.frombuffer(data, np.uint8)
    try:
        if page == 0:
            return cv2.imdecode(encoded, flags)  # type: ignore[return-value]
        whole, found = cv2.imdecodemulti(encoded, flags, range=(page, page + 1))
        return found[0] if whole and found else None  # type: ignore[return-value]
    except cv2.error as exc:
        # A size that only OpenCV could read from the header, stopped by OPENCV_IO_MAX_IMAGE_PIXELS or its limit of a side.
        if "CV_IO_MAX_IMAGE" in str(exc):
            raise TooLargeError(f"has more pixels than max_pixels allows, or a side over {MAX_SIDE}: send it smaller.") from None
        if exc.code == cv2.Error.STS_NO_MEM:
            raise MemoryError from None
        return None
