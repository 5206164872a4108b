"""The OpenAPI document, read off the modules' own annotations, so that it cannot say what they do not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from ocr_serving import __version__
from ocr_serving.config import ServiceConfig
from ocr_serving.modules.base import Module
from ocr_serving.output.formats import FORMATS
from ocr_serving.server.wire import Arguments

REF = "#/components/schemas/{model}"

FAILURES = {
    "400": "The request is not what `predict` takes; `msg` says why.",
    "401": "An API key is needed and none, or a wrong one, was sent.",
    "404": "No such module here.",
    "408": "The body did not arrive in time.",
    "413": "The body, an image or the number of images is over its limit.",
    "415": "Not JSON: the outdated form-encoded protocol.",
    "500": "The prediction failed on the server's side.",
    "503": "Full, loading or too slow: try again after `Retry-After` seconds.",
}


@dataclass(frozen=True)
class Described:
    """What OpenAPI says of routes: their `paths`, and the `schemas` that these refer to as `REF` has it."""

    paths: Mapping[str, Any] = field(default_factory=dict)
    schemas: Mapping[str, Any] = field(default_factory=dict)


def describe(cls: type[Module], accepted: Arguments) -> dict[str, Any]:
    """What a module says of itself: version, summary, JSON schema of its arguments and of its `results`."""
    try:
        returns = get_type_hints(cls.predict, include_extras=True).get("return", list[Any])
        results = TypeAdapter(returns).json_schema(ref_template=REF)
    except (PydanticUserError, NameError):
        # A user's module may annotate with what has no schema; its answers are then described as anything.
        results = {}
    return {
        "version": cls.info.version,
        "summary": cls.info.summary,
        "arguments": accepted.model.model_json_schema(ref_template=REF),
        "results": results,
    }


def document(described: Sequence[Described], config: ServiceConfig) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a service with the routes `described`."""
    schemas: dict[str, Any] = {"Failure": _answer({"type": "string", "const": ""}, ["101", "111", "112"])}
    paths: dict[str, Any] = {}
    for about in described:
        paths |= about.paths
        schemas |= about.schemas
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "ocr-serving",
            "version": __version__,
            "description": "OCR services that answer PaddleOCR's hubserving calls.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if config.api_keys_file is not None:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document["security"] = [{"bearer": []}, {"header": []}]
    return document


def failures() -> dict[str, Any]:
    """The refusals of the old contract, as OpenAPI's `responses`."""
    content = {"application/json": {"schema": {"$ref": REF.format(model="Failure")}}}
    return {code: {"description": text, "content": content} for code, text in FAILURES.items()}


def operation(name: str, about: Mapping[str, Any], schemas: dict[str, Any], config: ServiceConfig) -> dict[str, Any]:
    """What OpenAPI says of `/predict/<name>`, of which `describe` told `about`; its schemas are added to `schemas`."""
    arguments, results = dict(about["arguments"]), dict(about["results"])
    for schema in (arguments, results):
        schemas.update(schema.pop("$defs", {}))
    images = {
        "type": "array",
        "minItems": 1,
        "maxItems": config.max_images,
        "items": {"type": "string", "contentEncoding": "base64"},
        "description": "Image files, each encoded as base64; a `data:image/…;base64,` prefix is taken off.",
    }
    schemas[f"{name}.Request"] = {
        "type": "object",
        "properties": {"images": images} | arguments.get("properties", {}),
        "required": ["images"],
        "additionalProperties": arguments.get("additionalProperties", False),
    }
    schemas[f"{name}.Answer"] = _answer(results, ["000"])
    return {
        "operationId": name,
        "summary": about["summary"],
        "parameters": [
            {
                "name": "output",
                "in": "query",
                "schema": {"type": "string"},
                "description": f"Answer with a document instead: one or more of {', '.join(FORMATS)}; or an Accept header.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": REF.format(model=f"{name}.Request")}}},
        },
        "responses": {
            "200": {
                "description": "Results, in the order of `images`.",
                "content": {"application/json": {"schema": {"$ref": REF.format(model=f"{name}.Answer")}}},
            },
        }
        | failures(),
    }


def _answer(results: Mapping[str, Any], statuses: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"msg": {"type": "string"}, "results": results, "status": {"type": "string", "enum": statuses}},
        "required": ["msg", "results", "status"],
    }
