"""The tables of a picture, be it one or a whole page, each read by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.tables.apart import UNDER, tables_among, tables_apart
from ocr_serving.stages.tables.beside import parted, sides, without_bridges
from ocr_serving.stages.tables.picture import MARGIN, Rectangles, content, line_height
from ocr_serving.stages.tables.read import Recognizer, Sheet, Structurer, TableText, Written, of_words, read, read_on, sheet
from ocr_serving.stages.tables.region import Box
from ocr_serving.stages.tables.ruled import groups_of_rules
from ocr_serving.stages.tables.words import rows_of_text

CAPTION = re.compile(
    r"(table|tables|tab\.|tabelle|tableau|tabla|tabela|tabella|figure|fig\.|exhibit|таблица|表|图|圖)\s*[\divxlc]+\s*([.:：—–-]|\s|$)",
    re.IGNORECASE,
)
"""What a caption begins with: its name and its number. A heading over all columns of a table stands where one may too."""

PARAGRAPH, LONG, HALF = 2, 10.0, 0.5
"""Lines of a paragraph in a table's region, at least, and how long one of them is: heights of a line, and share of the region."""

EDGE = 3.0
"""Pixels around a table that are left at least: its outermost rule is seen with what is beside it."""


class Placed(NamedTuple):
    """A table and where it is on the picture; its cells are told from the top left of that box."""

    box: Box
    table: TableText


def read_each(
    picture: Image, lines: Written, structurer: Structurer, recognizer: Recognizer, *, several: bool = True, is_region: bool = False
) -> list[Placed]:
    """The tables that `picture` shows, from top to bottom, with what is written on it; one at least.

    A picture of one table is that table, whole, and so is any where `several` is false. Lines outside tables are unmatched ones of
    the nearest. `is_region` says that the picture is no page, but what somebody took for a table: where it holds no two of them, it
    is one, with all its lines but paragraphs above and below.
    """
    kept = lines.that_say_something()
    written = lines.of(kept)
    on = sheet(picture, written.quads)
    parts, groups = apart(on, written.texts) if several else (on, [list(range(len(kept)))])
    if is_region and len(groups) < 2:
        own = without_paragraphs(parts.boxes, groups[0] if groups else [])
        groups = [list(range(len(kept))) if _frames_more(picture, parts, own) else own]
    if len(groups) == 1 and len(groups[0]) == len(kept):
        table = read_on(on, written, structurer, recognizer)
        whole = (0, 0, picture.shape[1], picture.shape[0])
        return [Placed(whole, table._replace(unmatched=[kept[index] for index in table.unmatched]))]
    boxes = [box_of(parts, group, rules, picture) for group, rules in zip(groups, _rules(parts, groups), strict=True)]
    outside = sorted(set(range(len(kept))) - {index for group in groups for index in group})
    nearest = {index: _nearest(on, index, groups) for index in outside}
    found = []
    for n, (group, (x1, y1, x2, y2)) in enumerate(zip(groups, boxes, strict=True)):
        part = written.of(group).moved(-x1, -y1)
        table = read(picture[y1:y2, x1:x2], part, structurer, recognizer)
        unmatched = [group[index] for index in table.unmatched] + [index for index in outside if nearest[index] == n]
        found.append(Placed((x1, y1, x2, y2), table._replace(unmatched=sorted(kept[index] for index in unmatched))))
    return found


def _frames_more(picture: Image, on: Sheet, table: Sequence[int]) -> bool:
    """Whether lines that are none of `table` stand within it, as long last rows do in the frame of one."""
    beside = sorted(set(range(len(on.boxes))) - set(table))
    if not table or not beside:
        return False
    x1, y1, x2, y2 = box_of(on, list(table), _rules(on, [list(table)])[0], picture)
    middles = on.ready.back((on.boxes[beside, :2] + on.boxes[beside, 2:]) / 2)
    return bool(np.all((middles > (x1, y1)) & (middles < (x2, y2)), axis=1).any())


def without_paragraphs(boxes: Rectangles, group: Sequence[int]) -> list[int]:
    """Indices of all lines of a region but those of paragraphs above or below `group`, which is the table that stands out in it.

    A paragraph has two lines at least, none beside another, one of them long.
    """
    outside = sorted(set(range(len(boxes))) - set(group))
    if not group or not outside:
        return list(range(len(boxes)))
    height = line_height(boxes)
    middle = float(boxes[list(group), 1].min() + boxes[list(group), 3].max()) / 2
    left: list[int] = []
    for above in (True, False):
        side = [index for index in outside if (boxes[index, 1] + boxes[index, 3] < 2 * middle) == above]
        rows = rows_of_text(boxes[side], height) if side else []
        longest = max(LONG * height, HALF * float(boxes[:, 2].max() - boxes[:, 0].min()))
        long = any(boxes[index, 2] - boxes[index, 0] >= longest for index in side)
        if len(rows) < PARAGRAPH or not long or any(len(row) > 1 for row in rows):
            left += side
    return sorted([*group, *left])


def apart(on: Sheet, texts: Sequence[str]) -> tuple[Sheet, list[list[int]]]:
    """A sheet whose rules are those of one table each, and the lines of each table."""
    if not len(on.boxes):
        return on, [[]]
    words = [of_words(on.ready.picture, on.boxes[[index]]) for index in range(len(on.boxes))]
    height = line_height(on.boxes)
    captions = {index for index, text in enumerate(texts) if CAPTION.match(text.strip())}
    cuts = parted(on.ready.picture, on.boxes, words, on.rules, height)
    if not cuts:
        return on, tables_apart(on.boxes, words, on.rules, height, captions)
    on = on._replace(rules=without_bridges(on.rules, cuts))
    found: list[list[int]] = []
    for group in sides(cuts, on.boxes):
        named = {n for n, index in enumerate(group) if index in captions}
        tables = tables_among(on.boxes[group], [words[index] for index in group], on.rules, height, named)
        found += [[group[index] for index in table] for table in tables]
    found.sort(key=lambda table: (float(on.boxes[table, 1].min()), float(on.boxes[table, 0].min())))
    return on, found or [list(range(len(on.boxes)))]


def _rules(on: Sheet, groups: Sequence[list[int]]) -> list[Rectangles]:
    """For each table the rules that may be its own: of those that touch each other and frame lines of tables, these tables'.

    Others are where no line stands between them and the table. What underlines a line outside of all tables is no table's.
    """
    height = line_height(on.boxes)
    middles = (on.boxes[:, :2] + on.boxes[:, 2:]) / 2
    outside = np.delete(on.boxes, [index for group in groups for index in group], axis=0)
    found: list[list[Rectangles]] = [[np.zeros((0, 4))] for _ in groups]
    for rules in groups_of_rules(on.rules, height):
        boxes = rules.boxes()
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        framed = np.all((middles > low) & (middles < high), axis=1)
        owners = [n for n, group in enumerate(groups) if framed[group].any()]
        if not owners and not _is_underline(low, high, outside, height):
            owners = [n for n, group in enumerate(groups) if not _is_parted(low[1], high[1], on.boxes, group)]
        for n in owners:
            found[n].append(boxes)
    return [np.concatenate(boxes) for boxes in found]


def _is_parted(top: float, bottom: float, boxes: Rectangles, group: list[int]) -> bool:
    """Whether a line of another table, or of none, is between a table and rules from `top` to `bottom` above or below it."""
    low, high = boxes[group, 1].min(), boxes[group, 3].max()
    others = np.delete(boxes, group, axis=0)
    others = others[(others[:, 0] < boxes[group, 2].max()) & (others[:, 2] > boxes[group, 0].min())]
    middles = (others[:, 1] + others[:, 3]) / 2
    return bool(((middles > top) & (middles < low)).any()) if top < low else bool(((middles > high) & (middles < bottom)).any())


def _is_underline(low: NDArray[np.float64], high: NDArray[np.float64], lines: Rectangles, height: float) -> bool:
    """Whether a level rule from `low` to `high` lies right below one of `lines`, and is no longer."""
    below = (high[1] > (lines[:, 1] + lines[:, 3]) / 2) & (high[1] < lines[:, 3] + UNDER * height)
    along = (low[0] > lines[:, 0] - height) & (high[0] < lines[:, 2] + height)
    return bool(high[1] - low[1] < height and (below & along).any())


def box_of(on: Sheet, group: Sequence[int], rules: Rectangles, picture: Image) -> Box:
    """The part of the picture that holds the lines of a table, and the `rules` about them, with room but no other line's part."""
    boxes, height = on.boxes[list(group)], line_height(on.boxes)
    x1, y1, x2, y2 = content(boxes, rules)
    room = MARGIN * line_height(boxes)
    others = np.delete(on.boxes, list(group), axis=0)
    others = others[(others[:, 0] < x2) & (others[:, 2] > x1)]
    above, below = others[others[:, 3] < y1 + room], others[others[:, 1] > y2 - room]
    y1 = min(max([y1, *(above[:, 3] + UNDER * height)]), y1 + room - EDGE)
    y2 = max(min([y2, *below[:, 1]]), y2 - room + EDGE)
    corners = on.ready.back(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64))
    size = np.array([picture.shape[1], picture.shape[0]], np.float64)
    low = np.clip(np.floor(corners.min(axis=0)), 0, size - 1).astype(int).tolist()
    high = np.clip(np.ceil(corners.max(axis=0)), 1, size).astype(int).tolist()
    return low[0], low[1], high[0], high[1]


def _nearest(on: Sheet, index: int, groups: list[list[int]]) -> int:
    middle = on.boxes[index, [1, 3]].mean()
    away = [
        max(0.0, float(on.boxes[group, 1].min() - middle), float(middle - on.boxes[group, 3].max())) if group else np.inf
        for group in groups
    ]
    return int(np.argmin(away))
