"""A PostgreSQL server of the tests' own, and a database in it for each test that asks."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from helpers import needs
from helpers.services import free_port, wait_until

_NUMBERS = itertools.count(1)


def _user() -> str | None:
    """Who runs the server: it refuses to be root's."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Makes an empty database and tells its URL; tests that use it have the marker `postgres`."""
    programs = needs.postgres_folder()
    assert programs is not None, "PostgreSQL's server is missing"
    # Not where pytest keeps things: that is closed to everybody else, who may be the one that runs this.
    folder, user = Path(tempfile.mkdtemp(prefix="ocr-serving-postgres-")), _user()
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    port = free_port()
    data = folder / "data"
    initdb: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "ocr",
        "-A",
        "trust",
        "--no-sync",
        "--no-locale",
        "-E",
        "UTF8",
    ]
    subprocess.run(initdb, user=user, check=True, capture_output=True, cwd=folder)
    options = ["-c", "fsync=off", "-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1", "-p", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([programs / "postgres", "-D", data, *options], user=user, stdout=log, stderr=log, cwd=folder)
    url = f"postgresql://ocr@127.0.0.1:{port}"
    try:
        wait_until(lambda: server.poll() is not None or _answers(f"{url}/postgres"), "PostgreSQL to answer")
        assert server.poll() is None, (folder / "log").read_text()

        def database() -> str:
            name = f"jobs_{next(_NUMBERS)}"
            with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return f"{url}/{name}"

        yield database
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
