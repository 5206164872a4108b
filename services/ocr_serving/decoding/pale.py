"""Ink that is nearly as bright as the paper it stands on, on a page that has darker things, too. Pure.

Networks read ink of seven grey levels where type is large, and of small type, or beside a black box, nothing; a stretch of the
whole picture does not help, as its levels are all in use. Levels next to the paper's are drawn apart, those of ordinary ink stay.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.pixels import BLACK, WHITE, Image

PAPER = 0.5
"""Share of a picture that is of one level, its paper: what was scanned or photographed has none, and its noise hides pale ink."""

LEAST, MOST = 4, 24
"""Grey levels from the paper between which ink is pale: less are an encoder's, more are read."""

BLOCK = 16
"""Pixels of the side of blocks, of which the darkest pixel counts."""

BLOCKS = 12
"""Pale blocks, with no dark one beside them, from which on a closer look is taken."""

STROKE = 15
"""Pixels: what is broader is no stroke of a letter but a ground."""

APART = 33
"""Pixels of the side of a square around pale ink that has no dark ink: an encoder leaves as pale a noise around that."""

SIGNS, SMALLEST, LARGEST, FILLED = 40, 5, 80, 0.12
"""So many spots, of so many pixels of height at least and at the most, which fill that share of their boxes, are letters: hairlines
and grids are longer, dust is smaller."""

CLEAN = 1
"""Levels that half of the paper is within: pale ink on noisier paper is not told from it."""

OF_SHADES = 0.7
"""Share of all that is nearly as bright as the paper that is letters: a scan shows folds, and the other side of the paper, so."""

WANTED = 96
"""Grey levels from the paper that pale ink is drawn to, …"""

DARKEST = 128
"""… and those that nothing is drawn beyond."""


def darkened(pixels: Image) -> Image:
    """A page, BGR uint8 of shape (H, W, 3), with its pale ink drawn away from its paper; any other as it is."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    if grey.size == 0:
        return pixels
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    paper = int(counts.argmax())
    if counts[max(0, paper - 1) : paper + 2].sum() < PAPER * grey.size:
        return pixels
    is_dark = paper < WHITE // 2
    if is_dark:
        grey, paper = WHITE - grey, WHITE - paper
    if not _pale_blocks(grey, paper):
        return pixels
    depth = _depth(grey, paper)
    if depth is None:
        return pixels
    levels = np.arange(256)
    apart = np.maximum(paper - (paper - levels) * max(1.0, WANTED / depth), paper - DARKEST)
    table = np.minimum(levels, apart).round().clip(BLACK, WHITE).astype(np.uint8)
    if is_dark:
        table = WHITE - table[::-1]
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def _pale_blocks(grey: NDArray[np.uint8], paper: int) -> bool:
    """Whether enough blocks have pale ink and no dark ink beside them, whose edges would be pale."""
    rows, columns = grey.shape[0] // BLOCK, grey.shape[1] // BLOCK
    if not rows or not columns:
        return False
    # Rows first, which are many at a time: a tenth of the time of both at once.
    rowwise = grey[: rows * BLOCK].reshape(rows, BLOCK, -1).min(axis=1)
    darkest = rowwise[:, : columns * BLOCK].reshape(rows, columns, BLOCK).min(axis=2)
    around = cv2.erode(darkest, np.ones((3, 3), np.uint8))
    return int(((around >= paper - MOST) & (darkest <= paper - LEAST)).sum()) >= BLOCKS


def _depth(grey: NDArray[np.uint8], paper: int) -> float | None:
    """By how many levels pale letters are darker than the paper; None where there are none."""
    strokes = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((STROKE, STROKE), np.uint8))
    around = cv2.erode(grey, np.ones((APART, APART), np.uint8))
    if np.median(strokes) > CLEAN:
        return None
    pale = ((strokes >= LEAST) & (around >= paper - MOST)).astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(pale)
    width, height, area = found[1:, cv2.CC_STAT_WIDTH], found[1:, cv2.CC_STAT_HEIGHT], found[1:, cv2.CC_STAT_AREA]
    letters = (height >= SMALLEST) & (np.maximum(height, width) <= LARGEST) & (area >= FILLED * width * height)
    shades = int(((grey <= paper - LEAST) & (around >= paper - MOST)).sum())
    if int(letters.sum()) < SIGNS or int(area[letters].sum()) < OF_SHADES * shades:
        return None
    return float(np.percentile(strokes[pale > 0], 75))
