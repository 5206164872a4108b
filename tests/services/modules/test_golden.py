"""With the old server's weights and parameters the modules answer what it answered: tests/golden, recorded from PaddleHub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_serving.modules.base import Module
from ocr_serving.modules.loader import load_module

GOLDEN = Path(__file__).parents[2] / "golden"
PAGES = sorted((GOLDEN / "pages").glob("*.jpg"))

OLD: dict[str, dict[str, Any]] = {
    "ocr_det": {"det_db_box_thresh": 0.5, "det_db_unclip_ratio": 1.6},
    "ocr_cls": {},
    "ocr_rec": {"rec_width": "legacy"},
    "ocr_system": {"det_db_box_thresh": 0.5, "det_db_unclip_ratio": 1.6, "rec_width": "legacy", "use_angle_cls": True},
}
PIXELS = 2
CONFIDENCE = 5e-3

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    return {name: load_module(name, params={"model_set": "PP-OCRv4_mobile"} | params) for name, params in OLD.items()}


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def golden(module: str, page: Path) -> list[dict[str, Any]]:
    results = json.loads((GOLDEN / module / f"{page.stem}.json").read_text(encoding="utf-8"))["results"]
    assert len(results) == 1
    return list(results[0])


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    return float(np.abs(np.subtract(one["text_region"], other["text_region"])).max())


def test_ocr_system(modules: dict[str, Module], page: Path) -> None:
    (lines,) = modules["ocr_system"].predict(paths=[str(page)])
    old = golden("ocr_system", page)
    assert [line["text"] for line in lines] == [line["text"] for line in old]
    assert max(distance(line, was) for line, was in zip(lines, old, strict=True)) <= PIXELS
    assert [line["confidence"] for line in lines] == pytest.approx([line["confidence"] for line in old], abs=CONFIDENCE)
    assert {line["angle"] for line in lines} <= {"0", "180"}


def test_ocr_det(modules: dict[str, Module], page: Path) -> None:
    (boxes,) = modules["ocr_det"].predict(paths=[str(page)])
    old = golden("ocr_det", page)
    assert len(boxes) == len(old)
    # The old order was that of the contours; each old box has its own counterpart.
    partners = [min(range(len(boxes)), key=lambda index: distance(boxes[index], was)) for was in old]
    assert sorted(partners) == list(range(len(boxes)))
    assert max(distance(boxes[partner], was) for partner, was in zip(partners, old, strict=True)) <= PIXELS


@pytest.mark.parametrize(("name", "key"), [("ocr_cls", "angle"), ("ocr_rec", "text")])
def test_ocr_cls_and_ocr_rec(modules: dict[str, Module], name: str, key: str) -> None:
    (answers,) = modules[name].predict(paths=[str(page) for page in PAGES])
    old = [golden(name, page)[0] for page in PAGES]
    assert [answer[key] for answer in answers] == [was[key] for was in old]
    assert [answer["confidence"] for answer in answers] == pytest.approx([was["confidence"] for was in old], abs=CONFIDENCE)
