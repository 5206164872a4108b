"""Documents and hostile files over HTTP: each in its place, what is left out in `msg`, and the worker goes on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import PIL.Image
import pypdf
import pytest
import requests

from helpers import answers, pdf_bombs, pdfs
from helpers.services import Service, b64
from ocr_serving.output import build
from ocr_serving.output import json as json_format

HOSTILE = Path(__file__).parents[1] / "services" / "decoding" / "hostile"


def tiff(*sizes: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    first, *others = [PIL.Image.new("RGB", size) for size in sizes]
    first.save(file, "TIFF", save_all=True, append_images=others)
    return file.getvalue()


def test_hostile_files_have_their_reasons_and_others_their_results(echo: Service) -> None:
    bomb = (HOSTILE / "pdf_flate3_1GB.pdf").read_bytes()
    slow = (HOSTILE / "ccitt_slow.pdf").read_bytes()
    restarts = echo.metrics()["ocr_serving_worker_restarts"]
    answer = echo.post("echo", {"images": [b64(data) for data in (tiff((30, 20), (60, 40)), bomb, slow, tiff((9, 8)))]})
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"]) == (200, "000")
    assert [entry and (entry["width"], entry["height"]) for entry in body["results"]] == [(30, 20), (60, 40), [], [], (9, 8)]
    assert "images[1]: page 1 of the PDF cannot be rendered: it takes " in body["msg"]
    assert "images[2]: page 1 of the PDF cannot be rendered: it holds a picture of 60000x60000 pixels" in body["msg"]
    assert echo.metrics()["ocr_serving_worker_restarts"] == restarts


@pytest.mark.models
def test_words_are_not_added_to_what_costs_too_much_and_others_have_theirs(ocr: Service) -> None:
    bombs = pdf_bombs.bombs(2048)
    url, restarts = f"{ocr.url}/convert/pdf", ocr.metrics()["ocr_serving_worker_restarts"]
    tree = json.loads(json_format.tree(answers.document(build.page([answers.line("Hello world", 10, 10)], None, size=(400, 200)))))
    for name, said in (("objects by both", "it takes more than 1024 MiB"), ("a circle of pages", "too damaged")):
        refused = requests.post(url, json={"document": tree, "images": [b64(bombs[name]())]}, timeout=120)
        assert refused.status_code == 400
        assert said in refused.json()["msg"]
        assert refused.json()["msg"].endswith(": print it to a new PDF, and send that.")
    made = requests.post(url, json={"document": tree, "images": [b64(pdfs.of_text(["own"]))]}, timeout=60)
    assert "Hello world" in pypdf.PdfReader(io.BytesIO(made.content)).pages[0].extract_text()
    assert ocr.metrics()["ocr_serving_worker_restarts"] == restarts
