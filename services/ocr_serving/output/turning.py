"""Pages that lie on their side or upside down: set upright to be put together, and laid back as they were sent. Pure.

A page that is turned by 90 degrees clockwise has its text run down; modules answer the places of the page as it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.output.lines import read_quad
from ocr_serving.output.tree import Block, Box, Cell, Item, Line, List, Point, Quad, Table, Word, around

Turn = int
"""Degrees clockwise: 0, 90, 180 or 270."""

MOST_LINES = 0.7
"""Share of the letters whose lines run one way, from which on the page lies that way."""


def turn_of(items: Sequence[Mapping[str, Any]]) -> Turn:
    """By how much a page lies turned, as most of its text runs; 0 where it runs every way."""
    votes = {0: 0.0, 90: 0.0, 180: 0.0, 270: 0.0}
    for item in items:
        (ax, ay), (bx, by), _, _ = read_quad(item["text_region"] if "text_region" in item else item["points"])
        degrees = round(np.degrees(np.arctan2(by - ay, bx - ax)) / 90) % 4 * 90
        votes[degrees] += len(str(item.get("text", item.get("transcription", ""))))
    turn, most = max(votes.items(), key=lambda vote: vote[1])
    return turn if most > MOST_LINES * sum(votes.values()) else 0


def upright_image(image: Image, turn: Turn) -> Image:
    """The pixels of a page that lies turned, set upright."""
    return np.ascontiguousarray(np.rot90(image, turn // 90))


def upright(entry: Any, turn: Turn, size: tuple[int, int]) -> Any:
    """An entry of a page of that width and height, as it was sent, with the places of the page set upright."""
    width, height = size

    def point(given: Sequence[float]) -> list[float]:
        x, y = given
        return list({90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}[turn])

    return _moved(entry, point)


def _moved(entry: Any, point: Callable[[Sequence[float]], list[float]]) -> Any:
    """The entry with each of its places moved; a table's cells, whose places count from its corner, too."""
    if isinstance(entry, Sequence) and not isinstance(entry, str):
        return [_moved(item, point) for item in entry]
    if not isinstance(entry, Mapping):
        return entry
    found = {key: _moved(value, point) for key, value in entry.items()}
    for key in ("text_region", "points"):
        if key in entry:
            found[key] = [point(corner) for corner in entry[key]]
    if "bbox" in entry:
        x1, y1, x2, y2 = entry["bbox"]
        found["bbox"] = list(around((_pair(point((x1, y1))), _pair(point((x2, y2))))))
        if isinstance(entry.get("res"), Mapping) and entry["res"].get("cell_bbox"):
            left, top = found["bbox"][:2]
            cells = []
            for cell in entry["res"]["cell_bbox"]:
                corners = [point((x1 + x, y1 + y)) for x, y in zip(cell[::2], cell[1::2], strict=True)]
                cells.append([value for x, y in corners for value in (x - left, y - top)])
            found["res"] = found["res"] | {"cell_bbox": cells}
    return found


def _pair(values: Sequence[float]) -> Point:
    return float(values[0]), float(values[1])


def laid_back(block: Block, turn: Turn, size: tuple[int, int]) -> Block:
    """A block of a page set upright with its places as the page of that width and height was sent."""
    width, height = size

    def point(given: Point) -> Point:
        u, v = given
        return {90: (width - v, u), 180: (width - u, height - v), 270: (v, height - u)}[turn]

    def box(given: Box) -> Box:
        return around((point(given[:2]), point(given[2:])))

    def quad(given: Quad) -> Quad:
        a, b, c, d = given
        return point(a), point(b), point(c), point(d)

    def word(given: Word) -> Word:
        return given.model_copy(update={"quad": quad(given.quad)})

    def line(given: Line) -> Line:
        return given.model_copy(update={"quad": quad(given.quad), "words": tuple(map(word, given.words))})

    def part(given: Item | Cell) -> Item | Cell:
        return given.model_copy(update={"lines": tuple(map(line, given.lines))})

    moved: dict[str, Any] = {"box": box(block.box)}
    if isinstance(block, List):
        moved["items"] = tuple(map(part, block.items))
    elif isinstance(block, Table):
        moved["cells"] = tuple(map(part, block.cells))
    else:
        moved["lines"] = tuple(map(line, block.lines))
    return block.model_copy(update=moved)
