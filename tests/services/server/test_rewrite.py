"""A tree that was read before, written over the PDF it was read from."""

from __future__ import annotations

import base64
import io

import pikepdf
import pypdf

from helpers import answers, pdfs
from ocr_serving.decoding.limits import Limits
from ocr_serving.output import build
from ocr_serving.output.formats import ALL_JOINS
from ocr_serving.server import rewrite

OWN, FILLED, LAST = "Typed and never scanned", "Nobody told of this", "The box of 40 is open"


def test_each_word_of_a_line_that_its_font_does_not_tell_wholly_stands_there_once() -> None:
    """And the own text of another page, to which a picture's was added, is left alone."""
    with pikepdf.open(io.BytesIO(pdfs.of_text([OWN, LAST], [OWN, FILLED]))) as made:
        ranges = b"2 beginbfrange <20> <77> <0020> <79> <7d> <0079> endbfrange 1 beginbfchar <78> <FFFD> endbfchar"
        cmap = b"1 begincodespacerange <00> <ff> endcodespacerange " + ranges
        made.pages[0].obj["/Resources"]["/Font"]["/F1"]["/ToUnicode"] = made.make_stream(cmap)
        sent = base64.b64encode(pdfs.saved(made)).decode()
    lines = [answers.line(OWN, 60, 70, 300, 20) | {"source": "pdf"}, answers.line(LAST, 60, 95, 300, 20) | {"source": "ocr"}]
    tree = answers.document(*(build.page(lines, None, number=number, size=(595, 842)) for number in (1, 2)))
    (written,) = rewrite.files(tree, [sent], ["pdf"], Limits(), ALL_JOINS).values()
    unknown, sound = (page.extract_text().split() for page in pypdf.PdfReader(io.BytesIO(written)).pages)
    assert sorted(unknown) == sorted(f"{OWN} {LAST}".split())
    assert sorted(sound) == sorted(f"{OWN} {FILLED} {LAST}".split())
