"""The four OCR modules as a user of Python meets them: arguments, None images, parameters, a copied folder, `python module.py`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from helpers.pictures import font_file, written
from helpers.services import needs_bfloat16, needs_vnni
from ocr_serving import models
from ocr_serving.errors import ConfigError, InputError, ModelError
from ocr_serving.modules.base import Module
from ocr_serving.modules.loader import BUILTIN, load_module
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.output import results

GOLDEN = Path(__file__).parents[2] / "golden"
PAGE = GOLDEN / "pages" / "table_crop.jpg"
TINY = {"model_set": "PP-OCRv6_tiny"}

pytestmark = pytest.mark.models


def ocr_system(**params: Any) -> OCRSystem:
    module = load_module("ocr_system", params=TINY | params)
    assert isinstance(module, OCRSystem)
    return module


@pytest.fixture(scope="module")
def system() -> OCRSystem:
    return ocr_system(use_angle_cls=True)


@pytest.fixture(scope="module")
def line() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture of one line."""
    picture = np.full((48, 420, 3), 255, np.uint8)
    cv2.putText(picture, "Invoice 20260317", (8, 35), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize(
    ("name", "unknown"),
    [("ocr_cls", {"angle": "", "confidence": 0.0}), ("ocr_rec", {"text": "", "confidence": 0.0})],
)
def test_an_image_that_is_none_keeps_its_place_among_lines(
    name: str, unknown: dict[str, Any], line: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    module = load_module(name, params=TINY)
    ((first, none, last),) = module.predict([line, None, line])
    assert none == unknown
    assert first == last
    assert first["confidence"] > 0.5
    assert module.predict([None]) == [[unknown]]


def test_ocr_rec_reads_a_line(line: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    ((answer,),) = load_module("ocr_rec", params=TINY).predict([line])
    assert answer["text"] == "Invoice 20260317"


def test_an_image_that_is_none_yields_no_lines(system: OCRSystem) -> None:
    assert system.predict([None]) == [[]]
    assert load_module("ocr_det", params=TINY).predict([None]) == [[]]


def test_an_undecodable_file_is_a_warning(system: OCRSystem, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    system.begin_request()
    assert system.predict(paths=[str(tmp_path / "broken.jpg")]) == [[]]
    assert "broken.jpg cannot be decoded" in system.warnings[0]


def test_a_request_may_change_parameters_for_itself(system: OCRSystem) -> None:
    everything = system.predict(paths=[str(PAGE)], drop_score=0.0)[0]
    strict = system.predict(paths=[str(PAGE)], drop_score=0.98)[0]
    assert 0 < len(strict) < len(everything)
    assert min(entry["confidence"] for entry in strict) >= 0.98
    assert len(system.predict(paths=[str(PAGE)], det_limit_side_len=64)[0]) < len(everything)
    assert system.predict(paths=[str(PAGE)], drop_score=0.0)[0] == everything


def test_angles_are_told_while_the_classifier_is_on(system: OCRSystem) -> None:
    assert all(entry["angle"] in ("0", "180") for entry in system.predict(paths=[str(PAGE)])[0])
    assert all("angle" not in entry for entry in system.predict(paths=[str(PAGE)], use_angle_cls=False)[0])


def test_text_upside_down_is_read_with_the_classifier() -> None:
    module = ocr_system(model_set="PP-OCRv4_mobile", use_doc_orientation_classify=False)
    upside_up = cv2.imread(str(PAGE))
    assert upside_up is not None
    page = np.asarray(upside_up, np.uint8)[::-1, ::-1].copy()
    upright = {entry["text"] for entry in module.predict(paths=[str(PAGE)])[0]}
    turned = {entry["text"] for entry in module.predict([page])[0]}
    unturned = {entry["text"] for entry in module.predict([page], use_angle_cls=False)[0]}
    assert len(upright & turned) > 0.8 * len(upright)
    assert len(upright & unturned) < 0.5 * len(upright)


def test_a_classifier_that_was_not_loaded_cannot_be_switched_on() -> None:
    module = ocr_system()
    with pytest.raises(
        InputError, match="use_angle_cls: this service loaded no angle classifier; start it with use_angle_cls = True"
    ):
        module.predict(paths=[str(PAGE)], use_angle_cls=True)


def test_parameters_of_a_request_have_bounds(system: OCRSystem) -> None:
    with pytest.raises(InputError, match="'drop_score'"):
        system.predict(paths=[str(PAGE)], drop_score=7)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 3000), (20_000, 1), (500, 500), (60, 40_000), (40_000, 60)], ids=lambda side: str(side)
)
def test_any_size_of_page_is_answered(system: OCRSystem, height: int, width: int) -> None:
    assert system.predict([np.full((height, width, 3), 255, np.uint8)]) == [[]]


def test_a_page_of_noise_is_answered(system: OCRSystem) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    (lines,) = system.predict([noise], det_db_thresh=0.0, det_db_box_thresh=0.0, drop_score=0.0)
    for entry in lines:
        assert np.array(entry["text_region"]).min() >= 0
        assert np.array(entry["text_region"]).max(axis=0).tolist() <= [399, 299]


def test_how_long_each_stage_took_is_noted(system: OCRSystem) -> None:
    system.begin_request()
    system.predict(paths=[str(PAGE)])
    assert set(system.stage_seconds) == {"orient", "detect", "classify", "recognize"}
    assert min(system.stage_seconds.values()) > 0


def test_onednn_answers_the_same_text(system: OCRSystem) -> None:
    other = load_module("ocr_system", params=TINY | {"use_angle_cls": True}, init_args={"enable_mkldnn": True})
    texts = [[entry["text"] for entry in module.predict(paths=[str(PAGE)])[0]] for module in (system, other)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("params", "error", "sentence"),
    [
        ({"det_model_dir": "./inference/nowhere/"}, ModelError, "nowhere"),
        ({"det_model_dir": "PP-OCRv6_tiny_rec"}, ModelError, "PP-OCRv6_tiny_rec"),
        ({"rec_model_dir": "PP-OCRv6_tiny_det"}, ModelError, "CTC recogniser"),
        ({"use_tensorrt": True}, ConfigError, "use_tensorrt needs a GPU"),
    ],
)
def test_a_module_that_cannot_work_does_not_load(params: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        load_module("ocr_system", params=TINY | params)
    assert "\n" not in str(caught.value)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """ocr_system as a user's own folder, with its model in a folder beside it."""
    folder = shutil.copytree(BUILTIN / "ocr_system", tmp_path / "my_ocr")
    shutil.copytree(models.resolve("PP-OCRv6_tiny_det").path, folder / "my_detector")
    params = (folder / "params.py").read_text(encoding="utf-8")
    params = params.replace('cfg.model_set = "PP-OCRv6_small"', 'cfg.model_set = "PP-OCRv6_tiny"')
    params = params.replace("cfg.det_model_dir = None", 'cfg.det_model_dir = "./my_detector"')
    (folder / "params.py").write_text(params.replace("cfg.drop_score = None", "cfg.drop_score = 0.99"), encoding="utf-8")
    module = (folder / "module.py").read_text(encoding="utf-8")
    (folder / "module.py").write_text(module.replace('name="ocr_system"', 'name="my_ocr"'), encoding="utf-8")
    return folder


def test_a_copied_and_edited_module_works_from_its_own_folder(copied: Path) -> None:
    module = load_module(str(copied))
    assert module.info.name == "my_ocr"
    (lines,) = module.predict(paths=[str(PAGE)])
    assert lines
    assert min(entry["confidence"] for entry in lines) >= 0.99


def test_python_module_py_prints_what_a_client_would_get(copied: Path, elsewhere: Path) -> None:
    run = subprocess.run([sys.executable, copied / "module.py", PAGE], capture_output=True, text=True, check=True, cwd=elsewhere)
    (lines,) = json.loads(run.stdout)
    assert lines[0].keys() == {"text", "confidence", "text_region"}


def test_python_module_py_answers_a_mistake_with_one_sentence(copied: Path, elsewhere: Path) -> None:
    run = subprocess.run([sys.executable, copied / "module.py", "missing.png"], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "missing.png cannot be read: No such file or directory.\n"


@needs_bfloat16
@pytest.mark.parametrize("name", ["ocr_system", "structure_system", "kie_ser_re"])
def test_bfloat16_reads_the_page_and_leaves_other_networks_alone(name: str) -> None:
    exact, rounded = (load_module(name, params=TINY, init_args={"precision": precision}) for precision in ("fp32", "bf16"))
    assert {engine: used for engine, used in engines_of(rounded).items() if used != engines_of(exact)[engine]} == {
        "detector": "openvino",
        "recognizer": "openvino",
    }
    lines, same = (results.read(module.predict(paths=[str(PAGE)])[0]).lines for module in (exact, rounded))
    assert len(set(lines) & set(same)) > 0.8 * len(set(lines)) > 0


@needs_vnni
def test_int8_reads_the_page_as_float32_does() -> None:
    """In the characters of a charset too, and with words; where a line stands is told by float32."""
    params = {"model_set": "PP-OCRv6_small", "charset": "en"}
    exact, rounded = (OCRSystem(params=params, init_args={"precision": precision}) for precision in ("fp32", "int8"))
    lines, same = (module.predict(paths=[str(PAGE)], return_words=True)[0] for module in (exact, rounded))
    assert [line["text"] for line in same] == [line["text"] for line in lines]
    assert [line["text_region"] for line in same] == [line["text_region"] for line in lines]
    assert [[word["text"] for word in line["words"]] for line in same] == [
        [word["text"] for word in line["words"]] for line in lines
    ]
    assert [line["confidence"] for line in same] != [line["confidence"] for line in lines]


def engines_of(module: Module) -> dict[str, str]:
    """What each network of a module and of its parts runs on, by the name of its stage."""
    found: dict[str, str] = {}
    for name, part in vars(module).items():
        if isinstance(part, Module):
            found |= {f"layout.{key}" if name == "layout" else key: used for key, used in engines_of(part).items()}
        elif hasattr(part, "network"):
            found[name] = part.network.name
        elif hasattr(part, "engine"):
            found[name] = part.engine.name
    return found


@pytest.mark.parametrize("page", ["invoice_en", "layout_cn", "receipt_cn", "table_crop", "table_page"])
def test_pages_that_are_read_say_nothing_of_languages(system: OCRSystem, page: str) -> None:
    system.begin_request()
    assert system.predict(paths=[str(GOLDEN / "pages" / f"{page}.jpg")])[0]
    assert system.warnings == []


def test_a_page_on_which_nothing_is_read_is_said(system: OCRSystem) -> None:
    blank = np.full((400, 300, 3), (90, 180, 250), np.uint8)
    picture = blank.copy()
    picture[200:] = 30
    detection = load_module("ocr_det", params=TINY)
    for module in (system, detection):
        module.begin_request()
        assert module.predict([blank, written("Total amount due"), picture])[::2] == [[], []]
        assert module.warnings == ["results[0]: it is blank, all of one colour", "results[2]: no text was found on it"]
    for silent in ({"rec_width": "legacy"}, {"say_unread": False}):
        params = system.params.model_copy(update=silent)
        system.begin_request()
        system.page(blank, params)
        assert system.warnings == []
    system.begin_request()
    system.predict([written("Total amount due")], drop_score=1.0)
    assert system.warnings == [
        "results[0]: 1 line was found on it, but none was read with a confidence of 1 or more: send it larger or sharper"
    ]


LETTER = ("Total", "Dear Madam, your order of 17 March", "was sent on Friday by rail freight", "and will arrive within ten days")


@pytest.mark.parametrize(
    ("kind", "strength"), [("blurred", 1), ("blurred", 3), ("blurred", 4), ("noisy", 1), ("noisy", 3), ("small", 1), ("small", 3)]
)
def test_a_spoilt_page_is_read_or_said_to_read_badly(system: OCRSystem, kind: str, strength: int) -> None:
    large = np.asarray(cv2.resize(written("Total", size=20), None, fx=3, fy=3, interpolation=cv2.INTER_AREA), np.uint8)
    small = written(*LETTER[1:], *LETTER[1:], size=20)
    page = np.concatenate([large[:, : small.shape[1]], small])
    if kind == "blurred":
        spoilt = cv2.GaussianBlur(page, (0, 0), 1.5 * strength)
    elif kind == "noisy":
        noise = np.random.default_rng(strength).normal(0, 60 * strength, page.shape)
        spoilt = (page + noise).clip(0, 255).astype(np.uint8)
    else:
        spoilt = cv2.resize(page, None, fx=0.6 / strength, fy=0.6 / strength, interpolation=cv2.INTER_AREA)
    system.begin_request()
    (lines,) = system.predict([np.asarray(spoilt, np.uint8)])
    if strength == 1:
        assert {line["text"] for line in lines} >= {LETTER[0], *LETTER[2:]}
        assert system.warnings == []
    else:
        assert len(lines) < 2 * len(LETTER) - 1, "as many as there are"
        assert len(system.warnings) == 1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_all_lines_of_a_thumbnail_are_found(system: OCRSystem, count: int) -> None:
    sheet = PIL.Image.new("L", (880, 40 + 28 * count), 255)
    font = PIL.ImageFont.truetype(font_file(""), 20)
    for n, text in enumerate(("Milk 2 pcs 1.99", "Thank you, Anna", "VAT 19 % incl.", "Date 4 May 2021")[:count]):
        PIL.ImageDraw.Draw(sheet).text((16, 16 + 28 * n), text, fill=0, font=font)
    small = cv2.resize(np.asarray(sheet, np.uint8), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    assert len(system.detector(np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8))) == count, "type of five pixels"


def test_a_line_on_which_nothing_stands_is_said() -> None:
    module = load_module("ocr_rec", params=TINY)
    module.begin_request()
    blank = np.full((48, 400, 3), 250, np.uint8)
    ((nothing, word, _, _),) = module.predict([blank, written("Rechnung")[40:100, 30:240], None, blank])
    assert nothing == {"text": "", "confidence": 0.0}
    assert word["text"] == "Rechnung"
    assert module.warnings == [f"results[0][{n}]: it is blank, all of one colour" for n in (0, 3)]
    module.begin_request()
    low = np.asarray(cv2.resize(written("Rechnung")[40:100, 30:240], (600, 6)), np.uint8)
    module.predict([low])
    why = "it is 100 times as long as high, so that little of it can be read: send it larger, and in parts"
    assert module.warnings[-1] == f"results[0][0]: {why}"
    silent = load_module("ocr_rec", params=TINY | {"say_unread": False})
    silent.predict([blank])
    assert silent.warnings == []


RUSSIAN = ("Счёт на оплату № 1247 от 17 марта", "Итого к оплате 12 450,00 руб.", "Руководитель предприятия Иванова")
ENGLISH = ("Invoice number 1247 of 17 March", "Total amount due 12,450.00 EUR", "Managing director Johnson")


@pytest.mark.parametrize(
    ("lines", "looks", "way"),
    [
        (RUSSIAN, "Cyrillic", "cyrillic_PP-OCRv5_mobile_rec"),
        (("НОВАЯ МОСКВА", "СОВЕТСКАЯ АВЕНТА", "ОТЕЧЕСТВО НАРОДА"), "Cyrillic", "cyrillic_PP-OCRv5_mobile_rec"),
        (("ΤΙΜΟΛΟΓΙΟ ΠΑΡΟΧΗΣ ΥΠΗΡΕΣΙΩΝ", "ΣΥΝΟΛΟ ΠΛΗΡΩΜΗΣ 1247", "ΑΘΗΝΑ ΚΑΙ ΘΕΣΣΑΛΟΝΙΚΗ"), "Greek", "el_PP-OCRv5_mobile_rec"),
        (("대한민국 정부 세금계산서", "합계 금액과 날짜를", "서울특별시 강남구"), "Korean", "korean_PP-OCRv5_mobile_rec"),
        (("فاتورة ضريبية رقم الطلب", "المملكة العربية السعودية", "وزارة الداخلية"), "Arabic", "arabic_PP-OCRv5_mobile_rec"),
        (("ใบกำกับภาษีและใบเสร็จรับเงิน", "จำนวนเงินรวมทั้งสิ้น", "กรุงเทพมหานคร"), "Thai", "th_PP-OCRv5_mobile_rec"),
        (("भारत सरकार आयकर विभाग", "कुल देय राशि और दिनांक", "नाम तथा पता लिखें"), "Devanagari", "devanagari_PP-OCRv5_mobile_rec"),
        (("தமிழ்நாடு அரசு வருவாய்", "மொத்த தொகை மற்றும்", "பெயர் மற்றும் முகவரி"), "Tamil", "ta_PP-OCRv5_mobile_rec"),
        (("తెలంగాణ ప్రభుత్వం రెవెన్యూ", "మొత్తం చెల్లించవలసిన", "పేరు మరియు చిరునామా"), "Telugu", "te_PP-OCRv5_mobile_rec"),
        (("חשבונית מס קבלה ללקוח", "מדינת ישראל משרד הפנים", "סך הכל לתשלום"), "Hebrew", "nor does any lang: name a recogniser"),
        (("ព្រះរាជាណាចក្រកម្ពុជា", "ជាតិ សាសនា ព្រះមហាក្សត្រ", "លេខទូរស័ព្ទ និង អាសយដ្ឋាន"), "like Bengali, Georgian or", "nor does any lang"),
        (
            ("Cộng hòa xã hội chủ nghĩa Việt Nam", "Độc lập – Tự do – Hạnh phúc", "Hợp đồng mua bán nhà ở"),
            "Vietnamese",
            "without their marks",
        ),
    ],
)
def test_a_script_that_the_network_does_not_know_is_said_with_the_one_lang_that_does(
    system: OCRSystem, lines: tuple[str, ...], looks: str, way: str
) -> None:
    system.begin_request()
    system.predict([written(*lines)])
    (warning,) = system.warnings
    assert warning.startswith("results[0]: it ")
    assert f"looks {looks}" in warning
    assert way in warning
    assert warning.count("_PP-OCRv5_mobile_rec") == way.count("_PP-OCRv5_mobile_rec")


def test_the_part_of_a_page_that_the_network_does_not_know_is_said(system: OCRSystem) -> None:
    passport = written(*ENGLISH, "РОССИЙСКАЯ ФЕДЕРАЦИЯ", "Фамилия и отчество владельца", "Место рождения: город Москва", *ENGLISH)
    system.begin_request()
    system.predict([passport, written(*ENGLISH)])
    (warning,) = system.warnings
    assert "it has lines (3 of 9 that were looked at) that look Cyrillic, which this network does not know: cyrillic" in warning


def test_what_is_said_of_scripts_can_be_left_out(system: OCRSystem) -> None:
    for off in ({"suggest_lang": False}, {"rec_width": "legacy"}):
        module = ocr_system(**off)
        module.begin_request()
        module.predict([written("НОВАЯ МОСКВА", "СОВЕТСКАЯ АВЕНТА", "ОТЕЧЕСТВО НАРОДА")])
        assert [warning for warning in module.warnings if "Cyrillic" in warning] == []


def test_codes_in_capitals_are_no_foreign_letters(system: OCRSystem) -> None:
    system.begin_request()
    system.predict([written("GTAGACCCGAGCGGGACAT", "AAGAGCATCAGTCACAAGAAG", "GACCACGAAATAACGATAGTCA", "CCATCACCATCTTCCAGGAG")])
    assert system.warnings == []
