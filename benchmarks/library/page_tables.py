"""How well the tables of whole pages come out in the document that is made of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.library import teds
from benchmarks.library.office_pages import Drawn
from ocr_serving.decoding.images import Image
from ocr_serving.output import build, continued, formats
from ocr_serving.output import tables as markup
from ocr_serving.output.formats import Original
from ocr_serving.output.tree import Document, Table

LEADER = re.compile(r"\s*(?:[.·…_]\s*){3,}")
"""Dots that lead from a name to its price say nothing."""

Ask = Callable[[Image], Any]
"""The entry of a page, with its lines."""


class Judged(NamedTuple):
    """Of one document: TEDS of each true table, how many tables there are beyond these, words kept, and whether heads are there."""

    teds: list[float]
    beyond: int
    words: float
    heads: float

    @property
    def score(self) -> float:
        """The mean TEDS of the tables, one that is none counted as 0."""
        return sum(self.teds) / (len(self.teds) + self.beyond)


def judged(ask: Ask, drawn: Drawn) -> Judged:
    """What the document of some pages makes of their tables. Words are those that were read on the pages."""
    entries = [ask(page) for page in drawn.pages]
    document = document_of(entries, drawn.pages)
    found = [html_of(table) for table in continued.joined(document).tables]
    scores = {
        (row, column): teds.score(one, LEADER.sub("", true))
        for row, true in enumerate(drawn.tables)
        for column, one in enumerate(found)
    }
    best, heads, taken, paired = [0.0] * len(drawn.tables), 0, set[int](), set[int]()
    for (row, column), score in sorted(scores.items(), key=lambda item: -item[1]):
        if column in taken or row in paired:
            continue
        taken.add(column)
        paired.add(row)
        best[row] = score
        first, true = (_first_row(html) for html in (found[column], drawn.tables[row]))
        heads += bool(true & first) or not true
    return Judged(best, max(0, len(found) - len(drawn.tables)), _kept(entries, document), heads / max(1, len(drawn.tables)))


def document_of(entries: Sequence[Any], pages: Sequence[Image]) -> Document:
    """The document that pages are, read as `entries`."""
    both = enumerate(zip(entries, pages, strict=True), 1)
    return build.document("pages", [build.page(entry, page, number=n) for n, (entry, page) in both])


def html_of(table: Table) -> str:
    """A table of the tree as HTML, without leaders."""
    lines: list[list[str]] = [[] for _ in range(table.rows)]
    for cell in table.cells:
        spans = f' rowspan="{cell.rows}"' * (cell.rows > 1) + f' colspan="{cell.columns}"' * (cell.columns > 1)
        text = LEADER.sub("", cell.text).replace("&", "&amp;").replace("<", "&lt;")
        lines[cell.row].append(f"<td{spans}>{text}</td>")
    rows = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return f"<table>{rows}</table>"


def _first_row(html: str) -> set[str]:
    return {word for cell in markup.read(html) if cell.row == 0 for word in cell.text.split()}


def _kept(entries: Sequence[Any], document: Document) -> float:
    """Share of the words read that the document's text has."""
    read = Counter(word for entry in entries for line in entry["lines"] for word in line["text"].split())
    text = formats.files(document, Original(), ["txt"], "pages")["pages.txt"].decode()
    lost = read - Counter(text.split())
    return 1.0 - sum(lost.values()) / max(1, sum(read.values()))
