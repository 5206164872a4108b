"""Trees that callers send: whatever is in them becomes a file in each format, or a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_serving.errors import InputError
from ocr_serving.output import formats, given

SQUARE = [[0, 0], [10, 0], [10, 5], [0, 5]]
LINE = {"text": "a b\tc", "quad": SQUARE, "confidence": 0.5, "source": "ocr", "words": []}
LINES: list[list[dict[str, Any]]] = [
    [],
    [LINE],
    [LINE | {"text": ""}],
    [LINE | {"quad": [[5, 5]] * 4}],
    [LINE | {"quad": [[-1e6, 1e6]] * 4}],
    [LINE | {"text": "x\ud800\x00y"}],
]


def blocks(lines: list[dict[str, Any]], box: list[float]) -> list[dict[str, Any]]:
    about: list[dict[str, Any]] = [
        {"kind": "paragraph", "text": "a\tb\nc", "lines": lines},
        {"kind": "heading", "text": "", "level": 9, "lines": lines},
        {"kind": "caption", "text": "c\t", "lines": lines},
        {"kind": "header", "text": "\t", "lines": lines},
        {"kind": "list", "items": [{"marker": "", "text": "\t", "depth": 20, "lines": lines}]},
        {"kind": "list", "items": []},
        {"kind": "table", "rows": 2, "columns": 2, "cells": []},
        {"kind": "table", "rows": 2, "columns": 2, "cells": [{"row": 1, "column": 1, "text": "\t=1\x00\ud800", "lines": lines}]},
        {"kind": "table", "rows": 1, "columns": 3, "cells": [{"row": 0, "column": 0, "columns": 2, "text": "x", "lines": lines}]},
        {"kind": "figure", "text": "\t", "lines": lines},
        {"kind": "field", "question": "\x01", "answer": "", "lines": lines},
    ]
    return [{"box": box} | block for block in about]


@pytest.mark.parametrize("form", formats.FORMATS)
def test_any_tree_that_is_taken_can_be_written(form: str) -> None:
    pair = {"question": "q", "answer": "a", "page": 7, "question_box": [0, 0, 1, 1], "answer_box": [0, 0, 1, 1]}
    for lines in LINES:
        for box in ([0, 0, 10, 10], [5, 5, 5, 5], [1e6, 1e6, -1e6, -1e6]):
            page = {"number": 3, "width": 100, "height": 100, "dpi": 1, "blocks": blocks(lines, [float(value) for value in box])}
            tree = given.document({"title": "t\x00/\ud800", "pages": [page], "fields": [pair]})
            formats.files(tree, formats.Original(files=[b""], images=[None]), [form], tree.title)


def test_a_title_is_a_name_of_a_file_anywhere() -> None:
    page = {"number": 1, "width": 1, "height": 1}
    assert given.document({"title": "../a\x00b?", "pages": [page]}).title == ".._a_b_"


def test_words_that_a_correction_left_out_are_those_of_its_text() -> None:
    page = {"number": 1, "width": 100, "height": 100, "blocks": blocks([LINE], [0, 0, 10, 10])[:1]}
    [line] = given.document({"title": "", "pages": [page]}).pages[0].lines
    assert [word.text for word in line.words] == ["a", "b", "c"]
    assert line.words[0].box[0] == 0
    assert line.words[-1].box[2] == 10


def test_tables_are_bounded_together() -> None:
    table = {"kind": "table", "box": [0, 0, 1, 1], "rows": 150, "columns": 100, "cells": []}
    page = {"number": 1, "width": 100, "height": 100, "blocks": [table]}
    assert given.document({"title": "", "pages": [page]})
    with pytest.raises(InputError, match="send 1 to 20000 cells together"):
        given.document({"title": "", "pages": [page | {"blocks": [table, table]}]})
