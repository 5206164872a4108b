"""With the old server's weights and parameters the structure modules answer what it answered: tests/golden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_serving.modules.loader import load_module
from ocr_serving.modules.structure_system.module import StructureSystem

GOLDEN = Path(__file__).parents[2] / "golden"
PAGES = sorted((GOLDEN / "pages").glob("*.jpg"))
OLD = {
    "model_set": "PP-OCRv4_mobile",
    "det_db_box_thresh": 0.5,
    "det_db_unclip_ratio": 1.6,
    "rec_width": "legacy",
    "use_angle_cls": True,
}
PIXELS = 2
CONFIDENCE = 5e-3

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def system() -> StructureSystem:
    """structure_system, whose parts are the other two modules."""
    module = load_module("structure_system", params=OLD)
    assert isinstance(module, StructureSystem)
    return module


def page(name: str) -> list[str]:
    return [str(GOLDEN / "pages" / f"{name}.jpg")]


def golden(module: str, name: str) -> dict[str, Any]:
    (entry,) = json.loads((GOLDEN / module / f"{name}.json").read_text(encoding="utf-8"))["results"]
    return dict(entry)


@pytest.mark.parametrize("name", [path.stem for path in PAGES])
def test_structure_layout(system: StructureSystem, name: str) -> None:
    assert system.layout is not None
    (answer,) = system.layout.predict(paths=page(name))
    assert isinstance(answer, dict)
    old = golden("structure_layout", name)["layout"]
    assert [region["label"] for region in answer["layout"]] == [region["label"] for region in old]
    for region, was in zip(answer["layout"], old, strict=True):
        assert region["bbox"] == pytest.approx(was["bbox"], abs=PIXELS)
        assert region["score"] == pytest.approx(was["score"], abs=CONFIDENCE)


@pytest.mark.parametrize("name", ["table_crop", "table_page"])
def test_structure_table(system: StructureSystem, name: str) -> None:
    (answer,) = system.tables.predict(paths=page(name))
    assert isinstance(answer, dict)
    assert answer["html"] == golden("structure_table", name)["html"]
    (region,) = answer["regions"]
    assert region["res"]["html"] == answer["html"]
    assert len(region["res"]["cell_bbox"]) == answer["html"].count("<td")


@pytest.mark.parametrize("name", ["invoice_en", "layout_cn"])
def test_structure_system(system: StructureSystem, name: str) -> None:
    (answer,) = system.predict(paths=page(name))
    assert isinstance(answer, dict)
    # The old order was the detector's; types and boxes tell which region is which.
    ours, old = (
        sorted(regions, key=lambda region: (region["type"], region["bbox"]))
        for regions in (answer["regions"], golden("structure_system", name)["regions"])
    )
    assert [region["type"] for region in ours] == [region["type"] for region in old]
    for region, was in zip(ours, old, strict=True):
        assert region["bbox"] == pytest.approx(was["bbox"], abs=PIXELS)
        assert region["score"] == pytest.approx(was["score"], abs=CONFIDENCE)
        assert region["img_idx"] == was["img_idx"]
        if isinstance(region["res"], dict):
            assert region["res"]["html"] == was["res"]["html"]
            assert np.abs(np.subtract(region["res"]["cell_bbox"], was["res"]["cell_bbox"])).max() <= PIXELS
            continue
        assert [line["text"] for line in region["res"]] == [line["text"] for line in was["res"]]
        for line, old_line in zip(region["res"], was["res"], strict=True):
            assert np.abs(np.subtract(line["text_region"], old_line["text_region"])).max() <= PIXELS
            assert line["confidence"] == pytest.approx(old_line["confidence"], abs=CONFIDENCE)
