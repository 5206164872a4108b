"""Which fonts of this machine have the letters of which script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError

from ocr_serving.errors import InputError
from training.scripts.words import LANGUAGES, words_of

LEFT_OUT = re.compile(
    r"emoji|symbol|math|music|dseg|signwriting|kufi|nastaliq|rashi|zapf|Biolinum_K|LastResort|colored|d050000l|opens___|bugle|"
    r"mono.*bold|teluguvijayam/(?!.*(gidugu|mallanna|ntr|ramabhadra))",
    re.I,
)
"""Fonts of no letters, or of such as lines are not set in."""

HELD_OUT = re.compile(
    r"DejaVu|NotoSerifDisplay|Norasi|Waree|Lohit|UnBatang|wqy-zenhei|FrankRuehl|Frank|Scheherazade|samyak|Samyak|Carlito|"
    r"TimesNewerRoman|Charis|PTSerif|PTF|NTR|NotoSerifTelugu|NotoSerifTamil|NotoSansHebrew|NotoSansThaiLooped|gargi",
)
"""Families that are not trained with: what was learnt is tried on them."""

NEEDED = "fonts-noto-core, fonts-noto-cjk, fonts-freefont-ttf, fonts-liberation and fonts-dejavu-core"

SHARE = 0.95
"""Of the letters of a script's words that a font must have."""


def fonts_by_script(folder: Path) -> Mapping[str, Mapping[str, Sequence[Path]]]:
    """Of each script, and of each language of "other": the fonts below `folder`, in order of their names.

    Raises InputError where a script has none.
    """
    files = sorted(file for suffix in ("ttf", "otf", "ttc") for file in folder.rglob(f"*.{suffix}"))
    if not files:
        raise InputError(f"{folder} has no fonts: install Debian's {NEEDED}, or name another folder.")
    letters = {(script, language): _letters(script, language) for script, languages in LANGUAGES.items() for language in languages}
    found: dict[str, dict[str, list[Path]]] = {script: {} for script in LANGUAGES}
    for file in files:
        if LEFT_OUT.search(str(file)):
            continue
        known = characters(file)
        for (script, language), wanted in letters.items():
            if len(wanted & known) >= SHARE * len(wanted):
                found[script].setdefault(language, []).append(file)
    for script, languages in LANGUAGES.items():
        missing = [name for name in languages if not found[script].get(name)]
        if missing:
            raise InputError(
                f"{folder} has no font for {script} ({', '.join(missing)}): install Debian's {NEEDED}, or name another folder."
            )
    return found


def is_held_out(file: Path) -> bool:
    """Whether a font is for trying alone."""
    return bool(HELD_OUT.search(file.name))


def _letters(script: str, language: str) -> set[int]:
    known = words_of(script, language)
    return {ord(letter) for word in known.words for letter in word if unicodedata.category(letter)[0] in "LM"}


@cache
def characters(file: Path) -> frozenset[int]:
    """The code points that a font has; none where it cannot be read."""
    try:
        with file.open("rb") as data, TTFont(data, lazy=True, fontNumber=0) as font:
            return frozenset(font.getBestCmap() or ())
    except (TTLibError, OSError, KeyError, AssertionError):
        return frozenset()
