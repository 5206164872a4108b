"""Results as they are kept and as they are told."""

from __future__ import annotations

import base64
import json
from typing import Any

from ocr_serving.server.jobs import answers, results
from ocr_serving.server.jobs.request import DOCUMENTS, OCR
from ocr_serving.server.jobs.store import Job

JPEG, PNG = b"\xff\xd8picture", b"\x89PNGpicture"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def job(family: str, kind: str = "pdf", **more: Any) -> Job:
    about: dict[str, Any] = {"state": "done", "error": "", "batch": "", "started": 1.0, "ended": 2.0, "pages": 2, "done": 2} | more
    return Job(
        "ocrjob-1", "ann", about["batch"], "m", family, "{}", "", "", "", about["state"], about["error"], kind, about["pages"],
        about["done"], 0, 0.0, about["started"], about["ended"],
    )  # fmt: skip


def told(found: Job, pages: list[tuple[int, str | None, str | None]], link: str = "http://h/") -> list[dict[str, Any]]:
    text = b"".join(results.lines(found, pages, link)).decode()
    return [json.loads(line) for line in text.splitlines()]


def test_pictures_of_a_document_become_links_by_their_keys() -> None:
    key = "imgs/img_in_image_box_1_2_3_4.jpg"
    page = {
        "prunedResult": {"parsing_res_list": []},
        "markdown": {"text": f'<img src="{key}">', "images": {key: b64(JPEG)}},
        "outputImages": {"layout_det_res": b64(JPEG), "layout det/res": b64(PNG)},
        "inputImage": b64(JPEG),
        "exports": {"docx": {"content": b64(b"PK"), "fileName": "page_1.docx"}},
    }
    size = {"width": 5, "height": 6, "type": "image"}
    answer = results.kept({"layoutParsingResults": [page], "dataInfo": size}, DOCUMENTS, 3)
    assert answer.blobs["3/layout_det_res.jpg"].content == JPEG
    assert answer.result is not None
    assert b64(JPEG) not in answer.result
    [line] = told(job(DOCUMENTS, "image"), [(0, answer.result, None)])
    [entry] = line["result"]["layoutParsingResults"]
    links = [*entry["markdown"]["images"].values(), *entry["outputImages"].values(), entry["inputImage"]]
    links.append(entry["exports"]["docx"]["content"])
    assert {link.removeprefix("http://h/") for link in links} == set(answer.blobs)
    assert len(answer.blobs) == 5
    assert list(entry["markdown"]["images"]) == [key]
    assert entry["exports"]["docx"]["fileName"] == "page_1.docx"
    assert line["result"]["dataInfo"] == size


def test_a_document_without_pictures_has_empty_maps() -> None:
    answer = results.kept(
        {"layoutParsingResults": [{"prunedResult": {}, "markdown": {"text": "a"}}], "dataInfo": None}, DOCUMENTS, 1
    )
    [line] = told(job(DOCUMENTS), [(0, answer.result, None)])
    [entry] = line["result"]["layoutParsingResults"]
    assert (entry["markdown"]["images"], entry["outputImages"]) == ({}, {})


def test_a_line_is_a_line_to_every_reader() -> None:
    text = "a\u2028b\u2029c\x85d\ne\x0b\x1c"
    page = {"prunedResult": {"rec_texts": [text]}}
    answer = results.kept({"ocrResults": [page], "dataInfo": {"width": 1, "height": 2, "type": "image"}}, OCR, 1)
    lines = told(job(OCR), [(0, answer.result, None), (1, None, "It is damaged.")])
    assert lines[0]["result"]["ocrResults"][0]["prunedResult"]["rec_texts"] == [text]
    assert lines[1]["result"]["ocrResults"][0]["prunedResult"]["rec_texts"] == []
    assert lines[1]["errorMsg"] == "Page 2 was not read: It is damaged."
    assert lines[1]["result"]["dataInfo"]["pages"] == [{"width": 1, "height": 2}, {"width": 0, "height": 0}]


def test_four_states_are_told() -> None:
    said = {
        state: answers.status(job(OCR, state=state, error="why"), "http://h/")
        for state in ("pending", "running", "done", "cancelled")
    }
    assert [about["state"] for about in said.values()] == ["pending", "running", "done", "failed"]
    assert [about["errorMsg"] for about in said.values()] == ["", "", "why", "why"]
    assert [state for state, about in said.items() if "resultUrl" in about] == ["done"]
    assert said["done"]["extractProgress"]["endTime"] == "1970-01-01 00:00:02"
    assert "extractProgress" not in answers.status(job(OCR, state="pending", started=None))
