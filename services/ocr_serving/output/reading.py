"""A page read by a module, or taken from the PDF it is of, or both: what `build.page` makes a page of."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.decoding.pdf_words import UNKNOWN, PdfPage, PdfWord
from ocr_serving.output.lines import plain, without_spaces

PdfText = Literal["auto", "never", "only"]
"""Whose text of a PDF is taken: its own where it is sound, else what OCR reads; OCR's everywhere; its own everywhere."""

PDF_TEXT: tuple[PdfText, ...] = ("auto", "never", "only")

PROBED = 4
"""Lines that are read to see whether the page shows what its text says."""

AGREED = 0.7
"""Likeness of two texts, of 1, from which on they are the same, read with faults."""

FONT_AGREED = 0.5
"""The same of one stretch of a font, which is shorter."""

MOST_FONTS, FONT_SHARE = 4, 0.02
"""Fonts of a page that are looked at beside the usual one, and the share of its letters that such a one has at least."""

INK_LEFT = 0.02
"""Share of a page's pixels that are ink beside its own text, from which on that is read too: a picture, a filled form, outlines."""


SIGN_SIDES, SIGN_FILLED = (0.35, 2.0), 0.7
"""Heights of a line that a sign is high at least and at most, and the share of its box that its ink fills; a bullet fills more."""

LEAST_CONTRAST = 10
"""Of 255: text that stands out less from what is around it is not seen."""

INSET = 0.15
"""Share of a word's height that is left out at its edges where it is looked for."""


class Ask(Protocol):
    """A module that is asked for one page: `predict` with one image, or the same over HTTP."""

    def __call__(self, image: Image, **keywords: Any) -> Any:
        """The entry of `results`. Raises ServingError."""


@dataclass(frozen=True)
class Reader:
    """How pages are read: `ask` is `structure_system` where `structure` is true, else another module that answers lines.

    `words`: it can tell them; `items`: it can tell the lines that are in no pair, as `kie_ser_re` can.
    """

    ask: Ask
    structure: bool
    pdf_text: PdfText = "auto"
    words: bool = False
    items: bool = False

    def __call__(self, image: Image, text: PdfPage | None = None) -> tuple[Any, list[str]]:
        """The entry of a page, BGR uint8 of shape (H, W, 3), with `text` if it is of a PDF; and remarks on it, as sentences' ends.

        Raises ServingError.
        """
        if text is None or self.pdf_text == "never":
            return self._read(image), []
        if self.pdf_text == "only":
            said = [_line(line.words, image) for line in text.lines]
            return self._structured(image, said), [] if said else ["it has no text of its own (pdf_text is only)"]
        # OCR reads what is left out here, as it is ink beside the page's own text.
        seen = [words for words in _seen(text, image) if not any(is_in_part_unknown(word) for word in words)]
        own: list[Mapping[str, Any]] = [_line(words, image) for words in seen]
        if text.doubt or not self._shows(image, own, _of_fonts(seen, image)):
            return self._read(image), []
        return self._structured(image, [*own, *self._beside(image, own)]), []

    def _read(self, image: Image) -> Any:
        return self.ask(image, **self._told)

    def _structured(self, image: Image, lines: Sequence[Mapping[str, Any]]) -> Any:
        return self.ask(image, lines=[list(lines)], return_lines=True) if self.structure else list(lines)

    @property
    def _told(self) -> dict[str, bool]:
        """What of a page is asked for beside the regions."""
        told = {"return_lines": self.structure, "return_words": self.words, "return_items": self.items}
        return {name: True for name, is_told in told.items() if is_told}

    def _lines(self, image: Image, **asked: bool) -> list[Mapping[str, Any]]:
        """The lines that OCR alone reads."""
        entry = self.ask(image, layout=False, table=False, **asked) if self.structure else self.ask(image, **asked)
        told = (
            [line for region in entry.get("regions", ()) for line in region["res"]] if isinstance(entry, Mapping) else list(entry)
        )
        # Modules that answer tables, questions or places alone tell no lines: their pages are read, whatever text a PDF has.
        return [line for line in told if isinstance(line, Mapping) and "text" in line and "text_region" in line]

    def _shows(self, image: Image, own: Sequence[Mapping[str, Any]], of_fonts: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the page shows what its text says, by a few lines of it, and a stretch of each font, any of which may be wrong.

        Letters that no network here reads are believed.
        """
        said = [line for line in own if _is_readable(line["text"])]
        if not said:
            return bool(own)
        chosen = sorted(said, key=lambda line: -len(line["text"]))[: 3 * PROBED][:: max(1, min(3, len(said) // PROBED))][:PROBED]
        lines = len(chosen)
        chosen += [line for line in of_fonts if _is_readable(line["text"])]
        strips = [_cut(image, line["text_region"]) for line in chosen]
        sheet, places = _sheet(strips)
        seen = ["" for _ in chosen]
        for line in self._lines(sheet):
            y = float(np.mean([point[1] for point in line["text_region"]]))
            for n, (top, bottom) in enumerate(places):
                if top <= y <= bottom:
                    seen[n] += line["text"]
        like = [
            difflib.SequenceMatcher(None, plain(line["text"]), plain(text), autojunk=False).ratio()
            for line, text in zip(chosen, seen, strict=True)
        ]
        return float(np.median(like[:lines])) >= AGREED and min(like[lines:], default=1.0) >= FONT_AGREED

    def _beside(self, image: Image, own: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """What OCR reads where the page has ink that is not its own text."""
        rest = image.copy()
        for line in own:
            x1, y1, x2, y2 = _around(line["text_region"], image, 0.25)
            rest[y1:y2, x1:x2] = 255
        grey = cv2.cvtColor(rest, cv2.COLOR_BGR2GRAY)
        ink = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 12)
        left = _without_rules(ink)
        if left.sum() < INK_LEFT * 0.01 * ink.size and not _has_signs(left, own):
            return []
        return self._lines(rest, **({"return_words": True} if self.words else {}))


def _has_signs(ink: np.ndarray[Any, Any], own: Sequence[Mapping[str, Any]]) -> bool:
    """Whether anything looks like a letter or a figure as high as those of the page: what was filled into a form may be a "7"."""
    sides = [np.ptp(np.array(line["text_region"], np.float64), axis=0).min() for line in own]
    high = float(np.median(sides)) if sides else 0.0
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    _, _, widths, heights, areas = stats[1:].T
    low, most = (share * high for share in SIGN_SIDES)
    fits = (heights >= low) & (heights <= most) & (widths <= most)
    return bool((fits & (areas < SIGN_FILLED * widths * heights)).any())


def _without_rules(ink: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Ink less straight lines, which tables and forms have."""
    left = ink.copy()
    for shape in ((41, 1), (1, 41)):
        kernel = cv2.getStructuringElement(cv2.MORPH_RECT, shape)
        rules = cv2.morphologyEx(ink, cv2.MORPH_OPEN, kernel)
        left[cv2.dilate(rules, np.ones((3, 3), np.uint8)) > 0] = 0
    return left


def _of_fonts(lines: Sequence[Sequence[PdfWord]], image: Image) -> list[Mapping[str, Any]]:
    """The longest stretch of each font, but for the one that most letters have and for those that few have."""
    letters: Counter[int] = Counter()
    longest: dict[int, list[PdfWord]] = {}
    for line in lines:
        for font, run in itertools.groupby(line, key=lambda word: word.font):
            words = list(run)
            letters[font] += sum(len(word.text) for word in words)
            longest[font] = max(longest.get(font, []), words, key=lambda found: sum(len(word.text) for word in found))
    others = [font for font, count in letters.most_common()[1 : 1 + MOST_FONTS] if count >= FONT_SHARE * letters.total()]
    return [_line(longest[font], image) for font in others]


def _seen(text: PdfPage, image: Image) -> list[list[PdfWord]]:
    """The lines of a PDF's page without the words that nobody sees: white on white, below a bar, on a layer that is off."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    shown = [[word for word in line.words if _is_seen(word, grey)] for line in text.lines]
    return [words for words in shown if words]


def is_in_part_unknown(word: PdfWord) -> bool:
    """Whether a word has letters of which its font does not say what they are; a private one alone is a sign."""
    return UNKNOWN in word.text or (len(word.text) > 1 and any("\ue000" <= letter <= "\uf8ff" for letter in word.text))


def has_unknown(text: PdfPage) -> bool:
    """Whether a page has such a word."""
    return any(is_in_part_unknown(word) for line in text.lines for word in line.words)


def _is_seen(word: PdfWord, grey: np.ndarray[Any, Any]) -> bool:
    """Whether anything stands out where a word is said to be."""
    height, width = grey.shape
    x1, x2 = (side * width for side in (min(word.corners[::2]), max(word.corners[::2])))
    y1, y2 = (side * height for side in (min(word.corners[1::2]), max(word.corners[1::2])))
    # Letters are not seen by a rule or a letter of the next line; signs may stand at the edge themselves.
    inset = INSET * min(x2 - x1, y2 - y1) if any(letter.isalnum() for letter in word.text) else 0.0
    part = grey[max(0, int(y1 + inset)) : max(0, int(y2 - inset) + 1), max(0, int(x1 + inset)) : max(0, int(x2 - inset) + 1)]
    return part.size > 0 and int(part.max()) - int(part.min()) >= LEAST_CONTRAST


def _line(said: Sequence[PdfWord], image: Image) -> dict[str, Any]:
    """A line of a PDF as a module answers lines, with its words."""
    height, width = image.shape[:2]

    def corners(values: Sequence[float]) -> list[list[float]]:
        return [[x * width, y * height] for x, y in zip(values[::2], values[1::2], strict=True)]

    words: list[dict[str, Any]] = [{"text": word.text, "confidence": 1.0, "text_region": corners(word.corners)} for word in said]
    first, last = words[0]["text_region"], words[-1]["text_region"]
    quad = [first[0], last[1], last[2], first[3]]
    if first[0][1] == first[1][1]:
        # Letters without ascenders are lower than the line, and what is read first may stand last.
        across, down = zip(*(point for word in words for point in word["text_region"]), strict=True)
        left, right, top, bottom = min(across), max(across), min(down), max(down)
        if first[0][0] > first[1][0]:
            left, right, top, bottom = right, left, bottom, top
        quad = [[left, top], [right, top], [right, bottom], [left, bottom]]
    text = str(words[0]["text"])
    for word in words[1:]:
        text += ("" if without_spaces(text[-1:]) and without_spaces(word["text"][:1]) else " ") + word["text"]
    return {"text": text, "confidence": 1.0, "text_region": quad, "words": words, "source": "pdf"}


def _is_readable(text: str) -> bool:
    """Whether the networks here know most of the letters: Latin, Greek and Chinese ones, and digits."""
    letters = [letter for letter in text if not letter.isspace()]
    known = sum(letter < "\u0400" or without_spaces(letter) or "\u2000" <= letter <= "\u22ff" for letter in letters)
    return len(letters) >= 3 and known >= 0.8 * len(letters)


def _around(region: Sequence[Sequence[float]], image: Image, margin: float) -> tuple[int, int, int, int]:
    """The box around a line, grown by a share of its height, in whole pixels of `image`."""
    points = np.array(region, np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    grow = margin * float(min(high - low)) + 1
    height, width = image.shape[:2]
    x1, y1 = (int(max(0, value - grow)) for value in low)
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    x2, y2 = (int(value + grow) + 1 for value in high)
    return x1, y1, max(x1 + 1, min(x2, width)), max(y1 + 1, min(y2, height))


def _cut(image: Image, region: Sequence[Sequence[float]]) -> Image:
    x1, y1, x2, y2 = _around(region, image, 0.3)
    cut = image[y1:y2, x1:x2]
    a, b, *_ = region
    if abs(b[1] - a[1]) > abs(b[0] - a[0]):
        # Turned text is laid down: what runs down the page is turned to the left.
        cut = np.rot90(cut, 1 if b[1] > a[1] else -1)
    elif b[0] < a[0]:
        cut = np.rot90(cut, 2)
    return np.ascontiguousarray(cut)


def _sheet(strips: Sequence[Image]) -> tuple[Image, list[tuple[int, int]]]:
    """Strips one below the other on white, and where each is from and to."""
    gap = max(strip.shape[0] for strip in strips)
    width = max(strip.shape[1] for strip in strips) + 2 * gap
    sheet = np.full((sum(strip.shape[0] + gap for strip in strips) + gap, width, 3), 255, np.uint8)
    places, y = [], gap
    for strip in strips:
        sheet[y : y + strip.shape[0], gap : gap + strip.shape[1]] = strip
        places.append((y - gap // 2, y + strip.shape[0] + gap // 2))
        y += strip.shape[0] + gap
    return sheet, places
