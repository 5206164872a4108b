"""The OpenAPI document says what the services do."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from helpers.services import GOLDEN, Service, b64, strip

MODULES = ("ocr_det", "ocr_cls", "ocr_rec", "ocr_system")


@pytest.fixture(scope="module")
def document(ocr: Service) -> Any:
    return requests.get(f"{ocr.url}/openapi.json", timeout=10).json()


def schema(document: Any, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def test_the_document_is_valid_openapi(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert {f"/predict/{name}" for name in MODULES} <= set(document["paths"])


@pytest.mark.parametrize("module", MODULES)
def test_answers_are_as_described(ocr: Service, document: Any, module: str) -> None:
    images = [strip(), b64(b"no image"), b64((GOLDEN / "pages" / "table_crop.jpg").read_bytes())]
    request = {"images": images}
    jsonschema.validate(request, schema(document, f"{module}.Request"))
    answer = ocr.post(module, request).json()
    jsonschema.validate(answer, schema(document, f"{module}.Answer"))
    refused = ocr.post(module, {"images": images, "foo": 1})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"images": images, "foo": 1}, schema(document, f"{module}.Request"))
    jsonschema.validate(refused.json(), schema(document, "Failure"))
    assert str(refused.status_code) in document["paths"][f"/predict/{module}"]["post"]["responses"]


@pytest.mark.parametrize("module", MODULES)
def test_the_description_is_strict_enough_to_catch_a_changed_key(ocr: Service, document: Any, module: str) -> None:
    answer = ocr.post(module, {"images": [b64((GOLDEN / "pages" / "table_crop.jpg").read_bytes())]}).json()
    item = answer["results"][0][0]
    item.pop("text_region" if "text_region" in item else "confidence")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer, schema(document, f"{module}.Answer"))


def test_arguments_carry_their_bounds(document: Any) -> None:
    properties = document["components"]["schemas"]["ocr_system.Request"]["properties"]
    bounds = [part for part in properties["drop_score"]["anyOf"] if part["type"] == "number"]
    assert (bounds[0]["minimum"], bounds[0]["maximum"]) == (0, 1)
