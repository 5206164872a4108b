"""The Flask application: HTTP in, jobs to the pool, answers out. It decodes nothing and holds no model.

Whatever can be decided from the headers is decided before the body is read, and whatever is refused is refused in one way.
"""

from __future__ import annotations

import base64
import binascii
import concurrent.futures
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

import flask
from gunicorn.http.errors import ParseException
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from ocr_serving import __version__
from ocr_serving.config import ServiceConfig
from ocr_serving.errors import FullError, InputError, ServingError, UnavailableError
from ocr_serving.server import convert, openapi, site, wire
from ocr_serving.server.budget import Budget, Holder
from ocr_serving.server.engine_pool import EnginePool
from ocr_serving.server.keys import ApiKeys
from ocr_serving.server.messages import Done, Reply, Task
from ocr_serving.server.metrics import Metrics
from ocr_serving.server.pool import Pool

log = logging.getLogger("ocr_serving.request")

CHUNK = 1 << 18
REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
PROBES = ("/healthz", "/readyz")
NEEDS_KEY = "An API key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."


class Receiver(Holder, Protocol):
    """The connection that a request came on, as far as the front needs it."""

    dropped: bool

    def receiving(self, seconds: float) -> Any:
        """A context in which the body may arrive, for so long. Raises TimeoutError."""

    def go_on(self) -> None:
        """Say that the body is wanted."""

    def is_open(self) -> bool:
        """Whether the caller still listens. From any thread."""


class Front:
    """One service: its configuration, its pool once there is one, what its modules say of themselves."""

    def __init__(self, config: ServiceConfig, held_bytes: int) -> None:
        """Nothing is started. `held_bytes` bounds all bodies together. Raises ConfigError where the API keys cannot be read."""
        self.config = config
        self.metrics = Metrics()
        self.budget = Budget(held_bytes)
        self.keys = ApiKeys(config.api_keys_file) if config.api_keys_file else None
        self.pool: Pool | None = None
        self.engines: EnginePool | None = None
        self.modules: Mapping[str, Mapping[str, Any]] = {}
        self.wait: Callable[[Future[Done]], object] = lambda future: concurrent.futures.wait([future])
        """How a request waits for its answer; the HTTP server has others go on meanwhile."""

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
    def begin() -> flask.Response | None:
        flask.g.start = time.monotonic()
        given = flask.request.headers.get("X-Request-ID", "")
        flask.g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        flask.g.log = {}
        refused = _misdirected(front.config) or _closed_to_strangers(front)
        return None if refused is None else _respond(refused)

    @app.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers["X-Request-ID"] = flask.g.request_id
        if flask.request.path.startswith(("/predict/", "/convert/")):
            seconds = time.monotonic() - flask.g.start
            about = {"request_id": flask.g.request_id, "code": response.status_code, "seconds": round(seconds, 4)} | flask.g.log
            log.info("%s %s", flask.request.method, flask.request.path, extra=about)
        return response

    @app.post("/convert/<forms>")
    def converted(forms: str) -> flask.Response:
        try:
            name, output = convert.target(forms, front.modules) if front.modules else ("", "")
        except InputError as exc:
            return _respond(wire.failed(str(exc), 404))
        return answered(name, output)

    @app.post("/pages/<int:number>")
    def picture(number: int) -> flask.Response:
        if not number:
            return _respond(wire.failed("There is no page 0: pages count from 1.", 400))
        return answered(next(iter(front.modules), ""), page=number)

    @app.post("/predict/<name>")
    def predict(name: str) -> flask.Response:
        return answered(name)

    def answered(name: str, output: str = "", page: int = 0) -> flask.Response:
        try:
            request = flask.request
            reply = _predict(
                front,
                name,
                output if output or page else convert.wanted(request.args.get("output", ""), request.headers.get("Accept", "")),
                page,
            )
        except ServingError as exc:
            reply = wire.refusal(exc)
        # Only known modules become labels: a scanner of URLs must not fill the registry.
        if name in front.modules:
            front.metrics.requests.labels(name, reply.status, str(reply.code)).inc()
        return _respond(reply, legacy=front.config.http_status == "legacy")

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
        limits = front.config.model_dump(include={"max_body_mb", "max_images", "max_pdf_pages", "max_pixels"})
        return flask.jsonify(modules=about, limits=limits)

    @app.get("/openapi.json")
    def document() -> flask.Response:
        return flask.jsonify(openapi.document(front.modules, front.config))

    app.register_blueprint(site.blueprint())

    @app.errorhandler(HTTPException)
    def http_error(exc: HTTPException) -> flask.Response:
        reply = wire.failed(exc.description or exc.name, exc.code or 500)
        if exc.code == 404 and flask.request.path.startswith("/predict/"):
            reply = wire.no_module(flask.request.path.removeprefix("/predict/"), front.modules)
        response = _respond(reply)
        if exc.code == 405:
            response.headers["Allow"] = exc.get_response().headers.get("Allow", "")
        return response

    @app.errorhandler(Exception)
    def fault(exc: Exception) -> flask.Response:
        log.error("fault", exc_info=exc, extra={"request_id": flask.g.request_id})
        return _respond(wire.failed(f"A fault on our side; the server's log says why under request id {flask.g.request_id}.", 500))

    return app


def _predict(front: Front, name: str, output: str, page: int) -> Reply:
    """One request: checked, queued, awaited. Raises ServingError."""
    pool, request = front.pool, flask.request
    if pool is None or not pool.loaded_once:
        raise UnavailableError("The models are still loading.", 2)
    if name not in front.modules:
        return wire.no_module(name, front.modules)
    caller = _caller(front)
    if caller is None:
        return wire.failed(NEEDS_KEY, 401, **{"WWW-Authenticate": "Bearer"})
    kind = request.headers.get("Content-Type", "")
    is_raw = bool(output or page) and convert.is_raw(kind)
    if page and not is_raw:
        return wire.failed("A page's picture is made of a file: send it as the body, with its own content type.", 415)
    if not (is_raw or wire.is_json(kind)):
        return wire.outdated(request.path)
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        return wire.failed(f"A body with Content-Encoding {coding[:40]} is not taken: send the JSON as it is.", 415)
    receiver: Receiver = request.environ["ocr_serving.connection"]
    try:
        pool.admit(caller)
        body = _read_body(front, receiver)
        if isinstance(body, Reply):
            return body
        wrapped = convert.from_raw(body) if is_raw and not page else body
        task = Task(name, wrapped, flask.g.request_id, output=output, page=page)
        job = pool.submit(task, caller=caller, wanted=receiver.is_open)
        del body, wrapped, task
        front.wait(job.future)
        done = job.future.result()
    finally:
        front.budget.release(receiver)
    _count(front, name, job.waited, done)
    flask.g.log = {
        "status": done.reply.status,
        "images": done.images,
        "queue_s": round(job.waited, 4),
        "predict_s": round(done.seconds, 4),
    }
    return done.reply


def _count(front: Front, name: str, waited: float, done: Done) -> None:
    metrics = front.metrics
    metrics.images.labels(name).inc(done.images)
    metrics.queue_seconds.labels(name).observe(waited)
    metrics.request_seconds.labels(name).observe(time.monotonic() - flask.g.start)
    for stage, seconds in done.stage_seconds.items():
        metrics.stage_seconds.labels(name, stage).observe(seconds)


def _respond(reply: Reply, *, legacy: bool = False) -> flask.Response:
    """The one way out for JSON: the code as it is, or 200 as PaddleHub had it for calls of its modules."""
    response = flask.Response(reply.body, 200 if legacy else reply.code, content_type="application/json")
    response.headers.update(reply.headers)
    if reply.retry_after is not None:
        response.headers["Retry-After"] = str(reply.retry_after)
    flask.g.log.setdefault("status", reply.status)
    if reply.msg:
        flask.g.log.setdefault("reason", reply.msg)
    return response


def _misdirected(config: ServiceConfig) -> Reply | None:
    """The refusal of a request that does not say which host it is for (RFC 9112, 3.2), or one that is none of ours."""
    environ = flask.request.environ
    host = environ.get("HTTP_HOST", "")
    if not host and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        return wire.failed("The request names no host: HTTP/1.1 wants a Host header.", 400)
    # A probe of Kubernetes names the pod's address.
    if not config.allowed_hosts or flask.request.path in PROBES:
        return None
    name = re.sub(r":\d*$", "", host).strip("[]").lower().rstrip(".")
    if name in {allowed.strip("[]").lower() for allowed in config.allowed_hosts}:
        return None
    return wire.failed("This service is not asked by that host name: add it to allowed_hosts, or use one that is there.", 400)


def _closed_to_strangers(front: Front) -> Reply | None:
    """The refusal of one without a key where keys protect more than the calls."""
    if front.keys is None or front.config.api_keys_for != "all" or flask.request.path in PROBES:
        return None
    if _caller(front) is not None:
        return None
    # Browsers ask for a name and a password, and send them with the calls of the page too; the password is the key.
    return wire.failed(NEEDS_KEY, 401, **{"WWW-Authenticate": 'Bearer, Basic realm="ocr-serving: the password is an API key"'})


def _caller(front: Front) -> str | None:
    """Who asks, for a fair share: the key's owner where there are keys, else the address; None for one without a right key."""
    if front.keys is not None:
        caller = front.keys.caller(_presented_key())
        return None if caller is None else f"key {caller.number}"
    address = flask.request.remote_addr or ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    # One caller has a whole network of IPv6 addresses to itself.
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def _presented_key() -> str:
    scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(token, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return flask.request.headers.get("X-API-Key", "")


def _read_body(front: Front, receiver: Receiver) -> bytes | Reply:
    """The whole body, by length or by chunks, within the limits of size and time. Raises FullError."""
    config, environ = front.config, flask.request.environ
    limit = config.max_body_mb << 20
    too_large = wire.failed(f"The body is over the limit of {config.max_body_mb} MiB (max_body_mb).", 413)
    length = flask.request.content_length
    if length is not None and length > limit:
        return too_large
    front.budget.check()
    if environ.get("ocr_serving.expects"):
        receiver.go_on()
    parts, size = [], 0
    try:
        with receiver.receiving(config.body_timeout_s):
            while part := environ["wsgi.input"].read(CHUNK):
                parts.append(part)
                size += len(part)
                if size > limit:
                    return too_large
                if receiver.dropped:
                    break
                front.budget.grow(receiver, len(part))
    except TimeoutError:
        return wire.failed(f"The body did not arrive within {config.body_timeout_s:g} s (body_timeout_s).", 408)
    except FullError:
        raise
    except (ParseException, OSError) as exc:
        if not receiver.dropped:
            reason = str(exc) if isinstance(exc, ParseException) else "it ended before its last chunk"
            return wire.failed(f"The body cannot be read: {reason}.", 400)
    if receiver.dropped:
        raise front.budget.refusal()
    if length is not None and size < length:
        return wire.failed(f"The body ended after {size} of {length} bytes.", 400)
    front.budget.keep(receiver)
    return b"".join(parts)
