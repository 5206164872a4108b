"""Pictures of a result: boxes on the page, and beside it the text set where it was found.

Pure: arrays in, arrays out. The layout of the pair is that of PaddleOCR's `draw_ocr_box_txt`.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from ocr_serving.decoding.images import Image
from ocr_serving.output import results
from ocr_serving.output.results import Mark, Point

Colour = tuple[int, int, int]

# Okabe and Ito's colours that stay apart for colour-blind eyes, less the yellow and black that a page hides. BGR.
PALETTE: tuple[Colour, ...] = ((178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204), (0, 159, 230), (233, 180, 86))
INK: Colour = (32, 32, 32)
TINT = 0.22
"""How much of its colour a box lays over the page: enough to see, little enough to read through."""

_FontFile = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw(image: Image, entry: Any, font: Path | None = None) -> Image:
    """`image` (BGR uint8, shape (H, W, 3)) with one entry of `results` drawn on it.

    Where the entry has text with a place, the picture is a pair, shape (H, 2W, 3): the page with its boxes, then the text in
    the same places. Where it has text without a place (ocr_rec, ocr_cls), a strip with the text is set below. `font` is a TrueType
    or OpenType file; None is Pillow's own, which has Latin letters only. An entry of no known shape leaves the image as it is.
    """
    result = results.read(entry)
    if result.captions:
        return _captioned(image, result.captions, font)
    page = image.copy()
    colours = _colours(result.marks)
    for mark, colour in zip(result.marks, colours, strict=True):
        _box(page, mark, colour)
    for start, end in result.links:
        _arrow(page, result.marks[start], result.marks[end])
    for mark, colour in zip(result.marks, colours, strict=True):
        if mark.label:
            _tag(page, mark, colour, font)
    if not any(mark.text for mark in result.marks):
        return page
    text_page = np.full_like(image, 255)
    for mark, colour in zip(result.marks, colours, strict=True):
        cv2.polylines(text_page, [_pixels(mark.polygon)], True, colour, _stroke(page, mark), cv2.LINE_AA)
        _set_text(text_page, mark, font)
    return np.hstack([page, text_page])


def _colours(marks: list[Mark]) -> list[Colour]:
    """One colour for each label where there are labels (cells and lines without one keep the last region's), else in turn."""
    labels = list(dict.fromkeys(mark.label for mark in marks if mark.label))
    colours, last = [], PALETTE[0]
    for n, mark in enumerate(marks):
        if mark.label:
            last = PALETTE[labels.index(mark.label) % len(PALETTE)]
        colours.append(last if labels else PALETTE[n % len(PALETTE)])
    return colours


def _stroke(page: Image, mark: Mark) -> int:
    """The line width in pixels, growing with the page so that it is seen when a scan is shown small."""
    width: int = max(1, round(max(page.shape[:2]) / 1400))
    return width * 2 if mark.kind == "region" else width


def _pixels(polygon: tuple[Point, ...]) -> NDArray[np.int32]:
    # Far-off points would overflow OpenCV's fixed-point lines.
    return np.clip(np.rint(np.array(polygon, np.float64)), -32000, 32000).astype(np.int32)


def _box(page: Image, mark: Mark, colour: Colour) -> None:
    corners = _pixels(mark.polygon)
    if mark.kind == "line":
        rows, columns = _window(corners, page)
        window = page[rows, columns]
        if window.size:
            filled = window.copy()
            cv2.fillPoly(filled, [corners - (columns.start, rows.start)], colour)
            cv2.addWeighted(filled, TINT, window, 1 - TINT, 0, dst=window)
    cv2.polylines(page, [corners], True, colour, _stroke(page, mark), cv2.LINE_AA)


def _window(corners: NDArray[np.int32], page: Image) -> tuple[slice, slice]:
    """Rows and columns of `page` that the polygon touches."""
    x, y, w, h = cv2.boundingRect(corners)
    height, width = page.shape[:2]
    return slice(min(max(y, 0), height), max(y + h, 0)), slice(min(max(x, 0), width), max(x + w, 0))


def _arrow(page: Image, start: Mark, end: Mark) -> None:
    """From side to side where two boxes are nearest, so that the arrow crosses no more text than it must."""
    tail, head = _nearest(_pixels(start.polygon), _pixels(end.polygon))
    length = max(1.0, float(np.hypot(head[0] - tail[0], head[1] - tail[1])))
    tip = min(0.3, 14 * _stroke(page, start) / length)
    cv2.arrowedLine(page, tail, head, INK, 2 * _stroke(page, start), cv2.LINE_AA, tipLength=tip)


def _nearest(one: NDArray[np.int32], two: NDArray[np.int32]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Points of the upright boxes around two polygons, level with each other where the boxes are."""
    low, high = np.maximum(one.min(axis=0), two.min(axis=0)), np.minimum(one.max(axis=0), two.max(axis=0))
    # Where the boxes overlap on an axis, low <= high and both points are halfway; else they are at the sides that face each other.
    first = np.where(low <= high, (low + high) // 2, np.where(one.max(axis=0) < two.min(axis=0), high, low))
    second = np.where(low <= high, (low + high) // 2, low + high - first)
    return (int(first[0]), int(first[1])), (int(second[0]), int(second[1]))


def _tag(page: Image, mark: Mark, colour: Colour, font: Path | None) -> None:
    """The label as a small flag above the top left corner, or inside where there is no room above."""
    size = max(11, max(page.shape[:2]) // 110)
    mask = _ink(mark.label, size, font)
    flag = np.full((*mask.shape, 3), colour, np.uint8)
    # White on these colours is too faint to read, so the letters are dark on a lightened flag.
    flag = cv2.addWeighted(flag, 0.45, np.full_like(flag, 255), 0.55, 0).astype(np.uint8)
    _blend(flag, mask, INK)
    x, y = (int(v) for v in _pixels(mark.polygon).min(axis=0))
    y = max(y - flag.shape[0], 0)
    room = page[y : y + flag.shape[0], max(x, 0) : max(x, 0) + flag.shape[1]]
    room[:] = flag[: room.shape[0], : room.shape[1]]


def _set_text(canvas: Image, mark: Mark, font: Path | None) -> None:
    """Set the mark's text into its polygon, as large as fits, turned and slanted as the polygon is."""
    corners = np.array(mark.polygon, np.float32)
    if len(corners) != 4:
        x, y, w, h = cv2.boundingRect(corners)
        corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float32)
    width, height = (round(float(np.linalg.norm(corners[i] - corners[0]))) for i in (1, 3))
    if min(width, height) < 3 or max(width, height) > 4 * max(canvas.shape) or not mark.text.strip():
        return
    if height >= 2 * width and any(ord(letter) >= 0x2E80 for letter in mark.text):
        patch = _column(mark.text, width, height, font)
    elif height >= 1.5 * width:
        # The recogniser turned such a crop to the left to read it (PaddleOCR's rule), so the text runs down the page.
        patch = np.rot90(_fitted(mark.text, height, width, font), -1)
    else:
        patch = _fitted(mark.text, width, height, font)
    rows, columns = _window(_pixels(mark.polygon), canvas)
    window = canvas[rows, columns]
    if not window.size:
        return
    source = np.array([(0, 0), (patch.shape[1], 0), (patch.shape[1], patch.shape[0]), (0, patch.shape[0])], np.float32)
    target = corners - np.array((columns.start, rows.start), np.float32)
    warp = cv2.getPerspectiveTransform(source, target)
    mask = cv2.warpPerspective(np.ascontiguousarray(patch), warp, (window.shape[1], window.shape[0]), flags=cv2.INTER_LINEAR)
    _blend(window, np.asarray(mask, np.uint8), INK)


def _fitted(text: str, width: int, height: int, font: Path | None) -> Image:
    """Coverage, uint8 of shape (height, width), of `text` in the largest size that fits both ways."""
    size = max(1, round(height * 0.8))
    length = _length(text, size, font)
    if length > width:
        size = max(1, int(size * width / length))
    return _placed(_ink(text, size, font, pad=0), width, height)


def _column(text: str, width: int, height: int, font: Path | None) -> Image:
    """Coverage, shape (height, width), of `text` written down in upright letters, as Chinese columns are."""
    step = height / len(text)
    letters = [_fitted(letter, width, max(1, round(step * (n + 1)) - round(step * n)), font) for n, letter in enumerate(text)]
    return np.vstack(letters)[:height]


def _placed(mask: Image, width: int, height: int) -> Image:
    """`mask` on an empty patch: at the left of a line, in the middle of a box for a word or a letter."""
    mask = mask[:height, :width]
    out = np.zeros((height, width), np.uint8)
    top, spare = (height - mask.shape[0]) // 2, width - mask.shape[1]
    left = min(height // 10, spare) if width > 2 * height else spare // 2
    out[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return out


def _captioned(image: Image, captions: list[str], font: Path | None) -> Image:
    masks = [_ink(caption, max(22, max(image.shape[:2]) // 50), font, pad=6) for caption in captions]
    width = max([image.shape[1], *(mask.shape[1] for mask in masks)])
    height = image.shape[0] + sum(mask.shape[0] for mask in masks)
    out = np.full((height, width, 3), 255, np.uint8)
    out[: image.shape[0], : image.shape[1]] = image
    y = image.shape[0]
    for mask in masks:
        _blend(out[y : y + mask.shape[0], : mask.shape[1]], mask, INK)
        y += mask.shape[0]
    return out


def _blend(window: Image, mask: Image, colour: Colour) -> None:
    """Lay `colour` over `window` (BGR, in place) by the coverage `mask` (0 to 255, of the same height and width)."""
    share = mask[:, :, None].astype(np.float32) / 255
    window[:] = (window * (1 - share) + np.array(colour, np.float32) * share + 0.5).astype(np.uint8)


def _ink(text: str, size: int, font: Path | None, pad: int = 3) -> Image:
    """Coverage (0 to 255) of one line of `text`, shape (line height, length + 2·pad)."""
    face = _face(font, size)
    text = " ".join(text.split())
    left, top, right, bottom = (int(v) for v in face.getbbox(text))
    # The height of these letters is that of any line, so that lines of one size sit on one baseline.
    low, high = (int(face.getbbox("Ågjy")[side]) for side in (1, 3))
    top, bottom = min(top, low), max(bottom, high)
    canvas = PILImage.new("L", (max(1, right - left + 2 * pad), max(1, bottom - top)))
    ImageDraw.Draw(canvas).text((pad - left, -top), text, fill=255, font=face)
    return np.asarray(canvas, np.uint8)


def _length(text: str, size: int, font: Path | None) -> float:
    return float(_face(font, size).getlength(text))


@functools.lru_cache(maxsize=256)
def _face(font: Path | None, size: int) -> _FontFile:
    return ImageFont.load_default(size) if font is None else ImageFont.truetype(str(font), size)
