"""Words added to PDFs of many pages, or more words than there is memory or time for."""

from __future__ import annotations

import io
import re

import pikepdf
import pypdf
import pytest

from helpers import pdfs
from ocr_serving.decoding import overlaying
from ocr_serving.decoding.limits import Limits
from ocr_serving.errors import InputError
from ocr_serving.searchable.overlay import PageText
from ocr_serving.searchable.words import Placed

LEAST = Limits(page_memory_mb=64)


def blank(count: int) -> bytes:
    made = pikepdf.new()
    for _ in range(count):
        made.add_blank_page(page_size=(612, 792))
    return pdfs.saved(made)


def page(number: int, words: list[str]) -> PageText:
    """A page of 850 x 1100 pixels with `words` in rows of 20, not in place of its own."""
    places = [(20.0 + n % 20 * 40, 20.0 + n // 20 * 15) for n in range(len(words))]
    quads = [((x, y), (x + 38, y), (x + 38, y + 12), (x, y + 12)) for x, y in places]
    return PageText(number, 850, 1100, False, [Placed(text, quad) for text, quad in zip(words, quads, strict=True)])


def test_the_words_of_many_pages_are_added_whatever_a_page_may_take() -> None:
    """A book of them would be more than the process may take, if they were there at once."""
    count = 80
    pages = [page(number, [*["word"] * 1000, f"page{number}"]) for number in range(1, count + 1)]
    reader = pypdf.PdfReader(io.BytesIO(overlaying.written_over(blank(count), "book", pages, LEAST)))
    assert len(reader.pages) == count
    for number in (1, count):
        assert reader.pages[number - 1].extract_text().split()[-1] == f"page{number}"


def test_more_words_on_a_page_than_there_is_memory_for_are_one_sentence() -> None:
    too_long = page(1, ["a" * 80 * 2**20])
    said = r"No words can be added to the PDF: it takes more than 64 MiB \(page_memory_mb\), or .*: print it to a new PDF"
    with pytest.raises(InputError, match=said):
        overlaying.written_over(blank(1), "too much", [too_long], LEAST)
    assert overlaying.written_over(blank(1), "less", [page(1, ["less"])], LEAST), "the next file finds another process"


@pytest.mark.parametrize(("count", "bound"), [(1, "0.3 s of CPU time (6 x"), (16, "0.4 s of CPU time (8 x")])
def test_what_takes_too_long_names_the_bound_that_holds(count: int, bound: str) -> None:
    pages = [page(1, ["word"] * 200_000), *(page(number, []) for number in range(2, count + 1))]
    said = re.escape(f"it takes longer than {bound} page_timeout_s)")
    with pytest.raises(InputError, match=said):
        overlaying.written_over(blank(count), "slow", pages, Limits(page_timeout_s=0.05))


def test_a_file_that_cannot_be_changed_ends_what_was_begun() -> None:
    """Words of further pages are not taken for the next question."""
    with pikepdf.open(io.BytesIO(blank(3))) as made:
        made.pages[1].obj["/Rotate"] = pikepdf.Array([1])
        damaged = pdfs.saved(made)
    pages = [page(number, ["word"]) for number in (1, 2, 3)]
    with pytest.raises(InputError, match="too damaged to add words"):
        overlaying.written_over(damaged, "damaged", pages, LEAST)
    assert overlaying.written_over(blank(3), "sound", pages, LEAST)
