"""Clients in a closed loop: what they ask for, what they count, and that nothing is forgotten."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from benchmarks.library import load
from benchmarks.library.load import Outcome, Reply

READ = Reply(Outcome.ANSWERED, lines=3)


def test_a_sequence_is_whole_rounds_of_the_pages() -> None:
    assert load.sequence(3, 4) == [0, 1, 2, 0, 1, 2]
    assert load.sequence(3, 6) == [0, 1, 2, 0, 1, 2]
    assert load.sequence(3, 0) == [0, 1, 2]


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [load.percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50.0, 95.0, 99.0, 100.0]
    assert load.percentile([7.0], 0.01) == 7.0
    assert load.percentile([], 0.5) is None


def test_every_page_is_asked_for_once_in_order_by_a_single_client() -> None:
    asked: list[int] = []
    steps: list[None] = []

    def ask(page: int) -> Reply:
        asked.append(page)
        return READ

    seen = load.drive(ask, [2, 0, 1], clients=1, step=lambda: steps.append(None))
    assert asked == [2, 0, 1]
    assert (len(seen.answered), seen.lines, seen.refused, seen.lost, len(steps)) == (3, 9, (), (), 3)


def test_clients_ask_at_the_same_time_and_no_more_than_there_are() -> None:
    together = threading.Barrier(3)
    inside, most, lock = 0, 0, threading.Lock()

    def ask(page: int) -> Reply:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait(10)  # broken, and the run with it, unless three are here at once
        with lock:
            inside -= 1
        return READ

    assert len(load.drive(ask, list(range(9)), clients=3).answered) == 9
    assert most == 3


def test_a_refused_page_is_tried_again_and_its_refusals_are_counted_apart() -> None:
    tries: Counter[int] = Counter()
    lock = threading.Lock()

    def ask(page: int) -> Reply:
        with lock:
            tries[page] += 1
            refused = page % 2 == 1 and tries[page] <= 2
        return Reply(Outcome.REFUSED, retry_after=0.01) if refused else READ

    seen = load.drive(ask, list(range(6)), clients=4)
    assert (len(seen.answered), len(seen.refused), seen.lost) == (6, 6, ())
    assert tries == {0: 1, 1: 3, 2: 1, 3: 3, 4: 1, 5: 3}


def test_a_client_that_is_refused_pauses_but_not_as_long_as_retry_after_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    replies = iter([Reply(Outcome.REFUSED, retry_after=60), Reply(Outcome.REFUSED), Reply(Outcome.REFUSED, retry_after=0.2), READ])
    assert len(load.drive(lambda page: next(replies), [0], clients=1).refused) == 3
    assert paused == [load.LONGEST_PAUSE_S, load.PAUSE_S, 0.2]


def test_a_page_refused_for_ever_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PATIENCE_S", 0.0)
    seen = load.drive(lambda page: Reply(Outcome.REFUSED, retry_after=0.001), [0, 1], clients=1)
    assert len(seen.lost) == 2


def test_what_a_server_cannot_recover_from_ends_the_run() -> None:
    def ask(page: int) -> Reply:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        load.drive(ask, [0] * 1000, clients=2)


def test_lost_pages_count_for_no_throughput() -> None:
    seen = load.drive(lambda page: READ if page else Reply(Outcome.LOST, why="code 500"), [0, 1, 0, 1], clients=2)
    assert seen.lost == ("code 500", "code 500")
    assert seen.rate == pytest.approx(2 / seen.seconds)
