"""A spec says the same by every way: read by kubectl, kept by an API server, read by `ocr-operator render`, sent by the chart."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from helpers.control_plane import ControlPlane
from ocr_operator.api.reading import documents
from ocr_operator.api.spec import parse
from ocr_operator.desired.render import config_text

WORDS = [
    *(
        "1e21",
        "1e-5",
        "1E5",
        "-1e3",
        "1.0",
        "1.",
        ".5",
        "-.5",
        "+1",
        "1e22",
        "123456789012345678901234567890",
        "-9223372036854775808",
    ),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", "0o17", "017", "-017", "08", "0b11", "0x1F", "1_000"),
    *(
        "12:30:45",
        "1:30",
        "2026-01-02",
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "True",
        "TRUE",
        "tRUE",
        "x",
    ),
    *("'1'", '"on"', "0.1", "1e400x", "+", ".", "1.2.3", "1e", "e1", "0x", "0b", "-0", "0.0", "-0.0", "100000000000000000000"),
    *("1e20", "123456789.123456789", "0.00001", "1e-7", "4e", "_1", "1__0", "a_b", "0o8", "00", "0", "5e3", "2.5e+3", "=", "<<x"),
]


def generated(count: int) -> list[str]:
    chance = random.Random(11)
    return ["".join(chance.choices("0123456789.eE+-_xob", k=chance.randint(1, 7))) for _ in range(count)]


def is_plain(word: str) -> bool:
    """No sign of a list, and no number beyond what a float can say, both of which kubectl refuses."""
    try:
        return word[0] != "-" or word[1:2].isdigit() if math.isfinite(float(word.replace("_", ""))) else False
    except ValueError:
        return word[0] != "-" or word[1:2].isdigit()


def spec_of(words: list[str]) -> str:
    head = "apiVersion: ocr-serving.dev/v1alpha1\nkind: OCRService\nmetadata: {name: numbers, namespace: default}\n"
    module = "spec:\n  modules:\n  - name: ocr_system\n    device: cpu\n    replicas: 0\n    params:\n"
    return head + module + "".join(f"      p{number}: {word}\n" for number, word in enumerate(words))


def config_of(body: dict[str, Any]) -> dict[str, Any]:
    (module,) = parse(body).modules
    return dict(json.loads(config_text(module))["modules_info"]["ocr_system"]["params"])


def is_said_the_same(plane: ControlPlane, words: list[str]) -> None:
    plane.kubectl("apply", "-f", "-", stdin=spec_of(words))
    try:
        kept = config_of(plane.get("ocr", "numbers"))
    finally:
        plane.kubectl("delete", "ocr", "numbers")
    (read,) = documents(spec_of(words))
    ours = config_of(read)
    assert {words[int(key[1:])]: value for key, value in ours.items() if repr(value) != repr(kept.get(key))} == {}
    assert ours == kept


def test_what_is_written_is_read_as_kubectl_reads_it(api_server: ControlPlane) -> None:
    is_said_the_same(api_server, WORDS)


def test_so_is_whatever_looks_like_a_number(api_server: ControlPlane) -> None:
    is_said_the_same(api_server, [word for word in generated(400) if is_plain(word)])
