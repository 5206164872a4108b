"""PaddleOCR 3's basic serving: with its weights and options we answer what its own server did (tests/golden/paddleocr3)."""

from __future__ import annotations

import base64
import io
import json
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers import pdfs
from helpers.services import GOLDEN
from ocr_serving.decoding.images import Limits
from ocr_serving.modules.base import Module
from ocr_serving.modules.loader import load_module
from ocr_serving.server.paddleocr3 import answer, options
from ocr_serving.stages.layout import Region

RECORDED = GOLDEN / "paddleocr3"
PIXELS = 2
CONFIDENCE = 5e-3
OLD = {"model_set": "PP-OCRv4_mobile", "rec_width": "legacy", "use_angle_cls": True}

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def ocr() -> Module:
    return load_module("ocr_system", params=OLD)


@pytest.fixture(scope="module")
def structure() -> Module:
    return load_module("structure_system", params=OLD)


def page(name: str) -> str:
    return base64.b64encode((GOLDEN / "pages" / name).read_bytes()).decode()


def asked(module: Module, route: str, body: dict[str, Any]) -> dict[str, Any]:
    reply, _ = answer.answer(module, route, json.dumps(body).encode(), "application/json", Limits())
    said: dict[str, Any] = json.loads(reply.body)
    assert (said["errorCode"] or 200) == reply.code
    return said


def recorded(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body of a recorded request, with its picture, and the response. The stand-in for flattening of pages is not asked for."""
    whole = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    body = dict(whole["request"]["body"])
    body["file"] = page(body["file"].removeprefix("<base64 of ").removesuffix(">"))
    return body, whole["response"]


def boxes_agree(ours: Any, theirs: Any, within: float = PIXELS) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(np.subtract(one, other)).max() <= within


def lines_agree(ours: dict[str, Any], theirs: dict[str, Any], *, but: frozenset[int] = frozenset()) -> None:
    """Two `prunedResult`s of OCR; of the lines `but` what is said is not compared."""
    assert list(ours) == list(theirs)
    for key in ("text_det_params", "text_type", "text_rec_score_thresh", "return_word_box"):
        assert ours[key] == theirs[key]
    assert ours["model_settings"]["use_textline_orientation"] == theirs["model_settings"]["use_textline_orientation"]
    for key in ("dt_polys", "rec_polys", "rec_boxes"):
        boxes_agree(ours[key], theirs[key])
    kept = [n for n in range(len(theirs["rec_texts"])) if n not in but]
    assert [ours["rec_texts"][n] for n in kept] == [theirs["rec_texts"][n] for n in kept]
    scores = [theirs["rec_scores"][n] for n in kept]
    assert [ours["rec_scores"][n] for n in kept] == pytest.approx(scores, abs=CONFIDENCE)


@pytest.mark.parametrize(
    "name",
    [
        "ocr_invoice_en_defaults",
        "ocr_receipt_cn_no_pictures",
        "ocr_table_crop_all_options",
        "ocr_table_crop_word_boxes",
        "ocr_table_crop_orientation_only",
    ],
)
def test_ocr_answers_what_was_recorded(ocr: Module, name: str) -> None:
    body, theirs = recorded(name)
    ours = asked(ocr, "ocr", body)
    assert {key for key in ours if key != "logId"} == {key for key in theirs if key != "logId"}
    assert ours["result"]["dataInfo"] == theirs["result"]["dataInfo"]
    (one,), (other,) = ours["result"]["ocrResults"], theirs["result"]["ocrResults"]
    assert set(one) == set(other)
    # Its network for lines on their head turned some that were not, which then say gibberish; ours turns none of them.
    wrong = {n for n, angle in enumerate(other["prunedResult"]["textline_orientation_angles"]) if angle == 1}
    lines_agree(one["prunedResult"], other["prunedResult"], but=frozenset(wrong))
    if "text_word" in other["prunedResult"]:
        assert one["prunedResult"]["text_word"] == other["prunedResult"]["text_word"]
        for mine, was in zip(one["prunedResult"]["text_word_boxes"], other["prunedResult"]["text_word_boxes"], strict=True):
            boxes_agree(mine, was)


def test_a_table_without_layout_is_the_recorded_one(structure: Module) -> None:
    body, theirs = recorded("table_v1_crop_no_layout")
    (one,), (other,) = (said["result"]["tableRecResults"] for said in (asked(structure, "table-recognition", body), theirs))
    ours, were = one["prunedResult"], other["prunedResult"]
    assert list(ours) == list(were)
    assert ours["model_settings"] == were["model_settings"]
    lines_agree(ours["overall_ocr_res"], were["overall_ocr_res"])
    (table,), (old) = ours["table_res_list"], were["table_res_list"][0]
    assert table["pred_html"] == old["pred_html"]
    boxes_agree(table["cell_box_list"], old["cell_box_list"])
    assert table["table_ocr_pred"]["rec_texts"] == old["table_ocr_pred"]["rec_texts"]


class Recorded:
    """A layout network that sees what a recording says. There it was a stand-in too, which saw these regions on any page; what it
    saw decides which pixels the network for tables gets, so that with another one tables cannot be compared."""

    LABELS: ClassVar[dict[str, str]] = {"doc_title": "title", "image": "figure"}

    def __init__(self, detected: dict[str, Any]) -> None:
        self.regions = [
            Region(tuple(box["coordinate"]), self.LABELS.get(box["label"], box["label"]), box["score"]) for box in detected["boxes"]
        ]

    def __call__(self, _page: Any, _params: Any = None) -> list[Region]:
        return self.regions


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("table_v1_table_page_defaults", "table-recognition"),
        ("table_v2_table_page_e2e", "table-recognition"),
        ("structurev3_table_page_defaults", "layout-parsing"),
        ("structurev3_table_page_lean", "layout-parsing"),
        ("structurev3_table_page_no_table", "layout-parsing"),
    ],
)
def test_pages_with_a_table_are_the_recorded_ones(structure: Any, name: str, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, theirs = recorded(name)
    key = {"table-recognition": "tableRecResults", "layout-parsing": "layoutParsingResults"}[route]
    (other,) = theirs["result"][key]
    were = other["prunedResult"]
    # Networks for pages that lie turned and for bent ones were stand-ins that changed nothing; here they are left out.
    preprocessed = were.pop("doc_preprocessor_res", None)
    if preprocessed is not None:
        assert preprocessed["angle"] == 0
        were["model_settings"]["use_doc_preprocessor"] = False
    # The second pipeline for tables comes with another threshold than the first, which is this server's; it found the same lines.
    were["overall_ocr_res"]["text_det_params"]["box_thresh"] = 0.6
    monkeypatch.setattr(structure.layout, "detector", Recorded(were["layout_det_res"]))
    said = asked(structure, route, body)
    assert said["result"]["dataInfo"] == theirs["result"]["dataInfo"]
    (one,) = said["result"][key]
    ours = one["prunedResult"]
    assert set(one) == set(other)
    # Boxes in which order pages are read are not drawn, nor is a page that was not preprocessed.
    assert set(other.get("outputImages", ())) - set(one.get("outputImages", ())) <= {"layout_order_res", "preprocessed_img"}
    assert list(ours) == list(were)
    assert ours["model_settings"] == were["model_settings"]
    assert {name: ours.get(name) for name in ("width", "height")} == {name: were.get(name) for name in ("width", "height")}
    lines_agree(ours["overall_ocr_res"], were["overall_ocr_res"])
    assert len(ours.get("table_res_list", ())) == len(were.get("table_res_list", ()))
    for table, old in zip(ours.get("table_res_list", ()), were.get("table_res_list", ()), strict=True):
        assert table["pred_html"] == old["pred_html"]
        boxes_agree(table["cell_box_list"], old["cell_box_list"])
        inside, before = table["table_ocr_pred"], old["table_ocr_pred"]
        assert inside["rec_texts"] == before["rec_texts"]
        boxes_agree(inside["rec_boxes"], before["rec_boxes"])
        assert inside["rec_scores"] == pytest.approx(before["rec_scores"], abs=CONFIDENCE)
    # Texts' boxes in `parsing_res_list` are those of their lines here, of their regions there.
    if "table_res_list" in were and route == "layout-parsing":
        blocks, before = ours["parsing_res_list"], were["parsing_res_list"]
        told = ("block_label", "block_id", "block_order")
        assert [[block[key] for key in told] for block in blocks] == [[block[key] for key in told] for block in before]
        assert blocks[0]["block_content"] == before[0]["block_content"]
        boxes_agree([block["block_bbox"] for block in blocks[1:]], [block["block_bbox"] for block in before[1:]])
        assert set(one["markdown"]) == set(other["markdown"])
        assert set(one["markdown"].get("images", ())) <= set(other["markdown"].get("images", ()))
        assert "<td>26,440</td>" in one["markdown"]["text"]


def test_pages_of_a_pdf_are_told_as_recorded(structure: Module) -> None:
    theirs = json.loads((RECORDED / "structurev3_pdf_2_pages.json").read_text(encoding="utf-8"))
    picture = Image.open(GOLDEN / "pages" / "table_page.jpg").convert("RGB")
    file = io.BytesIO()
    # At 144 dots an inch it has the 620 x 450 points a page of the recorded file.
    picture.save(file, "PDF", save_all=True, append_images=[picture], resolution=144)
    body = theirs["request"]["body"] | {"file": base64.b64encode(file.getvalue()).decode()}
    ours, were = (said["result"] for said in (asked(structure, "layout-parsing", body), theirs["response"]))
    assert ours["dataInfo"] == were["dataInfo"]
    assert len(ours["layoutParsingResults"]) == len(were["layoutParsingResults"]) == 2
    for one, other in zip(ours["layoutParsingResults"], were["layoutParsingResults"], strict=True):
        assert set(one) == set(other)
        assert list(one["prunedResult"]) == list(other["prunedResult"])
        for key in ("page_count", "width", "height"):
            assert one["prunedResult"][key] == other["prunedResult"][key]
        # It told of the second page's title that it starts no paragraph, but of the page before that it ends one: joined, both
        # say the same.
        assert one["markdown"]["isStart"] is True
        assert one["markdown"]["isEnd"] is other["markdown"]["isEnd"] is True


def test_pictures_of_the_steps_before_reading_have_the_recorded_size(ocr: Module) -> None:
    body, theirs = recorded("docpre_table_crop")
    (one,) = asked(ocr, "document-preprocessing", body)["result"]["docPreprocessingResults"]
    (other,) = theirs["result"]["docPreprocessingResults"]
    assert set(one) == set(other)
    for key in set(one) - {"prunedResult"}:
        height, width = np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(one[key]), np.uint8), cv2.IMREAD_COLOR)).shape[:2]
        assert other[key].endswith(f"{width} x {height}>"), key


def test_a_page_on_its_side_is_set_upright_first() -> None:
    image = np.asarray(cv2.imread(str(GOLDEN / "pages" / "table_crop.jpg")), np.uint8)
    turned = base64.b64encode(cv2.imencode(".png", np.rot90(image, -1))[1].tobytes()).decode()
    module = load_module("ocr_system", params={"model_set": "PP-OCRv6_tiny"})
    said = asked(module, "ocr", {"file": turned, "useDocOrientationClassify": True})
    (entry,) = said["result"]["ocrResults"]
    result = entry["prunedResult"]
    assert result["doc_preprocessor_res"]["angle"] == 90
    assert result["model_settings"]["use_doc_preprocessor"] is True
    assert said["result"]["warnings"] == [
        "page 1: it lies turned by 90 degrees clockwise and was read upright; coordinates are those of the upright page."
    ]
    # Boxes are those of the upright page: its heading row is at the top.
    row = [
        box for text, box in zip(result["rec_texts"], result["rec_boxes"], strict=True) if text in ("Region", "Q1", "Q4", "Total")
    ]
    assert len(row) == 4
    assert max(box[3] for box in row) < 80
    assert {"ocrImage", "inputImage", "docPreprocessingImage"} <= set(entry)
    picture = asked(module, "document-preprocessing", {"file": turned, "visualize": False})["result"]["docPreprocessingResults"][0]
    upright = cv2.imdecode(np.frombuffer(base64.b64decode(picture["outputImage"]), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(np.asarray(upright), image)
    assert picture["prunedResult"]["angle"] == 90


def test_a_pdf_is_read_whole_and_a_cut_is_said(ocr: Module) -> None:
    pdf = base64.b64encode(pdfs.of_text(*[[f"Page {n}"] for n in range(1, 13)])).decode()
    whole = asked(ocr, "ocr", {"file": pdf, "visualize": False})["result"]
    assert whole["dataInfo"]["numPages"] == len(whole["ocrResults"]) == 12
    assert "warnings" not in whole
    body = json.dumps({"file": pdf, "visualize": False}).encode()
    reply, count = answer.answer(ocr, "ocr", body, "application/json", Limits(max_pdf_pages=2))
    result = json.loads(reply.body)["result"]
    assert count == len(result["ocrResults"]) == 2
    assert "file has 12 pages, of which only the first 2 were read" in result["warnings"][0]
    assert "12%20pages" in reply.headers["X-OCR-Remarks"] or "12 pages" in reply.headers["X-OCR-Remarks"]


@pytest.mark.parametrize(
    ("options_", "sentence"),
    [
        ({"useDocUnwarping": True}, "useDocUnwarping: no module here flattens bent pages"),
        ({"useSealRecognition": True}, "useSealRecognition: no module here reads seals"),
        ({"useFormulaRecognition": True}, "useFormulaRecognition: no module here reads formulas"),
        ({"layoutNms": False}, "layoutNms"),
        ({"textDetLimitSideLen": 5, "textDetLimitType": "max"}, "textDetLimitSideLen: takes 32 pixels or more"),
        ({"fileType": 0}, "file is no PDF, as fileType 0 says"),
        ({"file": "http://127.0.0.1/a.png"}, "file: it is a URL, which is fetched where fetch_hosts"),
        ({"file": "aGVsbG8gd29ybGQ="}, "file cannot be decoded"),
        ({"file": ""}, "file is empty"),
    ],
)
def test_what_is_not_here_is_refused_in_a_sentence(structure: Module, options_: dict[str, Any], sentence: str) -> None:
    said = asked(structure, "layout-parsing", {"file": page("table_crop.jpg"), "logId": "mine"} | options_)
    assert said["errorCode"] == 422
    assert sentence in said["errorMsg"]
    assert said["logId"] == "mine"
    assert "result" not in said


def test_a_least_side_of_nothing_scales_nothing(ocr: Module) -> None:
    unscaled, said = (
        asked(ocr, "ocr", {"file": page("table_crop.jpg"), "textDetLimitSideLen": side, "visualize": False}) for side in (0, 64)
    )
    texts = unscaled["result"]["ocrResults"][0]["prunedResult"]["rec_texts"]
    assert texts == said["result"]["ocrResults"][0]["prunedResult"]["rec_texts"] != []


def test_charts_asked_for_by_default_are_told_as_left_out(structure: Module) -> None:
    # PaddleOCR's MCP server asks for charts, and for PaddleOCR-VL for seals too, though nobody told it to.
    body = {"file": page("table_crop.jpg"), "useChartRecognition": True, "useSealRecognition": True, "visualize": False}
    result = asked(structure, "layout-parsing", body)["result"]
    assert [warning.partition(":")[0] for warning in result["warnings"]] == ["useChartRecognition", "useSealRecognition"]
    assert result["layoutParsingResults"][0]["prunedResult"]["model_settings"]["use_chart_recognition"] is False


def test_lines_on_their_head_are_told_as_left_out_where_no_classifier_is_loaded() -> None:
    module = load_module("ocr_system", params={"model_set": "PP-OCRv6_tiny"})
    body = {"file": page("table_crop.jpg"), "useTextlineOrientation": True, "visualize": False}
    result = asked(module, "ocr", body)["result"]
    assert result["warnings"][0].startswith("useTextlineOrientation: this service loaded no angle classifier")
    read = result["ocrResults"][0]["prunedResult"]
    assert read["model_settings"]["use_textline_orientation"] is False
    assert set(read["textline_orientation_angles"]) == {-1}
    assert "Oceania" in read["rec_texts"]


EDGES = json.loads((RECORDED / "ocr_edge_cases.json").read_text(encoding="utf-8"))
SAME_FAULTS = (
    *("missing_file", "empty_object", "file_null", "file_number", "filetype_2", "filetype_string_1", "logid_in_422"),
    *("thresh_string", "sidelen_float", "body_not_json", "body_list", "body_empty", "body_null"),
)


@pytest.mark.parametrize("name", SAME_FAULTS)
def test_faults_of_a_body_are_worded_as_recorded(ocr: Module, name: str) -> None:
    body = EDGES[name]["request"]["body"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    reply, _ = answer.answer(ocr, "ocr", raw, "application/json", Limits())
    said, were = json.loads(reply.body), EDGES[name]["response"]
    assert (reply.code, said["errorCode"], said["errorMsg"]) == (422, were["errorCode"], were["errorMsg"])


def test_unknown_keys_and_nulls_are_passed_over_and_types_are_lax() -> None:
    nulls = dict.fromkeys(name for name in options.OcrRequest.model_fields if name != "file")
    body = {"file": "x", "noSuchKey": 1, "text_det_thresh": 0.9} | nulls
    assert options.parsed(json.dumps(body).encode(), "application/json", options.OcrRequest) == options.OcrRequest(file="x")
    lax = {"file": "x", "textDetThresh": "0.4", "useDocUnwarping": "no", "fileType": True, "textDetLimitSideLen": 960.0}
    read = options.parsed(json.dumps(lax).encode(), "application/vnd.a+json; charset=utf-8", options.OcrRequest)
    assert isinstance(read, options.OcrRequest)
    assert (read.textDetThresh, read.useDocUnwarping, read.fileType, read.textDetLimitSideLen) == (0.4, False, 1, 960)
