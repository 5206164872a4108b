"""The text of a PDF: its words in their places, and what is not to be believed."""

from __future__ import annotations

import io
from pathlib import Path

import pikepdf
import PIL.Image
import pytest

from helpers import pdfs
from ocr_serving.decoding import pdf_text
from ocr_serving.decoding.limits import Limits

LINES = ["The quick brown fox", "jumps over the lazy dog"]


def test_words_and_places() -> None:
    (page,) = pdf_text.read(pdfs.of_text(LINES), 5)
    assert (page.width, page.height, page.doubt) == (595, 842, "")
    assert [[word.text for word in line.words] for line in page.lines] == [line.split() for line in LINES]
    x1, y1, x2, _, _, y3, _, _ = page.lines[0].words[0].corners
    assert x1 == pytest.approx(60 / 595, abs=0.005)
    assert x1 < x2 < page.lines[0].words[1].corners[0]
    assert y1 < (842 - 760) / 842 < y3, "the baseline lies in the box"


@pytest.mark.parametrize(("turn", "corner"), [(90, (1, 0)), (180, (1, 1)), (270, (0, 1))])
def test_a_page_that_is_turned(turn: int, corner: tuple[int, int]) -> None:
    (page,) = pdf_text.read(pdfs.of_text(LINES, Rotate=turn), 5)
    said = {" ".join(word.text for word in line.words): line for line in page.lines}
    assert set(said) == set(LINES)
    x, y = said[LINES[0]].words[0].corners[:2]
    assert (round(x), round(y)) == corner, "the text begins where the page's first corner has gone"


def test_a_crop_box() -> None:
    (page,) = pdf_text.read(pdfs.of_text(LINES, CropBox=pikepdf.Array([50, 700, 300, 800])), 5)
    assert (page.width, page.height) == (250, 100)
    assert page.lines[0].words[0].corners[0] == pytest.approx(10 / 250, abs=0.02)


def test_a_wide_gap_parts_a_row() -> None:
    content = b"BT /F1 14 Tf 60 760 Td (Total) Tj 200 0 Td (42.00) Tj ET"
    with pikepdf.open(io.BytesIO(pdfs.of_text(LINES))) as made:
        made.pages[0].obj["/Contents"] = made.make_stream(content)
        (page,) = pdf_text.read(pdfs.saved(made), 1)
    assert [[word.text for word in line.words] for line in page.lines] == [["Total"], ["42.00"]]


def drawn(content: str) -> list[list[str]]:
    """The lines that are read of a page that `content` draws."""
    with pikepdf.open(io.BytesIO(pdfs.of_text(LINES))) as made:
        made.pages[0].obj["/Contents"] = made.make_stream(content.encode())
        (page,) = pdf_text.read(pdfs.saved(made), 1)
    assert page.doubt == ""
    return [[word.text for word in line.words] for line in page.lines]


def test_a_word_that_is_parted_at_the_end_of_a_line_keeps_its_parts_in_their_lines() -> None:
    narrow = "BT /F1 14 Tf 60 760 Td (This is an exam-) Tj 0 -18 Td (ple of what is part-) Tj 0 -18 Td (ed there) Tj ET"
    assert drawn(narrow) == [["This", "is", "an", "exam-"], ["ple", "of", "what", "is", "part-"], ["ed", "there"]]


@pytest.mark.parametrize(("matrix", "corner"), [("0 1 -1 0 300 400", (1, 1)), ("0 -1 1 0 300 400", (0, 0))])
def test_text_that_runs_up_or_down_is_one_line_from_its_first_letter_on(matrix: str, corner: tuple[int, int]) -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(LINES))) as made:
        made.pages[0].obj["/Contents"] = made.make_stream(f"BT /F1 14 Tf {matrix} Tm (a text that is turned) Tj ET".encode())
        ((line,),) = (page.lines for page in pdf_text.read(pdfs.saved(made), 1))
    assert [word.text for word in line.words] == ["a", "text", "that", "is", "turned"]
    up = corner == (1, 1)
    starts = [word.corners[1] for word in line.words]
    assert starts == sorted(starts, reverse=up)
    first = line.words[0].corners
    assert (first[1] > first[3], first[0] < first[6]) == (up, up), "its top left is where its first letter is"


def test_a_line_that_runs_to_the_left_is_one_in_the_order_it_is_read() -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(LINES))) as made:
        # Hebrew for small letters, drawn from left to right as it is seen.
        cmap = b"1 begincodespacerange <00> <ff> endcodespacerange 2 beginbfrange <20> <60> <0020> <61> <7a> <05D0> endbfrange"
        made.pages[0].obj["/Resources"]["/Font"]["/F1"]["/ToUnicode"] = made.make_stream(cmap)
        made.pages[0].obj["/Contents"] = made.make_stream(b"BT /F1 14 Tf 300 760 Td (hg fed cba) Tj -150 0 Td (ji) Tj ET")
        (page,) = pdf_text.read(pdfs.saved(made), 1)
    assert [[word.text for word in line.words] for line in page.lines] == [["אבג", "דהו", "זח"], ["טי"]]
    lefts = [word.corners[0] for word in page.lines[0].words]
    assert lefts == sorted(lefts, reverse=True)


def test_text_outside_of_the_page_is_not_on_it() -> None:
    assert drawn("BT /F1 14 Tf 60 760 Td (shown) Tj 700 0 Td (beside) Tj ET BT /F1 14 Tf 60 -40 Td (below) Tj ET") == [["shown"]]


def test_an_invisible_layer_a_scan_and_a_page_without_text_are_doubted() -> None:
    assert pdf_text.read(pdfs.of_text(LINES, mode=3), 1)[0].doubt == "its text is an invisible layer"
    scan = pdfs.with_picture(pdfs.of_text(LINES), PIL.Image.new("RGB", (300, 400), "white"), (0, 0, 595, 842))
    assert pdf_text.read(scan, 1)[0].doubt == "a picture covers the page"
    assert pdf_text.read(pdfs.of_text([]), 1)[0].doubt == "it has no text of its own"
    with pikepdf.open(io.BytesIO(pdfs.of_text(LINES))) as made:
        made.pages[0].add_resource(pikepdf.Dictionary(ca=0), pikepdf.Name.ExtGState, pikepdf.Name.Clear)
        made.pages[0].contents_add(b"/Clear gs", prepend=True)
        clear = pdfs.saved(made)
    scan = pdfs.with_picture(clear, PIL.Image.new("RGB", (300, 400), "white"), (0, 0, 595, 842), below=True)
    assert pdf_text.read(scan, 1)[0].doubt == "a picture covers the page"


def test_text_over_a_picture_that_fills_the_page_is_believed() -> None:
    slide = pdfs.with_picture(pdfs.of_text(LINES), PIL.Image.new("RGB", (300, 400), "khaki"), (0, 0, 595, 842), below=True)
    (page,) = pdf_text.read(slide, 1)
    assert not page.doubt
    assert [" ".join(word.text for word in line.words) for line in page.lines] == LINES


def test_letters_of_a_private_encoding_are_doubted() -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(LINES))) as made:
        cmap = b"1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <00> <ff> <e000> endbfrange"
        made.pages[0].obj["/Resources"]["/Font"]["/F1"]["/ToUnicode"] = made.make_stream(cmap)
        assert pdf_text.read(pdfs.saved(made), 1)[0].doubt == "its fonts do not say which letters they show"


def test_no_more_pages_than_asked_for_and_none_of_what_is_no_pdf() -> None:
    assert len(pdf_text.read(pdfs.of_text(["a"], ["b"], ["c"]), 2)) == 2
    assert pdf_text.read(b"%PDF-1.7 broken", 5) == []


def test_pages_are_counted_of_whatever_opens(tmp_path: Path) -> None:
    (tmp_path / "three.pdf").write_bytes(pdfs.of_text(["a"], ["b"], ["c"]))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    names = ["three.pdf", "broken.pdf", "gone.pdf", "three.pdf"]
    assert list(pdf_text.counts([tmp_path / name for name in names])) == [3, 1, 1, 3]


def test_a_page_over_the_bounds_costs_no_other() -> None:
    slow = ["abcdefgh " * 200] * 50
    pages = pdf_text.read(pdfs.of_text(["first"], slow, ["last"]), 3, Limits(page_timeout_s=0.1))
    assert [page.doubt for page in pages] == ["", "its text cannot be read", ""]
    many = pdf_text.read(pdfs.of_text(*[slow] * pdf_text.DEATHS, ["last"]), 9, Limits(page_timeout_s=0.1))
    assert {page.doubt for page in many} == {"its text cannot be read"}, "nor may a file cost any number of processes"
    assert len(many) == pdf_text.DEATHS + 1
