"""The page at `/docs` and what it shows: every route, examples that work, the key; served by ourselves, with no script inline."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from helpers.services import ECHO, Service, serve
from helpers.visitor import chromium
from ocr_serving import config
from ocr_serving.server import app, reference
from ocr_serving.server.front import Front

HIDDEN = ("/", "/page/<name>", "/docs", "/docs/start.js", "/docs/rapidoc.js", "/openapi.json")
"""Pages for people, and what belongs to them."""


def document(service: Service) -> Any:
    return requests.get(f"{service.url}/openapi.json", timeout=10).json()


@pytest.mark.models
def test_every_route_is_described(structure: Service) -> None:
    settings = config.build({"modules_info": {"structure_system": {}}}, {}, where="config.json")
    # Those that end in a slash lead to the same without.
    rules = [rule.rule.rstrip("/") or "/" for rule in app.create_app(Front(settings, 1 << 20)).url_map.iter_rules()]
    assert "/predict/<name>" in rules
    told = document(structure)["paths"]
    for rule in rules:
        pattern = re.compile(re.sub(r"<[^>]+>", "[^/]+", rule))
        absent = rule in HIDDEN or "There is no" in requests.post(structure.url + rule, timeout=10).text
        assert absent or any(pattern.fullmatch(path) for path in told), f"{rule} is not in /openapi.json"


@pytest.mark.models
def test_the_document_is_valid_and_its_examples_work(structure: Service) -> None:
    about = document(structure)
    OpenAPIV31SpecValidator(about).validate()
    examples = {
        path: item["post"]["requestBody"]["content"]["application/json"]["example"]
        for path, item in about["paths"].items()
        if "application/json" in item.get("post", {}).get("requestBody", {}).get("content", ())
    }
    assert {"/predict/structure_system", "/convert/docx", "/ocr", "/layout-parsing", "/api/v2/ocr/jobs"} <= set(examples)
    sent = requests.post(f"{structure.url}/api/v2/ocr/jobs", json=examples["/api/v2/ocr/jobs"], timeout=60).json()
    assert sent["data"]["jobId"]
    said = requests.post(f"{structure.url}/ocr", json=examples["/ocr"], timeout=60).json()
    assert said["result"]["ocrResults"][0]["prunedResult"]["rec_texts"] == ["Hello OCR"]
    text = requests.post(f"{structure.url}/convert/txt", json=examples["/convert/txt"], timeout=60).text
    assert text.strip() == "Hello OCR"
    content = about["paths"]["/predict/structure_system"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data", "image/*", "application/pdf"}
    fields = content["multipart/form-data"]["schema"]["properties"]
    assert {"file", "drop_score", "return_lines"} <= set(fields)


def test_the_key_is_in_the_document(echo: Service, tmp_path: Path) -> None:
    schemes = {"bearer": ("http", "bearer"), "header": ("apiKey", "X-API-Key")}
    # Where nobody needs a key, a client may send one.
    assert document(echo)["security"][0] == {}
    keys = tmp_path / "keys"
    keys.write_text("sesame\n")
    with serve(tmp_path, {str(ECHO): {}}, workers=1, api_keys_file=str(keys)) as service:
        about = document(service)
    assert about["security"] == [{"bearer": []}, {"header": []}]
    found = about["components"]["securitySchemes"]
    assert {name: (one["type"], one.get("scheme", one.get("name"))) for name, one in found.items()} == schemes


def test_the_script_comes_packed_or_plain(echo: Service) -> None:
    url = f"{echo.url}/docs/rapidoc.js"
    packed = requests.get(url, timeout=10)
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=10)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    shipped = (Path(reference.__file__).parent / "rapidoc.js.gz").read_bytes()
    assert packed.content == plain.content == gzip.decompress(shipped)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium"), tmp_path_factory.mktemp("downloads")) as driver:
        yield driver


@pytest.mark.browser
def test_a_browser_shows_it_and_asks_nobody_else(driver: webdriver.Chrome, echo: Service) -> None:
    response = requests.get(f"{echo.url}/docs", timeout=10)
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    driver.get(f"{echo.url}/docs")
    shown = "return document.querySelector('rapi-doc').shadowRoot.textContent"
    WebDriverWait(driver, 60).until(lambda _: "/predict/echo" in driver.execute_script(shown))
    text = driver.execute_script(shown)
    assert "Sizes of pictures" in text
    assert "X-API-Key" in text
    names = driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert {name.split("/")[2] for name in names if name.startswith("http")} == {echo.url.removeprefix("http://")}
    assert driver.get_log("browser") == []  # type: ignore[no-untyped-call]
