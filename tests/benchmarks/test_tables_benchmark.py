"""`python -m benchmarks.tables` on a drawn table, and its score."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from benchmarks.library import office_pages, page_tables, teds

from benchmarks import tables
from helpers.drawn_tables import drawn, told

ROWS = [["Item", "Name", "Amount"], ["101", "Steel bearing", "2,204.50"], ["102", "Conveyor belt", "389.76"]]


def test_the_score_is_the_share_of_nodes_that_need_no_change() -> None:
    table = "<table><tr><td>one</td><td>two</td></tr><tr><td>three</td><td></td></tr></table>"
    assert teds.score(table, f"<html><body>{table.replace('<table>', '<table><tbody>')}</body></html>") == 1
    assert teds.score(table, table.replace("two", "too")) == pytest.approx(1 - 1 / 3 / 7)
    assert teds.score(table, table.replace("<td></td>", "")) == pytest.approx(6 / 7)
    spread = table.replace("<td>three</td><td></td>", '<td colspan="2">three</td>')
    assert teds.score(table, spread) == pytest.approx(5 / 7)
    assert teds.score(table, "<table></table>") == pytest.approx(1 / 7)
    assert teds.score(table, table.replace("two", "2"), structure_only=True) == 1


@pytest.mark.models
def test_a_drawn_table_is_found_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rendered").mkdir()
    cv2.imwrite(str(tmp_path / "rendered" / "one.png"), drawn(ROWS))
    (tmp_path / "rendered" / "truth.json").write_text(json.dumps({"one": told(ROWS)}))
    figures = tmp_path / "figures.json"
    assert tables.main(["--data", str(tmp_path), "--json", str(figures), "--limit", "1"]) == 0
    rows = json.loads(figures.read_text())["rows"]
    assert [(row["set"], row["teds"]) for row in rows] == [("rendered", 1.0), ("skewed", 1.0)]
    assert capsys.readouterr().out.count("not judged") == 2


def test_a_folder_without_tables_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.main(["--data", str(tmp_path)]) == 2
    assert "There is neither rendered/truth.json nor pubtabnet" in capsys.readouterr().err


@pytest.mark.browser
def test_a_page_of_every_kind_can_be_set() -> None:
    """One by the browser; of the others what it is to show."""
    for made in office_pages.KINDS.values():
        page, again = (made(np.random.default_rng(3)) for _ in range(2))
        assert page.bodies
        assert all(table.startswith("<table><tr><td") for table in page.tables)
        assert page == again
    assert office_pages.drawn("one row", 3).pages[0].shape[1] == office_pages.WIDTH


def test_a_document_is_judged_by_its_tables_its_words_and_their_heads() -> None:
    quad = [[0.0, 0.0], [90.0, 0.0], [90.0, 20.0], [0.0, 20.0]]
    line = {"text": "Item Qty", "confidence": 0.9, "text_region": quad}
    true = "<table><tr><td>Item</td><td>Qty</td></tr><tr><td>Belt</td><td>4</td></tr></table>"
    page = np.full((200, 300, 3), 255, np.uint8)

    def told(*tables: str) -> page_tables.Judged:
        regions = [
            {"type": "table", "bbox": [0, 60 * n, 290, 60 * n + 50], "res": {"html": html, "cell_bbox": [], "unmatched": []}}
            for n, html in enumerate(tables)
        ]
        return page_tables.judged(
            lambda _: {"regions": regions, "unassigned": [], "lines": [line]}, office_pages.Drawn([page], [true])
        )

    assert told(true).score == 1
    assert told(true).heads == 1
    assert told(true, true).score == 0.5, "one that is none counts"
    torn = told("<table><tr><td>Belt</td><td>4</td></tr></table>")
    assert torn.score < 1
    assert torn.heads == 0
    lost = told()
    assert (lost.score, lost.heads) == (0, 0)
    assert lost.words == 1, "what is in no table is text"
