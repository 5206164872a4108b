"""Files as they are, in place of base64 in JSON: as the body itself, or in a form. Pure: bytes in, what JSON would say out."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from ocr_serving.decoding.images import Limits
from ocr_serving.errors import InputError, TooLargeError
from ocr_serving.server import wire
from ocr_serving.server.wire import Arguments

RAW = ("application/pdf", "application/octet-stream")
FORM = "multipart/form-data"
FIELD = "file"
"""The field of a form that files are in, as often as there are files."""

TREE = "document"
"""The field of a form that a page tree may be in, as a file: it may be longer than all fields that are none."""
MOST_IN_TREE = 1_000_000
"""Values of JSON in it: those of some hundred dense pages."""

HINT = "send files as curl -F file=@page.png does"
MOST_VALUES = 100
"""Arguments of one form or query."""
MOST_TEXT = 1 << 20
"""Bytes that all fields of a form that are no files may have together."""
LONGEST = 64
"""Characters of a name of the caller's that a refusal repeats."""


def takes(content_type: str) -> bool:
    """Whether a body of that Content-Type is read: JSON, a file, or a form."""
    return wire.is_json(content_type) or is_raw(content_type) or _bare(content_type) == FORM


def is_raw(content_type: str) -> bool:
    """Whether a body is the file itself."""
    kind = _bare(content_type)
    return kind in RAW or kind.startswith("image/")


def payload(body: bytes, content_type: str, query: str, accepted: Arguments, limits: Limits) -> dict[str, Any] | None:
    """What a body of that Content-Type asks, as JSON would say it: `images`, and the arguments in a form's fields or the query.

    None is the outdated protocol, which the old server had too. Raises InputError, TooLargeError.
    """
    if wire.is_json(content_type):
        return wire.parse(body)
    values = _of_query(query)
    if is_raw(content_type):
        if not body:
            raise InputError("The body is empty: send the file as the body.")
        return {"images": [_encoded(body)]} | _read(values, accepted)
    form = _form(body, content_type, limits)
    if form is None:
        return None
    fields, files, tree = form
    given = [name for name in values if name in fields]
    if given:
        raise InputError(f"'{given[0]}' is given in the query and in the form: give it once.")
    for name in fields:
        if len(fields.getlist(name)) > 1:
            raise InputError(f"'{name[:LONGEST]}' is given {len(fields.getlist(name))} times in the form: give it once.")
    if len(files) > limits.max_images:
        raise TooLargeError(
            f"{len(files)} files are over the limit of {limits.max_images} in one request (max_images): send fewer."
        )
    asked = _read(values | fields.to_dict(), accepted)
    if tree is not None:
        asked[TREE] = _tree(tree)
    return ({"images": [_encoded(content) for content in files]} if files else {}) | asked


def _form(body: bytes, content_type: str, limits: Limits) -> tuple[MultiDict[str, str], list[bytes], bytes | None] | None:
    """The fields of a form, its files in their order, and the tree that is sent as one; None for what is no form.

    Raises InputError, TooLargeError.
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "").encode("latin-1", "replace")
    if not boundary or b"--" + boundary not in body[: len(boundary) + 1024]:
        return None
    most = limits.max_images + MOST_VALUES
    parser = MultiPartParser(stream_factory=_in_memory, max_form_memory_size=MOST_TEXT, max_form_parts=most)
    try:
        fields, files = parser.parse(io.BytesIO(body), boundary, len(body))
    except RequestEntityTooLarge:
        raise TooLargeError(
            f"The form has more than {most} parts, or over {MOST_TEXT >> 20} MiB beside its files: send less in one request."
        ) from None
    except ValueError as exc:
        raise InputError(f"The form cannot be read ({str(exc).rstrip('.')}): {HINT}.") from None
    trees = files.poplist(TREE)
    if len(trees) + (TREE in fields) > 1:
        raise InputError(f"'{TREE}' is given {len(trees) + (TREE in fields)} times in the form: give it once.")
    contents = _contents(fields, files, is_optional=bool(trees) or TREE in fields)
    return fields, contents, trees[0].stream.read() if trees else None


def _contents(fields: MultiDict[str, str], files: MultiDict[str, FileStorage], *, is_optional: bool) -> list[bytes]:
    """The files of a form, which needs none where it `is_optional`. Raises InputError where they are not where they belong."""
    for name in ("images", "paths"):
        if name in fields:
            raise InputError(f"'{name}' is no field of a form: send the files as '{FIELD}', or all as JSON; not both.")
    if FIELD in fields:
        raise InputError(f"'{FIELD}' was sent as text and not as a file: write curl -F {FIELD}=@page.png, with an @.")
    wrong = next((name for name in files if name != FIELD), None)
    if wrong is not None:
        raise InputError(f"A file is in the field '{wrong[:LONGEST]}': name it '{FIELD}', as in curl -F {FIELD}=@page.png.")
    found = files.getlist(FIELD)
    if not found and not is_optional:
        raise InputError(f"The form has no file: send one or more as '{FIELD}', as in curl -F {FIELD}=@page.png.")
    contents = []
    for n, file in enumerate(found):
        content = file.stream.read()
        if not content:
            raise InputError(
                f"The file '{(file.filename or '')[:LONGEST]}' (images[{n}]) is empty: send one with an image or a PDF."
            )
        contents.append(content)
    return contents


def _tree(content: bytes) -> Any:
    """The page tree in a part of a form. Raises InputError, TooLargeError."""
    try:
        return wire.value(content, MOST_IN_TREE)
    except TooLargeError:
        raise
    except InputError:
        raise InputError(
            f"A file is in the field '{TREE}': name it '{FIELD}', as in curl -F {FIELD}=@page.png; '{TREE}' is for what was read "
            "before, as JSON."
        ) from None


def _in_memory(*_args: object, **_about: object) -> io.BytesIO:
    # The whole body is in memory within its limit already; nothing is written to disks.
    return io.BytesIO()


def _of_query(query: str) -> dict[str, str]:
    """Arguments in a query. Raises InputError."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_VALUES)
    except ValueError:
        raise InputError(f"The query has more than {MOST_VALUES} values: send fewer.") from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise InputError(f"'{name[:LONGEST]}' is given more than once in the query: give it once.")
        values[name] = value
    # The front has seen to it.
    values.pop("output", None)
    if "images" in values or "paths" in values:
        raise InputError(f"Images are not sent in the query: {HINT}.")
    return values


def _read(values: Mapping[str, str], accepted: Arguments) -> dict[str, Any]:
    """Arguments sent as text, as values of JSON: a word where one is taken, else the number, boolean or JSON that it spells."""
    return {name: _value(name, text, accepted) for name, text in values.items()}


def _value(name: str, text: str, accepted: Arguments) -> Any:
    if accepted.takes_text(name, text):
        return text
    lowered = text.strip().lower()
    if lowered in ("true", "false", "null"):
        return json.loads(lowered)
    try:
        return wire.value(text)
    except InputError:
        # Refused by its type, with what it should have been.
        return text


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
