"""Archives are taken apart without trust."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_serving.errors import ModelError
from ocr_serving.models.archive import unpack

Pack = Callable[[Path, dict[str, bytes]], Path]


def pack_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.with_suffix(".zip")


def pack_tar(path: Path, files: dict[str, bytes], suffix: str = ".tar") -> Path:
    path = path.with_suffix(suffix)
    with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def pack_tgz(path: Path, files: dict[str, bytes]) -> Path:
    return pack_tar(path, files, ".tar.gz")


all_kinds = pytest.mark.parametrize("pack", [pack_zip, pack_tar, pack_tgz])


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "into"
    folder.mkdir(parents=True)
    return folder


@all_kinds
def test_single_folder_at_the_top_is_left_out(pack: Pack, tmp_path: Path, into: Path) -> None:
    archive = pack(tmp_path / "a", {"x_infer/inference.onnx": b"1", "x_infer/sub/x_infer/keys.txt": b"2"})
    unpack(archive, into, name=archive.name)
    assert (into / "inference.onnx").read_bytes() == b"1"
    assert (into / "sub/x_infer/keys.txt").read_bytes() == b"2"
    assert list(into.parent.iterdir()) == [into]


@all_kinds
def test_several_entries_stay_where_they_are(pack: Pack, tmp_path: Path, into: Path) -> None:
    archive = pack(tmp_path / "a", {"./det/inference.onnx": b"1", "rec/inference.onnx": b"2"})
    unpack(archive, into, name=archive.name)
    assert (into / "det/inference.onnx").read_bytes() == b"1"


@all_kinds
@pytest.mark.parametrize("member", ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\evil", "C:evil", "a\nb"])
def test_path_out_of_the_folder(pack: Pack, member: str, tmp_path: Path, into: Path) -> None:
    archive = pack(tmp_path / "a", {"good": b"1", member: b"evil"})
    with pytest.raises(ModelError, match="unsafe path"):
        unpack(archive, into, name=archive.name)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar(kind: bytes, tmp_path: Path, into: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        entry = tarfile.TarInfo("innocent")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(ModelError, match=r"link or device \(innocent\)"):
        unpack(tmp_path / "a.tar", into, name="a.tar")
    assert not list(into.iterdir())


def test_link_in_a_zip(tmp_path: Path, into: Path) -> None:
    info = zipfile.ZipInfo("innocent")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ModelError, match="link or device"):
        unpack(tmp_path / "a.zip", into, name="a.zip")


@all_kinds
def test_bomb(pack: Pack, tmp_path: Path, into: Path) -> None:
    archive = pack(tmp_path / "a", {"a": bytes(600), "b": bytes(600)})
    with pytest.raises(ModelError, match="more than"):
        unpack(archive, into, name=archive.name, max_bytes=1000)
    assert sum(path.stat().st_size for path in into.iterdir()) <= 1000


@all_kinds
def test_file_where_a_folder_must_be(pack: Pack, tmp_path: Path, into: Path) -> None:
    archive = pack(tmp_path / "a", {"a": b"1", "a/b": b"2"})
    with pytest.raises(ModelError, match="holds a/b twice"):
        unpack(archive, into, name=archive.name)


@all_kinds
def test_empty(pack: Pack, tmp_path: Path, into: Path) -> None:
    archive = pack(tmp_path / "a", {})
    with pytest.raises(ModelError, match="holds no file"):
        unpack(archive, into, name=archive.name)


@all_kinds
def test_cut_short_or_garbled(pack: Pack, tmp_path: Path, into: Path) -> None:
    archive = pack(tmp_path / "a", {"a": bytes(range(256)) * 40, "b": b"2" * 5000})
    content = archive.read_bytes()
    for broken in (content[: len(content) // 2], b"\x00garbage" + content[8:], content[:60] + b"\xff" * 40 + content[100:]):
        archive.write_bytes(broken)
        for path in into.iterdir():
            path.unlink()
        with pytest.raises(ModelError, match=r"damaged|unsafe|link"):
            unpack(archive, into, name=archive.name)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_damage_anywhere_has_its_sentence(method: int, tmp_path: Path, into: Path) -> None:
    """Every 7th byte of an archive, one after the other, is another one; what is then wrong is said, or nothing is."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", method) as pack:
        pack.writestr("m/inference.onnx", bytes(range(200)))
    whole = archive.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        target = into / str(at)
        target.mkdir()
        try:
            unpack(archive, target, name="a.zip")
        except ModelError as error:
            refused += 1
            assert str(error).startswith("a.zip ")
    assert refused
