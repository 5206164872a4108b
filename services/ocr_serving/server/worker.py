"""A worker process: loads the modules itself, then answers one request at a time until the front hangs up.

Run as `python -m ocr_serving.server.worker FD PARENT`; what is said over the socket FD stands in messages.py.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import replace
from typing import Any

from ocr_serving import data, machine, spans
from ocr_serving.decoding.images import Image, Limits, Undecodable, from_bytes
from ocr_serving.engines import opening_with, shared
from ocr_serving.engines.batching import remote
from ocr_serving.engines.idle.crew import Helpers
from ocr_serving.engines.idle.ledger import LedgerAddress, SharedLedger
from ocr_serving.engines.idle.schedule import Lender
from ocr_serving.errors import ConfigError, InputError, MemoryShortError, ModelError, ServingError
from ocr_serving.modules import loader
from ocr_serving.modules.base import Module
from ocr_serving.server import child, convert, logs, openapi, rewrite, uploads, wire
from ocr_serving.server.jobs import reading as jobs
from ocr_serving.server.messages import Done, Failed, Ready, Reply, Task, WorkerSpec
from ocr_serving.server.paddleocr3 import answer, envelope, reading
from ocr_serving.server.pipe import Pipe

log = logging.getLogger("ocr_serving.worker")


class Worker:
    """The loaded modules of one process."""

    def __init__(self, spec: WorkerSpec) -> None:
        """Load every module. Raises ServingError with a sentence."""
        self.limits = spec.config.limits
        self.engines = remote.Client(spec.engines) if spec.engines else None
        self.ledger = SharedLedger(spec.idle) if spec.idle else None
        helpers = _helpers(self.ledger, spec.idle) if self.ledger and spec.idle else None
        open_engine = remote.opener(self.engines) if self.engines else shared.opener(helpers)
        self.modules: dict[str, Module] = {}
        self.accepted: dict[str, wire.Arguments] = {}
        self.defaults: dict[str, dict[str, Any]] = {}
        self.descriptions: dict[str, dict[str, Any]] = {}
        for key, settings in spec.config.modules_info.items():
            module = loader.load_module(
                key,
                init_args=settings.init_args,
                params=settings.params,
                limits=self.limits,
                pull=not spec.config.offline,
                open_engine=open_engine,
            )
            name = module.info.name
            if name in self.modules:
                raise ConfigError(f"Two modules are called '{name}': change the name in @moduleinfo of one of them.")
            self.modules[name] = module
            self.accepted[name] = accepted = wire.Arguments(type(module))
            try:
                self.defaults[name] = accepted.check(settings.predict_args, where=f"predict_args of {name}")
            except InputError as exc:
                raise ConfigError(str(exc)) from None
            self.descriptions[name] = openapi.describe(type(module), accepted) | {"paddleocr3": reading.served_by(module)}

    def warm_up(self) -> None:
        """Predict a small shipped picture with each module, so that the first request finds everything allocated."""
        picture = _warmup_image()
        for module in self.modules.values():
            module.predict([picture])
        if self.ledger is not None:
            self.ledger.rest()

    def answer(self, task: Task) -> Done:
        """Answer one request; never raises."""
        if not task.traceparent:
            return self._answer_at_work(task)
        with spans.recording(task.traceparent) as recorder:
            done = self._answer_at_work(task)
        return replace(done, spans=recorder.spans, spans_left_out=recorder.left_out)

    def _answer_at_work(self, task: Task) -> Done:
        if self.ledger is None:
            return self._answer(task)
        before = self.ledger.lent_seconds
        with self.ledger.at_work_on_a_request():
            done = self._answer(task)
        return replace(done, lent_seconds=self.ledger.lent_seconds - before)

    def _answer(self, task: Task) -> Done:
        start, cpu = time.perf_counter(), time.process_time()
        module = self.modules[task.module]
        module.begin_request(task.deadline)
        if self.engines is not None:
            self.engines.begin(task.deadline)
        images: list[str] = []
        count = 0
        try:
            if task.api in jobs.APIS:
                with opening_with(module.open_engine):
                    reply, count = jobs.answered(module, task, self.limits)
            elif task.api:
                with opening_with(module.open_engine):
                    reply, count = answer.answer(module, task.api.rpartition("/")[2], task.body, task.kind, self.limits)
            else:
                reply = self._predict(module, task, images)
                count = len(images)
        except Exception as exc:  # noqa: BLE001  logged, or said to the caller
            reply = _refused(task, exc)
            count = len(images)
            if task.api and task.api not in jobs.APIS:
                reply = envelope.refusal(reply)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        timing = {"Server-Timing": f"work;dur={seconds * 1000:.1f}, cpu;dur={cpu * 1000:.1f}"}
        reply = replace(reply, headers={**reply.headers, **timing})
        return Done(reply, count, module.stage_seconds, seconds, machine.resident_bytes(os.getpid()))

    def _predict(self, module: Module, task: Task, images: list[str]) -> Reply:
        if task.page:
            return rewrite.picture(task.body, task.page, self.limits)
        payload = uploads.payload(task.body, task.kind, task.query, self.accepted[task.module], self.limits)
        if payload is None:
            return wire.outdated(f"/predict/{task.module}")
        options = convert.options(payload) if task.output else convert.Options()
        if options.document is not None:
            return convert.rewritten(options.document, payload, task.output.split(","), self.limits, options)
        found, keywords = wire.arguments(payload, self.accepted[task.module], self.limits)
        del payload
        images += found
        if task.output:
            takes = self.accepted[task.module].model.model_fields
            request = convert.Request(task.output.split(","), images, self.defaults[task.module] | keywords, options)
            with opening_with(module.open_engine):
                return convert.reply(module, request, takes)
        with opening_with(module.open_engine):
            results = module.serving_method(images, **(self.defaults[task.module] | keywords))
        return wire.reply(wire.OK, "; ".join(module.warnings), results)


MOST_HELPERS = 15
"""Cores that a request borrows at most: lines of a page are no more than some dozens, and each takes a thread."""


def _helpers(ledger: SharedLedger, address: LedgerAddress) -> Helpers | None:
    lender = Lender(ledger, address.own, address.cores, most=MOST_HELPERS)
    return Helpers(lender) if lender.most else None


SHORT = (
    "The worker had too little memory for this request: send a smaller image or fewer of them, or give the service more memory "
    "(worker_memory_mb)."
)


def _refused(task: Task, exc: Exception) -> Reply:
    about = {"request_id": task.request_id}
    # What is wrong with a model or a configuration is not the caller's to read, and may be want of memory.
    if isinstance(exc, ServingError) and not isinstance(exc, ConfigError | ModelError):
        return wire.refusal(exc)
    if machine.is_memory_short(exc):
        log.warning("memory ran short in %s", task.module, extra=about | {"reason": str(exc)[:300]})
        return wire.refusal(MemoryShortError(SHORT))
    log.error("predict of %s failed", task.module, exc_info=exc, extra=about)
    return wire.failed(f"The prediction failed on our side; the server's log says why under request id {task.request_id}.", 500)


def serve(sock: socket.socket) -> int:
    """Load, say so, answer until the other end of `sock` hangs up. Returns the exit code of the process."""
    pipe = Pipe(sock)
    spec: WorkerSpec = pipe.receive()
    logs.configure(spec.config.log_format)
    try:
        worker = Worker(spec)
        worker.warm_up()
    except ServingError as exc:
        pipe.send(Failed(str(exc)))
        return 1
    except Exception as exc:
        log.exception("loading failed")
        pipe.send(Failed(f"Loading failed: {type(exc).__name__}: {exc}."))
        return 1
    if spec.memory is not None:
        machine.bound_memory(spec.memory)
    pipe.send(Ready(worker.descriptions))
    while True:
        pipe.send(worker.answer(pipe.receive()))


def _warmup_image() -> Image:
    """One line of text, decoded within the default limits, whatever those of the service are."""
    decoded = from_bytes(data.WARMUP.read_bytes(), where=data.WARMUP.name, limits=Limits())
    if isinstance(decoded, Undecodable):
        raise RuntimeError(decoded.reason)
    return decoded


if __name__ == "__main__":
    child.run(serve)
