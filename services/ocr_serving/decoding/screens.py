"""Pages printed on a ground of dots, as forms and cheques are: the dots are taken away, the letters stay. Pure.

A regular screen shows in the spectrum of a part of the page as two strong peaks in different directions. A blur as wide as its dots
stand apart makes an even grey of it, which letters several times as large stand out from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.pixels import Image

SIDE, ACROSS = 128, 5
"""Pixels of the side of the parts that are looked at, and how many of them there are across the page and down it."""

BLOCK, RANGE = 16, 24
"""Pixels of the side of blocks, and grey levels: a part with a block of less contrast has no screen all over it."""

FINEST, COARSEST = 3.0, 16.0
"""Pixels between which dots stand apart: finer screens no network sees, coarser ones are patterns."""

SHARE = 0.25
"""Share of the energy of such periods that the two peaks of a screen have: of print and photographs it is a tenth at most."""

WEAKER = 0.04
"""Share that the weaker of them has: of hatching there is one alone."""

MOST_PARTS = 0.5
"""Share of the parts that show a screen on a page that has one."""

WIDTH = 0.42
"""Standard deviation of the blur, by the distance of the dots."""


def without_screen(pixels: Image) -> Image:
    """A page, BGR uint8 of shape (H, W, 3), without the screen of dots all over it; any other as it is."""
    distances = [distance for part in _parts(pixels) if (distance := _distance(part)) is not None]
    if len(distances) < MOST_PARTS * ACROSS**2:
        return pixels
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), WIDTH * float(np.median(distances))), np.uint8)


def _parts(pixels: Image) -> Iterator[NDArray[np.uint8]]:
    """Parts of the page, in grey, with contrast all over them."""
    height, width = pixels.shape[:2]
    if min(height, width) < SIDE:
        return
    for top in np.linspace(0, height - SIDE, ACROSS).astype(int).tolist():
        for left in np.linspace(0, width - SIDE, ACROSS).astype(int).tolist():
            green = pixels[top : top + SIDE, left : left + SIDE, 1]
            blocks = green.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK)
            contrast = blocks.max(axis=(1, 3)).astype(int) - blocks.min(axis=(1, 3))
            if contrast.min() >= RANGE:
                yield green


def _distance(part: NDArray[np.uint8]) -> float | None:
    """How many pixels the dots of a screen stand apart; None where there is none."""
    window = np.hanning(SIDE)
    spectrum = np.abs(np.fft.rfft2((part - part.mean()) * np.outer(window, window))) ** 2
    down, right = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    frequency = np.hypot(down, right)
    spectrum[(frequency < 1 / COARSEST) | (frequency > 1 / FINEST)] = 0.0
    total = float(spectrum.sum())
    if total <= 0:
        return None
    energies: list[float] = []
    directions: list[float] = []
    distances: list[float] = []
    for _ in range(2):
        row, column = divmod(int(spectrum.argmax()), spectrum.shape[1])
        directions.append(math.atan2(float(down[row, 0]), float(right[0, column])))
        distances.append(1 / float(frequency[row, column]))
        # The peak and what the window spreads of it, and its harmonics.
        cosine = math.cos(directions[-1]) * right + math.sin(directions[-1]) * down
        along = np.abs(frequency - np.abs(cosine)) < 3 / SIDE
        near = np.hypot(down - down[row, 0], right - right[0, column]) < 3 / SIDE
        energies.append(float(spectrum[near].sum()))
        spectrum[along] = 0.0
    apart = abs(math.sin(directions[0] - directions[1]))
    is_screen = sum(energies) >= SHARE * total and min(energies) >= WEAKER * total and apart > 0.5
    return max(distances) if is_screen else None
