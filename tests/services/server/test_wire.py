"""The wire as pure functions: bodies in, arguments or sentences out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ocr_serving.decoding.images import Limits
from ocr_serving.errors import ConfigError, InputError, TooLargeError
from ocr_serving.modules.base import Module, moduleinfo
from ocr_serving.server import wire


@moduleinfo(name="sample")
class Sample(Module):
    def predict(
        self,
        images: Sequence[Any] = (),
        paths: Sequence[str] = (),
        *,
        drop_score: Annotated[float, Field(ge=0, le=1)] | None = None,
        use_angle_cls: bool = False,
    ) -> list[Any]:
        return []


ACCEPTED = wire.Arguments(Sample)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_answer_is_the_old_object_with_text_unescaped() -> None:
    body = wire.reply(wire.OK, "", [[{"text": "韩国小馆"}]]).body
    assert body == '{"msg":"","results":[[{"text":"韩国小馆"}]],"status":"000"}'.encode()


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("application/vnd.api+json", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
    ],
)
def test_content_types_taken_as_json(content_type: str, expected: bool) -> None:
    assert wire.is_json(content_type) is expected


def test_null_is_the_outdated_protocol() -> None:
    assert wire.parse(b"null") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"this is not json",
        b'{"images": ["abc',
        b"[1,2]",
        b'"abc"',
        b"5",
        b"\xff\xfe\xfa",
        b"[" * 200_000,
        b'{"n":' + b"9" * 5000 + b"}",
    ],
)
def test_bodies_that_are_no_object_are_the_callers_fault(body: bytes) -> None:
    with pytest.raises(InputError):
        wire.parse(body)


@given(JSON)
def test_any_json_is_parsed_or_refused_in_words(value: Any) -> None:
    body = json.dumps(value).encode()
    try:
        payload = wire.parse(body)
        if payload is not None:
            wire.arguments(payload, ACCEPTED, Limits())
    except InputError as exc:
        assert wire.failed(str(exc), 400).body


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({}, "'images' is missing"),
        ({"images": []}, "inconsistent with expectations"),
        ({"images": None}, "got null"),
        ({"images": 5}, "got a number"),
        ({"images": "abc"}, "got a string"),
        ({"images": ["x", 5]}, "images[1] must be a base64 string"),
        ({"images": ["x"], "paths": ["/etc/passwd"]}, "'paths' is not taken over HTTP"),
        ({"images": [], "paths": []}, "'paths' is not taken over HTTP"),
        ({"images": ["x"], "foo": 1}, "Sample.predict() got an unexpected keyword argument 'foo'"),
        ({"images": ["x"], "dropscore": 1}, "did you mean 'drop_score'?"),
        ({"images": ["x"], "drop_score": "0.5"}, "'drop_score'"),
        ({"images": ["x"], "drop_score": 1.5}, "less than or equal to 1, got 1.5"),
        ({"images": ["x"], "drop_score": float("nan")}, "'drop_score'"),
        ({"images": ["x"], "use_angle_cls": 1}, "'use_angle_cls'"),
    ],
)
def test_wrong_requests_are_told_what_is_wrong(payload: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        wire.arguments(payload, ACCEPTED, Limits())
    assert says in str(caught.value)


def test_only_the_arguments_given_are_passed_on() -> None:
    assert wire.arguments({"images": ["x"], "drop_score": 1}, ACCEPTED, Limits()) == (["x"], {"drop_score": 1})


def test_too_many_images_are_too_large() -> None:
    with pytest.raises(TooLargeError, match="max_images"):
        wire.arguments({"images": ["x"] * 3}, ACCEPTED, Limits(max_images=2))


def test_a_predict_whose_arguments_cannot_be_checked_is_refused_at_start() -> None:
    class Odd(Sample):
        def predict(self, images: Sequence[Any] = (), paths: Sequence[str] = (), *, thing: memoryview | None = None) -> list[Any]:  # type: ignore[override]
            return []

    with pytest.raises(ConfigError, match="cannot be checked"):
        wire.Arguments(Odd)


def test_a_body_of_more_values_than_any_request_is_refused_by_its_count() -> None:
    """Before anything is made of it: 64 MiB of empty objects would take gigabytes."""
    with pytest.raises(TooLargeError, match="more than 100000 values"):
        wire.parse(b'{"images":[' + b"{}," * (21 << 20) + b"{}]}")
    assert wire.parse(b'{"images":[' + b"0," * 1000 + b"0]}") is not None


def test_a_number_that_python_refuses_is_told_in_no_words_of_pythons() -> None:
    with pytest.raises(InputError, match=r"^The body has a number of thousands of digits: send it shorter\.$"):
        wire.value(b"[" + b"9" * 5000 + b"]")
