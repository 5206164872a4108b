"""What tests of engines share."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Pretends that this machine's CPU has certain features, as no test can change it."""

    def be(features: str) -> None:
        monkeypatch.setattr("ocr_serving.machine.cpu_features", lambda: frozenset(features.split()))

    return be
