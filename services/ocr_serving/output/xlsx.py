"""The tables of a document as a workbook: one sheet a table, numbers as numbers, dates as dates, nothing run as a formula. Pure."""

from __future__ import annotations

import io
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ocr_serving.output import values
from ocr_serving.output.dates import Dated
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Box, Cell, Document, Pair, Table, text_of
from ocr_serving.output.values import Typed

WIDEST, NARROWEST = 60, 8
"""Letters a column is wide at most and at least."""

WIDEST_TEXT = 80
"""The same of text that is in no table."""

LINE_POINTS, HIGHEST = 15, 409
"""Points that a line takes, and that a row has at most."""

MOST_LETTERS = 32_767
"""What Excel keeps in a cell."""


def workbook(document: Document) -> bytes:
    """An .xlsx file: a sheet a table, one of the fields where there are any, and of the text where there is no table."""
    from openpyxl import Workbook

    book: Any = Workbook()
    book.remove(book.worksheets[0])
    tables = [(page.number, block) for page in document.pages for block in page.blocks if isinstance(block, Table)]
    for number, (_, table) in enumerate(tables, 1):
        _write_table(book.create_sheet(f"Table {number}"), table)
    if document.fields:
        heads = ["Question", "Answer", "Page"]
        _write_rows(book.create_sheet("Fields"), [heads, *_answers(document.fields)])
    if not tables:
        text = [line.split("\t") for page in document.pages for block in page.blocks for line in text_of(block).split("\n")]
        _write_rows(book.create_sheet("Text"), text, is_table=False)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _answers(fields: Sequence[Pair]) -> list[list[str]]:
    """A row for each question on the form: several answers to it, such as the lines of an address, are in one cell."""
    found: dict[tuple[int, str, Box], list[str]] = {}
    for pair in fields:
        found.setdefault((pair.page, pair.question, pair.question_box), []).append(pair.answer)
    return [[question, "\n".join(answers), str(page)] for (page, question, _), answers in found.items()]


def _write_table(sheet: Any, table: Table) -> None:
    grid = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        grid[cell.row][cell.column] = cell.text
    _write_rows(sheet, grid, {(cell.row + 1, cell.column + 1): cell for cell in table.cells})
    for cell in table.cells:
        if cell.rows * cell.columns > 1:
            sheet.merge_cells(
                start_row=cell.row + 1,
                start_column=cell.column + 1,
                end_row=cell.row + cell.rows,
                end_column=cell.column + cell.columns,
            )


def _write_rows(
    sheet: Any,
    rows: Sequence[Sequence[str]],
    cells: Mapping[tuple[int, int], Cell] = MappingProxyType({}),
    *,
    is_table: bool = True,
) -> None:
    """Write `rows`; `cells` are a table's, by row and column, which tell what is to be merged."""
    from openpyxl.styles import Alignment, Border, Font, Side
    from openpyxl.utils import get_column_letter

    line = Side(style="thin", color="999999")
    width = max((len(row) for row in rows), default=0)
    columns = [[row[n] if n < len(row) else "" for row in rows] for n in range(width)]
    has_head = is_table and len(rows) > 1 and values.has_head(columns)
    # A head is no value of its column, and says nothing of how numbers are written.
    heads = [column[0] for column in columns] if has_head else []
    bodies = values.typed([column[has_head:] for column in columns], heads)
    for n, (column, body) in enumerate(zip(columns, bodies, strict=True), 1):
        filled: list[Typed | Dated] = [Typed(column[0]), *body] if has_head else list(body)
        for m, value in enumerate(filled, 1):
            if value.value == "" and not is_table:
                continue
            at = sheet.cell(m, n)
            _set(at, value)
            over_numbers = has_head and m == 1 and values.is_of_numbers(column[1:])
            at.alignment = Alignment(wrap_text=True, vertical="top", horizontal="right" if over_numbers else None)
            if is_table:
                at.border = Border(left=line, right=line, top=line, bottom=line)
            if has_head and m == 1:
                at.font = Font(bold=True)
        longest = max((_width(line) for text in column for line in text.split("\n")), default=0)
        widest = WIDEST if is_table else WIDEST_TEXT
        sheet.column_dimensions[get_column_letter(n)].width = min(widest, max(NARROWEST, longest + 2))
    if has_head:
        sheet.freeze_panes = "A2"
    _make_room(sheet, cells)


def _make_room(sheet: Any, cells: Mapping[tuple[int, int], Cell]) -> None:
    """Make rows as high as their text has lines, which not every program does itself; `cells` are a table's, by row and column."""
    from openpyxl.utils import get_column_letter

    for row in sheet.iter_rows():
        count = 1
        for at in row:
            about = cells.get((at.row, at.column))
            if isinstance(at.value, str) and (about is None or about.rows == 1):
                over = range(at.column, at.column + (1 if about is None else about.columns))
                width = sum(sheet.column_dimensions[get_column_letter(n)].width for n in over)
                count = max(count, _line_count(at.value, int(width)))
        sheet.row_dimensions[row[0].row].height = min(HIGHEST, LINE_POINTS * count) if count > 1 else None


def _line_count(text: str, width: int) -> int:
    """How many lines `text` has in a column of so many letters."""
    return sum(max(1, -(-_width(line) // width), len(textwrap.wrap(line, width))) for line in text.split("\n"))


def _width(text: str) -> int:
    """Letters that a text is wide: those of Chinese and Japanese are as wide as two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _set(at: Any, value: Typed | Dated) -> None:
    if isinstance(value.value, str):
        at.value = CONTROL.sub("", value.value)[:MOST_LETTERS]
        # What begins with = stays text.
        at.data_type = "s"
        if at.value == "":
            at.value = None
        return
    at.value = value.value
    at.number_format = value.form
    if isinstance(value, Dated):
        at.data_type = "d"
