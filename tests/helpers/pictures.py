"""Pages drawn for tests."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.resources import files

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ocr_serving import models
from ocr_serving.decoding.images import Image

NOTO = {
    "ARABIC": "justmytype_intl_rtl",
    "HEBREW": "justmytype_intl_rtl",
    "THAI": "justmytype_intl_sea",
    "KHMER": "justmytype_intl_sea",
    "DEVANAGARI": "justmytype_intl_south_asia",
    "TAMIL": "justmytype_intl_south_asia",
    "TELUGU": "justmytype_intl_south_asia",
}
"""The packages of the fonts of scripts that the catalogue's font lacks."""


def written(*lines: str, size: int = 34) -> Image:
    """A page of printed lines in a font of their script; `size` is the letters', in pixels."""
    step = 2 * size + 2
    page = PIL.Image.new("RGB", (900, step * len(lines) + 60), "white")
    for at, text in enumerate(lines):
        PIL.ImageDraw.Draw(page).text((40, 40 + step * at), text, fill="black", font=_font(_script(text), size))
    return np.asarray(page, np.uint8)[:, :, ::-1].copy()


def cut_lines(*lines: str, size: int = 34) -> list[Image]:
    """Each line alone, cut close to what is written, as a detector does."""
    cut = []
    for text in lines:
        page = written(text, size=size)
        rows, columns = np.nonzero(page.min(axis=2) < 128)
        cut.append(page[rows.min() - 4 : rows.max() + 5, columns.min() - 6 : columns.max() + 7].copy())
    return cut


@cache
def font_file(script: str) -> str:
    """The font of a script, for "" the catalogue's, found once: a test may look into another store later."""
    if script in NOTO:
        name = f"notosans{script.lower()}"
        (path,) = (file for file in files(NOTO[script]).joinpath("fonts", "ofl", name).iterdir() if file.name.endswith(".ttf"))
    else:
        (path,) = models.resolve(models.DEFAULT_FONT).path.glob("*.otf")
    return str(path)


@cache
def _font(script: str, size: int) -> PIL.ImageFont.FreeTypeFont:
    return PIL.ImageFont.truetype(font_file(script), size)


def _script(text: str) -> str:
    scripts = [unicodedata.name(letter).split()[0] for letter in text if letter.isalpha()]
    return next((script for script in scripts if script in NOTO), "")
