"""JSON as it comes from and goes to the API server keeps every value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocr_operator.text import as_yaml, compact, parsed

VALUES: list[Any] = [
    {"a": [1, -1, 0, True, False, None, "", {}, []]},
    [0.1, 1e21, 1e-5, 1e300, -0.0, 1.0],
    [2**63, -(2**63), 2**70, 10**30],
    ["é", "😀", "\x00\x1f\x7f\x85\u2028\ufeff\uffff", '"\\/'],
    {"": {"f:spec": {'k:{"name":"server"}': {".": {}}}}},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value)[:20])
def test_a_value_comes_back_as_it_was_and_of_its_kind(value: Any) -> None:
    assert repr(parsed(compact(value))) == repr(value)
    assert repr(json.loads(compact(value))) == repr(value)
    assert repr(json.loads(as_yaml(value))) == repr(value)


def test_half_of_a_pair_is_kept_here_and_goes_out_as_what_stands_for_no_character() -> None:
    assert parsed(b'["a\\ud83d"]') == ["a\ud83d"]
    assert parsed(compact(["a\ud83d"])) == ["a\ud83d"]
    assert json.loads(as_yaml(["a\ud83d"])) == ["a\ufffd"]


def test_what_is_nested_deeply_is_read() -> None:
    text = b"[" * 400 + b"]" * 400
    assert json.dumps(parsed(text)).encode() == text
    assert compact(parsed(text)) == text


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        parsed(b"<html>")
