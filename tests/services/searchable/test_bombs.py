"""PDFs that cost whoever opens them no end of memory: the decoding process adds words, or says why it does not, at its own cost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from helpers import pdf_bombs

MEGABYTES = 128

ADDED = """
import json, sys
from pathlib import Path
import pikepdf
sys.path.insert(0, sys.argv[1])
from helpers import answers, pdf_bombs
from ocr_serving.decoding import bounded
from ocr_serving.decoding.images import Limits
from ocr_serving.errors import InputError
from ocr_serving.output import build, pdf

def grown():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

page = build.page([answers.line("Hello wide world", 100, 90, 300, 40)], None, size=(800, 600))
for name, make in pdf_bombs.bombs(int(sys.argv[2])).items():
    data = make()
    # The highest that memory was is counted anew (proc_pid_clear_refs(5)).
    Path("/proc/self/clear_refs").write_text("5")
    before = grown()
    try:
        said = len(pdf.over_pdf(answers.document(page), data, Limits(page_memory_mb=64)))
    except InputError as exc:
        said = str(exc)
    print(json.dumps([name, said, grown() - before]), flush=True)
bounded.close_all()
"""


@pytest.fixture(scope="module")
def added() -> dict[str, tuple[int | str, int]]:
    """Of each bomb the bytes of the PDF with words, or what is said of it, and KiB that this cost whoever asked."""
    tests = pdf_bombs.__file__.rsplit("/", 2)[0]
    run = subprocess.run([sys.executable, "-c", ADDED, tests, str(MEGABYTES)], capture_output=True, text=True, check=True)
    return {name: (said, grown) for name, said, grown in map(json.loads, run.stdout.splitlines())}


@pytest.mark.parametrize("name", pdf_bombs.bombs(1))
def test_a_pdf_costs_whoever_asks_next_to_nothing(added: dict[str, tuple[int | str, int]], name: str) -> None:
    said, grown = added[name]
    assert grown < 16 * 2**10, "KiB"
    if isinstance(said, str):
        assert said.startswith(
            ("No words can be added to the PDF: it takes more than 64 MiB", "The PDF is too damaged to add words")
        )
        assert said.endswith(": print it to a new PDF, and send that.")
    else:
        assert said < 2**20


def test_what_is_small_is_no_bomb(added: dict[str, tuple[int | str, int]]) -> None:
    assert isinstance(added["lists in lists"][0], int)
    assert isinstance(added["many objects"][0], int)
    assert isinstance(added["objects by LZW"][0], str), "which is one"
