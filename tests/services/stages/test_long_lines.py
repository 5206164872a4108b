"""Lines too long for the recogniser come in parts, cut between words."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest

from ocr_serving.modules.loader import load_module
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.stages.long_lines import in_readable_lengths, readable_parts

TEXT = " ".join(f"{number} trains leave the station" for number in range(100, 130))


def strip() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A page with one line some two hundred times as long as high."""
    width = cv2.getTextSize(TEXT, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)[0][0]
    page = np.full((120, width + 100, 3), 255, np.uint8)
    cv2.putText(page, TEXT, (50, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0, 0, 0), 2, cv2.LINE_AA)
    return page


def test_parts_join_and_are_cut_at_gaps() -> None:
    page = strip()
    long = np.array([[45, 40], [page.shape[1] - 45, 40], [page.shape[1] - 45, 78], [45, 78]], np.float32)
    parts = in_readable_lengths(page, [long])
    assert len(parts) > 3
    assert parts[0][0].tolist() == long[0].tolist()
    assert parts[-1][2].tolist() == long[2].tolist()
    for left, right in pairwise(parts):
        assert left[1].tolist() == right[0].tolist()
        at = int(left[1][0])
        assert page[40:78, at - 1 : at + 2].min() > 200, "no letter is cut"


def test_a_column_of_characters_is_cut_from_top_to_bottom() -> None:
    page = np.full((4000, 100, 3), 255, np.uint8)
    column = np.array([[40, 0], [70, 0], [70, 3999], [40, 3999]], np.float32)
    tops = [part[:, 1].min() for part in in_readable_lengths(page, [column])]
    assert len(tops) > 2
    assert tops == sorted(tops)


def test_ordinary_lines_are_left_alone() -> None:
    line = np.array([[0, 0], [500, 0], [500, 20], [0, 20]], np.float32)
    assert in_readable_lengths(np.zeros((30, 600, 3), np.uint8), [line])[0] is line


@pytest.mark.parametrize(("height", "width"), [(1, 3000), (7, 4000), (8, 30000), (1, 1_000_000)])
def test_what_can_be_no_line_is_not_read_a_hundred_times(height: int, width: int) -> None:
    assert len(readable_parts(np.zeros((height, width, 3), np.uint8))) == 1


def test_parts_of_the_longest_lines_are_few_and_whole() -> None:
    picture = np.full((20, 20_000, 3), 255, np.uint8)
    parts = readable_parts(picture)
    assert len(parts) < 25
    assert np.concatenate([part for _, part in parts], axis=1).shape == picture.shape


@pytest.mark.models
def test_a_line_two_hundred_times_as_long_as_high_is_read() -> None:
    module = load_module("ocr_system", params={"model_set": "PP-OCRv6_tiny"})
    assert isinstance(module, OCRSystem)
    (lines,) = module.predict([strip()])
    wanted = TEXT.split()
    read = " ".join(line["text"] for line in lines)
    assert sum(number in read for number in wanted if number.isdigit()) >= 28
    (whole,) = module.predict([strip()], det_pieces=False)
    assert sum(number in " ".join(line["text"] for line in whole) for number in wanted if number.isdigit()) >= 28


@pytest.mark.models
def test_the_picture_of_such_a_line_alone_is_read_with_its_words_where_they_stand() -> None:
    page = strip()
    module: Any = load_module("ocr_rec", params={"model_set": "PP-OCRv6_tiny"})
    ((found, nothing),) = module.predict([page[35:85, 40:-40], None], return_words=True, return_chars=True)
    wanted = TEXT.split()
    assert [word["text"] for word in found["words"]] == found["text"].split()
    assert sum(number in found["text"].split() for number in wanted if number.isdigit()) >= 28
    assert "".join(char["text"] for char in found["chars"]) == "".join(found["text"].split())
    for number in ("100", "115", "129"):
        (word,) = (one for one in found["words"] if one["text"] == number)
        left = 10 + cv2.getTextSize(TEXT[: TEXT.index(number)], cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)[0][0]
        assert word["text_region"][0][0] == pytest.approx(left, abs=14)
        assert 0.5 < word["confidence"] <= 1
    assert nothing == {"text": "", "confidence": 0.0, "words": [], "chars": []}
    legacy: Any = load_module("ocr_rec", params={"model_set": "PP-OCRv6_tiny", "rec_width": "legacy"})
    assert "129" not in legacy.predict([page[35:85, 40:-40]])[0][0]["text"]
