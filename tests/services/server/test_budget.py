"""Who has to go where bodies together are too many bytes."""

from __future__ import annotations

import pytest

from ocr_serving.errors import FullError
from ocr_serving.server.budget import Budget


class Body:
    """Remembers whether it was dropped."""

    dropped = False

    def drop(self) -> None:
        self.dropped = True


def test_the_largest_unfinished_one_goes_first() -> None:
    budget, small, large = Budget(100), Body(), Body()
    budget.grow(large, 70)
    budget.grow(small, 20)
    budget.grow(small, 20)
    assert (large.dropped, small.dropped, budget.total) == (True, False, 40)


def test_who_is_the_largest_is_told_so() -> None:
    budget, small, large = Budget(100), Body(), Body()
    budget.grow(small, 30)
    budget.grow(large, 60)
    with pytest.raises(FullError, match="max_held_mb"):
        budget.grow(large, 20)
    assert (small.dropped, budget.total) == (False, 30)


def test_one_that_is_complete_is_kept_until_it_is_answered() -> None:
    budget, kept, late = Budget(100), Body(), Body()
    budget.grow(kept, 100)
    budget.keep(kept)
    with pytest.raises(FullError):
        budget.check()
    with pytest.raises(FullError):
        budget.grow(late, 1)
    assert not kept.dropped
    budget.release(kept)
    budget.check()
    budget.grow(late, 100)
    budget.release(late)
    assert budget.total == 0
