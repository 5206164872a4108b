"""`ocr-serving convert`: folders of documents, done once, told at the end."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docx
import openpyxl
import PIL.Image
import pypdf
import pytest

from helpers import pdfs
from helpers.services import GOLDEN, Service
from ocr_serving import atomic, cli, data

pytestmark = pytest.mark.models

TINY = ["--params", "model_set=PP-OCRv6_tiny"]
PAGES = GOLDEN / "pages"


@pytest.fixture
def archive(elsewhere: Path) -> Path:
    """A folder with folders, two names that differ in the suffix alone, what is broken and what is no document."""
    folder = elsewhere / "archive"
    (folder / "2026" / "march").mkdir(parents=True)
    shutil.copy(data.WARMUP, folder / "a.png")
    with PIL.Image.open(data.WARMUP) as image:
        image.convert("RGB").save(folder / "a.jpg", quality=95)
    (folder / "2026" / "march" / "typed.pdf").write_bytes(pdfs.of_text(["A typed page of text"], ["and another one of it"]))
    (folder / "2026" / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (folder / "2026" / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("hello")
    (folder / "2026" / "NOTES").write_text("hello")
    return folder


def written(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != ".ocr-serving.jsonl"
    }


def test_a_folder_with_folders(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["convert", "archive", "-o", "out", "--to", "pdf,txt,docx", *TINY]
    assert cli.main([*command, "-j", "2"]) == 1
    out, err = capsys.readouterr()
    assert out == "3 read, 2 failed, 4 pages; 2 other files left alone (1 .txt, 1 no suffix).\n"
    assert re.search(r"  archive/2026/broken\.pdf +is a PDF that cannot be opened: it is damaged", err)
    assert re.search(r"archive/2026/broken\.png +cannot be decoded", err)
    assert written(Path("out")) == {
        f"{name}{suffix}" for name in ("a_png", "a_jpg", "2026/march/typed") for suffix in (".pdf", ".txt", ".docx")
    }
    assert Path("out/2026/march/typed.txt").read_text() == "A typed page of text\n\fand another one of it\n"
    assert [page.extract_text().strip() for page in pypdf.PdfReader("out/2026/march/typed.pdf").pages] == [
        "A typed page of text",
        "and another one of it",
    ]
    assert "INVOICE" in docx.Document("out/a_jpg.docx").paragraphs[0].text

    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.*")}
    shutil.copy(PAGES / "table_crop.jpg", archive / "a.jpg")
    # In this process from now on: what is done does not depend on it.
    command += ["-j", "1"]
    assert cli.main(command) == 1
    assert capsys.readouterr().out.startswith("1 read, 2 failed, 1 pages, 2 done before;")
    changed = {path.name for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert changed == {"a_jpg.pdf", "a_jpg.txt", "a_jpg.docx", ".ocr-serving.jsonl"}

    Path("out/a_png.txt").unlink()
    assert cli.main(command) == 1
    assert capsys.readouterr().out.startswith("1 read, 2 failed, 1 pages, 2 done before;"), "what is gone is made again"


def test_odd_names_and_links(elsewhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("in/further").mkdir(parents=True)
    stems = [os.fsdecode(b"\xff\xfe"), "new\nline", "=cmd", "\x1b[31mred"]
    for stem in stems:
        shutil.copy(data.WARMUP, Path("in", f"{stem}.png"))
    Path("in/further/back").symlink_to("..")
    Path("in/\x1b[0m gone.png").symlink_to("nowhere")
    command = ["convert", "in", "-o", "in/out", *TINY, "-j", "1", "--to", "json,docx,xlsx,pdf,markdown,html,hocr,alto"]
    assert cli.main(command) == 1
    out, err = capfd.readouterr()
    assert out == "4 read, 1 failed, 4 pages; 1 other files left alone (1 link to a folder).\n"
    assert "  in/\\x1b[0m gone.png" in err
    assert {f"{stem}.pdf" for stem in stems} <= written(Path("in/out"))
    assert json.loads(Path("in/out", f"{stems[0]}.json").read_bytes())["title"] == "\ufffd\ufffd"
    assert cli.main(command) == 1
    assert capfd.readouterr().out.startswith("0 read, 1 failed, 0 pages, 4 done before;")


AS_NOBODY = """
import os, sys
from ocr_serving import cli
from ocr_serving.cli import convert
from ocr_serving.decoding import renderer
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that others reach too, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def by_nobody(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """`convert` of what is in `folder` by a user who may not list in/closed, and list in/listed without entering it."""
    for name in ("closed/a.png", "listed/b.png", "c.png"):
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data.WARMUP, folder / "in" / name)
    (folder / "out").mkdir()
    (folder / "out").chmod(0o777)
    (folder / "in/closed").chmod(0)
    (folder / "in/listed").chmod(0o444)
    try:
        run = [sys.executable, "-c", AS_NOBODY, "convert", *command, "-o", "out", "--to", "txt"]
        return subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    finally:
        for name in ("closed", "listed"):
            (folder / "in" / name).chmod(0o755)


def test_folders_that_may_not_be_read_are_told_and_the_rest_is_read(structure: Service, open_to_all: Path) -> None:
    run = by_nobody(open_to_all, "in", "--server", structure.url)
    assert (run.returncode, run.stdout) == (1, "1 read, 2 failed, 1 pages.\n"), run.stderr
    assert re.findall(r"(in/\S+) +cannot be read: Permission denied", run.stderr) == ["in/closed", "in/listed/b.png"]


@pytest.mark.parametrize(
    ("named", "told"), [("in/listed", "in/listed/b.png"), ("in/listed/b.png", "in/listed/b.png"), ("in/closed", "in/closed")]
)
def test_a_folder_of_which_nothing_may_be_read_is_one_sentence(open_to_all: Path, named: str, told: str) -> None:
    run = by_nobody(open_to_all, named)
    assert run.stderr == f"ocr-serving: {told} cannot be read: Permission denied: let it be read, or name another.\n"


def test_a_full_disk_ends_it(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    for number in range(3):
        shutil.copy(data.WARMUP, f"in/{number}.png")
    write = atomic.write

    def full(path: Path, content: bytes) -> None:
        # No test may fill a disk.
        if path.name == "1.txt":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(atomic, "write", full)
        assert cli.main(["convert", "in", "-o", "out", "--to", "txt", *TINY, "-j", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == "1 read, 0 failed, 1 pages, interrupted with 2 to go: give the command again to go on.\n"
    assert err == "ocr-serving: out cannot be written: No space left on device: make room, and give the command again.\n"
    assert cli.main(["convert", "in", "-o", "out", "--to", "txt", *TINY, "-j", "1"]) == 0
    assert capsys.readouterr().out == "2 read, 0 failed, 2 pages, 1 done before.\n"


def test_nobody_listens(elsewhere: Path) -> None:
    shutil.copy(data.WARMUP, "a.png")
    words = [sys.executable, "-m", "ocr_serving.cli", "convert", "a.png", "-o", "out", "--to", "txt", *TINY]
    assert subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *words], check=False, timeout=120).returncode == 0
    assert "INVOICE" in Path("out/a.txt").read_text()


def test_no_document_is_written_over(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    sent = pdfs.of_text(["Kept as it was sent"])
    Path("in/a.pdf").write_bytes(sent)
    assert cli.main(["convert", "in", "-o", "in", "--to", "pdf"]) == 1
    assert "--output in is a folder that is read: name another" in capsys.readouterr().err
    assert cli.main(["convert", "in/a.pdf", "-o", "in", "--to", "txt,pdf", *TINY]) == 1
    assert "in/a.pdf is a document that is read, and would be written over" in capsys.readouterr().err.replace("  ", " ")
    assert Path("in/a.pdf").read_bytes() == sent
    assert not Path("in/a.txt").exists()


def test_links_that_lead_to_each_other_are_one_sentence(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("one").symlink_to("other")
    Path("other").symlink_to("one")
    Path("in").mkdir()
    shutil.copy(data.WARMUP, "in/a.png")
    assert cli.main(["convert", "one", "-o", "out", "--to", "txt"]) == 1
    assert capsys.readouterr().err == "ocr-serving: one does not exist: name a document or a folder of them.\n"
    assert cli.main(["convert", "in", "-o", "one", "--to", "txt"]) == 1
    assert capsys.readouterr().err.startswith("ocr-serving: --output one cannot be made: ")


def test_by_a_service(structure: Service, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(PAGES / "table_crop.jpg", archive / "a.jpg")
    shutil.rmtree(archive / "2026")
    options = ["--server", f"{structure.url}/predict/structure_system", "--to", "xlsx,json"]
    assert cli.main(["convert", "archive", "-o", "out", *options]) == 0
    assert capsys.readouterr().out == "2 read, 0 failed, 2 pages; 1 other files left alone (1 .txt).\n"
    (sheet,) = openpyxl.load_workbook("out/a_jpg.xlsx").worksheets
    assert 2162 in [cell.value for row in sheet for cell in row]
    tree = json.loads(Path("out/a_jpg.json").read_bytes())
    words = [
        word for block in tree["pages"][0]["blocks"] for cell in block["cells"] for line in cell["lines"] for word in line["words"]
    ]
    assert "2,162" in [word["text"] for word in words]


def test_a_file_that_is_named(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with PIL.Image.open(data.WARMUP) as image:
        width = image.width
        image.convert("RGB").save("scan.dat", "PNG", dpi=(300, 300))
    assert cli.main(["convert", "scan.dat", "-o", "out", "--to", "pdf", *TINY]) == 0
    (page,) = pypdf.PdfReader("out/scan.pdf").pages
    assert float(page.mediabox.width) == pytest.approx(width / 300 * 72, abs=0.1), "as large as the file says"
    assert "INVOICE" in page.extract_text()
    assert capsys.readouterr().out == "1 read, 0 failed, 1 pages.\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["gone", "--to", "txt"], "gone does not exist"),
        (["archive/notes.txt", "--to", "docs"], "did you mean 'docx'?"),
        (["archive/2026/march", "--to", "txt", "--server", "localhost"], "--server takes a URL"),
        (["archive/2026/march", "--to", "txt", "--server", "http://127.0.0.1:9"], "No OCR service answers at http://127.0.0.1:9"),
        (["empty", "--to", "txt"], "empty holds no documents"),
        (["archive/2026/march", "--to", "txt", "--params", "drop_scor=1"], "'drop_scor' (did you mean 'drop_score'?)"),
    ],
)
def test_mistakes_are_one_sentence(options: list[str], sentence: str, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert cli.main(["convert", *options, "-o", "out"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1
    assert written(Path("out")) == set() if Path("out").exists() else True


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_half_file_and_goes_on_later(elsewhere: Path, sent: signal.Signals) -> None:
    Path("in").mkdir()
    for number in range(40):
        shutil.copy(data.WARMUP, f"in/{number:02}.png")
    # A shell's background jobs, as this suite may be one, have SIGINT ignored and their children too.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "ocr_serving.cli"]
    command += ["convert", "in", "-o", "out", "--to", "hocr,pdf", "-j", "2", *TINY]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=dict(os.environ)
    )
    deadline = time.monotonic() + 120
    while not list(Path().glob("out/*.pdf")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    read = int(re.match(rb"(\d+) read, 0 failed", out)[1])  # type: ignore[index]
    assert b"give the command again to go on" in out
    assert 0 < read < 40
    for path in Path("out").glob("*.pdf"):
        assert "INVOICE" in pypdf.PdfReader(path).pages[0].extract_text()
    assert {path.suffix for path in Path("out").iterdir()} <= {".hocr", ".pdf", ".jsonl"}
    assert not list(Path("out").glob(".*.pdf*")), "nothing half-written lies about"
    journal = Path("out/.ocr-serving.jsonl").read_text().splitlines()
    assert len(journal) == read


WAITING = """
import time
import numpy as np
from ocr_serving.cli import readers
from ocr_serving.errors import ServingError
with readers.on_this_machine(readers.Wanted("no_such_module", structure=False), 2) as pages:
    for found in [pages.submit(np.zeros((9, 9, 3), np.uint8), None) for _ in range(4)]:
        assert isinstance(found.exception(), ServingError)
    print("ready", flush=True)
    time.sleep(600)
"""


def test_processes_that_read_end_with_a_command_that_is_killed() -> None:
    command = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stdout.readline() == b"ready\n"
    command.kill()
    # The pipe ends when the last process that has it has ended.
    assert command.communicate(timeout=60)[0] == b""
