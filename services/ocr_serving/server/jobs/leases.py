"""The shares of jobs that workers take: each is leased for a while, and goes to another when its time is up without an answer.

PostgreSQL's SKIP LOCKED has the services of a Deployment take different ones without waiting for each other; in SQLite, one at a
time writes. Times are those of the services' clocks, of which a few seconds' difference shortens or lengthens a lease.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ocr_serving.server.jobs import store
from ocr_serving.server.jobs.store import Blob, Store
from ocr_serving.server.jobs.tables import alone, blobs, calls, jobs, units

LEASE_S = 20.0
"""A share whose holder was not heard of for so long is another's. Holders renew thrice in that time."""
ATTEMPTS = 3
"""A page during which its worker died so often is given up: it may be what kills them."""
CALL_LEASE_S = 60.0


@dataclass(frozen=True)
class Unit:
    """A share of a job: number 0 looks how many pages there are, others read the page `page` (from 0) of the file.

    `attempts` counts this one.
    """

    job: str
    number: int
    page: int
    lease: str
    attempts: int
    owner: str
    family: str
    options: str
    page_ranges: str
    url: str
    kind: str
    pages: int


@dataclass(frozen=True)
class Answer:
    """What became of a page: its result as JSON and the blobs this names, or why there is none."""

    result: str | None = None
    blobs: Mapping[str, Blob] = field(default_factory=dict)
    lost: str | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in the store."""
        return len((self.result or "").encode()) + sum(len(blob.content) for blob in self.blobs.values())


class Leases:
    """What one service has taken of the store's work. Thread-safe."""

    def __init__(self, kept: Store, clock: Callable[[], float] = time.time) -> None:
        """Nothing is taken yet; `clock` tells seconds since 1970."""
        self._store, self._clock = kept, clock
        self.runner = f"{_here()} {os.getpid()} {_started(os.getpid())}"

    def claim(self, families: Collection[str]) -> Unit | None:
        """The next share of a job of one of `families`, None where nobody waits.

        It is of the owner of whose jobs the fewest shares are being worked on, among equals of the oldest job.
        """
        now = self._clock()
        busy = (
            sa.select(jobs.c.owner, sa.func.count().label("count"))
            .join(units, units.c.job == jobs.c.id)
            .where(units.c.state == "leased", units.c.until >= now)
            .group_by(jobs.c.owner)
            .subquery()
        )
        free = sa.or_(units.c.state == "waiting", sa.and_(units.c.state == "leased", units.c.until < now))
        wanted = (
            sa.select(units.c.number, units.c.page, units.c.attempts, jobs)
            .join(jobs, units.c.job == jobs.c.id)
            .outerjoin(busy, busy.c.owner == jobs.c.owner)
            .where(jobs.c.state.in_(store.OPEN), jobs.c.family.in_(families), free)
            .order_by(sa.func.coalesce(busy.c.count, 0), jobs.c.created, jobs.c.id, units.c.number)
            .limit(1)
            .with_for_update(of=units, skip_locked=True)
        )
        with self._store.engine.begin() as connection:
            row = connection.execute(wanted).one_or_none()
            if row is None:
                return None
            lease = secrets.token_hex(8)
            values = {
                "state": "leased",
                "lease": lease,
                "runner": self.runner,
                "until": now + LEASE_S,
                "attempts": row.attempts + 1,
            }
            connection.execute(sa.update(units).where(units.c.job == row.id, units.c.number == row.number).values(**values))
        return Unit(
            row.id,
            row.number,
            row.page,
            lease,
            row.attempts + 1,
            row.owner,
            row.family,
            row.options,
            row.page_ranges,
            row.url,
            row.kind,
            row.pages,
        )

    def renew(self, leases: Collection[str]) -> None:
        """Say that this service still works on what it has under these leases."""
        with self._store.engine.begin() as connection:
            connection.execute(sa.update(units).where(units.c.lease.in_(leases)).values(until=self._clock() + LEASE_S))

    def give_back(self, unit: Unit) -> None:
        """It was not worked on after all, and waits again."""
        with self._store.engine.begin() as connection:
            connection.execute(sa.update(units).where(_held(unit)).values(**_waiting(), attempts=unit.attempts - 1))

    def leave(self, unit: Unit) -> None:
        """Whoever worked on it died; it waits for another."""
        with self._store.engine.begin() as connection:
            connection.execute(sa.update(units).where(_held(unit)).values(**_waiting()))

    def release(self) -> None:
        """Give back all that this service has, as it stops."""
        mine = sa.and_(units.c.runner == self.runner, units.c.state == "leased")
        with self._store.engine.begin() as connection:
            connection.execute(sa.update(units).where(mine).values(**_waiting(), attempts=units.c.attempts - 1))

    def bury(self) -> None:
        """Take what services of this machine had that no longer run; those of others are left to their time."""
        with self._store.engine.begin() as connection:
            runners = connection.execute(sa.select(units.c.runner).where(units.c.state == "leased").distinct()).scalars().all()
            dead = [runner for runner in runners if runner and _is_dead(runner)]
            connection.execute(sa.update(units).where(units.c.state == "leased", units.c.runner.in_(dead)).values(**_waiting()))

    def begin(self, unit: Unit, kind: str, pages: Sequence[int], remark: str = "") -> bool:
        """The file has these pages to be read: they are shares now. False where the lease is lost.

        `remark` is something to say of the file, as a sentence.
        """
        with self._store.engine.begin() as connection:
            if not self._take(connection, unit):
                return False
            now = self._clock()
            values = {"state": "running", "kind": kind, "pages": len(pages), "started": now, "error": remark}
            connection.execute(sa.update(jobs).where(jobs.c.id == unit.job).values(**values))
            rows = [
                {"job": unit.job, "number": n, "page": page, "state": "waiting", "attempts": 0} for n, page in enumerate(pages, 1)
            ]
            connection.execute(sa.insert(units), rows)
        return True

    def keep_source(self, unit: Unit, content: bytes) -> bool:
        """Keep the file that a URL led to. False where the lease is lost or the job would be over the limit of all."""
        with self._store.engine.begin() as connection:
            alone(connection)
            if not self._is_mine(connection, unit) or self._is_full(connection, len(content)):
                return False
            source = {"job": unit.job, "name": store.SOURCE, "media_type": "application/octet-stream", "content": content}
            connection.execute(sa.delete(blobs).where(blobs.c.job == unit.job, blobs.c.name == store.SOURCE))
            connection.execute(sa.insert(blobs).values(**source))
            connection.execute(sa.update(jobs).where(jobs.c.id == unit.job).values(bytes=len(content)))
        return True

    def fail(self, unit: Unit, reason: str) -> bool:
        """The whole job has come to nothing. False where the lease is lost."""
        with self._store.engine.begin() as connection:
            if not self._take(connection, unit):
                return False
            store.ended(connection, unit.job, "failed", reason, self._clock())
        return True

    def finish(self, unit: Unit, answer: Answer) -> bool:
        """A page is done, and with the last one the job; whether it is now."""
        now = self._clock()
        with self._store.engine.begin() as connection:
            # One at a time for each job, so that one of them finds that it is the last.
            lock = sa.select(jobs.c.id).where(jobs.c.id == unit.job, jobs.c.state == "running").with_for_update()
            if connection.execute(lock).one_or_none() is None or not self._take(connection, unit):
                return False
            if self._is_full(connection, answer.size):
                limit = self._store.bounds.total_bytes // store.MEBIBYTE
                store.ended(connection, unit.job, "failed", f"The results of all jobs are over {limit} MiB (jobs_max_mb).", now)
                return True
            values = {"result": answer.result, "lost": answer.lost}
            connection.execute(sa.update(units).where(units.c.job == unit.job, units.c.number == unit.number).values(**values))
            for name, blob in answer.blobs.items():
                row = {"job": unit.job, "name": name, "media_type": blob.media_type, "content": blob.content}
                connection.execute(sa.insert(blobs).values(**row))
            grown = {"done": jobs.c.done + 1, "bytes": jobs.c.bytes + answer.size}
            connection.execute(sa.update(jobs).where(jobs.c.id == unit.job).values(**grown))
            left = sa.select(sa.func.count()).select_from(units).where(units.c.job == unit.job, units.c.state != "done")
            if connection.execute(left).scalar_one():
                return False
            self._end(connection, unit.job, now)
        return True

    def due_call(self) -> tuple[str, int] | None:
        """A job whose caller is to be told of its end, and the how manieth try this is; nobody else gets it for a while."""
        now = self._clock()
        wanted = sa.select(calls).where(calls.c.due <= now).order_by(calls.c.due).limit(1).with_for_update(skip_locked=True)
        with self._store.engine.begin() as connection:
            row = connection.execute(wanted).one_or_none()
            if row is None:
                return None
            values = {"due": now + CALL_LEASE_S, "attempts": row.attempts + 1}
            connection.execute(sa.update(calls).where(calls.c.job == row.job).values(**values))
        return row.job, row.attempts + 1

    def called(self, job: str, again_in: float | None) -> None:
        """The caller was told, or is to be in so many seconds."""
        with self._store.engine.begin() as connection:
            if again_in is None:
                connection.execute(sa.delete(calls).where(calls.c.job == job))
            else:
                connection.execute(sa.update(calls).where(calls.c.job == job).values(due=self._clock() + again_in))

    def _end(self, connection: sa.Connection, job: str, now: float) -> None:
        """All pages are done: whether that is a success, and what is to be said of those that could not be read."""
        pages = connection.execute(
            sa.select(units.c.page, units.c.lost).where(units.c.job == job, units.c.number > 0).order_by(units.c.number)
        ).all()
        lost = [row for row in pages if row.lost is not None]
        remark = connection.execute(sa.select(jobs.c.error).where(jobs.c.id == job)).scalar_one()
        said = [f"Page {row.page + 1} was not read: {row.lost}" if len(pages) > 1 else str(row.lost) for row in lost]
        reason = " ".join(filter(None, [remark, *said]))
        store.ended(connection, job, "failed" if len(lost) == len(pages) else "done", reason[:10_000], now)

    def _take(self, connection: sa.Connection, unit: Unit) -> bool:
        """Mark a share as done, if it is still this one's."""
        values: dict[str, Any] = {"state": "done", "lease": None, "runner": None, "until": None}
        return bool(connection.execute(sa.update(units).where(_held(unit)).values(**values)).rowcount)

    def _is_mine(self, connection: sa.Connection, unit: Unit) -> bool:
        return connection.execute(sa.select(units.c.number).where(_held(unit))).one_or_none() is not None

    def _is_full(self, connection: sa.Connection, more: int) -> bool:
        return store.held(connection) + more > self._store.bounds.total_bytes


def _held(unit: Unit) -> sa.ColumnElement[bool]:
    return sa.and_(units.c.job == unit.job, units.c.number == unit.number, units.c.lease == unit.lease)


def _waiting() -> dict[str, Any]:
    return {"state": "waiting", "lease": None, "runner": None, "until": None}


def _here() -> str:
    """This machine and, of it, the processes that can see each other; process ids mean something only there."""
    return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> str:
    """When a process was started, in the kernel's own measure; "" where there is none, or none any more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # What is dead may keep its number until its parent asks.
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""


def _is_dead(runner: str) -> bool:
    here, pid, started = runner.rsplit(" ", 2)
    return here == _here() and _started(int(pid)) != started
