"""What tables of offices are made of: names, figures and prose, and cells as a browser gets them and as they are true."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NAMES = ("Amber", "Northwind", "Delta", "Orchard", "Lindqvist", "Marmot", "Halcyon", "Verdant", "Quarry", "Sable")
GOODS = ("bearing", "conveyor belt", "gasket", "fuse box", "hydraulic pump", "sensor", "cable tray", "valve seat", "filter")
PLACES = ("Bristol", "Ghent", "Oslo", "Turin", "Leeds", "Porto", "Graz", "Malmo", "Cork", "Lyon", "Bergen", "Delft", "Basel")
PROSE = [
    *("the", "committee", "met", "twice", "during", "the", "year", "and", "approved", "the", "plan", "of", "work", "for", "the"),
    *("coming", "season.", "Members", "thanked", "the", "staff", "for", "their", "care", "and", "asked", "that", "the", "figures"),
    *("be", "read", "with", "the", "notes", "that", "follow", "them.", "Costs", "rose", "a", "little", "in", "the", "spring,"),
    *("fell", "in", "summer,", "and", "stayed", "level", "until", "the", "end", "of", "the", "year,", "as", "had", "been"),
    *("expected", "by", "all", "who", "were", "asked.", "No", "objection", "was", "raised,", "and", "the", "treasurer", "was"),
    *("given", "leave", "to", "place", "the", "remaining", "orders", "with", "the", "firms", "named", "in", "the", "report."),
]


class Cell(NamedTuple):
    """A cell: its lines, rows and columns that it covers, and its style sheet's classes."""

    lines: tuple[str, ...]
    rows: int = 1
    columns: int = 1
    classes: str = ""


Rows = Sequence[Sequence[Cell]]


def told(rows: Rows) -> str:
    """The true HTML of a table."""
    lines = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table>{lines}</table>"


def _cell(cell: Cell) -> str:
    return f"<td{_spans(cell)}>{html.escape(' '.join(cell.lines))}</td>"


def _spans(cell: Cell) -> str:
    return f' rowspan="{cell.rows}"' * (cell.rows > 1) + f' colspan="{cell.columns}"' * (cell.columns > 1)


def as_html(rows: Rows, classes: str = "", style: str = "", bold: int = 1) -> str:
    """A table as the browser gets it, the first `bold` rows in bold."""
    lines = []
    for n, row in enumerate(rows):
        cells = "".join(
            f'<td{_spans(cell)} class="{cell.classes}">{"<br>".join(map(html.escape, cell.lines))}</td>' for cell in row
        )
        lines.append(f'<tr class="{"b" * (n < bold)}">{cells}</tr>')
    return f'<table class="{classes}" style="{style}">{"".join(lines)}</table>'


def texts(*said: str, numbers: int = 0) -> list[Cell]:
    """A row of cells of one line, those from `numbers` on set to the right where that is not 0."""
    return [Cell((text,) if text else (), classes="n" if numbers and n >= numbers else "") for n, text in enumerate(said)]


def prose(rng: np.random.Generator, words: int) -> str:
    """A paragraph of so many words, as HTML."""
    start = int(rng.integers(len(PROSE)))
    text = " ".join([*PROSE[start:], *PROSE, *PROSE][:words])
    return f"<p>{text[:1].upper()}{text[1:]}.</p>"


def money(rng: np.random.Generator, most: int = 90_000) -> str:
    """An amount below `most`, with two decimals and commas between thousands."""
    return f"{rng.integers(100, most * 100) / 100:,.2f}"


def item_name(rng: np.random.Generator) -> str:
    """A maker and what he makes."""
    return f"{rng.choice(NAMES)} {rng.choice(GOODS)}"
