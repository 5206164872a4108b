"""The page at `/` in a real Chromium: what a visitor sees, and that it asks nobody but this server."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from helpers import pdfs
from helpers.services import ECHO, GOLDEN, Service, serve
from helpers.visitor import Visitor, chromium
from ocr_serving import data

pytestmark = [pytest.mark.browser, pytest.mark.models]


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, downloads: Path) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium"), downloads) as driver:
        yield driver


def _visit(driver: webdriver.Chrome, downloads: Path, url: str) -> Visitor:
    driver.get("about:blank")
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    visitor = Visitor(driver, downloads)
    visitor.open(url)
    return visitor


@pytest.fixture
def visitor(driver: webdriver.Chrome, downloads: Path, ocr: Service) -> Visitor:
    return _visit(driver, downloads, f"{ocr.url}/")


@pytest.fixture
def reader(driver: webdriver.Chrome, downloads: Path, structure: Service) -> Visitor:
    """A visitor of a service that knows tables and documents."""
    return _visit(driver, downloads, f"{structure.url}/")


def test_a_sample_becomes_text_beside_its_picture(visitor: Visitor, ocr: Service) -> None:
    assert visitor.text("limits") == "Images and PDFs, up to 67 MB each."
    assert visitor.driver.find_element(By.CSS_SELECTOR, "input[value=document]").get_property("disabled")
    visitor.element("sample").click()
    # Shown before it is read.
    visitor.until("the picture", lambda: visitor.element("image").is_displayed())
    lines = visitor.lines()
    assert lines[0] == "INVOICE"
    assert lines[-1] == "Thank you for your business!"
    assert visitor.text("status").startswith("sample invoice.jpg: Read: ")
    image, box = visitor.element("image").rect, visitor.all("#boxes .line polygon")[0].rect
    assert box["width"] > 50
    assert image["x"] < box["x"] < image["x"] + image["width"] / 3, "INVOICE stands at the top left"
    assert image["y"] < box["y"] < image["y"] + image["height"] / 8
    assert visitor.all("#boxes .line polygon")[0].value_of_css_property("stroke-opacity") == "0", "boxes keep off the text"
    assert visitor.text("problem") == ""
    assert visitor.asked() == {ocr.url.removeprefix("http://")}
    assert visitor.console() == []


def test_every_file_of_the_page_is_as_strict(ocr: Service) -> None:
    names = ["", *(f"page/{name}" for name in ("app.js", "style.css", "icon.svg", "sample.jpg"))]
    for name in names:
        answer = requests.get(f"{ocr.url}/{name}", timeout=10)
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert requests.get(f"{ocr.url}/page/..%2Fsite.py", timeout=10).status_code == 404
    again = requests.get(
        f"{ocr.url}/page/app.js",
        headers={"If-None-Match": requests.get(f"{ocr.url}/page/app.js", timeout=10).headers["ETag"]},
        timeout=10,
    )
    assert again.status_code == 304


def test_a_line_and_its_box_light_up_together_by_mouse_and_keyboard(visitor: Visitor) -> None:
    visitor.choose(data.PAGE)
    visitor.lines()
    lines = visitor.all("#result .lines [data-mark]")
    webdriver.ActionChains(visitor.driver).move_to_element(lines[1]).perform()
    assert [box.get_attribute("data-mark") for box in visitor.all("#boxes .hot")] == ["1"]
    webdriver.ActionChains(visitor.driver).move_to_element(visitor.all("#boxes .line polygon")[4]).click().perform()
    assert visitor.driver.switch_to.active_element == lines[4]
    lines[4].send_keys(Keys.ARROW_DOWN)
    assert visitor.driver.switch_to.active_element == lines[5]
    assert [box.get_attribute("data-mark") for box in visitor.all("#boxes .hot")] == ["5"]
    width = visitor.element("sheet").rect["width"]
    visitor.element("view").send_keys("+")
    assert visitor.element("sheet").rect["width"] > width
    visitor.element("fit").click()
    assert visitor.element("sheet").rect["width"] == pytest.approx(width, abs=1)


def test_a_correction_is_in_what_is_copied_and_downloaded(visitor: Visitor) -> None:
    visitor.choose(data.PAGE)
    lines = visitor.lines()
    visitor.type_into(visitor.all("#result .lines [data-mark]")[0], "RECHNUNG")
    visitor.element("copy").click()
    visitor.until("the copy to be confirmed", lambda: visitor.text("copy") == "Copied")
    visitor.driver.execute_script(
        "const area = document.createElement('textarea'); area.id = 'pasted'; document.body.prepend(area); area.focus();"
    )
    visitor.element("pasted").send_keys(Keys.CONTROL, "v")
    pasted = str(visitor.element("pasted").get_property("value"))
    assert pasted.split() == " ".join(["RECHNUNG", *lines[1:]]).split()
    name, text = visitor.download("txt")
    assert (name, text.split()[0]) == ("page.txt", b"RECHNUNG")
    name, packed = visitor.download("zip")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert {"page.docx", "page.xlsx", "page.pdf", "page.md", "page.alto.xml"} <= set(archive.namelist())
        whole = docx.Document(io.BytesIO(archive.read("page.docx")))
    assert "RECHNUNG" in [paragraph.text for paragraph in whole.paragraphs]
    assert "corrected" in visitor.rows()[0]


def test_files_are_read_in_a_row_and_those_that_cannot_be_stay_named(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_bytes(b"no picture")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "wrong.png").write_bytes(b"not a picture at all")
    shutil.copy(data.WARMUP, tmp_path / "line.png")
    visitor.choose(*(tmp_path / name for name in ("notes.docx", "broken.pdf", "empty.png", "wrong.png", "line.png")))
    visitor.rest()
    rows = dict(row.split("\n", 1) for row in visitor.rows())
    assert rows["notes.docx"] == "Not a picture or PDF, so it is left out."
    assert rows["broken.pdf"] == "This PDF is damaged and cannot be opened."
    assert rows["empty.png"] == "This file is empty."
    assert rows["wrong.png"] == "This file is not a picture or PDF that can be read here, or it is damaged."
    assert rows["line.png"].startswith("Read: ")
    assert visitor.text("queue-title") == "5 files, 1 read, 4 not"
    assert visitor.serious() == []
    assert visitor.text("problem") == ""


def test_a_pdf_is_read_page_by_page(reader: Visitor, tmp_path: Path) -> None:
    (tmp_path / "three.pdf").write_bytes(pdfs.of_text(["Page number one"], ["Page number two"], ["Page number three"]))
    reader.choose(tmp_path / "three.pdf")
    seen = set()

    def read() -> bool:
        seen.add(reader.text("status"))
        return bool(reader.all("#queue .done"))

    WebDriverWait(reader.driver, 60, 0.02).until(lambda _: read(), "waited for the PDF to be read")
    assert seen & {f"three.pdf: Reading page {n} of 3 …" for n in (1, 2, 3)}
    assert reader.text("status").startswith("three.pdf: Read: 3 pages, ")
    pages = reader.all("#thumbs button")
    assert [page.get_attribute("aria-label") for page in pages] == [f"Page {n}, read" for n in (1, 2, 3)]
    pages[1].click()
    assert reader.text("picture-title") == "Page 2 of 3"
    assert [line.text for line in reader.all("#result .lines [data-mark]")] == ["Page number two"]
    name, text = reader.download("txt")
    assert name == "three.txt"
    assert b"one" in text
    assert b"three" in text


def test_a_file_that_was_read_for_another_mode_is_read_when_it_is_looked_at(reader: Visitor, tmp_path: Path) -> None:
    for name in ("one.png", "other.png"):
        shutil.copy(data.WARMUP, tmp_path / name)
    reader.choose(tmp_path / "one.png", tmp_path / "other.png")
    reader.rest()
    reader.mode("Document")
    reader.rest()
    reader.all("#queue .open")[1].click()
    reader.until("the other to be read", lambda: "Read" in reader.text("status") and reader.all("#result [data-mark]"))
    assert reader.text("status").startswith("other.png: Read: ")


def test_a_document_and_its_table_are_shown_and_downloaded_as_corrected(reader: Visitor) -> None:
    reader.mode("Document")
    reader.choose(data.PAGE)
    reader.rest()
    headings = [heading.text for heading in reader.all("#result h3")]
    assert "INVOICE" in headings
    reader.tab("tables")
    cells = reader.all("#result td div")
    assert "Hydraulic pump HP-200" in [cell.text for cell in cells]
    first = next(cell for cell in cells if cell.text == "Hydraulic pump HP-200")
    webdriver.ActionChains(reader.driver).move_to_element(first).perform()
    assert reader.all("#boxes .hot")
    reader.type_into(first, "=1+1")
    name, content = reader.download("csv")
    assert name.startswith("page")
    assert b"Hydraulic" not in content
    assert b"'=1+1" in content, "nothing that is typed becomes a formula"
    _, tree = reader.download("json")
    assert b"=1+1" in tree
    assert reader.console() == []


def test_a_module_by_its_name(visitor: Visitor, tmp_path: Path) -> None:
    visitor.mode("More")
    Select(visitor.element("module")).select_by_value("ocr_rec")
    odd = tmp_path / 'a,b; "c" d\'e.png'
    shutil.copy(data.WARMUP, odd)
    visitor.choose(odd)
    visitor.rest()
    assert len(visitor.all("#result .lines > li")) == 1
    assert visitor.all("#boxes polygon") == []
    Select(visitor.element("module")).select_by_value("ocr_det")
    visitor.rest()
    assert visitor.all("#boxes polygon")
    visitor.tab("json")
    assert '"status": "000"' in visitor.text("result")
    call = visitor.all("#result pre")[-1].text
    told = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60).stdout
    assert json.loads(told)["status"] == "000"


def test_a_folder_that_is_dropped_is_a_row_of_files(visitor: Visitor) -> None:
    visitor.driver.execute_script(
        """const dropped = new DataTransfer();
        dropped.items.add(new File(["not an image"], "notes.txt", { type: "text/plain" }));
        dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true }));"""
    )
    visitor.until("the row", visitor.rows)
    assert visitor.rows() == ["notes.txt\nNot a picture or PDF, so it is left out."]
    script = """const [tree] = arguments, done = arguments[arguments.length - 1];
        const entry = (name, path, inside) => inside === null
          ? { isFile: true, name, fullPath: path, file: (take) => take(new File(["x"], name)) }
          : { isDirectory: true, name, fullPath: path, createReader() {
              let some = Object.entries(inside).map(([one, more]) => entry(one, `${path}/${one}`, more));
              return { readEntries(take) { take(some.splice(0, 1)); } };
            } };
        const folder = entry("archive", "/archive", tree);
        import("/page/files.js").then((files) => files.dropped({ items: [{ webkitGetAsEntry: () => folder }], files: [] }))
          .then((found) => done(found.map((one) => one.name)));"""
    found = visitor.driver.execute_async_script(script, {"b2.png": None, "a": {"c.png": None}, "b10.png": None})
    assert found == ["archive/a/c.png", "archive/b2.png", "archive/b10.png"]


def test_a_pasted_picture_is_read(visitor: Visitor) -> None:
    visitor.driver.execute_async_script(
        """const done = arguments[arguments.length - 1], canvas = document.createElement("canvas");
        const pen = canvas.getContext("2d");
        Object.assign(canvas, { width: 500, height: 120 });
        pen.fillStyle = "white"; pen.fillRect(0, 0, 500, 120);
        pen.fillStyle = "black"; pen.font = "60px sans-serif"; pen.fillText("Pasted 1234", 40, 80);
        canvas.toBlob((blob) => {
          const pasted = new DataTransfer();
          pasted.items.add(new File([blob], "pasted.png", { type: "image/png" }));
          dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted }));
          done();
        });"""
    )
    visitor.until("the row", visitor.rows)
    assert visitor.lines() == ["Pasted 1234"]


def test_a_key_is_asked_for_when_one_is_needed_and_a_server_that_went_away_is_said_so(
    driver: webdriver.Chrome, downloads: Path, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("secret\n")
    with serve(tmp_path, {str(ECHO): {}}, workers=1, api_keys_file=str(tmp_path / "keys")) as service:
        visitor = _visit(driver, downloads, f"{service.url}/")
        assert not visitor.element("key-form").is_displayed()
        visitor.choose(data.WARMUP)
        visitor.until("the field", lambda: visitor.element("key-form").is_displayed())
        visitor.element("key").send_keys("secret", Keys.ENTER)
        visitor.rest()
        assert '"height":' in visitor.text("result"), "a module of a user's is shown as JSON"
        visitor.tab("json")
        assert "secret" not in visitor.text("result")
        assert f"{service.url}/predict/echo" in visitor.text("result")
    visitor.choose(data.PAGE)
    visitor.rest()
    assert "The service does not answer." in visitor.rows()[1]


HOSTILE = """
const done = arguments[arguments.length - 1];
import("/page/views.js").then((views) => {
  const html = `<table><tr><td>a<b onclick="window.bad=1">b</b></td><td><img src=x onerror="window.bad=1">c</td></tr></table>
    <script>window.bad = 1</` + "script>";
  const cells = [[0, 0, 30, 0, 30, 9, 0, 9], [30, 0, 60, 0, 60, 9, 30, 9]];
  const region = { type: "<i>table</i>", bbox: [10, 10, 90, 60], score: 0.9, res: { html, cell_bbox: cells } };
  views.show({ answer: { msg: "", status: "000", results: [{ html, regions: [region] }] }, curl: "" }, 0, "text", () => {});
  document.querySelector("#result td").click();
  done({
    bad: window.bad,
    label: document.querySelector("#result .label").textContent,
    cells: [...document.querySelectorAll("#result td")].map((cell) => cell.textContent),
    foreign: document.querySelectorAll("#result img, #result b, #result i, #result script").length,
    boxes: document.querySelectorAll("#boxes .cell").length,
  });
});
"""


def test_a_tables_html_is_rebuilt_and_nothing_in_it_runs(visitor: Visitor) -> None:
    shown = visitor.driver.execute_async_script(HOSTILE)
    assert shown == {"bad": None, "label": "<i>table</i>", "cells": ["ab", "c"], "foreign": 0, "boxes": 2}


@pytest.mark.parametrize("dark", [False, True])
def test_a_screen_reader_finds_its_way_and_the_page_fits_a_phone(reader: Visitor, tmp_path: Path, dark: bool) -> None:
    driver = reader.driver
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        assert reader.serious() == []
        assert reader.element("camera").is_displayed()
        (tmp_path / "no.txt").write_text("x")
        reader.mode("Document")
        reader.choose(GOLDEN / "pages" / "table_page.jpg", tmp_path / "no.txt")
        reader.rest()
        for view in ("tables", "text", "document"):
            reader.tab(view)
            assert reader.serious() == [], view
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert reader.serious() == []
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
