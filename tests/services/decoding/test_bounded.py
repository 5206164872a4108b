"""Files that cost gigabytes or minutes: they cost their own page, and a stated budget."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pypdfium2
import pytest

from helpers import pdfs
from helpers.services import wait_until
from ocr_serving.decoding import bounded, messages, pages, pdf_text
from ocr_serving.decoding.images import Allowance, Limits, Undecodable
from ocr_serving.errors import UnavailableError

HOSTILE = Path(__file__).parent / "hostile"
SMALL = Limits(page_memory_mb=200, page_timeout_s=0.5, pdf_dpi=72)
"""A budget that hostile files exceed soon."""

ENDLESS = (HOSTILE / "pdf_type3_exp.pdf").read_bytes()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No decoding process but that of the test."""
    bounded.close_all()
    yield
    bounded.close_all()


def read(data: bytes, limits: Limits, allowance: Allowance | None = None) -> list[pages.PageOrRemark]:
    return list(pages.from_bytes(data, where="images[0]", limits=limits, kept=True, allowance=allowance))


def pdf_of(*sources: bytes | None) -> bytes:
    """A PDF of the first pages of others; None is an empty page."""
    document = pypdfium2.PdfDocument.new()
    for source in sources:
        if source is None:
            document.new_page(72, 72)
        else:
            document.import_pages(pypdfium2.PdfDocument(source), [0])
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        # Which of the two budgets ends first is the machine's affair.
        ("pdf_form_self.pdf", r"it takes .*\(page_(memory_mb|timeout_s)\)"),
        ("pdf_ops_20M.pdf", r"it takes .*\(page_(memory_mb|timeout_s)\)"),
        ("pdf_flate3_1GB.pdf", r"it takes .*\(page_(memory_mb|timeout_s)\)"),
        ("pdf_type3_exp.pdf", r"it takes longer than 0\.5 s of CPU time \(page_timeout_s\)"),
        ("ccitt_slow.pdf", "it holds a picture of 60000x60000 pixels, over 20 x max_pixels"),
    ],
)
def test_a_hostile_page_has_a_reason_in_its_place(name: str, why: str) -> None:
    (found,) = read((HOSTILE / name).read_bytes(), SMALL)
    assert isinstance(found, pages.LostPage)
    assert re.match(r"images\[0\]: page 1 of the PDF cannot be rendered: " + why, found.reason)


def test_what_looks_hostile_and_is_cheap_is_rendered() -> None:
    found, remark = read((HOSTILE / "pdf_tiling_nested.pdf").read_bytes(), Limits(page_timeout_s=60, pdf_dpi=36))
    assert isinstance(found, np.ndarray)
    # Its tiles lie in each other too deep for PDFium, which draws the page black.
    assert isinstance(remark, pages.Remark)
    assert remark.text.startswith("images[0]: page 1 shows one colour alone, although it has content")


def test_a_hostile_page_costs_no_other() -> None:
    first, lost, last = read(pdf_of(None, ENDLESS, None), SMALL)
    assert isinstance(lost, pages.LostPage)
    assert "page 2 of the PDF" in lost.reason
    for page in (first, last):
        assert isinstance(page, np.ndarray)
        assert page.shape == (72, 72, 3)


MEASURED = """
import json, os, resource, sys
from pathlib import Path
from ocr_serving import machine
from ocr_serving.decoding import bounded, pages
from ocr_serving.decoding.limits import Limits
data = Path(sys.argv[1]).read_bytes()
before = machine.resident_bytes(os.getpid())
for _ in range(2):
    (found,) = pages.from_bytes(data, where="images[0]", limits=Limits(page_timeout_s=60), kept=True)
    assert found.shape == (7000, 7000, 3), found
    del found
grown = machine.resident_bytes(os.getpid()) - before
idle = machine.resident_bytes(bounded.shared(1024).pid or 0)
bounded.close_all()
print(json.dumps([grown, idle, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""


def test_memory_keeps_to_the_budget_and_is_given_back() -> None:
    """A file of a kilobyte has 49 million pixels: 783 MiB where the decoder runs among everything else."""
    data = (HOSTILE / "img_avif_49M.avif").read_bytes()
    # In a process of its own: the peak is that of all children there ever were.
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, str(HOSTILE / "img_avif_49M.avif")], capture_output=True, text=True, check=True
    )
    grown, idle, peak = json.loads(run.stdout)
    assert grown < 2**20 * 64
    assert idle < 2**20 * 300, "an idle process keeps what it took"
    assert 2**20 * 100 < peak < 2**20 * 1300
    (refused,) = read(data, SMALL)
    assert isinstance(refused, Undecodable)
    assert refused.reason == "images[0] cannot be decoded: it takes more than 200 MiB (page_memory_mb)"


def test_ordinary_files_share_one_process() -> None:
    read(pdf_of(None, None), SMALL)
    first = bounded.shared(200).pid
    file = io.BytesIO()
    PIL.Image.new("RGB", (40, 30)).save(file, "TIFF")
    (picture,) = read(file.getvalue(), SMALL)
    assert isinstance(picture, np.ndarray)
    assert bounded.shared(200).pid == first is not None
    read(ENDLESS, SMALL)
    (page,) = read(pdf_of(None), SMALL)
    assert isinstance(page, np.ndarray)
    assert bounded.shared(200).pid not in (first, None)


def test_a_file_that_is_open_while_another_is_read_keeps_its_pages() -> None:
    """As where a document is written while the pages of the next one come."""
    files = {name: pdfs.of_text([name], [name]) for name in ("first", "second")}
    outer = pages.from_bytes(files["first"], where="first", limits=Limits(), kept=True)
    one = next(outer)
    assert [word.text for line in pdf_text.read(files["second"], 2)[0].lines for word in line.words] == ["second"]
    (two,) = outer
    assert isinstance(one, np.ndarray)
    assert isinstance(two, np.ndarray)
    assert (one == two).all()


def test_a_request_has_an_allowance() -> None:
    allowance = Allowance(SMALL.page_timeout_s)
    assert isinstance(read(ENDLESS, SMALL, allowance)[0], pages.LostPage)
    (skipped,) = read(pdf_of(None), SMALL, allowance)
    assert isinstance(skipped, Undecodable)
    assert skipped.reason == "images[0] was not decoded: decoding the images before it took 3 s of CPU time"
    file = io.BytesIO()
    PIL.Image.new("RGB", (40, 30)).save(file, "PNG")
    assert isinstance(read(file.getvalue(), SMALL, allowance)[0], np.ndarray), "cheap files do not draw on it"
    lost, said = read(pdf_of(ENDLESS, None, None), SMALL, Allowance(SMALL.page_timeout_s))
    assert isinstance(lost, pages.LostPage)
    assert said == pages.Remark(
        "images[0] has 3 pages, of which only the first 1 were read (decoding took 3 s of CPU time, which is 6 x page_timeout_s)"
    )


def meanwhile(act: Callable[[int], None]) -> list[pages.PageOrRemark]:
    """What reading an endless page gives while `act` is done to the process that renders it."""
    patient = Limits(page_timeout_s=600)

    def wait_and_act() -> None:
        wait_until(lambda: (pid := bounded.shared(1024).pid) and cpu_seconds(pid) > 1.5, "the page to be under way")
        act(bounded.shared(1024).pid or 0)

    actor = threading.Thread(target=wait_and_act)
    actor.start()
    try:
        return read(ENDLESS, patient)
    finally:
        actor.join()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_machine_short_of_memory_is_not_the_files_fault() -> None:
    with pytest.raises(UnavailableError, match="short of memory"):
        meanwhile(lambda pid: os.kill(pid, signal.SIGKILL))
    (page,) = read(pdf_of(None), Limits())
    assert isinstance(page, np.ndarray)


def test_a_crash_of_the_decoder_costs_its_page() -> None:
    (lost,) = meanwhile(lambda pid: os.kill(pid, signal.SIGSEGV))
    assert isinstance(lost, pages.LostPage)
    assert "or the decoder crashed on it" in lost.reason


OWNER = """
import sys
from pathlib import Path
from ocr_serving.decoding import pages
from ocr_serving.decoding import bounded
from ocr_serving.decoding.images import Limits
list(pages.from_bytes(Path(sys.argv[1]).read_bytes(), where="it", limits=Limits(page_timeout_s=5)))
print(bounded.shared(1024).started, flush=True)
print(bounded.shared(1024).pid, flush=True)
list(pages.from_bytes(Path(sys.argv[2]).read_bytes(), where="it", limits=Limits(page_timeout_s=600)))
"""


def test_the_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    (tmp_path / "empty.pdf").write_bytes(pdf_of(None))
    (tmp_path / "endless.pdf").write_bytes(ENDLESS)
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path / "empty.pdf", tmp_path / "endless.pdf"], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "1\n"
        renderer = int(owner.stdout.readline())
        wait_until(lambda: cpu_seconds(renderer) > 1.5, "the page to be under way")
        owner.kill()
    wait_until(lambda: not running(renderer), "the renderer to end", 20)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_what_the_process_says_is_only_data() -> None:
    for message in (messages.Open("pdf", {"max_pixels": 1}, 1.5), messages.Decode(3, 1.0), messages.Pixels(1, 2, last=True)):
        assert messages.unpacked(messages.packed(message)) == message
    for wrong in (b"", b"1", b"{}", b'{"is":"Open"}', b'{"is":"Popen","args":[]}', b"\x80\x04N."):
        with pytest.raises(ValueError, match=r".*"):
            messages.unpacked(wrong)
