"""Running text: prose set to both sides, paragraphs over columns and pages, levels of numbered headings."""

from __future__ import annotations

import io
from typing import Any

import docx
import pytest

from helpers.answers import document, line, page, region, said, table
from ocr_serving.output import flow
from ocr_serving.output.formats import Joins, Original, files
from ocr_serving.output.tree import Document, Text

LEFT, RIGHT = 100.0, 520.0
WIDTH = 380.0


def set_to_both(text: str, x: float, y: float, width: float = WIDTH, *, parts: int = 1) -> list[dict[str, Any]]:
    """Words of 12 pixels a letter with the same room between them all, as one line or as several."""
    words = text.split()
    room = (width - 12 * sum(map(len, words))) / max(1, len(words) - 1)
    found: list[dict[str, Any]] = []
    for word in words:
        box = [[x, y], [x + 12 * len(word), y], [x + 12 * len(word), y + 20], [x, y + 20]]
        found.append(
            {"text": word, "confidence": 0.9, "text_region": box, "words": [{"text": word, "confidence": 0.9, "text_region": box}]}
        )
        x += 12 * len(word) + room
    size = -(-len(found) // parts)
    return [together(found[n : n + size]) for n in range(0, len(found), size)]


def together(words: list[dict[str, Any]]) -> dict[str, Any]:
    a, b = words[0]["text_region"], words[-1]["text_region"]
    return {
        "text": " ".join(word["text"] for word in words),
        "confidence": 0.9,
        "text_region": [a[0], b[1], b[2], a[3]],
        "words": [word["words"][0] for word in words],
    }


def column(texts: list[str], x: float, y: float = 100.0) -> dict[str, Any]:
    """A region of lines below each other."""
    lines = [
        line(text, x, y + 26 * n, WIDTH if n < len(texts) - 1 or not text.endswith(".") else 200) for n, text in enumerate(texts)
    ]
    return region("text", (int(x), int(y), int(x + WIDTH), int(y + 26 * len(texts))), *lines)


def text_of(whole: Document, form: str = "txt", **joins: bool) -> str:
    return next(iter(files(whole, Original(), [form], "a", Joins(**joins)).values())).decode()


def test_prose_that_is_set_to_both_sides_runs_on_where_its_words_are_wide_apart() -> None:
    rows = [
        "levels in wells were long a matter",
        "constituted a good representative",
        "and were noted to the nearest full",
        "of ten",
    ]
    lines = [part for n, row in enumerate(rows[:3]) for part in set_to_both(row, 100, 100 + 26 * n, 480, parts=1 + 3 * (n == 1))]
    found = page(region("text", (100, 100, 580, 210), *lines, line(rows[3], 100, 178, 70)))
    assert said(found) == [("paragraph", " ".join(rows))]


def test_a_narrow_column_that_is_set_to_both_sides_runs_on() -> None:
    rows = ["and were accomplished in", "extraordinary circumstances", "under responsible people", "who constantly worked in", "it"]
    lines = [
        part
        for n, row in enumerate(rows[:4])
        for part in set_to_both(row, 100, 100 + 26 * n, 380, parts=len(row.split()) if n in (1, 2) else 1)
    ]
    found = page(region("text", (100, 100, 480, 230), *lines, line(rows[4], 100, 204, 30)))
    assert said(found) == [("paragraph", " ".join(rows))]


def test_a_heading_below_columns_is_over_what_stands_below_it() -> None:
    prose = ["The first column has some words,", "which go on from one of its rows", "to the next until it is all told."]
    other = [text.replace("first", "other") for text in prose]
    heading = region("title", (100, 240, 260, 270), line("Figures", 100, 240, 160, 30))
    wide = region(
        "text", (100, 300, 820, 326), line("What is told in them is as wide as the page is itself, or nearly.", 100, 300, 720)
    )
    found = page(column(prose, LEFT), column(other, RIGHT), heading, wide)
    assert [text.split(" ")[1] for _, text in said(found) if " " in text] == ["first", "other", "is"]
    assert [kind for kind, _ in said(found)] == ["paragraph", "paragraph", "heading", "paragraph"]
    # In a column that is longer than the other one it stays.
    longer = column(prose, LEFT, 300)
    found = page(column(prose, LEFT), heading, longer, column([*other[:2], *other[:2], *other[:2], *other], RIGHT))
    assert [kind for kind, _ in said(found)] == ["paragraph", "heading", "paragraph", "paragraph"]
    # What the page ends with is not what it heads.
    footer = region(
        "footer", (100, 900, 820, 926), line("Printed for the members of the society, all rights reserved", 100, 900, 720)
    )
    found = page(column(prose, LEFT), column(other, RIGHT), heading, footer)
    assert [kind for kind, _ in said(found)] == ["paragraph", "heading", "paragraph", "footer"]


def test_labels_and_sums_at_the_other_side_keep_their_tabs() -> None:
    rows = [("Subtotal of the goods", "120.00"), ("Postage and packing", "4.50"), ("Total to be paid now", "124.50")]
    lines = [
        one
        for n, (label, value) in enumerate(rows)
        for one in (line(label, 100, 100 + 26 * n, 250), line(value, 580 - 12 * len(value), 100 + 26 * n, 12 * len(value)))
    ]
    found = page(region("text", (100, 100, 580, 180), *lines))
    assert said(found) == [("paragraph", "\n".join("\t".join(row) for row in rows))]


LEVELS = ["The levels of wells have long been", "a matter of patience, and of inter-"]
REST = ["national tapes, which were", "lowered by hand."]


@pytest.mark.parametrize("form", ["txt", "markdown", "html", "docx"])
def test_a_paragraph_goes_on_in_the_next_column(form: str) -> None:
    whole = document(page(column(LEVELS, LEFT, 400), column(REST, RIGHT)))
    if form == "docx":
        content = files(whole, Original(), [form], "a")["a.docx"]
        texts = [paragraph.text for paragraph in docx.Document(io.BytesIO(content)).paragraphs if paragraph.text]
        assert len(texts) == 1
        assert "of international tapes" in texts[0]
        return
    assert "of international tapes" in text_of(whole, form)
    assert "inter-" in text_of(whole, form, paragraphs=False)


def test_a_paragraph_goes_on_on_the_next_page_past_headers_and_footers() -> None:
    def one(number: int, *regions: dict[str, Any]) -> Any:
        return page(*regions, number=number, loose=[line("Annual report", 100, 40), line(f"{number} / 2", 480, 1350)])

    whole = document(one(1, column(LEVELS, LEFT, 900)), one(2, column(REST, LEFT)))
    assert "of international tapes, which were lowered by hand." in text_of(whole)
    assert text_of(whole).index("1 / 2") < text_of(whole).index("2 / 2"), "headers and footers stay with their pages"
    # The tree, as JSON tells it, keeps what stands on a page there.
    assert '"national tapes' in text_of(whole, "json")


def test_a_paragraph_goes_on_past_footnotes() -> None:
    note = region("text", (100, 1200, 480, 1230), line("1 As told in the appendix", 100, 1205, height=15))
    whole = document(page(column(LEVELS, LEFT, 900), note), page(column(REST, LEFT), number=2))
    assert "of international tapes, which were lowered by hand.\n\n1 As told" in text_of(whole)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (["The levels of wells have long been", "a matter of patience."], REST),
        (LEVELS, ["National tapes were lowered", "by hand."]),
        (["The levels of wells:", "a matter of patience"], ["National tapes", "in use."]),
    ],
)
def test_a_sentence_that_has_ended_goes_on_nowhere(first: list[str], then: list[str]) -> None:
    whole = document(page(column(first, LEFT, 400), column(then, RIGHT)))
    assert text_of(whole) == text_of(whole, paragraphs=False)


def test_what_ends_high_up_on_its_page_goes_on_nowhere() -> None:
    whole = document(page(column(LEVELS, LEFT)), page(column(REST, LEFT), number=2))
    assert text_of(whole) == text_of(whole, paragraphs=False)


def test_headers_stand_first_and_footers_last_whatever_the_columns() -> None:
    def one(number: int) -> Any:
        ends = [line("Annual report", 100, 40), line(f"{number} / 2", 100, 1350)]
        return page(
            column([f"Left column {number} is read", "first."], LEFT, 400),
            column(["Right column is", "second."], RIGHT, 400),
            number=number,
            loose=ends,
        )

    for found in document(one(1), one(2)).pages:
        assert [kind for kind, _ in said(found)] == ["header", "paragraph", "paragraph", "footer"]
        assert [block.order for block in found.blocks] == [0, 1, 2, 3]


def test_a_heading_is_known_by_the_number_that_it_goes_on_with() -> None:
    first = page(
        region("title", (100, 50, 900, 90), line("1 Introduction", 100, 60, height=26)),
        region("text", (100, 120, 900, 160), line("The pump is inspected once in each year.", 100, 130)),
        region("text", (100, 200, 900, 240), line("1.1 Tools", 100, 210, height=23)),
        region("text", (100, 240, 900, 280), line("A wrench and a gasket are what it needs.", 100, 250)),
        region("text", (100, 340, 900, 380), line("Nobody has ever needed more.", 100, 350)),
    )
    then = page(
        region("text", (100, 200, 900, 240), line("2 Results", 100, 210, height=26)),
        region("text", (100, 240, 900, 280), line("They were good in all of the nine years.", 100, 250)),
        region("text", (100, 340, 900, 380), line("4 Results of another chapter", 100, 350, height=26)),
        region("text", (100, 440, 900, 480), line("3 workers of the plant agreed", 100, 450)),
        region("text", (100, 540, 900, 580), line("Nobody has ever needed more.", 100, 550)),
        number=2,
    )
    found = [
        (block.kind, block.level, block.text)
        for one in document(first, then).pages
        for block in one.blocks
        if isinstance(block, Text)
    ]
    assert [text for kind, _, text in found if kind == "heading"] == ["1 Introduction", "1.1 Tools", "2 Results"]
    assert [level for kind, level, _ in found if kind == "heading"] == [1, 2, 1]


def test_a_paragraph_whose_last_line_had_no_room_for_the_next_word_goes_on() -> None:
    full = "The pump is inspected twice in the course of each year by the trained people of"
    first = page(region("text", (100, 1000, 900, 1100), line(full, 100, 1000, 800), line(full[:74], 100, 1030, 700)))
    then = page(region("text", (100, 200, 900, 300), line("documentation and maintenance, all of them.", 100, 200, 420)), number=2)
    (whole,) = [block for one in flow.joined(document(first, then)).pages for block in one.blocks]
    assert isinstance(whole, Text)
    assert whole.text.endswith(f"{full[:74]} documentation and maintenance, all of them.")


def test_the_large_title_of_a_page_is_no_header() -> None:
    text = [line(f"This is line {n} of the text below it", 100, 300 + 26 * n) for n in range(4)]
    found = page(
        region("header", (90, 90, 900, 150), line("On the levels of wells", 100, 100, height=44)),
        region("text", (90, 290, 900, 410), *text),
    )
    assert [kind for kind, _ in said(found)] == ["heading", "paragraph"]


def test_numbered_headings_have_the_levels_of_their_numbers() -> None:
    titles = ["On wells", "1 Introduction", "1.1 Details", "1.1.1 More of them", "2 Methods", "References"]
    regions = [
        region("title", (90, 90 + 200 * n, 900, 140 + 200 * n), line(title, 100, 100 + 200 * n, height=36))
        for n, title in enumerate(titles)
    ]
    (found,) = document(page(*regions)).pages
    assert [getattr(block, "level", None) for block in found.blocks] == [1, 2, 3, 4, 2, 2]
    (found,) = document(page(*regions[1:])).pages
    assert [getattr(block, "level", None) for block in found.blocks][:4] == [1, 2, 3, 1]


def test_what_is_read_from_the_right_is_set_from_there() -> None:
    whole = document(page(loose=[line("שלום עולם 123", 600, 100), line("Hello שלום", 100, 400)]))
    shown = text_of(whole, "html")
    assert '<p dir="rtl">שלום עולם 123</p>' in shown
    assert "<p>Hello שלום</p>" in shown
    found = docx.Document(io.BytesIO(files(whole, Original(), ["docx"], "a")["a.docx"]))
    sides = {one.text: (bool(one._p.xpath("./w:pPr/w:bidi")), one.runs[0].font.rtl) for one in found.paragraphs}
    assert sides == {"שלום עולם 123": (True, True), "Hello שלום": (False, None)}


def reports(*footers: str, first: bool = True) -> Document:
    """A page for each footer, with the same header on all, or on all but the first."""
    pages = []
    for number, footer in enumerate(footers, 1):
        ends = [line("Annual report", 100, 40), line(footer, 480, 1350)] if first or number > 1 else []
        pages.append(page(column([f"This is the text of page {number}", "alone."], LEFT, 500), number=number, loose=ends))
    return document(*pages)


def in_word(whole: Document) -> tuple[list[str], Any]:
    """The texts of the body, and the section that all pages are in."""
    found = docx.Document(io.BytesIO(files(whole, Original(), ["docx"], "a")["a.docx"]))
    return [text for paragraph in found.paragraphs if (text := paragraph.text.strip())], found.sections[0]


@pytest.mark.parametrize(
    ("footers", "start"), [(("Page 1 of 3", "Page 2 of 3", "Page 3 of 3"), None), (("Page 41 of 3", "Page 42 of 3"), "41")]
)
def test_headers_and_footers_of_all_pages_are_those_of_the_document_in_word(footers: tuple[str, ...], start: str | None) -> None:
    body, section = in_word(reports(*footers))
    assert body == [f"This is the text of page {n} alone." for n in range(1, len(footers) + 1)]
    assert [paragraph.text for paragraph in section.header.paragraphs] == ["Annual report"]
    (footer,) = section.footer.paragraphs
    assert (footer.text, 'w:instr="PAGE"' in footer._p.xml) == ("Page  of 3", True)
    numbering = section._sectPr.xpath("./w:pgNumType/@w:start")
    assert numbering == ([] if start is None else [start])
    assert not section.different_first_page_header_footer


def test_each_page_begins_a_new_one_in_word_and_no_page_is_left_bare() -> None:
    grid = table((100, 400, 900, 500), [["a", "b"], ["1", "2"]])
    whole = document(page(column(["One page", "alone."], LEFT, 500)), page(grid, number=2), page(number=3), page(grid, number=4))
    found = docx.Document(io.BytesIO(files(whole, Original(), ["docx"], "a")["a.docx"]))
    broken = [paragraph.paragraph_format.page_break_before for paragraph in found.paragraphs]
    assert broken.count(True) == 3
    assert not broken[0]
    # A paragraph that is nothing but a break goes on a page of its own where the text before it fills one.
    assert not found.element.xpath("//w:br")


def test_a_first_page_without_them_stays_without_them() -> None:
    body, section = in_word(reports("", "- 2 -", "- 3 -", first=False))
    assert len(body) == 3
    assert section.different_first_page_header_footer


def test_headers_that_differ_stay_on_their_pages() -> None:
    pages = [
        page(
            region("header", (90, 30, 500, 80), line(f"Chapter {name}", 100, 40)),
            column([f"The text of {name}", "alone."], LEFT, 500),
            number=n,
        )
        for n, name in enumerate(("one", "two"), 1)
    ]
    body, section = in_word(document(*pages))
    assert body == ["Chapter one", "The text of one alone.", "Chapter two", "The text of two alone."]
    assert section.header.is_linked_to_previous
