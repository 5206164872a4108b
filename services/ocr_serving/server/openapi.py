"""The OpenAPI document, read off the modules' own annotations, so that it cannot say what they do not do."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from ocr_serving import __version__, data
from ocr_serving.config import ServiceConfig
from ocr_serving.modules.base import Module
from ocr_serving.output.formats import FORMATS
from ocr_serving.server import uploads
from ocr_serving.server.wire import Arguments

REF = "#/components/schemas/{model}"

FAILURES = {
    "400": "The request is not what `predict` takes; `msg` says why.",
    "401": "An API key is needed and none, or a wrong one, was sent.",
    "404": "No such module here.",
    "408": "The body did not arrive in time.",
    "413": "The body, an image or the number of images is over its limit.",
    "415": "Neither JSON, nor a file, nor a form with files.",
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
            "description": "OCR that answers PaddleOCR's calls. Where a file is the body, arguments stand in the query.",
        },
        # In the order in which they are shown.
        "tags": [{"name": tag} for tag in _tags(described)],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `api_keys_file`."},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key in a header of its own."},
    }
    # Where no key is needed, none is asked for, so that a client that has one may keep it.
    anybody: list[dict[str, Any]] = [] if config.api_keys_file is not None else [{}]
    document["security"] = [*anybody, {"bearer": []}, {"header": []}]
    return document


def _tags(described: Sequence[Described]) -> list[str]:
    """The tags of all operations, each once, in the order of the routes."""
    operations = (operation for about in described for path in about.paths.values() for operation in path.values())
    return list(dict.fromkeys(tag for operation in operations for tag in operation.get("tags", ())))


@functools.cache
def example() -> str:
    """A picture of two words, as base64."""
    return base64.b64encode(data.EXAMPLE.read_bytes()).decode("ascii")


def bodies(request: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a call takes, as OpenAPI's `content`: JSON of the schema called `request`, a form with files, or a file.

    `arguments` are the schemas of the fields that a form may have besides.
    """
    file = {"type": "string", "format": "binary"}
    files = {"type": "array", "minItems": 1, "items": file, "description": "Images and PDFs, as they are."}
    form = {"type": "object", "properties": {uploads.FIELD: files} | dict(arguments), "required": [uploads.FIELD]}
    return {
        "application/json": {"schema": {"$ref": REF.format(model=request)}, "example": {"images": [example()]}},
        "multipart/form-data": {"schema": form},
        "image/*": {"schema": file},
        "application/pdf": {"schema": file},
    }


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
        "tags": ["Calls"],
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
            "content": bodies(f"{name}.Request", arguments.get("properties", {})),
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
