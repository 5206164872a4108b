"""The three structure modules as a user of Python meets them: switches, None images, sizes, text without a place, a copy."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ocr_serving.errors import InputError
from ocr_serving.modules.loader import BUILTIN, load_module
from ocr_serving.modules.page_answer import PageStructure
from ocr_serving.modules.structure_system.module import StructureSystem

PAGES = Path(__file__).parents[2] / "golden" / "pages"
TINY = {"model_set": "PP-OCRv6_tiny"}
NAMES = ("structure_layout", "structure_table", "structure_system")

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def system() -> StructureSystem:
    module = load_module("structure_system", params=TINY)
    assert isinstance(module, StructureSystem)
    return module


def read(name: str) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(PAGES / f"{name}.jpg")), np.uint8)


def answer(system: StructureSystem, image: NDArray[np.uint8], **keywords: Any) -> PageStructure:
    (entry,) = system.predict([image], **keywords)
    assert isinstance(entry, dict)
    return entry


def texts(region: Any) -> list[str]:
    return [line["text"] for line in region["res"]]


def test_a_page_comes_in_reading_order_with_its_table_and_every_line(system: StructureSystem) -> None:
    system.begin_request()
    page = answer(system, read("layout_cn"))
    types = [region["type"] for region in page["regions"]]
    assert types == ["title", "text", "title", "text", "figure", "figure_caption", "text", "table_caption", "table"]
    assert texts(page["regions"][0]) == ["基于深度学习的文档版面分析研究"]
    assert "<td>方法A</td>" in str(page["regions"][-1]["res"])
    assert page["unassigned"] == []
    assert set(system.stage_seconds) == {"layout", "orient", "detect", "recognize", "structure"}
    assert system.warnings == []


def test_a_page_on_which_nothing_is_found_is_said_by_each(system: StructureSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    blank = np.full((600, 400, 3), 240, np.uint8)
    cells = blank.copy()
    cells[100:500:80, 40:360] = cells[100:421, 40:361:80] = 0
    assert system.layout is not None
    for module in (system, system.tables, system.layout):
        system.begin_request()
        module.predict([blank, read("table_crop")])
        assert system.warnings == ["results[0]: it is blank, all of one colour"]
    system.begin_request()
    system.tables.predict([cells])
    assert system.warnings == ["results[0]: no text was found on it"]
    for module in (system, system.tables, system.layout):
        monkeypatch.setattr(module, "params", module.params.model_copy(update={"say_unread": False}))
        system.begin_request()
        module.predict([blank])
        assert system.warnings == []


def test_lines_in_no_region_are_told(system: StructureSystem) -> None:
    page = answer(system, read("invoice_en"), layout_score_threshold=0.96)
    assert [region["type"] for region in page["regions"]] == ["table"]
    said = [line["text"] for line in page["unassigned"]]
    assert "INVOICE" in said
    assert "Thank you for your business!" in said
    assert not any("Hydraulic" in text for text in said), "what is in the table is told there"


def test_layout_table_and_ocr_can_be_switched(system: StructureSystem) -> None:
    crop = read("table_crop")
    one = answer(system, crop, layout=False)["regions"]
    assert [(region["type"], region["bbox"]) for region in one] == [("table", [0, 0, crop.shape[1], crop.shape[0]])]
    assert "<td>Africa</td>" in str(one[0]["res"])
    (lines,) = answer(system, crop, table=False)["regions"]
    assert lines["type"] == "table"
    assert "Africa" in texts(lines)
    silent = answer(system, read("layout_cn"), ocr=False)
    assert all(not region["res"] or region["type"] == "table" for region in silent["regions"])
    assert "方法" in str(silent["regions"][-1]["res"])
    (text,) = answer(system, crop, layout=False, table=False)["regions"]
    assert text["type"] == "text"
    assert "Africa" in texts(text)


def test_layout_that_was_not_loaded_cannot_be_switched_on() -> None:
    module = load_module("structure_system", params=TINY | {"layout": False})
    with pytest.raises(InputError, match="layout: this service loaded no layout network; start it with layout = True"):
        module.predict([read("table_crop")], layout=True)  # type: ignore[call-arg]


def test_cells_say_the_same_whether_the_page_is_read_once_or_each_table_again(system: StructureSystem) -> None:
    once, again = (answer(system, read("table_page"), table_text=way)["regions"][-1]["res"] for way in ("page", "crop"))
    assert isinstance(once, dict)
    assert isinstance(again, dict)
    assert once["html"] == again["html"]
    assert np.abs(np.subtract(once["cell_bbox"], again["cell_bbox"])).max() <= 2, "pixels"


def test_of_a_table_longer_than_the_network_can_tell_no_text_is_lost(system: StructureSystem) -> None:
    rows, columns, height, width = 64, 8, 24, 110
    table = np.full((rows * height + 20, columns * width + 20, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            x, y = 10 + column * width, 10 + row * height
            cv2.rectangle(table, (x, y), (x + width, y + height), (0, 0, 0), 1)
            number = str(1000 + row * columns + column)
            cv2.putText(table, number, (x + 10, y + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    whole = system.tables.table(table, corner=(7, 9))
    assert whole["html"].count("<tr>") == rows
    assert (whole["unmatched"], "1511" in whole["html"]) == ([], True)
    system.begin_request()
    alone = system.tables.params.updated(table_engine="network")
    content = system.tables.table(table, corner=(7, 9), params=alone)
    assert system.warnings == [
        f"a table is longer than the network can tell: its HTML ends after {content['html'].count('<tr>')} rows"
    ]
    below = [line for line in content["unmatched"] if line["text"] == "1511"]
    assert len(below) == 1
    assert "1511" not in content["html"]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = below[0]["text_region"]
    assert (ax, ay, bx, cy) == (dx, by, cx, dy), "clockwise from the top left"
    assert ax < bx
    assert by < cy
    x, y = np.mean(below[0]["text_region"], axis=0)
    assert abs(x - (7 + 10 + 7 * width + 30)) < 20
    assert abs(y - (9 + 10 + 63.5 * height)) < 6


def test_all_lines_are_told_and_lines_that_are_known_are_not_read_again(system: StructureSystem) -> None:
    image = read("table_page")
    assert "lines" not in answer(system, image)
    lines = answer(system, image, return_lines=True)["lines"]
    assert {"Africa", "2,162"} <= {line["text"] for line in lines}
    known = [line | {"text": line["text"].replace("Africa", "Antarctica")} for line in lines]
    system.begin_request()
    page = answer(system, image, lines=[known], return_lines=True)
    assert "detect" not in system.stage_seconds
    assert page["lines"] == known
    (table,) = (region for region in page["regions"] if region["type"] == "table")
    assert "<td>Antarctica</td>" in str(table["res"])


def test_words_are_told_where_they_are_asked_for(system: StructureSystem) -> None:
    image = read("table_page")
    assert not any("words" in line for line in answer(system, image, return_lines=True)["lines"])
    page = answer(system, image, return_lines=True, return_words=True)
    for line in [*page["lines"], *page["unassigned"], *(line for region in page["regions"] for line in listed(region))]:
        assert " ".join(word["text"] for word in line["words"]) == line["text"]
        low, high = np.min(line["text_region"], axis=0) - 2, np.max(line["text_region"], axis=0) + 2
        for word in line["words"]:
            assert (np.array(word["text_region"]) >= low).all()
            assert (np.array(word["text_region"]) <= high).all()
    image = read("invoice_en")
    grey = image.mean(axis=2)
    lines = answer(system, image, return_lines=True, return_words=True)["lines"]
    between = [pair for line in lines for pair in pairwise(line["words"])]
    free = 0
    for left, right in between:
        middle = round((left["text_region"][1][0] + right["text_region"][0][0]) / 2)
        y1, y2 = round(left["text_region"][0][1]), round(left["text_region"][3][1])
        free += bool(grey[y1:y2, middle - 1 : middle + 2].min() > 100)
    assert len(between) > 60
    assert free >= 0.9 * len(between), "between two words nothing is written"


def listed(region: Any) -> list[Any]:
    return region["res"] if isinstance(region["res"], list) else []


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([[], []], "2 lists of lines for 1 images"),
        ([[{"text": "a", "confidence": 1.0, "text_region": [[0.0, 0.0]]}]], "line 0 needs a text_region of four corners"),
    ],
)
def test_lines_that_are_none_are_refused(system: StructureSystem, lines: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        system.predict([read("table_page")], lines=lines)


def test_lines_beyond_the_page_are_in_no_region(system: StructureSystem) -> None:
    """As from a caller who takes the lines of one page to another."""
    rows = [[(x, y), (x + 60, y), (x + 60, y + 20), (x, y + 20)] for y in (5000, 5030, 5060) for x in (5000, 5100, 5200)]
    far: Any = [{"text": "12.50", "confidence": 1.0, "text_region": [list(corner) for corner in quad]} for quad in rows]
    page = answer(system, np.full((300, 400, 3), 255, np.uint8), lines=[far])
    assert page["unassigned"] == far


@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_is_none_and_any_size_are_answered(name: str, system: StructureSystem) -> None:
    module = {"structure_layout": system.layout, "structure_table": system.tables, "structure_system": system}[name]
    assert module is not None
    sizes = [(1, 1), (1, 3000), (3000, 1), (200, 300)]
    entries = module.predict([None, *(np.full((height, width, 3), 255, np.uint8) for height, width in sizes)])
    assert entries[0] == []
    assert all(isinstance(entry, dict) for entry in entries[1:])


def test_a_copied_module_finds_its_model_in_its_own_folder(tmp_path: Path) -> None:
    """Also that of a part: structure_table's network is loaded by a part of structure_system."""
    from ocr_serving import models

    folder = shutil.copytree(BUILTIN / "structure_system", tmp_path / "my_structure")
    shutil.copytree(models.resolve("SLANet_plus").path, folder / "my_tables")
    module = load_module(str(folder), params=TINY | {"table_model_dir": "./my_tables", "layout": False})
    (page,) = module.predict([read("table_crop")])
    assert "<td>Africa</td>" in page["regions"][0]["res"]["html"]
