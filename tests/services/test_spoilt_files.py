"""Files of whoever runs a service, spoilt in the same ways at each run: each is taken or refused in a sentence."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from ocr_serving import config
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.models.archive import unpack
from ocr_serving.server.keys import ApiKeys

WORDS = (
    b"null",
    b"-1",
    b"1e999",
    b"{}",
    b"[]",
    b"true",
    b'"\\ud800"',
    b"NaN",
    b'""',
    b"9" * 40,
    b"\xff",
    b"\0",
    b"#",
    b"\r",
    b"\n",
    b"..",
)
CONFIG = {
    "modules_info": {"ocr_system": {"init_args": {"use_gpu": False}, "params": {"det_limit_side_len": 960}}},
    "port": 8868,
    "workers": 2,
    "timeout_s": 1.5,
    "allowed_hosts": ["a.example"],
    "max_queue": None,
}


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """Some bytes of it replaced, taken out, or with something between them."""
    for _ in range(chance.choice((1, 1, 2, 6))):
        at = chance.randrange(len(data))
        put = chance.choice(WORDS) if chance.random() < 0.5 else bytes([chance.randrange(256)])
        data = data[:at] + put + data[at + chance.choice((0, 1, 1, 8)) :]
    return data


def test_a_configuration_is_taken_or_refused_in_a_sentence(tmp_path: Path) -> None:
    chance, file, refused = random.Random("config"), tmp_path / "config.json", 0
    for _ in range(600):
        file.write_bytes(spoilt(json.dumps(CONFIG).encode(), chance))
        try:
            config.build(config.read_file(file), {}, where=file.name)
        except ConfigError as exc:
            refused += 1
            assert str(exc).rstrip().endswith((".", ")")), exc
    assert 100 < refused < 600


def test_keys_are_read_or_the_last_good_ones_stay(tmp_path: Path) -> None:
    chance, file = random.Random("keys"), tmp_path / "keys"
    file.write_text("first\n")
    keys = ApiKeys(file)
    for _ in range(300):
        file.write_bytes(spoilt(b"# ours\nkey-1\nkey-2 # Anna's\n\nkey#3\n", chance))
        taken = [keys.caller(key) is not None for key in ("", " ", "#", "# ours", "key", "Anna's", "\0")]
        assert not any(taken[:2])
        try:
            fresh = ApiKeys(file)
        except ConfigError:
            continue
        assert all((keys.caller(key) is None) == (fresh.caller(key) is None) for key in ("first", "key-1", "key-2", "key#3"))


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_an_archive_is_unpacked_within_its_folder_or_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    chance, whole = random.Random(f"archive {kind}"), io.BytesIO()
    files = {"m/inference.onnx": bytes(range(256)) * 4, "m/inference.yml": b"Global:\n  model_name: m\n"}
    if kind == "zip":
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as pack:
            for name, content in files.items():
                pack.writestr(name, content)
    else:
        with tarfile.open(fileobj=whole, mode="w:gz" if kind == "tar.gz" else "w") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    folder, archive, refused = tmp_path / "in", tmp_path / f"a.{kind}", 0
    folder.mkdir()
    for n in range(150):
        archive.write_bytes(spoilt(whole.getvalue(), chance))
        target = folder / str(n)
        target.mkdir()
        try:
            unpack(archive, target, name=archive.name)
        except ModelError as exc:
            refused += 1
            assert str(exc).startswith(f"a.{kind} "), exc
    assert refused
    assert {path.name for path in tmp_path.iterdir()} == {"in", archive.name}
    assert {path.name for path in folder.iterdir()} == {str(n) for n in range(150)}
