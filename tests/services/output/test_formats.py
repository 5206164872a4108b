"""The formats: what a reader of each finds in it, and that nothing on a page is run, linked or marked up."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import cv2
import docx
import jsonschema
import numpy as np
import openpyxl
import pytest

from helpers.answers import PAGE, document, line, page, region, table
from ocr_serving.errors import InputError
from ocr_serving.output import formats, hocr
from ocr_serving.output.formats import FORMATS, Original, files
from ocr_serving.output.json import schema
from ocr_serving.output.tree import Document, Pair

ROWS = [["Article", "Sum", "Date"], ["Pump", "1.234,50", "17.03.2026"], ["Belt &lt;b&gt;", "-7,00", "01.04.2026"]]


@pytest.fixture
def report() -> Document:
    """Two pages with all that there is."""
    image = PAGE.copy()
    cv2.circle(image, (200, 750), 45, (0, 0, 200), -1)
    first = page(
        region("title", (100, 50, 900, 100), line("Report #1", 100, 60)),
        region("text", (100, 120, 900, 200), line("* no list & <b>", 100, 120), line("second", 100, 150)),
        table((100, 300, 900, 500), ROWS),
        region("text", (100, 540, 900, 640), line("• one", 100, 540), line("• two", 100, 570)),
        region("figure", (100, 700, 300, 800), line("axis", 110, 705, 50)),
        region("figure_caption", (100, 820, 900, 850), line("Figure 1", 100, 820)),
        image=image,
    )
    second = page(
        region("title", (100, 50, 900, 100), line("Next", 100, 60)), table((100, 300, 900, 500), [["k"], ["v"]]), number=2
    )
    return document(first, second, title="my report")


def made(whole: Document, form: str) -> dict[str, bytes]:
    images = [PAGE] * len(whole.pages)
    return files(whole, Original(files=[b""] * len(images), images=images), [form], whole.title)


def text(whole: Document, form: str) -> str:
    return next(iter(made(whole, form).values())).decode()


def one_line(said: str) -> Document:
    return document(page(region("text", (100, 100, 900, 200), line(said, 100, 100))))


def test_plain_text(report: Document) -> None:
    assert text(report, "txt") == (
        "Report #1\n\n* no list & <b>\nsecond\n\n"
        "Article     Sum       Date\nPump        1.234,50  17.03.2026\nBelt <b>    -7,00     01.04.2026\n\n"
        "• one\n• two\n\naxis\n\nFigure 1\n\fNext\n\nk\nv\n"
    ).replace("Article     ", "Article   ").replace("Pump        ", "Pump      ").replace("Belt <b>    ", "Belt <b>  ")


def test_markdown(report: Document) -> None:
    found = made(report, "markdown")
    assert list(found) == ["my report.md", "my report_figure1.png"]
    assert found["my report.md"].decode() == (
        "# Report #1\n\n\\* no list \\& \\<b\\>\\\nsecond\n\n"
        "| Article | Sum | Date |\n| --- | --- | --- |\n| Pump | 1.234,50 | 17.03.2026 |\n| Belt \\<b\\> | -7,00 | 01.04.2026 |\n\n"
        "- one\n- two\n\n![](<my report_figure1.png>)\n\naxis\n\n*Figure 1*\n\n---\n\n## Next\n\n| k |\n| --- |\n| v |\n"
    )
    figure = cv2.imdecode(np.frombuffer(found["my report_figure1.png"], np.uint8), cv2.IMREAD_COLOR)
    assert figure is not None
    assert figure.shape == (100, 200, 3)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("84.3 per cent", "84.3 per cent"),
        ("1. One", "1\\. One"),
        ("- a", "\\- a"),
        ("a_b", "a\\_b"),
        ("5-3", "5-3"),
        ("# h", "\\# h"),
        ("[a](javascript:x)", "\\[a\\](javascript:x)"),
        ("http://evil.example/x", "http\\://evil.example/x"),
        ("www.evil.example", "www\\.evil.example"),
        ("HTTPS://A.B", "HTTPS\\://A.B"),
        ("mail a@b.example", "mail a\\@b.example"),
        ("<script>", "\\<script\\>"),
        ("at 12:30", "at 12:30"),
    ],
)
def test_text_is_not_taken_for_markdown(said: str, written: str) -> None:
    assert text(one_line(said), "markdown") == f"{written}\n"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html(report: Document) -> None:
    parser = _Tags()
    parser.feed(text(report, "html"))
    assert Counter(parser.tags)["section"] == 2
    assert [tag for tag in parser.tags if tag in ("h1", "h2", "table", "ul", "figure", "em")] == (
        ["h1", "table", "ul", "figure", "em", "h2", "table"]
    )
    assert "* no list & <b>\nsecond" in parser.text
    assert "Belt <b>" in parser.text
    assert 'src="data:image/png;base64,' in text(report, "html")


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=y>', "]]><x/>", "a\x00\x0bb\ufffe", "half \ud800 pair", "&amp;"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("said", HOSTILE)
def test_no_text_leaves_its_place(form: str, said: str) -> None:
    whole = document(page(region("text", (100, 100, 900, 200), line(said, 100, 100)), table((100, 300, 900, 500), [["a"], ["b"]])))
    content = next(iter(made(whole, form).values()))
    assert content
    if form in ("hocr", "alto"):
        root = ET.fromstring(content)
        assert not [element for element in root.iter() if element.tag.split("}")[-1] in ("script", "img", "x")]
    if form == "html":
        parser = _Tags()
        parser.feed(content.decode())
        assert not {"script", "img", "x"} & set(parser.tags)
    if form in ("docx", "xlsx"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith(".xml"):
                    ET.fromstring(archive.read(name))


@pytest.mark.parametrize(
    ("quad", "said"),
    [
        ([[100, 100], [300, 100], [300, 120], [100, 120]], "baseline 0.0000 0"),
        ([[100, 300], [100, 100], [120, 100], [120, 300]], "textangle 90"),
        ([[300, 120], [100, 120], [100, 100], [300, 100]], "textangle 180"),
        ([[120, 100], [120, 300], [100, 300], [100, 100]], "textangle 270"),
        ([[100, 100], [120, 100], [120, 300], [100, 300]], "textangle 270"),
    ],
)
def test_hocr_tells_how_a_line_is_turned(quad: list[list[float]], said: str) -> None:
    turned = {"text": "some words", "confidence": 0.9, "text_region": quad}
    others = [line(f"an upright line {n}", 100, 500 + 30 * n) for n in range(5)]
    text = made(document(page(loose=[turned, *others])), "hocr")["sample.hocr"].decode()
    titles = [title for title in re.findall(r'class="ocr_line"[^>]* title="([^"]*)"', text) if title.startswith("bbox 100 100 ")]
    assert [title.split("; ")[1] for title in titles] == [said]


def test_docx(report: Document) -> None:
    found = docx.Document(io.BytesIO(made(report, "docx")["my report.docx"]))
    styled = [(one.style.name if one.style else "", one.text) for one in found.paragraphs if one.text.strip()]
    assert styled == [
        ("Heading 1", "Report #1"),
        ("Normal", "* no list & <b>\nsecond"),
        ("List Bullet", "one"),
        ("List Bullet", "two"),
        ("Caption", "axis"),
        ("Caption", "Figure 1"),
        ("Heading 2", "Next"),
    ]
    assert len(found.inline_shapes) == 1
    assert [[cell.text for cell in row.cells] for row in found.tables[0].rows][2] == ["Belt <b>", "-7,00", "01.04.2026"]
    assert found.tables[0].rows[0].cells[0].paragraphs[0].runs[0].bold


def test_docx_merges_cells_that_span() -> None:
    spans = '<table><tr><td colspan="2">a</td></tr><tr><td>1</td><td>2</td></tr></table>'
    whole = document(page(table((100, 300, 900, 500), []) | {"res": {"html": spans, "cell_bbox": [], "unmatched": []}}))
    (grid,) = docx.Document(io.BytesIO(made(whole, "docx")["sample.docx"])).tables
    assert grid.cell(0, 0)._tc is grid.cell(0, 1)._tc
    (sheet,) = openpyxl.load_workbook(io.BytesIO(made(whole, "xlsx")["sample.xlsx"])).worksheets
    assert [str(one) for one in sheet.merged_cells.ranges] == ["A1:B1"]
    assert '<td colspan="2">a</td>' in text(whole, "markdown")


def test_xlsx_has_numbers_and_dates_and_a_frozen_bold_head(report: Document) -> None:
    book = openpyxl.load_workbook(io.BytesIO(made(report, "xlsx")["my report.xlsx"]))
    assert book.sheetnames == ["Table 1", "Table 2"]
    sheet = book["Table 1"]
    assert [cell.value for cell in sheet["B"]] == ["Sum", 1234.5, -7.0]
    assert [cell.number_format for cell in sheet["B"]][1:] == ["#,##0.00", "0.00"]
    assert [cell.value.date().isoformat() for cell in sheet["C"][1:]] == ["2026-03-17", "2026-04-01"]
    assert sheet.freeze_panes == "A2"
    assert all(cell.font.bold for cell in sheet[1])
    assert not any(cell.font.bold for cell in sheet[2])


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(1)", "=HYPERLINK(1)", "\t=1", " =1", "＝1", "﹦1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_stays_text(formula: str) -> None:
    whole = document(page(table((100, 300, 900, 500), [["head"], [formula.replace("<", "&lt;")]])))
    (sheet,) = openpyxl.load_workbook(io.BytesIO(made(whole, "xlsx")["sample.xlsx"])).worksheets
    assert sheet["A2"].data_type == "s"
    rows = list(csv.reader(io.StringIO(made(whole, "csv")["sample.csv"].decode("utf-8-sig"))))
    assert rows[1][0].startswith("'")


def test_csv_is_one_file_a_table(report: Document) -> None:
    found = made(report, "csv")
    assert list(found) == ["my report_table1.csv", "my report_table2.csv"]
    rows = list(csv.reader(io.StringIO(found["my report_table1.csv"].decode("utf-8-sig"))))
    assert rows[1:] == [["Pump", "1.234,50", "17.03.2026"], ["Belt <b>", "-7,00", "01.04.2026"]]


def test_a_table_that_begins_with_numbers_has_no_head() -> None:
    rows = [["001", "Pump", "200.22"], ["002", "Belt", "97.44"], ["003", "Oil", "5.00"]]
    bare, years = (document(page(table((100, 100, 900, 400), told))) for told in (rows, [["", "2025", "2026"], ["Oil", "5", "7"]]))
    (sheet,) = openpyxl.load_workbook(io.BytesIO(made(bare, "xlsx")["sample.xlsx"]))
    assert ([cell.value for cell in sheet[1]], sheet.freeze_panes) == (["001", "Pump", 200.22], None)
    assert not sheet["A1"].font.bold
    (grid,) = docx.Document(io.BytesIO(made(bare, "docx")["sample.docx"])).tables
    assert not any(run.bold for paragraph in grid.cell(0, 1).paragraphs for run in paragraph.runs)
    (sheet,) = openpyxl.load_workbook(io.BytesIO(made(years, "xlsx")["sample.xlsx"]))
    assert (sheet.freeze_panes, sheet["B1"].font.bold, sheet["B1"].alignment.horizontal) == ("A2", True, "right")


def test_text_without_tables_and_fields_are_sheets() -> None:
    pair = Pair(question="Name:", answer="=Ada", page=1, question_box=(0, 0, 1, 1), answer_box=(0, 0, 1, 1))
    whole = document(page(loose=[line("Total", 100, 100), line("4", 700, 100)])).model_copy(update={"fields": (pair,)})
    book = openpyxl.load_workbook(io.BytesIO(made(whole, "xlsx")["sample.xlsx"]))
    assert book.sheetnames == ["Fields", "Text"]
    assert [cell.value for cell in book["Fields"][2]] == ["Name:", "=Ada", 1]
    assert book["Fields"]["B2"].data_type == "s"
    assert [cell.value for cell in book["Text"][1]] == ["Total", 4]


def test_rows_of_a_sheet_are_as_high_as_their_text() -> None:
    """LibreOffice lays text over the rows below where it is not told."""
    long, wide = "a word and another " * 15, "表格里的文字很长" * 12
    rows = [["No", "What"], ["1", "Pump"], ["2", long], ["3", wide], ["4", "two<br>rows"]]
    (sheet,) = openpyxl.load_workbook(io.BytesIO(made(document(page(table((100, 100, 900, 400), rows))), "xlsx")["sample.xlsx"]))
    heights = [sheet.row_dimensions[n].height for n in range(1, 6)]
    assert heights[:2] == [None, None]
    assert heights[2:4] == [15 * 5, 15 * 4]
    text = document(page(loose=[line(long.strip(), 100, 100, 800), line("Next", 100, 300)]))
    (sheet,) = openpyxl.load_workbook(io.BytesIO(made(text, "xlsx")["sample.xlsx"]))
    assert [sheet.row_dimensions[n].height for n in (1, 2)] == [15 * 4, None]
    spans = f'<table><tr><td colspan="2">{"word " * 20}</td></tr><tr><td>{"a" * 70}</td><td>{"b" * 70}</td></tr></table>'
    whole = document(page(table((100, 300, 900, 500), []) | {"res": {"html": spans, "cell_bbox": [], "unmatched": []}}))
    (sheet,) = openpyxl.load_workbook(io.BytesIO(made(whole, "xlsx")["sample.xlsx"]))
    assert [sheet.row_dimensions[n].height for n in (1, 2)] == [None, 15 * 2], "a cell over two columns has their width"


def test_json_is_what_its_schema_says(report: Document) -> None:
    found = json.loads(text(report, "json"))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(found, schema())
    assert Document.model_validate(found).pages[1] == report.pages[1]
    assert [block["order"] for block in found["pages"][0]["blocks"]] == list(range(len(found["pages"][0]["blocks"])))
    word = found["pages"][0]["blocks"][0]["lines"][0]["words"][1]
    assert word["text"] == "#1"
    assert word["source"] == "ocr"
    assert word["quad"][0][0] > 150


def words_of(whole: Document) -> Counter[str]:
    return Counter(word.text for one in whole.pages for found in one.lines for word in found.words)


def test_hocr_has_each_word_with_its_box(report: Document) -> None:
    root = ET.fromstring(hocr.hocr(report))
    found = [element for element in root.iter() if element.get("class") == "ocrx_word"]
    assert Counter(element.text or "" for element in found) == words_of(report)
    for element in root.iter():
        title = element.get("title") or ""
        if "bbox" in title:
            x1, y1, x2, y2 = (int(side) for side in re.search(r"bbox (\d+) (\d+) (\d+) (\d+)", title).groups())  # type: ignore[union-attr]
            assert x1 <= x2
            assert y1 <= y2
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))


def test_several_formats_are_one_zip(report: Document) -> None:
    found = files(report, Original(), ["txt", "markdown"], "x")
    data, name, kind = formats.together(found, ["txt", "markdown"])
    assert (name, kind) == ("document.zip", "application/zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["x.txt", "x.md", "x_figure1.png"]
    alone, name, kind = formats.together(files(report, Original(), ["txt"], "x"), ["txt"])
    assert (name, kind) == ("x.txt", "text/plain; charset=utf-8")
    assert alone == found["x.txt"]


@pytest.mark.parametrize(
    ("names", "sentence"), [("docs", "did you mean 'docx'"), ("", "take one or more of"), ("txt,exe", "'exe'")]
)
def test_a_format_that_is_none_is_said(names: str, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        formats.named(names)


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_page_is_an_empty_document(form: str) -> None:
    empty: Any = document(page())
    assert len(made(empty, form)) == (0 if form == "csv" else 1)
