"""How boxes of words are compared with true ones."""

from __future__ import annotations

import pytest
from benchmarks.library import boxes
from benchmarks.library.boxes import Boxes


def test_iou() -> None:
    assert boxes.iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert boxes.iou((0, 0, 10, 10), (20, 0, 30, 10)) == 0


def test_words_are_paired_by_text_and_place_each_once() -> None:
    true = [("To:", (0.0, 0.0, 10.0, 10.0)), ("to:", (50.0, 0.0, 60.0, 10.0)), ("lost", (0.0, 50.0, 9.0, 60.0))]
    read = [("TO:", (0.0, 0.0, 10.0, 10.0)), ("TO:", (57.5, 0.0, 67.5, 10.0)), ("else", (0.0, 50.0, 9.0, 60.0))]
    placed = boxes.compare(read, true)
    assert (placed.matched, placed.read, placed.placed, placed.true) == (1, 2, 2, 3)
    assert placed.share == 0.5
    assert placed.found == pytest.approx(2 / 3)
    assert placed.mean == pytest.approx((1 + 1 / 7) / 2)
    assert (placed + placed).mean == pytest.approx(placed.mean)
    assert Boxes().mean == Boxes().share == 1.0


def test_parts_of_a_word_that_was_read_as_one_are_one() -> None:
    true = [("FAX", (0.0, 0.0, 20.0, 10.0)), ("312-", (30.0, 0.0, 50.0, 10.0)), ("558", (50.0, 0.0, 60.0, 10.0))]
    read = [("Fax", (0.0, 0.0, 20.0, 10.0)), ("312-558", (30.0, 0.0, 60.0, 10.0))]
    assert boxes.compare(read, true) == Boxes(overlap=2.0, matched=2, read=2, placed=2, true=2)
    apart = [("FAX312-", (200.0, 0.0, 250.0, 10.0))]
    assert boxes.joined(apart, true) == true


def test_the_box_around_a_sloping_word() -> None:
    assert boxes.bounds([[3, 4], [13, 2], [14, 9], [4, 11]]) == (3, 2, 14, 11)
