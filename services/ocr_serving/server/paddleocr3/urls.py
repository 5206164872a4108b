"""Files that a request of PaddleOCR 3 names by a URL, fetched in the front: no worker waits for somebody else's server.

Off unless `fetch_hosts` names hosts; the rules are those of jobs (`server/fetching.py`).
"""

from __future__ import annotations

import base64
import functools
import json
from concurrent.futures import Future, ThreadPoolExecutor

import flask

from ocr_serving.errors import FullError, InputError
from ocr_serving.server import fetching
from ocr_serving.server.fetching import HostRules
from ocr_serving.server.front import Front
from ocr_serving.server.paddleocr3 import catalogue, envelope, options

SMALL = 1 << 16
"""Bytes of a body that is looked into here: one with a URL in place of a file is small."""

AT_ONCE = 8
"""Files that are fetched at once; who comes then is told to come again."""

NEVER = (
    "it is a URL, and none is fetched here: send the base64 of the file, or have fetch_hosts in the service's config.json name the "
    "hosts that files may be fetched from."
)


class Fetching:
    """The files of one service's callers."""

    def __init__(self, service: Front) -> None:
        """Nothing is started."""
        config = service.config
        self._service = service
        self._rules = HostRules(config.fetch_hosts, config.fetch_networks, "fetch_hosts") if config.fetch_hosts else None
        self._most, self._limit = min((config.fetch_max_mb << 20, "fetch_max_mb"), (config.max_body_mb << 20, "max_body_mb"))
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetching")
        self._underway = 0

    def completed(self, route: str, body: bytes) -> bytes:
        """The body of the request at hand, with the file itself in place of its URL.

        What is wrong with the request otherwise is left to be said by who reads it. Raises ServingError.
        """
        if len(body) > SMALL:
            return body
        kind = flask.request.headers.get("Content-Type", "")
        try:
            request = options.parsed(body, kind, catalogue.ROUTES[route].model)
            request.check()
        except InputError:
            return body
        if not options.is_url(request.file):
            return body
        flask.g.refusal = functools.partial(envelope.refusal, log_id=request.logId or "")
        fetching.check_url(request.file, "file", self._rules, NEVER)
        content = self._fetched(request.file)
        encoded = base64.b64encode(content).decode()
        receiver = flask.request.environ["ocr_serving.connection"]
        self._service.budget.grow(receiver, len(encoded))
        self._service.budget.keep(receiver)
        return json.dumps(json.loads(body) | {"file": encoded}).encode()

    def _fetched(self, url: str) -> bytes:
        rules = self._rules
        assert rules is not None
        if self._underway >= AT_ONCE:
            raise FullError(f"{AT_ONCE} files are being fetched for callers already: send the request again later.")
        seconds = self._service.config.fetch_timeout_s
        self._underway += 1
        try:
            future: Future[bytes] = self._threads.submit(
                fetching.fetched, url, rules, most=self._most, seconds=seconds, name="file", limit=self._limit
            )
            self._service.wait(future)
            return future.result()
        finally:
            self._underway -= 1
