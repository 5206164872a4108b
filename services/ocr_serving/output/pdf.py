"""Searchable PDF: the pages as they were sent, and their words, invisible, each where it is written. Bytes in, bytes out."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

from ocr_serving.decoding.images import Image
from ocr_serving.errors import InputError
from ocr_serving.output import archival, cmaps, invisible_font, pdf_pictures
from ocr_serving.output.lines import as_seen, from_left, joint, part, runs_down, runs_left, without_spaces
from ocr_serving.output.own_text import Silence
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Document, Line, Page, Point, Quad, Word

POINTS = 72
SMALLEST, LARGEST = 3.0, 14400.0
"""Points of a page's side that readers take (ISO 32000-1, Annex C)."""

FONT_NAME = "OcrServing"
WORD_GAP = 0.2
"""Heights between words: Poppler parts those by places alone that stand 0.15 of their type size apart, whatever stands between."""

QUARTER = math.pi / 2
STEEPEST = math.radians(20)
"""Lines that lie aslant by more are set as they lie."""

MOST_UNPACKED = 64 * 2**20
"""Bytes of a stream that is unpacked here: objects, contents. No sound file has so many in one; pictures stay packed."""

STEP = 0.6
"""Heights of a line that the letters of a part of a word may be too high or too low."""


def over_pdf(document: Document, original: bytes, password: str = "") -> bytes:
    """`original` with the words of `document` that OCR found; its pages, its own text, links and forms stay as they are;
    pages that `document` does not tell of, too.

    The text of a page that was read anew, visible or not, is no longer found or selected, so that no word is found twice; the page
    looks as it did. Raises InputError where the file cannot be changed.
    """
    import pikepdf

    # Object streams that no page needs were not unpacked by whoever rendered the pages within bounds.
    pikepdf.settings.set_qpdf_limits(flate_max_memory=MOST_UNPACKED, run_length_max_memory=MOST_UNPACKED)
    try:
        with pikepdf.open(io.BytesIO(original), password=password) as pdf:
            archive = archival.allows(pdf)
            font, silence = _Font(pdf), Silence(pdf)
            for page in document.pages:
                if page.number > len(pdf.pages):
                    break
                place = pdf.pages[page.number - 1]
                read = [line for line in page.lines if line.source == "ocr"]
                if not read:
                    continue
                if not any(line.source == "pdf" for line in page.lines):
                    silence.page(place)
                _add_text(place, font, _content(read, _ToPage(place, page), font))
            font.finish()
            if archive:
                archival.declare(pdf, document.title)
            made = _saved(pdf)
            warnings = " ".join(pdf.get_warnings())
    except pikepdf.PasswordError:
        raise InputError("The PDF needs a password, so that no words can be added.") from None
    except pikepdf.PdfError as exc:
        raise InputError(f"The PDF is too damaged to add words to it: {exc}.") from None
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        # Entries that are of another type than they have to be.
        raise InputError("The PDF is too damaged to add words to it: print it to a new PDF, and send that.") from None
    # qpdf takes objects to be null that it could not unpack; what else is too large stays packed.
    if "memory limit exceeded" in warnings and "unfilterable stream" in warnings:
        most = f"{MOST_UNPACKED // 2**20} MiB"
        raise InputError(f"The PDF has objects of over {most} in one stream, so that no words can be added: print it to a new PDF.")
    return made


def of_images(document: Document, files: Sequence[bytes], images: Sequence[Image | None]) -> bytes:
    """A PDF/A-2b of pictures, a page each: a JPEG's own bytes where a PDF can hold them, else the pixels without loss.

    `files` has each page's file, b"" where the page is one of several in its file; `images` its pixels, BGR uint8 of shape
    (H, W, 3), None for a page that could not be read, which stays empty.
    """
    import pikepdf

    pdf = pikepdf.new()
    font = _Font(pdf)
    for page, file, image in zip(document.pages, files, images, strict=True):
        width, high = (min(LARGEST, max(SMALLEST, side * POINTS)) for side in page.inches)
        place = pdf.add_blank_page(page_size=(width, high))
        if image is not None:
            stream = pdf_pictures.of(pdf, file, image)
            place.add_resource(stream, pikepdf.Name.XObject, pikepdf.Name("/Page"))
            place.contents_add(f"q {width:.3f} 0 0 {high:.3f} 0 0 cm /Page Do Q".encode())
        _add_text(place, font, _content(list(page.lines), _ToPage(place, page), font))
    font.finish()
    archival.declare(pdf, document.title)
    return _saved(pdf)


def _saved(pdf: Any) -> bytes:
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


class _Font:
    """The invisible font of one file: a number for each letter used, told apart by what it stands for."""

    def __init__(self, pdf: Any) -> None:
        self._pdf = pdf
        self._codes: dict[str, int] = {}
        self.font = pdf.make_indirect(_dictionary(Type="/Font", Subtype="/Type0", BaseFont=f"/{FONT_NAME}", Encoding="/Identity-H"))

    def hex(self, text: str) -> str:
        """`text` as codes of this font, four hexadecimal digits each."""
        return "".join(f"{self._codes.setdefault(letter, len(self._codes) + 1):04X}" for letter in text)

    def finish(self) -> None:
        """Add what only the letters used decide."""
        import pikepdf

        file = pikepdf.Stream(self._pdf, invisible_font.font())
        file["/Length1"] = len(invisible_font.font())
        descriptor = _dictionary(
            Type="/FontDescriptor",
            FontName=f"/{FONT_NAME}",
            Flags=4,
            FontBBox=[0, invisible_font.DESCENT, invisible_font.WIDTH, invisible_font.ASCENT],
            ItalicAngle=0,
            Ascent=invisible_font.ASCENT,
            Descent=invisible_font.DESCENT,
            CapHeight=invisible_font.ASCENT,
            StemV=80,
        )
        descriptor["/FontFile2"] = self._pdf.make_indirect(file)
        below = _dictionary(
            Type="/Font",
            Subtype="/CIDFontType2",
            BaseFont=f"/{FONT_NAME}",
            DW=invisible_font.WIDTH,
        )
        below["/CIDSystemInfo"] = pikepdf.Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0)
        below["/FontDescriptor"] = self._pdf.make_indirect(descriptor)
        # Every letter is the one empty glyph.
        below["/CIDToGIDMap"] = self._pdf.make_indirect(pikepdf.Stream(self._pdf, b"\0\0" + b"\0\1" * len(self._codes)))
        self.font["/DescendantFonts"] = pikepdf.Array([self._pdf.make_indirect(below)])
        self.font["/ToUnicode"] = self._pdf.make_indirect(pikepdf.Stream(self._pdf, self._to_unicode()))

    def _to_unicode(self) -> bytes:
        lines = [f"<{code:04X}> <{letter.encode('utf-16-be').hex().upper()}>" for letter, code in self._codes.items()]
        return cmaps.to_unicode(2, "bfchar", lines)


def _dictionary(**entries: Any) -> Any:
    import pikepdf

    return pikepdf.Dictionary(
        {
            f"/{key}": pikepdf.Name(value) if isinstance(value, str) else pikepdf.Array(value) if isinstance(value, list) else value
            for key, value in entries.items()
        }
    )


class _ToPage:
    """From pixels of a page as it is shown to the units of its content: the crop box, turned as /Rotate says."""

    def __init__(self, place: Any, page: Page) -> None:
        left, bottom, right, top = _shown(place)
        self._origin = left, bottom
        self._size = right - left, top - bottom
        self._turn = int(_inherited(place, "/Rotate") or 0) % 360
        shown = self._size if self._turn % 180 == 0 else self._size[::-1]
        self._scale = shown[0] / page.width, shown[1] / page.height
        self._shown = shown

    def __call__(self, point: Point) -> Point:
        x, y = point[0] * self._scale[0], self._shown[1] - point[1] * self._scale[1]
        width, high = self._size
        u, v = {0: (x, y), 90: (width - y, x), 180: (width - x, high - y), 270: (y, high - x)}.get(self._turn, (x, y))
        return self._origin[0] + u, self._origin[1] + v


def _shown(place: Any) -> tuple[float, float, float, float]:
    """The part of a page that is shown: its crop box, inside its media box."""
    media = _box(_inherited(place, "/MediaBox")) or (0.0, 0.0, 612.0, 792.0)
    crop = _box(_inherited(place, "/CropBox")) or media
    inside = max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3])
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else media


def _box(value: Any) -> tuple[float, float, float, float] | None:
    try:
        x1, y1, x2, y2 = (float(side) for side in value)
    except (TypeError, ValueError):
        return None
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) if x1 != x2 and y1 != y2 else None


def _inherited(place: Any, key: str) -> Any:
    """An entry of a page, or of the nodes above it."""
    node = place.obj
    for _ in range(50):
        if key in node:
            return node[key]
        if "/Parent" not in node:
            return None
        node = node["/Parent"]
    return None


def _add_text(place: Any, font: _Font, content: bytes) -> None:
    import pikepdf

    if not content:
        return
    if "/Resources" not in place.obj and (inherited := _inherited(place, "/Resources")) is not None:
        place.obj["/Resources"] = inherited
    if not isinstance(place.resources.get("/Font", pikepdf.Dictionary()), pikepdf.Dictionary):
        del place.resources["/Font"]
    name = place.add_resource(font.font, pikepdf.Name.Font)
    # First, where no content before it has moved the page.
    place.contents_add(content.replace(b"/FONT", str(name).encode()), prepend=True)


def _content(lines: Sequence[Line], to_page: _ToPage, font: _Font) -> bytes:
    parts = [shown for line in lines for shown in _line(line, to_page, font)]
    return ("q BT 3 Tr\n" + "\n".join(parts) + "\nET Q\n").encode("ascii") if parts else b""


def _line(line: Line, to_page: _ToPage, font: _Font) -> Iterator[str]:
    words = [word for word in line.words if CONTROL.sub("", word.text).strip()]
    if runs_left(line.text) and not runs_down(line):
        # Readers set the letters of a row right themselves, and take them to come as they are seen.
        words = from_left(words)
    placed = [_pieces(word, line) for word in words]
    if not runs_down(line):
        placed = _apart(words, placed)
    for n, pieces in enumerate(placed):
        for text, quad in pieces:
            yield from _shown_text(text, [to_page(point) for point in quad], font)
        _, upper, lower, _ = end = pieces[-1][1]
        if n + 1 == len(placed):
            # Readers that look at no places part lines by what stands between them.
            gap = (upper, _beyond(end, upper), _beyond(end, lower), lower)
        elif joint(words[n].text, words[n + 1].text):
            after = placed[n + 1][0][1]
            gap = (upper, after[0], after[3], lower)
        else:
            continue
        yield from _shown_text(" ", [to_page(point) for point in gap], font)


def _apart(words: Sequence[Word], placed: list[list[tuple[str, Quad]]]) -> list[list[tuple[str, Quad]]]:
    """Words of one piece each; where a space parts two that stand too close for readers, each keeps a little away from it."""
    quads = [pieces[0][1] for pieces in placed]
    for n in range(len(quads) - 1):
        if not joint(words[n].text, words[n + 1].text):
            continue
        left, right = quads[n : n + 2]
        width, following = _length(left), _length(right)
        (ax, ay), (bx, by), _, (dx, dy) = left
        gap = ((right[0][0] - bx) * (bx - ax) + (right[0][1] - by) * (by - ay)) / max(width, 1.0)
        high = math.hypot(dx - ax, dy - ay)
        short = (WORD_GAP * high - gap) / 2
        # What overlaps by more follows in another direction, as Arabic does.
        if 0 < short < high and width > 0 and following > 0:
            quads[n] = part(left, 0.0, 1 - min(0.5, short / width))
            quads[n + 1] = part(right, min(0.5, short / following), 1.0)
    return [[(pieces[0][0], quad)] for pieces, quad in zip(placed, quads, strict=True)]


def _length(quad: Quad) -> float:
    (ax, ay), (bx, by), _, _ = quad
    return math.hypot(bx - ax, by - ay)


def _beyond(quad: Quad, corner: Point) -> Point:
    """A corner at the end of a word, moved on by a quarter of the word's height."""
    (ax, ay), (bx, by), _, (dx, dy) = quad
    length = max(1.0, math.hypot(bx - ax, by - ay))
    step = 0.25 * math.hypot(dx - ax, dy - ay) / length
    return corner[0] + (bx - ax) * step, corner[1] + (by - ay) * step


def _pieces(word: Word, line: Line) -> list[tuple[str, Quad]]:
    """A word and its place; in a line that runs down, letter under letter where the script is written so."""
    text = CONTROL.sub("", word.text)
    if not runs_down(line):
        return [(as_seen(text), word.quad)]
    if any(without_spaces(letter) for letter in text):
        share = 1 / len(text)
        return [(letter, part(word.quad, n * share, (n + 1) * share)) for n, letter in enumerate(text)]
    # The line was turned to be read: its text runs down the page.
    a, b, c, d = word.quad
    return [(text, (b, c, d, a))]


def _shown_text(text: str, corners: Sequence[Point], font: _Font) -> Iterator[str]:
    """The operators that set `text` between the corners, from the top left on, in units of the page.

    Readers take a word apart whose letters climb or fall. On a line that lies a little aslant letters stand level, and its words,
    or the parts of a long one, step by step along it.
    """
    upper, _, (rx, ry), (lx, ly) = corners
    length, high = math.hypot(rx - lx, ry - ly), math.hypot(upper[0] - lx, upper[1] - ly)
    if not math.isfinite(length * high) or high <= 0:
        return
    angle = math.atan2(ry - ly, rx - lx) if length > 0.01 else 0.0
    level = round(angle / QUARTER) * QUARTER
    aslant = angle - level
    if abs(aslant) > STEEPEST:
        level, aslant = angle, 0.0
    parts = min(len(text), max(1, math.ceil(length * abs(math.sin(aslant)) / (STEP * high))))
    x, y = sum(point[0] for point in corners) / 4, sum(point[1] for point in corners) / 4
    dx, dy = math.cos(level), math.sin(level)
    size = max(0.5, high)
    for n in range(parts):
        start, end = (round(len(text) * count / parts) for count in (n, n + 1))
        shown = text[start:end]
        # From the middle of the word to that of the part, along the line.
        along = length * ((start + end) / 2 / len(text) - 0.5)
        wide = max(0.01, length * len(shown) / len(text) * math.cos(aslant))
        # The letters stand on a line a little above the box's lower side.
        below = high / 2 + invisible_font.DESCENT / invisible_font.UNITS * size
        left = x + along * math.cos(angle) - dx * wide / 2 + dy * below
        base = y + along * math.sin(angle) - dy * wide / 2 - dx * below
        squeezed = 100 * wide / (len(shown) * size * invisible_font.WIDTH / invisible_font.UNITS)
        yield (
            f"/FONT {size:.2f} Tf {dx:.5f} {dy:.5f} {-dy:.5f} {dx:.5f} {left:.2f} {base:.2f} Tm {squeezed:.2f} Tz"
            f" <{font.hex(shown)}> Tj"
        )
