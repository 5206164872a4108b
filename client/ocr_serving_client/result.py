"""What was read, as the service's page tree tells it. All places are points x, y in pixels of the page as it was read."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

Quad = tuple[tuple[float, float], ...]
"""Four corners, clockwise from the top left of the text as it is read."""


@dataclass(frozen=True)
class Word:
    """What stands between two spaces; `confidence` is from 0 to 1."""

    text: str
    quad: Quad
    confidence: float


@dataclass(frozen=True)
class Line:
    """A line of text and its words."""

    text: str
    quad: Quad
    confidence: float
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Cell:
    """A cell on a table's grid: its first row and column, from 0, how many of each it covers, and its text."""

    row: int
    column: int
    rows: int
    columns: int
    text: str


@dataclass(frozen=True)
class Table:
    """A table: `height` rows and `width` columns, and its cells, row by row. `page` is the number of its page, from 1."""

    page: int
    height: int
    width: int
    cells: tuple[Cell, ...]

    @property
    def rows(self) -> list[list[str]]:
        """The texts by rows; what a cell covers beside its first place is ""."""
        grid = [[""] * self.width for _ in range(self.height)]
        for cell in self.cells:
            grid[cell.row][cell.column] = cell.text
        return grid

    def to_pandas(self, *, header: bool = True) -> DataFrame:
        """As a DataFrame of texts; with `header` the first row names the columns. Raises ImportError where pandas is missing."""
        try:
            # Not at the top: most callers have no use for pandas, which takes long to load.
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise ImportError("Tables as DataFrames need pandas: pip install pandas, or take Table.rows.") from None
        rows = self.rows
        frame: DataFrame = pandas.DataFrame(rows[1:], columns=rows[0]) if header and rows else pandas.DataFrame(rows)
        return frame


@dataclass(frozen=True)
class Field:
    """A question of a form and its answer."""

    question: str
    answer: str
    page: int
    confidence: float


@dataclass(frozen=True)
class Page:
    """One page: its number from 1, its size in pixels, its text with a blank line between blocks, its lines and tables.

    `remarks` say what went wrong with it; a page that could not be read has nothing else.
    """

    number: int
    width: int
    height: int
    text: str
    lines: tuple[Line, ...]
    tables: tuple[Table, ...]
    remarks: tuple[str, ...]

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, in reading order."""
        return tuple(word for line in self.lines for word in line.words)


@dataclass(frozen=True)
class Result:
    """A file that was read.

    `remarks` say what was cut or could not be read, as sentences. `tree` is the document as the service answered it: change its
    texts, give it to `Client.convert`, and the changes are in the file.
    """

    pages: tuple[Page, ...]
    fields: tuple[Field, ...]
    remarks: tuple[str, ...]
    tree: dict[str, Any]

    @property
    def text(self) -> str:
        """All text; pages are apart by a form feed."""
        return "\n\f".join(page.text for page in self.pages)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in reading order."""
        return tuple(line for page in self.pages for line in page.lines)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, in reading order."""
        return tuple(word for page in self.pages for word in page.words)

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables."""
        return tuple(table for page in self.pages for table in page.tables)


def result(tree: dict[str, Any], remarks: Sequence[str]) -> Result:
    """The tree of a document, as `/convert/json` answers it. Raises KeyError, TypeError, ValueError where it is none."""
    fields = tuple(
        Field(pair["question"], pair["answer"], int(pair["page"]), float(pair["confidence"])) for pair in tree.get("fields", [])
    )
    return Result(tuple(map(_page, tree["pages"])), fields, tuple(remarks), tree)


def _page(page: Mapping[str, Any]) -> Page:
    blocks = page["blocks"]
    tables = tuple(_table(block, int(page["number"])) for block in blocks if block["kind"] == "table")
    return Page(
        number=int(page["number"]),
        width=int(page["width"]),
        height=int(page["height"]),
        text="\n\n".join(text for block in blocks if (text := _text(block))),
        lines=tuple(_line(line) for block in blocks for line in _lines(block)),
        tables=tables,
        remarks=tuple(page.get("remarks", ())),
    )


def _lines(block: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    holders = {"table": "cells", "list": "items"}.get(block["kind"])
    return [line for part in (block[holders] if holders else [block]) for line in part["lines"]]


def _line(line: Mapping[str, Any]) -> Line:
    words = tuple(Word(word["text"], _quad(word["quad"]), float(word["confidence"])) for word in line["words"])
    return Line(line["text"], _quad(line["quad"]), float(line["confidence"]), words)


def _quad(points: Sequence[Sequence[float]]) -> Quad:
    return tuple((float(x), float(y)) for x, y in points)


def _table(block: Mapping[str, Any], page: int) -> Table:
    cells = tuple(
        Cell(int(cell["row"]), int(cell["column"]), int(cell["rows"]), int(cell["columns"]), cell["text"])
        for cell in block["cells"]
    )
    return Table(page, int(block["rows"]), int(block["columns"]), cells)


def _text(block: Mapping[str, Any]) -> str:
    kind = block["kind"]
    if kind == "list":
        return "\n".join(f"{item['marker']} {item['text']}".strip() for item in block["items"])
    if kind == "table":
        return "\n".join("\t".join(row) for row in _table(block, 0).rows)
    if kind == "field":
        return f"{block['question']}\t{block['answer']}"
    return str(block["text"])
