"""The tables of a document as CSV (RFC 4180), UTF-8 with the mark by which spreadsheets know it. Pure."""

from __future__ import annotations

import csv
import io

from ocr_serving.output import values
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Document, Table

FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫")
"""How texts begin that spreadsheets run (OWASP, "CSV injection"): an apostrophe is put before them."""


def tables(document: Document) -> list[bytes]:
    """One file a table, in reading order. A cell that covers several places is told in the first."""
    return [_file(block) for page in document.pages for block in page.blocks if isinstance(block, Table)]


def _file(table: Table) -> bytes:
    grid = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        grid[cell.row][cell.column] = _safe(CONTROL.sub("", cell.text))
    file = io.StringIO(newline="")
    csv.writer(file).writerows(grid)
    return file.getvalue().encode("utf-8-sig", "replace")


def _safe(text: str) -> str:
    if not text.lstrip().startswith(FORMULA) or values.number(text) is not None:
        return text
    return f"'{text}"
