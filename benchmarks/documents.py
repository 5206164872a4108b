"""How much of what `ocr_system` reads on real pages is text in the documents: words kept, by format, page by page.

    python -m benchmarks.documents --data FOLDER [--most 24]

Words are compared as they stand between spaces; a word that was parted at the end of a line and is one again counts as lost twice,
so that 1.000 is more than can be had on pages of prose.
"""

from __future__ import annotations

import argparse
import html
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import docx
import numpy as np

from ocr_serving.decoding.images import Image, Limits, Undecodable, from_bytes
from ocr_serving.modules.loader import load_module
from ocr_serving.output import build, formats
from ocr_serving.output.formats import Original

SUFFIXES = (".jpg", ".jpeg", ".png")
LEAST = 0.99


def main() -> int:
    """Print a row for each page, and the mean; 1 where a page keeps less than `LEAST`."""
    parser = argparse.ArgumentParser(description="Words kept in documents.")
    parser.add_argument("--data", required=True, type=Path, help="a folder of pages, with folders inside")
    parser.add_argument("--most", type=int, default=24, help="pages, evenly taken from each folder (%(default)s)")
    args = parser.parse_args()
    structure = load_module("structure_system", init_args={}, params={})
    lines = load_module("ocr_system", init_args={}, params={})
    shares: list[tuple[float, float]] = []
    for file in _chosen(args.data, args.most):
        image = from_bytes(file.read_bytes(), where=str(file), limits=Limits())
        if isinstance(image, Undecodable):
            print(f"{file.name}: {image.reason}")
            continue
        shares.append(_kept(structure, lines, image))
        print(f"{file.parent.name}/{file.name}: {shares[-1][0]:.3f} of the words in .md, {shares[-1][1]:.3f} in .docx", flush=True)
    if not shares:
        print("There are no pages.")
        return 1
    markdown, word = np.array(shares).T
    by_form = ", ".join(
        f"{form.mean():.4f} in {name} (least {form.min():.3f})" for name, form in ((".md", markdown), (".docx", word))
    )
    print(f"{len(shares)} pages: {by_form}")
    return int(min(markdown.min(), word.min()) < LEAST)


def _chosen(folder: Path, most: int) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return files[:: max(1, len(files) // most)][:most]


def _kept(structure: Any, lines: Any, image: Image) -> tuple[float, float]:
    read = Counter(word for line in lines.predict([image])[0] for word in line["text"].split())
    markdown, word = texts(structure, image)
    return _share(read, markdown), _share(read, word)


def texts(structure: Any, image: Image) -> tuple[str, str]:
    """What .md and .docx say of a page as the module `structure` reads it, without marks."""
    page = build.page(structure.predict([image], return_lines=True)[0], image)
    made = formats.files(build.document("page", [page]), Original(), ["markdown", "docx"], "page")
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", made["page.md"].decode().replace("\\\n", "\n"))
    text = re.sub(r"</?(?:table|tr|td)[^>]*>", " ", text)
    file = docx.Document(io.BytesIO(made["page.docx"]))
    cells = [cell.text for table in file.tables for row in table.rows for cell in row.cells]
    word = " ".join([paragraph.text for paragraph in file.paragraphs] + cells)
    return html.unescape(text), word


def _share(wanted: Counter[str], text: str) -> float:
    total = sum(wanted.values())
    found = Counter(re.sub(r"^[#>|*]+$|^\*|\*$", "", word) for word in text.split()) | Counter(text.split())
    return 1.0 if not total else 1 - sum((wanted - found).values()) / total


if __name__ == "__main__":
    raise SystemExit(main())
