"""What a call that sends a job says. The calls of the real clients are in tests/clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_serving.errors import InputError
from ocr_serving.server.jobs import request
from ocr_serving.server.jobs.request import DOCUMENTS, OCR, Allowed

ALLOWED = Allowed((OCR, DOCUMENTS), None, None)


def submitted(**values: Any) -> Any:
    body = {"model": "PP-OCRv5", "file": "YWJj"} | values
    return request.submission(json.dumps(body).encode(), "application/json", ALLOWED)


@pytest.mark.parametrize(
    ("model", "family"),
    [("PP-OCRv6", OCR), ("PP-OCRv5-latin", OCR), ("PP-StructureV3", DOCUMENTS), ("PaddleOCR-VL-1.6", DOCUMENTS)],
)
def test_models_that_clients_know(model: str, family: str) -> None:
    assert submitted(model=model).family == family


def test_options_come_in_either_spelling_and_unknown_ones_are_passed_over() -> None:
    sent = submitted(
        optionalPayload={"text_det_thresh": 0.4, "useTextlineOrientation": False, "newKey": 1, "logId": "x", "file": "y"}
    )
    assert json.loads(sent.options) == {"textDetThresh": 0.4, "useTextlineOrientation": False, "newKey": 1}
    assert request.asked(sent.options, OCR).visualize is None


def test_a_form_of_the_sdk_is_read_whatever_it_calls_its_parts() -> None:
    parts = [
        b'--b\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Disposition: form-data; name="model"\r\n\r\nPP-OCRv6',
        'Content-Disposition: form-data; name="batchId"\r\n\r\nStapel é'.encode(),
        b'Content-Disposition: form-data; name="optionalPayload"\r\n\r\n{"visualize": false}',
        b'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n\x00\xff--\r\n\x01',
    ]
    body = b"\r\n--b\r\n".join(parts) + b"\r\n--b--\r\n"
    sent = request.submission(body, "multipart/form-data; boundary=b", ALLOWED)
    assert (sent.content, sent.batch, sent.options) == (b"\x00\xff--\r\n\x01", "Stapel é", '{"visualize":false}')
    with pytest.raises(InputError, match="The form cannot be read"):
        request.submission(body[:-20], "multipart/form-data; boundary=b", ALLOWED)


def test_urls_and_calls_are_off_unless_hosts_are_named() -> None:
    with pytest.raises(InputError, match=r"fileUrl: URLs are not fetched here \(fetch_hosts\): send the file itself"):
        submitted(file=None, fileUrl="http://example.org/a.pdf")
    with pytest.raises(InputError, match=r"fileUrl: URLs are not fetched here \(fetch_hosts\): send the file itself"):
        submitted(file="http://example.org/a.pdf")
    with pytest.raises(InputError, match=r"callbackUrl: nobody is called here \(webhook_hosts\)"):
        submitted(callbackUrl="http://example.org/hook")


@pytest.mark.parametrize("text", ["0", "-1", "3-2", "a", "1;2", "1-2-3", ",", "1-", "²", "9999999999"])
def test_what_names_no_pages_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^pageRanges: "):
        request.ranges(text)


def test_pages_beyond_the_file_or_the_limit_are_refused() -> None:
    with pytest.raises(InputError, match="there is no page 4, the file has 3"):
        request.chosen("2-4", 3, 10)
    with pytest.raises(InputError, match=r"3 pages are over the limit of 2 \(jobs_max_pages\)"):
        request.chosen("", 3, 2)
    assert request.chosen("", 2, 2) == [0, 1]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), min_size=1))
def test_pages_come_once_and_in_the_order_of_the_file(found: list[tuple[int, int]]) -> None:
    text = ", ".join(f"{first}-{first + more}" if more else str(first) for first, more in found)
    wanted = {page - 1 for first, more in found for page in range(first, first + more + 1)}
    assert request.chosen(text, 60, 60) == sorted(wanted)
