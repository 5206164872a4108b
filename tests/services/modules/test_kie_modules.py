"""kie_ser and kie_ser_re with the demo weights, as a user of Python meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from ocr_serving import models
from ocr_serving.decoding.images import Image
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.modules.base import Module
from ocr_serving.modules.kie_ser.module import KieSer
from ocr_serving.modules.loader import load_module
from ocr_serving.output import drawing, results

TINY = {"model_set": "PP-OCRv6_tiny"}
FORM = [
    ("REQUEST FOR INFORMATION", (300, 40), 34),
    ("Name:", (80, 160), 26),
    ("Maria Keller", (320, 160), 26),
    ("Date:", (80, 220), 26),
    ("March 14, 2024", (320, 220), 26),
    ("Phone No.:", (80, 280), 26),
    ("614 555 0188", (320, 280), 26),
    ("Company:", (80, 340), 26),
    ("Weber Supplies Inc.", (320, 340), 26),
]
PAIRS = [
    ("Name:", "Maria Keller"),
    ("Date:", "March 14, 2024"),
    ("Phone No.:", "614 555 0188"),
    ("Company:", "Weber Supplies Inc."),
]

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def form() -> Image:
    """A form of a title and four fields."""
    page = PILImage.new("RGB", (900, 1100), "white")
    for text, corner, size in FORM:
        ImageDraw.Draw(page).text(corner, text, fill="black", font=ImageFont.load_default(size))
    return np.asarray(page, np.uint8)[:, :, ::-1].copy()


@pytest.fixture(scope="module")
def ser() -> Module:
    return load_module("kie_ser", params=TINY)


@pytest.fixture(scope="module")
def ser_re() -> Module:
    return load_module("kie_ser_re", params=TINY)


def test_lines_of_a_form_are_labelled(ser: Module, form: Image) -> None:
    (answer,) = ser.predict([form])
    labels = {item["text"]: item["pred"] for item in answer["ser_res"]}
    assert {labels[question] for question, _ in PAIRS} == {"QUESTION"}
    assert {labels[reply] for _, reply in PAIRS} == {"ANSWER"}
    assert labels["REQUEST FOR INFORMATION"] == "HEADER"


def test_an_item_carries_the_old_names_and_the_new_ones(ser: Module, form: Image) -> None:
    item = ser.predict([form])[0]["ser_res"][1]
    assert item["transcription"] == item["text"] == "Name:"
    assert item["points"] == item["text_region"]
    assert item["bbox"] == [*np.min(item["points"], axis=0), *np.max(item["points"], axis=0)]
    assert (item["pred"], item["pred_id"]) == ("QUESTION", 1)
    assert 0.5 < item["confidence"] <= 1


def test_answers_are_found_for_questions(ser_re: Module, form: Image) -> None:
    (answer,) = ser_re.predict([form])
    assert sorted((question["text"], reply["text"]) for question, reply in answer["re_res"]) == sorted(PAIRS)
    assert all((question["pred"], reply["pred"]) == ("QUESTION", "ANSWER") for question, reply in answer["re_res"])


def test_lines_in_no_pair_are_told_where_they_are_asked_for(ser_re: Module, form: Image) -> None:
    asked: dict[str, Any] = {"return_items": True}
    (answer,) = ser_re.predict([form], **asked)
    assert [item["text"] for item in answer["items"]] == [text for text, _, _ in FORM]
    assert "items" not in ser_re.predict([form])[0]


def test_a_page_longer_than_a_window_loses_no_line(ser: Module) -> None:
    page = PILImage.new("L", (900, 800), "white")
    for row in range(20):
        ImageDraw.Draw(page).text((40, 20 + 38 * row), f"{row:02}{'31415926' * 5}", fill="black", font=ImageFont.load_default(26))
    image = np.repeat(np.asarray(page, np.uint8)[:, :, None], 3, axis=2)
    read = load_module("ocr_system", params=TINY).predict([image])[0]
    assert isinstance(ser, KieSer)
    _, items, windows = ser.labelled(image)
    # Digits are a token each: 20 lines of 42 are more than 512.
    assert len(read) == 20
    assert [item["text"] for item in items] == [line["text"] for line in read]
    assert len(windows) == 2
    assert sorted(span.line for window in windows for span in window.spans) == list(range(20))


@pytest.mark.parametrize(("name", "key"), [("kie_ser", "ser_res"), ("kie_ser_re", "re_res")])
def test_an_empty_page_has_nothing_and_an_image_that_is_none_is_a_list(name: str, key: str) -> None:
    assert load_module(name, params=TINY).predict([np.full((200, 300, 3), 255, np.uint8), None]) == [{key: []}, []]


def test_pairs_are_drawn_with_an_arrow_from_question_to_answer(ser_re: Module, form: Image) -> None:
    entry = ser_re.predict([form])[0]
    read = results.read(entry)
    assert sorted(read.lines) == sorted(f"{question} → {reply}" for question, reply in PAIRS)
    assert len(read.links) == len(PAIRS)
    drawn = drawing.draw(form, entry)
    assert drawn.shape == (form.shape[0], 2 * form.shape[1], 3)
    # Between a label and its value the page was white.
    assert (form[150:190, 260:310] == 255).all()
    assert (drawn[150:190, 260:310] != 255).any()


def test_the_demo_weights_come_with_the_package_and_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCR_SERVING_MODELS", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    models.pull(["kie_demo_ser", "kie_demo_re"])
    assert (models.resolve("kie_demo_ser").path / "sentencepiece.bpe.model").is_file()
    assert list(tmp_path.iterdir()) == []


def test_damaged_demo_weights_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kie_demo_re").mkdir()
    (tmp_path / "kie_demo_re" / "inference.onnx").write_bytes(b"half")
    monkeypatch.setattr("ocr_serving.models.store.PACKAGED", tmp_path)
    with pytest.raises(ModelError, match=r"kie_demo_re .*is damaged .*; install ocr-serving again"):
        models.resolve("kie_demo_re")
    with pytest.raises(ModelError, match=r"kie_demo_re .*is damaged .*; install ocr-serving again"):
        models.pull(["kie_demo_re"])


@pytest.mark.parametrize(
    ("params", "error", "sentence"),
    [
        ({"kie_algorithm": "SDMGR"}, ConfigError, "'kie_algorithm'"),
        ({"ser_model_dir": "kie_demo_re"}, ModelError, r"has no sentencepiece\.bpe\.model"),
        ({"re_model_dir": "kie_demo_ser"}, ModelError, "re_model_dir"),
        ({"use_visual_backbone": True}, ModelError, "use_visual_backbone on: switch it"),
        ({"re_model_dir": "./no/such/folder"}, ModelError, "No model is at"),
    ],
)
def test_a_module_that_cannot_work_does_not_load(params: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        load_module("kie_ser_re", params=TINY | params)
    assert "\n" not in str(caught.value)
