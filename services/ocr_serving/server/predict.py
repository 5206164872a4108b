"""The old contract's routes: `/predict/<module>`, and documents beside it, `/convert/<formats>`."""

from __future__ import annotations

from typing import Any

import flask

from ocr_serving.config import ServiceConfig
from ocr_serving.errors import InputError
from ocr_serving.output import reading
from ocr_serving.server import convert, front, openapi, uploads, wire
from ocr_serving.server.front import Front
from ocr_serving.server.messages import Reply
from ocr_serving.server.openapi import Described
from ocr_serving.server.routes import Modules, Routes

OPTIONS = {
    "pdf_text": {"type": "string", "enum": list(reading.PDF_TEXT), "default": "auto"},
    "join_tables": {"type": "boolean", "default": True},
    "join_paragraphs": {"type": "boolean", "default": True},
    "pages": {"type": "string", "pattern": r"^[1-9]\d*(-[1-9]\d*)?$"},
    "document": {"type": "string", "format": "binary", "description": "A tree that was read before, as a file of JSON."},
    "join_pages": {"type": "boolean", "default": False},
}
"""What a form for a document may say besides."""


def add(app: flask.Flask, service: Front) -> None:
    """Register them."""
    legacy = service.config.http_status == "legacy"

    @app.post("/convert/<forms>")
    def converted(forms: str) -> flask.Response:
        try:
            name, output = convert.target(forms, service.modules) if service.modules else ("", "")
        except InputError as exc:
            return front.respond(wire.failed(str(exc), 404))
        return front.answered(service, name, lambda: _asked(service, name, output), legacy=legacy)

    @app.post("/predict/<name>")
    def predict(name: str) -> flask.Response:
        return front.answered(service, name, lambda: _asked(service, name), legacy=legacy)


def _asked(service: Front, name: str, output: str = "") -> Reply:
    request = flask.request
    output = output or convert.wanted(request.args.get("output", ""), request.headers.get("Accept", ""))
    return front.ask(service, name, takes=uploads.takes, output=output)


def describe(modules: Modules, config: ServiceConfig) -> Described:
    """What OpenAPI says of them."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for name, about in modules.items():
        paths[f"/predict/{name}"] = {"post": openapi.operation(name, about, schemas, config)}
    if {convert.STRUCTURE, convert.LINES} & set(modules):
        paths |= convert.paths(openapi.failures(), openapi.bodies("Convert.Request", OPTIONS), schemas, openapi.REF)
    return Described(paths, schemas)


ROUTES = Routes(add=add, describe=describe, logged=("/predict/", "/convert/"))
