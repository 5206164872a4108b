"""Puts the texts of a table into its cells: tokens, places of cells and lines of text in, HTML out.

Which cell a text goes to follows PaddleOCR 2.10 (`ppstructure/table/matcher.py`). Two things are ours: tags are opened and closed
as HTML wants it whatever tokens the network gives, and a text that has no cell is told, not dropped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.table import CELL_STARTS, PLAIN_CELL, Structure

Rectangles = NDArray[np.float64]
"""Shape (N, 4): x1, y1, x2, y2 in pixels of the table's picture."""


class Matched(NamedTuple):
    """A table as HTML, and the indices of the texts that are in none of its cells."""

    html: str
    unmatched: list[int]


def matched(structure: Structure, boxes: Rectangles, texts: Sequence[str]) -> Matched:
    """The table of `structure` with `texts`, found in `boxes`, in its cells."""
    homes = cells_of(structure, boxes)
    contents: list[list[str]] = [[] for _ in structure.cells]
    for home, text in zip(homes, texts, strict=True):
        if home is not None:
            contents[home].append(text)
    unmatched = [index for index, (home, text) in enumerate(zip(homes, texts, strict=True)) if home is None and text]
    return Matched(markup(structure.tokens, [html.escape(joined(parts)) for parts in contents]), unmatched)


def cells_of(structure: Structure, boxes: Rectangles) -> list[int | None]:
    """For each box the cell it overlaps most (IoU), else the nearest by the distance of corners.

    None where there are no cells, where a box ends above the first of them, and, if the network stopped before the table's
    end, where it begins below the last.
    """
    if not len(structure.cells):
        return [None] * len(boxes)
    x, y = structure.cells[:, 0::2].astype(np.float64), structure.cells[:, 1::2].astype(np.float64)
    cells = np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)
    homes: list[int | None] = []
    for box in boxes:
        above = box[3] < cells[:, 1].min()
        below = structure.cut and box[1] > cells[:, 3].max()
        homes.append(None if above or below else int(np.lexsort((_distance(cells, box), 1 - _iou(cells, box)))[0]))
    return homes


def joined(parts: Sequence[str]) -> str:
    """The lines of one cell with a space between two."""
    if len(parts) < 2:
        return "".join(parts)
    kept = [part.removeprefix(" ") for part in parts]
    spaced = [part if not part or part.endswith(" ") else f"{part} " for part in kept[:-1]]
    return "".join([*spaced, kept[-1]])


def markup(tokens: Sequence[str], contents: Sequence[str]) -> str:
    """HTML of a table from its tokens, with the next of `contents` (escaped) in each cell; tags nest and close."""
    page = _Page(list(reversed(contents)))
    for token in tokens:
        page.add(token)
    page.close_section()
    return f"<html><body><table>{''.join(page.parts)}</table></body></html>"


class _Page:
    """HTML under way: what is written, and which tags are open."""

    def __init__(self, contents: list[str]) -> None:
        self.parts: list[str] = []
        self._contents = contents
        self._section = ""
        self._row = False
        self._cell: list[str] | None = None
        """Attributes of the open cell."""

    def add(self, tag: str) -> None:
        if tag in CELL_STARTS:
            self._open_row()
            self._close_cell()
            self._cell = []
            if tag == PLAIN_CELL:
                self._close_cell()
        elif tag.startswith(" ") and self._cell is not None:
            self._cell.append(tag)
        elif tag == "</td>":
            self._close_cell()
        elif tag == "<tr>":
            self._close_row()
            self._open_row()
        elif tag == "</tr>":
            self._close_row()
        elif tag in ("<thead>", "<tbody>"):
            self.close_section()
            self.parts.append(tag)
            self._section = tag
        elif tag in ("</thead>", "</tbody>"):
            self.close_section()

    def close_section(self) -> None:
        self._close_row()
        if self._section:
            self.parts.append(self._section.replace("<", "</"))
            self._section = ""

    def _open_row(self) -> None:
        if not self._row:
            self.parts.append("<tr>")
            self._row = True

    def _close_row(self) -> None:
        self._close_cell()
        if self._row:
            self.parts.append("</tr>")
            self._row = False

    def _close_cell(self) -> None:
        if self._cell is not None:
            self.parts.append(f"<td{''.join(self._cell)}>{self._contents.pop()}</td>")
            self._cell = None


def _distance(cells: Rectangles, box: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the corners of each cell are from those of `box`, the nearer corner counted twice."""
    apart = np.abs(cells - box)
    first, last = apart[:, :2].sum(axis=1), apart[:, 2:].sum(axis=1)
    distance: NDArray[np.float64] = first + last + np.minimum(first, last)
    return distance


def _iou(cells: Rectangles, box: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.clip(np.minimum(cells[:, 2:], box[2:]) - np.maximum(cells[:, :2], box[:2]), 0, None)
    common = sides[:, 0] * sides[:, 1]
    areas = (cells[:, 2] - cells[:, 0]) * (cells[:, 3] - cells[:, 1]) + (box[2] - box[0]) * (box[3] - box[1])
    iou: NDArray[np.float64] = np.divide(common, areas - common, out=np.zeros(len(cells)), where=areas - common > 0)
    return iou
