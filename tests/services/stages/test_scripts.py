"""Which script lines are in, told by the network that comes with the package; pages of more than one; what looks alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.pictures import cut_lines
from ocr_serving import models
from ocr_serving.engines import engine_options
from ocr_serving.stages.scripts import (
    LETTERS,
    MODEL,
    SCRIPTS,
    ScriptClassifier,
    Told,
    known_to,
    script_of,
    told,
    unknown_on,
    window,
)

TEXTS: Mapping[str, tuple[str, ...]] = {
    "latin": ("Total amount due by the end of March", "INVOICE NUMBER AND DATE OF ISSUE", "Straße und Hausnummer, Größe"),
    "vietnamese": ("Cộng hòa xã hội chủ nghĩa Việt Nam", "Độc lập – Tự do – Hạnh phúc", "HỢP ĐỒNG MUA BÁN NHÀ Ở"),
    "greek": ("Τιμολόγιο παροχής υπηρεσιών", "ΣΥΝΟΛΟ ΠΛΗΡΩΜΗΣ ΚΑΙ ΦΠΑ", "Ελληνική Δημοκρατία, Αθήνα"),
    "cyrillic": ("Счёт на оплату за услуги связи", "РОССИЙСКАЯ ФЕДЕРАЦИЯ, МОСКВА", "Державна служба України"),
    "arabic": ("فاتورة ضريبية رقم الطلب", "المملكة العربية السعودية", "وزارة الداخلية والجوازات"),
    "hebrew": ("חשבונית מס קבלה ללקוח", "מדינת ישראל משרד הפנים", "סך הכל לתשלום כולל מעמ"),
    "thai": ("ใบกำกับภาษีและใบเสร็จรับเงิน", "จำนวนเงินรวมทั้งสิ้น", "กรุงเทพมหานครและปริมณฑล"),
    "devanagari": ("भारत सरकार आयकर विभाग", "कुल देय राशि और दिनांक", "नाम तथा पता लिखें"),
    "tamil": ("தமிழ்நாடு அரசு வருவாய் துறை", "மொத்த தொகை மற்றும் தேதி", "பெயர் மற்றும் முகவரி"),
    "telugu": ("తెలంగాణ ప్రభుత్వం రెవెన్యూ శాఖ", "మొత్తం చెల్లించవలసిన సొమ్ము", "పేరు మరియు చిరునామా"),
    "hangul": ("대한민국 정부 세금계산서", "합계 금액과 날짜를 적으십시오", "서울특별시 강남구 테헤란로"),
    "han": ("中华人民共和国居民身份证", "合計金額と日付を記入してください", "電子發票證明聯及收據"),
}


@pytest.fixture(scope="module")
def look() -> ScriptClassifier:
    return ScriptClassifier(models.resolve(MODEL).path, engine_options())


@pytest.mark.parametrize("script", TEXTS)
@pytest.mark.parametrize("kind", ["plain", "small", "on its head", "white on black"])
def test_the_script_of_a_page_is_told(look: ScriptClassifier, script: str, kind: str) -> None:
    page = cut_lines(*TEXTS[script], size=18 if kind == "small" else 34)
    if kind == "on its head":
        page = [np.ascontiguousarray(line[::-1, ::-1]) for line in page]
    if kind == "white on black":
        page = [255 - line for line in page]
    assert script_of(page, look) == script


def test_a_script_that_is_known_is_not_told_and_another_is(look: ScriptClassifier) -> None:
    known = {"latin", "han"}
    for script, lines in TEXTS.items():
        found = unknown_on(cut_lines(*lines), known, look)
        assert (found.script if found else None) == (None if script in known else script)


def test_the_part_of_a_page_that_is_in_another_script_is_told(look: ScriptClassifier) -> None:
    page = cut_lines(*TEXTS["latin"] * 2, *TEXTS["cyrillic"])
    assert unknown_on(page, {"latin"}, look) == Told("cyrillic", 3, 9)
    assert unknown_on(page, {"latin", "cyrillic"}, look) is None


def test_one_line_of_many_is_a_name_or_a_stamp(look: ScriptClassifier) -> None:
    assert unknown_on(cut_lines(*TEXTS["latin"] * 2, TEXTS["thai"][0]), {"latin"}, look) is None


def test_what_is_no_text_has_no_script(look: ScriptClassifier) -> None:
    noise = np.random.default_rng(1)
    bars = np.repeat(noise.integers(0, 2, (1, 150)) * 255, 4, axis=1).astype(np.uint8)
    pictures = [
        np.broadcast_to(bars[..., None], (30, 600, 3)).copy(),
        np.full((30, 400, 3), 200, np.uint8),
        noise.integers(0, 255, (40, 300, 3)).astype(np.uint8),
    ]
    assert script_of(pictures, look) is None
    assert unknown_on(pictures, {"latin"}, look) is None
    assert script_of([], look) is None
    assert unknown_on([], {"latin"}, look) is None


def answers(*lines: tuple[str, float]) -> NDArray[np.float32]:
    """Probabilities of lines, of each its script and how sure it is."""
    rows = np.full((len(lines), len(SCRIPTS)), 0.001, np.float32)
    for row, (script, sure) in zip(rows, lines, strict=True):
        row[SCRIPTS.index(script)] = sure
    return rows


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([("thai", 0.7)] * 3, Told("thai", 3, 3)),
        ([("thai", 0.6)] * 3, Told("thai", 3, 3)),
        ([("greek", 0.6)] * 3, None),
        ([("greek", 0.7)] * 3, Told("greek", 3, 3)),
        ([("thai", 0.92)] * 5 + [("latin", 0.9)] * 2, Told("thai", 5, 7)),
        ([("thai", 0.8)] * 2, None),
        ([("thai", 0.95)] * 2, Told("thai", 2, 2)),
        ([("thai", 0.95)] * 4 + [("latin", 0.9)] * 8, Told("thai", 4, 12)),
        ([("thai", 0.8)] * 4 + [("latin", 0.9)] * 8, None),
        ([("thai", 0.95)] * 2 + [("latin", 0.9)] * 3, None),
        ([("thai", 0.95)] * 3 + [("latin", 0.6)] * 20, None),
        ([("thai", 0.95)] * 3 + [("digits", 0.9)] * 20, Told("thai", 3, 3)),
        ([("nothing", 0.99)] * 9, None),
    ],
)
def test_enough_lines_have_to_be_sure(lines: Sequence[tuple[str, float]], found: Told | None) -> None:
    assert told(answers(*lines), [6.0] * len(lines), [SCRIPTS.index("thai"), SCRIPTS.index("greek")]) == found


def test_words_alone_are_too_little() -> None:
    lines = answers(*[("thai", 0.99)] * 4)
    assert told(lines, [1.9] * 4, [SCRIPTS.index("thai")]) is None
    assert told(lines, [2.1] * 4, [SCRIPTS.index("thai")]) == Told("thai", 4, 4)


def test_a_recogniser_knows_a_script_of_which_it_knows_all_letters() -> None:
    assert known_to([*LETTERS["latin"], *LETTERS["thai"]]) == {"latin", "thai"}
    assert known_to(LETTERS["greek"][1:]) == frozenset()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (48, 3000), (7, 9)])
def test_crops_of_any_shape_have_a_window(shape: tuple[int, int]) -> None:
    seen = window(np.random.default_rng(2).integers(0, 255, (*shape, 3)).astype(np.uint8))
    assert seen.shape == (32, 256)
    assert np.isfinite(seen).all()
