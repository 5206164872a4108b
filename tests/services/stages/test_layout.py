"""Layout: distributions to boxes, suppression, doubles, label lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_serving import models
from ocr_serving.config.params import LayoutParams
from ocr_serving.engines import EngineOptions
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages.layout import (
    INPUT_SIZE,
    STRIDES,
    LayoutDetector,
    Region,
    boxes_and_scores,
    is_dark,
    labels,
    suppressed,
    without_doubles,
)

BINS = 8


def test_a_field_with_known_distances_becomes_a_box() -> None:
    scores, distributions = [], []
    for stride in STRIDES:
        fields = -(-INPUT_SIZE[0] // stride) * -(-INPUT_SIZE[1] // stride)
        scores.append(np.zeros((1, fields, 2), np.float32))
        distributions.append(np.zeros((1, fields, 4 * BINS), np.float32))
    # In the second row and third column of stride 32 the sides are 1, 2, 3 and 4.5 fields away: left, top, right, bottom.
    field = -(-INPUT_SIZE[1] // 32) + 2
    sides = distributions[2][0, field].reshape(4, BINS)
    for side, distance in enumerate((1, 2, 3)):
        sides[side, distance] = 50
    sides[3, [4, 5]] = 50
    scores[2][0, field, 1] = 0.9
    boxes, all_scores = boxes_and_scores(scores, distributions)
    (best,) = np.flatnonzero(all_scores[:, 1] > 0.5)
    x, y = 2.5 * 32, 1.5 * 32
    assert boxes[best] == pytest.approx([x - 32, y - 64, x + 96, y + 4.5 * 32], abs=1e-3)


def test_suppression_keeps_the_surest_of_boxes_that_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4], [50, 50, 60, 60]], float)
    scores = np.array([0.6, 0.9, 0.8, 0.7], np.float32)
    assert suppressed(boxes, scores, 0.5) == [1, 2, 3]
    assert suppressed(boxes, scores, 0.95) == [1, 2, 3, 0]
    assert suppressed(boxes[:0], scores[:0], 0.5) == []


def test_one_region_with_two_labels_is_told_once() -> None:
    text, table = Region((0, 0, 100, 100), "text", 0.9), Region((0, 0, 90, 90), "table", 0.6)
    title, apart = Region((5, 5, 50, 50), "title", 0.95), Region((200, 0, 300, 100), "text", 0.5)
    assert without_doubles([text, table, apart]) == [table, apart], "a table goes before what is surer"
    assert without_doubles([text, title, apart]) == [title, apart]
    assert without_doubles([text, apart]) == [text, apart]
    assert without_doubles([]) == []


def test_a_page_is_dark_where_its_print_is_light_and_not_where_a_sheet_lies_on_something_dark() -> None:
    page = np.full((800, 608, 3), 28, np.uint8)
    for y in range(60, 740, 24):
        for x in range(40, 560, 9):
            page[y : y + 10, x : x + 5] = 220
    assert is_dark(page)
    assert not is_dark(255 - page)
    assert not is_dark((0.4 * (255 - page)).astype(np.uint8)), "a sheet with little light on it"
    sheet = np.full((800, 608, 3), 28, np.uint8)
    sheet[250:500, 200:400] = 240
    assert not is_dark(sheet), "a receipt on a dark desk"
    picture = np.random.default_rng(1).integers(0, 160, (800, 608, 3)).astype(np.uint8)
    assert not is_dark(picture)


def test_labels_are_a_list_of_ours_a_file_or_the_models(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("text\nstamp\n", encoding="utf-8")
    assert labels("publaynet", {}) == ("text", "title", "list", "table", "figure")
    assert labels("./ppocr/utils/dict/layout_dict/layout_publaynet_dict.txt", {}) == labels("publaynet", {})
    assert labels(str(tmp_path / "mine.txt"), {}) == ("text", "stamp")
    assert labels(None, {"character": "a\nb"}) == ("a", "b")
    assert len(labels(None, {})) == 10
    with pytest.raises(ConfigError, match=r"layout_dict_path: there is no file nowhere\.txt; correct it, or take one of cdla"):
        labels("nowhere.txt", {})


@pytest.mark.models
@pytest.mark.parametrize(
    ("model", "params", "sentence"),
    [
        ("layout_cdla", {"layout_dict_path": "publaynet"}, "has 10 classes, but layout_dict_path names 5 labels"),
        ("PP-OCRv6_tiny_det", {}, "is no PicoDet layout network"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(model: str, params: dict[str, Any], sentence: str) -> None:
    models.pull([model])
    with pytest.raises(ModelError, match=sentence):
        LayoutDetector(LayoutParams.read(params, {}), models.resolve(model).path, EngineOptions())
