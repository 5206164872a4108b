"""Pulling models: whole or not at all, whatever happens on the way."""

import contextlib
import errno
import io
import shutil
import signal
import tarfile
from pathlib import Path

import pytest

from helpers import networks
from helpers.site import QUICK, Answer, Notes, Site, python, sha256
from ocr_serving import models
from ocr_serving.config.params import RecognitionParams
from ocr_serving.engines import engine_options
from ocr_serving.errors import ModelError
from ocr_serving.stages.recognition import TextRecognizer

CONTENT = bytes(range(256)) * 4096
PULL = "import sys; from ocr_serving import models; models.pull(sys.argv[1:]); print('done')"

TALKATIVE_PULL = """
import sys
from ocr_serving import models
from ocr_serving.models.progress import Silent
class Talkative(Silent):
    def note(self, text): print(text, flush=True)
models.pull(sys.argv[1:], progress=Talkative())
print('done')
"""


def spec(site: Site, content: bytes, file: str = "x.onnx", name: str = "mine") -> str:
    return f"url={site.url}/{file},sha256={sha256(content)},name={name}"


def tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def left_in(store: Path) -> set[str]:
    return {entry.name for entry in store.iterdir()} - {".lock"}


@pytest.fixture
def pretender(store: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Makes `small_cls` a catalogue model of one small file, so that no test needs a package; its content."""
    content = b"a small model"
    file = models.ModelFile(name="inference.onnx", size=len(content), sha256=sha256(content))
    real = models.catalogue()["ch_ppocr_mobile_v2.0_cls"]
    small = real.model_copy(update={"name": "small_cls", "files": (file,)})
    for module in ("fetch", "store"):
        monkeypatch.setattr(f"ocr_serving.models.{module}.catalogue", lambda: {"small_cls": small})
    return content


def test_single_file_becomes_a_folder_an_engine_can_open(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT)]
    models.pull([spec(site, CONTENT, "some%20path/x.onnx?token=1")])
    assert models.resolve("mine").path == store / "mine"
    assert (store / "mine/inference.onnx").read_bytes() == CONTENT
    assert "token" not in (store / "mine/.model.json").read_text()
    assert left_in(store) == {"mine"}


def test_archive_is_unpacked(store: Path, site: Site) -> None:
    content = tar_gz({"my_rec_infer/inference.pdmodel": b"1", "my_rec_infer/my_dict.txt": "甲\n乙\n".encode()})
    site.answers = [Answer(content)]
    models.pull([spec(site, content, "my_rec_infer.tar.gz")])
    assert models.dictionary(models.resolve("mine").path) == ["甲", "乙"]
    assert (store / "mine").stat().st_mode & 0o777 == 0o755, "other users must be able to read a store"
    assert (store / "mine/.model.json").stat().st_mode & 0o777 == 0o644


def test_bad_archive_leaves_the_older_model(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT)]
    models.pull([spec(site, CONTENT)])
    evil = tar_gz({"../evil": b"1"})
    site.answers = [Answer(evil)]
    with pytest.raises(ModelError, match="unsafe path"):
        models.pull([spec(site, evil, "x.tar.gz")])
    assert (models.resolve("mine").path / "inference.onnx").read_bytes() == CONTENT


def test_present_model_needs_no_network(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT)]
    models.pull([spec(site, CONTENT)])
    notes = Notes()
    models.pull([spec(site, CONTENT)], progress=notes)
    assert notes.lines == ["mine: already here"]
    assert len(site.requests) == 1


def test_damaged_model_is_pulled_again(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT)]
    models.pull([spec(site, CONTENT)])
    (store / "mine/inference.onnx").write_bytes(b"rot")
    models.pull([spec(site, CONTENT)])
    assert (models.resolve("mine").path / "inference.onnx").read_bytes() == CONTENT
    assert left_in(store) == {"mine"}


def test_new_hash_under_the_same_name_replaces_the_model(store: Path, site: Site) -> None:
    for content in (CONTENT, b"newer"):
        site.answers = [Answer(content)]
        models.pull([spec(site, content)])
    assert (models.resolve("mine").path / "inference.onnx").read_bytes() == b"newer"


def test_wrong_hash_keeps_nothing(store: Path, site: Site) -> None:
    site.answers = [Answer(b"wrong")]
    with pytest.raises(ModelError, match="nothing was kept"):
        models.pull([spec(site, CONTENT)])
    assert left_in(store) == set()


def test_network_that_fails_keeps_only_what_can_go_on(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT, cut_after=700_000), Answer(status=503)]
    with pytest.raises(ModelError, match="answered 503"):
        models.pull([spec(site, CONTENT)], retry=QUICK)
    with pytest.raises(ModelError, match="not a model of the catalogue"):
        models.resolve("mine")
    site.requests.clear()
    site.answers = [Answer(CONTENT)]
    models.pull([spec(site, CONTENT)], retry=QUICK)
    assert site.requests[0]["Range"] == "bytes=700000-"
    assert left_in(store) == {"mine"}


def test_killed_pull_leaves_nothing_half_and_the_next_goes_on(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT, stall_after=700_000), Answer(CONTENT)]
    with python(PULL, spec(site, CONTENT)) as first:
        assert site.stalled.wait(30)
        # The server has sent its bytes; the pull has taken them once they are in its file.
        part = store / ".staging" / f"{sha256(CONTENT)}.part"
        while not part.exists() or not part.stat().st_size:
            assert first.poll() is None, first.stdout and first.stdout.read()
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert left_in(store) == {".staging"}
    stale = store / ".staging" / "wheel"
    stale.mkdir()

    class Watch(Notes):
        def begin(self, what: str, total: int | None) -> None:
            assert not stale.exists(), "what was left must make room first"

    models.pull([spec(site, CONTENT)], progress=Watch())
    assert site.requests[1]["Range"].startswith("bytes=")
    assert (models.resolve("mine").path / "inference.onnx").read_bytes() == CONTENT
    assert left_in(store) == {"mine"}


def test_two_pulls_at_once_fetch_once(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT, etag='"1"', stall_after=700_000), Answer(CONTENT, etag='"1"')]
    with python(PULL, spec(site, CONTENT)) as first:
        assert site.stalled.wait(30)
        with python(TALKATIVE_PULL, spec(site, CONTENT)) as second:
            assert second.stdout is not None
            assert "waiting for it to end" in second.stdout.readline()
            site.go_on.set()
            assert "done" in second.communicate(timeout=60)[0]
        assert "done" in first.communicate(timeout=60)[0]
    assert len(site.requests) == 2, "the first pull's two halves, and nothing of the second's"
    assert (models.resolve("mine").path / "inference.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("layout", ["store/small_cls", "store"])
def test_catalogue_model_from_a_folder(store: Path, pretender: bytes, tmp_path: Path, layout: str) -> None:
    home = tmp_path / "usb" / layout
    home.mkdir(parents=True)
    (home / "inference.onnx").write_bytes(pretender)
    models.pull(["small_cls"], folder=tmp_path / "usb/store")
    assert (models.resolve("small_cls").path / "inference.onnx").read_bytes() == pretender


@pytest.mark.parametrize("content", [b"a spoilt model", b"a s", b"A SMALL MODEL", b"a" * 5_000_000])
def test_other_content_in_the_folder_is_refused(store: Path, pretender: bytes, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inference.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="is not the file of the catalogue"):
        models.pull(["small_cls"], folder=tmp_path)
    assert left_in(store) == set()


def test_folder_without_the_model(store: Path, pretender: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"inference.onnx is missing; put its files there"):
        models.pull(["small_cls"], folder=tmp_path)


def test_adopting_a_folder_a_file_and_an_archive(store: Path, tmp_path: Path) -> None:
    (tmp_path / "det").mkdir()
    (tmp_path / "det/inference.pdmodel").write_bytes(b"1")
    (tmp_path / "rec.onnx").write_bytes(b"2")
    (tmp_path / "cls.tgz").write_bytes(tar_gz({"cls/inference.onnx": b"3"}))
    models.adopt(tmp_path / "det", "a")
    models.adopt(tmp_path / "rec.onnx", "b", sha256=sha256(b"2"))
    models.adopt(tmp_path / "cls.tgz", "c")
    assert (models.resolve("a").path / "inference.pdmodel").read_bytes() == b"1"
    assert (models.resolve("b").path / "inference.onnx").read_bytes() == b"2"
    assert (models.resolve("c").path / "inference.onnx").read_bytes() == b"3"


def test_what_cannot_be_adopted(store: Path, tmp_path: Path) -> None:
    (tmp_path / "rec.onnx").write_bytes(b"2")
    (tmp_path / "empty").mkdir()
    for path, digest, complaint in (
        (tmp_path / "none", None, "There is no"),
        (tmp_path / "rec.onnx", "0" * 64, "nothing was kept"),
        (tmp_path / "empty", None, "holds no file"),
        (tmp_path / "empty", "0" * 64, "is a folder"),
        (tmp_path, None, "holds the store"),
    ):
        with pytest.raises(ModelError, match=complaint):
            models.adopt(path, "mine", sha256=digest)
    assert not (store / "mine").exists()


@pytest.mark.parametrize("name", ["../evil", ".hidden", "", "a/b", "PP-OCRv6_tiny", "PP-OCRv6_tiny_det"])
def test_names_that_cannot_be_given(store: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"cannot name a model|is a name of the catalogue"):
        models.adopt(tmp_path, name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("url=http://h/x,name=a", "give sha256 too"),
        ("url=http://h/x,name=a,sha256=12", "64 hexadecimal digits"),
        ("url=http://h/x,name=a,name=b,sha256=12", "Cannot read 'name=b'"),
        ("PP-OCRv9", "neither a model nor a set"),
        ("mine", "neither a model nor a set"),
    ],
)
def test_unreadable_specs(store: Path, text: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        models.pull([text])
    assert not store.exists()


def test_url_may_hold_commas(store: Path, site: Site) -> None:
    site.answers = [Answer(CONTENT)]
    models.pull([f"name=mine,sha256={sha256(CONTENT).upper()},url={site.url}/x.onnx?a=1,2"])
    assert models.resolve("mine").path.is_dir()


def test_full_disk(store: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    site.answers = [Answer(CONTENT)]
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ModelError, match=r"disk that holds .* is full; free some space"):
        models.pull([spec(site, CONTENT)])
    assert not (store / "mine").exists()


def test_store_that_is_no_folder(store: Path, site: Site) -> None:
    store.write_bytes(b"")
    with pytest.raises(ModelError, match=f"Cannot keep models in {store}"):
        models.pull([spec(site, CONTENT)])


@pytest.fixture
def behind_a_url(store: Path, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """Makes `small_rec` a catalogue model that no package carries, behind the site; its content, a real small network."""
    content = networks.dark_and_bright_columns(tmp_path / "rec.onnx", "한\n글\n").read_bytes()
    file = models.ModelFile(name="inference.onnx", sha256=sha256(content))
    real = models.catalogue()["korean_PP-OCRv5_mobile_rec"]
    small = real.model_copy(update={"name": "small_rec", "files": (file,), "url": f"{site.url}/deep/korean.onnx?download=true"})
    for module in ("fetch", "store"):
        monkeypatch.setattr(f"ocr_serving.models.{module}.catalogue", lambda: {"small_rec": small})
    return content


def test_catalogue_model_behind_a_url(store: Path, site: Site, behind_a_url: bytes) -> None:
    site.answers = [Answer(behind_a_url, etag='"1"', cut_after=len(behind_a_url) // 2), Answer(behind_a_url, etag='"1"')]
    models.pull(["small_rec"], retry=QUICK)
    assert (models.resolve("small_rec").path / "inference.onnx").read_bytes() == behind_a_url
    assert left_in(store) == {"small_rec"}
    assert "download" not in (store / "small_rec/.model.json").read_text()
    asked = len(site.requests)
    models.pull(["small_rec"])
    assert len(site.requests) == asked, "what is whole is not fetched again"
    recognizer = TextRecognizer(RecognitionParams(rec_model_dir="small_rec"), models.resolve("small_rec").path, engine_options())
    assert recognizer.characters == ["", "한", "글"]


def test_another_file_behind_the_url_is_refused(store: Path, site: Site, behind_a_url: bytes) -> None:
    site.answers = [Answer(b"something else")]
    with pytest.raises(ModelError, match=r"has the SHA-256 .*; nothing was kept"):
        models.pull(["small_rec"], retry=QUICK)
    assert left_in(store) == set()
    (store / "small_rec").mkdir()
    (store / "small_rec/inference.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"inference.onnx has the wrong SHA-256"):
        models.resolve("small_rec")


def test_a_staging_folder_that_leads_elsewhere_is_not_swept(store: Path, site: Site, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "letters").write_text("mine")
    store.mkdir()
    (store / ".staging").symlink_to(victim)
    site.answers = [Answer(b"weights")]
    with pytest.raises(ModelError, match="is a link or a file, not a folder"):
        models.pull([f"url={site.url}/m.onnx,sha256={sha256(b'weights')},name=own"], retry=QUICK)
    assert (victim / "letters").read_text() == "mine"


@pytest.mark.parametrize("name", [".lock", "part"])
def test_links_in_the_store_write_nobody_elses_files(store: Path, site: Site, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (store / ".staging").mkdir(parents=True)
    (store / (name if name == ".lock" else f".staging/{sha256(b'weights')}.part")).symlink_to(victim)
    site.answers = [Answer(b"weights")]
    with contextlib.suppress(ModelError):
        models.pull([f"url={site.url}/m.onnx,sha256={sha256(b'weights')},name=own"], retry=QUICK)
    assert victim.read_text() == "mine"
