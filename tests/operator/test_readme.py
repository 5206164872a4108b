"""README.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_each_test_that_is_named_is_there() -> None:
    named = re.findall(r"`([\w./]+\.py)::(\w+)`", (HERE / "README.md").read_text())
    assert named
    missing = [f"{path}::{name}" for path, name in named if f"\ndef {name}(" not in (HERE / path).read_text()]
    assert missing == []
