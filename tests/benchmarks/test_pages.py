"""True words from annotations, and word F1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.library import pages
from benchmarks.library.pages import WordCount
from benchmarks.library.support import BenchmarkError


def test_a_word_is_a_run_of_letters_and_digits_with_its_case_folded() -> None:
    assert pages.word_bag(["Straße 12/B", "12 STRASSE_x", "…–"]) == {"strasse": 2, "12": 2, "b": 1, "x": 1}


def test_bags_count_a_word_as_often_as_both_have_it() -> None:
    count = pages.count_words(read=["to be or", "be it"], true=["to be or not to be"])
    assert count == WordCount(both=4, read=5, true=6)
    assert count.f1 == pytest.approx(8 / 11)


def test_f1_of_several_pages_weighs_words_and_not_pages() -> None:
    long, short = WordCount(90, 100, 100), WordCount(0, 1, 1)
    assert (long + short).f1 == pytest.approx(180 / 202)


@pytest.mark.parametrize(("count", "f1"), [(WordCount(), 1.0), (WordCount(0, 3, 0), 0.0), (WordCount(0, 0, 3), 0.0)])
def test_f1_of_empty_pages(count: WordCount, f1: float) -> None:
    assert count.f1 == f1


def test_a_receipt_line_keeps_its_commas_and_a_broken_row_is_left_out() -> None:
    assert pages.receipt_lines("1,2,3,4,5,6,7,8,TOTAL, RM 9,00\n\n1,2,3\n") == ("TOTAL, RM 9,00",)


def test_data_is_read_as_it_lies(tmp_path: Path) -> None:
    annotation = {"form": [{"text": "TO: all", "words": [{"text": "TO:"}, {"text": "all"}]}, {"text": "", "words": []}]}
    folder = tmp_path / "forms" / "testing"
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True)
    (folder / "images" / "a.png").touch()
    (folder / "annotations" / "a.json").write_text(json.dumps(annotation))
    assert pages.forms(tmp_path) == [pages.Page(folder / "images" / "a.png", ("TO:", "all"))]
    (folder / "annotations" / "a.json").unlink()
    with pytest.raises(BenchmarkError, match=r"a\.json cannot be read"):
        pages.forms(tmp_path)
    with pytest.raises(BenchmarkError, match=r"no \.jpg files in .*receipts: name with --data"):
        pages.receipts(tmp_path)
