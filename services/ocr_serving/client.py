"""A client of a running service: `Client(url).predict(image)`."""

from __future__ import annotations

import base64
import email.utils
import itertools
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from ocr_serving.errors import InputError, ServingError
from ocr_serving.output import results

CONNECT_TIMEOUT_S = 10.0

BETWEEN_LOOKS_S = 1.0
"""Seconds between two looks whether a server that has gone is there again."""

_OF_A_PAGE = re.compile(r"results\[\d+\]: ")
"""How a remark begins on a page that was looked at, such as that it is blank; those on what was not name an image, or say so."""


class UnreachableError(ServingError):
    """No server answers at the URL; there is no sense in asking it for the next image."""


class AnswerError(ServingError):
    """The server's reason why this image has no result."""


@dataclass(frozen=True)
class Reply:
    """A successful answer: `body` as it came, `msg` a remark or "", `seconds` the whole call.

    `entries` are `results`: one for an image, one for each page of a PDF. `work_s` and `cpu_s` are the seconds and CPU seconds of
    the worker that read it, None where the service does not tell.
    """

    body: bytes
    entries: Sequence[Any]
    msg: str
    seconds: float
    work_s: float | None = None
    cpu_s: float | None = None


def encoded(image: bytes) -> str:
    """The bytes of an image file as an entry of a request's `images`: base64."""
    return base64.b64encode(image).decode("ascii")


class Client:
    """Asks one URL (`http://HOST:PORT/predict/<module>`). Threads may share it; its one HTTP session keeps `connections` open.

    `timeout` is the seconds to wait for each answer. A full or restarting server (429, 503, a dropped connection) is asked again up
    to `retries` times, after what its Retry-After says; a service that says 503 without it means that it would fail again. One may
    be gone, and then load its models, for up to `patience` seconds of each request, as while it is started anew.
    Raises InputError where `url` is not an http URL.
    """

    def __init__(
        self, url: str, *, api_key: str = "", timeout: float = 120.0, retries: int = 3, connections: int = 1, patience: float = 0.0
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise InputError(f"'{url}' is not a URL such as http://127.0.0.1:8868/predict/ocr_system.")
        if not urlsplit(url).path.strip("/"):
            raise InputError(f"'{url}' names no module: end it as in {url.rstrip('/')}/predict/ocr_system.")
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.retries = retries
        self.patience = patience
        self._is_gone = self._is_closed = False
        self._http = requests.Session()
        self._http.headers["Content-Type"] = "application/json"
        if api_key:
            self._http.headers["Authorization"] = f"Bearer {api_key}"
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, HTTPAdapter(pool_maxsize=connections))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        self._http.close()

    def predict(self, image: bytes, **arguments: Any) -> Reply:
        """The answer for the bytes of one image file or PDF; `arguments` are further keys of the request.

        Raises AnswerError or UnreachableError.
        """
        # base64 needs no escaping in JSON, so the body is put together without another pass over it.
        further = "".join(f',"{key}":{json.dumps(value)}' for key, value in arguments.items())
        body = f'{{"images":["{encoded(image)}"]{further}}}'.encode()
        started = time.perf_counter()
        until = started + self.patience
        for attempt in itertools.count():
            response = self._post_when_there(body, until)
            if response is not None and not _asks_to_wait(response):
                return _reply(response, time.perf_counter() - started)
            if attempt >= self.retries and not (self._is_gone and self._may_wait(until)):
                break
            time.sleep(min(_wait(response, attempt), self.timeout))
        if response is None:
            raise UnreachableError(f"{self.url} drops every connection: is that an OCR service, and does it stay up?")
        return _reply(response, time.perf_counter() - started)

    def _post_when_there(self, body: bytes, until: float) -> requests.Response | None:
        """The response, or None where the connection was lost. Raises UnreachableError where nobody listens until then."""
        while True:
            try:
                response = self._post(body)
            except UnreachableError:
                self._is_gone = True
                if not self._may_wait(until):
                    raise
                time.sleep(BETWEEN_LOOKS_S)
            else:
                if response is None or response.ok:
                    self._is_gone = response is None
                return response

    def _may_wait(self, until: float) -> bool:
        return not self._is_closed and time.perf_counter() < until

    def _post(self, body: bytes) -> requests.Response | None:
        """The response, or None where the connection was made and lost."""
        try:
            return self._http.post(self.url, data=body, timeout=(CONNECT_TIMEOUT_S, self.timeout))
        except requests.exceptions.ReadTimeout:
            raise AnswerError(f"no answer within {self.timeout:g} s (--timeout).") from None
        except requests.exceptions.RequestException as exc:
            if _was_lost(exc):
                return None
            raise UnreachableError(
                f"No server answers at {self.url} ({type(exc).__name__}): is it running, and is the URL right?"
            ) from None


def _was_lost(exc: requests.exceptions.RequestException) -> bool:
    """Whether there was a connection; without one (nobody listens, no such host, no trust) asking again is of no use."""
    if isinstance(exc, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return False
    reason = exc.args[0] if exc.args else None
    made = not isinstance(getattr(reason, "reason", reason), NewConnectionError)
    return made and isinstance(exc, requests.exceptions.ConnectionError | requests.exceptions.ChunkedEncodingError)


def _asks_to_wait(response: requests.Response) -> bool:
    """Whether the same request may be answered later: a service that says nothing of when means that it would fail again."""
    if response.status_code != 503:
        return response.status_code == 429
    return "Retry-After" in response.headers or not _is_answer(response)


def _is_answer(response: requests.Response) -> bool:
    """Whether it comes from an OCR service, rather than from a proxy before one."""
    try:
        return isinstance(response.json(), dict) and "status" in response.json()
    except ValueError:
        return False


def _wait(response: requests.Response | None, attempt: int) -> float:
    """Seconds before the next attempt: Retry-After as seconds or as a date (RFC 9110, 10.2.3), else 0.5, 1, 2, …"""
    said = "" if response is None else response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return float(0.5 * 2 ** min(attempt, 6))


def _reply(response: requests.Response, seconds: float) -> Reply:
    try:
        body = response.json()
        status, msg, entries = str(body["status"]), str(body["msg"]), body["results"]
    except (ValueError, KeyError, TypeError):
        raise AnswerError(
            f"HTTP {response.status_code} {response.reason}, not the JSON of an OCR service: check the URL."
        ) from None
    if status != "000" or not isinstance(entries, list) or not entries:
        raise AnswerError(msg or f"HTTP {response.status_code}, status {status}, without a reason.")
    if msg and not _OF_A_PAGE.match(msg) and all(results.read(entry).empty for entry in entries):
        raise AnswerError(msg)
    timing = response.headers.get("Server-Timing", "")
    return Reply(response.content, entries, msg, seconds, _timed("work", timing), _timed("cpu", timing))


def _timed(name: str, timing: str) -> float | None:
    """Seconds of one entry of Server-Timing, which tells milliseconds; None where it has none."""
    found = re.search(rf"(?:^|,)\s*{name}\s*;\s*dur=([0-9.]+)", timing)
    try:
        return float(found[1]) / 1000 if found else None
    except ValueError:
        return None
