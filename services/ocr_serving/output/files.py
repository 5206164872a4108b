"""What `client` and `predict` share: which image files to read, and how their results are written."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2

from ocr_serving import atomic, models
from ocr_serving.decoding.images import Image
from ocr_serving.errors import InputError, ModelError
from ocr_serving.output import build, drawing, formats, tables
from ocr_serving.output import folder as folders
from ocr_serving.output.tree import Page

MOST_PIXELS = 1 << 30
"""What OpenCV itself takes; a server has judged the image already."""

MOST_PAGES = 1 << 30


def find_images(paths: Sequence[Path], out: Path | None = None) -> folders.FoundFiles:
    """The files among `paths`, and those of the folders among them and of the folders inside, but for what is in `out`.

    Raises InputError where a path is not there, a folder cannot be read, or no image is found.
    """
    found = folders.found(paths, out)
    for path, why in found.unreadable:
        raise InputError(f"{path} {why}.")
    if not found.sources:
        raise InputError(f"{paths[0]} has no image files ({', '.join(suffix[1:] for suffix in folders.SUFFIXES)}).")
    return found


@dataclass(frozen=True)
class Output:
    """A folder that takes `<name>.json` for each image, and with `visualize` the picture `<name>.jpg` or `<name>.png`.

    Tables are written as `<name>.xlsx` and `<name>.html` too; the pictures of a PDF are `<name>_p1.png` and so on. `<name>` is the
    image's without its suffix, in the folder that it was in; where two would have the same, it is `page_jpg` and `page_png`. `font`
    is what `find_font` gives.
    Each of the methods that write raises InputError where it cannot, and then leaves nothing half-written.
    """

    folder: Path
    images: tuple[folders.Source, ...]
    visualize: bool = False
    font: Path | None = None

    def prepare(self) -> None:
        """Make the folder. Raises InputError where it cannot be made, or where a picture would replace an image that was sent."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InputError(f"--output {self.folder} cannot be made: {exc.strerror}.") from None
        originals = {source.file.resolve() for source in self.images}
        for file in (source.file for source in self.images):
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
            page = tables.page(escape(Path(name).name), "\n".join(tables.inner(table) for table in found))
            _write(self.folder / f"{name}.html", page.encode("utf-8", "replace"))

    def picture(self, file: Path, image: Image, entry: Any, page: int | None = None) -> None:
        """Write `image` with its `entry` drawn on it; `page` counts from 1 where `file` is a PDF."""
        target = self._picture(file, page)
        _write(target, _encoded(drawing.draw(image, entry, self.font), target.suffix))

    def document(self, file: Path, form: str, pages: Sequence[Page], original: formats.Original) -> Path:
        """Write the document that `file` shows, with the pictures of its figures; returns the document's path."""
        whole = Path(self._names[file])
        name = whole.name
        written = formats.files(build.document(name, pages), original, [form], name)
        if not written:
            raise InputError(f"{file} shows no tables, so that there is nothing to write as {form}.")
        for part, content in written.items():
            _write(self.folder / whole.parent / part, content)
        return self.folder / whole.parent / next(iter(written))

    @functools.cached_property
    def _names(self) -> dict[Path, str]:
        return {source.file: source.target.as_posix() for source in self.images}

    def _picture(self, file: Path, page: int | None = None) -> Path:
        number = "" if page is None else f"_p{page}"
        return self.folder / (self._names[file] + number + (".jpg" if file.suffix.lower() in (".jpg", ".jpeg") else ".png"))


def find_font() -> tuple[Path | None, str]:
    """The store's font for Chinese, Japanese, Korean and Latin text, and "" — or None and a sentence that says how to get it."""
    name = models.DEFAULT_FONT
    try:
        folder = models.resolve(name).path
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
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, data)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.") from None
