"""A document as plain text: paragraphs apart by a blank line, tables in columns, pages by a form feed. Pure."""

from __future__ import annotations

import unicodedata

from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Block, Document, List, Table, text_of

APART = "  "
"""Between two columns."""


def plain_text(document: Document) -> bytes:
    """UTF-8, lines ended by line feeds."""
    pages = ["\n\n".join(text for block in page.blocks if (text := _block(block).strip("\n"))) for page in document.pages]
    return ("\n\f".join(pages) + "\n").encode("utf-8", "replace")


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return CONTROL.sub("", _table(block))
    if isinstance(block, List):
        text = "\n".join(f"{APART * item.depth}{item.marker} {item.text}" for item in block.items)
    else:
        text = text_of(block)
    return CONTROL.sub("", text)


def _table(table: Table) -> str:
    grid = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        grid[cell.row][cell.column] = " ".join(cell.text.split())
    single = {(cell.row, cell.column) for cell in table.cells if cell.columns == 1}
    widths = [max((_width(row[n]) for m, row in enumerate(grid) if (m, n) in single), default=0) for n in range(table.columns)]
    lines = []
    for row in grid:
        line = APART.join(text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True))
        lines.append(line.rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Places that `text` takes where all letters are as wide as each other, but Chinese ones are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
