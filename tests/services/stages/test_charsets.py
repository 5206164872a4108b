from __future__ import annotations

import pytest

from ocr_serving.errors import ConfigError
from ocr_serving.stages.charsets import classes_of

KNOWN = ["", "a", "ß", "é", "7", "-", "ж", "水", "ひ", "한", " "]


@pytest.mark.parametrize(
    ("charset", "allowed"),
    [
        ("digits", "7- "),
        ("en", "a7- "),
        ("de", "aß7- "),
        ("latin", "aßé7- "),
        ("cyrillic", "7-ж "),
        ("japanese", "7-水ひ "),
        ("korean", "7-한 "),
        (["a", "水"], "a水 "),
    ],
)
def test_a_charset_allows_its_letters_digits_signs_and_the_space(charset: str | list[str], allowed: str) -> None:
    classes = classes_of(charset, KNOWN)
    assert classes[0] == 0
    assert "".join(KNOWN[n] for n in classes) == allowed


def test_an_unknown_charset_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"charset: there is none named 'cyrilic'.*cyrillic"):
        classes_of("cyrilic", KNOWN)


@pytest.mark.parametrize("charset", ["arabic", ["x"]])
def test_a_charset_the_model_knows_nothing_of_is_refused(charset: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="knows none of the characters"):
        classes_of(charset, KNOWN)


@pytest.mark.parametrize(
    ("charset", "said"),
    [
        ("DE", r"none named 'DE' \(did you mean 'de'\?\)"),
        (" Latin", r"none named ' Latin' \(did you mean 'latin'\?\)"),
        ("ru", r"\(did you mean 'cyrillic'\?\)"),
        ("ja", r"\(did you mean 'japanese'\?\)"),
        ("german", r"\(did you mean 'de'\?\)"),
        ("", "none named ''"),
        ("   ", "none named '   '"),
        ("😀", "none named '😀'"),
        ([], "the list has no characters"),
        ([" "], "the list has no characters"),
        (["😀"], "knows none of the characters of '😀'"),
    ],
)
def test_what_is_no_charset_is_refused_in_one_sentence_that_helps(charset: str | list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        classes_of(charset, KNOWN)


@pytest.mark.parametrize("charset", ["ß" * 5000, ["ю"] * 5000])
def test_a_long_charset_is_not_repeated_whole(charset: str | list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        classes_of(charset, KNOWN)
    assert len(str(refused.value)) < 400


def test_every_script_of_a_lang_has_a_charset() -> None:
    assert classes_of("tamil", ["", "த", "a"]) == (0, 1)
    assert classes_of("telugu", ["", "త", "a"]) == (0, 1)
