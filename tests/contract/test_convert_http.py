"""`POST /convert/<format>`: documents over HTTP."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any
from urllib.parse import unquote

import docx
import jsonschema
import numpy as np
import openpyxl
import pikepdf
import PIL.Image
import pypdf
import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from helpers import pdfs
from helpers.services import GOLDEN, Service, b64

PAGE = (GOLDEN / "pages" / "table_page.jpg").read_bytes()
FORMATS = ("txt", "markdown", "html", "docx", "xlsx", "csv", "json", "pdf", "hocr", "alto")
WORDS = ["Quarterly", "Africa", "2,162"]
OWN = ["Typed and never scanned", "in one and the same PDF", "is a line of its own"]
LAST = "The box of 40 is open"

pytestmark = pytest.mark.models


def convert(service: Service, path: str, *files: bytes, **keys: Any) -> requests.Response:
    return requests.post(f"{service.url}/convert/{path}", json={"images": [b64(file) for file in files]} | keys, timeout=120)


def words(form: str, content: bytes) -> str:
    """The text that a program for `form` shows."""
    if form == "docx":
        found = docx.Document(io.BytesIO(content))
        cells = [cell.text for grid in found.tables for row in grid.rows for cell in row.cells]
        return " ".join([paragraph.text for paragraph in found.paragraphs] + cells)
    if form == "xlsx":
        return " ".join(str(cell.value) for sheet in openpyxl.load_workbook(io.BytesIO(content)) for row in sheet for cell in row)
    if form == "pdf":
        return pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    return content.decode("utf-8-sig")


@pytest.fixture(scope="module")
def all_formats(structure: Service) -> dict[str, bytes]:
    """The page in all formats, by format."""
    response = convert(structure, ",".join(FORMATS), PAGE)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return dict(zip(FORMATS, (archive.read(name) for name in archive.namelist()), strict=True))


@pytest.mark.parametrize("form", FORMATS)
def test_each_format(all_formats: dict[str, bytes], form: str) -> None:
    text = words(form, all_formats[form])
    assert "Africa" in text
    assert ("2162" if form == "xlsx" else "2,162") in text


def test_one_format_is_the_file_itself(structure: Service, all_formats: dict[str, bytes]) -> None:
    response = convert(structure, "hocr", PAGE)
    described = requests.get(f"{structure.url}/openapi.json", timeout=10).json()["paths"]["/convert/hocr"]["post"]
    assert response.headers["Content-Type"].partition(";")[0] in described["responses"]["200"]["content"]
    assert response.headers["Content-Disposition"] == 'attachment; filename="document.hocr"'
    assert b"Africa" in response.content


def test_the_description_is_valid_and_the_tree_is_as_described(structure: Service) -> None:
    document = requests.get(f"{structure.url}/openapi.json", timeout=10).json()
    OpenAPIV31SpecValidator(document).validate()
    tree = convert(structure, "json", PAGE).json()
    jsonschema.validate(tree, {"$ref": "#/components/schemas/DocumentTree", "components": document["components"]})
    tree["pages"][0]["blocks"][0]["kind"] = "poem"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, {"$ref": "#/components/schemas/DocumentTree", "components": document["components"]})


def test_a_file_as_the_body_several_formats_and_the_other_ways_to_ask(structure: Service) -> None:
    raw = requests.post(f"{structure.url}/convert/txt,json", PAGE, headers={"Content-Type": "image/jpeg"}, timeout=120)
    with zipfile.ZipFile(io.BytesIO(raw.content)) as archive:
        assert archive.namelist() == ["document.txt", "document.json"]
        text = archive.read("document.txt")
    assert structure.post("structure_system?output=txt", {"images": [b64(PAGE)]}).content == text
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    accepted = structure.post("structure_system", {"images": [b64(PAGE)]}, headers={"Accept": kind})
    assert accepted.headers["Content-Type"] == kind
    plain = structure.post("structure_system", {"images": [b64(PAGE)]}, headers={"Accept": "text/html, */*"})
    assert plain.json()["status"] == "000"
    heavier = {"Accept": f"text/html, application/json;q=0.2, {kind};q=0.9, text/vnd.hocr+html;q=0"}
    assert structure.post("structure_system", {"images": [b64(PAGE)]}, headers=heavier).headers["Content-Type"] == kind


def sources(tree: Any) -> set[str]:
    return {line["source"] for page in tree["pages"] for block in page["blocks"] for line in block.get("lines", [])}


def test_a_pdfs_own_text_is_taken_where_it_is_sound(structure: Service) -> None:
    data = pdfs.of_text(OWN)
    assert sources(convert(structure, "json", data).json()) == {"pdf"}
    assert sources(convert(structure, "json", data, pdf_text="never").json()) == {"ocr"}
    text = convert(structure, "txt", data).text
    assert text.split() == " ".join(OWN).split()
    layer = pdfs.of_text(OWN, mode=3)
    assert sources(convert(structure, "json", layer).json()) == set()
    assert convert(structure, "txt", layer, pdf_text="only").text.split() == " ".join(OWN).split()


def test_text_that_is_not_what_the_page_shows_is_not_taken(structure: Service) -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(OWN))) as made:
        # Each letter says that it is the next one of the alphabet.
        cmap = b"1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <21> <7d> <0022> endbfrange"
        made.pages[0].obj["/Resources"]["/Font"]["/F1"]["/ToUnicode"] = made.make_stream(cmap)
        data = pdfs.saved(made)
    tree = convert(structure, "json", data).json()
    assert sources(tree) == {"ocr"}
    assert "scanned" in convert(structure, "txt", data).text


def test_one_font_that_does_not_say_what_it_shows_is_found(structure: Service) -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(OWN))) as made:
        page = made.pages[0]
        fonts = page.obj["/Resources"]["/Font"]
        cmap = b"1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <20> <7d> <0021> endbfrange"
        lying = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Courier)
        lying["/ToUnicode"] = made.make_stream(cmap)
        fonts["/F2"] = made.make_indirect(lying)
        page.contents_add(b"BT /F1 14 Tf 60 600 Td (Sum) Tj /F2 14 Tf 40 0 Td (1250.00) Tj ET")
        data = pdfs.saved(made)
    assert sources(convert(structure, "json", data).json()) == {"ocr"}
    assert "1250.00" in convert(structure, "txt", data).text


@pytest.mark.parametrize("unknown", [b"E000", b"0002", b"FFFD"])
def test_a_line_with_a_letter_that_its_font_does_not_tell_is_read(structure: Service, unknown: bytes) -> None:
    """As with ligatures, of fonts of which a program put a part into the file."""
    with pikepdf.open(io.BytesIO(pdfs.of_text([*OWN, LAST]))) as made:
        ranges = b"2 beginbfrange <20> <77> <0020> <79> <7d> <0079> endbfrange 1 beginbfchar <78> <%b> endbfchar" % unknown
        cmap = b"1 begincodespacerange <00> <ff> endcodespacerange " + ranges
        made.pages[0].obj["/Resources"]["/Font"]["/F1"]["/ToUnicode"] = made.make_stream(cmap)
        data = pdfs.saved(made)
    tree = convert(structure, "json", data).json()
    assert sources(tree) == {"pdf", "ocr"}
    lines = [line for page in tree["pages"] for block in page["blocks"] for line in block["lines"]]
    assert [(line["text"], line["source"]) for line in lines] == [*((text, "pdf") for text in OWN), (LAST, "ocr")]
    searched = pypdf.PdfReader(io.BytesIO(convert(structure, "pdf", data).content))
    assert searched.pages[0].extract_text().split() == " ".join([*OWN, LAST]).split(), "each word once"


def test_text_that_nobody_sees_is_not_taken(structure: Service) -> None:
    hidden = {
        "white": "1 1 1 rg BT /F1 14 Tf 60 700 Td (paper) Tj ET 0 g",
        "covered": "BT /F1 14 Tf 60 670 Td (censored) Tj ET 50 664 120 20 re f",
        "clear": "q /G gs BT /F1 14 Tf 60 640 Td (ghostly) Tj ET Q",
        "off": "/OC /P BDC BT /F1 14 Tf 60 610 Td (layered) Tj ET EMC",
    }
    with pikepdf.open(io.BytesIO(pdfs.of_text(OWN))) as made:
        layer = made.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.OCG, Name="off"))
        made.Root["/OCProperties"] = pikepdf.Dictionary(
            OCGs=pikepdf.Array([layer]), D=pikepdf.Dictionary(OFF=pikepdf.Array([layer]))
        )
        resources = made.pages[0].obj["/Resources"]
        resources["/ExtGState"] = pikepdf.Dictionary(G=pikepdf.Dictionary(ca=0))
        resources["/Properties"] = pikepdf.Dictionary(P=layer)
        made.pages[0].contents_add("\n".join(hidden.values()).encode())
        data = pdfs.saved(made)
    tree = convert(structure, "json", data).json()
    assert sources(tree) == {"pdf"}
    assert convert(structure, "txt", data).text.split() == " ".join(OWN).split()
    only = convert(structure, "txt", data, pdf_text="only").text.split()
    assert {"paper", "censored", "ghostly"} <= set(only)


def test_a_module_that_tells_no_lines_reads_a_pdf_that_has_text_of_its_own(structure: Service) -> None:
    pdf = pdfs.of_tables([["Item", "Qty", "Price"], ["Pump", "2", "310.00"], ["Valve", "5", "12.50"]])
    made = requests.post(f"{structure.url}/predict/structure_table?output=csv", files={"file": pdf}, timeout=60)
    assert (made.status_code, made.content.splitlines()[1:]) == (200, [b"Pump,2,310.00", b"Valve,5,12.50"])


def test_pictures_in_a_pdf_with_text_are_read(structure: Service) -> None:
    scan = PIL.Image.open(io.BytesIO(PAGE)).crop((300, 30, 1060, 90))
    data = pdfs.with_picture(pdfs.of_text(OWN), scan, (60, 400, 456, 36))
    assert sources(convert(structure, "json", data).json()) == {"pdf", "ocr"}
    text = convert(structure, "txt", data).text
    assert "Quarterly" in text
    assert text.count("Typed") == 1
    found = pypdf.PdfReader(io.BytesIO(convert(structure, "pdf", data).content)).pages[0].extract_text()
    assert found.count("Quarterly") == 1
    assert found.count("Typed") == 1


def test_little_that_was_filled_into_a_form_is_read(structure: Service) -> None:
    with pikepdf.open(io.BytesIO(pdfs.of_text(OWN))) as made:
        page = made.pages[0]
        fonts = page.obj["/Resources"]
        look = made.make_stream(b"BT /F1 14 Tf 2 5 Td (42) Tj ET", Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form)
        look["/BBox"], look["/Resources"] = pikepdf.Array([0, 0, 120, 20]), fonts
        field = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, FT=pikepdf.Name.Tx, T="sum", V="42", F=4)
        field["/Rect"], field["/AP"] = pikepdf.Array([60, 600, 180, 620]), pikepdf.Dictionary(N=look)
        page.obj["/Annots"] = pikepdf.Array([made.make_indirect(field)])
        made.Root["/AcroForm"] = pikepdf.Dictionary(Fields=page.obj["/Annots"])
        data = pdfs.saved(made)
    tree = convert(structure, "json", data).json()
    assert sources(tree) == {"pdf", "ocr"}
    assert convert(structure, "txt", data).text.split() == [*" ".join(OWN).split(), "42"]


def test_images_are_the_pages_of_one_document_and_what_is_not_read_is_said(structure: Service) -> None:
    blank = io.BytesIO()
    PIL.Image.fromarray(np.full((200, 300, 3), 255, np.uint8)).save(blank, "PNG")
    response = convert(structure, "json", PAGE, b"no image", blank.getvalue())
    assert [page["number"] for page in response.json()["pages"]] == [1, 2, 3]
    assert "images[1] cannot be decoded" in unquote(response.headers["X-OCR-Remarks"])
    assert len(pypdf.PdfReader(io.BytesIO(convert(structure, "pdf", PAGE, blank.getvalue()).content)).pages) == 2
    cut = convert(structure, "txt", pdfs.of_text(["one"], ["two"], ["three"]))
    assert "max_pdf_pages" in unquote(cut.headers["X-OCR-Remarks"])


def test_words_are_those_that_the_recogniser_placed(all_formats: dict[str, bytes]) -> None:
    (tree,) = json.loads(all_formats["json"])["pages"]
    lines = [line for block in tree["blocks"] for line in [*block.get("lines", []), *cells(block)]]
    several = [line for line in lines if len(line["words"]) > 1]
    assert len(several) > 5
    for line in several:
        assert len({line["confidence"], *(word["confidence"] for word in line["words"])}) == len(line["words"]) + 1


def cells(block: dict[str, Any]) -> list[Any]:
    return [line for cell in block.get("cells", []) for line in cell["lines"]]


def test_a_table_over_two_pages_is_one(structure: Service) -> None:
    head = ["Item", "Description", "Qty", "Amount"]
    rows = [[f"{n:03d}", ("Steel bearing", "Conveyor belt", "Fuse box")[n % 3], str(n % 7 + 1), f"{n}.50"] for n in range(1, 41)]
    whole = pdfs.of_tables([head, *rows[:31]], [head, *rows[31:]])
    sheets = openpyxl.load_workbook(io.BytesIO(convert(structure, "xlsx", whole).content)).worksheets
    assert len(sheets) == 1
    first, *others = sheets[0].values
    assert list(first) == head
    assert [row[3] for row in others] == [n + 0.5 for n in range(1, 41)]
    apart = openpyxl.load_workbook(io.BytesIO(convert(structure, "xlsx", whole, join_tables=False).content)).worksheets
    assert [sheet.max_row for sheet in apart] == [32, 10]


@pytest.mark.parametrize(
    ("path", "body", "code", "sentence"),
    [
        ("docs", {"images": [b64(PAGE)]}, 404, "'docs' is no format (did you mean 'docx'?)"),
        ("txt", {"images": []}, 400, "'images' is empty"),
        ("txt", {"images": [b64(b"no image")]}, 400, "images[0] cannot be decoded"),
        ("txt", {"images": [b64(PAGE)], "pdf_text": "some"}, 400, "pdf_text: takes one of auto, never, only"),
        ("txt", {"images": [b64(PAGE)], "join_tables": "no"}, 400, "join_tables: takes true or false"),
        ("txt", {"images": [b64(PAGE)], "foo": 1}, 400, "'foo'"),
    ],
)
def test_mistakes_are_one_sentence(structure: Service, path: str, body: Any, code: int, sentence: str) -> None:
    response = requests.post(f"{structure.url}/convert/{path}", json=body, timeout=60)
    assert response.status_code == code
    assert sentence in response.json()["msg"]
    assert response.json()["status"] == "101"


def test_a_service_of_lines_alone_makes_documents_too(ocr: Service) -> None:
    response = convert(ocr, "pdf", PAGE)
    assert "Africa" in words("pdf", response.content)
    assert json.loads(convert(ocr, "json", PAGE).content)["pages"][0]["blocks"]


def test_without_such_a_module_it_is_said(echo: Service) -> None:
    response = convert(echo, "txt", PAGE)
    assert response.status_code == 404
    assert "serve structure_system or ocr_system" in response.json()["msg"]
