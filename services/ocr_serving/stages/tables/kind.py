"""Whether a region of a page is a table, where rules or rows of text tell better than the layout's network does. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.layout import Region
from ocr_serving.stages.regions import centred
from ocr_serving.stages.tables import explain
from ocr_serving.stages.tables.picture import Rectangles, corners_of, line_height
from ocr_serving.stages.tables.read import sheet
from ocr_serving.stages.tables.ruled import groups_of_rules, ruled
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.words import gaps, rows_of_text

NO_TABLES = ("text", "list", "figure", "equation", "reference")
"""Labels of regions that may be tables all the same."""

HELD = 0.9
"""Share of a region's lines that are in a grid where the region is one."""

LEAST_CELLS = 4
"""Cells of a grid that say something, at least."""

LEAST_IN_LINE = 3
"""The same of a table of one row, or of one column, of which none is empty."""

LONG = 10.0
"""Heights of a line; longer lines between rules are running text on ruled paper, and no column of texts."""

FAULTS = 0.02
"""Share of faults up to which a grid explains its texts."""

APART = 1.0
"""Heights of a line between words that stand in two columns."""

AROUND = 0.5
"""Heights of a line by which a region is grown: the layout cuts off outermost rules."""

ROOM = 2.0
"""Heights of a line around lines in no region where a grid about them is looked for."""

LITTLE = 0.3
"""Heights of a line around lines of text; rules further away are others'."""


def labelled(image: Image, regions: Sequence[Region], boxes: Rectangles) -> list[Region]:
    """`regions` of a page with those as tables that are grids of rules with texts in them, and those as text that are nothing else.

    `boxes` are all lines of the page, x1, y1, x2, y2.
    """
    return [_labelled(image, region, boxes[centred(boxes, region.box)]) for region in regions]


def _labelled(image: Image, region: Region, lines: Rectangles) -> Region:
    """A region, with the `lines` that are in it, under the label that it ought to have."""
    if region.label == "table" and len(lines) and is_running_text(image, lines):
        return region._replace(label="text")
    if region.label in NO_TABLES and len(lines) >= LEAST_IN_LINE:
        box = grid_in(image, region.box, lines)
        return region if box is None else region._replace(label="table", box=box)
    return region


def grids(image: Image, regions: Sequence[Region], boxes: Rectangles) -> list[Region]:
    """Tables that rules draw about lines of a page that are in none of its `regions`; `boxes` are all its lines."""
    loose = np.ones(len(boxes), bool)
    for region in regions:
        loose[centred(boxes, region.box)] = False
    lines = boxes[loose]
    height = line_height(lines)
    if len(lines) < LEAST_IN_LINE:
        return []
    x, y = np.maximum(lines[:, :2].min(axis=0) - ROOM * height, 0).astype(int).tolist()
    right, bottom = (lines[:, 2:].max(axis=0) + ROOM * height).astype(int).tolist()
    on = sheet(image[y:bottom, x:right], corners_of(lines - np.array([x, y, x, y])))
    found = []
    for rules in groups_of_rules(on.rules, height):
        if not _draws_cells(rules):
            continue
        corners = on.ready.back(_corners(rules)) + np.array([x, y])
        box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
        inside = centred(boxes, box)
        if len(inside) >= LEAST_IN_LINE and loose[inside].all():
            whole = grid_in(image, box, boxes[inside])
            found += [] if whole is None else [Region(whole, "table", 0.0)]
    return found


def grid_in(image: Image, box: Sequence[float], boxes: Rectangles) -> tuple[float, float, float, float] | None:
    """The box of the grid that rules draw about most of a region's lines; None where they draw none, or texts go across them."""
    height = line_height(boxes)
    x1, y1, x2, y2 = (int(side) for side in np.array(box) + np.array([-1, -1, 1, 1]) * AROUND * height)
    x1, y1 = max(0, x1), max(0, y1)
    picture = image[y1:y2, x1:x2]
    on = sheet(picture, corners_of(boxes - np.array([x1, y1, x1, y1])))
    groups = groups_of_rules(on.rules, height)
    rules = groups[0] if groups else Rulings(np.zeros((0, 3)), np.zeros((0, 3)))
    if not _draws_cells(rules):
        return None
    sides = rules.boxes()
    low, high = sides[:, :2].min(axis=0), sides[:, 2:].max(axis=0)
    centres = (on.boxes[:, :2] + on.boxes[:, 2:]) / 2
    held = np.all((centres > low) & (centres < high), axis=1)
    if held.mean() < HELD or not (_explained(rules, on.boxes[held], height) or _in_one_column(rules, on.boxes[held], height)):
        return None
    corners = on.ready.back(_corners(rules))
    low, high = corners.min(axis=0) + np.array([x1, y1]), corners.max(axis=0) + np.array([x1, y1])
    a, b, c, d = box
    limits = float(image.shape[1]), float(image.shape[0])
    return (
        max(0.0, min(a, float(low[0]))),
        max(0.0, min(b, float(low[1]))),
        min(limits[0], max(c, float(high[0]))),
        min(limits[1], max(d, float(high[1]))),
    )


def _draws_cells(rules: Rulings) -> bool:
    """Whether rules are enough for several cells."""
    return min(len(rules.level), len(rules.upright)) >= 2 and len(rules.level) + len(rules.upright) >= LEAST_IN_LINE + 3


def _explained(rules: Rulings, boxes: Rectangles, height: float) -> bool:
    """Whether rules draw cells that lines of text stand in, none across a border; all of them in a table of one row."""
    grid = ruled(rules, boxes, height)
    if grid is None or grid.size[1] < 2:
        return False
    filled = {home for home in explain.homes(grid, boxes) if home is not None}
    enough = len(filled) >= LEAST_CELLS if min(grid.size) > 1 else len(filled) == len(grid.cells) >= LEAST_IN_LINE
    return enough and explain.faults(grid, boxes, rules, height, is_drawn=True) <= FAULTS


def _in_one_column(rules: Rulings, boxes: Rectangles, height: float) -> bool:
    """Whether lines of text stand between level rules from one side of a frame to the other, some between each two of these."""
    left, right = float(rules.upright[:, 0].min()), float(rules.upright[:, 0].max())
    if right - left < 2 * height or ((rules.upright[:, 0] > left + height) & (rules.upright[:, 0] < right - height)).any():
        return False
    levels = np.sort(rules.level[:, 0])
    whole = (rules.level[:, 1] <= left + height / 2) & (rules.level[:, 2] >= right - height / 2)
    if float(np.median(boxes[:, 2] - boxes[:, 0])) > LONG * height:
        return False
    inset = explain.BEYOND * height
    cut = (levels[:, None] > boxes[:, 1] + inset) & (levels[:, None] < boxes[:, 3] - inset)
    filled = set(np.searchsorted(levels, (boxes[:, 1] + boxes[:, 3]) / 2).tolist())
    return bool(whole.all()) and len(levels) > LEAST_IN_LINE and not cut.any() and filled == set(range(1, len(levels)))


def is_running_text(image: Image, boxes: Rectangles) -> bool:
    """Whether lines are one below the other, no two beside each other, without a space as between columns, and without rules."""
    height = line_height(boxes)
    if any(len(row) > 1 for row in rows_of_text(boxes, height)):
        return False
    x1, y1 = (int(max(0.0, side - LITTLE * height)) for side in boxes[:, :2].min(axis=0))
    x2, y2 = (int(side + LITTLE * height) for side in boxes[:, 2:].max(axis=0))
    on = sheet(image[y1:y2, x1:x2], corners_of(boxes - np.array([x1, y1, x1, y1])))
    if len(on.rules.level) + len(on.rules.upright):
        return False
    spaces = [b - a for line in on.boxes.tolist() for a, b in gaps(on.ready.picture, (line[0], line[1], line[2], line[3]))]
    return max(spaces, default=0.0) < APART * height


def _corners(rules: Rulings) -> NDArray[np.float64]:
    """The corners of the box around rules, shape (4, 2)."""
    sides = rules.boxes()
    (x1, y1), (x2, y2) = sides[:, :2].min(axis=0), sides[:, 2:].max(axis=0)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)
