"""What decoders give, of any depth and number of channels, to BGR of 8 bits as a reader wants it. Pure."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Pixels, BGR, shape (H, W, 3), in the frame `cv2.imread` gives: EXIF orientation applied."""

STRIP = 256
"""Rows of a transparent picture that are laid over a ground at once: 16-bit intermediates of a whole page would take a gigabyte."""

SAMPLES = 1_000_000
"""Pixels that are looked at, evenly spread, before a picture is judged as a whole."""

WHITE, GREY, BLACK = 255, 128, 0

OWN_GROUND = 0.6
"""Share of a picture that is opaque from which on it is a page with a ground of its own, and not ink on nothing."""

PALE = 64
"""Grey levels from white within which ink is lost on it."""

NEXT_TO = 24
"""Grey levels from white, or from black, within which ink is as good as white, or black."""

VISIBLE = 32
"""Opacity, of 255, from which on a pixel is ink."""

FAINT = 80
"""Grey levels between the darkest and the brightest: networks read a page of 20, half of one of 10, and lines of 5 no more; of
one of 70 they miss the spaces of small type."""

FLAT = 3
"""Grey levels up to which there is nothing on a page but what its encoder left."""


def bgr(pixels: NDArray[Any], ground: Literal["contrast", "white"] = "contrast") -> Image:
    """An image of shape (H, W), (H, W, 3) or (H, W, 4), 8 or 16 bits, as BGR uint8 of shape (H, W, 3).

    Transparency is laid over white, or with "contrast" over black where what is visible is bright ink on nothing.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        behind = contrasting_ground(pixels) if ground == "contrast" else WHITE
        opaque = np.empty((*pixels.shape[:2], 3), np.uint8)
        for top in range(0, len(pixels), STRIP):
            part = eight_bits(pixels[top : top + STRIP])
            alpha = part[:, :, 3:].astype(np.uint16)
            opaque[top : top + STRIP] = (part[:, :, :3] * alpha + behind * (255 - alpha) + 127) // 255
        return opaque
    pixels = eight_bits(pixels)
    if pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(pixels, np.uint8)


def contrasting_ground(pixels: NDArray[Any]) -> int:
    """Grey level, white, black or between, that the visible part of a picture of shape (H, W, 4) is to be laid over.

    White, unless it is ink on nothing (much of the picture is transparent) of which a tenth or more would be lost on white: black
    where less would be lost on that, and grey where there is white ink and black ink.
    """
    sample = eight_bits(_spread(pixels))
    alpha = sample[..., 3].ravel()
    if (alpha >= 128).mean() > OWN_GROUND:
        return WHITE
    # Ink that is itself translucent is ink all the same.
    inked = alpha >= max(VISIBLE, int(alpha.max(initial=0)) // 2)
    if not inked.any():
        return WHITE
    grey = _grey(sample[..., :3]).ravel()[inked]
    lightest, darkest = np.percentile(grey, (90, 10))
    from_white, from_black = 255 - float(lightest), float(darkest)
    if from_white < NEXT_TO and from_black < NEXT_TO:
        return GREY
    return BLACK if from_white < min(PALE, from_black) else WHITE


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The upper eight bits of 16; other depths as OpenCV converts them."""
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return np.asarray(pixels if pixels.dtype == np.uint8 else cv2.convertScaleAbs(pixels), np.uint8)


def full_range(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The upper eight bits that are used of 16: scanners leave 8, 10, 12 or 14 bits at the lower end of 16.

    Floating point that goes up to 1 at the most is a share of white, as programs for measurements write it; other samples that 8
    bits do not hold, of floating point or with a sign, go from the least that there is to the greatest.
    """
    if pixels.dtype.kind in "fi":
        finite = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
        if low >= 0 and high <= WHITE:
            low, high = 0.0, 1.0 if pixels.dtype.kind == "f" and high <= 1 else float(WHITE)
        share = (finite.astype(np.float32) - low) * (WHITE / (high - low))
        return np.asarray(share.round().clip(0, WHITE), np.uint8)
    if pixels.dtype != np.uint16:
        return eight_bits(pixels)
    used = max(8, int(pixels.max(initial=0)).bit_length())
    return (pixels >> (used + used % 2 - 8)).astype(np.uint8)


def turned(pixels: Image, orientation: int) -> Image:
    """Undo one of EXIF's eight orientations: exchange the axes of the last four, then mirror (1 left-right, 0 up-down, -1 both)."""
    if orientation in (5, 6, 7, 8):
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
    mirror = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if mirror is None else np.asarray(cv2.flip(pixels, mirror), np.uint8)


def stretched(pixels: Image) -> Image:
    """A faint picture with its darkest and brightest grey drawn apart; any other, so every ordinary page, as it is."""
    sample = _spread(pixels)
    if int(sample.max(initial=0)) - int(sample.min(initial=255)) > 2 * FAINT:
        return pixels
    low, high = np.percentile(_grey(sample), (0.05, 99.95)) if sample.size else (0.0, 0.0)
    if not FLAT < high - low < FAINT:
        return pixels
    wide = ((np.arange(256) - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, wide), np.uint8)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2GRAY), np.uint8)


def _spread(pixels: NDArray[Any]) -> NDArray[Any]:
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / SAMPLES) ** 0.5))
    return pixels[::step, ::step]
