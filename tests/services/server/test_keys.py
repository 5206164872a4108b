"""Keys in a file, and what may happen to that file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import requests

from helpers.services import ECHO, serve
from ocr_serving.errors import ConfigError
from ocr_serving.server.keys import ApiKeys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def allowed(keys: ApiKeys, *presented: str) -> list[bool]:
    return [keys.caller(key) is not None for key in presented]


def test_a_hash_begins_a_comment_but_not_within_a_key(file: Path) -> None:
    file.write_text("\ufeff# ours\nplain\nwith#hash\n  indented  # Anna's\n#no\n\t# nor this\n", encoding="utf-8")
    keys = ApiKeys(file)
    assert allowed(keys, "plain", "with#hash", "indented") == [True] * 3
    assert allowed(keys, "with", "# ours", "ours", "no", "#no", "", "nor this") == [False] * 7
    assert keys.caller("plain") != keys.caller("with#hash")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "holds no key"), (b"# none\n", "holds no key"), (b"k\xffy\n", "not UTF-8"), (None, "cannot be read")],
)
def test_a_file_without_keys_is_refused_at_the_start_and_later_leaves_the_last_good_ones(
    file: Path, content: bytes | None, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("good\n")
    keys = ApiKeys(file)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        ApiKeys(file)
    assert allowed(keys, "good", "good", "") == [True, True, False]
    # Said once, not at every call.
    assert [record.getMessage() for record in caplog.records if says in record.getMessage()] == [caplog.records[0].getMessage()]
    file.write_text("new\n")
    assert allowed(keys, "good", "new") == [False, True]


def test_a_change_within_the_tick_of_the_clock_is_seen(file: Path) -> None:
    """Rewritten in place, to the same length, with the same time."""
    file.write_text("key-1\n")
    keys = ApiKeys(file)
    assert allowed(keys, "key-1") == [True]
    times = file.stat()
    with file.open("r+") as open_file:
        open_file.write("key-2\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert allowed(keys, "key-1", "key-2") == [False, True]


def test_keys_may_protect_all_but_the_probes(file: Path, tmp_path: Path) -> None:
    file.write_text("secret\n")
    with serve(tmp_path, {str(ECHO): {}}, workers=1, api_keys_file=str(file), api_keys_for="all") as service:
        for path in ("/", "/metrics", "/modules", "/openapi.json", "/nope"):
            answer = requests.get(service.url + path, timeout=10)
            assert (answer.status_code, answer.json()["status"]) == (401, "101")
            # What a browser sends once it has asked for a password.
            code = requests.get(service.url + path, auth=("anybody", "secret"), timeout=10).status_code
            assert code == (404 if path == "/nope" else 200)
        for probe in ("/healthz", "/readyz"):
            assert requests.get(service.url + probe, timeout=10).status_code == 200
