"""Crops of lines as a detector cuts them from scans, photographs and screens."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray

from training.scripts import words
from training.scripts.fonts import characters

Grey = NDArray[np.uint8]

FREQUENT: Mapping[str, float] = {
    "latin": 0.24,
    "vietnamese": 0.09,
    "cyrillic": 0.1,
    "greek": 0.09,
    "other": 0.1,
    "digits": 0.07,
    "nothing": 0.05,
}
"""Share of the lines in a script; the others have the rest in equal parts."""

CAPITALS_ONLY = {"cyrillic": "ДЛИЖБГЯЧШЦЮФПЭ", "greek": "ΔΛΠΣΦΨΩΞΓΘ"}
"""Letters that look like none of Latin: a line without any of them would teach nothing."""

VIETNAMESE = frozenset(chr(code) for code in range(0x1EA0, 0x1EFA)) | frozenset("ơưƠƯ")


@lru_cache(maxsize=600)
def _font(file: Path, size: int) -> PIL.ImageFont.FreeTypeFont:
    return PIL.ImageFont.truetype(str(file), size)


class Lines:
    """Draws lines of text with the given fonts: of each script, and of each of its languages, some."""

    def __init__(self, fonts: Mapping[str, Mapping[str, Sequence[Path]]]) -> None:
        self._fonts = fonts
        rest = (1 - sum(FREQUENT.values())) / (len(fonts) + 2 - len(FREQUENT))
        self.scripts = [*fonts, "digits", "nothing"]
        self.shares = [FREQUENT.get(script, rest) for script in self.scripts]

    def draw(self, script: str, seed: int) -> NDArray[np.uint8]:
        """A crop of a line in `script`, BGR uint8 of shape (H, W, 3); "digits" and "nothing" as `words` and `scrawl` have them."""
        rng = random.Random(seed)
        noise = np.random.default_rng(seed)
        if script == "nothing":
            page = scrawl(noise)
        else:
            languages = words.LANGUAGES.get(script, ("en",))
            language = rng.choices(languages, [words.SPOKEN.get(name, 1.0) for name in languages])[0]
            page = self._written(script, language, rng)
        return spoiled(page, rng, noise)

    def _written(self, script: str, language: str, rng: random.Random) -> Grey:
        text = words.line(script, rng, language)
        while script == "vietnamese" and len(VIETNAMESE.intersection(text)) < 2:
            text = words.line(script, rng, language)
        while script in CAPITALS_ONLY and not set(CAPITALS_ONLY[script]).intersection(text.upper()):
            text = words.line(script, rng, language)
        among = self._fonts["latin"]["en"] if script == "digits" else self._fonts[script][language]
        # Each family as often as another, however many styles it has.
        families: dict[str, list[Path]] = {}
        for file in among:
            families.setdefault(file.name.split("-")[0], []).append(file)
        file = rng.choice(families[rng.choice(sorted(families))])
        size = rng.choice((16, 20, 26, 32, 40))
        font = _font(file, size)
        text = "".join(letter for letter in text if letter == " " or ord(letter) in characters(file)) or "-"
        spread = rng.random() < 0.1 and script in words.CASED
        left, top, right, bottom = font.getbbox(text)
        width = int(right - left) + (size // 5 * len(text) if spread else 0)
        margin = [int(size * rng.uniform(*reach)) for reach in ((0.02, 0.5), (-0.02, 0.35), (0.02, 0.5), (-0.02, 0.35))]
        canvas = PIL.Image.new("L", (max(8, width + margin[0] + margin[2]), max(8, int(bottom - top) + margin[1] + margin[3])), 255)
        pen = PIL.ImageDraw.Draw(canvas)
        x, y = margin[0] - left, margin[1] - top
        if spread:
            for letter in text:
                pen.text((x, y), letter, fill=0, font=font)
                x += font.getlength(letter) + size // 5
        else:
            pen.text((x, y), text, fill=0, font=font, stroke_width=int(rng.random() < 0.03))
        return np.asarray(canvas, np.uint8).copy()


def scrawl(noise: np.random.Generator) -> Grey:
    """What a detector takes for text: strokes, rules, bars, dots, shades."""
    height, width = int(noise.integers(20, 48)), int(noise.integers(60, 500))
    page: Grey = np.full((height, width), 255, np.uint8)
    kind = int(noise.integers(7))
    if kind == 0:
        steps = int(noise.integers(6, 40))
        points = np.stack([np.linspace(2, width - 2, steps), noise.uniform(2, height - 2, steps)], -1).astype(np.int32)
        cv2.polylines(page, [points], bool(noise.integers(2)), 0, int(noise.integers(1, 4)), cv2.LINE_AA)
    elif kind == 1:
        for _ in range(int(noise.integers(1, 6))):
            ends = [(int(noise.integers(width)), int(noise.integers(height))) for _ in range(2)]
            cv2.line(page, ends[0], ends[1], 0, int(noise.integers(1, 5)), cv2.LINE_AA)
    elif kind == 2:
        x = 2
        while x < width:
            bar = int(noise.integers(1, 7))
            page[:, x : x + bar] = 0
            x += bar + int(noise.integers(1, 7))
    elif kind == 3:
        for _ in range(int(noise.integers(3, 40))):
            place = (int(noise.integers(width)), int(noise.integers(height)))
            cv2.circle(page, place, int(noise.integers(1, max(2, height // 3))), 0, int(noise.integers(-1, 3)), cv2.LINE_AA)
    elif kind == 4:
        shade = cv2.GaussianBlur(noise.uniform(0, 255, (height, width)).astype(np.float32), (0, 0), float(noise.uniform(0.6, 6)))
        page = cv2.normalize(shade, np.zeros_like(shade), 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    elif kind == 5:
        page[noise.random((height, width)) < noise.uniform(0.02, 0.5)] = 0
    else:
        for x in range(4, width, int(noise.integers(8, 40))):
            cv2.rectangle(page, (x, 4), (x + int(noise.integers(4, 30)), height - 4), 0, int(noise.integers(-1, 2)))
    return page


def spoiled(page: Grey, rng: random.Random, noise: np.random.Generator) -> NDArray[np.uint8]:
    """A line, black on white, as it comes out of a press, a fax, a camera: BGR uint8 of shape (H, W, 3)."""
    if rng.random() < 0.35:
        page = _sheared(page, rng)
    if rng.random() < 0.25:
        page = _ruled(page, rng)
    if rng.random() < 0.12:
        page = np.asarray(cv2.rotate(page, cv2.ROTATE_180), np.uint8)
    scale = rng.uniform(0.45, 1.6) * 24 / page.shape[0] if rng.random() < 0.5 else 1.0
    if scale < 1 or rng.random() < 0.2:
        size = (max(8, round(page.shape[1] * scale * rng.uniform(0.85, 1.18))), max(10, round(page.shape[0] * scale)))
        page = np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.2:
        kernel = np.ones((rng.randint(1, 2), rng.randint(1, 2)), np.uint8)
        page = np.asarray((cv2.erode if rng.random() < 0.7 else cv2.dilate)(page, kernel), np.uint8)
    if rng.random() < 0.5:
        page = np.asarray(cv2.GaussianBlur(page, (0, 0), rng.uniform(0.2, 0.05 * page.shape[0] + 0.2)), np.uint8)
    ink = page.astype(np.float32)
    if rng.random() < 0.35:
        ink += noise.normal(0, rng.uniform(3, 30), ink.shape)
    if rng.random() < 0.25:
        # A fax, a bilevel scan.
        level = rng.uniform(90, 190)
        ink = np.where(ink > level, 255.0, 0.0).astype(np.float32)
        if rng.random() < 0.6:
            specks = noise.random(ink.shape) < rng.uniform(0.001, 0.03)
            ink[specks] = 255 - ink[specks]
    dark, bright = rng.uniform(0, 110), rng.uniform(160, 255)
    shade = dark + ink / 255 * (bright - dark)
    if rng.random() < 0.3:
        shade = shade + np.linspace(-1, 1, shade.shape[1]) * rng.uniform(-40, 40)
    if rng.random() < 0.12:
        shade = 255 - shade
    grey = np.clip(shade, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, packed = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(15, 90)])
        grey = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def _sheared(page: Grey, rng: random.Random) -> Grey:
    """Slanted and turned a little."""
    height, width = page.shape
    slant, turn = rng.uniform(-0.25, 0.25) * (rng.random() < 0.6), math.radians(rng.gauss(0, 0.7))
    matrix = np.array([[1, -slant, slant * height / 2], [math.tan(turn), 1, -math.tan(turn) * width / 2]], np.float32)
    return np.asarray(cv2.warpAffine(page, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=255), np.uint8)


def _ruled(page: Grey, rng: random.Random) -> Grey:
    """With what stands about a line: rules, sides of boxes, feet and heads of other lines."""
    height, width = page.shape
    page = page.copy()
    thick = rng.randint(1, max(1, height // 12))
    kind = rng.randrange(4)
    if kind == 0:
        y = rng.choice((rng.randint(0, height // 8), height - 1 - rng.randint(0, height // 6)))
        cv2.line(page, (0, y), (width, y), rng.randint(0, 120), thick)
    elif kind == 1:
        for x in {rng.randint(0, 6), width - 1 - rng.randint(0, 6)}:
            cv2.line(page, (x, 0), (x, height), rng.randint(0, 120), thick)
    elif kind == 2:
        cut = rng.randint(1, max(1, height // 6))
        page[-cut:] = np.minimum(page[-cut:], page[height // 4 : height // 4 + cut][:, ::-1])
    else:
        cut = rng.randint(1, max(1, height // 6))
        page[:cut] = np.minimum(page[:cut], page[height // 2 : height // 2 + cut][:, ::-1])
    return page
