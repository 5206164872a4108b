"""Tables, chart and JSON of a benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.library import report


def test_a_table_is_markdown_with_numbers_to_the_right() -> None:
    assert report.markdown_table(["set", "F1"], [["forms", "0.9"], ["x", "0.914"]]).splitlines() == [
        "| set   |    F1 |",
        "| ----- | ----: |",
        "| forms |   0.9 |",
        "| x     | 0.914 |",
    ]


def test_columns_of_a_chart_are_as_high_as_their_values() -> None:
    assert report.bar_chart([0, 50, 75, 100], height=2, unit="MiB").splitlines() == ["     100 MiB │  ▄█", "      50 MiB │ ███"]


def test_a_long_run_is_drawn_from_its_first_value_to_its_last() -> None:
    (line,) = report.bar_chart([8, *[1] * 500, 4], height=1, width=10).splitlines()
    assert line.partition("│")[2] == "█▁▁▁▁▁▁▁▁▄"


def test_a_json_file_says_what_was_measured_on_what(tmp_path: Path) -> None:
    report.write_json(tmp_path / "out.json", "benchmarks.memory", {"growth": 1.02})
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["benchmark"], written["growth"]) == ("benchmarks.memory", 1.02)
    assert written["machine"]["cores"] >= 1


def test_a_json_file_that_cannot_be_written_whole_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("before")
    with pytest.raises(TypeError):
        report.write_json(tmp_path / "out.json", "benchmarks.memory", {"growth": object()})
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out.json", "before")]
