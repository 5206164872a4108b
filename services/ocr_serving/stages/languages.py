"""The recognisers of languages: `lang` chooses one, each is loaded when it is first asked for."""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ocr_serving import models
from ocr_serving.config.langs import Lang
from ocr_serving.config.params import RecognitionParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, PixelNetwork
from ocr_serving.errors import ConfigError, InputError, ModelError
from ocr_serving.stages.recognition import Text, TextRecognizer
from ocr_serving.stages.sharpness import is_blank, is_blurred
from ocr_serving.stages.sureness import LEAST, is_read, line, script, sureness

KEPT = 3
"""Recognisers of languages that stay loaded beside the one of the model set."""

SAMPLE = 8
"""Lines that languages are tried on: the longest."""

SURER = 0.1
"""By how much a language has to be surer than the network of the model set."""


OF_SCRIPT: Mapping[str, Lang] = {
    "GREEK": "el",
    "CYRILLIC": "cyrillic",
    "HANGUL": "korean",
    "ARABIC": "arabic",
    "THAI": "th",
    "DEVANAGARI": "devanagari",
    "TAMIL": "ta",
    "TELUGU": "te",
}
"""The language to try where half of the letters that were read are of a script: networks know parts of some alphabets."""


BLURRED = "reads badly: its lines are blurred, or too small, so that their script cannot be told: send the page sharper or larger"


class PageTexts(NamedTuple):
    """What each crop says, and what is to be said of that: "", or the end of a sentence on the page."""

    texts: list[Text]
    remark: str = ""


class Recognizers:
    """Reads lines of text in the language that was chosen last."""

    def __init__(self, params: RecognitionParams, options: EngineOptions, find: Callable[[str], Path]) -> None:
        """Load the recogniser that `lang` names, else that of the model set; `find` is a module's `model`.

        Raises ConfigError, or ModelError where a model is missing or does not fit.
        """
        self.params, self._options, self._find = params, options, find
        self._loaded: dict[str | None, TextRecognizer] = {}
        self.lang: str | None = None
        self.choose(None)

    @property
    def chosen(self) -> TextRecognizer:
        """The recogniser of the language that was chosen last."""
        return self._of(self.lang)

    @property
    def network(self) -> PixelNetwork:
        """The network of the chosen recogniser."""
        return self.chosen.network

    def choose(self, lang: Lang | None) -> None:
        """Read with the recogniser of `lang` from now on; None is the `lang` of params.py. Raises ConfigError or ModelError."""
        lang = lang or self.params.lang
        self.auto = lang == "auto"
        self.lang = None if lang == "auto" else lang
        self._of(self.lang)

    def choose_for_request(self, lang: Lang | None) -> None:
        """As `choose`, for a request: what it asks for and is not here is its own fault. Raises InputError."""
        try:
            self.choose(lang)
        except (ModelError, ConfigError) as exc:
            raise InputError(str(exc)) from None

    def __call__(self, crops: Sequence[Image]) -> list[Text]:
        """What each crop says, in their order."""
        return self._of(self.lang)(crops)

    def read(self, crops: Sequence[Image]) -> PageTexts:
        """What the crops of one page say. Where that is not sure, the remark says which `lang` to try.

        With `lang` "auto" the languages that are on this machine are tried on the longest lines, and the page is read with the
        surest if it is surer than the network of the model set.
        """
        texts = self(crops)
        sure = _sureness(texts, crops)
        if sure is not None and sure < LEAST:
            # A picture of nothing is read as nothing, and says nothing of scripts.
            inked = [n for n, crop in enumerate(crops) if not is_blank(crop)]
            sure = _sureness([texts[n] for n in inked], [crops[n] for n in inked])
        if not self.params.suggests_lang or sure is None or sure >= LEAST:
            return PageTexts(texts)
        if self.auto and (better := self._surest(texts, crops)) is not None:
            return PageTexts(self._of(better)(crops), f"was read with lang {better}")
        signs = [not is_read(line(*text, crop.shape)) for text, crop in zip(texts, crops, strict=True)]
        advice = BLURRED if is_blurred(crops) else self._advice(texts)
        return PageTexts([Text("", 0.0) if sign else text for text, sign in zip(texts, signs, strict=True)], advice)

    def here(self) -> list[str]:
        """The languages whose recogniser is on this machine."""
        own = self.params.lang_model_dirs
        return [lang for lang, spec in models.languages().items() if lang in own or models.is_present(spec)]

    def _surest(self, texts: Sequence[Text], crops: Sequence[Image]) -> str | None:
        longest = sorted(range(len(crops)), key=lambda n: -crops[n].shape[1] / max(1, crops[n].shape[0]))[:SAMPLE]
        sample = [crops[index] for index in longest]
        before = _sureness([texts[index] for index in longest], sample) or 0.0
        found = {lang: _sureness(self._of(lang)(sample), sample) or 0.0 for lang in self.here()}
        best = max(found, key=found.__getitem__, default=None)
        return best if best is not None and found[best] >= max(LEAST, before + SURER) else None

    def _advice(self, texts: Sequence[Text]) -> str:
        wanted = self._worth_trying(texts)
        here = [lang for lang in self.here() if lang in wanted]
        away = {lang: spec for lang, spec in models.languages().items() if lang in wanted and lang not in here}
        ways = [f"try lang {' or '.join(here)}"] if here else []
        if away:
            pull = f"`ocr-serving models pull {next(iter(away.values()))}`{' or the like' if len(away) > 1 else ''}"
            verb = "are" if len(away) > 1 else "is"
            ways.append(
                f"there is also lang {', '.join(away)}, after {pull}"
                if here
                else f"{', '.join(away)} {verb} lang to try, after {pull}"
            )
        ways.append("if it knows the script, send the page larger or sharper")
        return f"reads badly, as if its script were one that this network does not know: {'; '.join(ways)}"

    def _worth_trying(self, texts: Sequence[Text]) -> Collection[str]:
        """The languages that may read a page better of which `texts` were read."""
        letters = [script(letter) for text, _ in texts for letter in text if letter.isalpha()]
        told = next((lang for name, lang in OF_SCRIPT.items() if 2 * letters.count(name) > len(letters)), None)
        if told is not None and told != self.lang:
            return (told,)
        # A network that knows all letters of English reads Latin script no worse than those that know no other.
        knows_latin = set(string.ascii_letters).issubset(self.chosen.characters)
        return [lang for lang in models.languages() if lang != self.lang and not (knows_latin and lang in ("latin", "en"))]

    def _of(self, lang: str | None) -> TextRecognizer:
        found = self._loaded.pop(lang, None) or self._load(lang)
        self._loaded[lang] = found
        others = [name for name in self._loaded if name is not None]
        for name in others[:-KEPT]:
            del self._loaded[name]
        return found

    def _load(self, lang: str | None) -> TextRecognizer:
        if lang is None:
            return TextRecognizer(self.params, self._find(self.params.rec_model_dir), self._options)
        own: Mapping[str, str] = {str(name): spec for name, spec in self.params.lang_model_dirs.items()}
        spec = own.get(lang) or models.languages()[lang]
        if spec in models.catalogue() and not models.is_present(spec):
            raise ModelError(
                f"lang: the model of '{lang}' is not on this machine: run `ocr-serving models pull {spec}`, or leave lang out."
            )
        # A dictionary that was set is the other network's.
        params = self.params.model_copy(update={"rec_char_dict_path": None})
        return TextRecognizer(params, self._find(spec), self._options.without_int8)


def _sureness(texts: Sequence[Text], crops: Sequence[Image]) -> float | None:
    return sureness(line(*text, crop.shape) for text, crop in zip(texts, crops, strict=True))
