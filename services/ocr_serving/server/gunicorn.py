"""gunicorn around the front: one HTTP process, which owns the pool of worker processes."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from ocr_serving import machine
from ocr_serving.config import ServiceConfig
from ocr_serving.engines.batching.messages import EngineSettings
from ocr_serving.engines.idle import ledger
from ocr_serving.server import app, logs, plan
from ocr_serving.server.connections import IDLE_TIMEOUT_S, FrontWorker
from ocr_serving.server.engine_pool import EnginePool
from ocr_serving.server.front import Front
from ocr_serving.server.messages import WorkerSpec
from ocr_serving.server.pool import Pool
from ocr_serving.server.tracing import Tracing


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


class OneFront(Arbiter):  # type: ignore[misc]
    """gunicorn's master for a service whose queue and figures are in one process: it starts no second one, whatever it is told."""

    def handle_ttin(self) -> None:
        """SIGTTIN, also of a terminal: gunicorn would start another front, with workers of its own."""

    def handle_ttou(self) -> None:
        """SIGTTOU: gunicorn would end one."""


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
        self.memory = machine.memory_bytes()
        self.front = Front(config, config.held_bytes(self.memory))
        self.enders: list[Callable[[], None]] = []
        super().__init__()

    def load_config(self) -> None:
        """gunicorn's settings."""
        settings = {
            "bind": f"{self.config.host}:{self.config.port}",
            "workers": 1,
            "worker_class": f"{FrontWorker.__module__}.{FrontWorker.__name__}",
            "backlog": 2048,
            "keepalive": int(IDLE_TIMEOUT_S),
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
        return app.create_app(self.front)

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            OneFront(self).run()
        except RuntimeError as exc:
            print(f"ocr-serving: {exc}", file=sys.stderr, flush=True)
            sys.exit(1)

    def _start(self, _worker: Any) -> None:
        logs.configure(self.config.log_format)
        if self.config.otlp_endpoint is not None:
            self.front.tracing = Tracing(self.config.otlp_endpoint)
        if self.engines:
            config = self.config
            batching = EngineSettings(max_batch=config.max_batch, max_delay=config.max_delay_ms / 1000, threads=machine.cpu_count())
            self.front.engines = EnginePool(self.engines, batching, on_cpu=not config.use_gpu, log_format=config.log_format)
            self.front.engines.start()
            self.front.metrics.watch_engines(self.front.engines)
        engines = self.front.engines.address if self.front.engines else None
        workers, cores = len(self.environments), machine.cpu_count()
        idle = ledger.new(workers, cores) if plan.lends_cores(self.config, cores) else None
        config = plan.worker_config(self.config, self.memory, workers)
        self.front.pool = Pool(
            WorkerSpec(config, engines, plan.worker_memory(self.config, self.memory, workers), idle),
            environments=self.environments,
            max_queue=self.config.queue_size(len(self.environments)),
            timeout_s=self.config.timeout_s,
            on_ready=self._ready,
            on_fatal=self._fatal,
        )
        self.front.metrics.watch(self.front.pool)
        self.front.pool.start()
        self.enders = app.start(self.front)

    def _ready(self, modules: Mapping[str, Mapping[str, Any]]) -> None:
        self.front.modules = modules
        threading.Thread(target=self.on_ready, args=[self.front], daemon=True).start()

    def _fatal(self, reason: str) -> None:
        """A worker cannot load: say why in one sentence and end the whole service, so that no restart loop hides it."""
        print(f"ocr-serving: {reason}", file=sys.stderr, flush=True)
        if self.front.pool is not None:
            self.front.pool.kill()
        if self.front.engines is not None:
            self.front.engines.close()
        logs.flush()
        os._exit(Arbiter.APP_LOAD_ERROR)

    def _stop(self, _arbiter: Any, _worker: Any) -> None:
        for end in self.enders:
            end()
        if self.front.pool is not None:
            self.front.pool.close()
        if self.front.engines is not None:
            self.front.engines.close()
        if self.front.tracing is not None:
            self.front.tracing.close()
