"""`python -m benchmarks.kie` on one form, with the demo weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from benchmarks import kie

FIELDS = [("Name:", "Maria Keller"), ("Date:", "March 14, 2024"), ("Phone No.:", "614 555 0188"), ("Company:", "Weber Supplies")]


def form(folder: Path) -> Path:
    """A folder as `--data` takes it, with one form of four fields."""
    testing = folder / "forms" / "testing"
    for name in ("annotations", "images"):
        (testing / name).mkdir(parents=True)
    page = Image.new("RGB", (900, 1100), "white")
    font = ImageFont.load_default(26)
    entities: list[dict[str, Any]] = []
    for row, field in enumerate(FIELDS):
        link = [[2 * row, 2 * row + 1]]
        for column, (text, label) in enumerate(zip(field, ("question", "answer"), strict=True)):
            corner = (80 + 240 * column, 160 + 60 * row)
            ImageDraw.Draw(page).text(corner, text, fill="black", font=font)
            box = [round(value) for value in ImageDraw.Draw(page).textbbox(corner, text, font=font)]
            entities.append(
                {"id": 2 * row + column, "label": label, "box": box, "words": [{"text": text, "box": box}], "linking": link}
            )
    page.save(testing / "images" / "one.png")
    (testing / "annotations" / "one.json").write_text(json.dumps({"form": entities}))
    return folder


@pytest.mark.models
def test_a_clear_form_is_found_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    assert kie.main(["--data", str(form(tmp_path)), "--json", str(figures), "--limit", "1"]) == 0
    rows = json.loads(figures.read_text())["rows"]
    assert [(row["on"], row["task"]) for row in rows] == [(on, task) for on in ("true boxes", "our OCR") for task in ("SER", "RE")]
    assert {row["f1"] for row in rows} == {1.0}
    assert capsys.readouterr().out.count("not judged") == 4


def test_a_folder_without_forms_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kie.main(["--data", str(tmp_path)]) == 2
    assert "There are no annotations/*.json" in capsys.readouterr().err
