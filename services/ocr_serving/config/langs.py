"""The languages that a request or params.py may name, and what to say of other names."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator

from ocr_serving.validation import did_you_mean

LangName = Literal["auto", "korean", "arabic", "cyrillic", "eslav", "devanagari", "th", "el", "ta", "te", "latin", "en"]

_ALSO_CALLED = {
    "cyrillic": "ru russian uk ukrainian bg sr mk mn kk rs_cyrillic",
    "eslav": "be belarusian",
    "korean": "ko kr hangul",
    "arabic": "ar fa ur ug persian farsi urdu",
    "devanagari": "hi hindi mr marathi ne nepali sa",
    "th": "thai",
    "el": "greek gr",
    "ta": "tamil",
    "te": "telugu",
    "en": "english",
    "latin": "de german fr french es spanish it italian pt pl tr nl cs sv",
}
"""What else the languages that each `lang` reads are called, as by PaddleOCR's own `lang`."""

_LANG_FOR = {name: lang for lang, names in _ALSO_CALLED.items() for name in names.split()}

_READ_WITHOUT = frozenset(["ch", "zh", "cn", "chinese", "chinese_cht", "zh-cn", "zh-tw", "ja", "jp", "japan", "japanese"])
_READ_BY_NONE = frozenset(
    ["he", "iw", "hebrew", "ka", "kannada", "georgian", "hy", "armenian", "bn", "bengali", "vi", "vietnamese", "am", "km"]
)


def _known_lang(value: object) -> object:
    """`value`, if it is a `lang`. Raises ValueError, which says what to take instead of what is none."""
    known = get_args(LangName)
    if value is None or (isinstance(value, str) and value in known):
        return value
    listed = f"take one of {', '.join(known)}, or leave lang out for what rec_model_dir reads"
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a lang is one word: {listed}")
    word = value.strip().casefold()
    if word in _READ_WITHOUT:
        raise ValueError("leave lang out for Chinese and Japanese, which the default weights read")
    if word in _READ_BY_NONE:
        raise ValueError("no lang reads that language: name a recogniser that does as rec_model_dir, and leave lang out")
    raise ValueError(f"there is no lang of that name{did_you_mean(word, known, _LANG_FOR)}: {listed}")


Lang = Annotated[LangName, BeforeValidator(_known_lang)]
