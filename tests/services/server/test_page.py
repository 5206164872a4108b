"""The page at `/` in a real Chromium: what a visitor sees, and that it asks nobody but this server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from helpers.services import ECHO, GOLDEN, Service, serve
from ocr_serving import data

pytestmark = [pytest.mark.browser, pytest.mark.models]

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage --window-size=1400,1000 "
    "--disable-background-networking --disable-component-update --disable-sync"
)


class Visitor:
    """A browser on one page, and what a visitor looks for there."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.until("the modules to be listed", lambda: self.text("summary"))

    def until(self, what: str, condition: object) -> None:
        assert callable(condition)
        WebDriverWait(self.driver, 60).until(lambda _: condition(), f"waited for {what}")

    def element(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def text(self, name: str) -> str:
        return self.element(name).text

    def choose(self, file: Path) -> None:
        self.element("file").send_keys(str(file))

    def results(self) -> list[str]:
        """The recognised text, line by line, once there is an answer."""
        self.until("an answer", lambda: self.element("result").is_displayed() or self.text("problem"))
        return [line.text for line in self.driver.find_elements(By.CSS_SELECTOR, "#text > li > span:first-child")]

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def asked(self) -> set[str]:
        """The hosts of everything that was loaded or called."""
        names = self.driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        return {name.split("/")[2] for name in names if name.startswith("http")}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    browser, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    assert browser
    assert chromedriver
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(chromedriver)) as driver:
        yield driver


@pytest.fixture
def visitor(driver: webdriver.Chrome, ocr: Service) -> Visitor:
    driver.get("about:blank")
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    visitor = Visitor(driver)
    visitor.open(f"{ocr.url}/")
    return visitor


def test_an_image_becomes_boxes_and_text(visitor: Visitor, ocr: Service) -> None:
    visitor.choose(data.PAGE)
    lines = visitor.results()
    assert lines[0] == "INVOICE"
    assert lines[-1] == "Thank you for your business!"
    assert visitor.text("status").startswith(f"{data.PAGE.name}: {len(lines)} lines, ")
    boxes = visitor.driver.find_elements(By.CSS_SELECTOR, "#boxes polygon")
    assert len(boxes) == len(lines)
    image, first = visitor.element("image").rect, boxes[0].rect
    assert first["width"] > 50
    assert image["x"] < first["x"] < image["x"] + image["width"] / 3, "INVOICE stands at the top left"
    assert image["y"] < first["y"] < image["y"] + image["height"] / 8
    assert visitor.asked() == {ocr.url.removeprefix("http://")}
    assert visitor.console() == []
    assert visitor.text("problem") == ""
    shown = visitor.element("json").get_property("textContent")
    assert isinstance(shown, str)
    assert '"status": "000"' in shown
    curl = visitor.element("curl").get_property("textContent")
    assert isinstance(curl, str)
    assert f"'{ocr.url}/predict/ocr_system'" in curl


def test_a_line_and_its_box_light_up_together_by_mouse_and_keyboard(visitor: Visitor) -> None:
    visitor.choose(data.PAGE)
    visitor.results()
    lines = visitor.driver.find_elements(By.CSS_SELECTOR, "#text li")
    webdriver.ActionChains(visitor.driver).move_to_element(lines[1]).perform()
    hot = visitor.driver.find_elements(By.CSS_SELECTOR, "#boxes .hot")
    assert [box.get_attribute("data-mark") for box in hot] == ["1"]
    boxes = visitor.driver.find_elements(By.CSS_SELECTOR, "#boxes polygon")
    webdriver.ActionChains(visitor.driver).move_to_element(boxes[4]).click().perform()
    assert visitor.driver.switch_to.active_element == lines[4]
    lines[4].send_keys(Keys.ARROW_DOWN)
    assert visitor.driver.switch_to.active_element == lines[5]
    assert [box.get_attribute("data-mark") for box in visitor.driver.find_elements(By.CSS_SELECTOR, "#boxes .hot")] == ["5"]


def test_copy_all_text_holds_every_line(visitor: Visitor) -> None:
    visitor.choose(data.PAGE)
    lines = visitor.results()
    visitor.element("copy").click()
    visitor.until("the copy to be confirmed", lambda: visitor.text("copy") == "Copied")
    visitor.driver.execute_script(
        "const area = document.createElement('textarea'); area.id = 'pasted'; document.body.prepend(area); area.focus();"
    )
    visitor.element("pasted").send_keys(Keys.CONTROL, "v")
    assert visitor.element("pasted").get_property("value") == "\n".join(lines)


def test_another_module_of_the_same_service(visitor: Visitor) -> None:
    Select(visitor.element("module")).select_by_value("ocr_rec")
    visitor.choose(data.WARMUP)
    assert len(visitor.results()) == 1
    assert visitor.driver.find_elements(By.CSS_SELECTOR, "#boxes polygon") == []


def test_a_dropped_text_file_is_answered_with_the_servers_reason(visitor: Visitor) -> None:
    visitor.driver.execute_script(
        """const dropped = new DataTransfer();
        dropped.items.add(new File(["not an image"], "notes.txt", { type: "text/plain" }));
        dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true }));"""
    )
    visitor.until("the reason", lambda: "cannot be decoded" in visitor.text("problem"))
    assert visitor.text("status").startswith("notes.txt: not read")
    assert not visitor.element("result").is_displayed()


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
    assert visitor.results() == ["Pasted 1234"]


def test_an_api_key_is_asked_for_when_one_is_needed(driver: webdriver.Chrome, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")
    with serve(tmp_path, {str(ECHO): {}}, workers=1, api_keys_file=str(tmp_path / "keys")) as service:
        visitor = Visitor(driver)
        visitor.open(f"{service.url}/")
        assert not visitor.element("key-form").is_displayed()
        visitor.choose(data.WARMUP)
        visitor.until("the field", lambda: visitor.element("key-form").is_displayed())
        assert "An API key is needed" in visitor.text("problem")
        visitor.element("key").send_keys("secret", Keys.ENTER)
        [shown] = visitor.results()
        assert '"height":' in shown, "a module of a user's is shown as JSON"
        assert not visitor.element("key-form").is_displayed()
        curl = visitor.element("curl").get_property("textContent")
        assert "secret" not in str(curl)


def test_a_server_that_went_away_is_said_so(driver: webdriver.Chrome, tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1) as service:
        visitor = Visitor(driver)
        visitor.open(f"{service.url}/")
    visitor.choose(data.WARMUP)
    visitor.until("the reason", lambda: "The server cannot be reached" in visitor.text("problem"))
    assert visitor.element("again").is_displayed()


HOSTILE = """
return (async () => {
  const html = `<table><tr><td>a<b onclick="window.bad=1">b</b></td><td><img src=x onerror="window.bad=1">c</td></tr></table>
    <script>window.bad = 1</` + "script>";
  const cells = [[0, 0, 30, 0, 30, 9, 0, 9], [30, 0, 60, 0, 60, 9, 30, 9]];
  const region = { type: "<i>table</i>", bbox: [10, 10, 90, 60], score: 0.9, res: { html, cell_bbox: cells } };
  file = new File([], "page.png");
  await show(file, { msg: "", status: "000", results: [{ html, regions: [region] }] }, "0.1", request = new AbortController());
  document.querySelector("#text td").click();
  return {
    bad: window.bad,
    label: document.querySelector("#text .label").textContent,
    cells: [...document.querySelectorAll("#text td")].map((cell) => cell.textContent),
    foreign: document.querySelectorAll("#text img, #text b, #text i, #text script").length,
    boxes: document.querySelectorAll("#boxes .cell").length,
  };
})();
"""


def test_a_tables_html_is_rebuilt_and_nothing_in_it_runs(visitor: Visitor) -> None:
    shown = visitor.driver.execute_script(HOSTILE)
    assert shown == {"bad": None, "label": "<i>table</i>", "cells": ["ab", "c"], "foreign": 0, "boxes": 2}


def test_a_page_is_shown_with_its_regions_its_table_and_every_line_and_a_pdf_with_all_pages(
    driver: webdriver.Chrome, tmp_path: Path
) -> None:
    settings = {"params": {"model_set": "PP-OCRv6_tiny"}, "predict_args": {"layout_score_threshold": 0.96}}
    with serve(tmp_path, {"structure_system": settings}, use_multiprocess=False) as service:
        visitor = Visitor(driver)
        visitor.open(f"{service.url}/")
        visitor.choose(data.PAGE)
        lines = visitor.results()
        # At this threshold the layout network is sure of the table alone; all other lines belong to no region.
        assert "1 region, " in visitor.text("status")
        assert ", 1 table, " in visitor.text("status")
        assert "INVOICE" in lines
        cells = driver.find_elements(By.CSS_SELECTOR, "#text td")
        assert "Hydraulic pump HP-200" in [cell.text for cell in cells]
        assert len(driver.find_elements(By.CSS_SELECTOR, "#boxes .cell")) == len(cells)
        pages = [PIL.Image.open(path).convert("RGB") for path in (GOLDEN / "pages" / "table_crop.jpg", data.WARMUP)]
        pages[0].save(tmp_path / "two.pdf", save_all=True, append_images=pages[1:], resolution=200)
        visitor.choose(tmp_path / "two.pdf")
        visitor.until("the PDF's answer", lambda: visitor.text("status").startswith("two.pdf: "))
        visitor.until("an answer", lambda: "table" in visitor.text("status"))
        assert "Africa" in [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, "#text td")]
        assert "The boxes are those of the first of 2 pages." in visitor.text("problem")
        assert visitor.results()[-1] != ""
