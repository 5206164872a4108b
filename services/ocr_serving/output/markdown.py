"""A document as Markdown (CommonMark with the tables of GitHub); what is written on the page stays text. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from urllib.parse import quote

from ocr_serving.output import continued
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Block, Document, Figure, FormField, List, Table


def markdown(document: Document, pictures: Mapping[int, str]) -> bytes:
    """UTF-8. `pictures` has the file names of figures, by the number of the figure in the document, from 0."""
    parts: list[str] = []
    figure = 0
    gone = continued.emptied(document)
    for page in document.pages:
        if page.number in gone:
            continue
        if page.number > 1 and parts:
            parts.append("---")
        for block in page.blocks:
            if isinstance(block, Figure):
                if figure in pictures:
                    parts.append(f"![](<{_target(pictures[figure])}>)")
                figure += 1
                if block.text:
                    parts.append(_lines(block.text))
            else:
                parts.append(_block(block))
    return ("\n\n".join(part for part in parts if part) + "\n").encode("utf-8", "replace")


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, List):
        return "\n".join(f"{'   ' * item.depth}{_sign(item.marker)} {_inline(item.text)}" for item in block.items)
    if isinstance(block, FormField):
        return f"**{_inline(block.question)}** {_inline(block.answer)}"
    if block.kind == "heading":
        return f"{'#' * min(6, block.level or 1)} {_inline(' '.join(block.text.split()))}"
    if block.kind == "caption":
        return f"*{_lines(block.text)}*"
    return _lines(block.text)


def _sign(marker: str) -> str:
    """The sign of a point as Markdown has it; letters and Roman numbers are told in the text."""
    if re.fullmatch(r"\d{1,9}[.)]", marker):
        return marker
    return f"- {_inline(marker)}" if any(letter.isalnum() for letter in marker) else "-"


def _lines(text: str) -> str:
    return "\\\n".join(_escaped(line) for line in text.split("\n"))


def _table(table: Table) -> str:
    """A pipe table, or HTML, which Markdown takes too, where cells span."""
    if any(cell.rows * cell.columns > 1 for cell in table.cells) or len(table.cells) != table.rows * table.columns:
        return html_table(table)
    rows: list[list[str]] = [[] for _ in range(table.rows)]
    for cell in table.cells:
        rows[cell.row].append(_inline(cell.text))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * table.columns, *lines[1:]])


def html_table(table: Table) -> str:
    """A table's HTML, on one line, its texts escaped."""
    rows: list[list[str]] = [[] for _ in range(table.rows)]
    for cell in table.cells:
        spans = f' rowspan="{cell.rows}"' * (cell.rows > 1) + f' colspan="{cell.columns}"' * (cell.columns > 1)
        rows[cell.row].append(f"<td{spans}>{html.escape(CONTROL.sub('', cell.text))}</td>")
    return f"<table>{''.join('<tr>' + ''.join(row) + '</tr>' for row in rows)}</table>"


def _inline(text: str) -> str:
    """`text` so that Markdown shows it as it is inside a line, and makes no link of an address."""
    text = CONTROL.sub("", " ".join(text.split()))
    text = re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", text)
    text = re.sub(r"(?i)(?<=[a-z0-9])(:)(?=//|[a-z0-9.]+@)", r"\\\1", text)
    text = re.sub(r"(?i)\b(www)\.", r"\1\\.", text)
    return re.sub(r"(?<=\S)@(?=\S)", r"\\@", text)


def _escaped(text: str) -> str:
    """`text` so that Markdown shows it as it is where a line begins: no heading, list or rule."""
    text = re.sub(r"^(?=[#+=:-])", r"\\", _inline(text))
    return re.sub(r"^(\d+)(?=[.)](?:\s|$))", r"\1\\", text)


def _target(name: str) -> str:
    """A file name inside the < > of a link; what may not stand there, and what is no text, as its bytes in per cent."""
    return re.sub(r"[\x00-\x1f\x7f<>\\%\ud800-\udfff]", lambda found: quote(found[0], errors="surrogateescape"), name)
