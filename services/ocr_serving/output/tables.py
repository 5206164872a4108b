"""Tables as HTML, read back as cells on a grid and written as a spreadsheet or as a page for a browser. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")
"""What neither XML nor a spreadsheet can hold."""

MOST_SPAN = 1000
"""Columns that HTML lets a cell span; no network says so many."""

STYLE = "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #888;padding:.2em .5em;vertical-align:top}"


@dataclass(frozen=True)
class Cell:
    """A cell on the grid: its first row and column, how many of each it covers, and its text."""

    row: int
    column: int
    rows: int
    columns: int
    text: str


def rows(html: str) -> list[list[tuple[str, int, int]]]:
    """The cells of each row as they are written: text, rows and columns that they cover."""
    parser = _Rows()
    parser.feed(html)
    parser.close()
    return parser.rows


def read(html: str) -> list[Cell]:
    """The cells of a table, row by row, where a browser puts them: in the first place that no cell from above covers.

    A cell never covers another, and none reaches beyond the last row.
    """
    written = rows(html)
    taken: set[tuple[int, int]] = set()
    cells = []
    for row, entries in enumerate(written):
        column = 0
        for text, down, across in entries:
            while (row, column) in taken:
                column += 1
            width = next((n for n in range(1, across) if (row, column + n) in taken), across)
            height = min(down, len(written) - row)
            taken.update((row + below, column + right) for below in range(height) for right in range(width))
            cells.append(Cell(row, column, height, width, " ".join(text.split())))
            column += width
    return cells


def size(cells: Sequence[Cell]) -> tuple[int, int]:
    """Rows and columns of the grid."""
    return max((cell.row + cell.rows for cell in cells), default=0), max((cell.column + cell.columns for cell in cells), default=0)


def of_entry(entry: Any) -> list[str]:
    """The HTML of each table in an entry of `results`, in its order; [] for the entries of other modules."""
    if not isinstance(entry, dict) or not isinstance(entry.get("regions"), list):
        return []
    contents = [region.get("res") for region in entry["regions"] if isinstance(region, dict)]
    return [content["html"] for content in contents if isinstance(content, dict) and isinstance(content.get("html"), str)]


def spreadsheet(tables: Sequence[str]) -> bytes:
    """An .xlsx file with a sheet for each table, spans merged; what looks like a formula stays text."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Border, Side
    from openpyxl.utils import get_column_letter

    line = Side(style="thin")
    book = Workbook(write_only=False)
    book.remove(book.worksheets[0])
    for number, html in enumerate(tables, 1):
        sheet = book.create_sheet(f"Table {number}")
        cells = read(html)
        for cell in cells:
            at = sheet.cell(cell.row + 1, cell.column + 1)
            at.value = CONTROL.sub("", cell.text)
            at.data_type = "s"
            at.alignment = Alignment(wrap_text=True, vertical="top")
            at.border = Border(left=line, right=line, top=line, bottom=line)
            if cell.rows * cell.columns > 1:
                end = (cell.row + cell.rows, cell.column + cell.columns)
                sheet.merge_cells(start_row=cell.row + 1, start_column=cell.column + 1, end_row=end[0], end_column=end[1])
        for column in range(size(cells)[1]):
            longest = max((len(cell.text) for cell in cells if cell.column == column and cell.columns == 1), default=0)
            sheet.column_dimensions[get_column_letter(column + 1)].width = min(60, max(8, longest + 2))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def page(title: str, body: str) -> str:
    """A whole HTML page around `body`; `title` is escaped already."""
    return (
        f'<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def inner(html: str) -> str:
    """The `<table>` of the page that a network's answer is."""
    return html.removeprefix("<html><body>").removesuffix("</body></html>")


class _Rows(HTMLParser):
    """Rows of (text, rowspan, colspan)."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, int, int]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr" or (tag in ("td", "th") and not self.rows):
            self.rows.append([])
        if tag in ("td", "th"):
            given = dict(attrs)
            rows, columns = (_span(given.get(name)) for name in ("rowspan", "colspan"))
            self.rows[-1].append(("", rows, columns))
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            text, rows, columns = self.rows[-1][-1]
            self.rows[-1][-1] = (text + data, rows, columns)


def _span(value: str | None) -> int:
    return min(MOST_SPAN, max(1, int(value))) if value is not None and value.isdecimal() else 1
