"""What a call that sends a job says: JSON or a form to a `Submission`. Pure.

PaddleOCR's clients send a file as a part of a form, or where it is as JSON; base64 in `file`, or a `data:` URL, is taken too.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from ocr_serving.decoding import images
from ocr_serving.errors import InputError
from ocr_serving.server import wire
from ocr_serving.server.fetching import HostRules, check_url
from ocr_serving.server.paddleocr3 import catalogue
from ocr_serving.server.paddleocr3.options import Request, is_url
from ocr_serving.validation import first_problem

OCR, DOCUMENTS = "ocr", "document"
ROUTES: Mapping[str, str] = {OCR: catalogue.OCR, DOCUMENTS: catalogue.LAYOUT}
"""The route of basic serving that reads a page as a family of models has it."""
MODELS: Mapping[str, str] = {
    "PP-OCRv5": OCR,
    "PP-OCRv5-latin": OCR,
    "PP-OCRv6": OCR,
    "PP-StructureV3": DOCUMENTS,
    "PaddleOCR-VL": DOCUMENTS,
    "PaddleOCR-VL-1.5": DOCUMENTS,
    "PaddleOCR-VL-1.6": DOCUMENTS,
}
"""Names that the clients know, and what they ask for; which weights read is the service's affair."""

LONGEST_BATCH, LONGEST_RANGES, LONGEST_OPTIONS = 256, 1024, 65536
MOST_PARTS = 32
MOST_PAGES = 1_000_000
"""A page number above it is a slip of the pen."""


@dataclass(frozen=True)
class Submission:
    """What was sent: `content` is the file, b"" where `url` says where it is; `options` are JSON, as they came."""

    model: str
    family: str
    options: str = "{}"
    page_ranges: str = ""
    batch: str = ""
    content: bytes = b""
    url: str = ""
    callback: str = ""


@dataclass(frozen=True)
class Allowed:
    """What this service does: the families that it reads; where it fetches URLs from and whom it calls, None where it does not."""

    families: Collection[str]
    fetches: HostRules | None
    calls: HostRules | None


class MissingFileError(InputError):
    """No file came, as with the call by which some clients try their token."""

    code = 422


def submission(body: bytes, content_type: str, allowed: Allowed) -> Submission:
    """The job in a body. Raises InputError."""
    values, content = _values(body, content_type)
    model = _text(values, "model", 64)
    if model not in MODELS:
        raise InputError(f"model: there is no {model[:64]!r}: take one of {', '.join(MODELS)}.")
    family = MODELS[model]
    if family not in allowed.families:
        needed = catalogue.ROUTES[ROUTES[family]].modules[0]
        raise InputError(f"model: no module here does what {model} is asked for: ask a service that has {needed}.")
    url = _text(values, "fileUrl", 0)
    if content is None and url.startswith("data:"):
        content, url = images.bytes_from_base64(url, where="fileUrl"), ""
    if content is not None and url:
        raise InputError("file and fileUrl: send one of them.")
    if content is None and not url:
        raise MissingFileError("The file is missing: send it as the part 'file' of a form, or say where it is in 'fileUrl'.")
    if content == b"":
        raise InputError("file: it is empty.")
    if url:
        check_url(url, "fileUrl", allowed.fetches, "URLs are not fetched here (fetch_hosts): send the file itself.")
    callback = _text(values, "callbackUrl", 0)
    if callback:
        check_url(callback, "callbackUrl", allowed.calls, "nobody is called here (webhook_hosts): ask for the job's state instead.")
    page_ranges = _text(values, "pageRanges", LONGEST_RANGES)
    ranges(page_ranges)
    return Submission(
        model=model,
        family=family,
        options=_options(values.get("optionalPayload"), family),
        page_ranges=page_ranges,
        batch=_text(values, "batchId", LONGEST_BATCH),
        content=content or b"",
        url=url,
        callback=callback,
    )


def ranges(text: str) -> list[tuple[int, int]]:
    """Pages as `2,4-6` names them: first and last of each range, from 1. Raises InputError."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= MOST_PAGES:
            raise InputError(f"pageRanges: {part[:40]!r} is no range of pages: write it as in 2,4-6, with 1 for the first page.")
        found.append((first, last))
    if text.strip() and not found:
        raise InputError("pageRanges: it names no page: write it as in 2,4-6, or leave it out.")
    return found


def chosen(text: str, count: int, most: int) -> list[int]:
    """The pages, from 0 and in the order of the file, that `pageRanges` chooses of `count`.

    Raises InputError where it names a page that is not there, or more than `most` are to be read.
    """
    found: set[int] = set()
    for first, last in ranges(text):
        if last > count:
            raise InputError(f"pageRanges: there is no page {last}, the file has {count}.")
        found.update(range(first - 1, last))
    pages = sorted(found) if text.strip() else range(count)
    if len(pages) > most:
        raise InputError(f"{len(pages)} pages are over the limit of {most} (jobs_max_pages): choose some by pageRanges.")
    return list(pages)


def _values(body: bytes, content_type: str) -> tuple[Mapping[str, Any], bytes | None]:
    if wire.is_json(content_type):
        payload = wire.parse(body)
        if payload is None:
            raise InputError("The body must be a JSON object with the keys 'model' and 'fileUrl' or 'file'.")
        given = payload.get("file")
        if given is not None and not isinstance(given, str):
            raise InputError("file: takes the file as base64, or send it as a part of a form.")
        if given is not None and is_url(given) and not payload.get("fileUrl"):
            # As basic serving has it.
            return payload | {"fileUrl": given}, None
        return payload, None if given is None else images.bytes_from_base64(given, where="file")
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise InputError("The body must be a form (multipart/form-data) or JSON: send the file as the part 'file'.")
    parser = FormDataParser(stream_factory=_in_memory, max_form_memory_size=1 << 20, max_form_parts=MOST_PARTS, silent=False)
    try:
        _, form, files = parser.parse(io.BytesIO(body), kind, len(body), options)
    except (ValueError, HTTPException):
        raise InputError("The form cannot be read: send it as multipart/form-data.") from None
    if "file" in files:
        return form, files["file"].read()
    # A part without a filename is a value; what it holds is base64 then.
    return form, images.bytes_from_base64(form["file"], where="file") if "file" in form else None


def _in_memory(*_: object, **__: object) -> io.BytesIO:
    """Where a file of a form goes: its bytes are in memory already."""
    return io.BytesIO()


def _text(values: Mapping[str, Any], name: str, most: int) -> str:
    given = values.get(name)
    if given is None:
        return ""
    if not isinstance(given, str):
        raise InputError(f"{name}: takes a string.")
    if most and len(given) > most:
        raise InputError(f"{name}: takes up to {most} characters, got {len(given)}.")
    # PostgreSQL keeps no NUL, and neither keeps half of a pair.
    if "\0" in given or any("\ud800" <= character <= "\udfff" for character in given):
        raise InputError(f"{name}: it holds a character that is none.")
    return given.strip() if name != "batchId" else given


def asked(options: str, family: str) -> Request:
    """The options of a job, checked. Raises InputError."""
    try:
        found = catalogue.ROUTES[ROUTES[family]].model.model_validate(json.loads(options) | {"file": ""})
    except ValidationError as exc:
        raise InputError(first_problem(exc, where="optionalPayload")) from None
    found.check()
    return found


def _options(given: Any, family: str) -> str:
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (RecursionError, ValueError):
            raise InputError("optionalPayload: it is not JSON.") from None
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InputError("optionalPayload: takes a JSON object.")
    # Some clients write the names as Python does.
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in given.items() if "_" in name}
    named |= {name: value for name, value in given.items() if "_" not in name}
    dropped = ("file", "fileType", "logId")
    text = json.dumps({name: value for name, value in named.items() if name not in dropped}, separators=(",", ":"))
    if len(text) > LONGEST_OPTIONS:
        raise InputError(f"optionalPayload: takes up to {LONGEST_OPTIONS} characters, got {len(text)}.")
    asked(text, family)
    return text
