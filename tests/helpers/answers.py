"""Answers of structure_system made by hand, and trees of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ocr_serving.output import build
from ocr_serving.output.tree import Block, Document, Page, text_of

HEIGHT, WIDTH = 1400, 1000
PAGE = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)


def line(text: str, x: float, y: float, width: float | None = None, height: float = 20) -> dict[str, Any]:
    """A line whose top left corner is at x, y; as wide as its letters where nothing is said."""
    right = x + (0.5 * height * len(text) if width is None else width)
    return {"text": text, "confidence": 0.9, "text_region": [[x, y], [right, y], [right, y + height], [x, y + height]]}


def region(kind: str, bbox: tuple[int, int, int, int], *lines: dict[str, Any]) -> dict[str, Any]:
    """A region with the lines that the module put into it."""
    return {"type": kind, "bbox": list(bbox), "res": list(lines), "score": 0.9, "img_idx": 0}


def table(bbox: tuple[int, int, int, int], rows: list[list[str]], *unmatched: dict[str, Any]) -> dict[str, Any]:
    """A table of one text a cell."""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    content = {"html": f"<html><body><table>{body}</table></body></html>", "cell_bbox": [], "unmatched": list(unmatched)}
    return region("table", bbox) | {"res": content}


def page(*regions: dict[str, Any], loose: list[dict[str, Any]] | None = None, number: int = 1, image: Any = PAGE) -> Page:
    """The page of such an answer."""
    return build.page({"regions": list(regions), "unassigned": loose or []}, image, number=number)


def document(*pages: Page, title: str = "sample") -> Document:
    """The document of such pages."""
    return build.document(title, pages)


def said(found: Page | Document) -> list[tuple[str, str]]:
    """Kind and text of each block."""
    pages = found.pages if isinstance(found, Document) else (found,)
    blocks: list[Block] = [block for one in pages for block in one.blocks]
    return [(block.kind, text_of(block)) for block in blocks]
