"""Pages that lie on their side, on their head or askew are read as upright ones are, and no upright page is turned."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.pictures import written
from ocr_serving.config.params import OCRParams
from ocr_serving.errors import InputError, ModelError
from ocr_serving.modules.kie_ser_re.module import KieSerRe
from ocr_serving.modules.loader import load_module
from ocr_serving.modules.ocr_det.module import OCRDet
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.modules.structure_layout.module import StructureLayout
from ocr_serving.modules.structure_system.module import StructureSystem
from ocr_serving.stages.geometry import crop, sharp_crop

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "tests" / "golden" / "pages").glob("*.jpg"))
PICTURES = [
    *PAGES,
    ROOT / "docs" / "result.jpg",
    ROOT / "charts" / "ocr-serving" / "files" / "picture.png",
    *sorted((ROOT / "services" / "ocr_serving" / "data").glob("*.[jp][pn]g")),
]
TINY = {"model_set": "PP-OCRv6_tiny"}
Page = NDArray[np.uint8]

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def structure() -> StructureSystem:
    module = load_module("structure_system", params=TINY)
    assert isinstance(module, StructureSystem)
    return module


@pytest.fixture(scope="module")
def system(structure: StructureSystem) -> OCRSystem:
    return structure.tables.ocr


@pytest.fixture(scope="module")
def detection() -> OCRDet:
    module = load_module("ocr_det", params=TINY)
    assert isinstance(module, OCRDet)
    return module


@pytest.fixture(scope="module")
def layout() -> StructureLayout:
    module = load_module("structure_layout")
    assert isinstance(module, StructureLayout)
    return module


def opened(path: Path) -> Page:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def turned(page: Page, degrees: int) -> Page:
    """`page` turned clockwise."""
    return np.ascontiguousarray(np.rot90(page, -degrees // 90))


def askew(page: Page, degrees: float) -> Page:
    """`page` on a larger sheet, turned clockwise by a little."""
    height, width = page.shape[:2]
    side = int(np.hypot(height, width)) + 2
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    return np.asarray(cv2.warpAffine(page, turn, (side, side), borderValue=(255, 255, 255)), np.uint8)


def words(lines: list[Any]) -> set[str]:
    return {word for line in lines for word in line["text"].split()}


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_no_upright_page_is_turned(system: OCRSystem, path: Path) -> None:
    system.begin_request()
    (lines,) = system.predict([opened(path)])
    assert all("page_angle" not in line for line in lines)
    assert system.warnings == []


@pytest.mark.parametrize(
    ("path", "degrees"),
    [(PAGES[3], 90), (PAGES[3], 180), (PAGES[2], 180), (PAGES[2], 270)],
    ids=lambda value: str(getattr(value, "stem", value)),
)
def test_a_turned_page_is_read_as_the_upright_one(system: OCRSystem, path: Path, degrees: int) -> None:
    page = opened(path)
    (upright,) = system.predict([page])
    system.begin_request()
    (lines,) = system.predict([turned(page, degrees)])
    assert [line["text"] for line in lines] == [line["text"] for line in upright]
    assert {line["page_angle"] for line in lines} == {degrees}
    said = f"results[0]: it lies turned by {degrees} degrees clockwise and was read upright"
    assert system.warnings[0].startswith(said)
    # Where a line stands on the image that was sent is where its pixels are.
    height, width = page.shape[:2]
    for line, was in zip(lines, upright, strict=True):
        x, y = was["text_region"][0]
        there = {90: [height - 1 - y, x], 180: [width - 1 - x, height - 1 - y], 270: [y, width - 1 - x]}[degrees]
        assert line["text_region"][0] == there


def test_a_page_on_its_head_is_seen_by_its_lines_where_the_classifier_sees_none(system: OCRSystem) -> None:
    page = opened(next(path for path in PAGES if path.stem == "table_crop"))
    height, width = page.shape[:2]
    # The classifier looks at the middle of a page alone.
    page = np.concatenate([page[: height // 2], np.full((width, width, 3), 255, np.uint8), page[height // 2 :]])
    (upright,), (found,) = system.predict([page]), system.predict([turned(page, 180)])
    assert {line.get("page_angle") for line in upright} == {None}
    assert {line.get("page_angle") for line in found} == {180}
    assert [line["text"] for line in found] == [line["text"] for line in upright]


def number(value: int) -> str:
    """A number of figures that are others, or the same, on their heads."""
    return "".join("0689"[value // 4**place % 4] for place in range(4)) + ".68"


WORDS = ("Rechnung", "Invoice", "Summe", "Deposit")
NUMBERS = ("98.60  609.88  6009", *(f"{number(37 * n)}  {number(91 * n)}" for n in range(8)))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_word_alone_and_a_page_of_figures_that_read_both_ways_are_read_upright(system: OCRSystem, degrees: int) -> None:
    texts = [*((word,) for word in WORDS), NUMBERS]
    pages = [written(*lines)[:, : 360 if lines[0] in WORDS else 900] for lines in texts]
    for page in pages:
        (upright,), (lines,) = system.predict([page]), system.predict([turned(page, degrees)])
        assert [line["text"] for line in lines] == [line["text"] for line in upright]
        assert {line.get("page_angle", 0) for line in lines} == {degrees}


POEM = ("人生到處知何似", "應似飛鴻踏雪泥", "泥上偶然留指爪", "鴻飛那復計東西")


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_upright_columns_of_characters_are_told_from_rows_however_they_lie(system: OCRSystem, degrees: int) -> None:
    rows = written(*POEM)
    columns = np.full((560, 400, 3), 255, np.uint8)
    for n, text in enumerate(POEM):
        for m, character in enumerate(text):
            columns[60 + 50 * m : 110 + 50 * m, 300 - 80 * n : 350 - 80 * n] = written(character)[35:85, 32:82]
    for page in (rows, columns):
        system.begin_request()
        (lines,) = system.predict([turned(page, degrees)])
        assert {line.get("page_angle", 0) for line in lines} == {degrees}
        assert lines[0]["text"] == POEM[0]


@pytest.mark.parametrize(
    ("path", "degrees"), [(PAGES[0], -15), (PAGES[3], 7)], ids=lambda value: str(getattr(value, "stem", value))
)
def test_a_page_askew_is_read_in_order(system: OCRSystem, path: Path, degrees: float) -> None:
    page = opened(path)
    (upright,), (lines,) = system.predict([page]), system.predict([askew(page, degrees)])
    assert len(words(lines) & words(upright)) >= 0.9 * len(words(upright))
    order = [line["text"] for line in upright]
    places = [order.index(line["text"]) for line in lines if order.count(line["text"]) == 1]
    assert sum(a < b for a, b in pairwise(places)) >= 0.9 * (len(places) - 1)


def test_lines_of_a_page_askew_and_of_no_other_are_cut_sharply(system: OCRSystem) -> None:
    for degrees, cut in ((7, sharp_crop), (0, crop)):
        page = system.page(askew(opened(PAGES[3]), degrees))
        assert all((line == cut(page.image, quad)).all() for line, quad in zip(page.crops, page.quads, strict=True))
    old = system.params.updated(det_pieces=False)
    page = system.page(askew(opened(PAGES[3]), 7), old)
    assert (page.crops[0] == crop(page.image, page.quads[0])).all()


def test_one_parameter_turns_it_off(system: OCRSystem) -> None:
    (lines,) = system.predict([turned(opened(PAGES[0]), 180)], use_doc_orientation_classify=False)
    assert all("page_angle" not in line for line in lines)


def test_legacy_widths_leave_pages_as_they_lie() -> None:
    assert not OCRParams.read({"rec_width": "legacy"}, {}).turns_pages
    assert load_module("ocr_system", params=TINY | {"rec_width": "legacy"}).orienter is None  # type: ignore[attr-defined]


def test_a_classifier_of_pages_that_was_not_loaded_cannot_be_switched_on() -> None:
    module = load_module("ocr_system", params=TINY | {"use_doc_orientation_classify": False})
    assert isinstance(module, OCRSystem)
    with pytest.raises(InputError, match="use_doc_orientation_classify: this service loaded no classifier of pages"):
        module.predict([opened(PAGES[0])], use_doc_orientation_classify=True)


def test_a_store_from_before_there_was_a_classifier_of_pages_still_serves(caplog: pytest.LogCaptureFixture) -> None:
    missing = TINY | {"doc_orientation_classify_model_dir": "./nowhere"}
    module = load_module("ocr_system", params=missing)
    assert isinstance(module, OCRSystem)
    assert module.orienter is None
    assert "pages that lie turned are read as they lie" in caplog.text
    with pytest.raises(ModelError, match="nowhere"):
        load_module("ocr_system", params=missing | {"use_doc_orientation_classify": True})


def test_regions_and_tables_of_a_turned_page_are_those_of_the_upright_one(structure: StructureSystem) -> None:
    page = opened(next(path for path in PAGES if path.stem == "layout_cn"))
    (upright,), (found,) = structure.predict([page]), structure.predict([turned(page, 90)])
    assert isinstance(upright, dict)
    assert isinstance(found, dict)
    assert found["page_angle"] == 90
    assert "page_angle" not in upright
    height = page.shape[0]
    for region, was in zip(found["regions"], upright["regions"], strict=True):
        assert region["type"] == was["type"]
        x1, y1, x2, y2 = was["bbox"]
        assert region["bbox"] == [height - y2, x1, height - y1, x2]
        if isinstance(region["res"], list):
            assert [line["text"] for line in region["res"]] == [line["text"] for line in was["res"]]  # type: ignore[index]
        else:
            assert region["res"]["html"] == was["res"]["html"]  # type: ignore[call-overload]
            cells = np.array(region["res"]["cell_bbox"]).reshape(-1, 2)
            assert (cells > -20).all()
            assert (cells < [x2 - x1 + y2, y2 - y1 + x2]).all()


def test_a_table_on_its_side_is_set_upright(structure: StructureSystem) -> None:
    page = opened(next(path for path in PAGES if path.stem == "table_crop"))
    (upright,), (found,) = structure.tables.predict([page]), structure.tables.predict([turned(page, 270)])
    assert isinstance(upright, dict)
    assert isinstance(found, dict)
    assert found["html"] == upright["html"]
    assert found["page_angle"] == 270
    assert found["regions"][0]["bbox"] == [0, 0, page.shape[0], page.shape[1]]


def test_a_form_on_its_head_has_the_same_pairs() -> None:
    module = load_module("kie_ser_re", params=TINY)
    assert isinstance(module, KieSerRe)
    page = opened(PAGES[0])
    (upright,), (found,) = module.predict([page]), module.predict([turned(page, 180)])
    assert isinstance(upright, dict)
    assert isinstance(found, dict)
    assert found["page_angle"] == 180
    pairs = [[(question["text"], reply["text"]) for question, reply in answer["re_res"]] for answer in (upright, found)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_detection_alone_tells_the_lines_of_a_turned_page_as_those_of_the_upright_one(detection: OCRDet, path: Path) -> None:
    page = opened(path)
    detection.begin_request()
    (upright,) = detection.predict([page])
    assert all("page_angle" not in box for box in upright)
    assert detection.warnings == []
    (boxes,) = detection.predict([turned(page, 90)])
    assert {box["page_angle"] for box in boxes} == {90}
    assert "turned by 90 degrees clockwise" in detection.warnings[0]
    # Upright, the page has the very boxes it had; here they are where their pixels are.
    height = page.shape[0]
    assert [box["text_region"] for box in boxes] == [[[height - 1 - y, x] for x, y in box["text_region"]] for box in upright]
    (as_it_lies,) = detection.predict([turned(page, 90)], use_doc_orientation_classify=False)
    assert all("page_angle" not in box for box in as_it_lies)


@pytest.mark.parametrize("path", [path for path in PAGES if path.stem != "table_crop"], ids=lambda path: path.stem)
def test_layout_alone_finds_the_regions_of_a_turned_page(layout: StructureLayout, path: Path) -> None:
    page = opened(path)
    layout.begin_request()
    (upright,) = layout.predict([page])
    assert isinstance(upright, dict)
    assert "page_angle" not in upright
    assert layout.warnings == []
    (found,) = layout.predict([turned(page, 180)])
    assert isinstance(found, dict)
    assert found["page_angle"] == 180
    assert "turned by 180 degrees clockwise" in layout.warnings[0]
    height, width = page.shape[:2]
    assert [region["label"] for region in found["layout"]] == [region["label"] for region in upright["layout"]]
    for region, was in zip(found["layout"], upright["layout"], strict=True):
        x1, y1, x2, y2 = was["bbox"]
        assert region["bbox"] == pytest.approx([width - x2, height - y2, width - x1, height - y1], abs=1)
