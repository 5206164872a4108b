"""The recognisers of languages: `lang` chooses one, each is loaded when it is first asked for."""

from __future__ import annotations

import logging
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
from ocr_serving.stages.scripts import MODEL, ScriptClassifier, Told, script_of, unknown_on
from ocr_serving.stages.sharpness import is_blank, is_blurred
from ocr_serving.stages.sureness import LEAST, is_read, line, script, sureness

log = logging.getLogger(__name__)

KEPT = 3
"""Recognisers of languages that stay loaded beside the one of the model set."""

SAMPLE = 8
"""Lines that languages are tried on: the longest."""

CODE = 16
"""Capitals in a row that are more than a word has."""

SURER = 0.1
"""By how much a language has to be surer than the network of the model set."""


LANG_OF: Mapping[str, Lang] = {
    "greek": "el",
    "cyrillic": "cyrillic",
    "arabic": "arabic",
    "thai": "th",
    "devanagari": "devanagari",
    "tamil": "ta",
    "telugu": "te",
    "hangul": "korean",
    "latin": "latin",
}
"""The language that knows a script."""

TITLES: Mapping[str, str] = {"hangul": "Korean", "han": "Chinese or Japanese", "other": "like Bengali, Georgian or another script"}
"""What scripts are called, where that is not their name."""

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
        self._scripts = _classifier(options) if params.suggests_lang and params.charset is None else None

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
        """What the crops of one page say. Where that is not sure, or lines look like a script that the network does not know, the
        remark says which `lang` to try.

        With `lang` "auto" an unsure page is read with the language of its script, or with the surest of those that are on this
        machine, if that is surer than the network of the model set; one that only looks like another script with the language of
        that, if it is sure of the page.
        """
        texts = self(crops)
        sure = _sureness(texts, crops)
        if not self.params.suggests_lang:
            return PageTexts(texts)
        if sure is not None and sure < LEAST:
            # A picture of nothing is read as nothing, and says nothing of scripts.
            inked = [n for n, crop in enumerate(crops) if not is_blank(crop)]
            sure = _sureness([texts[n] for n in inked], [crops[n] for n in inked])
        if sure is None or sure >= LEAST:
            return self._with_foreign_lines(texts, crops)
        page_script = script_of(crops, self._scripts) if self._scripts else None
        if self.auto and (better := self._surest(texts, crops, page_script)) is not None:
            return PageTexts(self._of(better)(crops), f"was read with lang {better}")
        signs = [not is_read(line(*text, crop.shape)) for text, crop in zip(texts, crops, strict=True)]
        read = [Text("", 0.0) if sign else text for text, sign in zip(texts, signs, strict=True)]
        if is_blurred(crops):
            return PageTexts(read, BLURRED)
        part = None if page_script and page_script not in self.chosen.scripts else self._foreign(crops)
        return PageTexts(read, f"reads badly; it {self._of_lines(part)}" if part else self._advice(texts, page_script))

    def _with_foreign_lines(self, texts: list[Text], crops: Sequence[Image]) -> PageTexts:
        """What was read, of which the remark says where it is of letters that look like those of another script."""
        found = self._foreign([crop for text, crop in zip(texts, crops, strict=True) if not _is_code(text.text)])
        if found is None:
            return PageTexts(texts)
        lang = LANG_OF.get(found.script)
        if self.auto and found.is_most and lang in self.here():
            read = self._of(lang)(crops)
            if (_sureness(read, crops) or 0.0) >= LEAST:
                return PageTexts(read, f"was read with lang {lang}")
        return PageTexts(texts, self._of_lines(found))

    def _foreign(self, crops: Sequence[Image]) -> Told | None:
        """The script of a page, or of some of its lines, that the network does not know."""
        return unknown_on(crops, self.chosen.scripts, self._scripts) if self._scripts else None

    def is_foreign(self, crops: Sequence[Image]) -> bool:
        """Whether the lines of a page, or most of them, look like a script that the network does not know."""
        found = self._foreign(crops)
        return found is not None and found.is_most

    def _of_lines(self, found: Told) -> str:
        looks = "looks" if found.is_most else f"has lines ({found.lines} of {found.of} that were looked at) that look"
        return f"{looks} {_title(found.script)}, {self._ways_with(found.script)}"

    def here(self) -> list[str]:
        """The languages whose recogniser is on this machine."""
        own = self.params.lang_model_dirs
        return [lang for lang, spec in models.languages().items() if lang in own or models.is_present(spec)]

    def _surest(self, texts: Sequence[Text], crops: Sequence[Image], page_script: str | None) -> str | None:
        longest = sorted(range(len(crops)), key=lambda n: -crops[n].shape[1] / max(1, crops[n].shape[0]))[:SAMPLE]
        sample = [crops[index] for index in longest]
        before = _sureness([texts[index] for index in longest], sample) or 0.0
        own = LANG_OF.get(page_script or "")
        tried = [own] if own in self.here() else self.here()
        found = {lang: _sureness(self._of(lang)(sample), sample) or 0.0 for lang in tried}
        best = max(found, key=found.__getitem__, default=None)
        return best if best is not None and found[best] >= max(LEAST, before + SURER) else None

    def _advice(self, texts: Sequence[Text], page_script: str | None) -> str:
        larger = "send the page larger or sharper"
        if self.params.charset is not None:
            return "reads badly with the charset that is set, as if its letters were not in it: choose another, or none"
        if page_script is None:
            ways = f"{self._ways(self._worth_trying(texts))}; if it knows the script, {larger}"
            return f"reads badly, as if its script were one that this network does not know: {ways}"
        if page_script in self.chosen.scripts:
            return f"reads badly, though it looks {_title(page_script)}, which this network knows: {larger}"
        return f"reads badly, for it looks {_title(page_script)}, {self._ways_with(page_script)}"

    def _ways_with(self, page_script: str) -> str:
        """What may be done about a script that the network does not know."""
        unknown = "which this network does not know"
        if page_script == "vietnamese":
            return "of whose letters neither this network nor any lang knows all: it reads them without their marks"
        if self.lang is not None and self.params.lang is None and page_script in self._of(None).scripts:
            return f"{unknown}: leave lang out"
        lang = LANG_OF.get(page_script)
        if lang is None or lang == self.lang:
            return f"{unknown}, nor does any lang: name a recogniser of that script as rec_model_dir"
        return f"{unknown}: {self._ways([lang])}"

    def _ways(self, wanted: Collection[str]) -> str:
        """How to come by the languages that are `wanted`."""
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
        return "; ".join(ways)

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


def _is_code(text: str) -> bool:
    """Whether a line has a row of capitals that is no word, as of a gene: such look like letters of other scripts."""
    return any(len(word) >= CODE and word.isupper() for word in text.split())


def _title(name: str) -> str:
    return TITLES.get(name, name.capitalize())


def _classifier(options: EngineOptions) -> ScriptClassifier | None:
    """The classifier of scripts; None, and a warning in the log, where nothing can run it: it only says more of what is read."""
    try:
        return ScriptClassifier(models.resolve(MODEL).path, options)
    except (ModelError, ConfigError) as exc:
        log.warning("pages of a script that the network does not know are told by its confidence alone: %s", exc)
        return None


def _sureness(texts: Sequence[Text], crops: Sequence[Image]) -> float | None:
    return sureness(line(*text, crop.shape) for text, crop in zip(texts, crops, strict=True))
