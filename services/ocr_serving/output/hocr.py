"""A document as hOCR 1.2 (Breuel, "The hOCR Microformat for OCR Workflow and Results", ICDAR 2007): XHTML with places. Pure."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from ocr_serving import __version__
from ocr_serving.output.lines import height, runs_down
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Block, Box, Document, Figure, Line, Page, Table

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>{title}</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content="ocr-serving {version}"/>
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_table ocr_image ocr_line ocrx_word"/>
</head>
<body>
"""


def hocr(document: Document) -> bytes:
    """UTF-8, well-formed XML; boxes in whole pixels of the pages."""
    parts = [HEAD.format(title=_text(document.title), version=__version__)]
    for page in document.pages:
        parts.append(_page(page, document.title))
    parts.append("</body>\n</html>\n")
    return "".join(parts).encode("utf-8", "replace")


def _page(page: Page, title: str) -> str:
    name = title.replace('"', "'")
    said = f'image "{name}"; bbox 0 0 {page.width} {page.height}; ppageno {page.number - 1}'
    if page.dpi:
        said += f"; scan_res {round(page.dpi)} {round(page.dpi)}"
    blocks = "".join(_block(block, f"{page.number}_{n}") for n, block in enumerate(page.blocks, 1))
    return f'<div class="ocr_page" id="page_{page.number}" title="{_text(said)}">\n{blocks}</div>\n'


def _block(block: Block, name: str) -> str:
    place = f'title="{_box(block.box)}"'
    if isinstance(block, Figure) and not block.lines:
        return f'<div class="ocr_image" id="block_{name}" {place}></div>\n'
    kind = "ocr_table" if isinstance(block, Table) else "ocr_image" if isinstance(block, Figure) else "ocr_carea"
    return (
        f'<div class="{kind}" id="block_{name}" {place}>\n<p class="ocr_par" id="par_{name}" {place}>\n'
        f"{_lines(block.lines, name)}</p>\n</div>\n"
    )


def _lines(lines: Sequence[Line], name: str) -> str:
    return "".join(_line(line, f"{name}_{n}") for n, line in enumerate(lines, 1))


def _line(line: Line, name: str) -> str:
    words = "\n".join(
        f'<span class="ocrx_word" id="word_{name}_{n}" title="{_box(word.box)}; x_wconf {round(100 * word.confidence)}">'
        f"{_text(word.text)}</span>"
        for n, word in enumerate(line.words, 1)
    )
    said = f"{_box(line.box)}; {_baseline(line)}; x_size {height(line):.1f}"
    return f'<span class="ocr_line" id="line_{name}" title="{said}">{words}</span>\n'


def _baseline(line: Line) -> str:
    """The lower side as a slope and where it leaves the box's bottom left corner, or the angle of a line that is turned."""
    if runs_down(line):
        return "textangle 270"
    (ax, ay), (bx, by), (rx, ry), (lx, ly) = line.quad
    # Counted against the clock: 90 is read upwards.
    quarters = round(math.atan2(ay - by, bx - ax) / (math.pi / 2)) % 4
    if quarters:
        return f"textangle {90 * quarters}"
    fall = (ry - ly) / max(1.0, rx - lx)
    return f"baseline {fall:.4f} {ly - line.box[3]:.0f}"


def _box(box: Box) -> str:
    x1, y1, x2, y2 = box
    return f"bbox {max(0, int(x1))} {max(0, int(y1))} {max(0, round(x2))} {max(0, round(y2))}"


def _text(text: str) -> str:
    return html.escape(CONTROL.sub("", text))
