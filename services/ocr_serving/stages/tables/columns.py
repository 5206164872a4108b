"""Tables that the places of words show, where the layout's network sees text, a figure or nothing. Pure.

It takes more to tell a table among anything that is printed than to read what is known to be one: rows and columns that are filled,
texts that are set to one side of their columns, and figures. Alignment as evidence of columns as by T-Recs (Kieninger, "Table
structure recognition based on robust block segmentation", Document Recognition V, 1998).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.layout import Region
from ocr_serving.stages.regions import centred
from ocr_serving.stages.tables import explain
from ocr_serving.stages.tables.grid import Grid
from ocr_serving.stages.tables.picture import Rectangles, corners_of, line_height
from ocr_serving.stages.tables.read import Sheet, of_words, sheet
from ocr_serving.stages.tables.rulings import Rulings
from ocr_serving.stages.tables.several import apart, box_of
from ocr_serving.stages.tables.spaced import spaced
from ocr_serving.stages.tables.words import rows_of_text

LEAST_ROWS = 3
"""Rows of a table of three columns or more; such of two have one more."""

FILLED, WELL_FILLED = 0.45, 0.75
"""Share of the places that hold a text in a table; and where no column is of figures and no rules part rows, or there are two."""

ALIGNED, OFF = 0.7, 0.35
"""Share of a column's texts whose left sides, right sides or middles are on one upright, and heights of a line by which they may be
off it."""

FIGURES = 0.6
"""Share of a column's texts, and of the letters and digits of a text, that are figures."""

LONG = 10.0
"""Heights of a line; a column whose texts are usually longer is one of print, where there are more such than columns of figures."""

RULED, LEAST_RULES = 0.85, 3
"""Share of a table's width that level rules have, so many at least, where they part its rows."""

ROOM = 2.0
"""Heights of a line around lines that are looked at."""

MOST_OF_IT = 0.9
"""Share of a figure's lines that are in a table where it is no figure."""


def with_columns(image: Image, regions: Sequence[Region], boxes: Rectangles, texts: Sequence[str]) -> list[Region]:
    """`regions` of a page with tables that the columns of its lines show in place of what they cover of regions of another kind.

    `boxes` are all lines of the page, x1, y1, x2, y2, and `texts` what they say.
    """
    tables = [region for region in regions if region.label == "table"]
    others = [region for region in regions if region.label != "table"]
    loose = np.array([bool(text.strip()) for text in texts], bool)
    for table in tables:
        loose[centred(boxes, table.box)] = False
    found = _found(image, boxes, np.flatnonzero(loose), texts, others)
    found = [box for box in found if not any(_meets(box, table.box) for table in tables)]
    covered = {index for box in found for index in centred(boxes, box)}
    # Lines of a diagram are its own.
    whole = [set(centred(boxes, region.box)) for region in others if region.label == "figure"]
    kept = {index for lines in whole if len(lines & covered) < MOST_OF_IT * len(lines) for index in lines}
    found = [box for box in found if not kept & set(centred(boxes, box))]
    if not found:
        return list(regions)
    for box in found:
        inside = set(centred(boxes, box))
        others = [part for region in others for part in _left(region, boxes, inside)]
    return [*others, *tables, *(Region(box, "table", 0.0) for box in found)]


def _found(
    image: Image, boxes: Rectangles, loose: NDArray[np.int64], texts: Sequence[str], regions: Sequence[Region]
) -> list[tuple[float, float, float, float]]:
    """Boxes of tables among the `loose` lines of a page, those of one region first: it is often a table and nothing else."""
    lines = boxes[loose]
    if not len(lines):
        return []
    height = line_height(lines)
    if sum(len(row) > 1 for row in rows_of_text(lines, height)) < LEAST_ROWS:
        return []
    x, y = np.maximum(lines[:, :2].min(axis=0) - ROOM * height, 0).astype(int).tolist()
    right, bottom = (lines[:, 2:].max(axis=0) + ROOM * height).astype(int).tolist()
    picture = image[y:bottom, x:right]
    on = sheet(picture, corners_of(lines - np.array([x, y, x, y])))
    said = [texts[index] for index in loose]
    groups = [group for region in regions for group in _among(on, centred(lines, region.box), said)]
    on, further = apart(on, said)
    found = []
    taken: set[int] = set()
    for group in [*groups, *further]:
        if not taken & set(group) and shows_columns(on, group, [said[index] for index in group]):
            taken.update(group)
            x1, y1, x2, y2 = box_of(on, group, np.zeros((0, 4)), picture)
            found.append((float(x1 + x), float(y1 + y), float(x2 + x), float(y2 + y)))
    return found


def _among(on: Sheet, members: Sequence[int], texts: Sequence[str]) -> list[list[int]]:
    """What of the lines `members` of a sheet may be tables, each for itself."""
    if len(members) <= LEAST_ROWS:
        return []
    _, groups = apart(on._replace(boxes=on.boxes[list(members)]), [texts[index] for index in members])
    return [[members[index] for index in group] for group in groups]


def shows_columns(on: Sheet, group: Sequence[int], texts: Sequence[str]) -> bool:
    """Whether lines of a sheet, `group`, which say `texts`, are rows and columns of a table and nothing else."""
    boxes, height = on.boxes[list(group)], line_height(on.boxes[list(group)])
    parts = [of_words(on.ready.picture, boxes[[n]]) for n in range(len(boxes))]
    lines = np.repeat(np.arange(len(boxes)), [len(part) for part in parts])
    words = np.concatenate(parts)
    grid = spaced(words, on.rules, height)
    if grid is None or grid.size[1] < 2 or grid.size[0] < LEAST_ROWS + (grid.size[1] == 2):
        return False
    cells = _cells(grid, words, lines, texts)
    rows, columns = grid.size
    by_column = [[cell for (_, column), cell in cells.items() if column == n] for n in range(columns)]
    if min(map(len, by_column)) < 2:
        return False
    filled = len(cells) / (rows * columns)
    aligned = sum(_is_aligned(column, height) for column in by_column)
    figures = [bool(np.mean([figure for _, _, figure in column]) >= FIGURES) for column in by_column]
    long = sum(float(np.median([x2 - x1 for x1, x2, _ in column])) > LONG * height for column in by_column)
    is_ruled = _is_ruled(on.rules, boxes)
    if long > max(sum(figures), int(is_ruled)) or aligned < columns:
        return False
    if columns == 2:
        return filled >= WELL_FILLED and figures[1]
    return filled >= (FILLED if any(figures) or is_ruled else WELL_FILLED)


Text = tuple[float, float, bool]
"""x1, x2 of what is in a cell, and whether it is a figure."""


def _cells(grid: Grid, words: Rectangles, lines: NDArray[np.int64], texts: Sequence[str]) -> dict[tuple[int, int], Text]:
    """What is in the cells of one column each, by row and column; `lines` are the lines that `words` are of."""
    found: dict[tuple[int, int], Text] = {}
    for index, home in enumerate(explain.homes(grid, words)):
        if home is None or grid.cells[home].columns > 1:
            continue
        at = grid.cells[home].row, grid.cells[home].column
        x1, x2, figure = found.get(at, (np.inf, -np.inf, True))
        is_figure = figure and is_figures(texts[lines[index]])
        found[at] = min(x1, float(words[index, 0])), max(x2, float(words[index, 2])), is_figure
    return found


def is_figures(text: str) -> bool:
    """Whether most letters and digits of a text are digits."""
    signs = [sign for sign in text if sign.isalnum()]
    return bool(signs) and sum(sign.isdigit() for sign in signs) >= FIGURES * len(signs)


def _is_aligned(column: Sequence[Text], height: float) -> bool:
    for side in zip(*((x1, x2, (x1 + x2) / 2) for x1, x2, _ in column), strict=True):
        ordered = np.sort(side)
        near = np.searchsorted(ordered, ordered + OFF * height, "right") - np.searchsorted(ordered, ordered - OFF * height, "left")
        if near.max() >= ALIGNED * len(ordered):
            return True
    return False


def _is_ruled(rules: Rulings, boxes: Rectangles) -> bool:
    left, right = float(boxes[:, 0].min()), float(boxes[:, 2].max())
    near = rules.level[(rules.level[:, 0] > boxes[:, 1].min()) & (rules.level[:, 0] < boxes[:, 3].max())]
    along = np.minimum(near[:, 2], right) - np.maximum(near[:, 1], left)
    return int((along >= RULED * (right - left)).sum()) >= LEAST_RULES


def _meets(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _left(region: Region, boxes: Rectangles, inside: set[int]) -> list[Region]:
    """What a table of the lines `inside` leaves of a region: itself, or what is above and what is below of it."""
    lines = set(centred(boxes, region.box))
    if not lines & inside:
        return [region]
    rest = sorted(lines - inside)
    middle = float(boxes[sorted(inside), 1].min() + boxes[sorted(inside), 3].max()) / 2
    above = [index for index in rest if boxes[index, 1] + boxes[index, 3] < 2 * middle]
    found = []
    for part in (above, [index for index in rest if index not in above]):
        if part:
            low, high = boxes[part, :2].min(axis=0).tolist(), boxes[part, 2:].max(axis=0).tolist()
            found.append(region._replace(box=(*low, *high)))
    return found
