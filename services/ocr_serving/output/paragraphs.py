"""Loose lines as text: columns, paragraphs, lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from ocr_serving.output.lines import (
    Vocabulary,
    continued,
    enclosing,
    height,
    mean_confidence,
    row_text,
    rows,
    running,
    source_of,
)
from ocr_serving.output.tree import Block, Box, Item, Line, List, Text

GAP, WIDE_GAP, WIDER = 0.65, 1.5, 1.25
"""Heights of a line between two rows from which on they are two paragraphs, where most rows are nearer by `WIDER`; and anyway."""

OTHER_SIZE = 1.4
"""A row whose letters are so many times another's is no part of its paragraph."""

LEAST_LINES, LEAST_LETTERS, FILLED = 3, 8, 0.55
"""A column of running text has so many lines, so many letters in its middle one, which fills this share of the column."""

HEADING_SIZE, HEADING_LETTERS = 1.5, 90
"""A single row this many times as high as the page's middle line, and no longer, is a heading though nobody called it so."""

SURE_BULLET = re.compile(r"([•●▪◦‣■□◆▶○])\s*(?=\S)")
BULLET = re.compile(r"([-–—*·])\s+(?=\S)")
CIRCLE = re.compile(r"(o)\s+(?=\S)")
"""How a hollow bullet is read, and written by programs that have none."""

NUMBER = re.compile(r"((?:(\d{1,3})|([a-zA-Z])|([ivx]{2,4}))[.)]|\((?:(\d{1,2})|([a-zA-Z]))\))\s*(?=[^\W\d_\"'“(]|\d+\s)")


ROMAN = {sign: n for n, sign in enumerate(["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"], 1)}


@dataclass(frozen=True)
class Marker:
    """How a point of a list begins: its sign, what follows it, and which numbers the sign may be: "i" is 1 and 9."""

    sign: str
    rest: str
    kind: Literal["sure", "bullet", "circle", "number"]
    values: tuple[int, ...] = ()

    def goes_before(self, other: Marker) -> bool:
        """Whether the point after this one may begin with `other`."""
        if self.kind != "number" or other.kind != "number":
            return self.kind == other.kind and self.sign == other.sign
        return self.sign[-1] == other.sign[-1] and any(value + 1 in other.values for value in self.values)


def blocks(lines: Sequence[Line], words: Vocabulary = (), usual_height: float = 0.0, around: Box | None = None) -> list[Block]:
    """Paragraphs and lists from lines that belong together, in reading order; each line is in one of them.

    `around` is the region that the lines are in, as far as that is known. `usual_height` is that of the page's middle line: what is
    far higher and alone is a heading; 0 is never.
    """
    found: list[Block] = []
    parts = columns(lines)
    for column in parts:
        box = enclosing([line.box for line in column])
        if around is not None and len(parts) == 1:
            box = enclosing([box, around])
        for group in _groups(rows(column), box):
            found += _listed(group, box, words, usual_height)
    return found


def columns(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines by columns of running text, where there are any; else all of them. A row that crosses all columns parts them."""
    if not lines:
        return []
    gutter = _gutter(lines)
    if gutter is None:
        parts = _stretches(lines)
        if len(parts) == 1:
            return [list(lines)]
        split = [columns(part) for part in parts]
        if all(len(part) == 1 for part in split):
            return [list(lines)]
        # Neighbouring stretches without columns stay together.
        together: list[list[Line]] = []
        single = False
        for part in split:
            if len(part) == 1 and single:
                together[-1] += part[0]
            else:
                together += part
            single = len(part) == 1
        return together
    left = [line for line in lines if (line.box[0] + line.box[2]) / 2 < gutter]
    right = [line for line in lines if (line.box[0] + line.box[2]) / 2 >= gutter]
    return columns(left) + columns(right)


def _gutter(lines: Sequence[Line]) -> float | None:
    """The x between two columns of running text that no line crosses."""
    if len(lines) < 2 * LEAST_LINES:
        return None
    high = float(np.median([height(line) for line in lines]))
    spans = sorted((line.box[0], line.box[2]) for line in lines)
    end = spans[0][1]
    for left, right in spans[1:]:
        if left - end > 0.5 * high and _running_text(lines, end) and _running_text(lines, left, after=True):
            return (end + left) / 2
        end = max(end, right)
    return None


def _running_text(lines: Sequence[Line], x: float, *, after: bool = False) -> bool:
    side = [line for line in lines if (line.box[0] >= x if after else line.box[2] <= x)]
    if len(side) < LEAST_LINES:
        return False
    left, _, right, _ = enclosing([line.box for line in side])
    letters = float(np.median([len(line.text) for line in side]))
    filled = float(np.median([line.box[2] - line.box[0] for line in side])) / max(1.0, right - left)
    # Two narrow columns of words side by side are a table's or a form's.
    return letters >= LEAST_LETTERS and filled >= FILLED and max(len(line.text) for line in side) >= 2 * LEAST_LETTERS


def _stretches(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines apart where a row of the page's width, or room between rows, parts them."""
    found: list[list[Line]] = []
    whole = enclosing([line.box for line in lines])
    wide = 0.7 * (whole[2] - whole[0])
    crossing: bool | None = None
    for row in rows(lines):
        here = enclosing([line.box for line in row])
        crosses = any(line.box[2] - line.box[0] > wide for line in row)
        apart = found and here[1] - max(line.box[3] for line in found[-1]) > height(row[0])
        if not found or apart or (crossing is not None and crosses != crossing):
            found.append([])
        found[-1] += row
        crossing = crosses
    return found


def _groups(found: Sequence[list[Line]], box: Box) -> list[list[list[Line]]]:
    """Rows apart where a paragraph ends."""
    groups: list[list[list[Line]]] = [[found[0]]] if found else []
    usual = float(np.median([_room(row, after) for row, after in pairwise(found)])) if len(found) > 1 else 0.0
    for row, after in pairwise(found):
        if _ends(row, after, box, usual):
            groups.append([])
        groups[-1].append(after)
    return groups


def _room(row: Sequence[Line], after: Sequence[Line]) -> float:
    return min(line.box[1] for line in after) - max(line.box[3] for line in row)


def _ends(row: Sequence[Line], after: Sequence[Line], box: Box, usual: float) -> bool:
    here, there = enclosing([line.box for line in row]), enclosing([line.box for line in after])
    one, other = (float(np.median([height(line) for line in part])) for part in (row, after))
    if max(one, other) > OTHER_SIZE * min(one, other):
        return True
    high, room = max(one, other), _room(row, after)
    if room > WIDE_GAP * high or (room > GAP * high and room + high > WIDER * (usual + high)):
        return True
    # A first line set in, after one that did not fill its row.
    indented = there[0] - here[0] > 0.8 * other and there[0] - here[0] < 6 * other and here[0] - box[0] < one
    return indented and len(row) == len(after) == 1 and here[2] < box[2] - 3 * one and _marker(row) is None


def _listed(group: Sequence[list[Line]], box: Box, words: Vocabulary, usual_height: float) -> list[Block]:
    """A group of rows as paragraphs and the lists between them."""
    marks = [_marker(row) for row in group]
    _drop_lone(marks, group)
    found: list[Block] = []
    start = 0
    while start < len(group):
        end = start + 1
        if marks[start] is None:
            while end < len(group) and marks[end] is None:
                end += 1
            found.append(_paragraph(group[start:end], box, words, usual_height))
        else:
            while end < len(group) and (_is_point(group, marks, start, end) or _belongs(group, marks, end, box)):
                end += 1
            found.append(_list(group[start:end], marks[start:end], words))
        start = end
    return found


def marker(text: str) -> Marker | None:
    """How a text begins that may be a point of a list; None where it cannot be one."""
    kinds: Sequence[tuple[Literal["sure", "bullet", "circle"], re.Pattern[str]]]
    kinds = ("sure", SURE_BULLET), ("bullet", BULLET), ("circle", CIRCLE)
    for kind, pattern in kinds:
        match = pattern.match(text)
        if match:
            return Marker(match[1], text[match.end() :], kind)
    match = NUMBER.match(text)
    if not match:
        return None
    digits, letter, roman, digits_inside, letter_inside = match.groups()[1:]
    number, sign = digits or digits_inside, roman or letter or letter_inside
    if number:
        values: tuple[int, ...] = (int(number),)
    else:
        values = (ROMAN[sign],) if sign in ROMAN else ()
        values += (ord(sign.lower()) - ord("a") + 1,) if len(sign) == 1 else ()
    return Marker(match[1], text[match.end() :], "number", values)


def _marker(row: Sequence[Line]) -> Marker | None:
    return marker(row_text(row).replace("\t", " "))


def _drop_lone(marks: list[Marker | None], group: Sequence[Sequence[Line]]) -> None:
    """Forget numbers that do not count, dashes that stand alone, and words that look like a circle: dates, initials, dialogue."""
    numbers = [(n, mark) for n, mark in enumerate(marks) if mark is not None and mark.kind == "number"]
    counted: set[int] = set()
    for (n, one), (m, other) in pairwise(numbers):
        if one.goes_before(other):
            counted.update((n, m))
    dashes = [n for n, mark in enumerate(marks) if mark is not None and mark.kind == "bullet"]
    circles = [n for n, mark in enumerate(marks) if mark is not None and mark.kind == "circle"]
    kept = counted | (set(dashes) if len(dashes) > 1 else set())
    if len(circles) > 1 and _all_set_in(group, marks, circles):
        kept |= set(circles)
    for n, mark in enumerate(marks):
        if mark is not None and mark.kind != "sure" and n not in kept:
            marks[n] = None


def _all_set_in(group: Sequence[Sequence[Line]], marks: Sequence[Marker | None], points: Sequence[int]) -> bool:
    """Whether all rows without a sign, from the first point on, are set in to the right of the points: "o" is a word too."""
    left = max(group[n][0].box[0] for n in points)
    rest = [row for n, row in enumerate(group) if n > points[0] and marks[n] is None]
    return all(row[0].box[0] > left + 0.5 * height(row[0]) for row in rest)


def _is_point(group: Sequence[Sequence[Line]], marks: Sequence[Marker | None], start: int, index: int) -> bool:
    """Whether a row begins a point of the list that begins at `start`: signs of the same kind, or set in below its points."""
    first, mark = marks[start], marks[index]
    if first is None or mark is None:
        return False
    set_in = group[index][0].box[0] - group[start][0].box[0] > 0.7 * height(group[index][0])
    return set_in or (first.kind == "number") == (mark.kind == "number")


def _belongs(group: Sequence[Sequence[Line]], marks: Sequence[Marker | None], index: int, box: Box) -> bool:
    """Whether a row without a sign goes on with the point above: set in, or after a row that is full."""
    if marks[index] is not None:
        return False
    first = next(n for n in range(index - 1, -1, -1) if marks[n] is not None)
    line, before = group[index][0], group[index - 1][-1]
    set_in = line.box[0] - group[first][0].box[0] > 0.5 * height(line)
    return set_in or before.box[2] > box[2] - 3 * height(before)


def _paragraph(group: Sequence[Sequence[Line]], box: Box, words: Vocabulary, usual_height: float) -> Text:
    lines = [line for row in group for line in row]
    text = running(group, box, words)
    high = float(np.median([height(line) for line in lines]))
    large = usual_height > 0 and high >= HEADING_SIZE * usual_height
    is_heading = large and len(group) == 1 and len(text) <= HEADING_LETTERS and any(letter.isalpha() for letter in text)
    return text_block("heading" if is_heading else "paragraph", text, lines)


def text_block(kind: Literal["heading", "paragraph", "caption", "header", "footer"], text: str, lines: Sequence[Line]) -> Text:
    """A block around its lines. Raises ValueError where there are none."""
    return Text(
        kind=kind,
        text=text,
        lines=tuple(lines),
        box=enclosing([line.box for line in lines]),
        confidence=mean_confidence(lines),
        source=source_of(lines),
    )


def _list(group: Sequence[list[Line]], marks: Sequence[Marker | None], words: Vocabulary) -> List:
    items: list[Item] = []
    lefts: list[float] = []
    for row, mark in zip(group, marks, strict=True):
        if mark is not None:
            left, high = row[0].box[0], height(row[0])
            while lefts and left < lefts[-1] - 0.7 * high:
                lefts.pop()
            if not lefts or left > lefts[-1] + 0.7 * high:
                lefts.append(left)
            items.append(Item(marker=mark.sign, text=mark.rest, lines=tuple(row), depth=len(lefts) - 1))
        else:
            last = items[-1]
            text = continued(last.text, row_text(row), words)
            items[-1] = last.model_copy(update={"text": text, "lines": last.lines + tuple(row)})
    lines = [line for item in items for line in item.lines]
    return List(
        items=tuple(items),
        box=enclosing([line.box for line in lines]),
        confidence=mean_confidence(lines),
        source=source_of(lines),
    )


def goes_on(above: Sequence[Line], line: Line) -> bool:
    """Whether a line no region has is the next one of the paragraph `above`: near, as high, as far left."""
    last = above[-1]
    high = height(last)
    near = -0.3 * high < line.box[1] - last.box[3] < GAP * high
    alike = max(high, height(line)) <= 1.25 * min(high, height(line))
    left = min(one.box[0] for one in above)
    return near and alike and abs(line.box[0] - left) < 2 * high and not last.text.endswith(":")
