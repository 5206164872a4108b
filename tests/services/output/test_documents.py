"""Documents from regions: each line once and in order, tables with spans, figures as pictures, in three formats."""

from __future__ import annotations

import io
from typing import Any

import cv2
import docx
import numpy as np
import pytest

from ocr_serving.errors import InputError
from ocr_serving.output import documents
from ocr_serving.output.documents import Block, blocks, render

IMAGE = np.full((1400, 1000, 3), 255, np.uint8)
IMAGE[700:800, 100:300] = (0, 0, 200)

TABLE = '<html><body><table><tr><td colspan="2">a|b</td></tr><tr><td>1</td><td>&lt;2&gt;</td></tr></table></body></html>'
PLAIN = "<html><body><table><tr><td>k</td><td>a|b</td></tr><tr><td>1</td><td>2</td></tr></table></body></html>"


def line(text: str, x: float, y: float, width: float = 300, height: float = 20) -> dict[str, Any]:
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return {"text": text, "confidence": 0.9, "text_region": corners}


def region(kind: str, bbox: tuple[int, int, int, int], *lines: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "bbox": list(bbox), "res": list(lines), "score": 0.9, "img_idx": 0}


def table(bbox: tuple[int, int, int, int], html: str, *unmatched: dict[str, Any]) -> dict[str, Any]:
    return region("table", bbox) | {"res": {"html": html, "cell_bbox": [], "unmatched": list(unmatched)}}


def page(*regions: dict[str, Any], unassigned: list[dict[str, Any]] | None = None) -> list[Block]:
    return blocks({"regions": list(regions), "unassigned": unassigned or []}, IMAGE)


def said(found: list[Block]) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in found]


def test_a_line_between_two_regions_is_told_where_it_mostly_is() -> None:
    shared = line("shared", 100, 195, height=40)
    title = region("title", (100, 100, 400, 200), line("Title", 100, 150), shared)
    text = region("text", (100, 210, 400, 400), shared)
    assert said(page(title, text)) == said(page(text, title)) == [("heading", "Title"), ("paragraph", "shared")]


def test_a_line_in_a_table_is_told_there_alone_and_none_is_lost() -> None:
    inside = line("inside", 120, 320)
    found = page(
        region("text", (100, 100, 900, 330), line("before", 100, 120, 800), inside),
        table((100, 310, 900, 500), PLAIN, line("no cell", 100, 305, 200, 4)),
        unassigned=[line("Total", 100, 600, 80), line("42", 700, 600, 40), line("a long line below", 100, 650, 600)],
    )
    assert said(found) == [
        ("paragraph", "before"),
        ("paragraph", "no cell"),
        ("table", PLAIN),
        ("paragraph", "Total 42"),
        ("paragraph", "a long line below"),
    ]


def test_lines_run_on_but_for_those_that_end_early() -> None:
    box = (100, 100, 500, 300)
    (english,) = page(
        region("text", box, line("Dear", 100, 100, 60), line("reader of this", 100, 130, 390), line("page", 100, 160, 50))
    )
    assert english.text == "Dear\nreader of this page"
    (chinese,) = page(region("text", box, line("文档版面", 100, 100, 390), line("分析", 100, 130, 100)))
    assert chinese.text == "文档版面分析"
    (row,) = page(region("text", box, line("Item", 100, 100, 50), line("Price", 400, 102, 60)))
    assert row.text == "Item Price"


@pytest.fixture
def report() -> list[list[Block]]:
    first = page(
        region("title", (100, 50, 900, 100), line("Report #1", 100, 60)),
        region("text", (100, 120, 900, 200), line("* not a list & <b>", 100, 120), line("second", 100, 150)),
        table((100, 300, 900, 500), TABLE),
        region("figure_caption", (100, 820, 900, 850), line("Figure 1", 100, 820)),
        region("figure", (100, 700, 300, 800), line("axis", 110, 710, 50)),
    )
    return [first, page(region("title", (100, 50, 900, 100), line("Next", 100, 60)), table((100, 300, 900, 500), PLAIN))]


def test_markdown(report: list[list[Block]]) -> None:
    files = render("markdown", report, "my report")
    assert list(files) == ["my report.md", "my report_figure1.png"]
    assert files["my report.md"].decode() == (
        "# Report #1\n\n\\* not a list \\& \\<b\\>\\\nsecond\n\n"
        '<table><tr><td colspan="2">a|b</td></tr><tr><td>1</td><td>&lt;2&gt;</td></tr></table>\n\n'
        "![axis](<my report_figure1.png>)\n\n*Figure 1*\n\n---\n\n## Next\n\n| k | a\\|b |\n| --- | --- |\n| 1 | 2 |\n"
    )
    figure = cv2.imdecode(np.frombuffer(files["my report_figure1.png"], np.uint8), cv2.IMREAD_COLOR)
    assert figure is not None
    assert figure.shape == (100, 200, 3)
    assert (figure == (0, 0, 200)).all()


def test_html(report: list[list[Block]]) -> None:
    text = render("html", report, "a&b")["a&b.html"].decode()
    assert "<title>a&amp;b</title>" in text
    assert "<h1>Report #1</h1>\n<p>* not a list &amp; &lt;b&gt;<br>second</p>\n<table>" in text
    assert '<img src="a&amp;b_figure1.png" alt="axis"' in text
    assert "<hr>\n<h2>Next</h2>" in text


def test_docx(report: list[list[Block]]) -> None:
    files = render("docx", report, "report")
    document = docx.Document(io.BytesIO(files["report.docx"]))
    styled = [
        (paragraph.style.name if paragraph.style else "", paragraph.text)
        for paragraph in document.paragraphs
        if paragraph.text.strip()
    ]
    assert styled == [
        ("Heading 1", "Report #1"),
        ("Normal", "* not a list & <b>\nsecond"),
        ("Caption", "Figure 1"),
        ("Heading 2", "Next"),
    ]
    assert len(document.inline_shapes) == 1
    spans, plain = document.tables
    assert [[cell.text for cell in row.cells] for row in spans.rows] == [["a|b", "a|b"], ["1", "<2>"]]
    assert spans.cell(0, 0)._tc is spans.cell(0, 1)._tc, "the two are one merged cell"
    assert plain.cell(0, 1).text == "a|b"


@pytest.mark.parametrize("form", documents.SUFFIXES)
def test_an_empty_page_is_an_empty_document(form: documents.Format) -> None:
    assert len(render(form, [page()], "empty")) == 1


def test_what_has_no_regions_is_no_document() -> None:
    with pytest.raises(InputError, match="take the module structure_system"):
        blocks([line("a", 0, 0)], IMAGE)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("84.3 per cent", "84.3 per cent"),
        ("1. One", "1\\. One"),
        ("- a", "\\- a"),
        ("a_b", "a\\_b"),
        ("5-3", "5-3"),
        ("# h", "\\# h"),
    ],
)
def test_text_is_not_taken_for_markdown(text: str, written: str) -> None:
    (block,) = page(region("text", (100, 100, 900, 200), line(text, 100, 100)))
    assert render("markdown", [[block]], "x")["x.md"].decode() == f"{written}\n"
