"""Files as they are, in forms and as bodies: answered and bounded as the JSON call is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from helpers import pdfs
from helpers.services import ECHO, GOLDEN, Service, b64, serve
from ocr_serving import data
from ocr_serving.server import demo

PICTURE = data.WARMUP.read_bytes()
Part = tuple[str, tuple[str | None, bytes]]


def form(service: Service, *parts: Part, query: str = "", module: str = "echo", **headers: str) -> requests.Response:
    return requests.post(f"{service.url}/predict/{module}{query}", files=list(parts), headers=headers, timeout=60)


def body(service: Service, content: bytes, kind: str, query: str = "", module: str = "echo") -> requests.Response:
    return requests.post(f"{service.url}/predict/{module}{query}", content, headers={"Content-Type": kind}, timeout=60)


def file(content: bytes = PICTURE, name: str = "a.png", field: str = "file") -> Part:
    return field, (name, content)


def text(name: str, value: str) -> Part:
    return name, (None, value.encode())


def sizes(response: requests.Response) -> list[Any]:
    answer = response.json()
    assert (response.status_code, answer["status"]) == (200, "000"), response.text
    return [entry and (entry["height"], entry["width"], entry["mean"]) for entry in answer["results"]]


def test_forms_and_bodies_are_answered_as_json_is(echo: Service) -> None:
    as_json = sizes(echo.post("echo", {"images": [b64(PICTURE)]}))
    assert sizes(form(echo, file())) == as_json
    for kind in ("image/png", "IMAGE/PNG", "application/octet-stream"):
        assert sizes(body(echo, PICTURE, kind)) == as_json
    pdf = pdfs.of_text(["one"], ["two"])
    assert (
        sizes(form(echo, file(pdf, "a.pdf")))
        == sizes(body(echo, pdf, "application/pdf"))
        == sizes(echo.post("echo", {"images": [b64(pdf)]}))
    )


def test_several_files_are_answered_in_their_order(echo: Service) -> None:
    answer = form(echo, file(), file(b"no image", "b.png"), file(pdfs.of_text(["one"]), "c.pdf")).json()
    assert [bool(entry) for entry in answer["results"]] == [True, False, True]
    assert answer["msg"].startswith("images[1] cannot be decoded")


@pytest.mark.parametrize("value", ["0", "0.01", " 1e-2"])
def test_arguments_are_fields_of_the_form_or_stand_in_the_query(echo: Service, value: str) -> None:
    assert sizes(form(echo, text("delay", value), file()))
    assert sizes(form(echo, file(), query=f"?delay={value}&keep_mb=0"))
    assert sizes(body(echo, PICTURE, "image/png", f"?delay={value}"))


def test_words_stay_words(echo: Service) -> None:
    # "nan" is a number elsewhere; `fault` is a string.
    assert form(echo, file(), text("fault", "nan")).status_code == 500
    assert sizes(form(echo, file(), text("fault", "7")))


@pytest.mark.parametrize(
    ("parts", "query", "sentence"),
    [
        ([file(field="document")], "", "A file is in the field 'document': name it 'file'"),
        ([text("delay", "0")], "", "The form has no file"),
        ([text("file", "scan.pdf")], "", "'file' was sent as text and not as a file: write curl -F file=@page.png, with an @."),
        ([file(), text("images", "[]")], "", "'images' is no field of a form: send the files as 'file', or all as JSON; not both."),
        ([file(), text("paths", "/etc/passwd")], "", "'paths' is no field of a form"),
        ([file(b"", "empty.png")], "", "The file 'empty.png' (images[0]) is empty"),
        ([file(), text("delay", "0")], "?delay=1", "'delay' is given in the query and in the form: give it once."),
        ([file(), text("delay", "0"), text("delay", "1")], "", "'delay' is given 2 times in the form: give it once."),
        ([file()], "?delay=0&delay=1", "'delay' is given more than once in the query"),
        ([file()], "?images=x", "Images are not sent in the query"),
        ([file(), text("delay", "soon")], "", "delay"),
        ([file(), text("dealy", "1")], "", "unexpected keyword argument 'dealy' (did you mean 'delay'?)"),
        ([file(), text("keep_mb", "1.5")], "", "keep_mb"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(echo: Service, parts: list[Part], query: str, sentence: str) -> None:
    response = form(echo, *parts, query=query)
    assert (response.status_code, response.json()["status"]) == (400, "101")
    assert sentence in response.json()["msg"]


def test_a_form_that_breaks_off_and_a_body_of_nothing(echo: Service) -> None:
    kind = "multipart/form-data; boundary=x"
    broken = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
    assert "The form cannot be read" in body(echo, broken, kind).json()["msg"]
    assert body(echo, b"", "image/png").json()["msg"] == "The body is empty: send the file as the body."
    # No form at all is the old protocol still.
    response = body(echo, b"abc", kind)
    assert (response.status_code, response.json()["status"]) == (415, "112")
    assert "curl -F file=@page.png" in response.json()["msg"]


def test_the_bounds_hold(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sesame\n")
    limits: dict[str, Any] = {"max_body_mb": 1, "max_images": 2, "api_keys_file": str(keys)}
    with serve(tmp_path, {str(ECHO): {}}, workers=1, **limits) as service:
        key = {"X-API-Key": "sesame"}
        assert form(service, file()).status_code == 401
        assert sizes(form(service, file(), file(), **key))
        refused = form(service, file(), file(), file(), **key)
        assert (refused.status_code, refused.json()["msg"].partition(" (")[0]) == (
            413,
            "3 files are over the limit of 2 in one request",
        )
        many = form(service, *(text(f"a{n}", "1") for n in range(200)), **key)
        assert (many.status_code, "more than 102 parts" in many.json()["msg"]) == (413, True)
        assert form(service, file(bytes(2 << 20)), **key).status_code == 413
        assert form(service, file(), text("fault", "x" * (1 << 19)), **key).status_code == 200


@pytest.mark.curl
def test_the_line_that_a_start_prints_works(echo: Service, tmp_path: Path) -> None:
    page = tmp_path / "a page.png"
    page.write_bytes(PICTURE)
    line = demo.curl(f"{echo.url}/predict/echo", page)
    answer = json.loads(subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=60).stdout)
    assert answer["status"] == "000"
    assert answer["results"][0]["height"] == 90


@pytest.mark.models
def test_documents_are_made_of_forms_and_of_bodies_too(structure: Service) -> None:
    pdf = pdfs.of_text(["A line that was typed"])
    for url in (f"{structure.url}/convert/txt", f"{structure.url}/predict/structure_system?output=txt"):
        made = requests.post(url, files={"file": ("a.pdf", pdf)}, data={"pdf_text": "only"}, timeout=60)
        assert (made.status_code, made.text.strip()) == (200, "A line that was typed")
        raw = requests.post(url, pdf, headers={"Content-Type": "application/pdf"}, params={"pdf_text": "only"}, timeout=60)
        assert raw.content == made.content


@pytest.mark.models
def test_typed_arguments_of_a_real_module(ocr: Service) -> None:
    page = (GOLDEN / "pages" / "table_crop.jpg").read_bytes()
    query = "?return_words=true&drop_score=0.5&det_limit_type=max&det_limit_side_len=960"
    response = form(ocr, file(page), query=query, module="ocr_system")
    assert all(line["words"] for line in response.json()["results"][0])
