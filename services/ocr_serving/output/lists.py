"""Lists whose points stand apart from each other, told as one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ocr_serving.output.lines import enclosing, height, mean_confidence, rows, source_of
from ocr_serving.output.paragraphs import Marker, marker
from ocr_serving.output.tree import Block, Item, Line, List, Text

ROOM = 2.5
"""Heights of a line that may be between two points."""

SET_IN = 0.7
"""Heights of a line: points further to the right are those of a list inside the list."""

FURTHEST_IN = 6.0
"""Heights of a line: what stands further to the right than that is no list of the text beside it, but in the middle of the page."""

ENOUGH = 3
"""Points in a row that count, or have the same hollow bullet, are believed where two would be chance."""


@dataclass(frozen=True)
class _Point:
    item: Item
    mark: Marker

    @property
    def left(self) -> float:
        return self.item.lines[0].box[0]

    @property
    def may_be_text(self) -> bool:
        """Whether paragraphs begin so too: dialogue, initials of a name, words such as the Portuguese "o"."""
        sign = self.mark.sign
        return self.mark.kind == "circle" or sign in "-–—" or (len(sign) == 2 and sign[0].isalpha() and sign[1] == ".")


def joined(blocks: Sequence[Block]) -> list[Block]:
    """Blocks in reading order, those of them that go on with the list before them as part of it.

    A paragraph is a point where it begins with a sign that goes on counting, or with the same bullet as the one before. Signs with
    which text begins too must go on with a list, or be set in beside the text of the page.
    """
    found: list[Block] = []
    believed = _believed(blocks)
    for n, block in enumerate(blocks):
        whole = _together(found[-1], block, are_points=believed[n - 1] and believed[n]) if found else None
        if whole is None:
            found.append(block)
        else:
            found[-1] = whole
    return [block.model_copy(update={"order": order}) for order, block in enumerate(found)]


def _believed(blocks: Sequence[Block]) -> list[bool]:
    """For each block whether it can be nothing but a point or a list."""
    points = [_points(block) for block in blocks]
    runs: list[list[int]] = [[0]] if blocks else []
    for n, (before, after) in enumerate(pairwise(points), 1):
        if not (len(before) == len(after) == 1 and before[0].mark.goes_before(after[0].mark)):
            runs.append([])
        runs[-1].append(n)
    prose = [block for block, found in zip(blocks, points, strict=True) if _is_prose(block) and not found]
    return [
        isinstance(blocks[n], List) or (bool(points[n]) and _is_sure(points[n][0], len(run), prose)) for run in runs for n in run
    ]


def _is_prose(block: Block) -> bool:
    return isinstance(block, Text) and block.kind == "paragraph" and bool(block.lines)


def _is_sure(point: _Point, run: int, prose: Sequence[Block]) -> bool:
    """Whether a paragraph that begins with a sign, one of `run` in a row, is a point: by its sign, or by where it stands."""
    if not point.may_be_text:
        return True
    first, *further = rows(point.item.lines)
    high = height(first[0])
    if any(row[0].box[0] <= point.left + 0.5 * high for row in further):
        return False
    # First lines: those of paragraphs, and of dialogue, may be set in themselves.
    box = enclosing([line.box for line in point.item.lines])
    lefts = [block.lines[0].box[0] for block in prose if min(block.box[2], box[2]) > max(block.box[0], box[0])]
    if lefts and SET_IN * high < point.left - float(np.median(lefts)) < FURTHEST_IN * high:
        return True
    counts = point.mark.kind == "number" and point.mark.sign.islower()
    return run >= ENOUGH and (counts or (point.mark.kind == "circle" and not lefts))


def _together(before: Block, block: Block, *, are_points: bool) -> List | None:
    points, further = _points(before), _points(block)
    if not points or not further:
        return None
    high = float(np.median([height(line) for line in (*before.lines, *block.lines)]))
    if not -0.5 * high < block.box[1] - before.box[3] < ROOM * high:
        return None
    begun = isinstance(before, List)
    set_in = further[0].left - points[-1].left > SET_IN * high
    inside = begun and isinstance(block, List) and set_in
    may_be_text = points[-1].may_be_text and further[0].may_be_text
    if not inside and not (begun or isinstance(block, List) or are_points) and may_be_text:
        return None
    return _list([*points, *further], high) if inside or _goes_on(points, further[0], high) else None


def _goes_on(points: Sequence[_Point], point: _Point, high: float) -> bool:
    """Whether `point` comes after the last of `points` that stands as far left."""
    same = [one for one in points if abs(one.left - point.left) <= SET_IN * high]
    return bool(same) and same[-1].mark.goes_before(point.mark)


def _points(block: Block) -> list[_Point]:
    """The points of a list, or the one that a paragraph is; none where it is neither."""
    if isinstance(block, List):
        marks = [marker(f"{item.marker} {item.text}") for item in block.items]
        told = [_Point(item, mark) for item, mark in zip(block.items, marks, strict=True) if mark is not None and item.lines]
        return told if len(told) == len(block.items) else []
    if not isinstance(block, Text) or not block.lines:
        return []
    mark = marker(block.text.replace("\t", " "))
    if mark is None or not (block.kind == "paragraph" or (block.kind == "heading" and mark.kind == "sure")):
        return []
    left = block.lines[0].box[0]
    if any(row[0].box[0] < left - height(row[0]) for row in rows(block.lines)):
        return []
    return [_Point(Item(marker=mark.sign, text=" ".join(mark.rest.split("\n")), lines=block.lines), mark)]


def _list(points: Sequence[_Point], high: float) -> List:
    lefts: list[float] = []
    items: list[Item] = []
    for point in points:
        while lefts and point.left < lefts[-1] - SET_IN * high:
            lefts.pop()
        if not lefts or point.left > lefts[-1] + SET_IN * high:
            lefts.append(point.left)
        items.append(point.item.model_copy(update={"depth": len(lefts) - 1}))
    lines: list[Line] = [line for item in items for line in item.lines]
    return List(
        items=tuple(items),
        box=enclosing([line.box for line in lines]),
        confidence=mean_confidence(lines),
        source=source_of(lines),
    )
