"""gunicorn around the front: one HTTP process of many threads, which owns the pool of worker processes."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from ocr_serving import machine
from ocr_serving.config import ServiceConfig
from ocr_serving.engines.batching.messages import EngineSettings
from ocr_serving.server import logs, wire
from ocr_serving.server.engines import Engines
from ocr_serving.server.front import Front, create_app
from ocr_serving.server.messages import WorkerSpec
from ocr_serving.server.pool import Pool

log = logging.getLogger("ocr_serving")

HEADER_TIMEOUT_S = 10.0
REFUSALS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
SPARE_THREADS = 32
"""Threads beyond one for each request that may be in flight or wait: probes, refusals, and bodies that are still arriving."""


class FrontWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, which also ends requests whose headers or body do not arrive, and words its errors as ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading: dict[TConn, float] = {}
        self._quitting = False

    def handle(self, conn: TConn) -> Any:
        """Runs in a thread: one request of a connection."""
        self._reading[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self._reading.pop(conn, None)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Runs in a thread, once the headers are complete."""
        self._reading.pop(conn, None)
        return super().handle_request(req, conn)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGINT and SIGQUIT: end at once.

        A Ctrl-C comes from the terminal and again, as SIGQUIT, from the master; handled inside the first, the second would
        wait for a lock of the thread pool that the first holds.
        """
        if not self._quitting:
            self._quitting = True
            super().handle_quit(sig, frame)

    def murder_pending(self) -> None:
        """Runs in the main loop, about once a second."""
        if not self.alive:
            # Browsers connect ahead of need; a connection that has sent nothing must not hold up a stop.
            for conn in self.pending_conns:
                conn.timeout = 0.0
        super().murder_pending()
        overdue = time.monotonic() - HEADER_TIMEOUT_S
        for conn, since in list(self._reading.items()):
            if since < overdue:
                try:
                    # The thread's recv returns at once; gunicorn then closes the connection.
                    conn.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for connection, deadline in list(self.app.front.arriving.items()):
            if deadline < time.monotonic():
                with contextlib.suppress(OSError):
                    # What reads the body finds its end; the answer still goes out.
                    connection.shutdown(socket.SHUT_RD)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what is not HTTP, or not the HTTP that gunicorn reads, as the application answers its own errors."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        code = next((code for kind, code in REFUSALS.items() if isinstance(exc, kind)), HTTPStatus.BAD_REQUEST)
        body = wire.failed(f"Not a request that can be read: {exc}.", code).body()
        head = (
            f"HTTP/1.1 {code.value} {code.phrase}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        log.info("refused", extra={"code": code.value, "reason": str(exc)[:300]})
        with contextlib.suppress(OSError):
            client.sendall(head.encode() + body)


class QuietLogger(Logger):  # type: ignore[misc]
    """gunicorn's own messages through our log, warnings and worse only; we log requests ourselves."""

    def setup(self, cfg: Any) -> None:  # noqa: ARG002
        """Use the root logger's handlers."""
        self.error_log.handlers.clear()
        self.error_log.addFilter(_not_about_a_failed_load)
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.access_log.disabled = True


def _not_about_a_failed_load(record: logging.LogRecord) -> bool:
    """What gunicorn says when the front ends itself; the sentence that tells why has been printed already."""
    told = f"exited with code {Arbiter.APP_LOAD_ERROR}", "Shutting down: Master", "Reason: App failed to load"
    return not any(text in record.getMessage() for text in told)


class Service(BaseApplication):  # type: ignore[misc]
    """The gunicorn application for one configuration."""

    def __init__(
        self,
        config: ServiceConfig,
        environments: Sequence[Mapping[str, str]],
        engines: Sequence[Mapping[str, str]] = (),
        *,
        pidfile: Path | None,
        on_ready: Callable[[Front], None],
    ) -> None:
        """One worker process for each of `environments`, one engine process for each of `engines`, the variables to set in it.

        `on_ready` is called, in a thread, when all are warm.
        """
        self.config = config
        self.environments = environments
        self.engines = engines
        self.pidfile = pidfile
        self.on_ready = on_ready
        self.front = Front(config)
        super().__init__()

    def load_config(self) -> None:
        """gunicorn's settings."""
        queue = self.config.queue_size(len(self.environments))
        threads = len(self.environments) + queue + SPARE_THREADS
        settings = {
            "bind": f"{self.config.host}:{self.config.port}",
            "workers": 1,
            "worker_class": f"{FrontWorker.__module__}.{FrontWorker.__name__}",
            "threads": threads,
            "worker_connections": threads + 1000,
            "keepalive": 75,
            "graceful_timeout": int(self.config.timeout_s) + 5,
            "timeout": 60,
            "pidfile": str(self.pidfile) if self.pidfile else None,
            "logger_class": QuietLogger,
            "post_worker_init": self._start,
            "worker_exit": self._stop,
            # A tmpfs: the heartbeat file of the worker must not wait for a disk.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
            "control_socket_disable": True,
        }
        for key, value in settings.items():
            if key in self.cfg.settings:
                self.cfg.set(key, value)

    def load(self) -> Any:
        """The WSGI application."""
        return create_app(self.front)

    def _start(self, _worker: Any) -> None:
        logs.configure(self.config.log_format)
        if self.engines:
            config = self.config
            batching = EngineSettings(max_batch=config.max_batch, max_delay=config.max_delay_ms / 1000, threads=machine.cpu_count())
            self.front.engines = Engines(self.engines, batching, on_cpu=not config.use_gpu, log_format=config.log_format)
            self.front.engines.start()
            self.front.metrics.watch_engines(self.front.engines)
        engines = self.front.engines.address if self.front.engines else None
        self.front.pool = Pool(
            WorkerSpec(self.config, engines),
            environments=self.environments,
            max_queue=self.config.queue_size(len(self.environments)),
            timeout_s=self.config.timeout_s,
            on_ready=self._ready,
            on_fatal=self._fatal,
        )
        self.front.metrics.watch(self.front.pool)
        self.front.pool.start()

    def _ready(self, modules: Mapping[str, Mapping[str, Any]]) -> None:
        self.front.modules = modules
        threading.Thread(target=self.on_ready, args=[self.front], daemon=True).start()

    def _fatal(self, reason: str) -> None:
        """A worker cannot load: say why in one sentence and end the whole service, so that no restart loop hides it."""
        print(f"ocr-serving: {reason}", file=sys.stderr, flush=True)
        if self.front.pool is not None:
            for pid in self.front.pool.state().pids:
                if pid:
                    os.kill(pid, signal.SIGKILL)
        if self.front.engines is not None:
            self.front.engines.close()
        os._exit(Arbiter.APP_LOAD_ERROR)

    def _stop(self, _arbiter: Any, _worker: Any) -> None:
        if self.front.pool is not None:
            self.front.pool.close()
        if self.front.engines is not None:
            self.front.engines.close()
