"""Every shape that the wire contract knows, as marks on the image and lines of text."""

from __future__ import annotations

import pytest

from ocr_serving.output import results
from ocr_serving.output.results import Mark

BOX = [[10, 20], [60, 20], [60, 40], [10, 40]]
POLYGON = ((10.0, 20.0), (60.0, 20.0), (60.0, 40.0), (10.0, 40.0))


def kie_item(text: str, label: str, left: int) -> dict[str, object]:
    points = [[left, 0], [left + 9, 0], [left + 9, 9], [left, 9]]
    return {"transcription": text, "points": points, "pred": label, "confidence": 0.9}


def test_ocr_system_has_marks_with_text_in_order() -> None:
    read = results.read(
        [{"text": "one", "confidence": 0.9, "text_region": BOX}, {"text": "two", "confidence": 0.8, "text_region": BOX}]
    )
    assert read.marks[0] == Mark(POLYGON, text="one")
    assert read.lines == ["one", "two"]


def test_ocr_det_prints_corners() -> None:
    read = results.read([{"text_region": BOX}])
    assert read.marks == [Mark(POLYGON)]
    assert read.lines == ["10,20 60,20 60,40 10,40"]


def test_ocr_rec_and_ocr_cls_are_captions_without_a_place() -> None:
    rec = results.read([{"text": "one", "confidence": 0.9}])
    assert (rec.marks, rec.captions, rec.lines) == ([], ["one (0.900)"], ["one"])
    assert results.read([{"angle": "180", "confidence": 0.75}]).lines == ["180 (0.750)"]


@pytest.mark.parametrize(
    "entry", [[], {"regions": []}, {"ser_res": []}, {"re_res": []}, {"layout": []}, [{"text": "", "confidence": 0.0}]]
)
def test_nothing_found_is_empty(entry: object) -> None:
    assert results.read(entry).empty


def test_layout_has_labelled_regions() -> None:
    read = results.read({"layout": [{"bbox": [10.2, 20, 60, 40], "label": "title", "score": 0.9}]})
    assert read.marks == [Mark(((10.2, 20.0), (60.0, 20.0), (60.0, 40.0), (10.2, 40.0)), label="title", kind="region")]
    assert read.lines == ["title 10,20,60,40"]


def test_cells_of_a_table_are_moved_from_its_crop_to_the_page_and_get_their_text() -> None:
    html = "<html><body><table><tr><td>a &lt; b</td><td colspan='2'>c\nd</td></tr><tr><td>e</td></tr></table></body></html>"
    cells = [[0, 0, 5, 0, 5, 5, 0, 5], [5, 0, 9, 0, 9, 5, 5, 5], [0, 5, 5, 5, 5, 9, 0, 9]]
    region = {"type": "table", "bbox": [100, 200, 150, 250], "res": {"html": html, "cell_bbox": cells}, "score": 0.9, "img_idx": 0}
    read = results.read({"regions": [region]})
    assert [mark.text for mark in read.marks] == ["", "a < b", "c d", "e"]
    assert read.marks[1].polygon == ((100.0, 200.0), (105.0, 200.0), (105.0, 205.0), (100.0, 205.0))
    assert read.lines == ["a < b\tc d", "e"]


def test_cells_that_do_not_match_the_table_get_no_text() -> None:
    region = {
        "type": "table",
        "bbox": [0, 0, 9, 9],
        "res": {"html": "<table><tr><td>a</td><td>b</td></tr></table>", "cell_bbox": [[0, 0, 5, 5]]},
    }
    read = results.read({"regions": [region]})
    assert read.marks[1] == Mark(((0.0, 0.0), (5.0, 0.0), (5.0, 5.0), (0.0, 5.0)), kind="cell")
    assert read.lines == ["a\tb"]


def test_the_old_table_answer_with_html_alone() -> None:
    assert results.read({"html": "<html><body><table><tr><td>a</td></tr></table></body></html>"}).lines == ["a"]


def test_text_regions_hold_lines() -> None:
    line = {"text": "one", "confidence": 0.9, "text_region": BOX}
    read = results.read({"regions": [{"type": "text", "bbox": [0, 0, 99, 99], "res": [line]}]})
    assert [mark.kind for mark in read.marks] == ["region", "line"]
    assert read.lines == ["one"]


def test_kie_labels_lines_and_links_pairs_by_marks_kept_once() -> None:
    question, first, second = kie_item("Name", "QUESTION", 0), kie_item("Ann", "ANSWER", 20), kie_item("Lee", "ANSWER", 40)
    assert results.read({"ser_res": [question, first]}).lines == ["QUESTION: Name", "ANSWER: Ann"]
    read = results.read({"re_res": [[question, first], [question, second]]})
    assert [mark.text for mark in read.marks] == ["Name", "Ann", "Lee"]
    assert read.links == [(0, 1), (0, 2)]
    assert read.lines == ["Name → Ann", "Name → Lee"]


@pytest.mark.parametrize(
    "entry", [{"mine": 1}, "text", 3, None, [1], {"layout": [{"bbox": [1, 2]}]}, [{"text": "a", "text_region": [[1]]}]]
)
def test_a_shape_of_a_users_own_module_is_printed_as_json(entry: object) -> None:
    read = results.read(entry)
    assert not read.marks
    assert len(read.lines) == 1
