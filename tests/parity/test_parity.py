"""paddleocr 2.10 is the judge: with its weights and parameters we read the same lines at the same places."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from helpers import environments
from ocr_serving import models
from ocr_serving.modules.loader import load_module

HERE = Path(__file__).parent
SERVICES = str(HERE.parents[1] / "services")
GOLDEN = HERE.parent / "golden" / "pages"
DETECTION = {"det_db_box_thresh": 0.5, "det_db_unclip_ratio": 1.6, "use_angle_cls": True, "rec_batch_num": 6, "drop_score": 0.5}

CHANGED = slice(-4, None)
"""The last pages are changed ones; the slower engines are asked about these."""

Page = NDArray[np.uint8]
Line = dict[str, Any]

pytestmark = [pytest.mark.parity, pytest.mark.models]


def tilted(page: Page, degrees: float) -> Page:
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(page, turn, (width, height), borderValue=(255, 255, 255)), np.uint8)


def scaled(page: Page, factor: float) -> Page:
    return np.asarray(cv2.resize(page, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)


def noisy(page: Page) -> Page:
    noise = np.random.default_rng(7).normal(0, 18, page.shape)
    return np.clip(page + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The recorded pages, and some of them tilted, upside down, on their side, scaled and noisy."""
    folder = tmp_path_factory.mktemp("pages")
    original = {path.stem: np.asarray(cv2.imread(str(path)), np.uint8) for path in sorted(GOLDEN.glob("*.jpg"))}
    crop, receipt, table = original["table_crop"], original["receipt_cn"], original["table_page"]
    changed = {
        "tilted": tilted(crop, 4),
        "upside_down": np.rot90(crop, 2),
        "on_its_side": np.rot90(table),
        "smaller": scaled(receipt, 0.6),
        "larger": scaled(crop, 1.5),
        "noisy": noisy(table),
    }
    paths = []
    for name, page in (original | changed).items():
        paths.append(str(folder / f"{name}.png"))
        cv2.imwrite(paths[-1], page)
    return paths


@pytest.fixture(scope="module")
def python(pytestconfig: pytest.Config) -> Path:
    """The interpreter of the parity environment; how far its building has come is shown."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        run = subprocess.run([sys.executable, environments.__file__, "parity"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(run.stdout.strip())


def ask(python: Path, script: str, folder: Path, job: dict[str, Any]) -> list[list[Line]]:
    """What `script` of this folder answers inside the parity environment."""
    answers = folder / f"{script}.json"
    command = [str(python), "-W", "ignore", str(HERE / script), json.dumps(job | {"answers": str(answers)})]
    run = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": SERVICES},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return list(json.loads(answers.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def judged(python: Path, pages: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[list[Line]]:
    """paddleocr's lines of every page."""
    names = models.model_sets()["PP-OCRv4_mobile_paddle"]
    models.pull(names.models)
    det, rec, cls = (models.resolve(name).path for name in names.models)
    job = {
        "det": str(det),
        "rec": str(rec),
        "cls": str(cls),
        "characters": str(rec / "dict.txt"),
        "params": DETECTION,
        "pages": pages,
    }
    return ask(python, "ask_paddleocr.py", tmp_path_factory.mktemp("judge"), job)


def overlap(one: Line, other: Line) -> float:
    """Intersection over union of two quads."""
    first, second = (np.array(line["text_region"], np.float32) for line in (one, other))
    common = cv2.intersectConvexConvex(first, second)[0]
    return float(common / (cv2.contourArea(first) + cv2.contourArea(second) - common))


def agreement(ours: list[list[Line]], judged: list[list[Line]]) -> tuple[int, float, float]:
    """Number of lines, share with the same text, share with IoU >= 0.95; a line that one side lacks agrees in neither."""
    total = same_text = same_box = 0
    for mine, theirs in zip(ours, judged, strict=True):
        total += max(len(mine), len(theirs))
        for line in theirs:
            nearest = max(mine, key=lambda candidate: overlap(candidate, line), default=None)
            if nearest is not None:
                same_text += nearest["text"] == line["text"]
                same_box += overlap(nearest, line) >= 0.95
    return total, same_text / total, same_box / total


def assert_agreement(ours: list[list[Line]], judged: list[list[Line]], pytestconfig: pytest.Config, engine: str) -> None:
    total, text, box = agreement(ours, judged)
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{engine} against paddleocr 2.10: {total} lines, {text:.2%} the same text, {box:.2%} of boxes with IoU >= 0.95")
    assert total > 50
    assert text >= 0.99
    assert box >= 0.99


@pytest.mark.parametrize(("engine", "some"), [("onnxruntime", slice(None)), ("openvino", CHANGED)])
def test_our_onnx_engines_read_what_paddleocr_reads(
    pages: list[str], judged: list[list[Line]], pytestconfig: pytest.Config, engine: str, some: slice
) -> None:
    params = DETECTION | {"model_set": "PP-OCRv4_mobile", "rec_width": "legacy"}
    reader = load_module("ocr_system", params=params, init_args={"engine": engine, "cpu_threads": 2})
    assert_agreement(reader.predict(paths=pages[some]), judged[some], pytestconfig, engine)


def test_our_paddle_engine_reads_what_paddleocr_reads(
    python: Path, pages: list[str], judged: list[list[Line]], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    job = {"params": DETECTION | {"model_set": "PP-OCRv4_mobile_paddle", "rec_width": "legacy"}, "pages": pages[CHANGED]}
    assert_agreement(ask(python, "ask_ours.py", tmp_path, job), judged[CHANGED], pytestconfig, "paddle")


WITHOUT = {"use_doc_orientation_classify": False, "suggest_lang": False, "rec_lexicon": "off"}
"""Classifiers of pages and scripts are ONNX files: paddleocr's environment has nothing for those, nor the dictionary of words."""


def test_paddle_and_onnx_files_of_one_model_read_the_same(python: Path, pages: list[str], tmp_path: Path) -> None:
    page = [next(page for page in pages if "table_crop" in page)]
    onnx = load_module("ocr_system", params={"model_set": "PP-OCRv4_mobile", **WITHOUT}).predict(paths=page)
    paddle = ask(python, "ask_ours.py", tmp_path, {"params": {"model_set": "PP-OCRv4_mobile_paddle", **WITHOUT}, "pages": page})
    assert [line["text"] for line in onnx[0]] == [line["text"] for line in paddle[0]]


OPENED = """
from ocr_serving.engines import local
from ocr_serving.modules.loader import load_module

def open_engine(model, options, *, greedy_ctc=False, pixels=None):
    print(model.name)
    return local.open_local(model, options, greedy_ctc=greedy_ctc)

params = {"model_set": "PP-OCRv4_mobile_paddle", "rec_lexicon": "off", "suggest_lang": False}
load_module("ocr_rec", params=params, open_engine=open_engine)
"""


def test_a_paddle_recogniser_is_loaded_once_though_a_run_alone_tells_its_classes(python: Path) -> None:
    command = [str(python), "-W", "ignore", "-c", OPENED]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": SERVICES}, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["PP-OCRv4_mobile_rec_paddle"]


OPEN_EACH = """
import sys
from pathlib import Path
from ocr_serving.engines import engine_options, open_engine
from ocr_serving.errors import ModelError
for folder in sys.argv[1:]:
    try:
        open_engine(Path(folder), engine_options())
    except ModelError as exc:
        print(exc)
"""


def test_damaged_paddle_files_are_named(python: Path, tmp_path: Path) -> None:
    whole = models.resolve("ch_ppocr_mobile_v2.0_cls_paddle").path
    folders = [shutil.copytree(whole, tmp_path / name) for name in ("web_page", "short_graph", "short_weights")]
    (folders[0] / "inference.pdmodel").write_bytes(b"<html>404</html>")
    (folders[1] / "inference.pdmodel").write_bytes((whole / "inference.pdmodel").read_bytes()[:1000])
    (folders[2] / "inference.pdiparams").write_bytes((whole / "inference.pdiparams").read_bytes()[:1000])
    command = [str(python), "-W", "ignore", "-c", OPEN_EACH, *map(str, folders)]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": SERVICES}, capture_output=True, text=True, check=True)
    for folder, sentence in zip(folders, run.stdout.splitlines(), strict=True):
        assert sentence.startswith(f"{folder}/inference.pdmodel ")
