"""Tables as people send them come back whole: each kind drawn, and what used to fail, read with the default weights."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest
from benchmarks.library import styled_tables, teds
from benchmarks.tables import skewed

from helpers.drawn_tables import Entry, Style, drawn
from helpers.pictures import font_file
from ocr_serving.decoding.limits import Limits
from ocr_serving.modules.loader import load_module
from ocr_serving.modules.structure_system.module import StructureSystem
from ocr_serving.output import build, tables
from ocr_serving.server.paddleocr3 import answer as paddleocr3
from ocr_serving.stages.recognition import Text
from ocr_serving.stages.tables.lines import Lines
from ocr_serving.stages.tables.words import Word

CASES = Path(__file__).parent / "tables"
REPORT = [
    ["Region", "Q1", "Q2", "Q3", "Q4"],
    ["North", "120", "", "98", ""],
    ["South", "", "310", "", "77"],
    ["East", "15", "", "", ""],
    ["West", "", "", "", "402"],
    ["Total", "135", "310", "98", "479"],
]
TIGHT = [
    ["Code", "A", "B", "C"],
    ["12345678", "87654321", "11223344", "99887766"],
    ["55667788", "10203040", "50607080", "90807060"],
    ["00012345", "00067890", "00011111", "00022222"],
]
STOCK: list[list[str | Entry]] = [
    [("Group", 2, 1), ("Stock", 1, 2), ("Price", 2, 1)],
    ["Main", "Spare"],
    ["Pumps", "431", "12", "1,958.06"],
    ["Valves", "739", "", "3,659.79"],
    ["Motors", "", "7", "4,404.70"],
    ["Belts", "638", "31", ""],
]
LIST = [["Item", "Description", "Qty", "Amount"]] + [
    [f"{n:03d}", ("Steel bearing", "Conveyor belt", "Fuse")[n % 3], str(3 * n + 11), f"{n + 1},2{n % 10}4.50"] for n in range(1, 9)
]

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def system() -> StructureSystem:
    module = load_module("structure_system")
    assert isinstance(module, StructureSystem)
    return module


def grid(html: str) -> list[list[str]]:
    """Texts by row and column; a cell over several places is in the first of them."""
    cells = tables.read(html)
    rows, columns = tables.size(cells)
    texts = [[""] * columns for _ in range(rows)]
    for cell in cells:
        texts[cell.row][cell.column] = cell.text
    return texts


def read(system: StructureSystem, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    system.begin_request()
    (answer,) = system.tables.predict([picture])
    assert isinstance(answer, dict)
    (region,) = answer["regions"]
    assert len(region["res"]["cell_bbox"]) == answer["html"].count("<td")
    return answer["html"]


def case(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(cv2.imread(str(CASES / f"{name}.png")), np.uint8)


def rows_of(name: str) -> list[list[str]]:
    if name == "report":
        return REPORT
    if name == "t_tight":
        return TIGHT
    body = [[f"{n:03d}", f"Row name {n}", f"{n * 7.31:.2f}"] for n in range(1, 41)]
    return [["Id", "Name", "Value"], *body]


@pytest.mark.parametrize("name", ["report", "rows40", "t_tight"])
def test_what_used_to_drift_apart_is_whole_as_a_page_and_as_a_table(system: StructureSystem, name: str) -> None:
    (page,) = system.predict([case(name)])
    assert isinstance(page, dict)
    (found,) = [region["res"]["html"] for region in page["regions"] if isinstance(region["res"], dict)]
    for html in (found, read(system, case(name))):
        assert [row[: len(rows_of(name)[0])] for row in grid(html)] == rows_of(name)
        assert tables.size(tables.read(html)) == {"report": (6, 5), "rows40": (41, 4), "t_tight": (4, 4)}[name]


@pytest.mark.parametrize("style", ["ruled", "lines", "bands", "bare", "booktabs", "dark"])
def test_each_style_is_read_whole(system: StructureSystem, style: Style) -> None:
    assert grid(read(system, drawn(LIST, style))) == LIST


@pytest.mark.parametrize("style", ["ruled", "dark"])
def test_rules_tell_spans_and_empty_cells(system: StructureSystem, style: Style) -> None:
    html = read(system, drawn(STOCK, style))
    assert '<td rowspan="2">Group</td><td colspan="2">Stock</td><td rowspan="2">Price</td>' in html
    assert grid(html)[2:] == [list(row) for row in STOCK[2:]]


def test_a_tilted_noisy_photograph_is_read_as_a_level_one(system: StructureSystem) -> None:
    picture = drawn(LIST, "lines", margin=80)
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.0)
    tilted = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    noisy = np.clip(tilted + np.random.default_rng(3).normal(0, 6, tilted.shape), 0, 255).astype(np.uint8)
    assert grid(read(system, noisy)) == LIST


def test_a_hundred_rows_are_read_whole(system: StructureSystem) -> None:
    rows = [["No", "Name", "Value"]] + [[str(n), ("Amber", "Delta", "Orchard")[n % 3], f"{n * 13}"] for n in range(101, 201)]
    system.begin_request()
    assert grid(read(system, drawn(rows, "lines", size=18, pad=8))) == rows
    assert system.warnings == []


def report() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[tuple[int, int]]]:
    """A page of prose and two tables, and y1, y2 of these."""
    page = np.full((1500, 1250, 3), 255, np.uint8)
    prose = "The committee met twice during the year and approved the plan of work."
    for at, text in (
        (90, "Annual report"),
        (150, prose),
        (185, "It thanks all members."),
        (740, prose),
        (775, prose),
        (1350, prose),
    ):
        cv2.putText(page, text, (80, at), cv2.FONT_HERSHEY_SIMPLEX, 1.4 if at == 90 else 0.8, (20, 20, 20), 2, cv2.LINE_AA)
    places = []
    for top, table in ((240, drawn(LIST, "bare")), (840, drawn(STOCK, "ruled"))):
        page[top : top + table.shape[0], 60 : 60 + table.shape[1]] = table
        places.append((top, top + table.shape[0]))
    return page, places


def test_the_tables_of_a_whole_page_are_told_each_for_itself(system: StructureSystem) -> None:
    page, places = report()
    system.begin_request()
    (answer,) = system.tables.predict([page])
    assert isinstance(answer, dict)
    first, second = answer["regions"]
    assert grid(first["res"]["html"]) == LIST
    assert grid(second["res"]["html"])[2:] == [list(row) for row in STOCK[2:]]
    for region, (top, bottom) in zip((first, second), places, strict=True):
        x1, y1, x2, y2 = region["bbox"]
        assert top - 20 < y1 < y2 < bottom + 20
        cells = np.array(region["res"]["cell_bbox"]).reshape(-1, 2)
        assert (cells > -3).all()
        assert (cells < (x2 - x1 + 3, y2 - y1 + 3)).all()
    outside = [line["text"] for region in answer["regions"] for line in region["res"]["unmatched"]]
    assert len(outside) == 6
    assert outside[0] == "Annual report"
    assert answer["html"].count("<table>") == 2
    assert answer["html"].count("<body>") == 1
    (whole,) = system.tables.predict([page], find_tables=False)
    assert isinstance(whole, dict)
    assert [region["bbox"] for region in whole["regions"]] == [[0, 0, 1250, 1500]]


def test_a_dark_page_is_laid_out_as_a_light_one(system: StructureSystem) -> None:
    page, _ = report()
    system.begin_request()
    light, dark = system.predict([page, 255 - page])
    assert isinstance(light, dict)
    assert isinstance(dark, dict)
    first, second = (
        [grid(region["res"]["html"]) for region in answer["regions"] if isinstance(region["res"], dict)] for answer in (light, dark)
    )
    assert first == second
    assert second[0] == LIST
    assert "figure" not in {region["type"] for region in dark["regions"]}


def test_a_paragraph_that_lies_aslant_and_that_the_layout_takes_for_a_table_is_text(system: StructureSystem) -> None:
    page = np.asarray(cv2.imread(str(CASES / "aslant.jpg")), np.uint8)
    system.begin_request()
    (answer,) = system.predict([page])
    assert isinstance(answer, dict)
    (found,) = [region["res"] for region in answer["regions"] if isinstance(region["res"], dict)]
    assert grid(found["html"])[0] == ["Typical values", "per 100 g", "per portion (30 g)"]
    assert [row[0] for row in grid(found["html"])][-3:] == ["Fibre", "Protein", "Salt"]


def test_long_rows_in_the_frame_of_a_table_are_rows_of_it(system: StructureSystem) -> None:
    page = PIL.Image.new("RGB", (1000, 1200), "white")
    pen, font = PIL.ImageDraw.Draw(page), PIL.ImageFont.truetype(font_file(""), 22)
    pen.text((60, 60), "Order confirmation 2041", "black", PIL.ImageFont.truetype(font_file(""), 36))
    rows = [("Item", "Quantity", "Price"), *((f"Paper A{n} white", f"{3 * n}", f"{7 * n}.50") for n in range(1, 7))]
    terms = [
        "Goods remain our property until they are paid in full.",
        "Returns are taken within fourteen days, unused and in their own packing.",
    ]
    for n in range(4):
        pen.text(
            (60, 140 + 34 * n),
            "We thank you for your order and confirm it as follows, subject to our terms."[: 74 - 8 * n],
            "black",
            font,
        )
        pen.text(
            (60, 788 + 34 * n),
            "Delivery takes five working days after the payment has come in, mostly."[: 70 - 8 * n],
            "black",
            font,
        )
    for n, row in enumerate(rows):
        for x, text in zip((80, 480, 780), row, strict=True):
            pen.text((x, 340 + 44 * n), text, "black", font)
    for n, text in enumerate(terms):
        pen.text((80, 648 + 34 * n), text, "black", font)
    pen.rectangle((60, 320, 940, 728), outline="black", width=2)
    pen.line((60, 374, 940, 374), "black", 2)
    (answer,) = system.predict([np.asarray(page, np.uint8)[:, :, ::-1].copy()])
    assert isinstance(answer, dict)
    (found,) = [region["res"] for region in answer["regions"] if isinstance(region["res"], dict)]
    assert [row[0] for row in grid(found["html"])][-3:] == ["Paper A6 white", *terms]
    assert found["unmatched"] == []


def test_a_list_in_a_frame_is_a_table_of_one_column(system: StructureSystem) -> None:
    rows = [["Ingredients"], ["Wheat flour"], ["Cane sugar"], ["Salt"], ["Butter milk"], ["Baking powder"]]
    assert grid(read(system, drawn(rows, "ruled"))) == rows


def test_tables_beside_each_other_are_told_each_for_itself(system: StructureSystem) -> None:
    first, second = drawn(LIST, "ruled", margin=4), drawn(STOCK, "ruled", margin=4)
    page = np.full((520, 100 + first.shape[1] + second.shape[1], 3), 255, np.uint8)
    for left, table in ((30, first), (60 + first.shape[1], second)):
        page[60 : 60 + table.shape[0], left : left + table.shape[1]] = table
    cv2.putText(page, "The stock and what was sold of it by the end of June", (40, 40), 0, 0.8, (20, 20, 20), 2, cv2.LINE_AA)
    system.begin_request()
    (answer,) = system.tables.predict([page])
    assert isinstance(answer, dict)
    told = [region["res"]["html"] for region in answer["regions"]]
    assert len(told) == 2
    assert grid(told[0]) == LIST
    assert grid(told[1])[2:] == [list(row) for row in STOCK[2:]]


def test_paddleocr3_is_told_each_table_of_a_page_and_one_where_none_is_to_be_looked_for(system: StructureSystem) -> None:
    page, places = report()
    file = base64.b64encode(cv2.imencode(".png", page)[1].tobytes()).decode()

    def told(**options: bool) -> list[dict[str, Any]]:
        body = json.dumps({"file": file, "visualize": False, **options}).encode()
        reply, _ = paddleocr3.answer(system.tables, "table-recognition", body, "application/json", Limits())
        (entry,) = json.loads(reply.body)["result"]["tableRecResults"]
        return list(entry["prunedResult"]["table_res_list"])

    first, second = told()
    assert grid(first["pred_html"]) == LIST
    assert grid(second["pred_html"])[2:] == [list(row) for row in STOCK[2:]]
    for table, (top, bottom) in zip((first, second), places, strict=True):
        assert all(top - 20 < y1 < y2 < bottom + 20 for _, y1, _, y2 in table["cell_box_list"])
        assert table["table_ocr_pred"]["rec_texts"]
        assert "Annual report" not in table["table_ocr_pred"]["rec_texts"]
    assert len(told(useLayoutDetection=False)) == 1


def test_lines_of_a_cell_stay_together(system: StructureSystem) -> None:
    rows = [
        ["No", "Clause", "Due"],
        ["1", "Goods are delivered\nwithin ten days", "March"],
        ["2", "Payment is made\nby bank transfer", "April"],
        ["3", "Disputes go to\nthe court of Bristol", "May"],
    ]
    assert grid(read(system, drawn(rows, "ruled"))) == [[text.replace("\n", " ") for text in row] for row in rows]


@pytest.mark.parametrize(
    ("style", "number"),
    [
        ("filled", 0),
        ("booktabs", 0),
        ("lines bare", 2),
        ("lines bare", 4),
        ("narrow rows", 1),
        ("narrow rows", 4),
        ("groups", 0),
        ("groups rows", 0),
        ("dark rows", 0),
        ("merged booktabs", 4),
    ],
)
def test_what_offices_print_is_read_whole(system: StructureSystem, style: str, number: int) -> None:
    picture, html = styled_tables.drawn(style, number)
    assert teds.score(read(system, picture), html) > 0.99


@pytest.mark.parametrize(
    ("style", "number"), [("lines rows", 5), ("lines bare", 2), ("narrow bare", 3), ("empty bare", 4), ("merged booktabs", 0)]
)
def test_what_offices_print_and_somebody_photographs_is_read_whole(system: StructureSystem, style: str, number: int) -> None:
    picture, html = styled_tables.drawn(style, number)
    assert teds.score(read(system, skewed(picture, number)), html) > 0.98


def test_words_of_a_line_over_several_columns_go_each_to_its_own(system: StructureSystem) -> None:
    rows = [["Item", "Qty", "Price"], ["Belt", "12", "7.25"], ["Pump", "3", "98.00"], ["Fuse", "640", "0.15"]]
    placed: list[tuple[str, tuple[int, int, int, int]]] = []
    picture = drawn(rows, "ruled", places=placed)
    # Each row is one line, and says something else than the picture: what is in the table is taken from its words.
    lines = Lines(np.zeros((0, 4, 2)), [], [])
    for n in range(len(rows)):
        row = [
            (text.replace("3", "8"), np.array([[a, b], [c, b], [c, d], [a, d]], float))
            for text, (a, b, c, d) in placed[3 * n :][:3]
        ]
        quad = np.array([row[0][1][0], row[-1][1][1], row[-1][1][2], row[0][1][3]])
        lines.texts.append(Text(" ".join(text for text, _ in row), 1.0))
        lines.words.append([Word(text, corners) for text, corners in row])
        lines = lines._replace(quads=np.concatenate([lines.quads, quad[None]]))
    content = system.tables.table(picture, lines=lines, exact=True)
    assert grid(content["html"]) == [[text.replace("3", "8") for text in row] for row in rows]
    assert content["unmatched"] == []


def test_the_network_alone_is_asked_where_it_is_wanted(system: StructureSystem) -> None:
    (alone,) = system.tables.predict([case("rows40")], table_engine="network")
    assert isinstance(alone, dict)
    assert grid(alone["html"]) != grid(read(system, case("rows40")))


def test_headings_above_a_region_belong_to_its_table(system: StructureSystem) -> None:
    page = np.asarray(cv2.imread(str(Path(__file__).parents[2] / "golden" / "pages" / "invoice_en.jpg")), np.uint8)
    (answer,) = system.predict([page])
    assert isinstance(answer, dict)
    (found,) = [region for region in answer["regions"] if isinstance(region["res"], dict)]
    assert isinstance(found["res"], dict)
    assert grid(found["res"]["html"])[0] == ["Item", "Description", "Qty", "Unit price", "Amount"]
    lines = [line["text"] for region in answer["regions"] if isinstance(region["res"], list) for line in region["res"]]
    assert "Unit price" not in lines, "it is told in the table"


def test_a_region_that_holds_two_tables_is_two_and_the_text_about_them(system: StructureSystem) -> None:
    blank = [""] * 4
    first, second = drawn([*LIST[:5], blank], "ruled", margin=4), drawn(LIST[:4], "ruled", margin=4)
    page = np.full((620, 60 + first.shape[1], 3), 255, np.uint8)
    for top, text, table in ((10, "Bearings within the region", first), (50 + first.shape[0], "Bearings outside it", second)):
        cv2.putText(page, text, (40, top + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 1, cv2.LINE_AA)
        page[top + 30 : top + 30 + table.shape[0], 30 : 30 + table.shape[1]] = table
    system.begin_request()
    (whole,) = system.predict([page], find_tables=False)
    (answer,) = system.predict([page], return_lines=True)
    assert isinstance(whole, dict)
    assert isinstance(answer, dict)
    assert [region["type"] for region in whole["regions"]].count("table") == 1, "the layout sees one"
    tables_told = [region["res"] for region in answer["regions"] if isinstance(region["res"], dict)]
    assert [[row for row in grid(table["html"]) if row != blank] for table in tables_told] == [LIST[:5], LIST[:4]]
    assert [table["unmatched"] for table in tables_told] == [[], []]
    said = [[line["text"] for line in region["res"]] for region in answer["regions"] if isinstance(region["res"], list)]
    assert said == [["Bearings within the region"], ["Bearings outside it"]]
    assert [isinstance(region["res"], dict) for region in answer["regions"]] == [False, True, False, True], "in reading order"
    assert answer["unassigned"] == []
    blocks = build.page(answer, page).blocks
    assert [block.kind for block in blocks].count("table") == 2
    (between,) = [block for block in blocks if getattr(block, "text", "") == "Bearings outside it"]
    assert between.order == 2


def test_a_grid_that_the_layout_takes_for_something_else_is_a_table(system: StructureSystem) -> None:
    table = drawn(STOCK, "ruled", margin=4)
    page = np.full((table.shape[0] + 400, table.shape[1] + 360, 3), 255, np.uint8)
    page[60 : 60 + table.shape[0], 30 : 30 + table.shape[1]] = table
    (network,) = system.predict([page], find_tables=False)
    (answer,) = system.predict([page])
    assert isinstance(network, dict)
    assert isinstance(answer, dict)
    assert "table" not in {region["type"] for region in network["regions"]}, "the layout sees none"
    (found,) = [region["res"] for region in answer["regions"] if isinstance(region["res"], dict)]
    assert grid(found["html"])[2:] == [list(row) for row in STOCK[2:]]
