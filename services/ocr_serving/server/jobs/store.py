"""Jobs as their owners see them: taken, asked for, listed, cancelled, fetched, and removed when their time is over.

Each call is one transaction, so that nothing is ever half written. None is made in the hub's thread, as all wait for the database.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ocr_serving.errors import FullError
from ocr_serving.server.jobs import tables
from ocr_serving.server.jobs.request import Submission
from ocr_serving.server.jobs.tables import blobs, calls, jobs, units

State = Literal["pending", "running", "done", "failed", "cancelled"]
OPEN: tuple[State, ...] = ("pending", "running")
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")

SOURCE = ""
"""Name of the blob that is the file itself."""
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Job:
    """A job as it stands: `pages` is how many are to be read, `done` how many are; times are seconds since 1970."""

    id: str
    owner: str
    batch: str
    model: str
    family: str
    options: str
    page_ranges: str
    url: str
    callback: str
    state: State
    error: str
    kind: str
    pages: int
    done: int
    bytes: int
    created: float
    started: float | None
    ended: float | None


@dataclass(frozen=True)
class Blob:
    """A picture or document of a result."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Bounds:
    """How much the store may hold: bytes of all jobs, unfinished jobs of one owner, seconds that an ended job is kept."""

    total_bytes: int
    open_jobs: int
    keep_s: float


class Store:
    """The jobs in one database, which several services may share. Thread-safe."""

    def __init__(self, url: sa.URL, bounds: Bounds, clock: Callable[[], float] = time.time) -> None:
        """Nothing is connected yet; `clock` tells seconds since 1970."""
        self.bounds, self._clock = bounds, clock
        self.engine = tables.opened(url)
        self._secret: bytes | None = None

    def prepare(self) -> None:
        """Make the tables where they are missing. Raises ConfigError, sa.exc.SQLAlchemyError."""
        if self._secret is None:
            self._secret = tables.made(self.engine).encode()

    @property
    def is_prepared(self) -> bool:
        """Whether `prepare` has come to its end once."""
        return self._secret is not None

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def owner(self, key: str) -> str:
        """What stands in the store for the one who presents `key`; the key cannot be told from it."""
        return self._signed(f"owner {key}")

    def signature(self, job: str) -> str:
        """What makes a link to the results of a job one that only its owner can have."""
        return self._signed(f"results {job}")[:40]

    def is_signed(self, job: str, signature: str) -> bool:
        """Whether a link is one of ours."""
        return hmac.compare_digest(self.signature(job).encode(), signature.encode("utf-8", "replace"))

    def create(self, owner: str, sent: Submission) -> str:
        """Keep a job, which then waits to be worked on; its id. Raises FullError."""
        now = self._clock()
        job = f"ocrjob-{secrets.token_hex(12)}"
        size = len(sent.content)
        with self.engine.begin() as connection:
            tables.alone(connection)
            mine = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.owner == owner, jobs.c.state.in_(OPEN))
            if connection.execute(mine).scalar_one() >= self.bounds.open_jobs:
                raise FullError(f"{self.bounds.open_jobs} of your jobs are not done yet, as many as may (jobs_max_open).", 30)
            if held(connection) + size > self.bounds.total_bytes:
                raise FullError(
                    f"The jobs together are over the limit of {self.bounds.total_bytes // MEBIBYTE} MiB (jobs_max_mb).", 60
                )
            connection.execute(
                sa.insert(jobs).values(
                    id=job,
                    owner=owner,
                    batch=sent.batch,
                    model=sent.model,
                    family=sent.family,
                    options=sent.options,
                    page_ranges=sent.page_ranges,
                    url=sent.url,
                    callback=sent.callback,
                    state="pending",
                    error="",
                    kind="",
                    pages=0,
                    done=0,
                    bytes=size,
                    created=now,
                )
            )
            connection.execute(sa.insert(units).values(job=job, number=0, page=0, state="waiting", attempts=0))
            if sent.content:
                source = {"job": job, "name": SOURCE, "media_type": "application/octet-stream", "content": sent.content}
                connection.execute(sa.insert(blobs).values(**source))
        return job

    def job(self, name: str, owner: str | None = None) -> Job | None:
        """A job, if there is one of this owner; of anybody where `owner` is None."""
        wanted = sa.select(jobs).where(jobs.c.id == name)
        return next(iter(self._jobs(wanted if owner is None else wanted.where(jobs.c.owner == owner))), None)

    def batch(self, name: str, owner: str) -> list[Job]:
        """All jobs of a batch of this owner, in the order in which they came."""
        wanted = sa.select(jobs).where(jobs.c.owner == owner, jobs.c.batch == name)
        return self._jobs(wanted.order_by(jobs.c.created, jobs.c.id))

    def cancel(self, name: str, owner: str) -> Job | None:
        """Stop a job that is not done, and remove one that is; how it stands then, None where there is no such job."""
        with self.engine.begin() as connection:
            found = connection.execute(
                sa.select(jobs).where(jobs.c.id == name, jobs.c.owner == owner).with_for_update()
            ).one_or_none()
            if found is None:
                return None
            if found.state in ENDED:
                remove(connection, [name])
                return _job(found)
            ended(connection, name, "cancelled", "The job was cancelled.", self._clock())
        return self.job(name, owner)

    def results(self, name: str) -> list[tuple[int, str | None, str | None]]:
        """Of each page that is done, in order: its number in the file from 0, its result, and why it has none."""
        wanted = sa.select(units.c.page, units.c.result, units.c.lost).where(units.c.job == name, units.c.number > 0)
        with self._reading() as connection:
            rows = connection.execute(wanted.where(units.c.state == "done").order_by(units.c.number)).all()
        return [(row.page, row.result, row.lost) for row in rows]

    def blob(self, job: str, name: str) -> Blob | None:
        """A picture of a result, or the file."""
        wanted = sa.select(blobs.c.content, blobs.c.media_type).where(blobs.c.job == job, blobs.c.name == name)
        with self._reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else Blob(bytes(row.content), row.media_type)

    def tidy(self) -> int:
        """Remove jobs whose time is over; how many. One that has come to no end in all that time is ended, and kept as long."""
        now = self._clock()
        old = now - self.bounds.keep_s
        with self.engine.begin() as connection:
            stuck = connection.execute(sa.select(jobs.c.id).where(jobs.c.state.in_(OPEN), jobs.c.created < old)).scalars().all()
            for name in stuck:
                reason = (
                    f"The job was not done within the {self.bounds.keep_s / 3600:g} hours that jobs are kept (jobs_keep_hours)."
                )
                ended(connection, name, "failed", reason, now)
            gone = connection.execute(sa.select(jobs.c.id).where(jobs.c.state.in_(ENDED), jobs.c.ended < old)).scalars().all()
            remove(connection, gone)
        return len(gone)

    def counts(self) -> Mapping[str, int]:
        """How many jobs there are in each state."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all()
        return {row[0]: row[1] for row in rows}

    def _jobs(self, wanted: sa.Select[Any]) -> list[Job]:
        with self._reading() as connection:
            return [_job(row) for row in connection.execute(wanted).all()]

    def _reading(self) -> sa.Connection:
        return self.engine.connect().execution_options(reading=True)

    def _signed(self, text: str) -> str:
        assert self._secret is not None, "the store is not prepared"
        return hmac.new(self._secret, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def ended(connection: sa.Connection, name: str, state: State, reason: str, now: float) -> None:
    """Have a job come to its end: what is left of its file goes, and whoever wants to be told is."""
    size = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(blobs.c.content)), 0)).where(
        blobs.c.job == name, blobs.c.name == SOURCE
    )
    freed = connection.execute(size).scalar_one()
    connection.execute(sa.delete(blobs).where(blobs.c.job == name, blobs.c.name == SOURCE))
    if state != "done":
        connection.execute(sa.delete(blobs).where(blobs.c.job == name))
        connection.execute(sa.delete(units).where(units.c.job == name))
    left = jobs.c.bytes - freed if state == "done" else 0
    connection.execute(sa.update(jobs).where(jobs.c.id == name).values(state=state, error=reason, ended=now, bytes=left))
    callback = connection.execute(sa.select(jobs.c.callback).where(jobs.c.id == name)).scalar_one()
    if callback:
        connection.execute(sa.insert(calls).values(job=name, attempts=0, due=now))


def remove(connection: sa.Connection, names: Sequence[str]) -> None:
    """Remove jobs with all they have."""
    for table, column in ((calls, calls.c.job), (blobs, blobs.c.job), (units, units.c.job), (jobs, jobs.c.id)):
        connection.execute(sa.delete(table).where(column.in_(names)))


def held(connection: sa.Connection) -> int:
    """Bytes that all jobs take together."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(jobs.c.bytes), 0))).scalar_one())


def _job(row: sa.Row[Any]) -> Job:
    return Job(**row._mapping)
