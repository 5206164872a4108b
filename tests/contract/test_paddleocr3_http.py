"""PaddleOCR 3's routes over HTTP: its envelope in every answer, and requests as applications send them."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import urljoin

import pikepdf
import PIL.Image
import pytest
import requests

from helpers import pdfs
from helpers.jobs import JobService
from helpers.services import GOLDEN, Service, b64, strip
from helpers.site import Answer, Site
from ocr_serving import data

PAGE = b64((GOLDEN / "pages" / "table_page.jpg").read_bytes())


def post(service: Service, route: str, body: Any, **headers: str) -> requests.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{service.url}/{route}", raw, headers={"Content-Type": "application/json"} | headers, timeout=120)


def is_refusal(response: requests.Response, code: int, sentence: str) -> None:
    said = response.json()
    assert response.status_code == said["errorCode"] == code, response.text
    assert set(said) == {"logId", "errorCode", "errorMsg"}
    assert said["logId"]
    assert sentence in said["errorMsg"]


def test_routes_without_their_modules_say_which_to_serve(echo: Service) -> None:
    is_refusal(post(echo, "ocr", {"file": strip()}), 404, "No module here answers /ocr: start the service with ocr_system")
    is_refusal(post(echo, "layout-parsing", {"file": strip()}), 404, "structure_system")
    is_refusal(post(echo, "seal-recognition", {"file": strip()}), 404, "There is no /seal-recognition here")
    # What is asked to see whether anybody is there.
    is_refusal(requests.get(f"{echo.url}/layout-parsing", timeout=10), 405, "")
    assert not {"/ocr", "/health"} & set(requests.get(f"{echo.url}/openapi.json", timeout=10).json()["paths"])


@pytest.mark.models
def test_health(structure: Service) -> None:
    said = requests.get(f"{structure.url}/health", timeout=10)
    assert (said.status_code, said.json()["errorCode"], said.json()["errorMsg"]) == (200, 0, "Healthy")
    is_refusal(requests.post(f"{structure.url}/health", timeout=10), 405, "")


@pytest.mark.models
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_other_bodies_than_json_are_refused_as_there(structure: Service, kind: str) -> None:
    refused = post(structure, "ocr", {"file": strip()}, **{"Content-Type": kind})
    is_refusal(refused, 422, "Input should be a valid dictionary or object to extract fields from")


@pytest.mark.models
def test_a_job_tells_of_a_document_what_layout_parsing_tells_of_it(structure: Service) -> None:
    made = pikepdf.new()
    for number, body in enumerate(("Pumps move water from wells.", "Valves close when it rains."), 1):
        with pikepdf.open(io.BytesIO(pdfs.of_text(["Annual report of the water works"], size=11))) as page:
            page.pages[0].contents_add(
                f"BT /F1 12 Tf 60 500 Td ({body}) Tj ET BT /F1 11 Tf 280 40 Td (Page {number}) Tj ET".encode()
            )
            made.pages.extend(page.pages)
    jobs, file = JobService(structure), pdfs.saved(made)
    lines = jobs.lines(jobs.submit(file, name="a.pdf", model="PP-StructureV3"))
    told = [line["result"]["layoutParsingResults"][0] for line in lines]
    asked = post(structure, "layout-parsing", {"file": b64(file), "fileType": 0, "visualize": False}).json()
    for one, other in zip(told, asked["result"]["layoutParsingResults"], strict=True):
        labels = [block["block_label"] for block in one["prunedResult"]["parsing_res_list"]]
        assert labels == ["header", "text", "footer"]
        assert one["prunedResult"]["parsing_res_list"] == other["prunedResult"]["parsing_res_list"]
        assert {**one["markdown"], "images": {}} == {**other["markdown"], "images": {}}
        assert "Annual" not in one["markdown"]["text"]


@pytest.mark.models
def test_a_log_id_is_repeated_and_requests_are_counted_and_logged(structure: Service) -> None:
    sample = 'ocr_serving_requests_total{code="200",module="structure_system",status="000"}'
    before = structure.metrics().get(sample, 0)
    response = post(structure, "ocr", {"file": strip(), "logId": "mine", "visualize": False}, **{"X-Request-ID": "a-log-line"})
    assert (response.status_code, response.json()["logId"]) == (200, "mine")
    assert response.json()["result"]["ocrResults"][0]["prunedResult"]["rec_texts"]
    (line,) = [line for line in structure.lines("a-log-line") if "code" in line]
    assert line["message"] == "POST /ocr"
    assert structure.metrics()[sample] == before + 1


@pytest.mark.models
def test_an_application_that_reads_markdown(structure: Service) -> None:
    # As Open WebUI sends it.
    body = {"file": PAGE, "fileType": 1, "useDocOrientationClassify": False, "useDocUnwarping": False, "useChartRecognition": False}
    (entry,) = post(structure, "layout-parsing", body, Authorization="token x").json()["result"]["layoutParsingResults"]
    assert "<td>Africa</td><td>2,162</td>" in entry["markdown"]["text"]
    assert {"layout_det_res", "overall_ocr_res", "table_cell_img"} <= set(entry["outputImages"])


@pytest.mark.models
def test_an_application_that_reads_blocks(structure: Service) -> None:
    # As RAGFlow sends it.
    flags = {"useDocOrientationClassify": False, "useDocUnwarping": False, "mergeLayoutBlocks": False, "restructurePages": False}
    more = {"returnMarkdownImages": False, "prettifyMarkdown": True, "showFormulaNumber": True, "formatBlockContent": True}
    pdf = b64(pdfs.of_text(["The first page"], ["The second page"]))
    said = post(structure, "layout-parsing", {"file": pdf, "fileType": 0, "visualize": False} | flags | more).json()
    assert said["errorCode"] == 0
    pages = said["result"]["layoutParsingResults"]
    assert said["result"]["dataInfo"]["numPages"] == len(pages) == 2
    for page, words in zip(pages, ("first", "second"), strict=True):
        result = page["prunedResult"]
        assert any(words in block["block_content"] for block in result["parsing_res_list"])
        assert {"width": result["width"], "height": result["height"]} in said["result"]["dataInfo"]["pages"]
        assert "images" not in page["markdown"]


@pytest.mark.models
def test_a_page_comes_as_a_word_document_too(structure: Service) -> None:
    body = {"file": PAGE, "outputFormats": ["docx"], "visualize": False}
    (entry,) = post(structure, "layout-parsing", body).json()["result"]["layoutParsingResults"]
    assert entry["exports"]["docx"]["fileName"] == "page_1.docx"
    assert entry["exports"]["docx"]["content"].startswith("UEsD")


@pytest.mark.models
@pytest.mark.parametrize("route", ["ocr", "layout-parsing", "table-recognition"])
def test_what_is_to_be_said_of_a_page_names_it(structure: Service, route: str) -> None:
    sheet = io.BytesIO()
    PIL.Image.new("RGB", (400, 300), "white").save(sheet, "PNG")
    said = post(structure, route, {"file": b64(sheet.getvalue()), "visualize": False}).json()["result"]["warnings"]
    assert said == ["page 1: it is blank, all of one colour."]


@pytest.mark.models
def test_tables(structure: Service) -> None:
    (entry,) = post(structure, "table-recognition", {"file": PAGE}).json()["result"]["tableRecResults"]
    (table,) = entry["prunedResult"]["table_res_list"]
    assert "<td>2,162</td>" in table["pred_html"]
    assert len(table["cell_box_list"]) == 60
    assert {"layout_det_res", "ocr_res_img", "table_cell_img"} <= set(entry["outputImages"])


@pytest.mark.models
def test_a_file_is_fetched_from_a_host_on_the_list(structure: Service, site: Site) -> None:
    picture = Answer(data.WARMUP.read_bytes())
    site.answers[:] = [picture, Answer(status=302, headers={"Location": "/elsewhere.png?x=1"}), picture]
    there = [post(structure, "ocr", {"file": f"{site.url}/strip.png", "visualize": False}).json() for _ in range(2)]
    assert len(site.requests) == 3
    here = post(structure, "ocr", {"file": strip(), "visualize": False}).json()
    for said in there:
        assert said["result"] == here["result"]
    # What is wrong with the request is said before anybody else is asked.
    is_refusal(post(structure, "ocr", {"file": f"{site.url}/strip.png", "textDetThresh": "x"}), 422, "body.textDetThresh")
    assert len(site.requests) == 3


AWAY = Answer(status=302, headers={"Location": "http://localhost:1/"})


@pytest.mark.models
@pytest.mark.parametrize(
    ("url", "answer", "sentence"),
    [
        ("http://127.0.0.2/a.png", None, "'127.0.0.2' is no host that is asked here (fetch_hosts)"),
        ("http://169.254.169.254/latest/meta-data/", None, "is no host that is asked here"),
        ("http://127.0.0.1:1/a.png", None, "file: it could not be fetched"),
        ("http://user:word@127.0.0.1/", None, "file: it is no URL to be asked for"),
        ("http://", None, "file: it is no URL to be asked for"),
        ("ftp://127.0.0.1/a.png", None, "file"),
        ("", Answer(status=404), "file: its server answered 404"),
        ("", AWAY, "'localhost' is no host that is asked here"),
        ("", Answer(b"<!doctype html><title>Not a picture</title>"), "cannot be decoded"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(structure: Service, site: Site, url: str, answer: Answer | None, sentence: str) -> None:
    site.answers[:] = [answer or Answer(status=404)]
    refused = post(structure, "ocr", {"file": url or f"{site.url}/file", "logId": "mine"})
    is_refusal(refused, 422, sentence)
    assert refused.json()["logId"] == "mine"


@pytest.mark.models
def test_where_urls_are_not_fetched_it_is_said_what_would_have_them_fetched(ocr: Service) -> None:
    is_refusal(post(ocr, "ocr", {"file": "https://example.org/a.png"}), 422, "fetch_hosts in the service's config.json")


@pytest.mark.parametrize("path", ["ocr/", "layout-parsing/?a=b", "table-recognition/", "document-preprocessing/"])
def test_a_trailing_slash_leads_to_the_route(echo: Service, path: str) -> None:
    led = requests.post(f"{echo.url}/{path}", json={"file": strip()}, allow_redirects=False, timeout=10)
    assert (led.status_code, led.content) == (307, b"")
    assert urljoin(led.url, led.headers["Location"]) == f"{echo.url}/{path.replace('/', '', 1)}"
    assert requests.get(f"{echo.url}/health/", timeout=10).json()["errorMsg"] == "Healthy"
