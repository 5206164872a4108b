"""Files that appear whole or not at all."""

import os
from pathlib import Path

import pytest

from ocr_serving import atomic


def test_a_file_is_replaced_and_is_as_public_as_asked(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    atomic.write(file, b"new", mode=0o600)
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    before = os.umask(0o027)
    try:
        atomic.write(file, b"newer")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="director"):
        atomic.write(tmp_path / "there", b"a folder is in the way")
    assert [entry.name for entry in tmp_path.iterdir()] == ["there"]
