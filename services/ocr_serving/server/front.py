"""The Flask application: HTTP in, jobs to the pool, answers out. It decodes nothing and holds no model."""

from __future__ import annotations

import logging
import re
import secrets
import select
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flask
from gunicorn.http.errors import ParseException
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from ocr_serving import __version__
from ocr_serving.config import ServiceConfig
from ocr_serving.server import openapi, wire
from ocr_serving.server.engines import Engines
from ocr_serving.server.keys import ApiKeys
from ocr_serving.server.messages import Task
from ocr_serving.server.metrics import Metrics
from ocr_serving.server.pool import FullError, GoneError, LateError, LostError, Pool

log = logging.getLogger("ocr_serving.request")

CHUNK = 1 << 16
REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
PAGE = Path(__file__).parent / "page" / "index.html"
PAGE_POLICY = "default-src 'none'; img-src blob: data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


class Front:
    """One service: its configuration, its pool once there is one, what its modules say of themselves."""

    def __init__(self, config: ServiceConfig) -> None:
        """Nothing is started. Raises ConfigError where the API keys cannot be read."""
        self.config = config
        self.metrics = Metrics()
        self.keys = ApiKeys(config.api_keys_file) if config.api_keys_file else None
        self.pool: Pool | None = None
        self.engines: Engines | None = None
        self.modules: Mapping[str, Mapping[str, Any]] = {}
        self.arriving: dict[socket.socket, float] = {}
        """Connections whose body is being read, and when (monotonic clock) it must be there; the HTTP server ends overdue ones."""

    @property
    def ready(self) -> bool:
        """Whether every worker's models have answered a warm-up and at least one, and an engine if there are any, is alive now."""
        if self.pool is None or (self.engines is not None and not self.engines.ready):
            return False
        state = self.pool.state()
        return state.loaded_once and state.ready > 0


def create_app(front: Front) -> flask.Flask:
    """The WSGI application over `front`."""
    app = flask.Flask("ocr_serving", static_folder=None)
    app.url_map.strict_slashes = True

    @app.before_request
    def begin() -> None:
        flask.g.start = time.monotonic()
        given = flask.request.headers.get("X-Request-ID", "")
        flask.g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        flask.g.log = {}

    @app.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers["X-Request-ID"] = flask.g.request_id
        if flask.request.path.startswith("/predict/"):
            seconds = time.monotonic() - flask.g.start
            about = {"request_id": flask.g.request_id, "code": response.status_code, "seconds": round(seconds, 4)} | flask.g.log
            log.info("%s %s", flask.request.method, flask.request.path, extra=about)
        return response

    @app.post("/predict/<name>")
    def predict(name: str) -> flask.Response:
        answer = _predict(front, name)
        if isinstance(answer, flask.Response):
            return answer
        # Only known modules become labels: a scanner of URLs must not fill the registry.
        if name in front.modules:
            front.metrics.requests.labels(name, answer.status, str(answer.code)).inc()
        return _respond(answer, legacy=front.config.http_status == "legacy")

    @app.get("/healthz")
    def healthz() -> flask.Response:
        return flask.jsonify(status="alive", version=__version__)

    @app.get("/readyz")
    def readyz() -> tuple[flask.Response, int]:
        state = front.pool.state() if front.pool else None
        about = {"workers": state.workers, "workers_ready": state.ready} if state else {}
        if front.engines is not None:
            about |= {"engines": len(front.engines.pids), "engines_ready": front.engines.ready}
        return flask.jsonify(status="ready" if front.ready else "loading", **about), 200 if front.ready else 503

    @app.get("/metrics")
    def metrics() -> flask.Response:
        return flask.Response(generate_latest(front.metrics.registry), content_type=CONTENT_TYPE_LATEST)

    @app.get("/modules")
    def modules() -> flask.Response:
        about = [
            {"name": name, "version": text["version"], "summary": text["summary"], "url": f"/predict/{name}"}
            for name, text in front.modules.items()
        ]
        return flask.jsonify(modules=about)

    @app.get("/openapi.json")
    def document() -> flask.Response:
        return flask.jsonify(openapi.document(front.modules, front.config))

    @app.get("/")
    def page() -> flask.Response:
        response = flask.Response(PAGE.read_text(encoding="utf-8"), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response

    @app.errorhandler(HTTPException)
    def http_error(exc: HTTPException) -> flask.Response:
        answer = wire.failed(exc.description or exc.name, exc.code or 500)
        if exc.code == 404 and flask.request.path.startswith("/predict/"):
            answer = wire.no_module(flask.request.path.removeprefix("/predict/"), front.modules)
        response = _respond(answer)
        if exc.code == 405:
            response.headers["Allow"] = exc.get_response().headers.get("Allow", "")
        return response

    @app.errorhandler(Exception)
    def fault(exc: Exception) -> flask.Response:
        log.error("fault", exc_info=exc, extra={"request_id": flask.g.request_id})
        return _respond(wire.failed(f"A fault on our side; the server's log says why under request id {flask.g.request_id}.", 500))

    return app


def _predict(front: Front, name: str) -> wire.Answer | flask.Response:
    """One request: checked, queued, awaited."""
    pool = front.pool
    if pool is None or not pool.state().loaded_once:
        return wire.failed("The models are still loading.", 503, **{"Retry-After": "2"})
    if name not in front.modules:
        return wire.no_module(name, front.modules)
    if front.keys is not None and not front.keys.allows(_presented_key()):
        return wire.failed(
            "An API key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.",
            401,
            **{"WWW-Authenticate": "Bearer"},
        )
    if not wire.is_json(flask.request.headers.get("Content-Type", "")):
        return wire.outdated(flask.request.path)
    coding = flask.request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        return wire.failed(f"A body with Content-Encoding {coding[:40]} is not taken: send the JSON as it is.", 415)
    body = _read_body(front)
    if isinstance(body, wire.Answer):
        return body
    try:
        job = pool.submit(Task(name, body, flask.g.request_id), wanted=_caller_waits(flask.request.environ))
        done = job.future.result()
    except FullError as exc:
        return wire.failed(str(exc), 503, **{"Retry-After": str(exc.retry_after)})
    except LateError as exc:
        return wire.failed(str(exc), 503, **{"Retry-After": "5"})
    except GoneError as exc:
        return wire.failed(str(exc), 400)
    except LostError as exc:
        return wire.failed(str(exc), 500)
    finally:
        del body
    _count(front, name, job.waited, done.images, done.stage_seconds)
    front.metrics.requests.labels(name, done.status, str(done.code)).inc()
    flask.g.log = {
        "status": done.status,
        "images": done.images,
        "queue_s": round(job.waited, 4),
        "predict_s": round(done.seconds, 4),
    } | ({"reason": done.reason} if done.reason else {})
    code = 200 if front.config.http_status == "legacy" else done.code
    retry = {"Retry-After": "5"} if done.code == 503 else {}
    return flask.Response(done.body, code, headers=retry, content_type="application/json")


def _count(front: Front, name: str, waited: float, images: int, stage_seconds: Mapping[str, float]) -> None:
    metrics = front.metrics
    metrics.images.labels(name).inc(images)
    metrics.queue_seconds.labels(name).observe(waited)
    metrics.request_seconds.labels(name).observe(time.monotonic() - flask.g.start)
    for stage, seconds in stage_seconds.items():
        metrics.stage_seconds.labels(name, stage).observe(seconds)


def _respond(answer: wire.Answer, *, legacy: bool = False) -> flask.Response:
    response = flask.Response(answer.body(), 200 if legacy else answer.code, content_type="application/json")
    response.headers.update(answer.headers)
    flask.g.log.setdefault("status", answer.status)
    if answer.msg:
        flask.g.log.setdefault("reason", answer.msg[: wire.REASON])
    return response


def _presented_key() -> str:
    scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else flask.request.headers.get("X-API-Key", "")


def _read_body(front: Front) -> bytes | wire.Answer:
    """The whole body, by length or by chunks, within the limits of size and time."""
    config, environ = front.config, flask.request.environ
    limit = config.max_body_mb << 20
    too_large = wire.failed(f"The body is over the limit of {config.max_body_mb} MiB (max_body_mb).", 413, Connection="close")
    too_slow = wire.failed(f"The body did not arrive within {config.body_timeout_s:g} s (body_timeout_s).", 408, Connection="close")
    length = flask.request.content_length
    if length is not None and length > limit:
        return too_large
    deadline = time.monotonic() + config.body_timeout_s
    connection: socket.socket | None = environ.get("gunicorn.socket")
    body = bytearray()
    if connection is not None:
        # Not settimeout alone: that starts anew with every byte of a body that trickles.
        front.arriving[connection] = deadline
        connection.settimeout(config.body_timeout_s)
    try:
        while part := environ["wsgi.input"].read(CHUNK):
            body += part
            if len(body) > limit:
                return too_large
            if time.monotonic() > deadline:
                return too_slow
    except (ParseException, OSError) as exc:
        if time.monotonic() > deadline:
            return too_slow
        reason = str(exc) if isinstance(exc, ParseException) else "it ended before its last chunk"
        return wire.failed(f"The body cannot be read: {reason}.", 400, Connection="close")
    finally:
        if connection is not None:
            del front.arriving[connection]
    if length is not None and len(body) < length:
        if time.monotonic() > deadline:
            return too_slow
        return wire.failed(f"The body ended after {len(body)} of {length} bytes.", 400, Connection="close")
    return bytes(body)


def _caller_waits(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Whether the caller is still connected, asked when a worker becomes free for its job."""
    connection: socket.socket | None = environ.get("gunicorn.socket")

    def waits() -> bool:
        if connection is None:
            return True
        try:
            poll = select.poll()
            poll.register(connection, select.POLLIN)
            # Readable without a byte to read: the other end is closed.
            return not poll.poll(0) or connection.recv(1, socket.MSG_PEEK) != b""
        except (OSError, ValueError):
            return False

    return waits
