"""What a PDF itself says is written on its pages, with places, and what speaks against believing it.

Only the decoding process reads it: PDFs come from strangers. `pdf_text` asks.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LINE_GAP = 1.0
"""Heights of a letter: words of a row that stand further apart are two lines, as they are to OCR."""

COVERING = 0.7
"""A picture over so much of the page is a scan, and what is written below it somebody's OCR; it may be a background to the rest."""

HIDDEN = 0.05
"""Share of the pieces of text that may lie below such a picture."""

MOST_LETTERS = 100_000
"""On a page; one with more is no page of text."""

HYPHEN, OTHER_HYPHEN = 2, 0xFFFE
"""What PDFium tells in place of a hyphen at the end of a line; a font that does not say what its letters are may have a 2 too."""

UNKNOWN = "\ufffd"
"""Stands for a letter of which the font does not say what it is."""

BULLETS = {0xF0B7: 0x2022, 0xF0A7: 0x25AA, 0xF0A8: 0x25A1, 0xF06F: 0x25A1, 0xF0D8: 0x2023, 0xF076: 0x25C6, 0xF0FC: 0x2713}
"""Signs of lists in Symbol and Wingdings, as office programs write them, and what they show."""

SOFT_HYPHEN = "\u00ad"
"""Shows where a word may be parted; where it is, there is a hyphen."""


Corners = tuple[float, float, float, float, float, float, float, float]
"""x, y of four corners, clockwise from the top left of the text as it is read, as shares of the page as it is shown."""


@dataclass(frozen=True)
class PdfWord:
    """A word and where it stands; `font` is which of the page's fonts its first letter has, counted as they are met."""

    text: str
    corners: Corners
    font: int = 0


@dataclass(frozen=True)
class PdfLine:
    """Words that stand beside each other."""

    words: tuple[PdfWord, ...]


@dataclass(frozen=True)
class PdfPage:
    """A page: its size in points as it is shown, what is written there, and why that is not believed ("": nothing is wrong)."""

    width: float = 0.0
    height: float = 0.0
    lines: tuple[PdfLine, ...] = ()
    doubt: str = ""


UNREAD = PdfPage(doubt="its text cannot be read")


def from_fields(page: Mapping[str, Any]) -> PdfPage:
    """The page that has these fields. Raises KeyError or TypeError where they are not a page's."""
    lines = tuple(
        PdfLine(tuple(PdfWord(word["text"], tuple(word["corners"]), word["font"]) for word in line["words"]))
        for line in page["lines"]
    )
    return PdfPage(page["width"], page["height"], lines, page["doubt"])


@dataclass
class _Read:
    letters: int = 0
    unseen: int = 0
    unknown: int = 0
    words: list[list[PdfWord]] = field(default_factory=lambda: [[]])


def written(page: Any) -> PdfPage:
    """What is written on pypdfium2's `page`. Raises PdfiumError and arithmetic errors where it is damaged."""
    width, height = page.get_size()
    with contextlib.closing(page.get_textpage()) as text:
        if text.count_chars() > MOST_LETTERS:
            return PdfPage(width, height, doubt=f"it has over {MOST_LETTERS} letters")
        found = _letters(page, text)
    shown = [[word for word in words if _is_on_page(word)] for words in _unturned(found.words)]
    lines = tuple(PdfLine(tuple(part)) for words in shown for part in _parted(words, width, height) if part)
    return PdfPage(width, height, lines, _doubt(found, page))


def _doubt(found: _Read, page: Any) -> str:
    if not found.letters:
        return "it has no text of its own"
    if found.unseen > 0.05 * found.letters:
        return "its text is an invisible layer"
    if found.unknown > 0.02 * found.letters:
        return "its fonts do not say which letters they show"
    if _scanned(page):
        return "a picture covers the page"
    return ""


def _letters(page: Any, text: Any) -> _Read:
    """The words of a page, a list for each row that PDFium sees, and how many letters are not to be trusted."""
    import pypdfium2.raw as pdfium

    found = _Read()
    word = ""
    box: list[float] = []
    turn = 0
    font = 0
    fonts: dict[int, int] = {}
    looks: dict[int, tuple[bool, int]] = {}
    rotation = page.get_rotation()

    def end_word() -> None:
        nonlocal word, box
        if word:
            found.words[-1].append(PdfWord(word, _corners(page, box, turn), font))
        word, box = "", []

    bounds = pdfium.FS_RECTF()
    at = 0
    count = text.count_chars()
    while at < count:
        code = pdfium.FPDFText_GetUnicode(text.raw, at)
        index, at = at, at + 1
        if 0xD800 <= code < 0xDC00 and at < count:
            low = pdfium.FPDFText_GetUnicode(text.raw, at)
            if 0xDC00 <= low < 0xE000:
                code, at = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), at + 1
        code = BULLETS.get(code, code)
        hyphen = code == OTHER_HYPHEN or (code == HYPHEN and pdfium.FPDFText_IsHyphen(text.raw, index) == 1)
        letter = "-" if hyphen else chr(code) if code < 0x110000 else UNKNOWN
        if letter == SOFT_HYPHEN:
            continue
        if letter in "\r\n":
            end_word()
            if found.words[-1]:
                found.words.append([])
            continue
        if letter.isspace() or code == 0:
            end_word()
            continue
        # As high as the font is, not the letter: a line's words are then as high as each other, and as the line.
        if not pdfium.FPDFText_GetLooseCharBox(text.raw, index, bounds):
            continue
        found.letters += 1
        is_drawn, face = _look(text, index, looks)
        found.unseen += not is_drawn
        strange = letter == UNKNOWN or 0xD800 <= code <= 0xF8FF or code >= 0xF0000 or (code < 32 and not hyphen)
        found.unknown += not hyphen and bool(strange or pdfium.FPDFText_HasUnicodeMapError(text.raw, index) == 1)
        here = [bounds.left, bounds.bottom, bounds.right, bounds.top]
        if not box:
            turn = (round(pdfium.FPDFText_GetCharAngle(text.raw, index) / (math.pi / 2)) + rotation // 90) % 4
            box, font = here, fonts.setdefault(face, len(fonts))
        else:
            box = [min(box[0], here[0]), min(box[1], here[1]), max(box[2], here[2]), max(box[3], here[3])]
        word += UNKNOWN if 0xD800 <= code < 0xE000 or (code < 32 and not hyphen) else letter
        if hyphen:
            # PDFium goes on with the rest of the word, which stands in the next line.
            end_word()
            found.words.append([])
    end_word()
    return found


INVISIBLE = 3
"""Text rendering mode (ISO 32000-1, 9.3.6)."""


def _look(text: Any, index: int, known: dict[int, tuple[bool, int]]) -> tuple[bool, int]:
    """Whether the letter's object is drawn at all, and where its font is in memory."""
    import pypdfium2.raw as pdfium

    piece = pdfium.FPDFText_GetTextObject(text.raw, index)
    key = ctypes.addressof(piece.contents) if piece else 0
    if key not in known:
        font = pdfium.FPDFTextObj_GetFont(piece) if piece else None
        is_drawn = not piece or pdfium.FPDFTextObj_GetTextRenderMode(piece) != INVISIBLE
        known[key] = is_drawn, ctypes.addressof(font.contents) if font else 0
    return known[key]


def _is_clear(piece: Any) -> bool:
    """Whether a piece of text is filled with a colour that is all transparent."""
    import pypdfium2.raw as pdfium

    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    return bool(pdfium.FPDFPageObj_GetFillColor(piece, red, green, blue, alpha)) and alpha.value == 0


def _corners(page: Any, box: list[float], turn: int) -> Corners:
    """The corners of a box in the page's units, as shares of the page as it is shown; `turn` counts quarters, clockwise."""
    one, other = _shown(page, box[0], box[1]), _shown(page, box[2], box[3])
    x1, x2 = sorted((one[0], other[0]))
    y1, y2 = sorted((one[1], other[1]))
    around = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    a, b, c, d = around[turn:] + around[:turn]
    return (*a, *b, *c, *d)


FINE = 1_000_000


def _shown(page: Any, x: float, y: float) -> tuple[float, float]:
    """A point of the page's units as shares of the page that is shown: cropped, and turned as /Rotate says."""
    import pypdfium2.raw as pdfium

    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page.raw, 0, 0, FINE, FINE, 0, x, y, across, down)
    return across.value / FINE, down.value / FINE


def _is_on_page(word: PdfWord) -> bool:
    """Whether the middle of a word is on the page as it is shown, cropped."""
    x, y = sum(word.corners[::2]) / 4, sum(word.corners[1::2]) / 4
    return 0 <= x <= 1 and 0 <= y <= 1


def _unturned(rows: list[list[PdfWord]]) -> list[list[PdfWord]]:
    """Rows, those of text that runs up or down one list: PDFium sees a row in each of its words."""
    found: list[list[PdfWord]] = []
    for row in rows:
        if found and found[-1] and row and all(abs(word.corners[3] - word.corners[1]) > 0 for word in (found[-1][-1], row[0])):
            found[-1] = found[-1] + row
        else:
            found.append(row)
    return found


def _parted(words: list[PdfWord], width: float, height: float) -> list[list[PdfWord]]:
    """Words of a row apart where there is a wide gap, or where the text is turned or jumps to another row."""
    if _runs_left(words):
        return _parted_at_gaps(words, width, height)
    parts: list[list[PdfWord]] = []
    for word in words:
        if parts:
            before = parts[-1][-1]
            ax, ay, bx, by, _, _, dx, dy = (value * side for value, side in zip(before.corners, (width, height) * 4, strict=True))
            x, y = word.corners[0] * width, word.corners[1] * height
            length = math.hypot(bx - ax, by - ay) or 1.0
            along, across = (bx - ax) / length, (by - ay) / length
            letter = max(1.0, math.hypot(dx - ax, dy - ay), 0.4 * length / max(1, len(before.text)))
            gap = (x - bx) * along + (y - by) * across
            off = abs(-(x - bx) * across + (y - by) * along)
            if -letter < gap < LINE_GAP * letter and off < 0.8 * letter:
                parts[-1].append(word)
                continue
        parts.append([word])
    return parts


def _runs_left(words: list[PdfWord]) -> bool:
    """Whether a row that is not turned has words of a script that is written to the left."""
    turned = any(word.corners[1] != word.corners[3] for word in words)
    return not turned and any(unicodedata.bidirectional(letter) in ("R", "AL") for word in words for letter in word.text)


def _parted_at_gaps(words: list[PdfWord], width: float, height: float) -> list[list[PdfWord]]:
    """Words of a row that runs to the left apart where there is a wide gap, from the right; each part in the order it is read."""
    parts: list[list[int]] = []
    for index in sorted(range(len(words)), key=lambda n: -words[n].corners[2]):
        word = words[index].corners
        near = False
        if parts:
            left = min(words[n].corners[0] for n in parts[-1])
            last = words[parts[-1][-1]].corners
            letter = max(1.0, (last[7] - last[1]) * height)
            middles = [(corners[1] + corners[7]) / 2 * height for corners in (word, last)]
            near = (left - word[2]) * width < LINE_GAP * letter and abs(middles[0] - middles[1]) < 0.8 * letter
        if near:
            parts[-1].append(index)
        else:
            parts.append([index])
    return [[words[n] for n in sorted(part)] for part in parts]


def _scanned(page: Any) -> bool:
    """Whether a picture over nearly all of the page hides text, which is drawn before it, or shows what clear text says."""
    import pypdfium2.raw as pdfium

    pieces, below, clear, covered = 0, 0, 0, False
    for piece in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_TEXT], max_depth=3):
        if piece.type == pdfium.FPDF_PAGEOBJ_TEXT:
            pieces += 1
            clear += _is_clear(piece.raw)
        elif _covers(piece, page):
            below, clear, covered = pieces, 0, True
    return covered and below + clear > HIDDEN * pieces


def _covers(picture: Any, page: Any) -> bool:
    import pypdfium2

    with contextlib.suppress(pypdfium2.PdfiumError):
        bounds = picture.get_bounds()
        x1, y1 = _shown(page, bounds[0], bounds[1])
        x2, y2 = _shown(page, bounds[2], bounds[3])
        across, down = (abs(max(0.0, min(1.0, b)) - max(0.0, min(1.0, a))) for a, b in ((x1, x2), (y1, y2)))
        return across * down >= COVERING
    return False
