"""The routes of `/docs`."""

from __future__ import annotations

import gzip
from pathlib import Path

import flask

from ocr_serving.server.front import Front
from ocr_serving.server.routes import Routes

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No script but those served here; RapiDoc writes styles beside its elements."""

A_DAY = "max-age=86400"


def add(app: flask.Flask, _service: Front) -> None:
    """Register them."""

    @app.get("/docs")
    def reference() -> flask.Response:
        response = flask.Response((HERE / "index.html").read_bytes(), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.get("/docs/start.js")
    def reference_start() -> flask.Response:
        return _script((HERE / "start.js").read_bytes())

    @app.get("/docs/rapidoc.js")
    def reference_script() -> flask.Response:
        packed = (HERE / "rapidoc.js.gz").read_bytes()
        if not flask.request.accept_encodings["gzip"]:
            return _script(gzip.decompress(packed))
        response = _script(packed)
        response.headers["Content-Encoding"] = "gzip"
        return response


def _script(content: bytes) -> flask.Response:
    response = flask.Response(content, content_type="text/javascript; charset=utf-8")
    response.headers["Cache-Control"] = A_DAY
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


ROUTES = Routes(add=add)
