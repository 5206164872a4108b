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
        queue.done(taken[-1][0])
    assert taken == ["a1", "b1", "c1", "a2", "c2", "a3"]
    with pytest.raises(IndexError):
        queue.take()


def test_who_has_others_at_work_waits_for_who_has_none() -> None:
    queue = filled("a1", "a2", "a3")
    assert [queue.take(), queue.take()] == ["a1", "a2"]
    queue.put("b", "b1")
    queue.done("a")
    assert queue.take() == "b1"
    assert queue.take() == "a3"
    assert (queue.held("a"), queue.held("b"), queue.held("c")) == (2, 1, 0)


def test_what_is_put_back_is_next_again() -> None:
    queue = filled("a1", "a2", "b1")
    assert queue.take() == "a1"
    queue.put_back("a", "a1")
    assert queue.take() == "a1"
    assert queue.clear() == ["a2", "b1"] or queue.clear() == []
