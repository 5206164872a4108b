"""What the page at `/` asks the service: a page's picture, some pages of a file, and the files of a tree with corrections."""

from __future__ import annotations

import io
import json
from typing import Any

import docx
import openpyxl
import PIL.Image
import pypdf
import pytest
import requests

from helpers import pdfs
from helpers.services import GOLDEN, Service, b64
from ocr_serving import data

pytestmark = pytest.mark.models

THREE = pdfs.of_text(["The first page of all"], ["The second page of all"], ["The third page of all"])
TABLE = (GOLDEN / "pages" / "table_page.jpg").read_bytes()


def read(service: Service, file: bytes, **keys: Any) -> requests.Response:
    return requests.post(f"{service.url}/convert/json", json={"images": [b64(file)]} | keys, timeout=120)


def write(service: Service, form: str, document: Any, *files: bytes, **keys: Any) -> requests.Response:
    body = {"document": document} | keys | ({"images": [b64(file) for file in files]} if files else {})
    kind = {"Content-Type": "application/json"}
    return requests.post(f"{service.url}/convert/{form}", json.dumps(body).encode(), headers=kind, timeout=120)


@pytest.fixture(scope="module")
def tree(structure: Service) -> Any:
    return read(structure, data.PAGE.read_bytes()).json()


def test_each_page_of_a_file_is_shown_with_its_size_and_how_many_there_are(structure: Service) -> None:
    answer = requests.post(f"{structure.url}/pages/2", THREE, headers={"Content-Type": "application/pdf"}, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["X-OCR-Pages"] == "3"
    # 595 points at 150 pixels to the inch.
    assert answer.headers["X-OCR-Page-Size"] == "1240x1755"
    assert PIL.Image.open(io.BytesIO(answer.content)).size == (1240, 1755)
    out = io.BytesIO()
    PIL.Image.new("L", (3000, 1000), 255).save(out, "TIFF")
    answer = requests.post(f"{structure.url}/pages/1", out.getvalue(), headers={"Content-Type": "image/tiff"}, timeout=60)
    assert answer.headers["X-OCR-Page-Size"] == "3000x1000"
    assert PIL.Image.open(io.BytesIO(answer.content)).size == (1800, 600)


@pytest.mark.parametrize(
    ("path", "kind", "code", "sentence"),
    [
        ("pages/4", "application/pdf", 400, "The file has 3 pages, so that there is no page 4."),
        ("pages/0", "application/pdf", 400, "pages count from 1"),
        ("pages/1", "application/json", 415, "send it as the body"),
    ],
)
def test_what_is_no_page_is_said(structure: Service, path: str, kind: str, code: int, sentence: str) -> None:
    answer = requests.post(f"{structure.url}/{path}", THREE, headers={"Content-Type": kind}, timeout=60)
    assert answer.status_code == code
    assert sentence in answer.json()["msg"]


def test_pages_are_chosen_also_beyond_the_most_of_one_request(structure: Service) -> None:
    answer = read(structure, THREE, pages="3")
    assert answer.headers["X-OCR-Pages"] == "3"
    assert [page["number"] for page in answer.json()["pages"]] == [3]
    assert "third" in json.dumps(answer.json())
    assert [page["number"] for page in read(structure, THREE, pages="2-9").json()["pages"]] == [2, 3]
    cut = read(structure, pdfs.of_text(*[["A page with a line"]] * 5), pages="2-5")
    assert [page["number"] for page in cut.json()["pages"]] == [2, 3]
    assert "5 pages, of which only 2 to 3 were read" in cut.headers["X-OCR-Remarks"]
    assert "there is no page 4" in read(structure, THREE, pages="4").json()["msg"]
    for wrong in ("0", "3-2", "two", 1.5, [1], True):
        assert read(structure, THREE, pages=wrong).status_code == 400


def test_a_correction_is_in_every_format(structure: Service, tree: Any) -> None:
    changed = json.loads(json.dumps(tree))
    block = next(block for block in changed["pages"][0]["blocks"] if block["kind"] in ("heading", "paragraph"))
    line = block["lines"][0]
    block["text"] = block["text"].replace(line["text"], "Korrigiert")
    line |= {"text": "Korrigiert", "words": []}
    table = next(block for block in changed["pages"][0]["blocks"] if block["kind"] == "table")
    table["cells"][0]["text"] = "Zelle"
    word = docx.Document(io.BytesIO(write(structure, "docx", changed).content))
    assert "Korrigiert" in " ".join(paragraph.text for paragraph in word.paragraphs)
    assert word.tables[0].cell(0, 0).text == "Zelle"
    sheet = openpyxl.load_workbook(io.BytesIO(write(structure, "xlsx", changed).content)).worksheets[0]
    assert sheet["A1"].value == "Zelle"
    for form in ("txt", "markdown", "html", "json", "hocr", "alto"):
        assert "Korrigiert" in write(structure, form, changed).text, form
    shown = pypdf.PdfReader(io.BytesIO(write(structure, "pdf", changed, data.PAGE.read_bytes()).content)).pages[0].extract_text()
    assert "Korrigiert" in shown


def test_words_go_to_the_page_of_a_pdf_that_they_were_read_on(structure: Service) -> None:
    scan = io.BytesIO()
    PIL.Image.open(io.BytesIO(TABLE)).convert("RGB").save(
        scan, "PDF", save_all=True, append_images=[PIL.Image.new("RGB", (600, 800), "white")], resolution=150
    )
    third = read(structure, scan.getvalue(), pages="1").json()
    third["pages"][0]["number"] = 2
    pages = pypdf.PdfReader(io.BytesIO(write(structure, "pdf", third, scan.getvalue()).content)).pages
    assert len(pages) == 2
    assert "Africa" not in pages[0].extract_text()
    assert "Africa" in pages[1].extract_text()


def _with(tree: Any, change: Any) -> Any:
    copy = json.loads(json.dumps(tree))
    change(copy, next(block for block in copy["pages"][0]["blocks"] if block["kind"] == "table"))
    return copy


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tree, table: tree.pop("pages"), "has 0 pages"),
        (lambda tree, table: tree["pages"][0].update(number=0), "number the pages upwards"),
        (lambda tree, table: tree["pages"][0].update(width=0), "send its size"),
        (lambda tree, table: table.update(rows=10**9), "send 1 to 20000 cells"),
        (lambda tree, table: table["cells"][0].update(row=-1), "not on its grid"),
        (lambda tree, table: table["cells"][0].update(columns=3), "two cells"),
        (lambda tree, table: table.update(box=[1e999, 0, 0, 0]), "not on any page"),
        (lambda tree, table: table.update(kind="poem"), "'poem'"),
        (lambda tree, table: table.update(cell=1), "document"),
    ],
)
def test_a_tree_that_is_none_is_one_sentence(structure: Service, tree: Any, change: Any, sentence: str) -> None:
    answer = write(structure, "docx", _with(tree, change))
    assert answer.status_code == 400
    assert sentence in answer.json()["msg"]


def test_a_tree_is_a_part_of_a_form_too_however_long(structure: Service, tree: Any) -> None:
    # Longer than all fields of a form that are no files may be.
    page = tree["pages"][0]
    many = tree | {"pages": [page | {"number": n + 1} for n in range(1 + (3 << 20) // len(json.dumps(page)))]}
    url = f"{structure.url}/convert/txt"
    sent = requests.post(url, files={"document": ("document.json", json.dumps(many))}, timeout=120)
    assert sent.status_code == 200, sent.text
    assert sent.text.count("INVOICE") == len(many["pages"])
    with_file: dict[str, Any] = {"document": ("document.json", json.dumps(tree)), "file": data.PAGE.read_bytes()}
    made = requests.post(f"{structure.url}/convert/pdf", files=with_file, timeout=120)
    assert made.content.startswith(b"%PDF")
    twice = [("document", ("a.json", "{}")), ("document", ("b.json", "{}"))]
    assert "'document' is given 2 times" in requests.post(url, files=twice, timeout=60).json()["msg"]


def test_what_does_not_go_with_a_tree_is_said(structure: Service, tree: Any) -> None:
    assert "send their files" in write(structure, "pdf", tree).json()["msg"]
    url = f"{structure.url}/convert/docx"
    both = requests.post(url, json={"document": tree, "return_lines": True}, timeout=60)
    assert "'return_lines' does not go with document" in both.json()["msg"]
    assert "'images' must be a list" in requests.post(url, json={"document": tree, "images": "x"}, timeout=60).json()["msg"]
    assert "must be an object" in requests.post(url, json={"document": 1}, timeout=60).json()["msg"]
    assert "join_pages: takes true or false" in write(structure, "docx", tree, join_pages="yes").json()["msg"]


def test_pages_that_were_read_one_by_one_have_the_headers_of_the_whole(structure: Service) -> None:
    def text(kind: str, said: str, top: float, **more: Any) -> dict[str, Any]:
        quad = [[100, top], [700, top], [700, top + 30], [100, top + 30]]
        line = {"text": said, "quad": quad, "confidence": 0.9, "source": "ocr", "words": []}
        return {"kind": kind, "box": [100, top, 700, top + 30], "text": said, "lines": [line], **more}

    pages = [
        {
            "number": number,
            "width": 1000,
            "height": 1400,
            "blocks": [
                text("paragraph", f"Northwind Annual Report, page {number}", 40),
                text("heading", f"Part {number}", 300, level=1),
                text("paragraph", f"What is told of part {number}.", 400),
            ],
        }
        for number in (1, 2, 3)
    ]
    document = {"version": 1, "title": "report", "pages": pages, "fields": []}
    whole = write(structure, "json", document, join_pages=True).json()
    told = [[(block["kind"], block.get("level")) for block in page["blocks"]] for page in whole["pages"]]
    others = [("header", None), ("heading", 2), ("paragraph", None)]
    assert told == [[("header", None), ("heading", 1), ("paragraph", None)], others, others]
    form = {"document": ("document.json", json.dumps(document), "application/json")}
    sent = requests.post(f"{structure.url}/convert/json", data={"join_pages": "true"}, files=form, timeout=60)
    assert sent.json() == whole
    as_sent = write(structure, "json", document).json()
    assert {page["blocks"][0]["kind"] for page in as_sent["pages"]} == {"paragraph"}
