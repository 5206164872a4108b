"""What `client` and `predict` share: which image files to read, and how their results are written."""

from __future__ import annotations

import argparse
import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2

from ocr_serving import atomic, models
from ocr_serving.decoding.images import Image
from ocr_serving.errors import InputError, ModelError
from ocr_serving.output import documents, drawing, tables

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pdf", ".png", ".tif", ".tiff", ".webp")

MOST_PIXELS = 1 << 30
"""What OpenCV itself takes; a server has judged the image already."""

MOST_PAGES = 1 << 30


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The files among `paths`, and the image files (by suffix, sorted by name) directly in the folders among them.

    Raises InputError where a path is not there, a folder cannot be read, or no image is found.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            try:
                found += sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
            except OSError as exc:
                raise InputError(f"{path} cannot be read: {exc.strerror}.") from None
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{path} does not exist: name an image file or a folder of them.")
    if not found:
        raise InputError(f"{paths[0]} has no image files ({', '.join(suffix[1:] for suffix in SUFFIXES)}).")
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Output:
    """A folder that takes `<name>.json` for each image, and with `visualize` the picture `<name>.jpg` or `<name>.png`.

    Tables are written as `<name>.xlsx` and `<name>.html` too; the pictures of a PDF are `<name>_p1.png` and so on. `<name>` is the
    image's without its suffix; where two would have the same, it is `page_jpg` and `page_png`. `font` is what `find_font` gives.
    Each of the methods that write raises InputError where it cannot, and then leaves nothing half-written.
    """

    folder: Path
    images: tuple[Path, ...]
    visualize: bool = False
    font: Path | None = None

    def prepare(self) -> None:
        """Make the folder. Raises InputError where it cannot be made, or where a picture would replace an image that was sent."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InputError(f"--output {self.folder} cannot be made: {exc.strerror}.") from None
        originals = {file.resolve() for file in self.images}
        for file in self.images:
            if self.visualize and self._picture(file).resolve() in originals:
                raise InputError(f"--output {self.folder} is where {file.name} is, and its picture would replace it: name another.")

    def answer(self, file: Path, body: bytes, entries: Sequence[Any], *, html: bool = True) -> None:
        """Write the JSON `body` that came back for `file`, and the tables in its `entries` of `results`."""
        name = self._names[file]
        _write(self.folder / f"{name}.json", body)
        found = [table for entry in entries for table in tables.of_entry(entry)]
        if found:
            _write(self.folder / f"{name}.xlsx", tables.spreadsheet(found))
        if found and html:
            page = tables.page(escape(name), "\n".join(tables.inner(table) for table in found))
            _write(self.folder / f"{name}.html", page.encode("utf-8", "replace"))

    def picture(self, file: Path, image: Image, entry: Any, page: int | None = None) -> None:
        """Write `image` with its `entry` drawn on it; `page` counts from 1 where `file` is a PDF."""
        target = self._picture(file, page)
        _write(target, _encoded(drawing.draw(image, entry, self.font), target.suffix))

    def document(self, file: Path, form: documents.Format, pages: Sequence[Sequence[documents.Block]]) -> Path:
        """Write the document that `file` shows, with the pictures of its figures; returns the document's path."""
        name = self._names[file]
        written = documents.render(form, pages, name)
        for part, content in written.items():
            _write(self.folder / part, content)
        return self.folder / next(iter(written))

    @functools.cached_property
    def _names(self) -> dict[Path, str]:
        stems = Counter(file.stem for file in self.images)
        names: dict[Path, str] = {}
        for file in self.images:
            name = file.stem if stems[file.stem] == 1 else f"{file.stem}_{file.suffix[1:]}"
            while name in names.values():
                name += "_"
            names[file] = name
        return names

    def _picture(self, file: Path, page: int | None = None) -> Path:
        number = "" if page is None else f"_p{page}"
        return self.folder / (self._names[file] + number + (".jpg" if file.suffix.lower() in (".jpg", ".jpeg") else ".png"))


def find_font() -> tuple[Path | None, str]:
    """The store's font for Chinese, Japanese, Korean and Latin text, and "" — or None and a sentence that says how to get it."""
    name = models.DEFAULT_FONT
    try:
        folder = models.resolve(name)
    except ModelError:
        return None, f"Pictures will not show Chinese text: run `ocr-serving models pull {name}` for a font that has it."
    return next(file for file in sorted(folder.rglob("*")) if file.suffix.lower() in (".ttf", ".otf", ".ttc")), ""


def dpi(text: str) -> int:
    """The value of an option --pdf_dpi."""
    if not (text.isdecimal() and 36 <= int(text) <= 1200):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 36 to 1200")
    return int(text)


def _encoded(picture: Image, suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, picture)
    if not done:
        raise InputError(f"A picture of {picture.shape[1]}x{picture.shape[0]} pixels cannot be written as {suffix[1:]}.")
    return data.tobytes()


def _write(path: Path, data: bytes) -> None:
    """Write a file of results, as public as the umask says. Raises InputError."""
    try:
        atomic.write(path, data)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.") from None
