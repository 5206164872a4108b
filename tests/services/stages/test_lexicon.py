from __future__ import annotations

import numpy as np

from ocr_serving.stages.lexicon import Lexicon, hinted, lexicon
from ocr_serving.stages.words import Reading

LETTERS = " 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

ENGLISH = "the amount of the payment shall be the total of each invoice within thirty days after delivery"
GERMAN = "der Betrag wird innerhalb von dreißig Tagen nach Lieferung sofort fällig gestellt worden sein"


def line(text: str, doubts: dict[int, tuple[str, float]] | None = None, score: float = 0.98) -> Reading:
    """A reading of `text` with another letter, and its probability, at the places in `doubts`."""
    told = np.zeros((len(text), len(LETTERS)), np.float32)
    scores = np.full(len(text), score, np.float32)
    for at, (letter, probability) in (doubts or {}).items():
        told[at, LETTERS.index(letter)] = probability
        scores[at] = 0.6
    return Reading(list(text), score, np.arange(len(text), dtype=np.float32), scores, told)


def texts(page: list[Reading]) -> list[str]:
    return [reading.text for reading in hinted(page, LETTERS, lexicon("en"))]


def test_a_doubtful_letter_becomes_that_of_a_word() -> None:
    page = [line(ENGLISH), line("Applicaule", {7: ("b", 0.1)}), line("1mplications", {0: ("I", 0.05)})]
    assert texts(page) == [ENGLISH, "Applicable", "Implications"]


def test_what_the_network_is_sure_of_stays() -> None:
    page = [line(ENGLISH), line("Lorillard"), line("Applicaule", {7: ("b", 0.0005)}), line("carton", {0: ("m", 0.5)})]
    assert texts(page) == [ENGLISH, "Lorillard", "Applicaule", "carton"]


def test_of_two_words_as_likely_the_commoner_is_taken() -> None:
    assert texts([line(ENGLISH), line("Managet", {6: ("r", 0.1)})]) == [ENGLISH, "Manager"]
    both = line("Stote", {2: ("a", 0.1)})
    both.told[3, LETTERS.index("l")] = 0.1
    assert texts([line(ENGLISH), both]) == [ENGLISH, "State"]


def test_a_letter_in_a_number_becomes_a_likely_digit_whatever_the_language() -> None:
    page = [line("1g20", {1: ("9", 0.3)}), line("A03047", {0: ("4", 0.02)}), line("B1G1F", {0: ("8", 0.5)}), line("12 m")]
    assert texts(page) == ["1920", "A03047", "B1G1F", "12 m"]


def test_codes_and_short_words_stay() -> None:
    page = [line(ENGLISH), line("S41E", {1: ("a", 0.4), 2: ("l", 0.4)}), line("SDN", {1: ("O", 0.4)})]
    assert texts(page) == [ENGLISH, "S41E", "SDN"]


def test_a_letter_seen_twice_is_one_where_that_makes_a_word() -> None:
    page = [line(ENGLISH), line("mouse Skiin, Total", {8: (" ", 0.0)}), line("Skiin"), line("Hannna", {4: (" ", 0.0)})]
    found = hinted(page, LETTERS, lexicon("en"))
    assert [reading.text for reading in found] == [ENGLISH, "mouse Skin, Total", "Skiin", "Hanna"]
    abbreviated = [line("Acct", {1: (" ", 0.0)}), line("Blott", {4: (" ", 0.0)})]
    assert texts([line(ENGLISH), *abbreviated]) == [ENGLISH, "Acct", "Blott"]
    # Every character still has its place, and what follows keeps it.
    assert found[1].centres.tolist() == [*range(8), *range(9, 18)]
    assert len(found[1].scores) == len(found[1].told) == len(found[1].text)


def test_a_broad_letter_may_be_two() -> None:
    page = [line(ENGLISH), line("please retum it", {11: ("r", 0.3)}), line("retum", {4: ("r", 0.02)})]
    found = hinted(page, LETTERS, lexicon("en"))
    assert [reading.text for reading in found] == [ENGLISH, "please return it", "retum"]
    assert len(found[1].centres) == len(found[1].scores) == len(found[1].told) == len(found[1].text)
    assert (np.diff(found[1].centres) > 0).all()


def test_a_doubtful_word_becomes_one_surely_read_elsewhere_on_the_page_whatever_the_language() -> None:
    doubtful = line("Rechnuug 7", {6: ("n", 0.2)})
    assert texts([line(GERMAN), line("Rechnung"), doubtful]) == [GERMAN, "Rechnung", "Rechnung 7"]
    assert texts([line(GERMAN), line("Rechnung", score=0.9), doubtful]) == [GERMAN, "Rechnung", "Rechnuug 7"]
    # A word that the network is sure of is not another; what it gives no probability is none.
    assert texts([line("Meier"), line("Meyer"), line("Maier", {1: ("e", 0.006)})]) == ["Meier", "Meyer", "Maier"]


def test_words_that_differ_by_a_letter_seen_twice_or_by_a_sure_one_are_two() -> None:
    others = [line(GERMAN), line("kleines"), line("hinta"), line("XXXVI")]
    doubtful = [line("kleiner", {2: ("u", 0.2), 6: ("s", 0.1)}), line("hintaa", {5: (" ", 0.3)}), line("XXXVII", {5: (" ", 0.3)})]
    doubtful[0].scores[6] = 0.98
    assert texts([*others, *doubtful])[-3:] == ["kleiner", "hintaa", "XXXVII"]


def test_a_page_in_another_language_is_left_as_it_is() -> None:
    page = [line(GERMAN), line("Applicaule", {7: ("b", 0.1)})]
    assert texts(page) == [GERMAN, "Applicaule"]


def test_a_page_of_few_words_tells_no_language() -> None:
    assert texts([line("the amount of"), line("Applicaule", {7: ("b", 0.1)})]) == ["the amount of", "Applicaule"]
    assert texts([]) == []
    assert texts([line("")]) == [""]


def test_a_lexicon_folds_case_and_keeps_letters_only() -> None:
    words = Lexicon({"Total": 7, "it's": 9, "naïve": 1})
    assert words.has(["TOTAL", "total", "its", "naïve", "zzz", "a"]).tolist() == [True, True, False, False, False, False]
