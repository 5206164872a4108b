"""paddleocr 2.10's PPStructure is the judge: with its weights and parameters we see the same regions, tables and text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ocr_serving import models
from ocr_serving.modules.loader import load_module
from ocr_serving.modules.structure_system.module import StructureSystem

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "pages"
PARAMS = {"det_db_box_thresh": 0.5, "det_db_unclip_ratio": 1.6, "drop_score": 0.5}
SET = "PP-OCRv4_mobile"

Picture = NDArray[np.uint8]

pytestmark = [pytest.mark.parity, pytest.mark.models]


def pictures(folder: Path) -> tuple[list[str], list[str]]:
    """Six pages and six tables: the recorded ones, parts of them (the judge takes seconds for fifty lines), scaled and noisy."""
    whole = {path.stem: np.asarray(cv2.imread(str(path)), np.uint8) for path in sorted(GOLDEN.glob("*.jpg"))}
    crop, chinese, invoice, receipt = (whole[name] for name in ("table_crop", "layout_cn", "invoice_en", "receipt_cn"))
    noise = np.random.default_rng(7).normal(0, 12, chinese.shape)
    page = {
        "table_crop": crop,
        "table_page": whole["table_page"],
        "layout_cn": chinese,
        "upper_invoice": invoice[:900],
        "upper_receipt": receipt[:700],
        "noisy": np.clip(chinese + noise, 0, 255).astype(np.uint8),
    }
    table = {
        "whole": crop,
        "larger": np.asarray(cv2.resize(crop[:290], None, fx=1.4, fy=1.4), np.uint8),
        "with_caption": whole["table_page"][:400],
        "chinese": chinese[1355:1650, 195:1040],
        "lines_of_invoice": invoice[590:950, 60:1180],
        "lines_of_receipt": receipt[300:700, 60:830],
    }
    for name, picture in (page | table).items():
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    return [str(folder / f"{name}.png") for name in page], [str(folder / f"{name}.png") for name in table]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    return pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def judged(
    asked: tuple[list[str], list[str]], tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> dict[str, list[Any]]:
    """What PPStructure answers; how far the building of its environment has come is shown."""
    chosen = models.model_sets()[SET]
    models.pull([*chosen.models, "PP-OCRv4_mobile_rec_paddle", "layout_cdla", "SLANet_plus"])
    named = {"det": chosen.det, "rec": chosen.rec, "cls": chosen.cls, "layout": "layout_cdla", "table": "SLANet_plus"}
    params = PARAMS | {f"{kind}_model_dir": str(models.resolve(name).path / "inference.onnx") for kind, name in named.items()}
    params["rec_char_dict_path"] = str(models.resolve("PP-OCRv4_mobile_rec_paddle").path / "dict.txt")
    folder = tmp_path_factory.mktemp("judge")
    job = {"params": params, "pages": asked[0], "tables": asked[1], "answers": str(folder / "answers.json")}
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        built = subprocess.run([sys.executable, str(HERE / "environment.py")], stdout=subprocess.PIPE, text=True, check=True)
    command = [built.stdout.strip(), "-W", "ignore", str(HERE / "ask_ppstructure.py"), json.dumps(job)]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": ""}, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return dict(json.loads((folder / "answers.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def ours() -> StructureSystem:
    params = PARAMS | {"model_set": SET, "rec_width": "legacy", "use_angle_cls": False}
    module = load_module("structure_system", params=params, init_args={"cpu_threads": 2})
    assert isinstance(module, StructureSystem)
    return module


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union of two boxes."""
    sides = [min(one[n + 2], other[n + 2]) - max(one[n], other[n]) for n in (0, 1)]
    common = max(0.0, sides[0]) * max(0.0, sides[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)


def test_layout_has_the_same_boxes_and_labels(
    ours: StructureSystem, asked: tuple[list[str], list[str]], judged: dict[str, list[Any]]
) -> None:
    assert ours.layout is not None
    assert len(judged["layout"]) == 6
    for answer, theirs in zip(ours.layout.predict(paths=asked[0]), judged["layout"], strict=True):
        assert isinstance(answer, dict)
        assert [region["label"] for region in answer["layout"]] == [region["label"] for region in theirs]
        for region, judge in zip(answer["layout"], theirs, strict=True):
            assert overlap(region["bbox"], judge["bbox"]) >= 0.95


def test_tables_have_the_same_structure_and_cell_text(
    ours: StructureSystem, asked: tuple[list[str], list[str]], judged: dict[str, list[Any]]
) -> None:
    assert len(judged["tables"]) == 6
    for answer, theirs in zip(ours.tables.predict(paths=asked[1]), judged["tables"], strict=True):
        assert isinstance(answer, dict)
        assert answer["html"] == theirs["html"]


def test_pages_have_the_same_regions_and_text(
    ours: StructureSystem, asked: tuple[list[str], list[str]], judged: dict[str, list[Any]]
) -> None:
    for answer, theirs in zip(ours.predict(paths=asked[0]), judged["pages"], strict=True):
        assert isinstance(answer, dict)
        # The judge's order is its detector's; boxes tell which region is which.
        mine, judge = (sorted(regions, key=lambda region: region["bbox"]) for regions in (answer["regions"], theirs))
        assert [(region["type"], region["bbox"]) for region in mine] == [(region["type"], region["bbox"]) for region in judge]
        assert [said(region) for region in mine] == [said(region) for region in judge]


def said(region: Any) -> object:
    """The text of a region, or the HTML of its table."""
    return region["res"]["html"] if isinstance(region["res"], dict) else [line["text"] for line in region["res"]]
