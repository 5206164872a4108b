"""Searchable PDF: each word found, by two readers, where it is written; the page itself as it was."""

from __future__ import annotations

import io
import math
from collections import Counter
from typing import Any

import cv2
import docx
import numpy as np
import pikepdf
import PIL.Image
import pypdf
import pypdfium2
import pytest
from pikepdf import pdfa

from helpers import pdfs
from helpers.answers import document, line
from ocr_serving.decoding.images import Image, Limits
from ocr_serving.errors import InputError
from ocr_serving.output import build, pdf
from ocr_serving.output.job import Job
from ocr_serving.output.tree import Document

WIDTH, HEIGHT = 800, 600
WORDS = ["Hello", "wide", "world", "Straße", "naïve", "文档版面", "𝕏𝕐"]


def picture() -> Image:
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    cv2.putText(image, "Hello wide world", (100, 120), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    image[300:400, 300:500] = (0, 0, 200)
    return image


def encoded(image: Image, suffix: str) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def read(source: str = "ocr", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Document:
    """A page of three lines, one of them in Chinese and one outside the first plane."""
    lines = [line("Hello wide world", 100, 90, 300, 40), line("Straße naïve", 100, 200, 200, 40)]
    lines += [line("文档版面", 100, 450, 160, 40), line("𝕏𝕐", 500, 450, 80, 40)]
    scale = [size[0] / WIDTH, size[1] / HEIGHT]
    for one in lines:
        one["text_region"] = [[x * scale[0], y * scale[1]] for x, y in one["text_region"]]
    return document(build.page(lines, None, size=size, source=source))  # type: ignore[arg-type]


def by_pdfium(data: bytes, number: int = 0) -> dict[str, tuple[float, float, float, float]]:
    """Words, and their boxes as shares of the page as it is shown, from its top left corner."""
    with pypdfium2.PdfDocument(data) as opened:
        page = opened[number]
        text = page.get_textpage()
        found = {}
        for word in WORDS:
            # Letters outside the first plane are two of PDFium's.
            at = text.get_text_range().encode("utf-16-le").find(word.encode("utf-16-le")) // 2
            if at < 0:
                continue
            boxes = [text.get_charbox(index, loose=True) for index in range(at, at + len(word.encode("utf-16-le")) // 2)]
            x, y = zip(*(shown(page, bx, by) for box in boxes for bx, by in (box[:2], box[2:])), strict=True)
            found[word] = (min(x), min(y), max(x), max(y))
        return found


def shown(page: Any, x: float, y: float) -> tuple[float, float]:
    import ctypes

    import pypdfium2.raw as raw

    across, down = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page.raw, 0, 0, 100000, 100000, 0, x, y, across, down)
    return across.value / 100000, down.value / 100000


def check(data: bytes, number: int = 0, where: Document | None = None) -> None:
    """Both readers give each word once, and PDFium gives it in its place."""
    by_other = pypdf.PdfReader(io.BytesIO(data)).pages[number].extract_text().split()
    assert Counter(word for word in by_other if word in WORDS) == Counter(WORDS)
    (page,) = (where or read()).pages
    places = by_pdfium(data, number)
    assert set(places) == set(WORDS)
    for word in (word for one in page.lines for word in one.words):
        wanted = [side / whole for side, whole in zip(word.box, (page.width, page.height) * 2, strict=True)]
        assert places[word.text] == pytest.approx(wanted, abs=0.012), word.text


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_picture(suffix: str) -> None:
    file = encoded(picture(), suffix)
    pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    data = pdf.of_images(read(), [file], [np.asarray(pixels, np.uint8)])
    check(data)
    rendered = pypdfium2.PdfDocument(data)[0].render(scale=150 / 72).to_numpy()[:, :, :3]
    assert rendered.shape == pixels.shape
    assert float(np.abs(rendered.astype(int) - pixels.astype(int)).mean()) < 2
    with pikepdf.open(io.BytesIO(data)) as opened:
        image = opened.pages[0].resources.XObject.Page
        if suffix == ".jpg":
            assert bytes(image.read_raw_bytes()) == file, "a JPEG's own bytes"


@pytest.mark.parametrize("kind", ["grey", "black and white", "on its side", "for print"])
def test_pictures_of_other_kinds_look_as_they_did(kind: str) -> None:
    pixels = picture()
    file = encoded(pixels, ".png")
    if kind in ("grey", "black and white"):
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        if kind == "black and white":
            grey = np.where(grey > 127, 255, 0).astype(np.uint8)
        pixels = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        file = encoded(pixels, ".png")
    else:
        out, made = io.BytesIO(), PIL.Image.fromarray(pixels[:, :, ::-1])
        if kind == "on its side":
            exif = PIL.Image.Exif()
            exif[0x0112] = 6
            made.transpose(PIL.Image.Transpose.ROTATE_90).save(out, "JPEG", exif=exif, quality=95)
        else:
            made.convert("CMYK").save(out, "JPEG", quality=95)
        file = out.getvalue()
    data = pdf.of_images(read(), [file], [pixels])
    check(data)
    rendered = pypdfium2.PdfDocument(data)[0].render(scale=150 / 72).to_numpy()[:, :, :3]
    assert float(np.abs(rendered.astype(int) - pixels.astype(int)).mean()) < 6


def test_it_says_that_it_is_pdf_a() -> None:
    data = pdf.of_images(read(), [encoded(picture(), ".png")], [picture()])
    with pikepdf.open(io.BytesIO(data)) as opened:
        with opened.open_metadata() as metadata:
            assert metadata.pdfa_status == "2B"
            assert metadata["dc:title"] == opened.docinfo["/Title"] == "sample"
        (intent,) = opened.Root.OutputIntents
        assert len(intent.DestOutputProfile.read_bytes()) > 100
        assert not opened.check_pdf_syntax()
        (font,) = opened.pages[0].resources.Font.values()
        assert "/FontFile2" in font.DescendantFonts[0].FontDescriptor


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", "scan"])
def test_a_validator_finds_nothing_against_pdf_a(suffix: str) -> None:
    data = pdf.over_pdf(read(), scan()) if suffix == "scan" else pdf.of_images(read(), [encoded(picture(), suffix)], [picture()])
    with pikepdf.open(io.BytesIO(data)) as opened:
        assert pdfa.check(opened, "2b").findings == []


def scan(**about: Any) -> bytes:
    """A PDF of one picture, with further entries of its page."""
    made = pikepdf.open(io.BytesIO(pdf.of_images(document(build.page([], None, size=(WIDTH, HEIGHT))), [b""], [picture()])))
    for key in ("/Metadata", "/OutputIntents"):
        del made.Root[key]
    for key, value in about.items():
        made.pages[0].obj[f"/{key}"] = value
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [None, [40, 20, 300, 250]])
def test_pages_turned_and_cropped(turn: int, crop: list[int] | None) -> None:
    about: dict[str, Any] = {"Rotate": turn, "UserUnit": 2} | ({"CropBox": pikepdf.Array(crop)} if crop else {})
    original = scan(**about)
    with pypdfium2.PdfDocument(original) as opened:
        width, height = opened[0].get_size()
    size = (math.ceil(width * 3), math.ceil(height * 3))
    data = pdf.over_pdf(read(size=size), original)
    check(data, where=read(size=size))
    before, after = (pypdfium2.PdfDocument(one)[0].render(scale=1).to_numpy() for one in (original, data))
    assert (before == after).all(), "the page looks as it did"


def test_the_words_of_a_layer_are_not_found_twice() -> None:
    once = pdf.over_pdf(read(), scan())
    check(pdf.over_pdf(read(), once))


def in_a_form(data: bytes) -> bytes:
    """The content of a PDF's page as a form that the page draws."""
    with pikepdf.open(io.BytesIO(data)) as made:
        page = made.pages[0]
        about = {"/Subtype": pikepdf.Name.Form, "/BBox": [0, 0, 595, 842], "/Resources": page.resources}
        form = pikepdf.Stream(made, page.Contents.read_bytes(), about)
        page.obj["/Resources"] = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=made.make_indirect(form)))
        page.obj["/Contents"] = made.make_stream(b"/X Do")
        return pdfs.saved(made)


def contents(page: pikepdf.Page) -> list[Any]:
    """The streams of a page's content."""
    found: Any = page.obj["/Contents"]
    return list(found) if isinstance(found, pikepdf.Array) else [found]


def that_stands_for(data: bytes) -> bytes:
    """A PDF whose content is marked to stand for a text."""
    with pikepdf.open(io.BytesIO(data)) as made:
        made.pages[0].contents_add(b"/Span <</ActualText (Hello wide world)>> BDC", prepend=True)
        made.pages[0].contents_add(b"EMC")
        return pdfs.saved(made)


def in_two_bytes(data: bytes) -> bytes:
    """A PDF whose text is in a font of two bytes a letter, drawn and not invisible."""
    written = pdf.over_pdf(read(), scan())
    with pikepdf.open(io.BytesIO(written)) as made:
        page = made.pages[0]
        page.contents_coalesce()
        page.obj["/Contents"] = made.make_stream(page.Contents.read_bytes().replace(b"3 Tr", b"0 Tr"))
        return pdfs.saved(made)


@pytest.mark.parametrize("kind", [bytes, in_a_form, that_stands_for, in_two_bytes])
def test_a_page_that_is_read_anew_has_no_second_text(kind: Any) -> None:
    own = pdfs.of_text(["Hello wide world", "and what nobody wants"], ["The other page"])
    before = kind(own)
    data = pdf.over_pdf(read(), before)
    check(data)
    with pypdfium2.PdfDocument(before) as was, pypdfium2.PdfDocument(data) as now:
        assert "wants" not in now[0].get_textpage().get_text_range()
        for one, other in zip(was, now, strict=True):
            assert (one.render().to_numpy() == other.render().to_numpy()).all(), "the pages look as they did"
        if len(now) > 1:
            assert now[1].get_textpage().get_text_range() == "The other page", "which has the same font, and was not read"


@pytest.mark.parametrize("wrap", [bytes, in_a_form])
@pytest.mark.parametrize("content", ["BT /F1 14 Tf 60 700 Td {} (kept) Tj ET", "/Span <</ActualText (Hidden wants)>> BDC {} EMC"])
def test_what_is_not_drawn_is_taken_out_of_forms_too(wrap: Any, content: str) -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(["own"]))) as made:
        drawn = "BT /F1 14 Tf 60 760 Td (own) Tj 3 Tr 0 -20 Td (wants) Tj 0 Tr ET"
        made.pages[0].obj["/Contents"] = made.make_stream(content.format(drawn if "BDC" in content else "3 Tr (wants) Tj").encode())
        before = wrap(pdfs.saved(made))
    data = pdf.over_pdf(read(), before)
    check(data)
    with pypdfium2.PdfDocument(before) as was, pypdfium2.PdfDocument(data) as now:
        assert (was[0].render().to_numpy() == now[0].render().to_numpy()).all(), "the page looks as it did"
        assert "wants" not in now[0].get_textpage().get_text_range()
    with pikepdf.open(io.BytesIO(data)) as opened:
        forms = [form.read_bytes() for form in opened.pages[0].resources.get("/XObject", {}).values()]
        written = b"".join([*forms, *(stream.read_bytes() for stream in contents(opened.pages[0]))])
    assert b"wants" not in written, "an invisible layer is taken out"


@pytest.mark.parametrize(
    "shown",
    [
        "3 Tr (wants) Tj 0 Tr (own) Tj",
        "3 Tr [(wan) 50 (ts)] TJ (wants) Tj 0 Tr [(own)] TJ 0 -30 Td (wide) Tj",
        "20 TL 3 Tr (wants) ' 0 Tr (own) Tj",
        "20 TL 3 Tr (wants) ' (wants) ' 0 Tr (own) ' (own) '",
        '20 TL 3 Tr 9 5 (wants) " 0 Tr (own words) Tj T* (own words) Tj',
        "3 Tr (wants) Tj 0 -30 Td 0 Tr (own) Tj",
    ],
)
def test_what_is_drawn_behind_invisible_text_stays_where_it_is(shown: str) -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(["own"]))) as made:
        made.pages[0].obj["/Contents"] = made.make_stream(f"BT /F1 14 Tf 60 760 Td {shown} ET".encode())
        before = pdfs.saved(made)
    data = pdf.over_pdf(read(), before)
    check(data)
    with pypdfium2.PdfDocument(before) as was, pypdfium2.PdfDocument(data) as now:
        assert (was[0].render(scale=2).to_numpy() == now[0].render(scale=2).to_numpy()).all(), "the page looks as it did"
        assert "wants" not in now[0].get_textpage().get_text_range()


NONSENSE = ["Tr", "/Name Tr", "(3) Tr", "[3] Tr", "null Tr", "true Tr", "99 Tr", "BDC", "/Span BDC", "12 BDC", "DP", "/A /B DP"]


@pytest.mark.parametrize("wrap", [bytes, in_a_form])
def test_instructions_that_make_no_sense_are_kept(wrap: Any) -> None:
    before = pdfs.of_text(["own"])
    with pikepdf.open(io.BytesIO(before)) as made:
        marks = sum(("BDC" in one) for one in NONSENSE) * " EMC"
        shown = f"BT /F1 14 Tf 60 760 Td {' '.join(NONSENSE)} (own) Tj 3 Tr (wants) Tj ET{marks}"
        made.pages[0].obj["/Contents"] = made.make_stream(shown.encode())
        before = wrap(pdfs.saved(made))
    data = pdf.over_pdf(read(), before)
    check(data)
    with pypdfium2.PdfDocument(before) as was, pypdfium2.PdfDocument(data) as now:
        assert (was[0].render().to_numpy() == now[0].render().to_numpy()).all(), "the page looks as it did"
        assert "wants" not in now[0].get_textpage().get_text_range()


def test_objects_that_no_page_needs_are_not_unpacked_without_end() -> None:
    plain = [b"<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"]
    plain += [b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>>>"]
    large = pdfs.with_packed(plain, [b"<</Type/Outlines>>"], padding_mb=65)
    with pytest.raises(InputError, match=r"more than 64 MiB \(page_memory_mb\): print it"):
        pdf.over_pdf(read(), large, Limits(page_memory_mb=64))
    check(pdf.over_pdf(read(), large))


def test_a_pdfs_own_text_is_left_alone() -> None:
    original = pdf.over_pdf(read(), scan())
    check(pdf.over_pdf(read("pdf"), original))


def test_a_scan_becomes_pdf_a_and_a_form_does_not() -> None:
    with pikepdf.open(io.BytesIO(pdf.over_pdf(read(), scan()))) as opened, opened.open_metadata() as metadata:
        assert metadata.pdfa_status == "2B"
    form = scan(Annots=pikepdf.Array([pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link)]))
    with pikepdf.open(io.BytesIO(pdf.over_pdf(read(), form))) as opened:
        assert "/Metadata" not in opened.Root
        assert len(opened.pages[0].Annots) == 1


def test_words_whose_boxes_touch_stand_apart_for_readers_that_go_by_places() -> None:
    touching = line("Hello wide world", 100, 90, 300, 40)
    touching["words"] = [
        {"text": text, "confidence": 0.9, "text_region": [[left, 90], [right, 90], [right, 130], [left, 130]]}
        for text, left, right in (("Hello", 100, 202), ("wide", 200, 290), ("world", 290, 400))
    ]
    data = pdf.of_images(document(build.page([touching], None, size=(WIDTH, HEIGHT))), [b""], [picture()])
    found = by_pdfium(data)
    for left, right in (("Hello", "wide"), ("wide", "world")):
        assert (found[right][0] - found[left][2]) * WIDTH > 0.15 * 40
    assert found["Hello"][0] * WIDTH == pytest.approx(100, abs=1)
    assert found["world"][2] * WIDTH == pytest.approx(400, abs=1)


@pytest.mark.parametrize("kind", ["/Font", "/Resources", "/MediaBox", "/Contents", "/Rotate"])
def test_a_page_with_an_entry_that_makes_no_sense_has_its_words_all_the_same(kind: str) -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(["Hello"]))) as made:
        page = made.pages[0]
        place = page.obj["/Resources"] if kind == "/Font" else page.obj
        place[kind] = pikepdf.Array([0, 0, 0, 0]) if kind == "/MediaBox" else made.make_stream(b"(") if kind == "/Contents" else 45
        damaged = pdfs.saved(made)
    found = pdf.over_pdf(read(), damaged)
    with pypdfium2.PdfDocument(found) as opened:
        assert "Hello wide world" in opened[0].get_textpage().get_text_range()


def test_the_paper_in_word_is_as_large_as_the_units_of_its_page_make_it() -> None:
    """A4 in units of two points."""
    data = pdfs.of_text(["Hello wide world"], MediaBox=pikepdf.Array([0, 500, 297.5, 921]), UserUnit=2)
    job = Job("drawing", data, ["docx"], Limits(), "only")
    (sheet,) = job.sheets()
    job.take(sheet, [line("Hello wide world", 100, 100)])
    (section,) = docx.Document(io.BytesIO(job.files()["drawing.docx"])).sections
    sides = [side.inches for side in (section.page_width, section.page_height) if side]
    assert sides == pytest.approx([8.26, 11.69], abs=0.02)


def test_slanted_and_upright_lines() -> None:
    down = {"text": "wide", "confidence": 0.9, "text_region": [[700, 100], [740, 100], [740, 300], [700, 300]]}
    turned = math.radians(10)
    x, y = np.array([math.cos(turned), math.sin(turned)]), np.array([-math.sin(turned), math.cos(turned)])
    corners = [np.array([100, 300]) + a * x + b * y for a, b in ((0, 0), (300, 0), (300, 40), (0, 40))]
    slanted = {"text": "Hello world", "confidence": 0.9, "text_region": [list(map(float, corner)) for corner in corners]}
    whole = document(build.page([down, slanted], None, size=(WIDTH, HEIGHT)))
    data = pdf.of_images(whole, [b""], [picture()])
    places = by_pdfium(data)
    assert set(places) == {"wide", "Hello", "world"}
    assert places["wide"] == pytest.approx((700 / WIDTH, 100 / HEIGHT, 740 / WIDTH, 300 / HEIGHT), abs=0.02)
    assert places["world"][1] > places["Hello"][1]


@pytest.mark.parametrize("degrees", [-6, 3])
def test_letters_of_a_word_stand_level_on_a_page_that_lies_aslant(degrees: float) -> None:
    """Poppler takes a word apart, "wi" and "de", whose letters climb or fall."""
    turned = math.radians(degrees)
    along, down = np.array([math.cos(turned), math.sin(turned)]), np.array([-math.sin(turned), math.cos(turned)])
    corners = [np.array([100, 300]) + a * along + b * down for a, b in ((0, 0), (500, 0), (500, 40), (0, 40))]
    aslant = {"text": "Hello wide world", "confidence": 0.9, "text_region": [corner.tolist() for corner in corners]}
    whole = document(build.page([aslant], None, size=(WIDTH, HEIGHT)))
    data = pdf.of_images(whole, [b""], [picture()])
    with pypdfium2.PdfDocument(data) as opened:
        text = opened[0].get_textpage()
        said = text.get_text_range()
        for word in whole.lines[0].words:
            at = said.index(word.text)
            lows = [text.get_charbox(n, loose=True)[1] for n in range(at, at + len(word.text))]
            assert max(lows) - min(lows) < 0.01, word.text
    places = by_pdfium(data)
    for word in whole.lines[0].words:
        x1, y1, x2, y2 = (side / whole_side for side, whole_side in zip(word.box, (WIDTH, HEIGHT) * 2, strict=True))
        left, top, right, bottom = places[word.text]
        assert (left + right, top + bottom) == pytest.approx((x1 + x2, y1 + y2), abs=0.005), "in the middle of its ink"


@pytest.mark.parametrize("said", ["مرحبا بالعالم هذا نص", "שלום עולם 2026 (זה) טקסט", "Hello שלום world"])
def test_what_is_read_from_the_right_is_found_as_it_is_written(said: str) -> None:
    whole = document(build.page([line(said, 100, 90, 600, 40)], None, size=(WIDTH, HEIGHT)))
    data = pdf.of_images(whole, [b""], [picture()])
    with pypdfium2.PdfDocument(data) as opened:
        text = opened[0].get_textpage()
        assert text.get_text_range().strip() == said
        if said[0] > "z":
            boxes = [text.get_charbox(text.get_text_range().index(word), loose=True) for word in said.split()]
            assert boxes == sorted(boxes, reverse=True), "the first word is the rightmost"


MIXED = "مرحبا بكم في شركة Acme & Sons 2026 في مدينة الرياض"
SEEN = ["الرياض", "مدينة", "في", "Acme", "&", "Sons", "2026", "شركة", "في", "بكم", "مرحبا"]


@pytest.mark.parametrize("told", [False, True])
def test_a_phrase_of_another_direction_keeps_its_order_in_a_line_of_arabic(told: bool) -> None:
    said = line(MIXED, 100, 90, 600, 40)
    if told:
        sides = [(50 + 66 * n, 110 + 66 * n) for n in range(len(SEEN))]
        said["words"] = [
            {"text": word, "confidence": 0.9, "text_region": [[left, 90], [right, 90], [right, 130], [left, 130]]}
            for word, (left, right) in zip(SEEN, sides, strict=True)
        ]
    whole = document(build.page([said], None, size=(WIDTH, HEIGHT)))
    words = whole.lines[0].words
    assert [word.text for word in words] == MIXED.split()
    assert [word.text for word in sorted(words, key=lambda word: word.box[0])] == SEEN
    data = pdf.of_images(whole, [b""], [picture()])
    # This reader leaves words as they follow each other in the file, where PDFium turns such phrases round itself.
    assert pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text().split() == SEEN
    with pypdfium2.PdfDocument(data) as opened:
        assert len(opened[0].get_textpage().get_text_range().splitlines()) == 1


def test_a_letter_alone_does_not_run_down_the_page() -> None:
    whole = document(build.page([line("I", 100, 100, 12, 40), line("Hello", 100, 300, 120, 40)], None, size=(WIDTH, HEIGHT)))
    with pypdfium2.PdfDocument(pdf.of_images(whole, [b""], [picture()])) as opened:
        text = opened[0].get_textpage()
        turns = [
            pypdfium2.raw.FPDFText_GetCharAngle(text.raw, n) for n in (text.get_text_range().index(word) for word in ("I", "Hello"))
        ]
    assert turns == pytest.approx([0, 0])
