"""Tables that go on on the next page, told as one. Pure.

A table goes on where it is the last thing on its page and the first on the next, but for headers and footers, and both parts have
the same columns in the same places. Its rows of headings, where they are repeated, are told once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ocr_serving.output import turning, values
from ocr_serving.output.furniture import EDGE
from ocr_serving.output.lines import mean_confidence, plain, source_of
from ocr_serving.output.tree import Block, Box, Cell, Document, Figure, Line, Page, Part, Table, Text, around

LOWEST, HIGHEST = 0.5, 0.4
"""Shares of a page's height: a table that goes on ends below the first, and its next part begins above the second."""

ALIGNED = 0.012
"""Share of a page's width by which a column may begin, end or have its middle elsewhere on the next page, …"""

SHIFTED = 0.04
"""… once both are laid over each other: a scanner takes pages in a little more to the left or the right."""

MOST_HEADS = 3
"""Rows of headings that are looked for."""

LIKE = 0.85
"""Likeness of two rows, of 1, from which on they are the same, read with faults."""

NUMBERS = 0.6
"""Share of a column's texts that are numbers, in a column of numbers."""

GOES_ON = re.compile(
    r"\b(continued|cont['’]?d\b|cont\.|carried (over|forward)|fortsetzung|übertrag|suite|continuación|segue)|续", re.I
)
"""How people write above or below a part of a table that there is more of it."""

Place = tuple[int, int]
"""Index of a page, and of a block on it."""


def joined(whole: Document) -> Document:
    """`whole` with tables that go on on the next pages as one, on the page where they begin; `parts` tells where each part is.

    Lines keep the places that they have on their own pages.
    """
    pages = whole.pages
    chains: list[list[Place]] = []
    for index in range(1, len(pages)):
        last, first = _last(pages[index - 1]), _first(pages[index])
        if last is None or first is None:
            continue
        chain = chains[-1] if chains and chains[-1][-1] == (index - 1, last) else [(index - 1, last)]
        if _goes_on(pages, chain, (index, first)):
            if len(chain) == 1:
                chains.append(chain)
            chain.append((index, first))
    if not chains:
        return whole
    tables = {chain[0]: _together(pages, chain) for chain in chains}
    gone = {place for chain in chains for place in chain[1:]}
    found = []
    for index, page in enumerate(pages):
        blocks: list[Block] = [tables.get((index, n), block) for n, block in enumerate(page.blocks) if (index, n) not in gone]
        numbered = tuple(block.model_copy(update={"order": n}) for n, block in enumerate(blocks))
        found.append(page.model_copy(update={"blocks": numbered}))
    return whole.model_copy(update={"pages": tuple(found)})


def emptied(whole: Document) -> frozenset[int]:
    """Numbers of pages that have nothing but parts of tables that began before."""
    told = {part.page for page in whole.pages for block in page.blocks if isinstance(block, Table) for part in block.parts[1:]}
    return frozenset(page.number for page in whole.pages if page.number in told and not page.blocks)


def _first(page: Page) -> int | None:
    """The first block that is the page's own."""
    return next((n for n, block in enumerate(page.blocks) if not _is_beside(block, page)), None)


def _last(page: Page) -> int | None:
    """The last block that is the page's own."""
    return next((n for n in reversed(range(len(page.blocks))) if not _is_beside(page.blocks[n], page)), None)


def _is_beside(block: Block, page: Page) -> bool:
    """Whether a block is about the page, or says that a table goes on."""
    if isinstance(block, Figure):
        return block.box[3] <= EDGE * page.height or block.box[1] >= (1 - EDGE) * page.height
    return isinstance(block, Text) and (block.kind in ("header", "footer") or GOES_ON.search(block.text) is not None)


def _goes_on(pages: Sequence[Page], chain: Sequence[Place], place: Place) -> bool:
    """Whether the block at `place` goes on with the table whose parts are at the places of `chain`."""
    parts = [pages[page].blocks[block] for page, block in (*chain, place)]
    tables = [part for part in parts if isinstance(part, Table)]
    if len(tables) < len(parts):
        return False
    begun, before, further = tables[0], tables[-2], tables[-1]
    turn = _turn(before)
    if begun.columns != further.columns or begun.columns < 2 or turn != _turn(further):
        return False
    upper, lower = pages[chain[-1][0]], pages[place[0]]
    if _shares(before.box, upper, turn)[3] < LOWEST or _shares(further.box, lower, turn)[1] > HIGHEST:
        return False
    if not _same_columns(_columns(before, upper, turn), _columns(further, lower, turn)):
        return False
    return bool(_repeated(begun, further)) or not _has_own_head(begun, further)


def _turn(table: Table) -> turning.Turn:
    return turning.turn_of([{"text": line.text, "text_region": line.quad} for line in table.lines])


def _shares(box: Box, page: Page, turn: turning.Turn) -> Box:
    """A box as shares of the width and height of the page set upright."""
    width, height = page.width, page.height

    def point(x: float, y: float) -> tuple[float, float]:
        x, y = x / width, y / height
        return {0: (x, y), 90: (y, 1 - x), 180: (1 - x, 1 - y), 270: (1 - y, x)}[turn]

    return around((point(box[0], box[1]), point(box[2], box[3])))


def _columns(table: Table, page: Page, turn: turning.Turn) -> NDArray[np.float64]:
    """Where the texts of each column begin and end, (N, 2), as shares of the page's width; NaN where there are none."""
    found = np.full((table.columns, 2), np.nan)
    for cell in table.cells:
        if cell.columns == 1:
            for line in cell.lines:
                x1, _, x2, _ = _shares(line.box, page, turn)
                found[cell.column] = np.fmin(found[cell.column, 0], x1), np.fmax(found[cell.column, 1], x2)
    return found


def _same_columns(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether columns lie over each other, each on its own, and are set at the same left, right or middle."""
    known = ~(np.isnan(one).any(axis=1) | np.isnan(other).any(axis=1))
    if known.sum() < 2:
        return False
    one, other = one[known], other[known]
    off = np.stack([other[:, 0] - one[:, 0], other[:, 1] - one[:, 1], other.mean(axis=1) - one.mean(axis=1)])
    for shift in (0.0, *off.ravel().tolist()):
        if abs(shift) > SHIFTED or (np.abs(off - shift).min(axis=0) > ALIGNED).any():
            continue
        moved = other - shift
        shared = np.minimum(one[:, None, 1], moved[None, :, 1]) - np.maximum(one[:, None, 0], moved[None, :, 0])
        if (shared.argmax(axis=1) == np.arange(len(one))).all() and (np.diag(shared) > 0).all():
            return True
    return False


def _row(table: Table, row: int) -> dict[int, str]:
    """What stands in a row, by column; nothing where a cell reaches into it from above or out of it below."""
    cells = [cell for cell in table.cells if cell.row <= row < cell.row + cell.rows]
    return {cell.column: cell.text for cell in cells} if all(cell.rows == 1 for cell in cells) else {}


def _repeated(begun: Table, further: Table) -> int:
    """How many rows of headings `further` repeats; rows of numbers are none."""
    count = 0
    for n in range(min(MOST_HEADS, begun.rows, further.rows)):
        if not _is_same_row(begun, further, n):
            break
        if not _crosses(begun, n) and not _crosses(further, n):
            count = n + 1
    return count


def _is_same_row(begun: Table, further: Table, row: int) -> bool:
    one, other = ({cell.column: cell for cell in table.cells if cell.row == row} for table in (begun, further))
    said = "".join(plain(cell.text) for cell in one.values())
    if one.keys() != other.keys() or not said or sum(letter.isalpha() for letter in said) * 2 < len(said):
        return False
    return _is_like(*("\t".join(plain(cell.text) for cell in cells.values()).casefold() for cells in (one, other)))


def _crosses(table: Table, row: int) -> bool:
    """Whether a cell goes on below `row`."""
    return any(cell.row <= row < cell.row + cell.rows - 1 for cell in table.cells)


def _is_like(one: str, other: str) -> bool:
    return one == other or difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= LIKE


def _has_own_head(begun: Table, further: Table) -> bool:
    """Whether the first row of `further` is one of headings: it has texts where the columns of both have numbers below."""
    first = _row(further, 0)
    numbers = []
    for column in range(begun.columns):
        below = [cell.text for cell in begun.cells if cell.column == column and cell.columns == 1 and cell.row and cell.text]
        below += [cell.text for cell in further.cells if cell.column == column and cell.columns == 1 and cell.row and cell.text]
        if below and sum(map(_is_number, below)) >= NUMBERS * len(below):
            numbers.append(column)
    told = [first[column] for column in numbers if first.get(column)]
    return bool(told) and not any(map(_is_number, told))


def _is_number(text: str) -> bool:
    """A number, a date, or anything else that has a digit and not more letters than digits and signs."""
    letters = sum(letter.isalpha() for letter in text)
    return values.number(text) is not None or (any(letter.isdigit() for letter in text) and 2 * letters <= len(text))


def _together(pages: Sequence[Page], chain: Sequence[Place]) -> Table:
    """The parts at `chain` as one table."""
    begun = pages[chain[0][0]].blocks[chain[0][1]]
    if not isinstance(begun, Table):
        raise TypeError("a chain is one of tables")
    cells: list[Cell] = []
    parts: list[Part] = []
    rows = 0
    for index, block in chain:
        part = pages[index].blocks[block]
        if not isinstance(part, Table):
            raise TypeError("a chain is one of tables")
        heads = _repeated(begun, part) if parts else 0
        again = tuple(line for cell in part.cells if cell.row < heads for line in cell.lines)
        cells += [cell.model_copy(update={"row": cell.row - heads + rows}) for cell in part.cells if cell.row >= heads]
        parts.append(Part(page=pages[index].number, box=part.box, row=rows, rows=part.rows - heads, repeated=again))
        rows += part.rows - heads
    lines: list[Line] = [line for cell in cells for line in cell.lines]
    told = {"rows": rows, "cells": tuple(cells), "parts": tuple(parts)}
    return begun.model_copy(update=told | {"confidence": mean_confidence(lines), "source": source_of(lines)})
