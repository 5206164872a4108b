"""How `make test` shares the tests among processes: what asks the same slow start stays together, what waits most comes first."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

FIRST = ("tests/operator/", "tests/chart/")
"""Folders with an API server: minutes of waiting, beside which the other process computes; they make one unit."""
TOGETHER = ("tests/contract/",)
"""Folders whose files ask the same services: one process runs all of one."""


class ByUnit(LoadScopeScheduling):
    """Whoever has nearly done takes the next unit, in the order of collection: a folder of TOGETHER, or a file."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def unit(nodeid: str) -> str:
    """What the test is handed out with."""
    if nodeid.startswith(FIRST):
        return FIRST[0]
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


def put_first(items: list[pytest.Item]) -> None:
    """Begin with FIRST; the rest stays in its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
