"""Whole pages with the tables that offices print, set by a browser, and what their tables say.

Everything but the browser's own hand follows from a kind's name and a number: the words, fonts, sizes and rules of a page.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.library.office_cells import GOODS, NAMES, PLACES, PROSE, Cell, as_html, item_name, money, prose, texts, told
from benchmarks.library.support import BenchmarkError
from ocr_serving.decoding.images import Image

WIDTH, MOST_HEIGHT = 900, 3200
"""Pixels of a page; what is below its last line is cut off."""

FONTS = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Condensed", "DejaVu Sans Mono")


@dataclass
class Page:
    """What a kind makes: the pages' bodies, further style sheet rules, and the tables' true HTML, in reading order."""

    bodies: list[str] = field(default_factory=list)
    css: str = ""
    tables: list[str] = field(default_factory=list)


class Drawn(NamedTuple):
    """Pages as pictures, BGR, and the true HTML of the tables of the document that they are."""

    pages: list[Image]
    tables: list[str]


def drawn(kind: str, seed: int) -> Drawn:
    """The pages with that number of a kind. Raises KeyError, and BenchmarkError where there is no browser."""
    rng = np.random.default_rng([seed, *kind.encode()])
    page = KINDS[kind](rng)
    size, pad = int(rng.integers(12, 17)), int(rng.integers(3, 7))
    css = (
        f"body{{margin:48px;font:{size}px/1.35 '{rng.choice(FONTS[:3])}';color:#1a1a1a;background:#fff}}"
        f"table{{border-collapse:collapse}}td{{padding:{pad}px {pad + 4}px;text-align:left;vertical-align:top}}"
        ".n{text-align:right}.c{text-align:center}.b td,td.b{font-weight:bold}p{margin:.8em 0}"
    )
    return Drawn([_picture(f"<style>{css}{page.css}</style>{body}") for body in page.bodies], page.tables)


def _picture(page: str) -> Image:
    """A page as a browser shows it, with some room below its last line."""
    browser = shutil.which("chromium")
    if browser is None:
        raise BenchmarkError("chromium is not here, which sets the pages: install the package chromium.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(f"<!doctype html><meta charset=utf-8>{page}", encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        command = [browser, *flags, f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{MOST_HEIGHT}"]
        shot = Path(folder) / "page.png"
        subprocess.run([*command, f"--screenshot={shot}", file.as_uri()], check=True, capture_output=True, timeout=60)
        picture = np.asarray(cv2.imread(str(shot)), np.uint8)
    printed = np.flatnonzero((picture != picture[-1, 0]).any(axis=(1, 2)))
    return np.ascontiguousarray(picture[: min(len(picture), int(printed.max(initial=0)) + 60)])


def _list(rng: np.random.Generator, rows: int, heads: Sequence[str] = ("Item", "Description", "Qty", "Amount")) -> list[list[Cell]]:
    """Items, each with its name, and figures in the other columns."""
    found = [texts(*heads, numbers=2)]
    for n in range(rows):
        figures = [money(rng) if head in ("Amount", "Price") else str(rng.integers(1, 900)) for head in heads[2:]]
        found.append(texts(f"{n + 101}", item_name(rng), *figures, numbers=2))
    return found


RULES: Mapping[str, str] = {
    "all": "td{border:1px solid #888}",
    "rows": "tr{border-bottom:1px solid #aaa}",
    "bare": "",
    "booktabs": "table{border-top:2px solid #222;border-bottom:2px solid #222}tr.b{border-bottom:1px solid #222}",
    "bands": "tr:nth-child(even){background:#e9eef6}",
}


def _rules(rng: np.random.Generator, *names: str) -> str:
    return RULES[str(rng.choice(names or tuple(RULES)))]


def _invoice(rng: np.random.Generator) -> Page:
    rows = [texts("Pos", "Description", "Qty", "Unit price", "Total", numbers=2)]
    for n in range(int(rng.integers(3, 6))):
        lines: tuple[str, ...] = (
            item_name(rng),
            f"for site {rng.choice(PLACES)}, delivered",
            f"serial no. {rng.integers(10_000, 99_999)}",
        )
        lines = lines[: int(rng.integers(1, 4))]
        rows.append([Cell((str(n + 1),)), Cell(lines), *texts(str(rng.integers(1, 90)), money(rng), money(rng), numbers=-1)])
    rules = _rules(rng, "all", "rows", "booktabs", "bands")
    for name in ("Subtotal", "VAT 19 %", "Total due"):
        # Where no rules say so, nobody sees that the name stands in a cell over four columns.
        label = [Cell((name,), columns=4, classes="n")] if rules == RULES["all"] else texts("", "", "", name, numbers=-1)
        rows.append([*label, Cell((money(rng),), classes="n")])
    letter = (
        f'<div style="display:flex;justify-content:space-between"><div><b>{rng.choice(NAMES)} Traders Ltd</b><br>14 Quarry Lane<br>'
        f"Leeds LS1 4AP</div><div>Invoice {rng.integers(1000, 9999)}<br>Date: 3 May 2024<br>"
        f"Customer: {rng.integers(10_000, 99_999)}</div></div>"
    )
    body = letter + prose(rng, 24) + as_html(rows, style="width:100%") + prose(rng, 20)
    return Page([body], rules, [told(rows)])


def _statement(rng: np.random.Generator) -> Page:
    rows = [texts("Date", "Details", "Paid out", "Paid in", "Balance", numbers=2)]
    for n in range(int(rng.integers(8, 16))):
        out = rng.random() < 0.6
        kind = rng.choice(["Card payment", "Direct debit", "Transfer", "Standing order"])
        text = f"{kind} {rng.choice(NAMES)}"
        balance = money(rng) if rng.random() < 0.7 else ""
        rows.append(
            texts(f"{n + 2:02} Mar", text, money(rng, 900) if out else "", "" if out else money(rng, 900), balance, numbers=2)
        )
    body = f"<h2>Statement of account</h2>{prose(rng, 14)}{as_html(rows, style='width:100%')}{prose(rng, 18)}"
    return Page([body], "", [told(rows)])


def _timetable(rng: np.random.Generator) -> Page:
    columns, stops = int(rng.integers(6, 10)), [str(stop) for stop in rng.permutation(PLACES)[: int(rng.integers(6, 12))]]
    rows = [texts("Station", *(str(rng.integers(100, 999)) for _ in range(columns)), numbers=1)]
    begins = np.cumsum(rng.integers(20, 70, columns)) + 300
    for n, stop in enumerate(stops):
        at = [int(begin + 11 * n) for begin in begins]
        times = ["" if rng.random() < 0.15 else f"{minute // 60:02}:{minute % 60:02}" for minute in at]
        rows.append(texts(stop, *times, numbers=1))
    return Page([f"<h2>Departures</h2>{as_html(rows)}{prose(rng, 20)}"], _rules(rng), [told(rows)])


def _leaders(rng: np.random.Generator) -> Page:
    rows = [texts(item_name(rng), money(rng, 300)) for _ in range(int(rng.integers(6, 14)))]
    lines = "".join(
        f'<div class="l"><span>{name.lines[0]}</span><i></i><span>{price.lines[0]}</span></div>' for name, price in rows
    )
    css = (
        f".l{{display:flex;width:{rng.integers(380, 700)}px;margin:.3em 0}}"
        ".l i{flex:1;border-bottom:2px dotted #444;margin:0 4px .3em}"
    )
    return Page([f"<h2>Price list</h2>{prose(rng, 16)}{lines}{prose(rng, 16)}"], css, [told(rows)])


def _levels(rng: np.random.Generator) -> Page:
    years, parts = ("2022", "2023", "2024")[: int(rng.integers(2, 4))], ("Plan", "Actual")
    rows = [[Cell(("Site",), rows=2), *(Cell((year,), columns=2, classes="c") for year in years)]]
    rows.append([Cell((part,), classes="n") for _ in years for part in parts])
    for place in rng.permutation(PLACES)[: int(rng.integers(4, 10))]:
        rows.append(texts(str(place), *(money(rng, 900) for _ in range(2 * len(years))), numbers=1))
    return Page(
        [f"{prose(rng, 30)}{as_html(rows, bold=2)}{prose(rng, 20)}"], _rules(rng, "all", "rows", "booktabs", "bare"), [told(rows)]
    )


def _three_levels(rng: np.random.Generator) -> Page:
    halves = ("First half", "Second half")
    rows = [[Cell(("Site",), rows=3), Cell(("Deliveries in tonnes",), columns=4, classes="c")]]
    rows.append([Cell((half,), columns=2, classes="c") for half in halves])
    rows.append([Cell((part,), classes="n") for _ in halves for part in ("Plan", "Actual")])
    for place in rng.permutation(PLACES)[: int(rng.integers(4, 9))]:
        rows.append(texts(str(place), *(money(rng, 900) for _ in range(4)), numbers=1))
    return Page([f"{prose(rng, 30)}{as_html(rows, bold=3)}{prose(rng, 20)}"], _rules(rng, "all", "rows", "booktabs"), [told(rows)])


def _groups(rng: np.random.Generator) -> Page:
    rows = [texts("Region", "Site", "Units", "Amount", numbers=2)]
    for region in ("North", "South", "West"):
        count = int(rng.integers(2, 5))
        for n in range(count):
            cells = texts(str(rng.choice(PLACES)), str(rng.integers(10, 990)), money(rng), numbers=1)
            rows.append([Cell((region,), rows=count), *cells] if n == 0 else cells)
    return Page([f"{prose(rng, 30)}{as_html(rows)}{prose(rng, 20)}"], _rules(rng, "all", "rows"), [told(rows)])


def _sections(rng: np.random.Generator) -> Page:
    rows = [texts("Item", "Description", "Qty", "Amount", numbers=2)]
    for section in ("Materials", "Labour", "Transport"):
        rows.append([Cell((section,), columns=4, classes="b")])
        rows += _list(rng, int(rng.integers(2, 5)))[1:]
    rows.append([Cell(("Total",), columns=3, classes="b"), Cell((money(rng),), classes="n b")])
    return Page([f"{prose(rng, 30)}{as_html(rows)}{prose(rng, 20)}"], _rules(rng, "all", "rows", "booktabs"), [told(rows)])


def _checks(rng: np.random.Generator) -> Page:
    plans = ("Basic", "Team", "Firm")
    rows = [[Cell(("Feature",)), *(Cell((plan,), classes="c") for plan in plans)]]
    features = ("Single sign-on", "Audit log", "Data export", "Priority support", "Own domain", "Backups", "Roles", "Mobile app")
    for n, feature in enumerate(features[: int(rng.integers(5, 9))]):
        marks = [rng.random() < 0.3 + 0.25 * of for of in range(3)]
        marks[2] = marks[2] or n == 0
        rows.append([Cell((feature,)), *(Cell(("✓",) if mark else (), classes="c") for mark in marks)])
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], _rules(rng, "all", "rows"), [told(rows)])


def _coloured(rng: np.random.Generator) -> Page:
    rows = _list(rng, int(rng.integers(5, 12)), ("Item", "Description", "Qty", "Weight", "Amount"))
    css = (
        "tr:nth-child(odd){background:#dcebdc}tr.b td{background:#2e6b3a;color:#fff}td:nth-child(3){background:#ffe9b8}"
        "tr.b td:nth-child(3){background:#8a5a00}"
    )
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], css, [told(rows)])


def _dark(rng: np.random.Generator) -> Page:
    rows = _list(rng, int(rng.integers(5, 12)))
    css = f"table{{background:#23272e;color:#e6e6e6}}{_rules(rng, 'rows', 'bare', 'all')}"
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], css, [told(rows)])


def _one_column(rng: np.random.Generator) -> Page:
    rows = [texts("Delivered to"), *(texts(f"{place} depot") for place in rng.permutation(PLACES)[: int(rng.integers(4, 8))])]
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], RULES["all"], [told(rows)])


def _one_row(rng: np.random.Generator) -> Page:
    rows = [texts("Order 4411", "3 May 2024", str(rng.choice(PLACES)), money(rng))]
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], RULES["all"], [told(rows)])


def _other_rules(rng: np.random.Generator) -> Page:
    rows = _list(rng, int(rng.integers(4, 10)))
    line = rng.choice(["3px double #444", "1px dashed #555", "2px dotted #555", "4px double #000"])
    css = f"td{{border:{line}}}" if rng.random() < 0.6 else f"tr{{border-bottom:{line}}}"
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], css, [told(rows)])


def _rounded(rng: np.random.Generator) -> Page:
    rows = _list(rng, int(rng.integers(4, 10)))
    css = (
        "table{border-collapse:separate;border-spacing:0;border:1px solid #777;border-radius:12px;overflow:hidden}"
        "td{border-bottom:1px solid #ccc}tr:last-child td{border-bottom:0}tr.b td{background:#eef}"
    )
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], css, [told(rows)])


def _beside(rules: Sequence[str], *, captions: bool = False) -> Callable[[np.random.Generator], Page]:
    def made(rng: np.random.Generator) -> Page:
        count = int(rng.integers(5, 10))
        left = _list(rng, count, ("No", "Goods", "Qty"))
        right = [texts("Site", "Units", "Amount", numbers=1)]
        right += [texts(str(place), str(rng.integers(10, 990)), money(rng), numbers=1) for place in rng.permutation(PLACES)[:count]]
        named = [f"<div>Table {n}. Stock of the works</div>" if captions else "" for n in (1, 2)]
        both = "".join(f"<div>{name}{as_html(rows)}</div>" for name, rows in zip(named, (left, right), strict=True))
        flex = f'<div style="display:flex;gap:{rng.integers(36, 60)}px">{both}</div>'
        return Page([prose(rng, 30) + flex + prose(rng, 20)], _rules(rng, *rules), [told(left), told(right)])

    return made


def _in_a_column(rng: np.random.Generator) -> Page:
    rows = _list(rng, int(rng.integers(4, 9)), ("No", "Goods", "Qty"))
    first = f"{prose(rng, 60)}{as_html(rows)}{prose(rng, 40)}"
    second = prose(rng, 75) + prose(rng, 60)
    columns = "".join(f'<div style="flex:1">{column}</div>' for column in (first, second))
    body = f'<h2>Report</h2><div style="display:flex;gap:32px">{columns}</div>'
    return Page([body], _rules(rng, "all", "rows", "booktabs", "bare"), [told(rows)])


def _captions(rng: np.random.Generator) -> Page:
    tables = [_list(rng, int(rng.integers(3, 7))), _list(rng, int(rng.integers(3, 7)), ("No", "Goods", "Qty"))]
    parts = [f"<p>Table {n}. Stock of the works by site</p>{as_html(rows)}" for n, rows in enumerate(tables, 1)]
    body = prose(rng, 20) + parts[0] + prose(rng, 24 * int(rng.integers(0, 2))) + parts[1] + prose(rng, 20)
    return Page([body], _rules(rng), [told(rows) for rows in tables])


def _two_pages(*, repeats: bool) -> Callable[[np.random.Generator], Page]:
    def made(rng: np.random.Generator) -> Page:
        rows = _list(rng, int(rng.integers(14, 24)))
        at = len(rows) // 2
        style = "width:100%;table-layout:fixed"
        bodies = [
            f"<h2>Stock</h2>{prose(rng, 24)}{as_html(rows[:at], style=style)}",
            as_html([*rows[:1], *rows[at:]] if repeats else rows[at:], style=style, bold=int(repeats)) + prose(rng, 24),
        ]
        return Page(bodies, _rules(rng, "all", "rows", "booktabs"), [told(rows)])

    return made


def _figures(rng: np.random.Generator) -> Page:
    columns = int(rng.integers(6, 16))
    rows = [texts(*(str(rng.integers(0, 10 ** int(rng.integers(1, 5)))) for _ in range(columns)), numbers=-1) for _ in range(12)]
    rows = [[cell._replace(classes="n") for cell in row] for row in rows]
    css = _rules(rng, "all", "rows", "bare", "bands") + f"td{{font-size:{rng.integers(10, 13)}px}}"
    return Page([f"{prose(rng, 24)}{as_html(rows, bold=0)}{prose(rng, 20)}"], css, [told(rows)])


def _paragraphs(rng: np.random.Generator) -> Page:
    rows = [texts("Risk", "What is done about it", "Owner")]
    for _ in range(int(rng.integers(3, 6))):
        start = int(rng.integers(40))
        lines = tuple(" ".join(PROSE[start + 6 * n : start + 6 * n + 6]) for n in range(int(rng.integers(2, 5))))
        rows.append([Cell((str(rng.choice(GOODS)),)), Cell(lines), Cell((str(rng.choice(NAMES)),))])
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], _rules(rng, "all", "rows"), [told(rows)])


def _partly_empty(rng: np.random.Generator) -> Page:
    rows = [texts("", "Goods", "Qty", "Remarks", numbers=0)]
    rows += [texts("", item_name(rng), str(rng.integers(1, 900)), "") for _ in range(int(rng.integers(4, 9)))]
    rows.append(texts("", "", "", ""))
    css = RULES["all"] + "td{height:1.4em;min-width:40px}td:first-child{width:44px}td:last-child{width:160px}"
    return Page([f"{prose(rng, 24)}{as_html(rows)}{prose(rng, 20)}"], css, [told(rows)])


KINDS: Mapping[str, Callable[[np.random.Generator], Page]] = {
    "invoice": _invoice,
    "statement": _statement,
    "timetable": _timetable,
    "leaders": _leaders,
    "two levels": _levels,
    "three levels": _three_levels,
    "groups": _groups,
    "sections": _sections,
    "checks": _checks,
    "coloured": _coloured,
    "dark": _dark,
    "one column": _one_column,
    "one row": _one_row,
    "other rules": _other_rules,
    "rounded": _rounded,
    "beside, ruled": _beside(("all", "rows", "booktabs")),
    "beside, bare": _beside(("bare", "bands")),
    "beside, captions": _beside(("all", "rows"), captions=True),
    "in a column": _in_a_column,
    "captions": _captions,
    "two pages": _two_pages(repeats=False),
    "two pages, head repeated": _two_pages(repeats=True),
    "figures": _figures,
    "paragraphs": _paragraphs,
    "partly empty": _partly_empty,
}
