"""What is done for pages that networks would not read, one thing after the other. Pure."""

from __future__ import annotations

from ocr_serving.decoding.pale import darkened
from ocr_serving.decoding.pixels import Image, stretched
from ocr_serving.decoding.screens import without_screen


def legible(pixels: Image) -> Image:
    """A page, BGR uint8 of shape (H, W, 3), with more contrast where it is faint as a whole, or has pale ink, and without a screen
    of dots all over it; any other, so every ordinary page, as it is.
    """
    return without_screen(darkened(stretched(pixels)))
