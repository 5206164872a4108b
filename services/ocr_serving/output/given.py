"""A page tree that a caller sends, as with corrections: checked, and completed with what its JSON leaves out. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ocr_serving.decoding.images import Image
from ocr_serving.errors import InputError
from ocr_serving.output.build import cut
from ocr_serving.output.lines import derived_words
from ocr_serving.output.tree import Block, Document, Figure, Item, Line, List, Page, Table, Text
from ocr_serving.validation import first_problem

MOST_CELLS = 20_000
"""Places in the grids of all tables: a few letters could ask for a grid of millions."""

MOST_PAGES, LONGEST_SIDE, DEEPEST, LONGEST_TITLE = 2000, 1_000_000, 20, 100

UNFIT = re.compile(r'[\x00-\x1f\x7f/\\\\:*?"<>|]')
"""What the name of a file does not hold on one system or another."""


def document(value: Any) -> Document:
    """The tree in `value`, JSON as `output.json` writes it. Raises InputError with a sentence."""
    if not isinstance(value, Mapping):
        raise InputError("document: must be an object as /convert/json answers it.")
    try:
        found = Document.model_validate(_encodable(value))
    except ValidationError as exc:
        raise InputError(first_problem(exc, where="document")) from None
    if why := next(_faults(found), ""):
        raise InputError(f"document: {why}.")
    named = found.model_copy(update={"title": UNFIT.sub("_", found.title)[:LONGEST_TITLE]})
    return _changed(named, _with_words)


def with_pictures(tree: Document, page: Callable[[int], Image | None]) -> Document:
    """`tree` with the pictures of its figures; `page` gives a page's pixels, BGR uint8 of shape (H, W, 3), by its number.

    Pixels of another size than the page's are taken for its rendering at another scale.
    """
    pages = []
    for one in tree.pages:
        image = page(one.number) if any(isinstance(block, Figure) for block in one.blocks) else None
        if image is not None:
            across, down = image.shape[1] / one.width, image.shape[0] / one.height
            blocks = tuple(
                block.model_copy(update={"picture": cut(_scaled(block.box, across, down), image)})
                if isinstance(block, Figure)
                else block
                for block in one.blocks
            )
            one = one.model_copy(update={"blocks": blocks})  # noqa: PLW2901
        pages.append(one)
    return tree.model_copy(update={"pages": tuple(pages)})


def has_figures(tree: Document) -> bool:
    """Whether any page shows a picture."""
    return any(isinstance(block, Figure) for page in tree.pages for block in page.blocks)


def _scaled(box: tuple[float, float, float, float], across: float, down: float) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    return x1 * across, y1 * down, x2 * across, y2 * down


def _encodable(value: Any) -> Any:
    """JSON without lone surrogates, which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {key: _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def _faults(tree: Document) -> Iterator[str]:
    """What the types do not say, as the ends of sentences."""
    if not 1 <= len(tree.pages) <= MOST_PAGES:
        yield f"has {len(tree.pages)} pages: send 1 to {MOST_PAGES}"
    last = cells = 0
    for page in tree.pages:
        if page.number <= last:
            yield f"page {page.number} follows page {last}: number the pages upwards from 1"
        last = page.number
        if not (1 <= page.width <= LONGEST_SIDE and 1 <= page.height <= LONGEST_SIDE):
            yield f"page {page.number} is {page.width}x{page.height} pixels: send its size as it was read"
        if page.dpi is not None and not 1 <= page.dpi <= 100_000:
            yield f"page {page.number} has {page.dpi} dpi: send it as it was read"
        for block in page.blocks:
            where = f"a {block.kind} on page {page.number}"
            if not all(abs(value) <= LONGEST_SIDE for value in _numbers(block)):
                yield f"{where} has a place that is not on any page"
            if isinstance(block, Table):
                if block.rows < 1 or block.columns < 1 or (cells := cells + block.rows * block.columns) > MOST_CELLS:
                    yield f"{where} is {block.rows} rows by {block.columns} columns: send 1 to {MOST_CELLS} cells together"
                    return
                yield from (f"{where} {why}" for why in _astray(block))
            elif isinstance(block, List) and not all(0 <= item.depth <= DEEPEST for item in block.items):
                yield f"{where} has an item deeper than {DEEPEST}"
            elif isinstance(block, Text) and block.level is not None and not 1 <= block.level <= 9:
                yield f"{where} has a level that is not 1 to 9"


def _astray(table: Table) -> Iterator[str]:
    """Cells that are not on the grid, or two on one place of it."""
    taken: set[tuple[int, int]] = set()
    for cell in table.cells:
        fits = min(cell.row, cell.column) >= 0 and min(cell.rows, cell.columns) >= 1
        if not fits or cell.row + cell.rows > table.rows or cell.column + cell.columns > table.columns:
            yield f"has a cell at row {cell.row}, column {cell.column} that is not on its grid"
            return
        places = {(cell.row + y, cell.column + x) for y in range(cell.rows) for x in range(cell.columns)}
        if places & taken:
            yield f"has two cells at row {cell.row}, column {cell.column}"
            return
        taken |= places


def _numbers(block: Block) -> Iterator[float]:
    yield from block.box
    for line in block.lines:
        for point in line.quad:
            yield from point
        for word in line.words:
            for point in word.quad:
                yield from point


def _with_words(line: Line) -> Line:
    """A line that came without words, as one whose text was corrected, has those of its text."""
    if line.words or not line.text.strip():
        return line
    return line.model_copy(update={"words": derived_words(line.text, line.quad, line.confidence, line.source)})


def _changed(tree: Document, change: Callable[[Line], Line]) -> Document:
    def part(given: Any) -> Any:
        return given.model_copy(update={"lines": tuple(map(change, given.lines))})

    def block(given: Block) -> Block:
        if isinstance(given, List):
            items: tuple[Item, ...] = tuple(map(part, given.items))
            return given.model_copy(update={"items": items})
        if isinstance(given, Table):
            return given.model_copy(update={"cells": tuple(map(part, given.cells))})
        changed: Block = part(given)
        return changed

    def page(given: Page) -> Page:
        return given.model_copy(update={"blocks": tuple(map(block, given.blocks))})

    return tree.model_copy(update={"pages": tuple(map(page, tree.pages))})
