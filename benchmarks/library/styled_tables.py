"""Tables drawn in many styles, with their true HTML: what offices and web pages print, light and dark, tight and wide.

Everything follows from a style's name and a number, so that the same tables are drawn again anywhere.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ocr_serving.decoding.images import Image

Rules = Literal["all", "rows", "none", "booktabs", "frame"]
Align = Literal["left", "right", "centre"]


@dataclass(frozen=True)
class Style:
    """How a table looks: its rules, whether it is light on dark, in bands; letters and room in pixels; what is in it."""

    rules: Rules = "all"
    dark: bool = False
    bands: bool = False
    size: int = 18
    pad: int = 10
    room: int = 10
    columns: tuple[int, int] = (3, 6)
    rows: tuple[int, int] = (5, 14)
    numbers: Align = "right"
    lines: int = 1
    """Lines of text in a cell at most."""
    empty: float = 0.0
    """Share of the cells of the body that are empty."""
    merged: bool = False
    """The heading has two rows, and groups of columns."""
    groups: bool = False
    """The first column has cells over several rows."""
    digits: bool = False
    """Nothing but short numbers."""
    filled: bool = False
    """The heading is light on dark, or dark on light in a dark table."""


STYLES: Mapping[str, Style] = {
    "ruled": Style(),
    "rows": Style(rules="rows"),
    "bands": Style(rules="none", bands=True),
    "bare": Style(rules="none"),
    "booktabs": Style(rules="booktabs"),
    "frame": Style(rules="frame"),
    "filled": Style(rules="rows", filled=True),
    "dark": Style(dark=True),
    "dark rows": Style(dark=True, rules="rows"),
    "dark bare": Style(dark=True, rules="none"),
    "dark bands": Style(dark=True, rules="none", bands=True, filled=True),
    "narrow": Style(pad=4, room=6, columns=(8, 12), digits=True),
    "narrow rows": Style(rules="rows", pad=6, room=6, columns=(8, 12), digits=True),
    "narrow bare": Style(rules="none", pad=6, room=6, columns=(7, 10), digits=True),
    "lines": Style(lines=3, rows=(4, 8)),
    "lines rows": Style(rules="rows", lines=3, rows=(4, 8)),
    "lines bare": Style(rules="none", lines=3, rows=(4, 8), room=16),
    "empty": Style(empty=0.35),
    "empty rows": Style(rules="rows", empty=0.3),
    "empty bare": Style(rules="none", empty=0.25),
    "merged": Style(merged=True, columns=(5, 7)),
    "merged booktabs": Style(rules="booktabs", merged=True, columns=(5, 7)),
    "groups": Style(groups=True),
    "groups rows": Style(rules="rows", groups=True),
    "small": Style(size=11, pad=6, room=5),
    "centred": Style(rules="rows", numbers="centre"),
    "long": Style(rules="rows", size=16, room=6, rows=(70, 100)),
    "long bare": Style(rules="none", bands=True, size=16, room=6, rows=(70, 100)),
}

LIGHT, DARK = (
    {"paper": "#ffffff", "ink": "#1a1a1a", "rule": "#9a9a9a", "band": "#eef1f6", "head": "#2f4a6d"},
    {
        "paper": "#1e2227",
        "ink": "#e2e5e9",
        "rule": "#4a5058",
        "band": "#2a2f36",
        "head": "#3d5a80",
    },
)

NAMES = ("Amber", "Northwind", "Delta", "Orchard", "Lindqvist", "Marmot", "Halcyon", "Verdant", "Quarry", "Sable")
NOUNS = ("bearing", "conveyor belt", "gasket", "fuse box", "hydraulic pump", "sensor", "cable tray", "valve seat", "filter")
PLACES = ("Bristol", "Ghent", "Oslo", "Turin", "Leeds", "Porto", "Graz", "Malmo", "Cork", "Lyon")
KINDS = {
    "Name": "text",
    "Part": "text",
    "Site": "text",
    "Qty": "count",
    "Units": "count",
    "Price": "money",
    "Amount": "money",
    "Share": "share",
    "Date": "date",
    "Weight": "decimal",
    "Code": "code",
}


class Entry(NamedTuple):
    """A cell: its place, what it covers, and its lines of text."""

    row: int
    column: int
    rows: int
    columns: int
    lines: tuple[str, ...]
    align: Align = "left"


def drawn(name: str, seed: int) -> tuple[Image, str]:
    """The table with that number of the style `name`: its picture, BGR, and its HTML. Raises KeyError."""
    style = STYLES[name]
    rng = np.random.default_rng([seed, *name.encode()])
    entries, head = _entries(style, rng)
    return _picture(style, entries, head), _html(entries)


def _entries(style: Style, rng: np.random.Generator) -> tuple[list[Entry], int]:
    """The cells, and how many rows are headings."""
    columns, rows = (int(rng.integers(low, high + 1)) for low, high in (style.columns, style.rows))
    if style.digits:
        heads, kinds = [str(2010 + n) if columns < 9 else chr(65 + n) for n in range(columns)], ["digits"] * columns
    else:
        chosen = rng.permutation(list(KINDS))[:columns].tolist()
        heads = [str(rng.choice(["Name", "Part", "Site"])), *(key for key in chosen if KINDS[key] != "text")][:columns]
        heads += [key for key in chosen if key not in heads][: columns - len(heads)]
        kinds = [KINDS[key] for key in heads]
    columns = len(heads)
    aligns: list[Align] = ["left" if kind in ("text", "code", "date") else style.numbers for kind in kinds]
    head = 2 if style.merged else 1
    entries = _heading(heads, aligns, merged=style.merged)
    start = head
    while start < head + rows:
        over = int(rng.integers(2, 5)) if style.groups else 1
        over = min(over, head + rows - start)
        for n in range(over):
            for column, kind in enumerate(kinds):
                if style.groups and column == 0:
                    if n == 0:
                        entries.append(Entry(start, 0, over, 1, (str(rng.choice(NAMES)),)))
                    continue
                is_empty = column > 0 and rng.random() < style.empty
                lines = () if is_empty else _lines(kind, style.lines, rng)
                entries.append(Entry(start + n, column, 1, 1, lines, aligns[column]))
        start += over
    return entries, head


def _heading(heads: Sequence[str], aligns: Sequence[Align], *, merged: bool) -> list[Entry]:
    if not merged:
        return [Entry(0, n, 1, 1, (text,), aligns[n]) for n, text in enumerate(heads)]
    half = 1 + (len(heads) - 1) // 2
    first = [
        Entry(0, 0, 2, 1, (heads[0],)),
        Entry(0, 1, 1, half - 1, ("First half",), "centre"),
        Entry(0, half, 1, len(heads) - half, ("Second half",), "centre"),
    ]
    return first + [Entry(1, n, 1, 1, (text,), aligns[n]) for n, text in enumerate(heads) if n]


def _lines(kind: str, most: int, rng: np.random.Generator) -> tuple[str, ...]:
    if kind == "text":
        count = int(rng.integers(1, most + 1))
        return tuple(f"{rng.choice(NAMES)} {rng.choice(NOUNS)}" if most > 1 or n else str(rng.choice(PLACES)) for n in range(count))
    value = float(rng.integers(1, 2_000_000)) / 100
    told = {
        "digits": str(int(rng.integers(1, 999))),
        "count": str(int(rng.integers(1, 2000))),
        "money": f"${value:,.2f}",
        "share": f"{rng.integers(0, 1000) / 10}%",
        "date": f"{rng.integers(2019, 2027)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}",
        "decimal": f"{value:.3f}",
        "code": f"{rng.choice(NAMES)[:2].upper()}-{rng.integers(1000, 9999)}",
    }
    return (told[kind],)


def _picture(style: Style, entries: Sequence[Entry], head: int) -> Image:
    font = ImageFont.load_default(style.size)
    step = round(1.3 * style.size)
    columns = max(entry.column + entry.columns for entry in entries)
    rows = max(entry.row + entry.rows for entry in entries)
    widths, heights = [2.0 * style.size] * columns, [float(step + style.room)] * rows
    if style.digits:
        widths = [float(style.size)] * columns
    for entry in entries:
        wide = max((font.getlength(line) for line in entry.lines), default=0.0) + 2 * style.pad
        if entry.columns == 1:
            widths[entry.column] = max(widths[entry.column], wide)
        if entry.rows == 1:
            heights[entry.row] = max(heights[entry.row], len(entry.lines) * step + style.room)
    margin = 24
    x, y = (np.cumsum([margin, *sides]).round().astype(int).tolist() for sides in (widths, heights))
    paint = DARK if style.dark else LIGHT
    page = Pillow.new("RGB", (x[-1] + margin, y[-1] + margin), paint["paper"])
    draw = ImageDraw.Draw(page)
    if style.bands:
        for row in range(head, rows, 2):
            draw.rectangle((x[0], y[row], x[-1], y[row + 1]), fill=paint["band"])
    if style.filled:
        draw.rectangle((x[0], y[0], x[-1], y[head]), fill=paint["head"])
    for entry in entries:
        box = (x[entry.column], y[entry.row], x[entry.column + entry.columns], y[entry.row + entry.rows])
        if style.rules == "all":
            draw.rectangle(box, outline=paint["rule"])
        elif style.rules == "rows":
            draw.line((box[0], box[3], box[2], box[3]), fill=paint["rule"])
        top = (box[1] + box[3] - step * len(entry.lines)) / 2
        for n, line in enumerate(entry.lines):
            free = box[2] - box[0] - 2 * style.pad - font.getlength(line)
            left = box[0] + style.pad + {"left": 0.0, "right": free, "centre": free / 2}[entry.align]
            ink = "#ffffff" if style.filled and entry.row < head else paint["ink"]
            draw.text((left, top + n * step + 0.1 * step), line, fill=ink, font=font)
    if style.rules == "frame":
        draw.rectangle((x[0], y[0], x[-1], y[-1]), outline=paint["rule"])
    if style.rules == "booktabs":
        for at in (y[0], y[head], y[-1]):
            draw.line((x[0], at, x[-1], at), fill=paint["ink"], width=2)
    return np.asarray(page, np.uint8)[:, :, ::-1].copy()


def _html(entries: Sequence[Entry]) -> str:
    rows: list[list[str]] = [[] for _ in range(max(entry.row + entry.rows for entry in entries))]
    for entry in sorted(entries):
        spans = f' rowspan="{entry.rows}"' * (entry.rows > 1) + f' colspan="{entry.columns}"' * (entry.columns > 1)
        rows[entry.row].append(f"<td{spans}>{html.escape(' '.join(entry.lines))}</td>")
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>{lines}</table>"
