"""The routes of the job API. The store is asked in threads of its own, so that nobody else waits for a database."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import flask
import sqlalchemy as sa

from ocr_serving.config import ServiceConfig
from ocr_serving.errors import ConfigError, UnavailableError
from ocr_serving.server import front, wire
from ocr_serving.server.fetching import HostRules
from ocr_serving.server.front import Front, RefusedError
from ocr_serving.server.jobs import answers, describing, request, results, tables, webhooks
from ocr_serving.server.jobs.runner import Outside, Runner, cause
from ocr_serving.server.jobs.store import Bounds, Job, Store
from ocr_serving.server.messages import Reply
from ocr_serving.server.routes import Routes

T = TypeVar("T")

THREADS = 8
PATIENCE_S = 2.0
"""How long a call that sends a job to an idle service waits for its end: clients ask at once, and then only after seconds."""


FULL = "The disk that jobs are kept on is full: ask again later, when some have been removed."
LOST = "The store of jobs cannot be reached now: ask again later."
DISK_IS_FULL = ("disk is full", "No space left on device")
"""What SQLite, and PostgreSQL, say."""

log = logging.getLogger("ocr_serving.jobs")


class Room:
    """The jobs of one service."""

    def __init__(self, service: Front) -> None:
        """Nothing is started. Raises ConfigError."""
        config = service.config
        bounds = Bounds(config.jobs_max_mb << 20, config.jobs_max_open, config.jobs_keep_hours * 3600)
        outside = outside_of(config)
        self.service, self.config = service, config
        self.outside = outside
        url = tables.parsed(config.jobs_store) if config.jobs_store else tables.sqlite_url(state_dir(config, os.environ))
        self.store = Store(url, bounds)
        unusable = (
            "the database of jobs_store cannot be reached"
            if config.jobs_store
            else "the folder for them cannot be used, which state_dir names, or a database that jobs_store names may take its place"
        )
        self.runner = Runner(
            service, self.store, outside, most_pages=config.jobs_max_pages, unusable=unusable, status=answers.status
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="jobs-front")

    def start(self) -> Callable[[], None]:
        """Begin to work; what ends it."""
        if not self.config.jobs_store:
            # Where it cannot be made, the store finds that it cannot be used, and says so to each caller.
            with contextlib.suppress(OSError):
                folder = state_dir(self.config, os.environ)
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                # What people send is nobody else's; SQLite's other files have the rights of this one.
                (folder / tables.FILE).touch(mode=0o600)
        self.runner.start()
        return self.close

    def close(self) -> None:
        """End it."""
        self.runner.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def ask(self, question: Callable[[], T]) -> T:
        """The answer of the store, or of whatever else takes a while; others go on meanwhile. Raises UnavailableError too."""
        if self.runner.problem:
            raise UnavailableError(self.runner.problem)
        future: Future[T] = self._threads.submit(question)
        self.service.wait(future)
        try:
            return future.result()
        except sa.exc.SQLAlchemyError as exc:
            why = cause(exc)
            log.warning("the store of jobs cannot be asked", extra={"request_id": flask.g.request_id, "reason": why})
            raise UnavailableError(FULL if any(words in why for words in DISK_IS_FULL) else LOST) from None

    def owner(self) -> str:
        """Whose jobs the request at hand may see: those of its key. Raises RefusedError without a right one."""
        if front.caller_of(self.service) is None:
            raise RefusedError(wire.failed(front.NEEDS_KEY, 401, **{"WWW-Authenticate": "Bearer"}))
        if self.runner.problem:
            raise UnavailableError(self.runner.problem)
        return self.store.owner(front.presented_key())

    def status(self, job: Job) -> dict[str, Any]:
        """How a job stands, with links for the request at hand."""
        return answers.status(job, self.link(job))

    def link(self, job: Job) -> str:
        """Where its results are, for the request at hand."""
        asked = flask.request
        base = answers.base_url(self.config.public_url, dict(asked.headers), scheme=asked.scheme, host=asked.host)
        return answers.link(base, job.id, self.store.signature(job.id))


_ROOMS: WeakKeyDictionary[Front, Room] = WeakKeyDictionary()


def state_dir(config: ServiceConfig, environ: Any) -> Path:
    """The folder that jobs are kept in where there is no jobs_store."""
    if config.state_dir is not None:
        return config.state_dir
    try:
        home = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    except RuntimeError:
        # A user of a container may have no home.
        home = Path("/")
    return home / "ocr-serving" / str(config.port)


def outside_of(config: ServiceConfig) -> Outside:
    """What jobs may reach. Raises ConfigError where calls have no secret."""
    if config.webhook_hosts and config.webhook_secret_file is None:
        raise ConfigError("webhook_hosts: calls are signed: name the file of a secret in webhook_secret_file.")
    networks = config.fetch_networks
    return Outside(
        HostRules(config.fetch_hosts, networks, "fetch_hosts") if config.fetch_hosts else None,
        HostRules(config.webhook_hosts, networks, "webhook_hosts", redirected=False) if config.webhook_hosts else None,
        webhooks.secret(config.webhook_secret_file) if config.webhook_secret_file is not None else b"",
        config.fetch_max_mb << 20,
        config.fetch_timeout_s,
    )


def check(config: ServiceConfig) -> None:
    """Raises ConfigError where the settings of jobs cannot be."""
    if config.jobs:
        outside_of(config)
        if config.jobs_store:
            tables.parsed(config.jobs_store)


def add(app: flask.Flask, service: Front) -> None:
    """Register them."""
    if not service.config.jobs:
        return
    room = _ROOMS[service] = Room(service)

    @app.post(f"{answers.PATH}/jobs")
    def create() -> flask.Response:
        return front.respond(answers.success(_created(room)))

    @app.get(f"{answers.PATH}/jobs/<job>")
    def status(job: str) -> flask.Response:
        owner = room.owner()
        found = room.ask(lambda: room.store.job(job, owner))
        if found is None:
            raise _unknown(job)
        return front.respond(answers.success(room.status(found)))

    @app.delete(f"{answers.PATH}/jobs/<job>")
    def cancel(job: str) -> flask.Response:
        owner = room.owner()
        found = room.ask(lambda: room.store.cancel(job, owner))
        if found is None:
            raise _unknown(job)
        room.runner.drop(job)
        return front.respond(answers.success(answers.status(found)))

    @app.get(f"{answers.PATH}/jobs/batch/<path:batch>")
    def listed(batch: str) -> flask.Response:
        owner = room.owner()
        found = room.ask(lambda: room.store.batch(batch, owner))
        return front.respond(answers.success({"batchId": batch, "extractResult": [room.status(job) for job in found]}))

    @app.get(f"{answers.PATH}/results/<job>/<signature>/<path:name>")
    def result(job: str, signature: str, name: str) -> flask.Response:
        if room.runner.problem:
            raise UnavailableError(room.runner.problem)
        if not room.store.is_signed(job, signature):
            raise _unknown(job)
        return _result(room, job, name)


def _created(room: Room) -> dict[str, str]:
    service = room.service
    if service.pool is None or not service.pool.loaded_once:
        raise UnavailableError("The models are still loading.", 2)
    owner = room.owner()
    front.check_coding()
    receiver = flask.request.environ["ocr_serving.connection"]
    content_type = flask.request.headers.get("Content-Type", "")
    allowed = request.Allowed(room.runner.families, room.outside.fetches, room.outside.calls)
    try:
        body = front.read_body(service)
        job = room.ask(lambda: room.store.create(owner, request.submission(body, content_type, allowed)))
    finally:
        service.budget.release(receiver)
    at_once = room.runner.end_of(job, PATIENCE_S) if room.runner.is_idle else None
    room.runner.wake()
    if at_once is not None:
        service.wait(at_once)
    flask.g.log["job"] = job
    return {"jobId": job}


def _result(room: Room, name: str, wanted: str) -> flask.Response:
    if wanted == "result.jsonl":
        job = room.ask(lambda: room.store.job(name))
        if job is None or job.state != "done":
            raise _unknown(name)
        link = room.link(job)
        body = room.ask(lambda: b"".join(results.lines(job, room.store.results(name), link)))
        # Some read it as Latin-1 where no charset is said.
        response = flask.Response(body, content_type="application/json; charset=utf-8")
    else:
        blob = room.ask(lambda: room.store.blob(name, wanted)) if wanted else None
        if blob is None:
            raise _unknown(name)
        response = flask.Response(blob.content, content_type=blob.media_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _unknown(job: str) -> RefusedError:
    return RefusedError(wire.failed(f"There is no job {job[:64]!r} of yours, or not any more.", 404))


def start(service: Front) -> Callable[[], None]:
    """Begin to work on jobs; what ends it."""
    room = _ROOMS.get(service)
    return room.start() if room is not None else lambda: None


def refusal(reply: Reply) -> Reply:
    """A refusal in this contract's words."""
    return answers.refusal(reply)


ROUTES = Routes(
    add=add,
    describe=describing.describe,
    logged=(f"{answers.PATH}/jobs", f"{answers.PATH}/jobs/"),
    public=(f"{answers.PATH}/results/",),
    prefixes=(f"{answers.PATH}/",),
    refusal=refusal,
    start=start,
)
