"""A table's HTML and the lines on its place, brought together: each word in the cell that says it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from ocr_serving.output import tables
from ocr_serving.output.lines import (
    derived_words,
    enclosing,
    mean_confidence,
    plain,
    rows,
    source_of,
)
from ocr_serving.output.tree import Box, Cell, Line, Table, Word, corners

EXPLAINED = 0.5
"""A structure whose cells say less than this share of the letters on its place is none."""


ALIKE = 0.7
"""Two readings of one text have this ratio of letters in common, twice their number over that of both."""


def table(content: Mapping[str, Any], box: Box, lines: Sequence[Line]) -> tuple[Table | None, list[Line]]:
    """The table that `content` (`html`, `cell_bbox`) is, with `lines` in its cells, and the lines that are in none.

    None where there is no cell, or where the cells say too little of what stands there. Without `lines` the cells' text is given
    a place in its cell.
    """
    cells = tables.read(str(content["html"]))
    height, width = tables.size(cells)
    if not cells or (not any(cell.text for cell in cells) and lines):
        return None, list(lines)
    places = _places(cells, content.get("cell_bbox") or [], box)
    homes, left, reworded = _homes([plain(cell.text) for cell in cells], places, lines)
    letters = sum(len(plain(line.text)) for line in lines)
    if lines and sum(len(plain(line.text)) for line in left) > (1 - EXPLAINED) * letters:
        # A table may have been read from its own picture, in other words than the page was.
        left = [line for line in left if not _told(line, cells)]
        if sum(len(plain(line.text)) for line in left) > (1 - EXPLAINED) * letters:
            return None, list(lines)
    found = []
    for index, (cell, place) in enumerate(zip(cells, places, strict=True)):
        text = " ".join(cell.text.split())
        inside = [line for row in rows(homes[index]) for line in row] if homes[index] else []
        if index in reworded:
            text = " ".join(line.text for line in inside)
        elif text and not inside:
            inside = _stand_in(text, place)
        found.append(Cell(row=cell.row, column=cell.column, rows=cell.rows, columns=cell.columns, text=text, lines=tuple(inside)))
    inside = [line for cell in found for line in cell.lines]
    return (
        Table(
            rows=height, columns=width, cells=tuple(found), box=box, confidence=mean_confidence(inside), source=source_of(inside)
        ),
        left,
    )


def _places(cells: Sequence[tables.Cell], boxes: Sequence[Sequence[float]], table_box: Box) -> list[Box]:
    """Where each cell is on the page: as the network says, or its share of the table."""
    left, top, right, bottom = table_box
    if len(boxes) == len(cells):
        return [(left + min(box[::2]), top + min(box[1::2]), left + max(box[::2]), top + max(box[1::2])) for box in boxes]
    height, width = tables.size(cells)
    across, down = (right - left) / max(1, width), (bottom - top) / max(1, height)
    return [
        (
            left + cell.column * across,
            top + cell.row * down,
            left + (cell.column + cell.columns) * across,
            top + (cell.row + cell.rows) * down,
        )
        for cell in cells
    ]


def _homes(texts: Sequence[str], places: Sequence[Box], lines: Sequence[Line]) -> tuple[list[list[Line]], list[Line], set[int]]:
    """For each cell the lines, or parts of lines, that it says, the nearest first served; those that none says; and the cells that
    say theirs in other letters: a table may have been read anew, larger than the page was.
    """
    remaining = list(texts)
    homes: list[list[Line]] = [[] for _ in texts]
    left: list[Line] = []
    parted: list[Line] = []
    reworded: set[int] = set()
    # Long texts first: a "1" must not take the 1 of a longer text's cell.
    for line in sorted(lines, key=lambda line: -len(line.text)):
        index = _nearest(plain(line.text), line.box, remaining, places)
        if index is None:
            parted.append(line)
        else:
            remaining[index] = remaining[index].replace(plain(line.text), "", 1)
            homes[index].append(line)
    unlike: list[Line] = []
    for line in parted:
        spread: dict[int, list[Word]] = {}
        taken = list(remaining)
        for word in line.words:
            index = _nearest(plain(word.text), word.box, taken, places)
            if index is None:
                unlike.append(line)
                break
            taken[index] = taken[index].replace(plain(word.text), "", 1)
            spread.setdefault(index, []).append(word)
        else:
            remaining = taken
            for index, words in spread.items():
                homes[index].append(_part(line, words))
    for line in unlike:
        nowhere = list(line.words)
        for index, words in _by_place(line.words, places).items():
            said, rest = "".join(plain(word.text) for word in words), remaining[index]
            if said in rest:
                remaining[index] = rest.replace(said, "", 1)
            elif SequenceMatcher(None, rest, said).ratio() >= ALIKE:
                remaining[index] = ""
                reworded.add(index)
            else:
                continue
            homes[index].append(_part(line, words))
            nowhere = [word for word in nowhere if word not in words]
        if nowhere:
            left.append(_part(line, nowhere))
    return homes, left, reworded


def _by_place(words: Sequence[Word], places: Sequence[Box]) -> dict[int, list[Word]]:
    """The words in the middle of each cell, by its index; those in none are left out."""
    found: dict[int, list[Word]] = {}
    for word in words:
        index = next((n for n, place in enumerate(places) if _within(word.box, place)), None)
        if index is not None:
            found.setdefault(index, []).append(word)
    return found


def _within(box: Box, place: Box) -> bool:
    """Whether the middle of `box` is in a place."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return place[0] <= x <= place[2] and place[1] <= y <= place[3]


def _nearest(text: str, box: Box, texts: Sequence[str], places: Sequence[Box]) -> int | None:
    """The cell nearest to `box` of those that say `text`; the one that says nothing else where several are as near."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    found: list[tuple[float, int, int]] = []
    for index, (said, place) in enumerate(zip(texts, places, strict=True)):
        if text and text in said:
            dx = max(place[0] - x, 0.0, x - place[2])
            dy = max(place[1] - y, 0.0, y - place[3])
            found.append((dx * dx + dy * dy, len(said), index))
    return min(found)[2] if found else None


def _part(line: Line, words: Sequence[Word]) -> Line:
    if len(words) == len(line.words):
        return line
    (ax, ay), _, _, (dx, dy) = words[0].quad
    _, (bx, by), (cx, cy), _ = words[-1].quad
    return Line(
        text=" ".join(word.text for word in words),
        quad=((ax, ay), (bx, by), (cx, cy), (dx, dy)),
        confidence=line.confidence,
        source=line.source,
        words=tuple(words),
    )


def _told(line: Line, cells: Sequence[tables.Cell]) -> bool:
    """Whether some cell says nearly what the line does: half of its words or more, letter by letter."""
    words = [plain(word) for word in line.text.split()]
    return any(sum(word in plain(cell.text) for word in words) * 2 > len(words) for cell in cells)


def _stand_in(text: str, place: Box) -> list[Line]:
    """A line for the text of a cell whose own lines nobody told."""
    x1, y1, x2, y2 = place
    margin = 0.1 * (y2 - y1)
    quad = corners((x1 + margin, y1 + margin, max(x1 + margin + 1, x2 - margin), max(y1 + margin + 1, y2 - margin)))
    return [Line(text=text, quad=quad, words=derived_words(text, quad, 1.0, "ocr"))]


def around_cells(found: Table) -> Box:
    """The box around a table and all that is written in it."""
    return enclosing([found.box, *(line.box for line in found.lines)])
