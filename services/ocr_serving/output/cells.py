"""A table's HTML and the lines on its place, brought together: each word in the cell that says it. Pure."""

from __future__ import annotations

import re
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

SHORT = 3
"""Letters of a word of which one letter is a third or more."""


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
    homes = _Homes([plain(cell.text) for cell in cells], places)
    homes.give(lines)
    left = homes.left
    letters = sum(len(plain(line.text)) for line in lines)
    if lines and sum(len(plain(line.text)) for line in left) > (1 - EXPLAINED) * letters:
        # A table may have been read from its own picture, in other words than the page was.
        left = [line for line in left if not _told(line, cells)]
        if sum(len(plain(line.text)) for line in left) > (1 - EXPLAINED) * letters:
            return None, list(lines)
    found = []
    for index, (cell, place) in enumerate(zip(cells, places, strict=True)):
        text = " ".join(cell.text.split())
        inside = [line for row in rows(homes.lines[index]) for line in row] if homes.lines[index] else []
        if index in homes.reworded:
            text = _as_read(text, " ".join(line.text for line in inside))
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


class _Homes:
    """The lines, or parts of lines, that each cell says."""

    def __init__(self, texts: Sequence[str], places: Sequence[Box]) -> None:
        self.untold = list(texts)
        """What each cell says beside its lines, without spaces."""
        self.lines: list[list[Line]] = [[] for _ in texts]
        self.reworded: set[int] = set()
        """Cells of which the lines say the same in other letters."""
        self.left: list[Line] = []
        self._places = places

    def give(self, lines: Sequence[Line]) -> None:
        """Give each of `lines` to the nearest cell that says it, long ones first: a "1" must not take that of a longer text.

        Then those that several cells say, first those that have them at their own height, so that no line takes what another says
        in its place; last those that are said in nearly the same letters, as where a table was read anew, larger.
        """
        rest = []
        for line in sorted(lines, key=lambda line: -len(line.text)):
            index = self._nearest(plain(line.text), line.box, self.untold)
            if index is None:
                rest.append(line)
            else:
                self._put(index, [plain(line.text)], line)
        rest = [line for line in rest if not self._dealt(line, level=True)]
        rest = [line for line in rest if not self._dealt(line, level=False)]
        for line in rest:
            if not self._reworded(line):
                self.left.append(line)

    def _put(self, index: int, texts: Sequence[str], line: Line) -> None:
        for text in texts:
            self.untold[index] = self.untold[index].replace(text, "", 1)
        self.lines[index].append(line)

    def _said(self, line: Line, *, level: bool) -> list[int | None]:
        """For each word of a line the nearest cell that says it beside those before; None where none does."""
        untold = list(self.untold)
        found: list[int | None] = []
        for word in line.words:
            text = plain(word.text)
            found.append(index := self._nearest(text, word.box, untold, level=level))
            if index is not None:
                untold[index] = untold[index].replace(text, "", 1)
        return found

    def _dealt(self, line: Line, *, level: bool) -> bool:
        """Whether cells say all words of a line, which then are theirs."""
        found = self._said(line, level=level)
        if not found or None in found:
            return False
        self._share(line, found)
        return True

    def _share(self, line: Line, found: Sequence[int | None]) -> None:
        for index in dict.fromkeys(found):
            words = [word for word, home in zip(line.words, found, strict=True) if home == index]
            if index is not None and words:
                self._put(index, [plain(word.text) for word in words], _part(line, words))

    def _reworded(self, line: Line) -> bool:
        """Whether cells at a line's height say it in nearly the same letters; words that none says go with their neighbours."""
        found = self._said(line, level=True)
        unsaid = [word for word, home in zip(line.words, found, strict=True) if home is None]
        if not unsaid:
            return False
        strange = [plain(word.text) for word in unsaid]
        other = self._alike("".join(strange), enclosing([word.box for word in unsaid]))
        if other is not None:
            self.untold[other] = ""
            self.reworded.add(other)
            self._share(line, [other if home is None else home for home in found])
            return True
        if len(unsaid) == len(found) or 2 * sum(map(len, strange)) > len(plain(line.text)):
            return False
        homes: list[int | None] = []
        for n, home in enumerate(found):
            before = homes[-1] if homes else next(later for later in found[n:] if later is not None)
            homes.append(before if home is None else home)
        self._share(line, homes)
        self.reworded |= {index for index, home in zip(homes, found, strict=True) if home is None and index is not None}
        return True

    def _alike(self, text: str, box: Box) -> int | None:
        """The cell at the height and in the column of `box` that says what is nearest to `text`, if that is near."""
        ratios = [
            (_likeness(said, text), index)
            for index, (said, place) in enumerate(zip(self.untold, self._places, strict=True))
            if said and _is_level(box, place) and _in_column(box, place) and _have_same_figures(said, text)
        ]
        best, index = max(ratios, default=(0.0, 0))
        return index if best >= ALIKE else None

    def _nearest(self, text: str, box: Box, texts: Sequence[str], *, level: bool = False) -> int | None:
        """The cell nearest to `box` of those that say `text`, at its height if `level`; of several the one that says least."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        found: list[tuple[float, int, int]] = []
        for index, (said, place) in enumerate(zip(texts, self._places, strict=True)):
            if text and text in said and (not level or _is_level(box, place)):
                dx = max(place[0] - x, 0.0, x - place[2])
                dy = max(place[1] - y, 0.0, y - place[3])
                found.append((dx * dx + dy * dy, len(said), index))
        return min(found)[2] if found else None


def _is_level(box: Box, place: Box) -> bool:
    """Whether the middle of `box` is at the height of a place."""
    return place[1] <= (box[1] + box[3]) / 2 <= place[3]


def _in_column(box: Box, place: Box) -> bool:
    """Whether half of `box`, or of the place where that is narrower, is above, on or below the other."""
    shared = min(box[2], place[2]) - max(box[0], place[0])
    return shared > 0 and 2 * shared >= min(box[2] - box[0], place[2] - place[0])


def _figures(text: str) -> str:
    """The figures in a text, without the noughts that close its decimals: 80.0 is 80.00."""
    return re.sub(r"\D", "", re.sub(r"([.,]\d*?)0+(?!\d)", r"\1", text))


def _have_same_figures(one: str, other: str) -> bool:
    """Whether no figure of one text is another in the other: one of them may have none, or a letter for one, "201g" for "2019"."""
    if not _figures(one) or not _figures(other):
        return True
    if len(one) == len(other) and all(a == b or not (a.isdecimal() and b.isdecimal()) for a, b in zip(one, other, strict=True)):
        return True
    return _figures(one) == _figures(other)


def _as_read(text: str, joined: str) -> str:
    """What a cell says whose lines say `joined`: that, where it is nearly the whole `text` and has all its figures.

    Else the cell's own text, and behind it the words of its lines that nothing in it is like: no word of a page is lost.
    """
    figures = iter(_figures(plain(joined)))
    # In their order, with others between them: one of the cell may have been read as a letter.
    if (
        all(figure in figures for word in text.split() for figure in _figures(word))
        and _likeness(plain(text), plain(joined)) >= ALIKE
    ):
        return joined
    missing = [word for word in joined.split() if plain(word) not in plain(text) and not _has_like(text, plain(word))]
    return " ".join([text, *missing])


def _has_like(text: str, word: str) -> bool:
    """Whether a word of `text` is nearly `word`; of a short word half its letters are enough, as in "ta" for "to"."""
    least = 0.5 if len(word) <= SHORT and word.isalpha() else ALIKE
    return any(_likeness(plain(one), word) >= least and _have_same_figures(plain(one), word) for one in text.split())


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


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
