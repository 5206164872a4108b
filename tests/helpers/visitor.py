"""A visitor of a page of ours, in a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage --window-size=1400,1000 "
    "--disable-background-networking --disable-component-update --disable-sync"
)
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@contextmanager
def chromium(profile: Path, downloads: Path) -> Iterator[webdriver.Chrome]:
    """A browser that has never been anywhere; what it downloads goes to `downloads`."""
    browser, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    assert browser
    assert chromedriver
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(chromedriver)) as driver:
        yield driver


class Visitor:
    """A browser on one page, and what a visitor looks for there."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.until("the modes", lambda: self.all("#modes label"))

    def until(self, what: str, condition: Any) -> None:
        WebDriverWait(self.driver, 60).until(lambda _: condition(), f"waited for {what}")

    def element(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, name: str) -> str:
        return self.element(name).text

    def choose(self, *files: Path) -> None:
        self.element("file").send_keys("\n".join(map(str, files)))

    def mode(self, name: str) -> None:
        self.driver.find_element(By.XPATH, f"//fieldset//label[span='{name}']").click()

    def tab(self, name: str) -> None:
        self.element(f"tab-{name}").click()

    def rest(self) -> None:
        """Until nothing is read or waits any more."""
        self.until("the files to be read", lambda: self.all("#queue li") and not self.all("#queue .reading, #queue .waiting"))

    def rows(self) -> list[str]:
        """What is said of each file."""
        return [row.text for row in self.all("#queue .open")]

    def lines(self) -> list[str]:
        self.rest()
        return [line.text for line in self.all("#result .lines [data-mark]")]

    def download(self, form: str) -> tuple[str, bytes]:
        """What a visitor finds in the folder of downloads: name and content."""
        before = set(self.downloads.iterdir())
        self.element("download").find_element(By.TAG_NAME, "summary").click()
        self.element("formats").find_element(By.CSS_SELECTOR, f"[data-form={form}]").click()
        return self.saved(before)

    def saved(self, before: set[Path]) -> tuple[str, bytes]:
        def new() -> list[Path]:
            return [path for path in set(self.downloads.iterdir()) - before if path.suffix not in (".crdownload", ".tmp")]

        self.until("the download", lambda: [path for path in new() if not path.name.startswith(".")])
        [path] = new()
        return path.name, path.read_bytes()

    def type_into(self, element: WebElement, text: str) -> None:
        element.click()
        element.send_keys(Keys.CONTROL, "a")
        element.send_keys(text, Keys.ENTER)

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def asked(self) -> set[str]:
        """The hosts of everything that was loaded or called."""
        names = self.driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        return {name.split("/")[2] for name in names if name.startswith("http")}

    def serious(self) -> list[str]:
        """What axe-core finds that keeps people with a screen reader, or weak eyes, out."""
        self.driver.execute_script(AXE)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1], html = (node) => node.html;"
            "axe.run().then((found) => done(found.violations.map((one) => [one.impact, one.id, one.nodes.map(html)])));"
        )
        return [f"{name}: {nodes[:3]}" for impact, name, nodes in found if impact in ("serious", "critical")]
