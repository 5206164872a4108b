"""How entities and pairs are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.library import kie_pages
from benchmarks.library.pages import WordCount
from training.kie import funsd
from training.kie.funsd import Item

from ocr_serving.errors import InputError

NAME, VALUE, TITLE, NOTE = (
    Item((0, 0, 40, 10), "Name:", "QUESTION", 1),
    Item((50, 0, 90, 10), "Maria", "ANSWER", 2),
    Item((0, 20, 90, 30), "FORM", "HEADER", 3),
    Item((0, 80, 90, 90), "page 1", "O", 4),
)
TRUE = (NAME, VALUE, TITLE, NOTE)
LINKS = frozenset({(1, 2)})


def test_everything_right() -> None:
    found = [(item.box, item.label) for item in TRUE]
    assert kie_pages.count_entities(found, TRUE) == WordCount(3, 3, 3)
    assert kie_pages.count_pairs([(NAME.box, VALUE.box)], TRUE, LINKS) == WordCount(1, 1, 1)


def test_a_wrong_label_is_found_and_not_right() -> None:
    found = [(NAME.box, "ANSWER"), (VALUE.box, "O"), (NOTE.box, "HEADER")]
    assert kie_pages.count_entities(found, TRUE) == WordCount(0, 2, 3)


def test_a_box_must_overlap_by_half() -> None:
    near, far = (2.0, 0.0, 42.0, 11.0), (20.0, 0.0, 60.0, 10.0)
    assert kie_pages.count_entities([(near, "QUESTION")], TRUE).both == 1
    assert kie_pages.count_entities([(far, "QUESTION")], TRUE).both == 0


def test_a_true_box_counts_once() -> None:
    assert kie_pages.count_entities([(NAME.box, "QUESTION"), (NAME.box, "QUESTION")], TRUE) == WordCount(1, 2, 3)


def test_lines_of_one_answer_are_one_pair_and_unmatched_lines_are_wrong_ones() -> None:
    second = Item((50, 12, 90, 19), "Keller", "ANSWER", 2)
    stray = (200.0, 200.0, 240.0, 210.0)
    found = [(NAME.box, VALUE.box), (NAME.box, second.box), (NAME.box, stray), (VALUE.box, NAME.box)]
    assert kie_pages.count_pairs(found, (*TRUE, second), LINKS) == WordCount(1, 3, 1)


def test_words_of_an_entity_are_cut_into_lines() -> None:
    words = [("two", (10.0, 0.0, 30.0, 8.0)), ("words", (33.0, 1.0, 60.0, 9.0)), ("below", (10.0, 12.0, 40.0, 20.0))]
    assert funsd.rows_of_words(words) == [("two words", (10.0, 0.0, 60.0, 9.0)), ("below", (10.0, 12.0, 40.0, 20.0))]


def annotated(folder: Path, form: Any) -> Path:
    (folder / "annotations").mkdir()
    (folder / "images").mkdir()
    (folder / "annotations" / "a.json").write_text(json.dumps({"form": form}))
    (folder / "images" / "a.png").write_bytes(b"")
    return folder


def test_a_form_of_funsd_is_read(tmp_path: Path) -> None:
    def entity(number: int, label: str, text: str, linking: list[list[int]]) -> dict[str, Any]:
        box = [0, 10 * number, 40, 10 * number + 8]
        return {"id": number, "label": label, "box": box, "words": [{"text": text, "box": box}], "linking": linking}

    entities = [
        entity(0, "header", "FORM", [[0, 1]]),
        entity(1, "question", "Name:", [[0, 1], [1, 2], [1, 3]]),
        entity(2, "answer", "Maria", [[1, 2]]),
        entity(3, "answer", " ", [[1, 3]]),
    ]
    (form,) = funsd.labelled_forms(annotated(tmp_path, entities))
    assert [(item.label, item.text, item.entity) for item in form.entities] == [
        ("HEADER", "FORM", 0),
        ("QUESTION", "Name:", 1),
        ("ANSWER", "Maria", 2),
    ]
    assert form.links == {(1, 2)}


def test_a_folder_that_holds_no_forms_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There are no annotations"):
        funsd.labelled_forms(tmp_path)
    with pytest.raises(InputError, match=r"a\.json is not an annotation in FUNSD's format \(KeyError"):
        funsd.labelled_forms(annotated(tmp_path, [{"id": 1}]))
