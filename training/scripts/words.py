"""What lines say: words of the languages of a script, and the numbers and signs that stand among them.

Words are those of Unicode's CLDR (names of countries, languages, currencies, cities, months), by Babel, of Faker's texts, and of
the lists of pyspellchecker, by how often they occur.
"""

from __future__ import annotations

import gzip
import importlib
import json
import math
import random
import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Any

from babel import Locale

LANGUAGES: Mapping[str, Sequence[str]] = {
    "latin": ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "fi", "pl", "cs", "hu", "ro", "tr", "hr", "lv", "id", "sw"),
    "vietnamese": ("vi",),
    "greek": ("el",),
    "cyrillic": ("ru", "uk", "bg", "be", "sr", "mk", "kk", "ky", "mn"),
    "arabic": ("ar", "fa", "ur", "ps", "ug", "ckb"),
    "hebrew": ("he",),
    "thai": ("th",),
    "devanagari": ("hi", "mr", "ne"),
    "tamil": ("ta",),
    "telugu": ("te",),
    "hangul": ("ko",),
    "han": ("zh", "zh_Hant", "ja"),
    "other": ("ka", "hy", "bn", "gu", "pa", "kn", "ml", "si", "km", "lo", "my", "am", "or"),
}
"""CLDR's locales, by the script that they are written in."""

LISTS = ("ar", "de", "en", "es", "fa", "fr", "it", "nl", "pt", "ru")
"""Languages of which pyspellchecker has lists."""

TEXTS: Mapping[str, str] = {
    "ru": "ru_RU", "el": "el_GR", "he": "he_IL", "ar": "ar_AA", "fa": "fa_IR", "th": "th_TH", "ko": "ko_KR", "zh": "zh_CN",
    "zh_Hant": "zh_TW", "ja": "ja_JP", "pl": "pl_PL", "cs": "cs_CZ", "hy": "hy_AM", "ka": "ka_GE", "vi": "vi_VN",
}  # fmt: skip
"""Faker's names of the languages of which it has texts."""

COMMON = 60_000
"""Words of a list that are used: the commonest."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "latin": ("LATIN",), "vietnamese": ("LATIN",), "greek": ("GREEK",), "cyrillic": ("CYRILLIC",), "arabic": ("ARABIC",),
    "hebrew": ("HEBREW",), "thai": ("THAI",), "devanagari": ("DEVANAGARI",), "tamil": ("TAMIL",), "telugu": ("TELUGU",),
    "hangul": ("HANGUL",), "han": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
    "other": ("GEORGIAN", "ARMENIAN", "BENGALI", "GUJARATI", "GURMUKHI", "KANNADA", "MALAYALAM", "SINHALA", "KHMER", "LAO",
              "MYANMAR", "ETHIOPIC", "ORIYA"),
}  # fmt: skip
"""First words of the Unicode names of a script's letters."""

UNSPACED = ("th", "zh", "zh_Hant", "ja", "km", "lo", "my")
CASED = ("latin", "vietnamese", "greek", "cyrillic")
SPOKEN: Mapping[str, float] = {"en": 6.0, "de": 2.0, "fr": 2.0, "es": 2.0, "ru": 3.0, "zh": 2.0, "ja": 2.0, "ar": 2.0}
"""How often a language is taken, where that is not once."""


@dataclass(frozen=True)
class Words:
    """Words of one language, with the running sums of how often each is taken."""

    words: tuple[str, ...]
    sums: tuple[float, ...]

    def draw(self, rng: random.Random) -> str:
        """One of them."""
        return rng.choices(self.words, cum_weights=self.sums)[0]


@cache
def words_of(script: str, language: str) -> Words:
    """The words of a language that are in its script."""
    counts: dict[str, float] = {}
    for phrase in _cldr(language):
        for word in phrase.split():
            counts[word] = counts.get(word, 0) + 1.0
    for word in _faked(language):
        counts[word] = counts.get(word, 0) + 3.0
    kept = {word: count for word, count in counts.items() if _is_in(word, script)}
    if language in LISTS:
        packed = files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
        listed = sorted(json.loads(gzip.decompress(packed)).items(), key=lambda item: (-item[1], item[0]))[:COMMON]
        for word, count in listed:
            if _is_in(word, script):
                kept[word] = kept.get(word, 0) + math.sqrt(count) / 20
    ordered = sorted(kept)
    return Words(tuple(ordered), tuple(accumulate(kept[word] for word in ordered)))


def line(script: str, rng: random.Random, language: str) -> str:
    """What a line in a language of `script` says: words and some numbers; "digits" is numbers and signs alone."""
    if script == "digits":
        return " ".join(number(rng) for _ in range(rng.randint(1, 4)))
    if script == "latin" and rng.random() < 0.06:
        return " ".join(code(rng) for _ in range(rng.randint(1, 3)))
    known = words_of(script, language)
    length = rng.choice((3, 6, 10, 16, 24, 34))
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        chance = rng.random()
        if parts and chance < 0.1:
            parts.append(number(rng))
        elif parts and script not in ("latin", "vietnamese") and chance < 0.14:
            parts.append(words_of("latin", "en").draw(rng))
        else:
            parts.append(known.draw(rng))
    if script in CASED:
        parts = cased(parts, rng)
    parts = [signed(part, rng) for part in parts]
    return ("" if language in UNSPACED and rng.random() < 0.8 else " ").join(parts)[:60]


def cased(parts: Sequence[str], rng: random.Random) -> list[str]:
    """Words in one of the ways in which lines are written: capitals, small letters, titles."""
    way = rng.random()
    if way < 0.4:
        return [part.upper() for part in parts]
    if way < 0.6:
        return [part[:1].upper() + part[1:] for part in parts]
    return [part if n else part[:1].upper() + part[1:] for n, part in enumerate(parts)]


def signed(part: str, rng: random.Random) -> str:
    """A word with the signs that stand beside words."""
    chance = rng.random()
    if chance < 0.1:
        return part + rng.choice(",.:;")
    if chance < 0.12:
        return f"({part})"
    if chance < 0.14:
        return part + rng.choice(("!", "?", " -", "/", "..", "…"))
    return part


def number(rng: random.Random) -> str:
    """A number, an amount, a date, a row of signs."""
    digits = "".join(rng.choices(string.digits, k=rng.randint(1, 8)))
    kind = rng.randrange(8)
    if kind == 0:
        return f"{rng.randint(1, 31):02}{rng.choice('./-')}{rng.randint(1, 12):02}{rng.choice('./-')}{rng.randint(1950, 2030)}"
    if kind == 1:
        return rng.choice(("$", "€", "£", "¥", "RM", "")) + f"{rng.randint(0, 99999) / 100:,.2f}"
    if kind == 2:
        return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    if kind == 3:
        return rng.choice("-*_=.#") * rng.randint(2, 14)
    if kind == 4:
        return f"({digits[:3]}) {digits[3:]}"
    if kind == 5:
        return f"{rng.randint(0, 100)}%"
    return digits


def code(rng: random.Random) -> str:
    """Letters and digits as in numbers of parts and keys."""
    letters = rng.choice((string.ascii_uppercase, string.ascii_uppercase + string.digits, string.ascii_letters))
    return "-".join("".join(rng.choices(letters, k=rng.randint(2, 7))) for _ in range(rng.randint(1, 2)))


def _cldr(language: str) -> Iterator[str]:
    locale = Locale.parse(language)
    for names in (locale.territories, locale.languages, locale.currencies, locale.scripts):
        yield from names.values()
    for zone in locale.time_zones.values():
        yield from (text for text in (zone.get("city"),) if isinstance(text, str))
    for table in (locale.months, locale.days, locale.quarters):
        for widths in table["format"].values():
            yield from widths.values()
    for unit in locale.unit_display_names.values():
        yield from unit.values()


def _faked(language: str) -> Iterator[str]:
    name = TEXTS.get(language)
    if name is None:
        return
    try:
        provider: Any = importlib.import_module(f"faker.providers.lorem.{name}").Provider
    except ModuleNotFoundError:
        return
    for text in provider.word_list:
        yield from text.split()


def _is_in(word: str, script: str) -> bool:
    """Whether all letters of a word are of a script, and there are some."""
    kinds = {_kind(character) for character in word}
    return bool(kinds & set(NAMES[script])) and kinds <= {*NAMES[script], "COMBINING", "ZERO", ""}


@cache
def _kind(character: str) -> str:
    """The first word of a letter's or mark's Unicode name, "" of a sign within words, "?" of what is not in words."""
    if unicodedata.category(character)[0] in "LM":
        return unicodedata.name(character, "?").split()[0]
    return "ZERO" if character in "\u200c\u200d" else "" if character in "’'·・-" else "?"
