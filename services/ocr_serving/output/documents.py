"""What `structure_system` saw of a document, as a document: Markdown, HTML or .docx, with its figures. Pure."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.errors import InputError
from ocr_serving.output import tables
from ocr_serving.stages.reading_order import regions_in_order

Format = Literal["markdown", "html", "docx"]
SUFFIXES: Mapping[Format, str] = {"markdown": ".md", "html": ".html", "docx": ".docx"}

NARROW = 1 / 3
"""Lines in no region that stand side by side are one line where none is wider than this share of the page: a label and its sum."""

WIDTH_INCHES = 6.0
"""Between the margins of python-docx's default page."""

PIXELS_PER_INCH = 150
"""What a scan is taken to have where it tells nothing: a figure is as large as it was, or as the page allows."""

Box = tuple[float, float, float, float]
Kind = Literal["heading", "paragraph", "caption", "table", "figure"]

KINDS: Mapping[str, Kind] = {
    "title": "heading",
    "figure": "figure",
    "equation": "figure",
    "figure_caption": "caption",
    "table_caption": "caption",
}


@dataclass(frozen=True)
class Block:
    """A piece of a page: `text`, with a line feed where a line ends by itself, and where it stands.

    The text of a table is its HTML, that of a figure what is written in it; `picture` is a figure as PNG.
    """

    kind: Kind
    text: str
    box: Box
    picture: bytes = b""


def blocks(entry: Any, image: Image) -> list[Block]:
    """The blocks of a page, in reading order, from its entry of `results`; each line is in one block.

    Raises InputError where the entry has no regions.
    """
    if not isinstance(entry, dict) or "regions" not in entry:
        raise InputError("A document needs the regions of a page: take the module structure_system.")
    height, width = image.shape[:2]
    regions = entry["regions"]
    grids = [region["bbox"] for region in regions if isinstance(region["res"], dict)]
    homes = _homes([region for region in regions if not isinstance(region["res"], dict)], grids)
    found: list[Block] = []
    loose = list(entry.get("unassigned", []))
    for region in regions:
        x1, y1, x2, y2 = region["bbox"]
        box, content = (x1, y1, x2, y2), region["res"]
        if isinstance(content, dict):
            found.append(Block("table", content["html"], box))
            loose += content.get("unmatched", [])
            continue
        kind = KINDS.get(region["type"], "paragraph")
        text = _joined([line for line in content if homes.get(_key(line)) == region["bbox"]], box)
        if text or kind == "figure":
            found.append(Block(kind, text, box, _cut_out(image, box) if kind == "figure" else b""))
    found += _rows(loose, NARROW * width)
    order = regions_in_order(np.array([block.box for block in found], np.float64).reshape(-1, 4), width, height)
    return [found[index] for index in order]


def render(form: Format, pages: Sequence[Sequence[Block]], name: str) -> dict[str, bytes]:
    """The files of a document called `name`: the document itself, and the pictures of its figures, by file name."""
    pictures: dict[str, bytes] = {}
    named: list[list[tuple[Block, str]]] = []
    for page in pages:
        named.append([])
        for block in page:
            picture = f"{name}_figure{len(pictures) + 1}.png" if block.kind == "figure" else ""
            named[-1].append((block, picture))
            if picture:
                pictures[picture] = block.picture
    if form == "docx":
        return {f"{name}.docx": _docx(pages)} | pictures
    text = _markdown(named) if form == "markdown" else _html(named, name)
    return {f"{name}{SUFFIXES[form]}": text.encode("utf-8", "replace")} | pictures


def _markdown(pages: Sequence[Sequence[tuple[Block, str]]]) -> str:
    parts: list[str] = []
    for page in pages:
        if parts:
            parts.append("---")
        for block, picture in page:
            lines = [_escaped(line) for line in block.text.split("\n")]
            if block.kind == "table":
                parts.append(_markdown_table(block.text))
            elif block.kind == "figure":
                parts.append(f"![{' '.join(lines)}](<{picture}>)")
            elif block.kind == "heading":
                level = "##" if any(part.startswith("# ") for part in parts) else "#"
                parts.append(f"{level} {' '.join(lines)}")
            else:
                text = "\\\n".join(lines)
                parts.append(f"*{text}*" if block.kind == "caption" else text)
    return "\n\n".join(parts) + "\n"


def _markdown_table(markup: str) -> str:
    """A pipe table, or HTML, which Markdown takes too, where cells span."""
    cells = tables.read(markup)
    rows, columns = tables.size(cells)
    if any(cell.rows * cell.columns > 1 for cell in cells) or len(cells) != rows * columns or not cells:
        return tables.inner(markup)
    texts = [_inline(cell.text) for cell in cells]
    lines = [f"| {' | '.join(texts[start : start + columns])} |" for start in range(0, len(texts), columns)]
    return "\n".join([lines[0], "|" + " --- |" * columns, *lines[1:]])


def _inline(text: str) -> str:
    """`text` so that Markdown shows it as it is inside a line."""
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", text)


def _escaped(text: str) -> str:
    """`text` so that Markdown shows it as it is where a line begins: no heading, list or rule."""
    text = re.sub(r"^(?=[#+=-])", r"\\", _inline(text.lstrip()))
    return re.sub(r"^(\d+)(?=[.)](?:\s|$))", r"\1\\", text)


def _html(pages: Sequence[Sequence[tuple[Block, str]]], name: str) -> str:
    parts: list[str] = []
    for page in pages:
        if parts:
            parts.append("<hr>")
        for block, picture in page:
            text = html.escape(block.text)
            if block.kind == "table":
                parts.append(tables.inner(block.text))
            elif block.kind == "figure":
                parts.append(f'<p><img src="{html.escape(picture)}" alt="{text}" style="max-width:100%"></p>')
            elif block.kind == "heading":
                level = 2 if any(part.startswith("<h1>") for part in parts) else 1
                parts.append(f"<h{level}>{text}</h{level}>")
            else:
                text = text.replace("\n", "<br>")
                parts.append(f"<p><em>{text}</em></p>" if block.kind == "caption" else f"<p>{text}</p>")
    return tables.page(html.escape(name), "\n".join(parts))


def _docx(pages: Sequence[Sequence[Block]]) -> bytes:
    import docx
    from docx.shared import Inches

    document: Any = docx.Document()
    titled = False
    for number, page in enumerate(pages):
        if number:
            document.add_page_break()
        for block in page:
            text = tables.CONTROL.sub("", block.text)
            if block.kind == "table":
                _docx_table(document, tables.read(text))
            elif block.kind == "figure":
                document.add_picture(
                    io.BytesIO(block.picture), width=Inches(min(WIDTH_INCHES, (block.box[2] - block.box[0]) / PIXELS_PER_INCH))
                )
            elif block.kind == "heading":
                document.add_heading(text.replace("\n", " "), level=2 if titled else 1)
                titled = True
            else:
                document.add_paragraph(text, style="Caption" if block.kind == "caption" else None)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _docx_table(document: Any, cells: Sequence[tables.Cell]) -> None:
    rows, columns = tables.size(cells)
    if not rows or not columns:
        return
    grid = document.add_table(rows, columns)
    grid.style = "Table Grid"
    # python-docx looks a cell up by walking the table; all of them at once are walked once.
    places = [list(row.cells) for row in grid.rows]
    for cell in cells:
        place = places[cell.row][cell.column]
        if cell.rows * cell.columns > 1:
            place = place.merge(places[cell.row + cell.rows - 1][cell.column + cell.columns - 1])
        place.text = cell.text
    document.add_paragraph()


def _cut_out(image: Image, box: Box) -> bytes:
    """The part of a page inside `box`, at least one pixel, as PNG."""
    height, width = image.shape[:2]
    x1, y1 = min(max(0, int(box[0])), width - 1), min(max(0, int(box[1])), height - 1)
    _, png = cv2.imencode(".png", image[y1 : max(y1 + 1, int(box[3])), x1 : max(x1 + 1, int(box[2]))])
    return png.tobytes()


def _homes(regions: Sequence[Any], grids: Sequence[Any]) -> dict[str, Any]:
    """For each line the box of the region that it overlaps most; those whose centre lies in a table are told there."""
    homes: dict[str, tuple[float, Any]] = {}
    for region in regions:
        for line in region["res"]:
            box = _box(line)
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            if any(grid[0] <= x <= grid[2] and grid[1] <= y <= grid[3] for grid in grids):
                continue
            common = _common(box, region["bbox"])
            if common > homes.get(_key(line), (-1.0, None))[0]:
                homes[_key(line)] = (common, region["bbox"])
    return {key: home for key, (_, home) in homes.items()}


def _joined(lines: Sequence[Any], box: Box) -> str:
    """Lines of a region as running text; one that had room for the next one's first word ends there, as in an address."""
    text = "".join(line["text"] for line in lines[:1])
    for line, after in pairwise(lines):
        here, there = _box(line), _box(after)
        below = (there[1] + there[3]) / 2 > here[3]
        if below and here[2] + _first_word(after) < box[2]:
            text += "\n"
        elif not (_without_spaces(line["text"][-1:]) and _without_spaces(after["text"][:1])):
            text += " "
        text += after["text"]
    return text


def _first_word(line: Any) -> float:
    """Pixels that the first word of a line takes, with the space before it and a letter to spare."""
    left, _, right, _ = _box(line)
    word = line["text"].split(" ")[0]
    letters = 1 if _without_spaces(word[:1]) else len(word)
    return (letters + 2) * (right - left) / max(1, len(line["text"]))


def _rows(lines: Sequence[Any], narrow: float) -> list[Block]:
    """Lines in no region as paragraphs; neighbours in a row that are not wider than `narrow` are one."""
    found: list[Block] = []
    last: Box = (0, 0, 0, 0)
    for line in lines:
        box = _box(line)
        beside = last[1] < (box[1] + box[3]) / 2 < last[3] and box[0] > last[2]
        if found and beside and max(box[2] - box[0], last[2] - last[0]) <= narrow:
            before = found.pop()
            around = (before.box[0], min(before.box[1], box[1]), box[2], max(before.box[3], box[3]))
            found.append(Block("paragraph", f"{before.text} {line['text']}", around))
        else:
            found.append(Block("paragraph", line["text"], box))
        last = box
    return found


def _without_spaces(letter: str) -> bool:
    """Whether a letter is of a script that writes words without spaces: Chinese, Japanese."""
    return "\u2e80" <= letter <= "\u9fff" or "\uff00" <= letter <= "\uffef"


def _box(line: Any) -> Box:
    x, y = zip(*line["text_region"], strict=True)
    return float(min(x)), float(min(y)), float(max(x)), float(max(y))


def _common(one: Sequence[float], other: Sequence[float]) -> float:
    width, height = (min(one[n + 2], other[n + 2]) - max(one[n], other[n]) for n in (0, 1))
    return max(0.0, width) * max(0.0, height)


def _key(line: Any) -> str:
    return f"{line['text_region']} {line['text']}"
