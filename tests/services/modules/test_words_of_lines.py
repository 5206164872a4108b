"""ocr_system tells words and characters with their places, spaces or none, and what a charset allows, on real weights."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ocr_serving.decoding.images import Image
from ocr_serving.modules.loader import load_module

pytestmark = pytest.mark.models

TINY = {"model_set": "PP-OCRv6_tiny"}
LEFT = {"INVOICE": 40, "TOTAL": 340}
FONT, SCALE, THICK = cv2.FONT_HERSHEY_SIMPLEX, 1.4, 3


@pytest.fixture(scope="module")
def page() -> Image:
    picture = np.full((200, 600, 3), 255, np.uint8)
    for word, left in LEFT.items():
        cv2.putText(picture, word, (left, 110), FONT, SCALE, (0, 0, 0), THICK, cv2.LINE_AA)
    return picture


def test_words_and_characters_stand_where_they_are_drawn(page: Image) -> None:
    module: Any = load_module("ocr_system", params=TINY)
    (lines,) = module.predict([page], return_words=True, return_chars=True)
    words = [word for line in lines for word in line["words"]]
    assert [word["text"] for word in words] == list(LEFT)
    for word in words:
        xs, ys = [x for x, _ in word["text_region"]], [y for _, y in word["text_region"]]
        left = LEFT[word["text"]]
        right = left + cv2.getTextSize(word["text"], FONT, SCALE, THICK)[0][0]
        assert [min(xs), max(xs)] == pytest.approx([left, right], abs=12)
        assert 65 <= min(ys) <= 82
        assert 105 <= max(ys) <= 125
        assert 0.5 < word["confidence"] <= 1
    assert "".join(char["text"] for line in lines for char in line["chars"]) == "INVOICETOTAL"


def test_without_asking_lines_have_the_keys_they_had(page: Image) -> None:
    (lines,) = load_module("ocr_system", params=TINY).predict([page])
    assert {key for line in lines for key in line} == {"text", "confidence", "text_region"}


def test_a_charset_leaves_nothing_else_to_be_read(page: Image) -> None:
    module = load_module("ocr_system", params=TINY | {"charset": "digits", "drop_score": 0.0})
    (lines,) = module.predict([page])
    assert not any(character.isalpha() for line in lines for character in line["text"])
