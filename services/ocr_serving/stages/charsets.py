"""What may be read: the characters of a language or a script, as classes of a recogniser."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Mapping, Sequence

from ocr_serving.errors import ConfigError
from ocr_serving.validation import did_you_mean

SIGNS = frozenset(string.digits + string.punctuation + "€£¥§°–—‘’“”„«»…·•×±©®™½¼¾²³")
"""What every language writes beside its letters."""

ALPHABETS: Mapping[str, str] = {
    "digits": "",
    "en": "",
    "de": "äöüßÄÖÜẞ",
    "fr": "àâæçéèêëîïôœùûüÿÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸ",
    "es": "áéíñóúüÁÉÍÑÓÚÜ¡¿",
    "it": "àèéìíîòóùúÀÈÉÌÍÎÒÓÙÚ",
    "pt": "áâãàçéêíóôõúüÁÂÃÀÇÉÊÍÓÔÕÚÜ",
    "nl": "áéëïíóöüúÁÉËÏÍÓÖÜÚ",
    "sv": "åäöÅÄÖéÉ",
    "da": "æøåÆØÅéÉ",
    "no": "æøåÆØÅéÉòôÒÔ",
    "fi": "äöåÄÖÅšžŠŽ",
    "pl": "ąćęłńóśźżĄĆĘŁŃÓŚŹŻ",
    "cs": "áčďéěíňóřšťúůýžÁČĎÉĚÍŇÓŘŠŤÚŮÝŽ",
    "tr": "çğıöşüâîûÇĞİÖŞÜÂÎÛ",
    "ms": "",
    "id": "",
}
"""Letters beside those of ASCII, by ISO 639 code; "digits" has no letters at all."""

SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "latin": ("LATIN",),
    "cyrillic": ("CYRILLIC",),
    "greek": ("GREEK",),
    "arabic": ("ARABIC",),
    "hebrew": ("HEBREW",),
    "thai": ("THAI",),
    "devanagari": ("DEVANAGARI",),
    "tamil": ("TAMIL",),
    "telugu": ("TELUGU",),
    "korean": ("HANGUL",),
    "chinese": ("CJK", "IDEOGRAPHIC", "FULLWIDTH"),
    "japanese": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "FULLWIDTH"),
}
"""The first words of the Unicode names of a script's characters."""


NAME_OF: Mapping[str, str] = {
    **dict.fromkeys(("ru", "uk", "bg", "sr", "mk", "be", "eslav", "russian"), "cyrillic"),
    **dict.fromkeys(("ko", "hangul"), "korean"),
    **dict.fromkeys(("zh", "ch", "cn"), "chinese"),
    **dict.fromkeys(("ja", "jp", "japan"), "japanese"),
    **dict.fromkeys(("he", "iw"), "hebrew"),
    **dict.fromkeys(("ar", "fa", "ur"), "arabic"),
    **dict.fromkeys(("hi", "mr", "ne", "hindi"), "devanagari"),
    "el": "greek",
    "th": "thai",
    "ta": "tamil",
    "te": "telugu",
    "english": "en",
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "italian": "it",
    "numbers": "digits",
}
"""What somebody may call a charset, and its name."""

LONGEST = 40
"""Characters of a charset that are repeated in a message."""


def classes_of(charset: str | Sequence[str], characters: Sequence[str]) -> tuple[int, ...]:
    """Which classes of a recogniser with these `characters`, blank first, `charset` allows: rising, with blank and space.

    Raises ConfigError where there is no charset of that name, or the recogniser knows none of its characters.
    """
    told = repr(charset) if isinstance(charset, str) else repr("".join(charset))
    told = told if len(told) <= LONGEST else f"{told[:LONGEST]}…"
    if isinstance(charset, str):
        known = [*ALPHABETS, *SCRIPTS]
        if charset not in known:
            hint = did_you_mean(charset.strip().casefold(), known, NAME_OF)
            raise ConfigError(
                f"charset: there is none named {told}{hint}: take one of {', '.join(known)}, or a list of characters."
            )
    elif not frozenset(charset) - {" "}:
        raise ConfigError("charset: the list has no characters: name some beside the space, or set charset to None for all.")
    wanted = charset if isinstance(charset, str) else frozenset(charset)
    found = [n for n, character in enumerate(characters) if n and character != " " and _is_in(character, wanted)]
    letters = [n for n in found if not isinstance(wanted, str) or wanted == "digits" or characters[n] not in SIGNS]
    if not letters:
        raise ConfigError(f"charset: this model knows none of the characters of {told}: choose a model of that script.")
    spaces = [n for n, character in enumerate(characters) if n and character == " "]
    return tuple(sorted({0, *found, *spaces}))


def _is_in(character: str, charset: str | frozenset[str]) -> bool:
    if not isinstance(charset, str):
        return character in charset
    if character in SIGNS:
        return True
    if charset in ALPHABETS:
        return charset != "digits" and (character in string.ascii_letters or character in ALPHABETS[charset])
    return unicodedata.name(character[:1], "").startswith(SCRIPTS[charset])
