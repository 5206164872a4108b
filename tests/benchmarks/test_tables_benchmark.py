"""`python -m benchmarks.tables` on a drawn table, and its score."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from benchmarks.library import teds

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
