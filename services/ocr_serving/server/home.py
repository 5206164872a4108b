"""The page at `/`."""

from __future__ import annotations

from pathlib import Path

import flask

from ocr_serving.server.front import Front
from ocr_serving.server.routes import Routes

PAGE = Path(__file__).parent / "page" / "index.html"
PAGE_POLICY = "default-src 'none'; img-src blob: data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


def add(app: flask.Flask, _service: Front) -> None:
    """Register it."""

    @app.get("/")
    def page() -> flask.Response:
        response = flask.Response(PAGE.read_text(encoding="utf-8"), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response


ROUTES = Routes(add=add)
