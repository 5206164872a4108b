"""The page at `/` and the files it is made of, with headers that have a browser load nothing from elsewhere."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

import flask
from werkzeug.exceptions import NotFound

from ocr_serving import data

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


def blueprint() -> flask.Blueprint:
    """The routes `/` and `/page/<name>`."""
    routes = flask.Blueprint("site", __name__, static_folder=None)

    @routes.get("/")
    def page() -> flask.Response:
        return _sent("index.html")

    @routes.get("/page/<name>")
    def part(name: str) -> flask.Response:
        return _sent(name)

    return routes


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
