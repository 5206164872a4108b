"""The blocks of a page as PaddleOCR 3's layout parsing tells them, and their Markdown. Pure: the page tree in, its names out."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from ocr_serving.output import build
from ocr_serving.output.markdown import html_table
from ocr_serving.output.tree import Block, Box, Document, Figure, FormField, List, Page, Table, Text, text_of
from ocr_serving.server.paddleocr3 import pictures
from ocr_serving.server.paddleocr3.options import LayoutRequest

LABELS = (
    "paragraph_title",
    "image",
    "text",
    "number",
    "abstract",
    "content",
    "figure_title",
    "formula",
    "table",
    "reference",
    "doc_title",
    "footnote",
    "header",
    "algorithm",
    "footer",
    "seal",
    "chart",
    "formula_number",
    "aside_text",
    "reference_content",
)
"""The labels there, each at its `cls_id`."""

OF_REGIONS: Mapping[str, str] = {
    "title": "paragraph_title",
    "figure": "image",
    "figure_caption": "figure_title",
    "table_caption": "figure_title",
    "equation": "formula",
    "list": "text",
}
"""What the labels of the layout networks here are called there, where that is another name."""

OF_TEXTS: Mapping[str, str] = {"paragraph": "text", "caption": "figure_title", "header": "header", "footer": "footer"}

WITHOUT_ORDER = ("table", "image", "formula", "header", "footer")
"""Blocks that are told in their place but are not counted, as there."""

ENDS = ".!?。！？:：;；…\"'”’)）"
"""Signs that end a paragraph."""


def detected(regions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`layout_det_res` of the regions of `structure_system`."""
    boxes = []
    for region in regions:
        label = OF_REGIONS.get(region["type"], region["type"])
        number = LABELS.index(label) if label in LABELS else len(LABELS)
        box = [float(side) for side in region["bbox"]]
        boxes.append({"cls_id": number, "label": label, "score": float(region["score"]), "coordinate": box})
    return {"boxes": boxes}


def blocks(page: Page, formulas: Sequence[Box], request: LayoutRequest) -> list[dict[str, Any]]:
    """`parsing_res_list`: the blocks of a page in reading order; figures at the boxes `formulas` are formulas."""
    found: list[dict[str, Any]] = []
    order = 0
    for number, block in enumerate(page.blocks):
        label = label_of(block, formulas)
        counted = label not in WITHOUT_ORDER
        order += counted
        content = _marked(block, label, page, request) if request.formatBlockContent else _plain(block)
        found.append(
            {
                "block_label": label,
                "block_content": content,
                "block_bbox": whole(block.box),
                "block_id": number,
                "block_order": order if counted else None,
            }
        )
    return found


def markdown(page: Page, formulas: Sequence[Box], request: LayoutRequest) -> dict[str, Any]:
    """`markdown`: the page's text, the pictures that it shows, whether a paragraph begins and ends with the page."""
    ignored = request.ignored_labels
    shown = [(block, label) for block in page.blocks if (label := label_of(block, formulas)) not in ignored]
    texts = [block for block, _ in shown if isinstance(block, Text) and block.kind == "paragraph"]
    starts = not (shown and isinstance(shown[0][0], Text) and shown[0][0].text[:1].islower())
    last = texts[-1].text.rstrip() if texts and shown[-1][0] is texts[-1] else ""
    result: dict[str, Any] = {
        "text": "\n\n".join(_marked(block, label, page, request) for block, label in shown),
        "isStart": starts,
        "isEnd": not last or last[-1] in ENDS,
    }
    if request.returnMarkdownImages:
        result["images"] = {
            _key(block, label): _jpeg(block.picture) for block, label in shown if isinstance(block, Figure) and block.picture
        }
    return result


def kept(page: Page, formulas: Sequence[Box]) -> dict[str, Any]:
    """What of a page has to be known for `retold`, as JSON: no words, no pictures, and the lines of headings alone."""

    def short(block: Block) -> Block:
        if isinstance(block, Text | Figure | FormField):
            lines = block.lines if isinstance(block, Text) and block.kind == "heading" else ()
            return block.model_copy(update={"lines": tuple(line.model_copy(update={"words": ()}) for line in lines)})
        name = "cells" if isinstance(block, Table) else "items"
        return block.model_copy(update={name: tuple(part.model_copy(update={"lines": ()}) for part in getattr(block, name))})

    told = page.model_copy(update={"blocks": tuple(map(short, page.blocks))})
    return {"page": told.model_dump(mode="json"), "formulas": [list(box) for box in formulas]}


def retold(trees: Sequence[Mapping[str, Any]], request: LayoutRequest) -> list[dict[str, Any]]:
    """`blocks`, and `markdown` without pictures, of pages that were read one by one, each as `kept` has it, told by all of them."""
    pages = tuple(Page.model_validate(tree["page"]) for tree in trees)
    whole = build.joined(Document(title="document", pages=pages))
    found = []
    for page, tree in zip(whole.pages, trees, strict=True):
        formulas: list[Box] = [(x1, y1, x2, y2) for x1, y1, x2, y2 in tree["formulas"]]
        text = {key: value for key, value in markdown(page, formulas, request).items() if key != "images"}
        found.append({"blocks": blocks(page, formulas, request), "markdown": text})
    return found


def label_of(block: Block, formulas: Sequence[Box]) -> str:
    """What a block is called there."""
    if isinstance(block, Table):
        return "table"
    if isinstance(block, Figure):
        return "formula" if block.box in formulas else "image"
    if isinstance(block, Text):
        if block.kind == "heading":
            return "doc_title" if block.level == 1 else "paragraph_title"
        return OF_TEXTS[block.kind]
    return "text"


def whole(box: Box) -> list[int]:
    """A box in whole pixels."""
    return [round(side) for side in box]


def _plain(block: Block) -> str:
    if isinstance(block, Table):
        return f"<html><body>{html_table(block)}</body></html>"
    return "" if isinstance(block, Figure) else text_of(block)


def _marked(block: Block, label: str, page: Page, request: LayoutRequest) -> str:
    """A block as Markdown."""
    if isinstance(block, Table):
        return _table(block, pretty=request.prettifyMarkdown)
    if isinstance(block, Figure):
        return _figure(block, label, page, pretty=request.prettifyMarkdown)
    if isinstance(block, List):
        return "\n".join(f"{'   ' * item.depth}{_sign(item.marker)} {_shown(item.text)}" for item in block.items)
    if isinstance(block, FormField):
        return f"**{_shown(block.question)}** {_shown(block.answer)}"
    if block.kind == "heading":
        return f"{'#' * min(6, block.level or 1)} {_shown(' '.join(block.text.split()))}"
    return _shown(block.text)


def _sign(marker: str) -> str:
    return marker if re.fullmatch(r"\d{1,9}[.)]", marker) else f"- {_shown(marker)}" if re.search(r"\w", marker) else "-"


def _shown(text: str) -> str:
    """What is written on the page makes no tag of HTML; else it stays as it is, as there."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def _table(block: Table, *, pretty: bool) -> str:
    text = html_table(block)
    if not pretty:
        return f"\n{text}"
    text = re.sub("^<table>", '<table border="1">', text)
    return f'\n<div style="text-align: center;"><html><body>{text}</body></html></div>\n'


def _figure(block: Figure, label: str, page: Page, *, pretty: bool) -> str:
    key = _key(block, label)
    if not pretty:
        return f"![]({key})"
    share = max(1, round(100 * (block.box[2] - block.box[0]) / page.width))
    return f'<div style="text-align: center;"><img src="{html.escape(key)}" alt="Image" width="{share}%" /></div>\n'


def _key(block: Figure, label: str) -> str:
    return f"imgs/img_in_{label}_box_{'_'.join(map(str, whole(block.box)))}.jpg"


def _jpeg(png: bytes) -> str:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return pictures.encoded(png) if picture is None else pictures.jpeg(np.asarray(picture, np.uint8))
