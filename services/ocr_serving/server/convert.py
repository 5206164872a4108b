"""Documents over HTTP: which module makes which format, what a request may say, and the file that comes back.

The front asks `target` or `wanted` and hands the formats on with the task; the worker asks `reply`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from werkzeug import http
from werkzeug.datastructures import MIMEAccept

from ocr_serving.decoding import images, pages
from ocr_serving.decoding.images import Image, Limits
from ocr_serving.decoding.limits import Allowance
from ocr_serving.decoding.pages import Chosen
from ocr_serving.errors import InputError, LateError, ServingError
from ocr_serving.modules.base import Module
from ocr_serving.output import build, formats, given, json
from ocr_serving.output.formats import ALL_JOINS, FORMATS, Joins
from ocr_serving.output.job import Job, Sheet
from ocr_serving.output.reading import PDF_TEXT, PdfText, Reader
from ocr_serving.output.tree import Document
from ocr_serving.server import rewrite
from ocr_serving.server.messages import Reply

REMARKS = "X-OCR-Remarks"
"""Header of what `msg` says elsewhere, percent-encoded UTF-8."""

STRUCTURE, LINES = "structure_system", "ocr_system"
ANSWERS = ("application/json", "application/*", "*/*")
"""Media types that an answer in JSON has."""

MOST_REMARKS = 2000
TITLE = "document"


def target(path: str, served: Collection[str]) -> tuple[str, str]:
    """The module and the formats of `/convert/<path>`. Raises InputError."""
    forms = formats.named(path)
    needs_structure = any(FORMATS[form].needs_structure for form in forms)
    for name in (STRUCTURE, LINES) if needs_structure else (LINES, STRUCTURE):
        if name in served:
            return name, ",".join(forms)
    raise InputError(f"No module here makes documents: serve {STRUCTURE} or {LINES}, or add ?output=… to the path of your own.")


def wanted(output: str, accept: str) -> str:
    """The formats that a call of `/predict/<module>` asks for, by `?output=` or its Accept header; "" for the answer in JSON.

    Of the media types that are known here the one with the highest weight (RFC 9110, 12.5.1), the first of several; plain text and
    HTML, which programs and browsers name without meaning it, are asked for by `output` alone. Raises InputError.
    """
    if output:
        return ",".join(formats.named(output))
    kinds = {about.media_type.partition(";")[0]: form for form, about in FORMATS.items() if form not in ("json", "txt", "html")}
    kinds |= dict.fromkeys(ANSWERS, "")
    weights = [
        (kinds[name], weight)
        for kind, weight in http.parse_accept_header(accept, MIMEAccept)
        if weight > 0 and (name := kind.partition(";")[0].strip().lower()) in kinds
    ]
    return max(weights, key=lambda found: found[1], default=("", 0))[0]


@dataclass(frozen=True)
class Options:
    """What a request for a document says beside the arguments of the module.

    Whose text of a PDF is taken, what over several pages is told as one, which pages are read; `document` is a tree that was read
    before: nothing is read again, and the files are made of it. `join_pages`: its pages were read one by one.
    """

    pdf_text: PdfText = "auto"
    joins: Joins = ALL_JOINS
    chosen: Chosen | None = None
    document: Document | None = None
    join_pages: bool = False


def options(payload: dict[str, Any]) -> Options:
    """Take the options out of a request. Raises InputError."""
    pdf_text = payload.pop("pdf_text", "auto")
    if pdf_text not in PDF_TEXT:
        raise InputError(f"pdf_text: takes one of {', '.join(PDF_TEXT)}.")
    joins = Joins(_flag(payload, "join_tables", default=True), _flag(payload, "join_paragraphs", default=True))
    numbers, tree = payload.pop("pages", None), payload.pop("document", None)
    chosen = None if numbers is None else _chosen(numbers)
    if tree is None:
        return Options(pdf_text, joins, chosen)
    one_by_one = _flag(payload, "join_pages", default=False)
    payload.setdefault("images", [])
    return Options(pdf_text, joins, chosen, given.document(tree), one_by_one)


def _flag(payload: dict[str, Any], name: str, *, default: bool) -> bool:
    value = payload.pop(name, default)
    if not isinstance(value, bool):
        raise InputError(f"{name}: takes true or false.")
    return value


def _chosen(numbers: Any) -> Chosen:
    match = re.fullmatch(r"([1-9]\d{0,5})(?:-([1-9]\d{0,5}))?", str(numbers), re.ASCII) if isinstance(numbers, str | int) else None
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last:
        raise InputError('pages: takes a page, "3", or the first and the last, "3-5"; pages count from 1.')
    return Chosen(first, last)


def rewritten(tree: Document, payload: Mapping[str, Any], forms: Sequence[str], limits: Limits, options: Options) -> Reply:
    """A document that was read before, as an answer; `payload` is what the request says besides. Raises InputError."""
    encoded = payload["images"]
    if not isinstance(encoded, list) or not all(isinstance(text, str) for text in encoded) or len(encoded) > limits.max_images:
        raise InputError(f"'images' must be a list of at most {limits.max_images} base64 strings, the files that were read.")
    if unknown := sorted(payload.keys() - {"images"}):
        raise InputError(f"'{unknown[0]}' does not go with document, from which nothing is read again: leave it out.")
    if options.join_pages:
        tree = build.joined(tree)
    return _answer(rewrite.files(tree, encoded, forms, limits, options.joins), forms, [])


@dataclass(frozen=True)
class Request:
    """What the worker is to make: formats, the files as base64, arguments of `predict`, and how the files are read."""

    forms: Sequence[str]
    encoded: Sequence[str]
    keywords: Mapping[str, Any]
    options: Options = Options()


def reply(module: Module, request: Request, takes: Collection[str]) -> Reply:
    """The document as an answer: its images, and the pages of its PDFs, are its pages, in their order.

    `takes` are the arguments of the module's `predict`. Raises ServingError.
    """
    data = [images.bytes_from_base64(text, where=f"images[{n}]") for n, text in enumerate(request.encoded)]
    whole = _Whole(module, request, data, takes)
    return _answer(whole.files(), request.forms, whole.remarks, whole.counted)


def _answer(made: formats.Files, forms: Sequence[str], said: Sequence[str], counted: Mapping[str, str] | None = None) -> Reply:
    if not made:
        raise InputError(f"The document shows no tables, so that there is nothing to write as {', '.join(forms)}.")
    content, name, kind = formats.together(made, forms)
    remarks = " ".join(said)[:MOST_REMARKS]
    disposition = f'attachment; filename="{name}"' if name.isascii() else f"attachment; filename*=UTF-8''{quote(name)}"
    headers = {"Content-Type": kind, "Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"} | dict(counted or {})
    if remarks:
        headers[REMARKS] = quote(remarks, safe=" ()[]:;,./=")
    return Reply(200, "000", content, remarks[:300], None, headers)


class _Whole:
    """The files of one request as one document."""

    def __init__(self, module: Module, request: Request, data: Sequence[bytes], takes: Collection[str]) -> None:
        """Reads all pages. Raises ServingError."""
        self._module, self._request = module, request
        self._is_pdf = any(pages.is_pdf(one) for one in data)
        if self._is_pdf and len(data) > 1 and "pdf" in request.forms:
            raise InputError("pdf: send one PDF, or images alone; several files of which one is a PDF are not made into one.")
        self._files = data
        chosen = request.options.chosen
        about = request.options.pdf_text, request.options.joins
        if chosen is not None and len(data) > 1:
            raise InputError("pages: chooses among the pages of one file: send one.")
        words, items = "return_words" in takes, "return_items" in takes
        self._reader = Reader(self._ask, "return_lines" in takes, request.options.pdf_text, words, items)
        self.job = Job(TITLE, data[0], request.forms, module.limits, *about, chosen=chosen)
        allowance = Allowance(module.limits.seconds_together)
        done = 0
        for n, one in enumerate(data):
            part = self.job if n == 0 else Job(TITLE, one, request.forms, module.limits, *about)
            part.where, part.allowance = f"images[{n}]", allowance
            for sheet in part.sheets():
                self._read(part, sheet, first=not done)
                done += 1
            if part is not self.job:
                self.job.append(part)

    @property
    def counted(self) -> Mapping[str, str]:
        """The header that says how many pages the file has, where some of them were chosen."""
        return {rewrite.PAGES: str(self.job.chosen.of)} if self.job.chosen else {}

    @property
    def remarks(self) -> list[str]:
        """What is to be said, as sentences."""
        return [*self.job.remarks, *(f"{warning}." for warning in dict.fromkeys(self._module.warnings))]

    def files(self) -> formats.Files:
        """The document in its formats. Raises InputError where no page could be read."""
        return self.job.files()

    def _ask(self, image: Image, **keywords: Any) -> Any:
        return self._module.predict([image], **(dict(self._request.keywords) | keywords))[0]

    def _read(self, job: Job, sheet: Sheet, *, first: bool) -> None:
        if sheet.image is None:
            job.miss(sheet, sheet.why)
            return
        try:
            # Raises where the time is up.
            next(iter(self._module.in_time([sheet.image])))
            job.take(sheet, *self._reader(sheet.image, sheet.text))
        except LateError:
            if first:
                raise
            job.miss(sheet, "the time for a request (timeout_s) was up before it.")
        except InputError as exc:
            raise exc from None
        except ServingError as exc:
            if first:
                raise
            job.miss(sheet, str(exc))


def paths(failures: Mapping[str, Any], bodies: Mapping[str, Any], schemas: dict[str, Any], ref: str) -> dict[str, Any]:
    """What OpenAPI says of `/convert/<format>`, whose requests have `bodies`.

    The schema of the tree is added to `schemas`, to which `ref` leads.
    """
    tree = json.schema()
    schemas.update(_led(tree.pop("$defs"), ref))
    schemas["DocumentTree"] = _led({key: value for key, value in tree.items() if key != "$schema"}, ref)
    schemas["Convert.Request"] = {
        "type": "object",
        "properties": {
            "images": {"type": "array", "minItems": 1, "items": {"type": "string", "contentEncoding": "base64"}},
            "pdf_text": {
                "type": "string",
                "enum": list(PDF_TEXT),
                "default": "auto",
                "description": "A PDF's own text: taken where it is sound, never, or nothing else.",
            },
            "join_tables": {
                "type": "boolean",
                "default": True,
                "description": "Tell a table that goes on on the next page as one; not in formats whose pages are the original's.",
            },
            "join_paragraphs": {
                "type": "boolean",
                "default": True,
                "description": "Tell a paragraph that goes on in the next column or page as one, in formats of running text.",
            },
            "pages": {
                "type": "string",
                "pattern": r"^[1-9]\d*(-[1-9]\d*)?$",
                "description": f"The pages of one PDF or TIFF to read, such as 3 or 3-5; `{rewrite.PAGES}` says how many it has.",
            },
            "document": {
                "allOf": [{"$ref": ref.format(model="DocumentTree")}],
                "description": "A tree that was read before, as with corrections: nothing is read, the files are made of it. "
                "`images`, the files it was read from, are then needed for a searchable PDF and the pictures of figures alone.",
            },
            "join_pages": {
                "type": "boolean",
                "default": False,
                "description": "The pages of `document` were read one by one: tell what runs through them as headers and footers, "
                "and the levels of headings by all of them.",
            },
        },
        "anyOf": [{"required": ["images"]}, {"required": ["document"]}],
        "description": "Images and PDFs, whose pages are those of the document; further keys are arguments of the module.",
    }
    return {f"/convert/{form}": {"post": _operation(form, failures, bodies, ref)} for form in FORMATS}


def _operation(form: str, failures: Mapping[str, Any], bodies: Mapping[str, Any], ref: str) -> dict[str, Any]:
    kind = FORMATS[form].media_type.partition(";")[0]
    schema = {"$ref": ref.format(model="DocumentTree")} if form == "json" else {"type": "string", "format": "binary"}
    file = {"schema": {"type": "string", "format": "binary"}}
    content = {kind: {"schema": schema}}
    if form in ("markdown", "csv"):
        # With the pictures of figures beside it; a file for each table.
        content[formats.ZIP] = file
    return {
        "operationId": f"convert_{form}",
        "summary": f"A document as {form}",
        "tags": ["Documents"],
        "description": f"Several formats are one ZIP: `/convert/{form},txt`. What was cut or not read is said in `{REMARKS}`.",
        "requestBody": {
            "required": True,
            "content": dict(bodies),
        },
        "responses": {"200": {"description": "The document.", "content": content}} | dict(failures),
    }


def _led(schema: Any, ref: str) -> Any:
    """A schema whose references lead to where OpenAPI keeps its schemas."""
    if isinstance(schema, dict):
        return {
            key: ref.format(model=value.removeprefix("#/$defs/"))
            if key == "$ref"
            else {kind: ref.format(model=name.removeprefix("#/$defs/")) for kind, name in value.items()}
            if key == "mapping"
            else _led(value, ref)
            for key, value in schema.items()
        }
    return [_led(item, ref) for item in schema] if isinstance(schema, list) else schema
