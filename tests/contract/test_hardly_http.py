"""A service of every module of OCR is sent what nobody would, the same at each run: it never fails, and answers as it says."""

from __future__ import annotations

import json
import random
import re
import socket
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from helpers.attackers import read
from helpers.services import Service, strip

pytestmark = pytest.mark.models

BODY = json.dumps({"images": [strip()]}).encode()
REQUEST = (
    b"POST /predict/ocr_cls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Request-ID: abc\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY)
)
PIECES = (
    b"\r\n",
    b"\n",
    b"\0",
    b":",
    b" ",
    b"%00",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: -1\r\n",
    b"\xff",
    b"9" * 30,
)
WORDS = (b"null", b"1e999", b"-0", b'"\\ud800"', b"{}", b"[]", b"NaN", b"true", b'"images"', b"\xff", b",", b"}", b"1" * 400)
ANSWERED = {200, 400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 505}


@pytest.fixture
def unharmed(ocr: Service) -> Any:
    """The same workers answer after the test, and the log tells of no fault."""
    before = ocr.metrics()["ocr_serving_worker_restarts"], sum("exception" in line for line in ocr.lines())
    yield
    assert ocr.post("ocr_cls", {"images": [strip()]}).status_code == 200
    assert (ocr.metrics()["ocr_serving_worker_restarts"], sum("exception" in line for line in ocr.lines())) == before


def spoilt(data: bytes, pieces: tuple[bytes, ...], chance: random.Random) -> bytes:
    """Some bytes of it replaced, taken out, or with something between them."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data))
        put = chance.choice(pieces) if chance.random() < 0.6 else bytes([chance.randrange(256)])
        data = data[:at] + put + data[at + chance.choice((0, 0, 1, 1, 4, 40)) :]
    return data


def test_what_is_hardly_http_is_refused_or_answered(ocr: Service, unharmed: None) -> None:
    chance = random.Random("http")
    for _ in range(150):
        sent = spoilt(REQUEST, PIECES, chance) + BODY
        with socket.create_connection(("127.0.0.1", ocr.port), timeout=30) as caller:
            caller.sendall(sent)
            # Whoever waits for more than was sent is told that there is no more.
            caller.shutdown(socket.SHUT_WR)
            said = read(caller)
        assert {int(code) for code in re.findall(rb"^HTTP/1\.[01] (\d+)", said)} <= ANSWERED, (sent, said)


def test_what_is_hardly_json_is_refused_or_answered(ocr: Service, unharmed: None) -> None:
    chance = random.Random("json")
    for _ in range(150):
        sent = spoilt(
            BODY if chance.random() < 0.5 else b'{"images": ["aGk="], "det_db_thresh": 0.3, "x": [1, {"a": null}]}', WORDS, chance
        )
        answer = ocr.post("ocr_cls" if chance.random() < 0.5 else "ocr_det", sent)
        assert answer.status_code in (200, 400, 413, 415), (sent, answer.text)
        assert set(answer.json()) == {"msg", "results", "status"}


def test_every_route_answers_what_openapi_says(ocr: Service, unharmed: None) -> None:
    """What Schemathesis makes of the document: requests that keep to it and others. 503 is the queue's, and not asked for here."""
    said = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
    operations: list[Any] = [found.ok() for found in schemathesis.openapi.from_url(f"{ocr.url}/openapi.json").get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) >= 8
    for operation in operations:

        @settings(
            max_examples=10,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(checks=said, timeout=60)

        ask()
