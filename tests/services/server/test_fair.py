"""Whose turn it is."""

from __future__ import annotations

import pytest

from ocr_serving.server.fair import FairQueue


def filled(*items: str) -> FairQueue[str]:
    """Items named by their caller and a number."""
    queue: FairQueue[str] = FairQueue()
    for item in items:
        queue.put(item[0], item)
    return queue


def test_callers_take_turns_and_keep_their_own_order() -> None:
    queue = filled("a1", "a2", "a3", "b1", "c1", "c2")
    taken = []
    while len(queue):
        taken.append(queue.take())
        queue.done(taken[-1][0], 1)
    assert taken == ["a1", "b1", "c1", "a2", "c2", "a3"]
    with pytest.raises(IndexError):
        queue.take()


def test_who_has_others_at_work_waits_for_who_has_none() -> None:
    queue = filled("a1", "a2", "a3")
    assert [queue.take(), queue.take()] == ["a1", "a2"]
    queue.put("b", "b1")
    queue.done("a", 1)
    assert queue.take() == "b1"
    assert queue.take() == "a3"
    assert (queue.held("a"), queue.held("b"), queue.held("c")) == (2, 1, 0)


def test_what_is_put_back_is_next_again() -> None:
    queue = filled("a1", "a2", "b1")
    assert queue.take() == "a1"
    queue.put_back("a", "a1")
    assert queue.take() == "a1"
    assert queue.clear() == ["a2", "b1"] or queue.clear() == []


def test_who_sends_what_takes_long_waits_for_who_does_not() -> None:
    """Four whose items take half a minute, and a fifth whose take a second."""
    queue, order = filled("a", "b", "c", "d"), []

    def serve() -> None:
        caller = queue.take()
        order.append(caller)
        queue.done(caller, 1 if caller == "e" else 30)
        queue.put(caller, caller)

    for _ in range(2):
        serve()
    serve()
    serve()
    # All had the same: whoever comes now is next, and again until he has had as much as each of them.
    queue.put("e", "e")
    for _ in range(34):
        serve()
    assert "".join(order[4:]) == "e" * 30 + "abcd"


def test_callers_that_went_are_forgotten() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(1000):
        for caller in ("always the same", f"caller {n}"):
            queue.put(caller, caller)
        queue.done(queue.take(), 1)
    assert len(queue._spent) < 500
