"""Rules of a table: thin dark lines, level and upright, found by how much darker they are than what is on both their sides.

Averaging along a line before it is compared with its neighbours finds hairlines of one pixel in noise and JPEG blocks.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.tables.picture import Rectangles, line_height

CONTRAST = 7
"""Greys of 255 by which a rule is darker than its surroundings, once averaged along it."""

THICK = 3
"""Half the pixels a rule may be thick, at least; see `_thickness`."""

JOINED_ALONG, JOINED_DOWN = 2.0, 0.5
"""Pieces of one level, or upright, rule are so many heights of a line apart at most."""

SMOOTHED_ALONG, SMOOTHED_DOWN = 0.4, 0.2
"""Heights of a line over which a rule is averaged, …"""

WHOLE = 1.1
"""… and over which it then has no gap: more than a letter that is as high, and that averaging has made longer."""

LEAST_ALONG, LEAST_DOWN = 2.5, 1.4
"""Heights of a line that a rule is long."""

AT_RULE = 0.2
"""Heights of a line by which a shorter upright rule is off level ones at both of its ends."""

FREE = 4.0
"""Heights of a line; an upright rule so long need not end at a level one."""

IN_TEXT = 0.6
"""Share of a level rule."""

THROUGH, TALL = 0.3, 1.5
"""A rule that is inside a line of text by this share of its height, above and below, goes through it; what is higher than so many
usual lines is no line."""

Segments = NDArray[np.float64]
"""Shape (N, 3): where it lies (y of level, x of upright rules), where it begins, where it ends."""


class Rulings(NamedTuple):
    """Level and upright rules of a picture, in its pixels."""

    level: Segments
    upright: Segments

    def boxes(self) -> Rectangles:
        """All as x1, y1, x2, y2."""
        level, upright = self.level, self.upright
        return np.concatenate([level[:, [1, 0, 2, 0]], upright[:, [0, 1, 0, 2]]]).reshape(-1, 4)

    def moved(self, x: float, y: float) -> Rulings:
        """The same on a picture whose top left corner is at x, y of this one."""
        return Rulings(self.level - np.array([y, x, x]), self.upright - np.array([x, y, y]))


def rulings(picture: Image, boxes: Rectangles) -> Rulings:
    """The rules of `picture`, dark on light and level, whose lines of text are in `boxes`."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    height = line_height(boxes)
    level = _segments(grey, height, SMOOTHED_ALONG, LEAST_ALONG, JOINED_ALONG)
    upright = _segments(np.ascontiguousarray(grey.T), height, SMOOTHED_DOWN, WHOLE, JOINED_DOWN)
    text = np.array([_in_text(segment, boxes) for segment in level], bool)
    level = _beside_text(level[~text], boxes, height) if len(level) else level
    held = np.array([_held(segment, level, height) for segment in upright], bool)
    return Rulings(level, upright[held] if len(upright) else upright)


def _segments(grey: NDArray[np.uint8], height: float, smoothed: float, least: float, joined: float) -> Segments:
    """Level rules of a picture: y, x1, x2."""
    thick = max(THICK, int(0.12 * height))
    smooth = cv2.blur(grey, (max(3, int(smoothed * height)), 1))
    hat = cv2.morphologyEx(smooth, cv2.MORPH_BLACKHAT, np.ones((2 * thick + 1, 1), np.uint8))
    along = max(9, int(WHOLE * height))
    hat = cv2.morphologyEx(hat, cv2.MORPH_OPEN, np.ones((1, along), np.uint8))
    mask = ((hat >= CONTRAST) * 255).astype(np.uint8)
    count, _, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    pieces = []
    for index in range(1, count):
        x, _, width, depth = (int(value) for value in stats[index, :4])
        if width >= along and depth <= 2 * thick + 4:
            pieces.append((float(centres[index][1]), float(x), float(x + width)))
    kept = [piece for piece in _joined(pieces, max(8.0, joined * height)) if piece[2] - piece[1] >= least * height]
    return np.array(kept, np.float64).reshape(-1, 3)


def _held(segment: NDArray[np.float64], level: Segments, height: float) -> bool:
    """Whether an upright rule is long, or ends at a level one: letters below each other are and do neither.

    One that is hardly longer than a letter parts two cells of one line where both of its ends are at level ones.
    """
    x, start, end = (float(value) for value in segment)
    meeting = (level[:, 1] - height < x) & (x < level[:, 2] + height)
    ends = np.abs(level[meeting, 0][:, None] - np.array([start, end]))
    if end - start < LEAST_DOWN * height:
        return bool((ends < AT_RULE * height).any(axis=0).all())
    return bool(end - start >= FREE * height) or bool((ends < 0.5 * height).any())


def _in_text(segment: NDArray[np.float64], boxes: Rectangles) -> bool:
    """Whether a level rule is for the most part inside lines of text, and so a row of letters."""
    y, start, end = (float(value) for value in segment)
    inset = 0.08 * (boxes[:, 3] - boxes[:, 1])
    through = (boxes[:, 1] + inset < y) & (y < boxes[:, 3] - inset)
    shared = np.clip(np.minimum(boxes[:, 2], end) - np.maximum(boxes[:, 0], start), 0, None)
    return bool(shared[through].sum() > IN_TEXT * (end - start))


def _beside_text(level: Segments, boxes: Rectangles, height: float) -> Segments:
    """Level rules without the stretches on which a line of text stands, whose letters have joined them."""
    lines = boxes[boxes[:, 3] - boxes[:, 1] < TALL * height]
    inset = THROUGH * (lines[:, 3] - lines[:, 1])
    found: list[tuple[float, float, float]] = []
    for y, start, end in level.tolist():
        through = lines[(lines[:, 1] + inset < y) & (y < lines[:, 3] - inset) & (lines[:, 0] < end) & (lines[:, 2] > start)]
        at = start
        for x1, _, x2, _ in through[np.argsort(through[:, 0])].tolist():
            if x1 - at >= height:
                found.append((y, at, x1))
            at = max(at, x2)
        if end - at >= height or not len(through):
            found.append((y, at, end))
    return np.array(found, np.float64).reshape(-1, 3)


def _joined(pieces: list[tuple[float, float, float]], gap: float) -> list[tuple[float, float, float]]:
    """Pieces that lie on one line and near each other, as one."""
    joined: list[list[float]] = []
    for at, start, end in sorted(pieces, key=lambda piece: piece[1]):
        home = None
        for line in reversed(joined):
            if abs(line[0] - at) <= 3 and start - line[2] <= gap:
                home = line
                break
        if home is None:
            joined.append([at, start, end])
        else:
            before, added = home[2] - home[1], end - start
            home[0] = (home[0] * before + at * added) / max(1.0, before + added)
            home[2] = max(home[2], end)
    return [(line[0], line[1], line[2]) for line in joined]
