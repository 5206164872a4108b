"""Pages that are too long or too dense for one look of the detector: which scale their text needs, and the pieces it is read in.

Pure arithmetic on sizes and maps; `detection` runs the network. Sizes are (height, width); scales are pixels of the map a pixel
of the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.geometry import Quad

STRIDE = 32
"""The detector's network halves its input five times, so all sides are multiples of this."""

OVERLAP = 128
"""Pixels of the map that neighbouring pieces share: more than the network sees around a pixel of small type."""

SEAM = 16
"""Of those the pixels by which a piece still speaks beyond the middle, so that no blob ends at a seam."""

LONG = 4.0
"""A page that many times as long as wide shows nothing at the scale of its longer side."""

PAGE_LIKE = 1.4
"""Such a page is read at the scale of one with these proportions and its shorter side."""

SMALL = 9.5
"""Pixels on the map: lines less high are found by luck. A line is as high as its grown box, about 1.3 times its type size …"""

SHARE, SHARE_OF_MANY, MANY = 0.25, 0.05, 200
"""Share of its lines that are so small on a page that is looked at again, and where there are so many that reading them costs more
than that look."""

READABLE = 16.0
"""… and this is one that is found for sure."""

TOO_LARGE = 200.0
"""Higher lines than that are taken from the coarser map."""

SEVERAL, LOW, COVERED = 4, 0.25, 0.25
"""Where there are so many lines on such a one, less high than that share of it, on that share of its area, it is no heading."""

ENLARGED = 2.0
"""Largest scale: type that is too small for this was never printed."""

MOST_PIXELS = 24_000_000
"""Pixels of a map: some forty pieces, ten seconds of a core with PP-OCRv6 small."""

BLOCK = 16
"""Pixels of the side of the blocks that are asked for texture."""

TEXTURE = 24.0
"""Grey levels: standard deviation in a block that small type has, and paper has not."""

MISSED = 0.33
"""Share of the blocks of `PROBE` that have texture and no line: that part is looked at closely. Forms and tables have up to .28."""

COARSE = 0.75
"""At scales from here on nothing is missed for being small that a closer look at the page's own scale would find."""

PROBE = 640
"""Pixels of the page, at its own scale, of the side of the part that is looked at then."""


class Piece(NamedTuple):
    """A part of a map, and the part of it that is kept: both (top, bottom, left, right) in pixels of the map."""

    whole: tuple[int, int, int, int]
    core: tuple[int, int, int, int]


def starting_scale(height: int, width: int, limit: int) -> float | None:
    """The scale to begin with where that is not the one by the page's longer side: for a very long or wide page."""
    longer, shorter = max(height, width), min(height, width)
    if longer <= limit or longer < LONG * shorter:
        return None
    return min(1.0, limit / (PAGE_LIKE * shorter))


def affordable(height: int, width: int, scale: float) -> float:
    """`scale`, or what `MOST_PIXELS` allow."""
    return min(scale, math.sqrt(MOST_PIXELS / (height * width)))


def unskewed(height: int, width: int, degrees: float) -> float:
    """How many times longer than its longer side is the one of a picture of that size, in which a page lies skewed by `degrees`.

    1 where it could not lie so: the picture is then the page, whatever its lines do.
    """
    cosine, sine = math.cos(math.radians(degrees)), abs(math.sin(math.radians(degrees)))
    if cosine <= 2 * sine:
        return 1.0
    sides = [(one * cosine - other * sine) / (cosine**2 - sine**2) for one, other in ((height, width), (width, height))]
    return max(height, width) / max(sides) if min(sides) > 0 else 1.0


def levelling(quads: Sequence[Quad], degrees: float, scale: float, margin: float) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """How a page whose lines, `quads`, slope by `degrees` is laid level at `scale`: the affine transform, shape (2, 3), from pixels
    of the page to those of a map, and the map's size, which shows all lines and around them `margin` of their longer extent.
    """
    angle = math.radians(degrees)
    turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    corners = np.asarray(quads, np.float64).reshape(-1, 2) @ turn.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    around = margin * float((high - low).max())
    width, height = (math.ceil((side + 2 * around) / STRIDE) * STRIDE for side in (high - low).tolist())
    middle = (low + high) / 2
    return np.column_stack([turn, np.array([width, height]) / 2 - middle]), (height, width)


def map_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width of the map of a page at that scale."""
    rows, columns = (max(round(side * scale / STRIDE) * STRIDE, STRIDE) for side in (height, width))
    return rows, columns


def pieces(size: tuple[int, int], limit: int) -> Iterator[Piece]:
    """Pieces of a map of that size whose sides are about `limit` at most, row by row; their cores cover it."""
    for top, bottom, first, last in _spans(size[0], limit):
        for left, right, begin, end in _spans(size[1], limit):
            yield Piece((top, bottom, left, right), (first, last, begin, end))


def _spans(length: int, limit: int) -> list[tuple[int, int, int, int]]:
    """Start, end, and start and end of the core, of the pieces of one side; all of one length."""
    limit = max(limit // STRIDE * STRIDE, 2 * OVERLAP)
    if length <= limit:
        return [(0, length, 0, length)]
    count = math.ceil((length - OVERLAP) / (limit - OVERLAP))
    own = min(length, math.ceil((length + (count - 1) * OVERLAP) / count / STRIDE) * STRIDE)
    starts = [round(n * (length - own) / (count - 1) / STRIDE) * STRIDE for n in range(count)] if count > 1 else [0]
    spans = []
    for n, start in enumerate(starts):
        begin = 0 if n == 0 else (start + starts[n - 1] + own) // 2 - SEAM
        end = length if n == count - 1 else (starts[n + 1] + start + own) // 2 + SEAM
        spans.append((start, start + own, begin, end))
    return spans


def heights(quads: Sequence[Quad], scale: float) -> NDArray[np.float64]:
    """How high lines are on a map of that scale: the shorter side of each."""
    if not quads:
        return np.zeros(0)
    corners = np.asarray(quads, np.float64)
    sides = np.linalg.norm(corners[:, [1, 3]] - corners[:, [0, 0]], axis=2)
    shorter: NDArray[np.float64] = sides.min(axis=1) * scale
    return shorter


def scale_for(high: NDArray[np.float64], scale: float) -> float:
    """The scale at which lines that are that `high` at `scale` are found for sure; `scale` itself where they are already."""
    if not len(high) or float(np.quantile(high, SHARE_OF_MANY if len(high) >= MANY else SHARE)) >= SMALL:
        return scale
    return min(ENLARGED, scale * READABLE / float(np.median(high)))


def both(coarse: Sequence[Quad], fine: Sequence[Quad], scale: float) -> list[Quad]:
    """Lines that two looks at a page found, each once: those of the second, at `scale`, and headings too large for it.

    A letter that fills a piece is a picture to the network. What is large because many lines of small type melted into one is none.
    """
    large = [quad for quad, high in zip(coarse, heights(coarse, scale), strict=True) if high > TOO_LARGE]
    middles = [tuple(float(value) for value in quad.mean(axis=0)) for quad in fine]
    within = [[n for n, middle in enumerate(middles) if cv2.pointPolygonTest(quad, middle, False) >= 0] for quad in large]
    is_text = [_is_melted(quad, [fine[n] for n in own]) for quad, own in zip(large, within, strict=True)]
    headings = [n for n, text in enumerate(is_text) if not text]
    inside = {n for heading in headings for n in within[heading]}
    return [*(large[n] for n in headings), *(quad for n, quad in enumerate(fine) if n not in inside)]


def _is_melted(heading: Quad, lines: Sequence[Quad]) -> bool:
    """Whether `heading` is nothing but the lines within it, and not their letters, which are nearly as high as it is."""
    low = heights(lines, 1.0) < LOW * heights([heading], 1.0)
    area = sum(float(cv2.contourArea(quad)) for quad, is_low in zip(lines, low.tolist(), strict=True) if is_low)
    return int(low.sum()) >= SEVERAL and area >= COVERED * float(cv2.contourArea(heading))


def missed(page: Image, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks of a page that have the texture of small type where nothing was `found`.

    `page` is as the network saw it, `found` the mask of its lines, of the same size.
    """
    grey = cv2.cvtColor(page, cv2.COLOR_BGR2GRAY)
    rows, columns = grey.shape[0] // BLOCK, grey.shape[1] // BLOCK
    blocks = grey[: rows * BLOCK, : columns * BLOCK]
    mean = cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    squares = cv2.resize(blocks.astype(np.float32) ** 2, (columns, rows), interpolation=cv2.INTER_AREA)
    textured = squares - mean**2 > TEXTURE**2
    # A line's blob is less high than the line: what stands above and below belongs to it.
    covered = cv2.dilate(found.view(np.uint8), np.ones((2 * BLOCK + 1, 2 * BLOCK + 1), np.uint8))
    inside = cv2.resize(covered[: rows * BLOCK, : columns * BLOCK], (columns, rows), interpolation=cv2.INTER_NEAREST)
    return np.asarray(textured & (inside == 0), np.bool_)


def suspicious(blocks: NDArray[np.bool_], height: int, width: int) -> tuple[int, int, int, int] | None:
    """Where a page of that size is to be looked at closely, given the blocks that `missed` tells: the part that has most of them.

    top, bottom, left, right in pixels of the page; None where no part has so many.
    """
    rows, columns = blocks.shape
    if not blocks.size:
        return None
    window = (min(rows, max(1, round(PROBE * rows / height))), min(columns, max(1, round(PROBE * columns / width))))
    shares = cv2.boxFilter(blocks.astype(np.float32), -1, window[::-1], borderType=cv2.BORDER_CONSTANT)
    row, column = divmod(int(shares.argmax()), columns)
    if shares[row, column] < MISSED:
        return None
    middle = (row + 0.5) * height / rows, (column + 0.5) * width / columns
    top, left = (max(0, min(int(at - PROBE / 2), side - PROBE)) for at, side in zip(middle, (height, width), strict=True))
    return top, min(height, top + PROBE), left, min(width, left + PROBE)
