"""Tables read back from HTML, as a browser lays them out, and as a spreadsheet."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_serving.output import tables
from ocr_serving.output.tables import Cell
from ocr_serving.stages.table import TOKENS
from ocr_serving.stages.table_match import markup

SPANS = (
    '<html><body><table><thead><tr><td rowspan="2">Region</td><td colspan="2">Half &amp; half</td></tr>'
    "<tr><td>Q1</td><td>Q2</td></tr></thead><tbody><tr><td>North</td><td>=1+1</td><td>a\nb</td></tr>"
    '<tr><td colspan="3">all</td></tr></tbody></table></body></html>'
)


def test_cells_stand_where_spans_put_them() -> None:
    assert tables.read(SPANS) == [
        Cell(0, 0, 2, 1, "Region"),
        Cell(0, 1, 1, 2, "Half & half"),
        Cell(1, 1, 1, 1, "Q1"),
        Cell(1, 2, 1, 1, "Q2"),
        Cell(2, 0, 1, 1, "North"),
        Cell(2, 1, 1, 1, "=1+1"),
        Cell(2, 2, 1, 1, "a b"),
        Cell(3, 0, 1, 3, "all"),
    ]
    assert tables.size(tables.read(SPANS)) == (4, 3)
    assert tables.size(tables.read("<table></table>")) == (0, 0)


def test_a_span_neither_leaves_the_table_nor_covers_another_cell() -> None:
    html = '<table><tr><td>a</td><td rowspan="9">b</td></tr><tr><td colspan="4">c</td></tr></table>'
    assert tables.read(html) == [Cell(0, 0, 1, 1, "a"), Cell(0, 1, 2, 1, "b"), Cell(1, 0, 1, 1, "c")]


@given(st.lists(st.sampled_from([*TOKENS[:14], *TOKENS[29:32], "<td></td>", "<td></td>"]), max_size=30))
@settings(deadline=None)
def test_whatever_the_network_says_is_a_table_that_a_spreadsheet_can_hold(tokens: list[str]) -> None:
    count = sum(token in ("<td>", "<td", "<td></td>") for token in tokens)
    html = markup(tokens, [f"cell {n}" for n in range(count)])
    cells = tables.read(html)
    assert [cell.text for cell in cells] == [f"cell {n}" for n in range(count)]
    covered = [
        (cell.row + down, cell.column + right) for cell in cells for down in range(cell.rows) for right in range(cell.columns)
    ]
    assert len(covered) == len(set(covered))
    sheet = openpyxl.load_workbook(io.BytesIO(tables.spreadsheet([html]))).worksheets[0]
    assert {value for row in sheet.values for value in row if value is not None} == {f"cell {n}" for n in range(count)}


def test_a_spreadsheet_has_a_sheet_for_each_table_with_its_spans_and_no_formulas() -> None:
    book = openpyxl.load_workbook(io.BytesIO(tables.spreadsheet([SPANS, "<table><tr><td>x\x07y</td></tr></table>"])))
    first, second = book.worksheets
    assert {str(merged) for merged in first.merged_cells.ranges} == {"A1:A2", "B1:C1", "A4:C4"}
    assert first["B1"].value == "Half & half"
    assert (first["B3"].value, first["B3"].data_type) == ("=1+1", "s")
    assert second["A1"].value == "xy"


def test_tables_of_an_entry() -> None:
    regions = [{"type": "text", "res": []}, {"type": "table", "res": {"html": "<table></table>", "cell_bbox": []}}]
    assert tables.of_entry({"regions": regions}) == ["<table></table>"]
    assert tables.of_entry([{"text": "a line"}]) == tables.of_entry({"layout": []}) == []


@pytest.mark.browser
def test_a_browser_shows_the_cells_in_the_same_places(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    assert browser
    script = (
        "<script>document.body.appendChild(document.createElement('pre')).textContent = JSON.stringify("
        "[...document.querySelectorAll('td')].map((td) => [td.getBoundingClientRect(), td.textContent]))</script>"
    )
    (tmp_path / "table.html").write_text(tables.page("t", tables.inner(SPANS) + script), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}"]
    run = subprocess.run([browser, *flags, "--dump-dom", tmp_path / "table.html"], capture_output=True, text=True, timeout=60)
    found = re.search("<pre>(.*)</pre>", run.stdout, re.DOTALL)
    assert found is not None, run.stderr[-2000:]
    shown = json.loads(found[1].replace("&amp;", "&"))
    cells = tables.read(SPANS)
    assert [" ".join(text.split()) for _, text in shown] == [cell.text for cell in cells]
    # Cells of one first column share their left side, those of one last column their right; so for rows.
    for low, high, first, count in (("left", "right", "column", "columns"), ("top", "bottom", "row", "rows")):
        starts = {(getattr(cell, first), round(box[low])) for cell, (box, _) in zip(cells, shown, strict=True)}
        ends = {
            (getattr(cell, first) + getattr(cell, count), round(box[high])) for cell, (box, _) in zip(cells, shown, strict=True)
        }
        assert len(starts) == len({place for place, _ in starts})
        assert len(ends) == len({place for place, _ in ends})
