"""`read`: files read in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import pdfs
from ocr_serving import data
from ocr_serving.errors import InputError, ServingError
from ocr_serving.reading import read as read_here

TINY = {"model_set": "PP-OCRv6_tiny"}

pytestmark = pytest.mark.models


def test_a_page_and_its_table(tmp_path: Path) -> None:
    read = read_here(data.PAGE, "document", params=TINY)
    assert read.title == "page"
    assert read.text.startswith("INVOICE")
    assert "Hydraulic pump HP-200" in [cell.text for table in read.tables for cell in table.cells]
    seen: list[int] = []
    file = pdfs.of_text(["The first page of all"], ["The second page of all"], ["The third page of all"])
    read = read_here(file, pages="2-3", params=TINY, progress=seen.append)
    assert [page.number for page in read.pages] == [2, 3]
    assert seen == [1, 2]
    assert [line.text for line in read.lines] == ["The second page of all", "The third page of all"]


def test_what_goes_wrong_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_here(tmp_path / "no.png")
    with pytest.raises(InputError, match="what is one of"):
        read_here(data.PAGE, "poem")  # type: ignore[arg-type]
    with pytest.raises(ServingError, match="cannot be decoded"):
        read_here(b"no picture", params=TINY)
    with pytest.raises(InputError, match="'nonsense'"):
        read_here(data.PAGE, params=TINY, nonsense=1)
