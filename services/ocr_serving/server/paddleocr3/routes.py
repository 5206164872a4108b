"""The front's side of PaddleOCR 3's routes: which module answers, and refusals in that contract's words."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flask

from ocr_serving.config import ServiceConfig
from ocr_serving.errors import UnavailableError
from ocr_serving.server import front, openapi, wire
from ocr_serving.server.front import Front, RefusedError
from ocr_serving.server.messages import Reply
from ocr_serving.server.openapi import REF, Described
from ocr_serving.server.paddleocr3 import catalogue, envelope
from ocr_serving.server.paddleocr3.urls import Fetching
from ocr_serving.server.routes import Modules, Routes

HEALTH = "/health"

API = "paddleocr3/"
"""What a Task's `api` begins with, before the route."""

ELSEWHERE = ("seal-recognition", "formula-recognition", "restructure-pages", "object-detection")
"""Routes of pipelines that have no counterpart here."""


def server_of(route: str, modules: Modules) -> str | None:
    """The module that serves a route, None where none can."""
    able = [name for name, about in modules.items() if route in about.get("paddleocr3", ())]
    return next((name for name in catalogue.ROUTES[route].modules if name in able), next(iter(able), None))


def add(app: flask.Flask, service: Front) -> None:
    """Register them."""
    files = Fetching(service)

    @app.get(HEALTH)
    def health() -> flask.Response:
        if not service.ready:
            raise UnavailableError("The models are still loading.", 2)
        return front.respond(envelope.healthy())

    def handler(route: str) -> Callable[[], flask.Response]:
        def asked() -> flask.Response:
            if not service.modules:
                raise UnavailableError("The models are still loading.", 2)
            name = server_of(route, service.modules)
            if name is None:
                needed = " or ".join(catalogue.ROUTES[route].modules)
                raise RefusedError(wire.failed(f"No module here answers /{route}: start the service with {needed}.", 404))
            completed = functools.partial(files.completed, route)
            return front.answered(
                service, name, lambda: front.ask(service, name, takes=lambda _: True, api=API + route, completed=completed)
            )

        return asked

    for route in catalogue.ROUTES:
        app.add_url_rule(f"/{route}", route, handler(route), methods=["POST"])

    def elsewhere(name: str) -> flask.Response:
        # Relative: whatever stands in front of the service may have a path of its own.
        query = flask.request.query_string.decode("latin-1")
        return flask.Response(status=307, headers={"Location": f"../{name}{'?' * bool(query)}{query}"}, content_type="")

    for name, method in (*((route, "POST") for route in catalogue.ROUTES), (HEALTH[1:], "GET")):
        app.add_url_rule(f"/{name}/", f"{name}/", functools.partial(elsewhere, name), methods=[method])

    def absent() -> flask.Response:
        path = flask.request.path
        raise RefusedError(wire.failed(f"There is no {path} here: no module does what its pipeline does.", 404))

    for route in ELSEWHERE:
        app.add_url_rule(f"/{route}", route, absent, methods=["POST"])


def describe(modules: Modules, _config: ServiceConfig) -> Described:
    """What OpenAPI says of those that are served."""
    served = [route for route in catalogue.ROUTES if server_of(route, modules) is not None]
    envelope_schema = {
        "type": "object",
        "properties": {
            "logId": {"type": "string"},
            "errorCode": {"type": "integer"},
            "errorMsg": {"type": "string"},
            "result": {"type": "object", "additionalProperties": True},
        },
        "required": ["logId", "errorCode", "errorMsg"],
    }
    schemas: dict[str, Any] = {"PaddleOCR3.Answer": envelope_schema}
    content = {"application/json": {"schema": {"$ref": REF.format(model="PaddleOCR3.Answer")}}}
    failures = {
        code: {"description": text, "content": content}
        for code, text in (
            ("401", "An API key is needed and none, or a wrong one, was sent."),
            ("413", "The body or the file is over its limit."),
            ("422", "The request is not what the route takes; `errorMsg` says why."),
            ("500", "The reading failed on the server's side."),
            ("503", "Full, loading or too slow: try again after `Retry-After` seconds."),
        )
    }
    paths: dict[str, Any] = {}
    for route in served:
        about = catalogue.ROUTES[route]
        model = f"PaddleOCR3.{about.model.__name__}"
        schema = about.model.model_json_schema(ref_template=REF)
        schemas |= schema.pop("$defs", {})
        schemas[model] = schema
        paths[f"/{route}"] = {
            "post": {
                "operationId": route.replace("-", "_"),
                "summary": about.summary,
                "tags": ["PaddleOCR 3"],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": REF.format(model=model)},
                            "example": {"file": openapi.example(), "visualize": False},
                        }
                    },
                },
                "responses": {
                    "200": {"description": f"`result.{about.results}` has an entry for each page.", "content": content},
                }
                | failures,
            }
        }
    if served:
        paths[HEALTH] = {
            "get": {
                "operationId": "health",
                "summary": "Whether the service answers, as PaddleOCR 3 says it",
                "tags": ["PaddleOCR 3"],
                "security": [],
                "responses": {"200": {"description": "Healthy.", "content": content}, "503": {"description": "Still loading."}},
            }
        }
    return Described(paths, schemas)


def _refusal(reply: Reply) -> Reply:
    return envelope.refusal(reply)


PATHS = tuple(f"/{route}" for route in (*catalogue.ROUTES, *ELSEWHERE))

ROUTES = Routes(
    add=add,
    describe=describe,
    logged=PATHS,
    probes=(HEALTH,),
    prefixes=(*PATHS, *(f"{path}/" for path in PATHS), HEALTH, f"{HEALTH}/"),
    refusal=_refusal,
)
