"""The page tree: a document, its pages, their blocks, the blocks' lines, the lines' words. Every output format is a function of it.

All boxes are x1, y1, x2, y2 and all points x, y in pixels of the page as it was read: for a PDF its rendering at `dpi`. Blocks,
lines and words stand in reading order, which `order` repeats for blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ocr_serving.validation import Frozen

USUAL_DPI = 150.0
"""Pixels to the inch that a picture is taken to have where it tells nothing."""

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]
"""Clockwise from the top left of the text as it is read."""

Source = Literal["ocr", "pdf"]
"""Who says what is written: the networks that read the picture, or the PDF itself."""

Confidence = Annotated[float, Field(ge=0, le=1)]


class Word(Frozen):
    """What stands between two spaces."""

    text: str
    quad: Quad
    confidence: Confidence = 1.0
    source: Source = "ocr"

    @property
    def box(self) -> Box:
        """The upright box around the word."""
        return around(self.quad)


class Line(Frozen):
    """One line of text as it was read; the words are all of it."""

    text: str
    quad: Quad
    confidence: Confidence = 1.0
    source: Source = "ocr"
    words: tuple[Word, ...] = ()

    @property
    def box(self) -> Box:
        """The upright box around the line."""
        return around(self.quad)


class _Block(Frozen):
    """What every block has. `confidence` is the mean of its lines', each by its length; 1 where it has none."""

    box: Box
    order: int = 0
    confidence: Confidence = 1.0
    source: Source = "ocr"


class Text(_Block):
    """Running text: `text` has a line feed where a line ends by itself, a tab where a row of the page has a gap.

    `level` is that of a heading, from 1. A header or footer is what the layout calls so, or what stands there on several pages.
    """

    kind: Literal["heading", "paragraph", "caption", "header", "footer"]
    text: str
    lines: tuple[Line, ...] = ()
    level: int | None = None


class Item(Frozen):
    """One point of a list: its sign as it is written ("•", "2.") and what follows it; `depth` counts from 0."""

    marker: str
    text: str
    lines: tuple[Line, ...] = ()
    depth: int = 0


class List(_Block):
    """Points one after the other."""

    kind: Literal["list"] = "list"
    items: tuple[Item, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all points."""
        return tuple(line for item in self.items for line in item.lines)


class Cell(Frozen):
    """A cell on a table's grid: its first row and column, from 0, how many of each it covers, and what is in it."""

    row: int
    column: int
    rows: int = 1
    columns: int = 1
    text: str = ""
    lines: tuple[Line, ...] = ()


class Part(Frozen):
    """A stretch of a table that goes over several pages: its page's number, its box there, its first row of the table, from 0.

    `rows` of the table are there, and the places of what is in them are of that page. `repeated` are the headings that are told
    once, with the first part.
    """

    page: int
    box: Box
    row: int
    rows: int
    repeated: tuple[Line, ...] = ()


class Table(_Block):
    """A table: cells row by row, none over another. It has `parts`, two at least, where it goes over several pages."""

    kind: Literal["table"] = "table"
    rows: int
    columns: int
    cells: tuple[Cell, ...]
    parts: tuple[Part, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all cells."""
        return tuple(line for cell in self.cells for line in cell.lines)


class Figure(_Block):
    """A picture on the page, and what is written in it."""

    kind: Literal["figure"] = "figure"
    text: str = ""
    lines: tuple[Line, ...] = ()
    picture: bytes = Field(b"", exclude=True, repr=False)
    """The part of the page, as PNG; not in the JSON, whose readers have `box`."""


class FormField(_Block):
    """A question of a form and its answer, where both are one block."""

    kind: Literal["field"] = "field"
    question: str
    answer: str
    lines: tuple[Line, ...] = ()


Block = Annotated[Text | List | Table | Figure | FormField, Field(discriminator="kind")]


class Page(Frozen):
    """One page: its size in pixels, its number from 1, its blocks; pixels to the inch where the file says them."""

    number: int
    width: int
    height: int
    dpi: float | None = None
    blocks: tuple[Block, ...] = ()
    remarks: tuple[str, ...] = ()
    """What went wrong with this page, as sentences; a page that could not be read has no blocks and says why."""

    @property
    def lines(self) -> Iterator[Line]:
        """All lines, in reading order."""
        return (line for block in self.blocks for line in block.lines)

    @property
    def inches(self) -> tuple[float, float]:
        """Width and height of the paper, at `USUAL_DPI` where nothing is known."""
        dpi = self.dpi or USUAL_DPI
        return self.width / dpi, self.height / dpi


class Pair(Frozen):
    """What key information extraction found: a question of a form, its answer, where both are, on which page.

    Where there is no answer it is "", and its box, of no width, the end of the question.
    """

    question: str
    answer: str
    page: int
    question_box: Box
    answer_box: Box
    confidence: Confidence = 1.0


class Document(Frozen):
    """A document. `title` is the name of its file without the suffix.

    `version` is raised when a reader of the JSON of an older tree would misread a new one.
    """

    version: Literal[1] = 1
    title: str
    pages: tuple[Page, ...] = ()
    fields: tuple[Pair, ...] = ()

    @property
    def text(self) -> str:
        """All text: blocks apart by a blank line, pages by a form feed."""
        return "\n\f".join("\n\n".join(text for block in page.blocks if (text := text_of(block))) for page in self.pages)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in reading order."""
        return tuple(line for page in self.pages for line in page.lines)

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables."""
        return tuple(block for page in self.pages for block in page.blocks if isinstance(block, Table))


def around(points: tuple[Point, ...]) -> Box:
    """The upright box around `points`."""
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)


def corners(box: Box) -> Quad:
    """A box as a quad."""
    x1, y1, x2, y2 = box
    return (x1, y1), (x2, y1), (x2, y2), (x1, y2)


def text_of(block: Block) -> str:
    """All that a block says, its lines ended by line feeds and cells by tabs."""
    if isinstance(block, Text | Figure):
        return block.text
    if isinstance(block, List):
        return "\n".join(f"{item.marker} {item.text}".strip() for item in block.items)
    if isinstance(block, FormField):
        return f"{block.question}\t{block.answer}"
    rows: list[list[str]] = [[] for _ in range(block.rows)]
    for cell in block.cells:
        rows[cell.row].append(cell.text)
    return "\n".join("\t".join(row) for row in rows)
