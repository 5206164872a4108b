"""The page at `/`, the files it is made of, and what it shows of files; a browser loads nothing from elsewhere for it."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

import flask
from werkzeug.exceptions import NotFound

from ocr_serving import data
from ocr_serving.config import ServiceConfig
from ocr_serving.errors import InputError
from ocr_serving.server import front, openapi, rewrite, uploads, wire
from ocr_serving.server.front import Front, RefusedError
from ocr_serving.server.messages import Reply
from ocr_serving.server.openapi import Described
from ocr_serving.server.routes import Modules, Routes

FOLDER = Path(__file__).parent / "page"
SAMPLE = "sample.jpg"
"""The invoice that ships, for somebody who has no file at hand."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Asked for again each time, and answered 304: an update of the service is an update of its page.
    "Cache-Control": "no-cache",
}
KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def add(app: flask.Flask, service: Front) -> None:
    """Register them."""

    @app.get("/")
    def page() -> flask.Response:
        return _sent("index.html")

    @app.get("/page/<name>")
    def part(name: str) -> flask.Response:
        return _sent(name)

    @app.post("/pages/<int:number>")
    def picture(number: int) -> flask.Response:
        # Any worker can draw: a page is not read.
        name = next(iter(service.modules), "")
        return front.answered(service, name, lambda: _picture(service, name, number))


def _picture(service: Front, name: str, number: int) -> Reply:
    if not number:
        raise InputError("There is no page 0: pages count from 1.")
    if not uploads.is_raw(flask.request.headers.get("Content-Type", "")):
        raise RefusedError(wire.failed("The picture of a page is made of a file: send it as the body, with its content type.", 415))
    return front.ask(service, name, takes=uploads.is_raw, page=number)


def describe(_modules: Modules, _config: ServiceConfig) -> Described:
    """What OpenAPI says of `/pages/<number>`."""
    file = {"schema": {"type": "string", "format": "binary"}}
    headers = {
        rewrite.PAGES: "How many pages the file has.",
        rewrite.SIZE: "The page's width and height, of which places are told.",
    }
    operation = {
        "operationId": "picture_of_page",
        "summary": "A page of a PDF, a TIFF or a picture as a JPEG, which is not read",
        "parameters": [{"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}],
        "requestBody": {"required": True, "content": {"application/pdf": file, "image/*": file, "application/octet-stream": file}},
        "responses": {
            "200": {
                "description": "The page, of at most 1800 pixels a side.",
                "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()},
                "content": {"image/jpeg": file},
            }
        }
        | openapi.failures(),
    }
    return Described({"/pages/{number}": {"post": operation}})


@cache
def names() -> dict[str, Path]:
    """The files by the names that they are asked by."""
    return {file.name: file for file in FOLDER.iterdir() if file.is_file()} | {SAMPLE: data.PAGE}


@cache
def _content(name: str) -> tuple[bytes, str, str]:
    """Bytes, media type and tag of a file. Raises KeyError."""
    file = names()[name]
    content = file.read_bytes()
    kind = KINDS.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return content, kind, hashlib.sha256(content).hexdigest()[:32]


def _sent(name: str) -> flask.Response:
    if name not in names():
        raise NotFound(f"The page has no part '{name[:60]}': ask for / and what it names.")
    content, kind, tag = _content(name)
    response = flask.Response(content, content_type=kind)
    response.headers.update(HEADERS)
    response.set_etag(tag)
    response.make_conditional(flask.request)
    return response


ROUTES = Routes(add=add, describe=describe, logged=("/pages/",))
