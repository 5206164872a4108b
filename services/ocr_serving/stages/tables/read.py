"""A table read: candidates for its grid, the one that explains its words best, and each word in its cell."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.recognition import Text
from ocr_serving.stages.table import Structure
from ocr_serving.stages.tables import explain
from ocr_serving.stages.tables.fit import fitted
from ocr_serving.stages.tables.grid import Grid, Plan, markup, plan, without_empty, without_margins
from ocr_serving.stages.tables.picture import Prepared, Quads, Rectangles, content, corners_of, line_height, prepared, upright
from ocr_serving.stages.tables.ruled import enclosed, ruled
from ocr_serving.stages.tables.rulings import Rulings, rulings
from ocr_serving.stages.tables.signs import with_checks
from ocr_serving.stages.tables.spaced import spaced, wide_gutters
from ocr_serving.stages.tables.spans import with_headings, with_labels, with_spans
from ocr_serving.stages.tables.words import Word, cell_lines, rows_of_text, words

STRIP = 24
"""Lines of text that the network is shown at once; it stops after some 500 tokens, and sees long tables too small."""

LONG = 40
"""A table of more lines of text than this is shown in strips."""

LEARNED = 0.05
"""Share of faults by which the network's plan may be worse than others and is still taken: it knows more than spaces tell."""

DRAWN = 0.06
"""The same for a grid that rules draw."""

EXPLAINED = 0.01
"""Share of faults up to which spaces tell a long table as well as anything, where the network agrees on its first strip."""

IN_ONE = 0.8
"""Share of a word's width that is in one cell where it is whole."""

SURE = 0.6
"""Confidence from which a text is taken that was found by looking into empty cells."""

Structurer = Callable[[Image], Structure]
Recognizer = Callable[[Sequence[Image]], list[Text]]

_DATE = re.compile(r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4})[,;]?")


class TableText(NamedTuple):
    """HTML, corners of the cells on the given picture (N, 8), indices of lines in no cell, whether the table's end is missing."""

    html: str
    cells: NDArray[np.float64]
    unmatched: list[int]
    cut: bool


class Written(NamedTuple):
    """Lines of text on a picture: their corners, what each says, and its words, [] where they are not known."""

    quads: Quads
    texts: Sequence[str]
    words: Sequence[Sequence[Word]]

    def that_say_something(self) -> list[int]:
        """Indices of the lines that are not blank."""
        return [index for index, text in enumerate(self.texts) if text.strip()]

    def of(self, indices: Sequence[int]) -> Written:
        """Those lines."""
        return Written(self.quads[list(indices)], [self.texts[n] for n in indices], [self.words[n] for n in indices])

    def moved(self, x: float, y: float) -> Written:
        """The same lines further to the right by `x` and down by `y` pixels."""
        away = np.array([x, y], np.float64)
        words = [[word._replace(quad=word.quad + away) for word in line] for line in self.words]
        return Written(self.quads + away, self.texts, words)


class Sheet(NamedTuple):
    """A picture made level and dark on light, the upright boxes of its lines of text there, and its rules."""

    ready: Prepared
    boxes: Rectangles
    rules: Rulings


class Pieces(NamedTuple):
    """Texts as a grid has them: boxes, the line each is of, and whether it is a part of that line and to be read anew."""

    boxes: Rectangles
    lines: list[int]
    anew: list[bool]


def sheet(picture: Image, quads: Quads) -> Sheet:
    """`picture`, whose lines of text are `quads`, made ready."""
    ready = prepared(picture, quads)
    boxes = upright(ready.there(quads))
    return Sheet(ready, boxes, rulings(ready.picture, boxes))


def read(picture: Image, lines: Written, structurer: Structurer, recognizer: Recognizer) -> TableText:
    """The table that `picture` shows, with what is written on it."""
    kept = lines.that_say_something()
    written = lines.of(kept)
    table = read_on(sheet(picture, written.quads), written, structurer, recognizer)
    return table._replace(unmatched=[kept[index] for index in table.unmatched])


def read_on(on: Sheet, lines: Written, structurer: Structurer, recognizer: Recognizer) -> TableText:
    """The table that a sheet shows, with what is written on it: `lines` in the order of its boxes, none of them blank."""
    if not len(lines.quads):
        return TableText("<html><body><table></table></body></html>", np.zeros((0, 8)), [], cut=False)
    ready, boxes, rules, members = _cut(on)
    outside = sorted(set(range(len(lines.texts))) - set(members))
    lines = lines.of(members)
    texts = lines.texts
    height = line_height(boxes)
    grid, pieces, cut = _best(ready.picture, boxes, rules, height, structurer)
    where = explain.homes(grid, pieces.boxes)
    said = _said(ready, pieces, lines, recognizer)
    found_in, found = _looked_into(ready.picture, grid, pieces, where, height, recognizer)
    homes = [*where, *found_in]
    all_boxes = np.concatenate([pieces.boxes, np.array([box for box, _ in found], np.float64).reshape(-1, 4)])
    said_all = with_checks(ready.picture, all_boxes, [*said, *(text for _, text in found)])
    contents = [
        html.escape(_content([index for index, home in enumerate(homes) if home == cell], all_boxes, said_all, height))
        for cell in range(len(grid.cells))
    ]
    placed = {line for line, home in zip(pieces.lines, where, strict=True) if home is not None}
    homeless = [members[index] for index, text in enumerate(texts) if index not in placed and text]
    unmatched = sorted([*outside, *homeless])
    sides = grid.boxes()
    corners = ready.back(corners_of(sides)).reshape(-1, 8)
    return TableText(markup(grid, contents), corners, unmatched, cut and bool(homeless))


def _cut(on: Sheet) -> tuple[Prepared, Rectangles, Rulings, list[int]]:
    """A sheet cut to the table: lines of text and rules on it, and which of the sheet's lines these are."""
    whole, boxes, rules = on
    members = list(range(len(boxes)))
    inside = enclosed(rules, boxes, line_height(boxes))
    if inside is not None:
        members = np.flatnonzero(inside).tolist()
        boxes = boxes[members]
    ready = whole.cut(content(boxes, rules.boxes()))
    x, y = (whole.matrix - ready.matrix)[:, 2].tolist()
    return ready, boxes - np.array([x, y, x, y]), rules.moved(x, y), members


def _strips(picture: Image, boxes: Rectangles, lines: Sequence[Sequence[int]]) -> list[float]:
    """Where strips of a long picture begin and the last ends, each of some `STRIP` lines of text, cut where there is most room."""
    tops = np.array([boxes[line, 1].min() for line in lines])
    ends = np.array([boxes[line, 3].max() for line in lines])
    strips = int(np.ceil(len(lines) / STRIP))
    borders = [0.0]
    for n in range(1, strips):
        around = range(max(1, n * len(lines) // strips - 3), min(len(lines) - 1, n * len(lines) // strips + 4))
        at = max(around, key=lambda line: float(tops[line] - ends[line - 1]))
        borders.append(float(tops[at] + ends[at - 1]) / 2)
    return [*borders, float(picture.shape[0])]


def _network(
    picture: Image, boxes: Rectangles, height: float, structurer: Structurer, borders: Sequence[float], first: Structure
) -> tuple[Grid | None, bool]:
    """The grid that the network tells of strips between `borders`, `first` of the first, and whether it missed the table's end."""
    structures = [first, *(structurer(picture[int(top) : int(end)]) for top, end in pairwise(borders[1:]))]
    laid = _laid(structures, borders[:-1], boxes, height)
    if laid is not None or len(structures) == 1:
        return laid, any(structure.cut for structure in structures)
    structure = structurer(picture)
    return _laid([structure], [0.0], boxes, height), structure.cut


def _laid(structures: Sequence[Structure], tops: Sequence[float], boxes: Rectangles, height: float) -> Grid | None:
    """The plans of strips below each other as one, on the lines of text; strips of another width than most are left out."""
    plans = [plan(structure.tokens) for structure in structures]
    widths = [found.columns for found in plans]
    usual = max(set(widths), key=widths.count)
    if widths.count(usual) < len(widths):
        return None
    cells, places, row = [], [], 0
    for found, structure, top in zip(plans, structures, tops, strict=True):
        cells += [cell._replace(row=cell.row + row) for cell in found.cells]
        corners = structure.cells.astype(np.float64).reshape(-1, 4, 2) + np.array([0.0, top])
        places.append(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).reshape(-1, 4))
        row += found.rows
    whole = Plan(cells, row, usual, plans[0].head)
    return fitted(whole, np.concatenate(places), boxes, height)


class Judged(NamedTuple):
    """A grid, the texts as it has them, and the share of faults in that."""

    grid: Grid
    pieces: Pieces
    faults: float


def _best(picture: Image, boxes: Rectangles, rules: Rulings, height: float, structurer: Structurer) -> tuple[Grid, Pieces, bool]:
    """The grid that leaves least unexplained, the texts as it has them, and whether the network missed its end."""
    lines = rows_of_text(boxes, height)
    borders = _strips(picture, boxes, lines) if len(lines) > LONG else [0.0, float(picture.shape[0])]
    first = structurer(picture[: int(borders[1])])
    told = plan(first.tokens)
    drawn = ruled(rules, boxes, height)
    if drawn is not None and told.head and drawn.size[0] > told.head:
        drawn = drawn._replace(head=told.head)
    parts = of_words(picture, boxes)
    by_space = spaced(parts, rules, height)
    gutters = wide_gutters(parts, by_space, height) if by_space is not None else []

    def judged(grid: Grid, *, is_drawn: bool = False, is_spaced: bool = False) -> Judged:
        if not is_drawn:
            grid = without_empty(without_margins(grid, boxes), parts)
        pieces = cut_at(grid, boxes, rules, picture, height)
        if not is_drawn:
            grid = with_spans(grid, pieces.boxes, parts, rules, height)
        if is_spaced:
            grid = with_headings(grid, pieces.boxes, explain.homes(grid, pieces.boxes), rules, height)
            grid = with_labels(grid, pieces.boxes, explain.homes(grid, pieces.boxes))
        faults = explain.faults(grid, pieces.boxes, rules, height, is_drawn=is_drawn)
        return Judged(grid, pieces, faults + explain.missed_gutters(grid, parts, gutters, height) / len(boxes))

    by_rules = None if drawn is None else judged(drawn, is_drawn=True)
    if by_rules is not None and by_rules.faults <= DRAWN - LEARNED and by_rules.grid.size[1] == told.columns:
        # Nothing the network says of the cells could be better.
        return by_rules.grid, by_rules.pieces, False
    by_spaces = None if by_space is None else judged(by_space, is_spaced=True)
    by_gaps = spaced(parts, rules, height, by_gaps=True)
    if by_spaces is not None and by_gaps is not None and by_gaps.size != by_spaces.grid.size:
        other = judged(by_gaps, is_spaced=True)
        fewer = other.grid.size[0] < by_spaces.grid.size[0]
        by_spaces = other if (other.faults, not fewer) < (by_spaces.faults, fewer) else by_spaces
    explained = by_spaces is not None and len(borders) > 2 and by_rules is None and by_spaces.faults <= EXPLAINED
    if by_spaces is not None and explained and _agrees(told, by_spaces.grid, borders[1]):
        return by_spaces.grid._replace(head=told.head), by_spaces.pieces, False
    network, cut = _network(picture, boxes, height, structurer, borders, first)
    if drawn is not None and network is not None and by_rules is not None and drawn.size[0] > network.head:
        by_rules = by_rules._replace(grid=by_rules.grid._replace(head=network.head))
    by_network = None if network is None else judged(network)
    candidates = [(by_network, LEARNED), (by_rules, DRAWN), (by_spaces, 0.0)]
    found = [(one.faults - favour, n) for n, (one, favour) in enumerate(candidates) if one is not None]
    best = candidates[min(found)[1]][0] if found else None
    if best is None:
        raise AssertionError("texts always have a grid of their own")
    return best.grid, best.pieces, cut


def _agrees(told: Plan, grid: Grid, end: float) -> bool:
    """Whether the network tells as many columns as `grid` has, and as many rows above `end`, but for one."""
    rows = int((grid.levels[1:-1] < end + 1).sum() + (grid.levels[-1] < end))
    return told.columns == grid.size[1] and abs(told.rows - rows) <= 1


def cut_at(grid: Grid, boxes: Rectangles, rules: Rulings, picture: Image, height: float) -> Pieces:
    """Lines of text, those that stand in several cells cut between them."""
    found: list[list[float]] = []
    lines: list[int] = []
    anew: list[bool] = []
    owners = grid.owners()
    for index, box in enumerate(boxes):
        x1, y1, x2, y2 = box.tolist()
        sides = [x1, *explain.cuts(grid, owners, box, rules, picture, height), x2]
        for left, right in pairwise(sides):
            found.append([left, y1, right, y2])
            lines.append(index)
            anew.append(len(sides) > 2)
    return Pieces(np.array(found, np.float64).reshape(-1, 4), lines, anew)


def of_words(picture: Image, boxes: Rectangles) -> Rectangles:
    """Lines of text cut into words."""
    parts: list[list[float]] = []
    for x1, y1, x2, y2 in boxes.tolist():
        parts += [[start, y1, end, y2] for start, end in words(picture, (x1, y1, x2, y2))]
    return np.array(parts, np.float64).reshape(-1, 4)


def _said(ready: Prepared, pieces: Pieces, lines: Written, recognizer: Recognizer) -> list[str]:
    """What each piece says: those that are a part of a line its words there, or what is read anew where a word is cut."""
    parts: dict[int, list[int]] = {}
    for index, part in enumerate(pieces.anew):
        if part:
            parts.setdefault(pieces.lines[index], []).append(index)
    said: dict[int, str] = {}
    again: list[int] = []
    for line, indices in parts.items():
        shared = _dealt(ready, pieces.boxes[indices], lines.words[line])
        if shared is None:
            again += indices
        else:
            said |= dict(zip(indices, shared, strict=True))
    crops = [_crop(ready.picture, pieces.boxes[index]) for index in again]
    read_anew = recognizer(crops) if again else []
    said |= {index: text.text for index, text in zip(again, read_anew, strict=True)}
    return [said.get(index, lines.texts[line]) for index, line in enumerate(pieces.lines)]


def _dealt(ready: Prepared, boxes: Rectangles, words: Sequence[Word]) -> list[str] | None:
    """What each of `boxes`, pieces of a line, says by the line's words; None where a word is in two of them, or none is known."""
    if not words:
        return None
    found: list[list[str]] = [[] for _ in boxes]
    for word in words:
        (x1, _, x2, _) = upright(ready.there(word.quad)[None])[0].tolist()
        shared = np.minimum(boxes[:, 2], x2) - np.maximum(boxes[:, 0], x1)
        most = int(shared.argmax())
        if shared[most] < IN_ONE * (x2 - x1):
            return None
        found[most].append(word.text)
    return [" ".join(texts) for texts in found] if all(found) else None


def _crop(picture: Image, box: NDArray[np.float64]) -> Image:
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (round(side) for side in box.tolist())
    x1, y1 = min(max(0, x1), width - 1), min(max(0, y1), height - 1)
    return picture[y1 : max(y1 + 1, y2), x1 : max(x1 + 1, x2)]


def _looked_into(
    picture: Image,
    grid: Grid,
    pieces: Pieces,
    where: Sequence[int | None],
    height: float,
    recognizer: Recognizer,
) -> tuple[list[int], list[tuple[list[float], str]]]:
    """What stands in cells where no text was found: the cells, and boxes and texts. Detection misses single digits and signs."""
    empty = sorted(set(range(len(grid.cells))) - {home for home in where if home is not None})
    looked: list[int] = []
    boxes: list[NDArray[np.float64]] = []
    sides = grid.boxes()
    for cell in empty:
        box = cell_lines(picture, sides[cell], pieces.boxes, height)
        if box is not None:
            looked.append(cell)
            boxes.append(box)
    if not looked:
        return [], []
    texts = recognizer([_crop(picture, box) for box in boxes])
    kept = [n for n, text in enumerate(texts) if text.confidence >= SURE and text.text.strip()]
    return [looked[n] for n in kept], [(boxes[n].tolist(), texts[n].text) for n in kept]


def _content(members: list[int], boxes: Rectangles, words: Sequence[str], height: float) -> str:
    """The text of one cell: its lines from top to bottom, a word that was broken in lower case put together again.

    What has a hyphen before a figure or after a capital, as numbers of parts have, is not broken there: it keeps its words. Dates,
    which are, lose nothing by it.
    """
    if not members:
        return ""
    lines = [" ".join(filter(None, (words[members[n]].strip() for n in line))) for line in rows_of_text(boxes[members], height)]
    text = ""
    for line in filter(None, lines):
        if len(text) > 1 and text[-1] == "-" and text[-2].islower() and line[0].islower():
            text = text[:-1] + line
        elif text and _DATE.fullmatch(text.rsplit(maxsplit=1)[-1] + line.split(maxsplit=1)[0]):
            text += line
        else:
            text = f"{text} {line}" if text else line
    return text
