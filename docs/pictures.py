"""Makes the pictures of docs/ anew, of what the code of today does with the sample page: `make pictures`.

It serves the modules, walks through the page at `/` in Chromium, converts the sample page and opens the files in LibreOffice; both
programs have to be installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pypdfium2
from PIL import Image, ImageDraw
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from tqdm import tqdm

from helpers.services import serve
from ocr_serving import data

DOCS = Path(__file__).resolve().parent
PAGES = DOCS.parent / "tests" / "golden" / "pages"
SCANS = ("invoice_en", "table_page", "receipt_cn", "table_crop")
MODULES = ("ocr_system", "structure_system", "structure_table", "kie_ser_re")
SELECTED = (51, 120, 255, 110)
"""Colour and opacity of selected text, as browsers have it."""


def program(name: str, package: str) -> str:
    """Where a program is. Raises SystemExit where it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not here: install the package {package}.")
    return found


@contextmanager
def browser(folder: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium")
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}"):
        options.add_argument(flag)
    with webdriver.Chrome(options, webdriver.ChromeService(program("chromedriver", "chromium-driver"))) as driver:
        yield driver


class Page:
    """The page at `/`, opened at a size, in light or dark."""

    def __init__(
        self, driver: webdriver.Chrome, url: str, width: int, height: int, *, dark: bool = False, phone: bool = False
    ) -> None:
        self.driver = driver
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        driver.get(url)
        self.until("#modes label")

    def until(self, selector: str, times: int = 1) -> None:
        WebDriverWait(self.driver, 120).until(
            lambda _: len(self.driver.find_elements(By.CSS_SELECTOR, selector)) >= times, selector
        )

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def mode(self, name: str) -> None:
        self.driver.find_element(By.XPATH, f"//fieldset//label[span='{name}']").click()

    def choose(self, *files: Path) -> None:
        self.driver.find_element(By.ID, "file").send_keys("\n".join(map(str, files)))

    def keep(self, name: str, folder: Path, width: int) -> None:
        """Save what is seen, `width` pixels wide."""
        shot = folder / "shot.png"
        self.driver.save_screenshot(str(shot))
        seen = Image.open(shot).convert("RGB")
        seen.resize((width, round(width * seen.height / seen.width)), Image.Resampling.LANCZOS).save(
            DOCS / name, "WEBP", quality=82, method=6
        )


def page(url: str, folder: Path) -> None:
    """The page in daylight while it reads, in the dark with its formats, on a phone."""
    scans, photo, notes = folder / "scans.pdf", folder / "photo.jpg", folder / "notes.docx"
    first, *rest = (Image.open(path).convert("RGB") for path in (data.PAGE, *(PAGES / f"{name}.jpg" for name in SCANS)))
    first.save(scans, "PDF", save_all=True, append_images=rest, resolution=150)
    shutil.copy(data.PAGE, photo)
    notes.write_bytes(b"no picture")
    with browser(folder / "chromium") as driver:
        desk = Page(driver, url, 1400, 833)
        desk.mode("Document")
        desk.choose(scans, photo, notes)
        desk.until("#thumbs .done", 3)
        desk.keep("page.webp", folder, 1200)
        night = Page(driver, url, 1400, 833, dark=True)
        night.choose(photo)
        night.until("#queue .done")
        night.click("#download summary")
        night.keep("page-dark.webp", folder, 1000)
        hand = Page(driver, url, 390, 844, phone=True)
        hand.mode("Table")
        hand.click("#sample")
        hand.until("#queue .done")
        hand.keep("page-phone.webp", folder, 390)


def trimmed(picture: Image.Image, margin: int = 16) -> Image.Image:
    """A rendered page without its white edges."""
    ink = np.argwhere(np.asarray(picture.convert("L")) < 250)
    (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0) + 1
    return picture.crop(
        (max(left - margin, 0), max(top - margin, 0), min(right + margin, picture.width), min(bottom + margin, picture.height))
    )


def rendered(pdf: Path, scale: float, *, selected: bool = False) -> Image.Image:
    """The first page of a PDF; `selected` as a reader shows it with all its text selected."""
    with pypdfium2.PdfDocument(pdf) as document:
        sheet = document[0]
        picture: Image.Image = sheet.render(scale=scale).to_pil().convert("RGBA")
        if selected:
            marks = Image.new("RGBA", picture.size)
            draw = ImageDraw.Draw(marks)
            text = sheet.get_textpage()
            for n in range(text.count_rects()):
                left, bottom, right, top = text.get_rect(n)
                height = sheet.get_height()
                draw.rectangle((left * scale, (height - top) * scale, right * scale, (height - bottom) * scale), SELECTED)
            picture = Image.alpha_composite(picture, marks)
        return picture.convert("RGB")


def documents(folder: Path) -> None:
    """The sample page as Word and Excel in LibreOffice, as a PDF whose text is selected, and as `predict --visualize` draws it."""
    run = [sys.executable, "-m", "ocr_serving.cli"]
    made = folder / "made"
    subprocess.run([*run, "convert", str(data.PAGE), "-o", str(made), "--to", "docx,xlsx,pdf"], check=True, capture_output=True)
    office = [
        program("soffice", "libreoffice-writer and libreoffice-calc"),
        "--headless",
        f"-env:UserInstallation=file://{folder}/office",
    ]
    for form in ("docx", "xlsx"):
        opened = folder / form
        file = next(made.glob(f"*.{form}"))
        subprocess.run([*office, "--convert-to", "pdf", "--outdir", str(opened), str(file)], check=True, capture_output=True)
        trimmed(rendered(next(opened.glob("*.pdf")), 1.1)).save(DOCS / f"documents-{form}.jpg", quality=85)
    whole = rendered(next(made.glob("*.pdf")), 2.0, selected=True)
    whole.resize((566, round(566 * whole.height / whole.width)), Image.Resampling.LANCZOS).save(
        DOCS / "documents-pdf.jpg", quality=85
    )
    drawn = folder / "drawn"
    subprocess.run(
        [*run, "predict", str(data.PAGE), "-m", "ocr_system", "--visualize", "--output", str(drawn)],
        check=True,
        capture_output=True,
    )
    result = Image.open(next(drawn.rglob("*.jpg"))).convert("RGB")
    result = result.resize((1400, round(1400 * result.height / result.width)), Image.Resampling.LANCZOS)
    result.crop((0, 0, 1400, 614)).save(DOCS / "result.jpg", quality=85)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, tqdm(total=2, desc="pictures", unit="step") as bar:
        folder = Path(scratch)
        documents(folder)
        bar.update()
        with serve(folder, {name: {} for name in MODULES}) as service:
            page(f"{service.url}/", folder)
        bar.update()


if __name__ == "__main__":
    main()
