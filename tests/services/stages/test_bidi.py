"""Lines of Arabic and Hebrew, from the order of their columns to that in which they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_serving.stages import bidi

HEBREW = st.text("אבגדהוזחט", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("visual", "stored"),
    [
        ("Invoice No. 1247 (copy)", "Invoice No. 1247 (copy)"),
        ("", ""),
        ("םולש", "שלום"),
        ("1247 סמ תינובשח", "חשבונית מס 1247"),
        ('1,245.50 כ"הס', 'סה"כ 1,245.50'),
        ("17/03/2026 ךיראת", "תאריך 17/03/2026"),
        ("50% החנה", "הנחה 50%"),
        ("North Wind Ltd תרבח", "חברת North Wind Ltd"),
        ("ןליא PP-OCR v5 ןאכ", "כאן PP-OCR v5 אילן"),
        ("(העש) ןמז", "זמן (שעה)"),
        ("רבוטקוא 12-15 םימי", "ימים 12-15 אוקטובר"),
        ("ةروتاف", "فاتورة"),
        ("1247 مقر ةروتاف", "فاتورة رقم 1247"),
        ("1,245.50 غلبملا", "المبلغ 1,245.50"),
        ("%50 ةبسن", "نسبة 50%"),
        ("2024-05-12 خيرات", "تاريخ 12-05-2024"),
        ("٢٠٢٤ ماع", "عام ٢٠٢٤"),
        ("INV-2026-03 مقر", "رقم INV-2026-03"),
        ("SA03 8000 0012 بيآ", "آيب SA03 8000 0012"),
        ("https://example.com/a?b=1 عقوم", "موقع https://example.com/a?b=1"),
        ("(INV-2026/03) ةروتاف", "فاتورة (INV-2026/03)"),
        ("PM 12:30 تقولا", "الوقت 12:30 PM"),
        ("USD 45 غلبملا", "المبلغ 45 USD"),
        ("INV-2026/03 תינובשח", "חשבונית INV-2026/03"),
        ("abc (def) םולש", "שלום abc (def)"),
    ],
)
def test_lines_are_stored_as_they_are_read(visual: str, stored: str) -> None:
    assert bidi.logical(visual) == stored


@given(st.text("abcXYZ 0123.,:()[]-/%é漢字かな"))
def test_text_without_such_letters_stays_to_the_letter(text: str) -> None:
    assert bidi.logical(text) == text
    assert bidi.order(text) == list(range(len(text)))


@given(st.text("אבגدجب abc012.,:-/%\u0651()"))
def test_no_character_is_lost(visual: str) -> None:
    order = bidi.order(visual)
    assert sorted(order) == list(range(len(visual)))
    assert [visual[index] for index in order if visual[index] not in "()"] == [c for c in bidi.logical(visual) if c not in "()"]


@given(HEBREW, st.integers(0, 99999), HEBREW)
def test_words_and_numbers_change_places_and_keep_themselves(first: str, number: int, last: str) -> None:
    visual = f"{last[::-1]} {number} {first[::-1]}"
    assert bidi.logical(visual) == f"{first} {number} {last}"
