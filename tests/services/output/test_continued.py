"""Tables that go on on the next page are one; those that merely follow are not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import docx
import jsonschema
import openpyxl
import pytest

from helpers.answers import HEIGHT, WIDTH, document, line, region, table
from ocr_serving.output import build, continued, turning
from ocr_serving.output.formats import Joins, Original, files
from ocr_serving.output.json import schema
from ocr_serving.output.tree import Document, Page, Table

HEAD = ["Item", "Description", "Amount"]
AT = (110, 300, 700)
FIRST = [HEAD] + [[f"A{n}", f"Steel bearing {n}", f"{n}1.50"] for n in range(1, 9)]
SECOND = [[f"B{n}", f"Belt {n}", f"{n}0,117.25"] for n in range(1, 6)]
FOOT = 1300


def part(rows: Sequence[Sequence[str]], bottom: int | None = None, top: int = 130, at: Sequence[int] = AT, shift: int = 0) -> Any:
    """A table whose columns begin at `at`, from `top` on, or down to `bottom`; its last column is set at the right."""
    top = top if bottom is None else bottom - 40 * len(rows)
    lines = []
    for n, row in enumerate(rows):
        for x, text in zip(at, row, strict=True):
            wide = 10 * len(text)
            lines.append(line(text, (880 - wide if x == at[-1] else x) + shift, top + 40 * n, wide))
    found = table((100 + shift, top - 10, 900 + shift, top + 40 * len(rows)), [list(row) for row in rows])
    return found, lines


def sheet(number: int, *parts: Any, loose: Sequence[dict[str, Any]] = ()) -> Page:
    """A page of tables and other regions, with all its lines."""
    regions = [one if isinstance(one, dict) else one[0] for one in parts]
    lines = [line for one in parts for line in (one["res"] if isinstance(one, dict) else one[1])] + list(loose)
    entry = {"regions": regions, "unassigned": list(loose), "lines": lines}
    return build.page(entry, None, size=(WIDTH, HEIGHT), number=number)


def grids(whole: Document) -> list[list[list[str]]]:
    """The texts of each table."""
    found = []
    for block in (block for one in whole.pages for block in one.blocks if isinstance(block, Table)):
        grid = [[""] * block.columns for _ in range(block.rows)]
        for cell in block.cells:
            grid[cell.row][cell.column] = cell.text
        found.append(grid)
    return found


def footers(number: int) -> list[dict[str, Any]]:
    return [line(f"Page {number} of 3", 450, 1360)]


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize("shift", [0, 25])
def test_what_goes_on_on_the_next_page_is_one_table(repeated: bool, shift: int) -> None:
    further = [HEAD, *SECOND] if repeated else SECOND
    whole = continued.joined(
        document(sheet(1, part(FIRST, FOOT), loose=footers(1)), sheet(2, part(further, shift=shift), loose=footers(2)))
    )
    assert grids(whole) == [FIRST + SECOND]
    assert [[block.kind for block in one.blocks] for one in whole.pages] == [["table", "footer"], ["footer"]]
    found = whole.pages[0].blocks[0]
    assert isinstance(found, Table)
    assert [(one.page, one.row, one.rows) for one in found.parts] == [(1, 0, 9), (2, 9, 5)]
    assert [line.text for line in found.parts[1].repeated] == (HEAD if repeated else [])
    assert list(found.parts[1].box) == [100 + shift, 120, 900 + shift, 130 + 40 * len(further)]
    (last,) = [cell for cell in found.cells if cell.text == "B5"]
    assert last.lines[0].box[1] == 130 + 40 * (len(further) - 1), "on its own page"


def test_over_three_pages_with_a_heading_read_with_faults() -> None:
    third = [["1tem", "Descripti0n", "Amount"], ["C1", "Fuse", "9.00"]]
    after = region("text", (100, 600, 900, 640), line("All prices without tax.", 100, 600))
    pages = [sheet(1, part(FIRST, FOOT)), sheet(2, part([HEAD, *SECOND * 5], FOOT)), sheet(3, part(third), after)]
    third_is_like = continued.joined(document(*pages))
    assert grids(third_is_like)[0][-1] == ["C1", "Fuse", "9.00"]
    assert [len(grid) for grid in grids(third_is_like)] == [9 + 25 + 1]
    assert [[block.kind for block in one.blocks] for one in third_is_like.pages] == [["table"], [], ["paragraph"]]


def test_a_line_that_says_so_stands_between() -> None:
    says = region("text", (100, 90, 500, 115), line("Table 1 (continued)", 100, 92))
    whole = document(sheet(1, part(FIRST, FOOT)), sheet(2, says, part([HEAD, *SECOND], top=180)))
    assert grids(continued.joined(whole)) == [FIRST + SECOND]


OTHER_HEAD = ["Code", "Kind of part", "Weight"]
CAPTION = region("text", (100, 60, 900, 90), line("Table 2: other goods", 100, 62))


@pytest.mark.parametrize(
    "pages",
    [
        ((part(FIRST, FOOT),), (part([row[:2] for row in SECOND], at=(110, 300)),)),
        ((part(FIRST, FOOT),), (part([HEAD, *SECOND], at=(110, 420, 700)),)),
        ((part(FIRST, FOOT),), (part([OTHER_HEAD, *SECOND]),)),
        ((part(FIRST, FOOT),), (CAPTION, part([OTHER_HEAD, *SECOND]))),
        ((part(FIRST, FOOT),), (CAPTION, part([HEAD, *SECOND]))),
        ((part(FIRST, top=130),), (part([HEAD, *SECOND]),)),
        ((part(FIRST, FOOT),), (part([HEAD, *SECOND], top=800),)),
        ((part(FIRST, FOOT - 90), region("text", (100, 1240, 900, 1270), line("Sum of all", 100, 1240))), (part(SECOND),)),
    ],
    ids=[
        "columns",
        "places",
        "headings",
        "caption",
        "caption, same headings",
        "ends far above",
        "begins far below",
        "text between",
    ],
)
def test_what_merely_follows_is_a_table_of_its_own(pages: Sequence[Sequence[Any]]) -> None:
    whole = document(*(sheet(n, *parts) for n, parts in enumerate(pages, 1)))
    assert continued.joined(whole) is whole
    assert len(grids(whole)) == 2


def test_a_row_of_numbers_is_no_repeated_heading() -> None:
    numbers = [["1", "2.00", "3.00"], ["2", "4.00", "5.00"]]
    whole = continued.joined(document(sheet(1, part(numbers * 5, FOOT)), sheet(2, part(numbers))))
    assert grids(whole) == [numbers * 6]


def test_pages_on_their_side() -> None:
    def turned(one: Page) -> Page:
        blocks = tuple(turning.laid_back(block, 90, (HEIGHT, WIDTH)) for block in one.blocks)
        return one.model_copy(update={"width": HEIGHT, "height": WIDTH, "blocks": blocks})

    pages = [turned(sheet(1, part(FIRST, FOOT))), turned(sheet(2, part([HEAD, *SECOND])))]
    assert grids(continued.joined(document(*pages))) == [FIRST + SECOND]
    high = [turned(sheet(1, part(FIRST, top=130))), turned(sheet(2, part([HEAD, *SECOND])))]
    assert len(grids(continued.joined(document(*high)))) == 2


class _Rows(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])

    def handle_data(self, data: str) -> None:
        if self.tables and self.tables[-1] and data.strip():
            self.tables[-1][-1].append(data)


def told(form: str, content: bytes) -> list[list[list[str]]]:
    """The tables that a reader of `form` finds."""
    if form == "docx":
        return [[[cell.text for cell in row.cells] for row in grid.rows] for grid in docx.Document(io.BytesIO(content)).tables]
    if form == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(content))
        return [[[f"{v:,.2f}" if isinstance(v, float) else str(v) for v in row] for row in s.values] for s in book.worksheets]
    if form == "csv":
        return [list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))]
    if form == "html":
        rows = _Rows()
        rows.feed(content.decode())
        return rows.tables
    tree = json.loads(content)
    jsonschema.validate(tree, schema())
    return grids(Document.model_validate(tree))


@pytest.mark.parametrize("form", ["docx", "xlsx", "csv", "html", "json"])
def test_each_format_has_one_table_or_its_parts(form: str) -> None:
    whole = document(sheet(1, part(FIRST, FOOT)), sheet(2, part([HEAD, *SECOND])))
    original = Original(files=[b"", b""], images=[None, None])
    (one,) = files(whole, original, [form], "list").values()
    assert told(form, one) == [FIRST + SECOND]
    apart = files(whole, original, [form], "list", Joins(tables=False))
    assert [grid for content in apart.values() for grid in told(form, content)] == [FIRST, [HEAD, *SECOND]]
    if form == "docx":
        assert len(docx.Document(io.BytesIO(one)).element.xpath("//w:pageBreakBefore")) == 0, "no empty page at the end"


@pytest.mark.parametrize("form", ["hocr", "alto"])
def test_formats_of_pages_keep_each_word_on_its_page(form: str) -> None:
    whole = document(sheet(1, part(FIRST, FOOT)), sheet(2, part([HEAD, *SECOND])))
    (content,) = files(whole, Original(), [form], "list").values()
    said = content.decode()
    second = said[said.rindex("<Page" if form == "alto" else "ocr_page") :]
    assert "Belt" in second
    assert second.count("Amount") == 1
    assert "bearing" not in second
