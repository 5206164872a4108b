"""Tables drawn as a page would have them, for tests of what reads them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Style = Literal["ruled", "lines", "bands", "bare", "booktabs", "dark"]
Entry = tuple[str, int, int]
"""Text of a cell, rows and columns that it covers."""


def drawn(
    rows: Sequence[Sequence[str | Entry]],
    style: Style = "ruled",
    *,
    size: int = 20,
    pad: int = 16,
    margin: int = 30,
    places: list[tuple[str, tuple[int, int, int, int]]] | None = None,
) -> NDArray[np.uint8]:
    """A picture, BGR, of the table that `rows` tell as HTML does; columns are as wide as their texts.

    `places` takes each line of text and its box x1, y1, x2, y2.
    """
    font = ImageFont.load_default(size)
    cells = placed(rows)
    columns = max(column + across for _, column, _, _, across in cells)
    widths = [60] * columns
    for _, column, text, _, across in cells:
        if across == 1:
            widths[column] = max(widths[column], int(max(font.getlength(line) for line in text.split("\n"))) + 2 * pad)
    step = int(1.4 * size)
    heights = [step + pad] * len(rows)
    for row, _, text, down, _ in cells:
        if down == 1:
            heights[row] = max(heights[row], step * len(text.split("\n")) + pad)
    x, y = (np.cumsum([margin, *sides]).tolist() for sides in (widths, heights))
    paper, ink, rule = ("#202020", "#eeeeee", "#707070") if style == "dark" else ("white", "black", "#909090")
    page = Image.new("RGB", (x[-1] + margin, y[-1] + margin), paper)
    draw = ImageDraw.Draw(page)
    if style == "bands":
        for row in range(0, len(rows), 2):
            draw.rectangle((x[0], y[row], x[-1], y[row + 1]), fill="#e4e8f4")
    for row, column, text, down, across in cells:
        box = (x[column], y[row], x[column + across], y[row + down])
        if style in ("ruled", "dark"):
            draw.rectangle(box, outline=rule)
        elif style == "lines":
            draw.line((box[0], box[3], box[2], box[3]), fill=rule)
        lines = text.split("\n")
        top = (box[1] + box[3] - step * len(lines)) / 2
        for n, line in enumerate(lines):
            at = (box[0] + pad, top + n * step + step * 0.1)
            draw.text(at, line, fill=ink, font=font)
            if places is not None:
                places.append((line, (int(at[0]), int(at[1]), int(at[0] + font.getlength(line)) + 1, int(at[1] + 1.1 * size))))
    if style == "booktabs":
        for at in (y[0], y[1], y[-1]):
            draw.line((x[0], at, x[-1], at), fill="black", width=2)
    return np.asarray(page, np.uint8)[:, :, ::-1].copy()


def placed(rows: Sequence[Sequence[str | Entry]]) -> list[tuple[int, int, str, int, int]]:
    """Row, column, text, rows and columns of each cell, where HTML puts it."""
    taken: set[tuple[int, int]] = set()
    cells = []
    for row, entries in enumerate(rows):
        column = 0
        for entry in entries:
            text, down, across = (entry, 1, 1) if isinstance(entry, str) else entry
            while (row, column) in taken:
                column += 1
            taken.update((row + n, column + m) for n in range(down) for m in range(across))
            cells.append((row, column, text, down, across))
            column += across
    return cells


def told(rows: Sequence[Sequence[str | Entry]]) -> str:
    """The same table as HTML."""

    def cell(entry: str | Entry) -> str:
        text, down, across = (entry, 1, 1) if isinstance(entry, str) else entry
        spans = "".join(f' {name}="{n}"' for name, n in (("colspan", across), ("rowspan", down)) if n > 1)
        return f"<td{spans}>{html.escape(text.replace(chr(10), ' '))}</td>"

    lines = ("".join(cell(entry) for entry in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
