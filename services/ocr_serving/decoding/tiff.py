"""Pages of a TIFF. Only the decoding process uses this: a TIFF may hold any of a dozen codecs, and any number of pages."""

from __future__ import annotations

import io
import warnings

import numpy as np
import PIL.Image

from ocr_serving.decoding import headers, images, pixels, tiff_codecs
from ocr_serving.decoding.legible import legible
from ocr_serving.decoding.limits import Limits, Undecodable
from ocr_serving.decoding.messages import Refused
from ocr_serving.decoding.pdf import Page
from ocr_serving.errors import TooLargeError

NOT_A_PAGE = 0b101
"""Bits of the subfile type of what is no page of its own: a smaller copy of another, or the mask of its transparency."""


class Pages:
    """A TIFF that is open."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        """Walk its directories. What Pillow does not read is taken for one page: OpenCV has the last word."""
        self._data, self._limits = data, limits
        self._frames: list[int] = []
        self.broken = False
        self._image: PIL.Image.Image | None = None
        self._open(data)
        if self._image is None and tiff_codecs.field(data, 0, tiff_codecs.EXTRA_SAMPLES):
            self._open(tiff_codecs.with_any_extras(data))
        if self._image is None and tiff_codecs.unread(data, 0) is not None:
            count = sum(1 for _ in tiff_codecs.directories(data))
            self._frames = [n for n in range(count) if not tiff_codecs.field(data, n, tiff_codecs.SUBFILE_TYPE) & NOT_A_PAGE]
        self._frames = self._frames or [0]

    def _open(self, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._image = PIL.Image.open(io.BytesIO(data), formats=["TIFF"])
                self._walk(self._image)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001  Pillow raises many types on damaged files
                self.broken = bool(self._frames)

    def _walk(self, image: PIL.Image.Image) -> None:
        frame = 0
        while True:
            try:
                image.seek(frame)
            except EOFError:
                return
            except KeyError:
                # Pillow names compressions in a table of its own: what stands in none is a page all the same.
                if tiff_codecs.unread(self._data, frame) is None:
                    raise
            if not int(image.tag_v2.get(tiff_codecs.SUBFILE_TYPE, 0)) & NOT_A_PAGE:  # type: ignore[attr-defined]
                self._frames.append(frame)
            frame += 1

    def __len__(self) -> int:
        return len(self._frames)

    def page(self, number: int) -> Page | Refused:
        """A page; "large" where it has more pixels than `max_pixels`."""
        frame = self._frames[number]
        unread = tiff_codecs.unread(self._data, frame)
        if unread is not None and self._limits.decoding == "full":
            return Refused("other", f"its compression, {unread}, is not read here: {images.CONVERT}")
        header = self._header(frame)
        try:
            images.check_size(header, self._limits)
        except TooLargeError as exc:
            return Refused("large", str(exc))
        found = images.from_opencv(self._data, header, self._limits, page=frame)
        if isinstance(found, Undecodable) and self._image is not None and header is not None:
            by_pillow = self._by_pillow(self._image)
            if by_pillow is not None:
                found = legible(by_pillow) if self._limits.decoding == "full" else by_pillow
        if not isinstance(found, Undecodable):
            return Page(found, smaller=False)
        half = f"its samples are floating point of 16 bits, which are not read here: {images.CONVERT}"
        return Refused("other", half if tiff_codecs.is_half(self._data, frame) else found.reason)

    @staticmethod
    def _by_pillow(image: PIL.Image.Image) -> images.Image | None:
        """The frame that was sought last, of compressions, depths and numbers of channels that OpenCV does not know."""
        try:
            if image.mode.startswith("I"):
                # 32 bits, which Pillow takes for such with a sign.
                upper = np.asarray(image).astype(np.int64).astype(np.uint32) >> 16
                return pixels.bgr(pixels.full_range(upper.astype(np.uint16)))
            return pixels.bgr(np.asarray(image.convert("RGB"), np.uint8)[:, :, ::-1])
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  Pillow raises many types on damaged files
            return None

    def _header(self, frame: int) -> headers.Header | None:
        if self._image is None:
            return self._stored(frame)
        try:
            self._image.seek(frame)
            return headers.of(self._image)
        except (EOFError, OSError, ValueError, TypeError, KeyError, SyntaxError):
            return None

    def _stored(self, frame: int) -> headers.Header | None:
        """What the directory alone says, of a file whose first page Pillow cannot open."""
        width, height, samples, kind = (
            tiff_codecs.field(self._data, frame, tag)
            for tag in (tiff_codecs.WIDTH, tiff_codecs.HEIGHT, tiff_codecs.SAMPLES, tiff_codecs.PHOTOMETRIC)
        )
        alpha = kind == tiff_codecs.RGB and samples == 4
        return headers.Header("TIFF", width, height, alpha, 1, animated=False) if width and height else None

    def close(self) -> None:
        """Nothing that is not freed with the object."""
