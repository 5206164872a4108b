"""Words set on a page of a PDF without being drawn, each where it is seen."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ocr_serving.searchable import invisible_font
from ocr_serving.searchable.font import Font

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]

QUARTER = math.pi / 2
STEEPEST = math.radians(20)
"""Lines that lie aslant by more are set as they lie."""

STEP = 0.6
"""Heights of a line that the letters of a part of a word may be too high or too low."""


class Placed(NamedTuple):
    """A word, a part of one or a space, and its corners, from the top left on: pixels of the page as it is shown."""

    text: str
    quad: Quad


def add(place: Any, size: tuple[int, int], font: Font, pieces: Sequence[Placed]) -> None:
    """Set `pieces` on `place`, a page of a PDF that is shown in `size` pixels, width and height."""
    if content := _content(pieces, _ToPage(place, size), font):
        _add_content(place, font, content)


def _content(pieces: Sequence[Placed], to_page: _ToPage, font: Font) -> bytes:
    parts = [shown for text, quad in pieces for shown in _shown_text(text, [to_page(point) for point in quad], font)]
    return ("q BT 3 Tr\n" + "\n".join(parts) + "\nET Q\n").encode("ascii") if parts else b""


def _shown_text(text: str, corners: Sequence[Point], font: Font) -> Iterator[str]:
    """The operators that set `text` between the corners, from the top left on, in units of the page.

    Readers take a word apart whose letters climb or fall. On a line that lies a little aslant letters stand level, and its words,
    or the parts of a long one, step by step along it.
    """
    upper, _, (rx, ry), (lx, ly) = corners
    length, high = math.hypot(rx - lx, ry - ly), math.hypot(upper[0] - lx, upper[1] - ly)
    if not math.isfinite(length * high) or high <= 0:
        return
    angle = math.atan2(ry - ly, rx - lx) if length > 0.01 else 0.0
    level = round(angle / QUARTER) * QUARTER
    aslant = angle - level
    if abs(aslant) > STEEPEST:
        level, aslant = angle, 0.0
    parts = min(len(text), max(1, math.ceil(length * abs(math.sin(aslant)) / (STEP * high))))
    x, y = sum(point[0] for point in corners) / 4, sum(point[1] for point in corners) / 4
    dx, dy = math.cos(level), math.sin(level)
    size = max(0.5, high)
    for n in range(parts):
        start, end = (round(len(text) * count / parts) for count in (n, n + 1))
        shown = text[start:end]
        # From the middle of the word to that of the part, along the line.
        along = length * ((start + end) / 2 / len(text) - 0.5)
        wide = max(0.01, length * len(shown) / len(text) * math.cos(aslant))
        # The letters stand on a line a little above the box's lower side.
        below = high / 2 + invisible_font.DESCENT / invisible_font.UNITS * size
        left = x + along * math.cos(angle) - dx * wide / 2 + dy * below
        base = y + along * math.sin(angle) - dy * wide / 2 - dx * below
        squeezed = 100 * wide / (len(shown) * size * invisible_font.WIDTH / invisible_font.UNITS)
        yield (
            f"/FONT {size:.2f} Tf {dx:.5f} {dy:.5f} {-dy:.5f} {dx:.5f} {left:.2f} {base:.2f} Tm {squeezed:.2f} Tz"
            f" <{font.hex(shown)}> Tj"
        )


class _ToPage:
    """From pixels of a page as it is shown to the units of its content: the crop box, turned as /Rotate says."""

    def __init__(self, place: Any, size: tuple[int, int]) -> None:
        left, bottom, right, top = _shown(place)
        self._origin = left, bottom
        self._size = right - left, top - bottom
        self._turn = int(_inherited(place, "/Rotate") or 0) % 360
        shown = self._size if self._turn % 180 == 0 else self._size[::-1]
        self._scale = shown[0] / size[0], shown[1] / size[1]
        self._shown = shown

    def __call__(self, point: Point) -> Point:
        x, y = point[0] * self._scale[0], self._shown[1] - point[1] * self._scale[1]
        width, high = self._size
        u, v = {0: (x, y), 90: (width - y, x), 180: (width - x, high - y), 270: (y, high - x)}.get(self._turn, (x, y))
        return self._origin[0] + u, self._origin[1] + v


def _shown(place: Any) -> tuple[float, float, float, float]:
    """The part of a page that is shown: its crop box, inside its media box."""
    media = _box(_inherited(place, "/MediaBox")) or (0.0, 0.0, 612.0, 792.0)
    crop = _box(_inherited(place, "/CropBox")) or media
    inside = max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3])
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else media


def _box(value: Any) -> tuple[float, float, float, float] | None:
    try:
        x1, y1, x2, y2 = (float(side) for side in value)
    except (TypeError, ValueError):
        return None
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) if x1 != x2 and y1 != y2 else None


def _inherited(place: Any, key: str) -> Any:
    """An entry of a page, or of the nodes above it."""
    node = place.obj
    for _ in range(50):
        if key in node:
            return node[key]
        if "/Parent" not in node:
            return None
        node = node["/Parent"]
    return None


def _add_content(place: Any, font: Font, content: bytes) -> None:
    import pikepdf

    if "/Resources" not in place.obj and (inherited := _inherited(place, "/Resources")) is not None:
        place.obj["/Resources"] = inherited
    if not isinstance(place.resources.get("/Font", pikepdf.Dictionary()), pikepdf.Dictionary):
        del place.resources["/Font"]
    name = place.add_resource(font.font, pikepdf.Name.Font)
    # Packed at once: with the words of thousands of pages the file is in memory until it is written.
    packed = zlib.compress(content.replace(b"/FONT", str(name).encode()))
    # First, where no content before it has moved the page.
    place.contents_add(font.pdf.make_stream(packed, Filter=pikepdf.Name.FlateDecode), prepend=True)
