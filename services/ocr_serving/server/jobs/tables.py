"""The tables that jobs are kept in, in SQLite or PostgreSQL, and how either is opened."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from ocr_serving.errors import ConfigError

FILE = "jobs.sqlite"
SCHEMA = "1"
"""Of these tables; a service does not touch tables of another."""
LOCK = 0x6F637273
"""The advisory lock of PostgreSQL under which tables are made and the size of all jobs is looked at."""
BUSY_S = 30
"""Seconds to wait for whoever writes to the file."""
AUTO_VACUUM_FULL = 1

metadata = sa.MetaData()

facts = sa.Table(
    "ocr_facts", metadata, sa.Column("name", sa.String(32), primary_key=True), sa.Column("value", sa.Text, nullable=False)
)

jobs = sa.Table(
    "ocr_jobs",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("batch", sa.String(256), nullable=False),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("family", sa.String(16), nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("page_ranges", sa.String(1024), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("callback", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("created", sa.Float(53), nullable=False),
    sa.Column("started", sa.Float(53)),
    sa.Column("ended", sa.Float(53)),
    sa.Index("ocr_jobs_owner", "owner", "batch"),
    sa.Index("ocr_jobs_state", "state", "created"),
)
"""`state` is pending, running, done, failed or cancelled; times are seconds since 1970; `bytes` is what blobs and results take."""

units = sa.Table(
    "ocr_units",
    metadata,
    sa.Column("job", sa.String(64), sa.ForeignKey("ocr_jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease", sa.String(64)),
    sa.Column("runner", sa.String(255)),
    sa.Column("until", sa.Float(53)),
    sa.Column("result", sa.Text),
    sa.Column("lost", sa.Text),
    sa.Index("ocr_units_state", "state"),
)
"""What one worker does at a time: number 0 looks how many pages the file has, each other one reads the page `page` of it, from 0.

`state` is waiting, leased or done; a lease is `runner`'s until the time `until`. `lost` says why a page could not be read.
"""

blobs = sa.Table(
    "ocr_blobs",
    metadata,
    sa.Column("job", sa.String(64), sa.ForeignKey("ocr_jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("media_type", sa.String(128), nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
"""The file that was sent, under the name "", and the pictures of results."""

calls = sa.Table(
    "ocr_calls",
    metadata,
    sa.Column("job", sa.String(64), sa.ForeignKey("ocr_jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", sa.Float(53), nullable=False),
)
"""Callers who are still to be told that their job has ended, and when to try next."""


def sqlite_url(folder: Path) -> sa.URL:
    """The store in a folder of this machine."""
    return sa.URL.create("sqlite", database=str(folder / FILE))


def parsed(text: str) -> sa.URL:
    """The URL of a PostgreSQL database. Raises ConfigError."""
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        url = None
    if url is None or url.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ConfigError("jobs_store is no URL of a PostgreSQL database: write postgresql://user:password@host/database.")
    return url.set(drivername="postgresql+psycopg")


def opened(url: sa.URL) -> sa.Engine:
    """An engine for it; nothing is connected yet."""
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, pool_size=4, max_overflow=28, connect_args={"connect_timeout": 5})
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # Transactions are begun by `_begin` alone.
    connection.isolation_level = None
    for pragma in (
        f"auto_vacuum={AUTO_VACUUM_FULL}",
        "journal_mode=WAL",
        "journal_size_limit=16777216",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    # One who reads first and writes then could find at the second that another has written, with no way but to begin anew.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def made(engine: sa.Engine) -> str:
    """Make the tables where they are not there; the secret of this store, by which its links are signed and keys are known again.

    Raises ConfigError where there are tables of another version, and sa.exc.SQLAlchemyError.
    """
    with engine.begin() as connection:
        alone(connection)
        metadata.create_all(connection)
        rows = connection.execute(sa.select(facts.c.name, facts.c.value)).all()
        found: dict[str, str] = {row.name: row.value for row in rows}
        if not found:
            found = {"schema": SCHEMA, "secret": secrets.token_hex(32)}
            connection.execute(sa.insert(facts), [{"name": name, "value": value} for name, value in found.items()])
    if found.get("schema") != SCHEMA:
        raise ConfigError(
            f"The store holds jobs of version {found.get('schema')}, not {SCHEMA}: name another state_dir or jobs_store."
        )
    return found["secret"]


def alone(connection: sa.Connection) -> None:
    """Have nobody else do until the end of the transaction what is done after this; SQLite lets one alone write anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
