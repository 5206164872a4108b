"""kie_ser and kie_ser_re over HTTP: what the wire contract promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import requests

from helpers import pdfs
from helpers.services import GOLDEN, Service, b64, serve, strip

ITEM = {"transcription", "text", "points", "text_region", "bbox", "confidence", "pred_id", "pred"}
INVOICE = b64((GOLDEN / "pages" / "invoice_en.jpg").read_bytes())
KEYS = {"kie_ser": "ser_res", "kie_ser_re": "re_res"}


@pytest.fixture(scope="module")
def kie(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Both modules with the demo weights in one service of one worker."""
    settings = {"params": {"model_set": "PP-OCRv6_tiny"}}
    with serve(tmp_path_factory.mktemp("kie"), dict.fromkeys(KEYS, settings), workers=1) as service:
        yield service


def items(module: str, entry: Any) -> list[dict[str, Any]]:
    """Every item of an entry of `results`."""
    found = entry[KEYS[module]]
    return found if module == "kie_ser" else [item for pair in found for item in pair]


@pytest.mark.parametrize("module", KEYS)
def test_an_answer_is_as_the_contract_says(kie: Service, module: str) -> None:
    response = kie.post(module, {"images": [INVOICE]})
    body = response.json()
    assert (response.status_code, body["status"], body["msg"]) == (200, "000", "")
    (entry,) = body["results"]
    found = items(module, entry)
    assert found
    for item in found:
        assert item.keys() == ITEM
        assert [type(value) for value in item["bbox"]] == [int] * 4
        assert type(item["pred_id"]) is int
        assert item["pred"] in ("QUESTION", "ANSWER", "HEADER", "O")
    if module == "kie_ser_re":
        assert all([item["pred"] for item in pair] == ["QUESTION", "ANSWER"] for pair in entry["re_res"])


def test_a_form_in_a_pdf_that_has_text_of_its_own_is_read(kie: Service) -> None:
    pdf = pdfs.of_text(["Name: Ada Lovelace", "City: London"])
    read = requests.post(f"{kie.url}/predict/kie_ser?output=json", files={"file": pdf}, timeout=60)
    assert read.status_code == 200, read.text
    assert "Lovelace" in read.text


@pytest.mark.parametrize("module", KEYS)
def test_an_image_that_cannot_be_decoded_keeps_its_place(kie: Service, module: str) -> None:
    body = kie.post(module, {"images": [b64(b"no image"), strip()]}).json()
    assert body["status"] == "000"
    assert body["results"][0] == []
    assert KEYS[module] in body["results"][1]
    assert "images[0]" in body["msg"]


@pytest.mark.parametrize("module", KEYS)
@pytest.mark.parametrize("body", [{"images": []}, {"images": [strip()], "foo": 1}])
def test_what_predict_does_not_take_is_a_400(kie: Service, module: str, body: dict[str, Any]) -> None:
    response = kie.post(module, body)
    assert (response.status_code, response.json()["status"], response.json()["results"]) == (400, "101", "")


@pytest.mark.parametrize("module", KEYS)
def test_answers_are_as_openapi_describes_them(kie: Service, module: str) -> None:
    document = requests.get(f"{kie.url}/openapi.json", timeout=10).json()
    answer = kie.post(module, {"images": [INVOICE, b64(b"no image")]}).json()
    schema = {"$ref": f"#/components/schemas/{module}.Answer", "components": document["components"]}
    jsonschema.validate(answer, schema)
    items(module, answer["results"][0])[0].pop("pred")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer, schema)
