"""Pages drawn for tests."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ocr_serving import models
from ocr_serving.decoding.images import Image


def written(*lines: str) -> Image:
    """A page of printed lines, in a font that has most scripts."""
    (path,) = models.resolve(models.DEFAULT_FONT).path.glob("*.otf")
    page = PIL.Image.new("RGB", (900, 70 * len(lines) + 60), "white")
    for at, text in enumerate(lines):
        PIL.ImageDraw.Draw(page).text((40, 40 + 70 * at), text, fill="black", font=PIL.ImageFont.truetype(str(path), 34))
    return np.asarray(page, np.uint8)[:, :, ::-1].copy()
