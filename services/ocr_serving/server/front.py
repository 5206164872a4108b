"""The front's state, and the way of one request from its headers to its answer; `app` has the routes over it.

Whatever can be decided from the headers is decided before the body is read, and whatever is refused is refused in one way. Nothing
is decoded here, and no model is held.
"""

from __future__ import annotations

import base64
import binascii
import concurrent.futures
import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

import flask
from gunicorn.http.errors import ParseException

from ocr_serving.config import ServiceConfig
from ocr_serving.errors import ServingError, UnavailableError
from ocr_serving.server import wire
from ocr_serving.server.budget import Budget, Holder
from ocr_serving.server.engine_pool import EnginePool
from ocr_serving.server.keys import ApiKeys
from ocr_serving.server.messages import Done, Reply, Task
from ocr_serving.server.metrics import Metrics
from ocr_serving.server.pool import Pool
from ocr_serving.server.tracing import RequestTrace, Tracing

CHUNK = 1 << 18
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
        self.tracing: Tracing | None = None
        self.modules: Mapping[str, Mapping[str, Any]] = {}
        self.wait: Callable[[Future[Any]], object] = lambda future: concurrent.futures.wait([future])
        """How a request waits for its answer; the HTTP server has others go on meanwhile."""

    @property
    def ready(self) -> bool:
        """Whether every worker's models have answered a warm-up and at least one, and an engine if there are any, is alive now."""
        if self.pool is None or (self.engines is not None and not self.engines.ready):
            return False
        state = self.pool.state()
        return state.loaded_once and state.ready > 0


class RefusedError(Exception):
    """A refusal that is no ServingError, as its answer stands already."""

    def __init__(self, reply: Reply) -> None:
        """`reply` in the words of the old contract; where another is spoken, `respond` puts it in those."""
        super().__init__(reply.msg)
        self.reply = reply


def ask(
    front: Front,
    name: str,
    *,
    takes: Callable[[str], bool] = wire.is_json,
    output: str = "",
    api: str = "",
    page: int = 0,
    completed: Callable[[bytes], bytes] = lambda body: body,
) -> Reply:
    """Have the module `name` answer the request at hand: checked, queued, awaited.

    `takes` says of a Content-Type whether such bodies are read; `output`, `api` and `page` are the Task's; `completed` adds to the
    body what it lacks. Raises ServingError, RefusedError.
    """
    pool, request = front.pool, flask.request
    if pool is None or not pool.loaded_once:
        raise UnavailableError("The models are still loading.", 2)
    if name not in front.modules:
        raise RefusedError(wire.no_module(name, front.modules))
    caller = caller_of(front)
    if caller is None:
        raise RefusedError(wire.failed(NEEDS_KEY, 401, **{"WWW-Authenticate": "Bearer"}))
    kind = request.headers.get("Content-Type", "")
    if not takes(kind):
        raise RefusedError(wire.outdated(request.path))
    check_coding()
    receiver: Receiver = request.environ["ocr_serving.connection"]
    try:
        pool.admit(caller)
        query = request.query_string.decode("latin-1")
        body = completed(read_body(front))
        trace: RequestTrace | None = flask.g.trace
        named = trace.traceparent if trace is not None else ""
        task = Task(name, body, flask.g.request_id, output=output, kind=kind, query=query, api=api, page=page, traceparent=named)
        job = pool.submit(task, caller=caller, wanted=receiver.is_open)
        del task, body
        front.wait(job.future)
        if trace is not None:
            trace.worked_on(job, None if job.future.exception() else job.future.result())
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


def answered(front: Front, name: str, asked: Callable[[], Reply], *, legacy: bool = False) -> flask.Response:
    """What `asked` answers, or how it was refused, as a response that is counted for the module `name`; see `respond`."""
    try:
        reply = asked()
        response = respond(reply, legacy=legacy)
    except (ServingError, RefusedError) as exc:
        reply = exc.reply if isinstance(exc, RefusedError) else wire.refusal(exc)
        response = respond(refusal(reply), legacy=legacy)
    # Only known modules become labels: a scanner of URLs must not fill the registry.
    if name in front.modules:
        front.metrics.requests.labels(name, reply.status, str(reply.code)).inc()
    return response


def refusal(reply: Reply) -> Reply:
    """A refusal in the words of the contract that the request at hand speaks."""
    worded: Reply = flask.g.refusal(reply)
    return worded


def check_coding() -> None:
    """Raises RefusedError for a body that is compressed."""
    coding = flask.request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise RefusedError(wire.failed(f"A body with Content-Encoding {coding[:40]} is not taken: send the JSON as it is.", 415))


def _count(front: Front, name: str, waited: float, done: Done) -> None:
    metrics = front.metrics
    metrics.images.labels(name).inc(done.images)
    metrics.lent_seconds.labels(name).inc(done.lent_seconds)
    metrics.queue_seconds.labels(name).observe(waited)
    metrics.request_seconds.labels(name).observe(time.monotonic() - flask.g.start)
    for stage, seconds in done.stage_seconds.items():
        metrics.stage_seconds.labels(name, stage).observe(seconds)


def respond(reply: Reply, *, legacy: bool = False) -> flask.Response:
    """The one way out for JSON: the code as it is, or 200 as PaddleHub had it for calls of its modules."""
    response = flask.Response(reply.body, 200 if legacy else reply.code, content_type="application/json")
    response.headers.update(reply.headers)
    if reply.retry_after is not None:
        response.headers["Retry-After"] = str(reply.retry_after)
    flask.g.log.setdefault("status", reply.status)
    if reply.msg:
        flask.g.log.setdefault("reason", reply.msg)
    return response


def misdirected(config: ServiceConfig, *, probed: bool) -> Reply | None:
    """The refusal of a request that does not say which host it is for (RFC 9112, 3.2), or one that is none of ours."""
    environ = flask.request.environ
    host = environ.get("HTTP_HOST", "")
    if not host and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        return wire.failed("The request names no host: HTTP/1.1 wants a Host header.", 400)
    # A probe of Kubernetes names the pod's address.
    if not config.allowed_hosts or probed:
        return None
    name = re.sub(r":\d*$", "", host).strip("[]").lower().rstrip(".")
    if name in {allowed.strip("[]").lower() for allowed in config.allowed_hosts}:
        return None
    return wire.failed("This service is not asked by that host name: add it to allowed_hosts, or use one that is there.", 400)


def closed_to_strangers(front: Front) -> Reply | None:
    """The refusal of one without a key where keys protect more than the calls."""
    if front.keys is None or front.config.api_keys_for != "all":
        return None
    if caller_of(front) is not None:
        return None
    # Browsers ask for a name and a password, and send them with the calls of the page too; the password is the key.
    return wire.failed(NEEDS_KEY, 401, **{"WWW-Authenticate": 'Bearer, Basic realm="ocr-serving: the password is an API key"'})


def caller_of(front: Front) -> str | None:
    """Who asks, for a fair share: the key's owner where there are keys, else the address; None for one without a right key."""
    if front.keys is not None:
        caller = front.keys.caller(presented_key())
        return None if caller is None else f"key {caller.number}"
    address = flask.request.remote_addr or ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    # One caller has a whole network of IPv6 addresses to itself.
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def presented_key() -> str:
    """The key that the request at hand presents, right or not; "" where it has none."""
    scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    # "token" is what clients of PaddleOCR 3 write.
    if scheme.lower() in ("bearer", "token"):
        return token.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(token, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return flask.request.headers.get("X-API-Key", "")


def read_body(front: Front) -> bytes:
    """The whole body, by length or by chunks, within the limits of size and time.

    It is kept in `front.budget` for the connection, until that is released there. Raises FullError, RefusedError.
    """
    config, environ = front.config, flask.request.environ
    receiver: Receiver = environ["ocr_serving.connection"]
    limit = config.max_body_mb << 20
    too_large = RefusedError(wire.failed(f"The body is over the limit of {config.max_body_mb} MiB (max_body_mb).", 413))
    length = flask.request.content_length
    if length is not None and length > limit:
        raise too_large
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
                    raise too_large
                if receiver.dropped:
                    break
                front.budget.grow(receiver, len(part))
    except TimeoutError:
        reason = f"The body did not arrive within {config.body_timeout_s:g} s (body_timeout_s)."
        raise RefusedError(wire.failed(reason, 408)) from None
    except (ParseException, OSError) as exc:
        if not receiver.dropped:
            reason = str(exc) if isinstance(exc, ParseException) else "it ended before its last chunk"
            raise RefusedError(wire.failed(f"The body cannot be read: {reason}.", 400)) from None
    if receiver.dropped:
        raise front.budget.refusal()
    if length is not None and size < length:
        raise RefusedError(wire.failed(f"The body ended after {size} of {length} bytes.", 400))
    front.budget.keep(receiver)
    return b"".join(parts)
