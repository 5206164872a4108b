"""What a network reads is told from what it only guesses at."""

from __future__ import annotations

import pytest

from ocr_serving.stages.sureness import LEAST, Line, is_garbled, sureness


def of(*lines: tuple[str, float, float]) -> float:
    found = sureness(Line(*line) for line in lines)
    assert found is not None
    return found


def test_pages_that_are_read_are_sure() -> None:
    assert of(("Invoice number 1247", 0.99, 9), ("Total amount due 12,450.00", 0.98, 12)) > 0.95
    assert of(("发票号码 1247", 0.97, 6), ("合计金额", 0.99, 4)) > 0.95
    assert of(("TEL: 03-5512 3344", 0.9, 9), ("-----", 0.9, 1.5)) > LEAST


@pytest.mark.parametrize(
    "lines",
    [
        # Russian, as PP-OCRv6 small and tiny answer it; then Arabic, Hebrew and Greek.
        [("    1247  17 ", 0.98, 14), (":  « »", 0.94, 12), (" κ  12 450,00 .", 0.96, 12), ("  ,  ", 0.96, 12)],
        [("C4ëT Ha o∏naTy No 1247 oT 17 MapTa", 0.9, 14), ("PyKOBoAUTe1b ∏peA∏pnATUA VBaHOBa", 0.82, 13)],
        [("124", 0.72, 7), ("", 0.0, 9), ("", 0.0, 9)],
        [("1247 on nuvn", 0.79, 7), ("D170n7 771D DID0", 0.74, 7), ("  ", 0.89, 6)],
        [("Tιλγι πλη αιμ", 0.84, 10), ("Eπωνυα εαιεα", 0.8, 8)],
        [("   .", 0.98, 12)],
    ],
)
def test_signs_and_letters_that_look_alike_are_not(lines: list[tuple[str, float, float]]) -> None:
    assert of(*lines) < LEAST


def test_a_few_words_are_not_judged() -> None:
    assert sureness([]) is None
    assert sureness([Line("---", 0.4, 3.0)]) is None


@pytest.mark.parametrize("word", ["C4ëT", "∏ocTaBμnK", "MapTa", "Tιλγι", "αξιορπεια", "S3lbstst4ndig"])
def test_words_of_no_language(word: str) -> None:
    assert is_garbled(word)


@pytest.mark.parametrize(
    "word",
    [
        "Invoice",
        "TOTAL",
        "12,450.00",
        "A4",
        "PP-OCR",
        "Straße",
        "naïve",
        "B2B",
        "日本語Word",
        "№1247",
        "a8d98f4f",
        "XK7P2-9QW4",
        "αξιοπρέπεια",
        "ΑΘΗΝΑ",
        "αβγ",
    ],
)
def test_words_that_are_written(word: str) -> None:
    assert not is_garbled(word)
