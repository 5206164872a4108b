"""A document as ALTO 4.4, the Library of Congress's XML of layout and text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from ocr_serving import __version__
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Block, Box, Cell, Document, Figure, Line, Page, Table

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"
TAGS = ("heading", "paragraph", "caption", "header", "footer", "list", "table", "figure", "field")


def alto(document: Document) -> bytes:
    """UTF-8; places in pixels of the pages."""
    pages = "".join(_page(page) for page in document.pages)
    tags = "".join(f'<StructureTag ID="{tag}" LABEL="{tag}"/>' for tag in TAGS)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<alto xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:schemaLocation="{NAMESPACE} {SCHEMA}" SCHEMAVERSION="4.4">\n<Description><MeasurementUnit>pixel</MeasurementUnit>'
        f"<sourceImageInformation><fileName>{_escaped(document.title)}</fileName></sourceImageInformation>"
        '<Processing ID="ocr"><processingCategory>contentGeneration</processingCategory><processingSoftware>'
        f"<softwareName>ocr-serving</softwareName><softwareVersion>{__version__}</softwareVersion></processingSoftware></Processing>"
        f"</Description>\n<Tags>{tags}</Tags>\n<Layout>\n{pages}</Layout>\n</alto>\n"
    ).encode("utf-8", "replace")


def _page(page: Page) -> str:
    whole = _place((0, 0, page.width, page.height))
    blocks = "".join(_block(block, f"p{page.number}b{n}") for n, block in enumerate(page.blocks, 1))
    return (
        f'<Page ID="p{page.number}" PHYSICAL_IMG_NR="{page.number}" WIDTH="{page.width}" HEIGHT="{page.height}">'
        f"<PrintSpace {whole}>\n{blocks}</PrintSpace></Page>\n"
    )


def _block(block: Block, name: str) -> str:
    tag = block.kind
    if isinstance(block, Table):
        cells = "".join(_cell(cell, f"{name}c{n}") for n, cell in enumerate(block.cells, 1) if cell.lines)
        return f'<ComposedBlock ID="{name}" TAGREFS="{tag}" TYPE="table" {_place(block.box)}>{cells}</ComposedBlock>\n'
    if isinstance(block, Figure):
        picture = f'<Illustration ID="{name}" TAGREFS="{tag}" {_place(block.box)}/>\n'
        return picture + (_text_block(block.lines, f"{name}t", tag, block.box) if block.lines else "")
    return _text_block(block.lines, name, tag, block.box)


def _cell(cell: Cell, name: str) -> str:
    boxes = [line.box for line in cell.lines]
    box = min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
    return _text_block(cell.lines, name, "table", box)


def _text_block(lines: Sequence[Line], name: str, tag: str, box: Box) -> str:
    said = "".join(_line(line, f"{name}l{n}") for n, line in enumerate(lines, 1) if line.words)
    return f'<TextBlock ID="{name}" TAGREFS="{tag}" {_place(box)}>{said}</TextBlock>\n'


def _line(line: Line, name: str) -> str:
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in line.quad)
    words = "<SP/>".join(
        f'<String ID="{name}w{n}" {_place(word.box)} WC="{word.confidence:.3f}" CONTENT={quoteattr(CONTROL.sub("", word.text))}/>'
        for n, word in enumerate(line.words, 1)
    )
    return f'<TextLine ID="{name}" {_place(line.box)}><Shape><Polygon POINTS="{points}"/></Shape>{words}</TextLine>'


def _place(box: Box) -> str:
    x1, y1, x2, y2 = box
    return f'HPOS="{x1:.0f}" VPOS="{y1:.0f}" WIDTH="{max(0, x2 - x1):.0f}" HEIGHT="{max(0, y2 - y1):.0f}"'


def _escaped(text: str) -> str:
    return CONTROL.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
