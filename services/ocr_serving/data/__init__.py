"""What ships with the package: a page to try a service with, a small strip to warm one up, demo weights for key information."""

from __future__ import annotations

from pathlib import Path

from ocr_serving.images import Image, Limits, Undecodable, from_bytes

PAGE = Path(__file__).parent / "page.jpg"
WARMUP = Path(__file__).parent / "warmup.png"
PACKAGED = Path(__file__).parent / "models"
"""Folders of the models that come with the package."""


def warmup_image() -> Image:
    """One line of text, BGR uint8 of shape (90, 300, 3)."""
    decoded = from_bytes(WARMUP.read_bytes(), where=WARMUP.name, limits=Limits())
    if isinstance(decoded, Undecodable):
        raise RuntimeError(decoded.reason)
    return decoded
