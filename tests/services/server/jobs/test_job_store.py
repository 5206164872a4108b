"""Jobs and their leases, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ocr_serving.errors import ConfigError, FullError
from ocr_serving.server.jobs import leases, tables
from ocr_serving.server.jobs.leases import Answer, Leases, Unit
from ocr_serving.server.jobs.request import Submission
from ocr_serving.server.jobs.store import Blob, Bounds, Job, Store

ANN, BOB = "ann", "bob"
BOUNDS = Bounds(total_bytes=10_000, open_jobs=5, keep_s=3600)
FAMILIES = ["ocr", "document"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> sa.URL:
    """Where an empty store is."""
    if request.param == "sqlite":
        return tables.sqlite_url(tmp_path)
    database: Callable[[], str] = request.getfixturevalue("postgres")
    return tables.parsed(database())


class Clock:
    """Tells what it is set to."""

    now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: sa.URL, clock: Clock) -> Iterator[Store]:
    made = Store(url, BOUNDS, clock)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def runner(store: Store, clock: Clock) -> Leases:
    return Leases(store, clock)


def sent(content: bytes = b"file", **more: str) -> Submission:
    return Submission(model="PP-OCRv5", family=more.pop("family", "ocr"), content=content, **more)


def claimed(runner: Leases) -> Unit:
    unit = runner.claim(FAMILIES)
    assert unit is not None
    return unit


def job_of(store: Store, name: str) -> Job:
    job = store.job(name)
    assert job is not None
    return job


def begun(store: Store, runner: Leases, pages: int, owner: str = ANN, callback: str = "") -> str:
    """A job whose pages wait to be read."""
    name = store.create(owner, sent(callback=callback))
    unit = claimed(runner)
    assert (unit.job, unit.number) == (name, 0)
    assert runner.begin(unit, "pdf", range(pages))
    return name


def test_a_job_goes_from_pending_over_running_to_done(store: Store, runner: Leases) -> None:
    name = store.create(ANN, sent(batch="b", page_ranges="1-2", options='{"visualize":false}'))
    assert job_of(store, name).state == "pending"
    unit = claimed(runner)
    assert (unit.job, unit.page_ranges, unit.options, unit.owner) == (name, "1-2", '{"visualize":false}', ANN)
    assert runner.begin(unit, "pdf", [0, 1], "It is damaged.")
    assert (job_of(store, name).state, job_of(store, name).pages) == ("running", 2)
    first, second = claimed(runner), claimed(runner)
    assert (first.page, second.page) == (0, 1)
    assert runner.claim(FAMILIES) is None
    assert not runner.finish(second, Answer('{"page":2}', {"2/a.jpg": Blob(b"picture", "image/jpeg")}))
    assert job_of(store, name).done == 1
    assert runner.finish(first, Answer(lost="It cannot be read."))
    job = job_of(store, name)
    assert (job.state, job.done, job.error) == ("done", 2, "It is damaged. Page 1 was not read: It cannot be read.")
    assert store.results(name) == [(0, None, "It cannot be read."), (1, '{"page":2}', None)]
    assert store.blob(name, "2/a.jpg") == Blob(b"picture", "image/jpeg")
    assert store.blob(name, "") is None, "the file was needed no longer"
    assert job.bytes == len('{"page":2}') + len(b"picture")


def test_a_job_of_which_no_page_can_be_read_has_failed(store: Store, runner: Leases) -> None:
    name = begun(store, runner, 1)
    assert runner.finish(claimed(runner), Answer(lost="It cannot be read."))
    assert (job_of(store, name).state, job_of(store, name).error) == ("failed", "It cannot be read.")


def test_jobs_are_their_owners_alone(store: Store) -> None:
    name = store.create(ANN, sent(batch="b"))
    store.create(BOB, sent(batch="b"))
    assert store.job(name, BOB) is None
    assert store.cancel(name, BOB) is None
    assert [job.id for job in store.batch("b", ANN)] == [name]
    assert job_of(store, name).state == "pending"


def test_a_share_is_nobody_elses_until_its_lease_is_over(store: Store, runner: Leases, url: sa.URL, clock: Clock) -> None:
    name = begun(store, runner, 1)
    other = Store(url, BOUNDS)
    other.prepare()
    elsewhere = Leases(other, clock)
    unit = claimed(runner)
    clock.now += leases.LEASE_S - 1
    assert elsewhere.claim(FAMILIES) is None
    clock.now += 2
    again = claimed(elsewhere)
    assert (again.job, again.number, again.attempts) == (name, 1, 2)
    assert not runner.finish(unit, Answer("late")), "it was given to another"
    assert elsewhere.finish(again, Answer("in time"))
    assert store.results(name) == [(0, "in time", None)]
    other.close()


def test_who_renews_keeps_a_share(store: Store, runner: Leases, clock: Clock) -> None:
    begun(store, runner, 1)
    unit = claimed(runner)
    clock.now += leases.LEASE_S - 1
    runner.renew([unit.lease])
    clock.now += leases.LEASE_S - 1
    assert runner.claim(FAMILIES) is None
    assert runner.finish(unit, Answer("done"))


def test_what_stops_gives_its_shares_back_and_what_died_leaves_them(store: Store, runner: Leases) -> None:
    begun(store, runner, 1)
    claimed(runner)
    runner.release()
    unit = claimed(runner)
    assert unit.attempts == 1, "nothing was wrong with it"
    runner.leave(unit)
    assert claimed(runner).attempts == 2


def test_shares_of_a_service_that_was_killed_on_this_machine_are_free_at_once(store: Store, runner: Leases, clock: Clock) -> None:
    begun(store, runner, 2)
    here, pid, started = runner.runner.rsplit(" ", 2)
    killed, elsewhere = Leases(store, clock), Leases(store, clock)
    killed.runner = f"{here} {pid} {int(started) - 1}"
    elsewhere.runner = f"another-machine pid:[1] {pid} 1"
    mine, other = claimed(killed), claimed(elsewhere)
    assert runner.claim(FAMILIES) is None
    runner.bury()
    assert claimed(runner).number == mine.number
    assert runner.claim(FAMILIES) is None, f"nobody here knows of {other.job}'s other page"


def test_nobody_gets_the_same_share_however_many_ask_at_once(store: Store, runner: Leases) -> None:
    begun(store, runner, 40)
    found: list[int] = []

    def take() -> None:
        while (unit := runner.claim(FAMILIES)) is not None:
            found.append(unit.number)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 41))


def test_the_last_page_ends_the_job_however_many_finish_at_once(store: Store, runner: Leases) -> None:
    name = begun(store, runner, 8)
    shares = [claimed(runner) for _ in range(8)]
    threads = [threading.Thread(target=runner.finish, args=[unit, Answer("r")]) for unit in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (job_of(store, name).state, job_of(store, name).done) == ("done", 8)


def test_who_sends_much_waits_for_it_and_nobody_else_does(store: Store, runner: Leases) -> None:
    large = begun(store, runner, 4)
    claimed(runner)
    small = store.create(BOB, sent())
    assert claimed(runner).job == small
    assert claimed(runner).job == large, "both have one at work now, and this came first"


def test_only_what_a_service_can_read_is_taken(store: Store, runner: Leases) -> None:
    name = store.create(ANN, sent(family="document"))
    assert runner.claim(["ocr"]) is None
    assert claimed(runner).job == name


def test_a_cancelled_job_is_worked_on_no_more(store: Store, runner: Leases) -> None:
    name = begun(store, runner, 2)
    unit = claimed(runner)
    job = store.cancel(name, ANN)
    assert job is not None
    assert (job.state, job.error, job.bytes) == ("cancelled", "The job was cancelled.", 0)
    assert runner.claim(FAMILIES) is None
    assert not runner.finish(unit, Answer("late"))
    assert store.results(name) == []
    assert store.cancel(name, ANN) is not None
    assert store.job(name) is None, "one that has ended is removed"


def test_a_caller_has_so_many_open_jobs(store: Store) -> None:
    for _ in range(BOUNDS.open_jobs):
        store.create(ANN, sent())
    with pytest.raises(FullError, match=r"5 of your jobs are not done yet, as many as may \(jobs_max_open\)"):
        store.create(ANN, sent())
    store.create(BOB, sent())


def test_all_jobs_together_are_bounded(store: Store, runner: Leases) -> None:
    store.create(ANN, sent(bytes(9_000)))
    with pytest.raises(FullError, match=r"over the limit of 0 MiB \(jobs_max_mb\)"):
        store.create(BOB, sent(bytes(2_000)))
    unit = claimed(runner)
    runner.begin(unit, "image", [0])
    assert runner.finish(claimed(runner), Answer("x" * 2_000))
    job = job_of(store, unit.job)
    assert (job.state, job.bytes) == ("failed", 0)
    assert "jobs_max_mb" in job.error
    store.create(BOB, sent(bytes(2_000)))


def test_a_file_that_a_url_led_to_is_bounded_too(store: Store, runner: Leases) -> None:
    store.create(ANN, sent(b"", url="http://example.org/a"))
    unit = claimed(runner)
    assert not runner.keep_source(unit, bytes(20_000))
    assert runner.keep_source(unit, bytes(5_000))
    assert job_of(store, unit.job).bytes == 5_000


def test_old_jobs_are_removed_and_open_ones_ended_first(store: Store, clock: Clock) -> None:
    name = store.create(ANN, sent())
    clock.now += BOUNDS.keep_s + 1
    assert store.tidy() == 0
    job = job_of(store, name)
    assert job.state == "failed"
    assert "jobs_keep_hours" in job.error
    clock.now += BOUNDS.keep_s + 1
    assert store.tidy() == 1
    assert store.job(name) is None
    with store.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.blobs)).scalar_one() == 0


def test_a_caller_is_told_until_it_was_told(store: Store, runner: Leases) -> None:
    name = begun(store, runner, 1, callback="http://example.org/hook")
    assert runner.due_call() is None
    runner.finish(claimed(runner), Answer("r"))
    assert runner.due_call() == (name, 1)
    assert runner.due_call() is None, "another tells it just now"
    runner.called(name, 0.0)
    assert runner.due_call() == (name, 2)
    runner.called(name, None)
    assert runner.due_call() is None


def test_keys_and_links_of_a_store_are_its_own(store: Store, url: sa.URL, tmp_path: Path) -> None:
    again = Store(url, BOUNDS)
    again.prepare()
    assert again.owner("key") == store.owner("key") != store.owner("other")
    assert "key" not in store.owner("key")
    assert again.is_signed("j", store.signature("j"))
    assert not store.is_signed("j", store.signature("k"))
    assert not store.is_signed("j", "é")
    (tmp_path / "other").mkdir()
    other = Store(tables.sqlite_url(tmp_path / "other"), BOUNDS)
    other.prepare()
    assert not other.is_signed("j", store.signature("j"))
    other.close()
    again.close()


def test_tables_of_another_version_are_left_alone(store: Store, url: sa.URL) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.update(tables.facts).where(tables.facts.c.name == "schema").values(value="99"))
    later = Store(url, BOUNDS)
    with pytest.raises(ConfigError, match="holds jobs of version 99, not 1: name another"):
        later.prepare()
    later.close()


def test_services_that_start_together_make_the_tables_once(url: sa.URL) -> None:
    stores = [Store(url, BOUNDS) for _ in range(4)]
    threads = [threading.Thread(target=store.prepare) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({store.owner("key") for store in stores}) == 1
    for store in stores:
        store.close()


def test_space_that_is_free_is_given_back(tmp_path: Path) -> None:
    store = Store(tables.sqlite_url(tmp_path), Bounds(100 << 20, 5, 3600))
    store.prepare()
    name = store.create(ANN, sent(bytes(8 << 20)))
    store.cancel(name, ANN)
    store.close()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1 << 20


@pytest.mark.parametrize("text", ["mysql://a/b", "redis://a", "no url", "postgresql+psycopg2://a/b"])
def test_a_store_is_postgresql(text: str) -> None:
    with pytest.raises(ConfigError, match=r"jobs_store is no URL of a PostgreSQL database: write postgresql://"):
        tables.parsed(text)
