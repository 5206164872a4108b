"""The Flask application: what holds for every request, and the rooms that have routes. HTTP in, jobs to the pool, answers out."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable

import flask
from werkzeug.exceptions import HTTPException

from ocr_serving.errors import ServingError
from ocr_serving.server import front, home, openapi, predict, probes, wire
from ocr_serving.server.front import Front, RefusedError
from ocr_serving.server.jobs import routes as jobs
from ocr_serving.server.paddleocr3 import routes as paddleocr3
from ocr_serving.server.reference import routes as reference
from ocr_serving.server.routes import Routes, is_under
from ocr_serving.server.tracing import RequestTrace

log = logging.getLogger("ocr_serving.request")

REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)

ROUTES: tuple[Routes, ...] = (predict.ROUTES, paddleocr3.ROUTES, jobs.ROUTES, probes.ROUTES, home.ROUTES, reference.ROUTES)
"""Every room that has routes. A new one stands here and nowhere else."""


def create_app(service: Front) -> flask.Flask:
    """The WSGI application over `service`."""
    app = flask.Flask("ocr_serving", static_folder=None)
    app.url_map.strict_slashes = True
    logged = [prefix for routes in ROUTES for prefix in routes.logged]
    probed = [path for routes in ROUTES for path in routes.probes]
    public = [path for routes in ROUTES for path in routes.public] + probed

    @app.before_request
    def begin() -> flask.Response | None:
        flask.g.start = time.monotonic()
        given = flask.request.headers.get("X-Request-ID", "")
        flask.g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        flask.g.log = {}
        path = flask.request.path
        flask.g.trace = _trace(service) if service.tracing is not None and is_under(path, logged) else None
        flask.g.refusal = next((routes.refusal for routes in ROUTES if is_under(path, routes.prefixes)), lambda reply: reply)
        refused = front.misdirected(service.config, probed=is_under(path, probed))
        if refused is None and not is_under(path, public):
            refused = front.closed_to_strangers(service)
        return None if refused is None else front.respond(front.refusal(refused))

    @app.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers["X-Request-ID"] = flask.g.request_id
        if is_under(flask.request.path, logged):
            seconds = time.monotonic() - flask.g.start
            about = {"request_id": flask.g.request_id, "code": response.status_code, "seconds": round(seconds, 4)} | flask.g.log
            if flask.g.trace is not None:
                about["trace_id"] = flask.g.trace.trace_id
                flask.g.trace.end(response.status_code, {"ocr.request_id": flask.g.request_id})
            log.info("%s %s", flask.request.method, flask.request.path, extra=about)
        return response

    @app.get("/openapi.json")
    def document() -> flask.Response:
        return flask.jsonify(
            openapi.document([routes.describe(service.modules, service.config) for routes in ROUTES], service.config)
        )

    @app.errorhandler(ServingError)
    def refused(exc: ServingError) -> flask.Response:
        return front.respond(front.refusal(wire.refusal(exc)))

    @app.errorhandler(RefusedError)
    def refused_already(exc: RefusedError) -> flask.Response:
        return front.respond(front.refusal(exc.reply))

    @app.errorhandler(HTTPException)
    def http_error(exc: HTTPException) -> flask.Response:
        reply = wire.failed(exc.description or exc.name, exc.code or 500)
        if exc.code == 404 and flask.request.path.startswith("/predict/"):
            reply = wire.no_module(flask.request.path.removeprefix("/predict/"), service.modules)
        response = front.respond(front.refusal(reply))
        if exc.code == 405:
            response.headers["Allow"] = exc.get_response().headers.get("Allow", "")
        return response

    @app.errorhandler(Exception)
    def fault(exc: Exception) -> flask.Response:
        log.error("fault", exc_info=exc, extra={"request_id": flask.g.request_id})
        reason = f"A fault on our side; the server's log says why under request id {flask.g.request_id}."
        return front.respond(front.refusal(wire.failed(reason, 500)))

    for routes in ROUTES:
        routes.add(app, service)
    return app


def _trace(service: Front) -> RequestTrace:
    assert service.tracing is not None
    request = flask.request
    rule = request.url_rule.rule if request.url_rule is not None else ""
    attributes = {"http.request.method": request.method, "url.path": request.path} | ({"http.route": rule} if rule else {})
    return service.tracing.request(f"{request.method} {rule}".strip(), dict(request.headers), attributes)


def start(service: Front) -> list[Callable[[], None]]:
    """Start what the rooms start, in the front's process; what ends each."""
    return [routes.start(service) for routes in ROUTES if routes.start is not None]
