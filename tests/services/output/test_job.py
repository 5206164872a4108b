"""A document on its way: what a file may cost whoever reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import pdfs
from ocr_serving.decoding.images import Limits
from ocr_serving.output.job import NO_UNITS, Job

CATALOG, TREE = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/UserUnit %b>>"

MEASURED = """
import resource, sys
from pathlib import Path
import pikepdf
from ocr_serving.decoding import bounded
from ocr_serving.decoding.images import Limits
from ocr_serving.output.job import NO_UNITS, Job
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dpi = [sheet.dpi for pdf_text in ("auto", "never") for sheet in Job("packed", data, ["txt"], Limits(), pdf_text).sheets()]
bounded.close_all()
print(*dpi, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_the_units_of_a_packed_page_are_told_at_the_cost_of_the_decoding_process(tmp_path: Path) -> None:
    file = tmp_path / "packed.pdf"
    file.write_bytes(pdfs.with_packed([], [CATALOG, TREE, PAGE % b"2"], padding_mb=128))
    assert file.stat().st_size < 2**18
    run = subprocess.run([sys.executable, "-c", MEASURED, str(file)], capture_output=True, text=True, check=True)
    *dpi, grown = map(float, run.stdout.split())
    assert dpi == pytest.approx([100, 100], abs=0.5), "200 pixels to 72 units of two points"
    assert grown < 32 * 2**10, "KiB"


def test_a_page_whose_units_cost_too_much_is_read_and_says_so() -> None:
    data = pdfs.with_packed([CATALOG, TREE, PAGE % b"4 0 R"], [b"2"], padding_mb=400)
    job = Job("packed", data, ["txt"], Limits(page_memory_mb=200, page_timeout_s=60))
    (sheet,) = job.sheets()
    assert sheet.image is not None
    assert sheet.dpi == pytest.approx(200, abs=1)
    assert job.remarks == [NO_UNITS]


@pytest.mark.parametrize("unit", [b"(two)", b"null", b"-1", b"0", b"1e400", b"true", b"9" * 400, b"[2]"])
def test_units_that_make_no_sense_are_none(unit: bytes) -> None:
    job = Job("units", pdfs.with_packed([CATALOG, TREE, PAGE % unit], [b"null"]), ["txt"], Limits())
    (sheet,) = job.sheets()
    assert sheet.dpi == pytest.approx(200, abs=1)
    assert job.remarks == []
