"""A document as a page for a browser, its figures inside; what is written on the page stays text. Pure."""

from __future__ import annotations

import base64
import html

from ocr_serving.output.lines import runs_left
from ocr_serving.output.markdown import html_table
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Block, Document, Figure, FormField, List, Table

STYLE = (
    "body{font-family:sans-serif;max-width:50em;margin:2em auto;padding:0 1em;line-height:1.4}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #888;padding:.2em .5em;vertical-align:top}"
    "p{white-space:pre-wrap;tab-size:12}img{max-width:100%}header,footer,figcaption{color:#555;white-space:pre-wrap}"
    "ul{list-style:none;padding-left:1.5em}section+section{border-top:1px solid #ccc;margin-top:2em;padding-top:1em}"
)


def page(document: Document) -> bytes:
    """UTF-8, one file."""
    parts = ["<!doctype html>", "<html>", "<head>", '<meta charset="utf-8">', f"<title>{_text(document.title)}</title>"]
    parts += [f"<style>{STYLE}</style>", "</head>", "<body>"]
    for one in document.pages:
        parts.append(f'<section id="page{one.number}">')
        parts += [_block(block) for block in one.blocks]
        parts.append("</section>")
    parts += ["</body>", "</html>", ""]
    return "\n".join(parts).encode("utf-8", "replace")


def _block(block: Block) -> str:
    if isinstance(block, Table):
        # As the direction of each cell's own text is.
        table = html_table(block)
        return table.replace("<td", '<td dir="auto"') if any(runs_left(cell.text) for cell in block.cells) else table
    if isinstance(block, List):
        sides = [f' style="margin-left:{2 * item.depth}em"{_side(item.text)}' for item in block.items]
        points = (f"<li{side}>{_text(item.marker)} {_text(item.text)}</li>" for item, side in zip(block.items, sides, strict=True))
        return f"<ul>{''.join(points)}</ul>"
    if isinstance(block, FormField):
        return f"<p{_side(block.question)}><b>{_text(block.question)}</b> {_text(block.answer)}</p>"
    if isinstance(block, Figure):
        data = base64.b64encode(block.picture).decode("ascii")
        picture = f'<img alt="" src="data:image/png;base64,{data}">' if data else ""
        caption = f"<figcaption{_side(block.text)}>{_text(block.text)}</figcaption>" if block.text else ""
        return f"<figure>{picture}{caption}</figure>"
    text, side = _text(block.text), _side(block.text)
    if block.kind == "heading":
        level = min(6, block.level or 1)
        return f"<h{level}{side}>{text}</h{level}>"
    if block.kind in ("header", "footer"):
        return f"<{block.kind}{side}>{text}</{block.kind}>"
    return f"<p{side}><em>{text}</em></p>" if block.kind == "caption" else f"<p{side}>{text}</p>"


def _side(text: str) -> str:
    """The attribute of what is read from the right."""
    return ' dir="rtl"' if runs_left(text) else ""


def _text(text: str) -> str:
    return html.escape(CONTROL.sub("", text))
