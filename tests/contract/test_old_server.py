"""The wire contract: what the old server answered to odd requests, asked of ours over real HTTP.

`tests/golden/*/errors.json` holds request, code and body as PaddleHub Serving gave them. The bodies' status and shape are kept;
the code is made honest, and what was an HTML page is the JSON object.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
import requests

from helpers.services import GOLDEN, Service, b64, strip

MODULES = ("ocr_system", "ocr_rec")
CASES = [(module, name) for module in MODULES for name in json.loads((GOLDEN / module / "errors.json").read_text())]

# name → HTTP code and status of ours, where they are not the old body's status with the code of `honest`.
DIFFERENT: dict[str, tuple[int, str]] = {
    # HTML error pages
    "body_is_list": (400, "101"),
    "body_is_string": (400, "101"),
    "empty_body": (400, "101"),
    "not_json": (400, "101"),
    "truncated_json": (400, "101"),
    "get_predict": (405, "101"),
    "put_predict": (405, "101"),
    "other_path": (404, "101"),
    "no_module": (404, "111"),
    "trailing_slash": (404, "111"),
    "form_encoded": (415, "112"),
    "no_content_type": (415, "112"),
    "text_plain": (415, "112"),
    # the old server opened its own files
    "paths_and_empty_images": (400, "101"),
    # pages that are not JSON, here and there
    "get_root": (200, ""),
    "head_root": (200, ""),
    "options_predict": (200, ""),
}
HONEST = {"000": 200, "101": 400, "111": 404, "112": 415}


def whole(name: str, body: str) -> str:
    """A recorded body; the record cuts long ones short (`…`), and those are made whole with a picture of ours."""
    if not body.endswith("…"):
        return body
    picture = strip()
    if name == "base64_data_url_prefix":
        picture = f"data:image/png;base64,{picture}"
    if name == "base64_with_newlines":
        picture = "\n".join(picture[n : n + 76] for n in range(0, len(picture), 76))
    if body.startswith("images="):
        return f"images={quote(picture)}"
    payload: dict[str, Any] = {"images": [picture]}
    if name == "ok_two_images":
        payload["images"] = [picture, picture]
    if name == "undecodable_among_good":
        payload["images"] = [picture, b64(b"this is not an image"), picture]
    if name == "unknown_key":
        payload["foo"] = 1
    if name == "paths_with_images":
        payload["paths"] = ["/some/file/of/the/server.jpg"]
    return json.dumps(payload)


def ask(service: Service, name: str, request: dict[str, Any]) -> requests.Response:
    """Send a recorded request as it was."""
    kind = request.get("content_type")
    body = request.get("body")
    return requests.request(
        request.get("method", "POST"),
        service.url + request["path"],
        data=None if body is None else whole(name, body).encode(),
        headers={"Content-Type": kind} if kind else {},
        timeout=60,
    )


@pytest.mark.parametrize(("module", "name"), CASES)
def test_odd_requests_are_answered_as_before(ocr: Service, module: str, name: str) -> None:
    recorded = json.loads((GOLDEN / module / "errors.json").read_text())[name]
    response = ask(ocr, name, recorded["request"])
    old = recorded["body"] if isinstance(recorded["body"], dict) else {}
    code, status = DIFFERENT.get(name) or (HONEST[old["status"]], old["status"])
    assert response.status_code == code
    if not status:
        return
    answer = response.json()
    assert answer["status"] == status
    assert set(answer) == {"msg", "results", "status"}
    if status != "000":
        assert answer["results"] == ""
        assert answer["msg"]
    elif module == "ocr_system":
        # One entry an image, in order; what could not be decoded is [] and is named.
        assert [bool(entry) for entry in answer["results"]] == [
            bool(entry) or name == "base64_data_url_prefix" for entry in old["results"]
        ]
        assert bool(answer["msg"]) == any(not entry for entry in answer["results"])


def test_every_recorded_request_is_asked() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize(
    ("module", "placeholder"), [("ocr_rec", {"text": "", "confidence": 0.0}), ("ocr_cls", {"angle": "", "confidence": 0.0})]
)
def test_modules_with_one_entry_keep_the_place_of_a_bad_image(ocr: Service, module: str, placeholder: dict[str, Any]) -> None:
    good = b64((GOLDEN / "pages" / "table_crop.jpg").read_bytes())
    answer = ocr.post(module, {"images": [good, b64(b"no image"), good]}).json()
    assert answer["status"] == "000"
    [entry] = answer["results"]
    assert len(entry) == 3
    assert entry[1] == placeholder
    assert entry[0] == entry[2] != placeholder
    assert "images[1]" in answer["msg"]


def test_the_old_test_client_finds_what_it_reads(ocr: Service) -> None:
    """The calls and look-ups of PaddleOCR's tools/test_hubserving.py."""
    page = (GOLDEN / "pages" / "table_crop.jpg").read_bytes()
    for module in ("ocr_det", "ocr_rec", "ocr_cls", "ocr_system"):
        reply = requests.post(
            url=f"{ocr.url}/predict/{module}",
            headers={"Content-type": "application/json"},
            data=json.dumps({"images": [b64(page)]}),
            timeout=60,
        )
        res = reply.json()["results"][0]
        keys = res[0].keys()
        if module in ("ocr_rec", "ocr_cls"):
            assert "text_region" not in keys
        else:
            assert ("text" in keys) == (module == "ocr_system")
            assert all(len(item["text_region"]) == 4 for item in res)
            assert all(type(value) is int for item in res for point in item["text_region"] for value in point)
        if module == "ocr_system":
            assert all(isinstance(item["text"], str) and type(item["confidence"]) is float for item in res)
