"""What is asked and what the answers mean, without a socket: generators yield a `Request` or a `Wait`, and are sent a `Response`.

`sync.Client` and `aio.AsyncClient` run them, each in its way.
"""

from __future__ import annotations

import base64
import email.utils
import json
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from ocr_serving_client.errors import BusyError, KeyNeededError, OCRError, RefusedError, UnreachableError
from ocr_serving_client.result import Result, result

What = Literal["text", "document", "table", "form"]

MODULES: Mapping[What, tuple[str, ...]] = {
    "text": ("ocr_system", "structure_system"),
    "document": ("structure_system",),
    "table": ("structure_system", "structure_table"),
    "form": ("kie_ser_re",),
}
"""The modules that can do it, the best first."""

LONGEST_WAIT = 60.0

MOST_TEXT = 1 << 19
"""Characters of all arguments together that a form takes for sure; more go as JSON."""

File = str | PathLike[str] | bytes | IO[bytes]
"""A path, the bytes of a file, or a file that is open."""

Progress = Callable[[int, int], object]
"""Called with the pages read so far and how many there are."""


@dataclass(frozen=True)
class Request:
    """One HTTP request below the service's address."""

    method: str
    path: str
    body: bytes = b""
    kind: str = "application/json"
    """Its Content-Type."""


@dataclass(frozen=True)
class Response:
    """Its answer. Names of `headers` are in lower case. `code` 0 is a connection that was made and lost."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Wait:
    """So many seconds are to pass."""

    seconds: float


T = TypeVar("T")
Calls = Generator[Request | Wait, Response, T]


@dataclass
class Caller:
    """The service at `url`: what is known of it, and how often it is asked again. Raises OCRError where `url` is none."""

    url: str
    retries: int = 5
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise OCRError(f"'{self.url}' is not the address of a service such as http://127.0.0.1:8868.")
        # The address of a module, as the old clients take it, is one of its service.
        self.url = self.url.partition("/predict/")[0].rstrip("/")

    def read(
        self, file: File, what: What, module: str, pages: str, progress: Progress | None, keys: Mapping[str, Any]
    ) -> Calls[Result]:
        """Read a file page by page. Raises OCRError."""
        content, title = _content(file)
        name = module or (yield from self._module(what))
        trees: list[dict[str, Any]] = []
        remarks: list[str] = []
        number, last = _range(pages)
        while True:
            request = _sent(f"predict/{name}?output=json", [(content, title)], {"pages": str(number)} | dict(keys))
            response = yield from self._asked(request)
            trees.append(_json(response))
            said = unquote(response.headers.get("x-ocr-remarks", "")).replace("images[0]", title)
            remarks += [said] if said else []
            count = int(response.headers.get("x-ocr-pages", "1"))
            last = min(last or count, count)
            if progress is not None:
                progress(len(trees), last - _range(pages)[0] + 1)
            number += 1
            if number > last:
                break
        whole = trees[0] | {
            "title": Path(title).stem or "document",
            "pages": [page for tree in trees for page in tree["pages"]],
            "fields": [pair for tree in trees for pair in tree.get("fields", [])],
        }
        return _understood(whole, remarks)

    def convert(self, source: File | Result, form: str, files: Sequence[File], keys: Mapping[str, Any]) -> Calls[bytes]:
        """A file, or what was read of one, in a format. Raises OCRError."""
        if isinstance(source, Result):
            tree, sent = source.tree, files
        else:
            tree, sent = None, [source, *files]
        response = yield from self._asked(_sent(f"convert/{form}", [_content(one) for one in sent], keys, tree))
        return response.body

    def predict(self, module: str, files: Sequence[File], keys: Mapping[str, Any]) -> Calls[list[Any]]:
        """The `results` of a module, as PaddleOCR's hubserving has them. Raises OCRError."""
        response = yield from self._asked(_sent(f"predict/{module}", [_content(one) for one in files], keys))
        answer = _json(response)
        if not isinstance(answer, dict) or answer.get("status") != "000":
            raise RefusedError(_said(response) or "The service gave no reason.", response.code)
        found: list[Any] = answer["results"]
        return found

    def served(self) -> Calls[tuple[str, ...]]:
        """The modules that are served. Raises OCRError."""
        response = yield from self._asked(Request("GET", "modules"))
        self.modules = tuple(str(module["name"]) for module in _json(response)["modules"])
        return self.modules

    def _module(self, what: What) -> Calls[str]:
        if what not in MODULES:
            raise OCRError(f"what is one of {', '.join(MODULES)}, not '{what}'.")
        served = self.modules or (yield from self.served())
        for name in MODULES[what]:
            if name in served:
                return name
        raise OCRError(
            f"{self.url} serves {', '.join(served) or 'nothing yet'}, which cannot read a {what}: start it with {MODULES[what][0]}."
        )

    def _asked(self, request: Request) -> Calls[Response]:
        """The answer to a request, asked again where it is of use. Raises OCRError."""
        response = Response(0)
        for attempt in range(self.retries + 1):
            response = yield request
            if response.code == 200 and not _is_refused(response):
                return response
            if not _asks_to_wait(response):
                break
            if attempt < self.retries:
                yield Wait(_seconds(response, attempt))
        if not response.code:
            raise UnreachableError(f"{self.url} drops every connection: is that an OCR service, and does it stay up?")
        message = _said(response) or f"HTTP {response.code}, not the answer of an OCR service: check the address {self.url}."
        if response.code == 401:
            raise KeyNeededError(message, 401)
        raise (BusyError if _asks_to_wait(response) else RefusedError)(message, response.code)


def _sent(path: str, files: Sequence[tuple[bytes, str]], keys: Mapping[str, Any], tree: Mapping[str, Any] | None = None) -> Request:
    """A request with files and their names, arguments, and a tree that was read before: a form, in which files are as they are."""
    values = {name: _sound(value) if isinstance(value, str) else json.dumps(value) for name, value in keys.items()}
    if (not files and tree is None) or sum(map(len, values.values())) > MOST_TEXT:
        images = [base64.b64encode(content).decode("ascii") for content, _ in files]
        body = {"images": images} | dict(keys) | ({} if tree is None else {"document": tree})
        return Request("POST", path, json.dumps(body).encode())
    parts = [] if tree is None else [("document", ("document.json", json.dumps(tree).encode()))]
    parts += [("file", (_sound(title), content)) for content, title in files]
    form = httpx.Request("POST", "http://form", data=values, files=parts)
    return Request("POST", path, form.read(), form.headers["Content-Type"])


def _sound(text: str) -> str:
    """Names of files may hold bytes that are no text."""
    return text.encode("utf-8", "replace").decode()


def _content(file: File) -> tuple[bytes, str]:
    """The bytes of a file and its name. Raises OCRError."""
    if isinstance(file, bytes):
        return file, "document"
    if isinstance(file, str | PathLike):
        try:
            return Path(fspath(file)).read_bytes(), Path(fspath(file)).name
        except OSError as exc:
            raise OCRError(f"{fspath(file)} cannot be read: {exc.strerror}.") from None
    return file.read(), Path(str(getattr(file, "name", "document"))).name


def _range(pages: str) -> tuple[int, int]:
    """The first page and the last, 0 for that of the file. Raises OCRError."""
    first, _, last = pages.partition("-")
    try:
        found = (int(first), int(last or first)) if pages else (1, 0)
    except ValueError:
        found = (0, 0)
    if found[0] < 1 or (pages and found[1] < found[0]):
        raise OCRError(f"pages takes a page, '3', or the first and the last, '3-5', not '{pages}'.")
    return found


def _json(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except ValueError:
        raise OCRError("The answer is not JSON: is that an OCR service?") from None


def _understood(tree: dict[str, Any], remarks: Sequence[str]) -> Result:
    try:
        return result(tree, remarks)
    except (KeyError, TypeError, ValueError):
        raise OCRError("The answer is not a document that this client knows: take a newer one.") from None


def _said(response: Response) -> str:
    """The service's own sentence, "" where the answer is not its own."""
    try:
        answer = json.loads(response.body)
    except ValueError:
        return ""
    return str(answer.get("msg", "")) if isinstance(answer, dict) else ""


def _is_refused(response: Response) -> bool:
    """Whether a service that answers 200 to everything, as PaddleHub did, refuses."""
    return response.body.startswith(b"{") and len(response.body) < 10_000 and b'"status":"1' in response.body[-40:]


def _asks_to_wait(response: Response) -> bool:
    """Whether the same request may be answered later: a service that says nothing of when means that it would fail again."""
    if response.code == 503:
        return "retry-after" in response.headers or not _said(response)
    return response.code in (0, 429)


def _seconds(response: Response, attempt: int) -> float:
    """Before the next attempt: Retry-After as seconds or as a date (RFC 9110, 10.2.3), else about 0.5, 1, 2, …"""
    said = response.headers.get("retry-after", "")
    try:
        return min(LONGEST_WAIT, max(0.0, float(said)))
    except ValueError:
        pass
    try:
        return min(LONGEST_WAIT, max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time()))
    except ValueError:
        # Not all callers at once.
        return min(LONGEST_WAIT, 0.5 * float(2**attempt)) * random.uniform(0.8, 1.2)  # noqa: S311  no secret
