"""The formats a document is written in, by name, and the files each makes: a tree in, bytes out. Pure, but for PDFs that were
sent, which the decoding process opens.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ocr_serving.decoding.images import Image
from ocr_serving.decoding.limits import Limits
from ocr_serving.errors import InputError
from ocr_serving.output import alto, continued, csv, docx, flow, hocr, html, json, markdown, pdf, text, xlsx
from ocr_serving.output.tree import Document, Figure
from ocr_serving.validation import did_you_mean


@dataclass(frozen=True)
class Original:
    """What was sent: the PDF's bytes, opened within `limits`; or each page's file, b"" where it is one of several in its file, and
    pixels.
    """

    pdf: bytes = b""
    limits: Limits = field(default_factory=Limits)
    anew: Collection[int] = ()
    """Pages of the PDF, from 1, whose own text was taken in part because the rest of it says nothing."""
    files: Sequence[bytes] = ()
    images: Sequence[Image | None] = ()


Files = dict[str, bytes]

Render = Callable[[Document, Original, str], Files]
"""The files by name, the document's own first; the name given is that of the file without its suffix."""


@dataclass(frozen=True)
class Format:
    """`needs_structure`: headings and tables show in it, so that the networks for them are asked.

    `by_page`: all it says has its place on a page, so that tables over several pages stay in parts. `flows`: it is read from top
    to end, so that a paragraph over columns or pages is one.
    """

    suffix: str
    media_type: str
    render: Render = field(repr=False)
    needs_structure: bool = True
    by_page: bool = False
    flows: bool = False


def _single(write: Callable[[Document], bytes], suffix: str) -> Render:
    def render(document: Document, _: Original, name: str) -> Files:
        return {f"{name}{suffix}": write(document)}

    return render


def _markdown(document: Document, _: Original, name: str) -> Files:
    figures = [block for page in document.pages for block in page.blocks if isinstance(block, Figure)]
    names = {n: f"{name}_figure{n + 1}.png" for n, block in enumerate(figures) if block.picture}
    return {f"{name}.md": markdown.markdown(document, names)} | {names[n]: figures[n].picture for n in names}


def _csv(document: Document, _: Original, name: str) -> Files:
    tables = csv.tables(document)
    if len(tables) == 1:
        return {f"{name}.csv": tables[0]}
    return {f"{name}_table{n}.csv": table for n, table in enumerate(tables, 1)}


def _pdf(document: Document, original: Original, name: str) -> Files:
    if original.pdf:
        return {f"{name}.pdf": pdf.over_pdf(document, original.pdf, original.limits, original.anew)}
    return {f"{name}.pdf": pdf.of_images(document, original.files, original.images)}


OFFICE = "application/vnd.openxmlformats-officedocument."

FORMATS: Mapping[str, Format] = {
    "txt": Format(".txt", "text/plain; charset=utf-8", _single(text.plain_text, ".txt"), flows=True),
    "markdown": Format(".md", "text/markdown; charset=utf-8", _markdown, flows=True),
    "html": Format(".html", "text/html; charset=utf-8", _single(html.page, ".html"), flows=True),
    "docx": Format(".docx", f"{OFFICE}wordprocessingml.document", _single(docx.document, ".docx"), flows=True),
    "xlsx": Format(".xlsx", f"{OFFICE}spreadsheetml.sheet", _single(xlsx.workbook, ".xlsx")),
    "csv": Format(".csv", "text/csv; charset=utf-8", _csv),
    "json": Format(".json", "application/json", _single(json.tree, ".json")),
    "pdf": Format(".pdf", "application/pdf", _pdf, needs_structure=False, by_page=True),
    "hocr": Format(".hocr", "text/vnd.hocr+html", _single(hocr.hocr, ".hocr"), needs_structure=False, by_page=True),
    "alto": Format(".alto.xml", "application/alto+xml", _single(alto.alto, ".alto.xml"), needs_structure=False, by_page=True),
}

OTHER_NAMES = {"md": "markdown", "text": "txt", "htm": "html", "xml": "alto", "alto.xml": "alto"}

ZIP = "application/zip"


def named(names: str) -> list[str]:
    """The formats in "docx,xlsx", each once. Raises InputError."""
    found = [OTHER_NAMES.get(name, name) for name in (part.strip().lower() for part in names.split(",")) if name]
    for name in found:
        if name not in FORMATS:
            raise InputError(f"'{name}' is no format{did_you_mean(name, FORMATS)}: take one or more of {', '.join(FORMATS)}.")
    if not found:
        raise InputError(f"No format is named: take one or more of {', '.join(FORMATS)}.")
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Joins:
    """What is told as one: tables that go on on the next page, paragraphs that go on in the next column or on the next page."""

    tables: bool = True
    paragraphs: bool = True


ALL_JOINS = Joins()


def files(document: Document, original: Original, forms: Sequence[str], name: str, joins: Joins = ALL_JOINS) -> Files:
    """All files of a document in `forms`, by name. Raises InputError."""
    made: Files = {}
    whole = continued.joined(document) if joins.tables else document
    running = flow.joined(whole) if joins.paragraphs else whole
    for form in forms:
        about = FORMATS[form]
        made |= about.render(document if about.by_page else running if about.flows else whole, original, name)
    return made


def together(made: Files, forms: Sequence[str]) -> tuple[bytes, str, str]:
    """One file for what was made, its name and its media type: that file alone, or a ZIP of several."""
    if len(made) == 1 and len(forms) == 1:
        ((name, content),) = made.items()
        return content, name, FORMATS[forms[0]].media_type
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in made.items():
            # A fixed time: the same document is the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue(), "document.zip", ZIP
