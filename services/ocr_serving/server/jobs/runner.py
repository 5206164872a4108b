"""Works on jobs, in threads of the front: takes shares of the store, has workers do them, keeps what they answer.

A thread for each worker, so that all may be busy; what they hand over waits behind callers' requests. What goes wrong with the
store costs time alone: a share whose answer could not be kept is done again once its lease is over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from ocr_serving.errors import ConfigError, CrashedError, FullError, GoneError, InputError, ServingError
from ocr_serving.server import fetching
from ocr_serving.server.fetching import HostRules
from ocr_serving.server.front import Front
from ocr_serving.server.jobs import reading, request, results, store, webhooks
from ocr_serving.server.jobs.leases import ATTEMPTS, LEASE_S, Answer, Leases, Unit
from ocr_serving.server.jobs.store import Store
from ocr_serving.server.messages import Reply, Task
from ocr_serving.server.paddleocr3 import catalogue

log = logging.getLogger("ocr_serving.jobs")

POLL_S = 1.0
"""How often one who has nothing to do looks whether another service has put something into the store."""
TIDY_S = 60.0
AGAIN_S = 2.0
"""Before a store that could not be reached is tried again, or a worker that could not be had."""
KEPT_FILES = 2
"""Files of jobs in memory, so that not every page has its file read from the store."""


class StoreLostError(Exception):
    """The store could not be asked; it was said already."""


@dataclass(frozen=True)
class Outside:
    """What jobs may reach: hosts to fetch from, hosts to call, the secret of calls, the largest file and the longest time."""

    fetches: HostRules | None = None
    calls: HostRules | None = None
    secret: bytes = b""
    most_bytes: int = 0
    seconds: float = 0.0


@dataclass
class _Waiting:
    """Those who wait for the end of a job, each until a time on the monotonic clock."""

    futures: list[tuple[Future[None], float]] = field(default_factory=list)


class Runner:
    """Everything that works on jobs in one service."""

    def __init__(
        self,
        service: Front,
        kept: Store,
        outside: Outside,
        *,
        most_pages: int,
        unusable: str,
        status: Callable[[store.Job], dict[str, Any]],
    ) -> None:
        """Nothing is started. `status` words a job for those who are called; `unusable` says what is so where the store is not."""
        self._service, self._store, self._outside = service, kept, outside
        self._most_pages, self._status = most_pages, status
        self._leases = Leases(kept)
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._news = 0
        self._held: dict[str, str] = {}
        self._dropped: set[str] = set()
        self._waiting: dict[str, _Waiting] = {}
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._loading = threading.Lock()
        self._lost = False
        self._unusable = unusable
        self.problem = "The jobs are still loading."
        """Why none are taken now, as a sentence; "" where they are."""

    def start(self) -> None:
        """Start the threads; returns at once."""
        for name, target in (("jobs-keeper", self._keep), ("jobs-caller", self._call)):
            threading.Thread(target=target, daemon=True, name=name).start()

    def close(self) -> None:
        """Take nothing more, and give back what was taken."""
        self._closing.set()
        self.wake()
        if self._store.is_prepared:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self._leases.release()

    def wake(self) -> None:
        """There may be something to do."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def drop(self, job: str) -> None:
        """A job was cancelled here: what of it still waits for a worker is not begun."""
        with self._changed:
            self._dropped.add(job)
            self._files.pop(job, None)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being worked on here."""
        return not self._held

    def end_of(self, job: str, seconds: float) -> Future[None]:
        """Done once the job has ended here, or so many seconds are over."""
        future: Future[None] = Future()
        with self._changed:
            self._waiting.setdefault(job, _Waiting()).futures.append((future, time.monotonic() + seconds))
        return future

    # What keeps going.

    def _keep(self) -> None:
        """Have the store prepared, then the readers started, leases renewed, old jobs removed."""
        while not self._closing.is_set() and not self._prepared():
            self._closing.wait(AGAIN_S)
        while not self._closing.is_set() and not (self._service.pool is not None and self._service.pool.loaded_once):
            self._closing.wait(0.1)
        pool = self._service.pool
        for n in range(pool.state().workers if pool is not None else 0):
            threading.Thread(target=self._work, daemon=True, name=f"jobs-{n}").start()
        renewed = tidied = time.monotonic()
        while not self._closing.wait(0.25):
            now = time.monotonic()
            self._end_waiting(now)
            if now - renewed > LEASE_S / 3:
                renewed = now
                self._quietly(self._renew)
            if now - tidied > TIDY_S:
                tidied = now
                self._quietly(self._tidy)

    def _quietly(self, what: Callable[[], None]) -> None:
        """Do something that is done again later in any case: what goes wrong ends no thread."""
        try:
            with self._asking():
                what()
        except StoreLostError:
            pass
        except Exception:
            log.exception("keeping jobs failed")

    def _renew(self) -> None:
        self._leases.renew(list(self._held.values()))
        self._leases.bury()

    def _tidy(self) -> None:
        with self._changed:
            self._dropped.clear()
        self._store.tidy()

    def _prepared(self) -> bool:
        try:
            self._store.prepare()
            self._leases.bury()
            self._store.tidy()
        except ConfigError as exc:
            self.problem = str(exc)
        except (sa.exc.SQLAlchemyError, OSError) as exc:
            self.problem = f"No jobs are taken here now: {self._unusable} ({cause(exc)})."
        else:
            self.problem = ""
            return True
        if not self._lost:
            self._lost = True
            log.warning("no jobs are taken for now", extra={"reason": self.problem})
        return False

    def _work(self) -> None:
        """One reader, until the service stops."""
        name = threading.current_thread().name
        while not self._closing.is_set():
            with self._changed:
                news = self._news
            unit: Unit | None = None
            try:
                with self._asking():
                    unit = self._leases.claim(self.families)
                if unit is not None:
                    self._held[name] = unit.lease
                    self._do(unit)
                    continue
            except StoreLostError:
                self._closing.wait(AGAIN_S)
            except Exception:
                log.exception("working on a job failed", extra={"job": unit.job if unit else ""})
                self._closing.wait(AGAIN_S)
            finally:
                self._held.pop(name, None)
            with self._changed:
                if self._news == news and not self._closing.is_set():
                    self._changed.wait(POLL_S)

    def _call(self) -> None:
        """Tell callers of ends."""
        outside = self._outside
        while outside.calls is not None and not self._closing.wait(0.5):
            if self._store.is_prepared:
                self._quietly(self._call_one)

    def _call_one(self) -> None:
        outside = self._outside
        due = self._leases.due_call()
        job = None if due is None else self._store.job(due[0])
        if due is not None and job is not None and outside.calls is not None:
            again = webhooks.call(job.callback, self._status(job), due[1], key=outside.secret, rules=outside.calls)
            self._leases.called(job.id, again)

    @contextlib.contextmanager
    def _asking(self) -> Any:
        """The store is asked inside. Raises StoreLostError where it cannot be."""
        try:
            yield
        except sa.exc.SQLAlchemyError as exc:
            if not self._lost:
                self._lost = True
                log.warning("the store of jobs cannot be asked", extra={"reason": cause(exc)})
            raise StoreLostError from None
        self._lost = False

    # What is done with one share.

    @property
    def families(self) -> list[str]:
        """The families of models that the modules here read."""
        return [family for family in request.ROUTES if self._module(family)]

    def _module(self, family: str) -> str:
        known = catalogue.ROUTES[request.ROUTES[family]].modules
        return next((name for name in known if name in self._service.modules), "")

    def _do(self, unit: Unit) -> None:
        if unit.attempts > ATTEMPTS:
            self._give_up(unit, f"A worker or its whole service died on it {ATTEMPTS} times.")
            return
        try:
            if unit.number == 0:
                self._prepare(unit)
            else:
                self._read(unit)
        except CrashedError as exc:
            if unit.attempts >= ATTEMPTS:
                self._give_up(unit, str(exc))
                return
            with self._asking():
                self._leases.leave(unit)
        except (FullError, GoneError):
            with self._asking():
                self._leases.give_back(unit)
            self._closing.wait(AGAIN_S if unit.job not in self._dropped else 0)
        except ServingError as exc:
            if exc.retry_after is None or unit.attempts >= ATTEMPTS:
                self._give_up(unit, str(exc))
                return
            with self._asking():
                self._leases.leave(unit)
            self._closing.wait(AGAIN_S)

    def _prepare(self, unit: Unit) -> None:
        """Fetch the file if need be, and count its pages. Raises ServingError."""
        outside = self._outside
        content = self._file(unit.job)
        if not content and unit.url:
            if outside.fetches is None:
                raise InputError("fileUrl: URLs are not fetched here (fetch_hosts): send the file itself.")
            content = fetching.fetched(unit.url, outside.fetches, most=outside.most_bytes, seconds=outside.seconds)
            with self._asking():
                kept = self._leases.keep_source(unit, content)
            if not kept:
                raise InputError(
                    f"The jobs together are over the limit of {self._store.bounds.total_bytes >> 20} MiB (jobs_max_mb)."
                )
        found = reading.counted(self._asked(unit, reading.counting(self._module(unit.family), content, unit.job)))
        pages = request.chosen(unit.page_ranges, found.pages, self._most_pages)
        with self._asking():
            self._leases.begin(unit, found.kind, pages, found.remark)
        self.wake()

    def _read(self, unit: Unit) -> None:
        """Have a page read. Raises ServingError."""
        module = self._module(unit.family)
        task = reading.page_reading(
            module, self._file(unit.job), unit.job, family=unit.family, page=unit.page, options=unit.options
        )
        reply = self._asked(unit, task)
        self._finish(unit, results.kept(json.loads(reply.body)["result"], unit.family, unit.number))

    def _asked(self, unit: Unit, task: Task) -> Reply:
        """What a worker answers, behind all callers. Raises ServingError."""
        pool = self._service.pool
        assert pool is not None
        tracing = self._service.tracing
        about = {"ocr.job": unit.job} | ({"ocr.page": unit.page + 1} if unit.number else {})
        trace = tracing.work("read page" if unit.number else "count pages", about) if tracing is not None else None
        if trace is not None:
            task = replace(task, traceparent=trace.traceparent)
        job = pool.submit_patiently(task, caller=unit.owner, wanted=lambda: self._is_wanted(unit))
        done = job.future.result() if trace is None else trace.result(job)
        if done.reply.code != 200:
            raise _RefusedError(done.reply)
        metrics = self._service.metrics
        metrics.images.labels(task.module).inc(done.images)
        for stage, seconds in done.stage_seconds.items():
            metrics.stage_seconds.labels(task.module, stage).observe(seconds)
        return done.reply

    def _is_wanted(self, unit: Unit) -> bool:
        return not self._closing.is_set() and unit.job not in self._dropped

    def _finish(self, unit: Unit, answer: Answer) -> None:
        self._service.metrics.job_pages.labels("read" if answer.lost is None else "lost").inc()
        with self._asking():
            ended = self._leases.finish(unit, answer)
        if ended:
            self._ended(unit.job)

    def _give_up(self, unit: Unit, reason: str) -> None:
        """A page cannot be read; a job whose file cannot be opened fails as a whole."""
        if unit.number > 0:
            self._finish(unit, Answer(lost=reason))
            return
        with self._asking():
            self._leases.fail(unit, reason)
        self._ended(unit.job)

    def _file(self, job: str) -> bytes:
        with self._loading:
            if job in self._files:
                self._files.move_to_end(job)
                return self._files[job]
            with self._asking():
                blob = self._store.blob(job, store.SOURCE)
            if blob is None:
                return b""
            self._files[job] = blob.content
            while len(self._files) > KEPT_FILES:
                self._files.popitem(last=False)
            return blob.content

    def _ended(self, job: str) -> None:
        with self._changed:
            waiting = self._waiting.pop(job, None)
            self._dropped.discard(job)
        with self._loading:
            self._files.pop(job, None)
        for future, _ in waiting.futures if waiting else ():
            future.set_result(None)

    def _end_waiting(self, now: float) -> None:
        late = []
        with self._changed:
            for job, waiting in list(self._waiting.items()):
                late += [future for future, until in waiting.futures if until <= now]
                waiting.futures = [(future, until) for future, until in waiting.futures if until > now]
                if not waiting.futures:
                    del self._waiting[job]
        for future in late:
            future.set_result(None)


class _RefusedError(ServingError):
    """What a worker said no to."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(json.loads(reply.body)["msg"]))
        self.retry_after = reply.retry_after


def cause(exc: BaseException) -> str:
    """What a database said, in one line and without what was asked of it."""
    found = exc.orig if isinstance(exc, sa.exc.DBAPIError) and exc.orig is not None else exc
    return " ".join(str(found).split())[:300]
