"""Searchable PDF: the pages as they were sent, and their words, invisible, each where it is written. Bytes in, bytes out."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from ocr_serving.decoding import overlaying
from ocr_serving.decoding.images import Image
from ocr_serving.decoding.limits import Limits
from ocr_serving.output import pdf_pictures
from ocr_serving.output.lines import as_seen, from_left, joint, part, runs_down, runs_left, without_spaces
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Document, Line, Point, Quad, Word
from ocr_serving.searchable import archival, words
from ocr_serving.searchable.font import Font
from ocr_serving.searchable.overlay import PageText
from ocr_serving.searchable.words import Placed

POINTS = 72
SMALLEST, LARGEST = 3.0, 14400.0
"""Points of a page's side that readers take (ISO 32000-1, Annex C)."""

WORD_GAP = 0.2
"""Heights between words: Poppler parts those by places alone that stand 0.15 of their type size apart, whatever stands between."""

BOUNDS = Limits()


def over_pdf(document: Document, original: bytes, limits: Limits = BOUNDS, anew: Collection[int] = ()) -> bytes:
    """`original` with the words of `document` that OCR found; its pages, its own text, links and forms stay as they are;
    pages that `document` does not tell of, too.

    The text of a page that was read anew, visible or not, is no longer found or selected, so that no word is found twice; the page
    looks as it did. `anew` are pages of which a part was: their own words that were taken are set again, like the others. The file
    is opened in the decoding process. Raises InputError where it cannot be changed, or not within `limits`, UnavailableError.
    """
    pages = []
    for page in document.pages:
        if read := [line for line in page.lines if line.source == "ocr"]:
            whole = page.number in anew or not any(line.source == "pdf" for line in page.lines)
            pages.append(PageText(page.number, page.width, page.height, whole, _placed(page.lines if whole else read)))
    return overlaying.written_over(original, document.title, pages, limits)


def of_images(document: Document, files: Sequence[bytes], images: Sequence[Image | None]) -> bytes:
    """A PDF/A-2b of pictures, a page each: a JPEG's own bytes where a PDF can hold them, else the pixels without loss.

    `files` has each page's file, b"" where the page is one of several in its file; `images` its pixels, BGR uint8 of shape
    (H, W, 3), None for a page that could not be read, which stays empty.
    """
    import pikepdf

    pdf = pikepdf.new()
    font = Font(pdf)
    for page, file, image in zip(document.pages, files, images, strict=True):
        width, high = (min(LARGEST, max(SMALLEST, side * POINTS)) for side in page.inches)
        place = pdf.add_blank_page(page_size=(width, high))
        if image is not None:
            stream = pdf_pictures.of(pdf, file, image)
            place.add_resource(stream, pikepdf.Name.XObject, pikepdf.Name("/Page"))
            place.contents_add(f"q {width:.3f} 0 0 {high:.3f} 0 0 cm /Page Do Q".encode())
        words.add(place, (page.width, page.height), font, _placed(page.lines))
    font.finish()
    archival.declare(pdf, document.title)
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


def _placed(lines: Iterable[Line]) -> list[Placed]:
    return [placed for line in lines for placed in _line(line)]


def _line(line: Line) -> Iterator[Placed]:
    shown = [word for word in line.words if CONTROL.sub("", word.text).strip()]
    if runs_left(line.text) and not runs_down(line):
        # Readers set the letters of a row right themselves, and take them to come as they are seen.
        shown = from_left(shown)
    placed = [_pieces(word, line) for word in shown]
    if not runs_down(line):
        placed = _apart(shown, placed)
    for n, pieces in enumerate(placed):
        yield from (Placed(text, quad) for text, quad in pieces)
        _, upper, lower, _ = end = pieces[-1][1]
        if n + 1 == len(placed):
            # Readers that look at no places part lines by what stands between them.
            gap = (upper, _beyond(end, upper), _beyond(end, lower), lower)
        elif joint(shown[n].text, shown[n + 1].text):
            after = placed[n + 1][0][1]
            gap = (upper, after[0], after[3], lower)
        else:
            continue
        yield Placed(" ", gap)


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
