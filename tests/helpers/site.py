"""A store of one's own, and a web server on the loopback that misbehaves as told."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

import ocr_serving
from ocr_serving.models.download import Retry

QUICK = Retry(attempts=4, first_wait=0.001, longest_wait=0.01)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Notes:
    """A Progress that remembers."""

    lines: list[str] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    totals: list[int | None] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append(text)

    def begin(self, what: str, total: int | None) -> None:
        self.totals.append(total)

    def update(self, done: int) -> None:
        self.done.append(done)

    def end(self) -> None: ...


@dataclass
class Answer:
    """What the server does with one request; the last of the list serves all further ones."""

    content: bytes = b""
    status: int = 200
    etag: str | None = None
    ranges: bool = True
    heed_if_range: bool = True
    cut_after: int | None = None
    stall_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    url: str
    answers: list[Answer]
    requests: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """What was posted."""
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...

    def do_POST(self) -> None:
        cast(_Server, self.server).site.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        self.do_GET()

    def do_GET(self) -> None:
        site = cast(_Server, self.server).site
        site.requests.append(dict(self.headers.items()))
        answer = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
        body, status, start = answer.content, answer.status, 0
        asked = self.headers.get("Range")
        same = not answer.heed_if_range or self.headers.get("If-Range") in (None, answer.etag)
        if asked and answer.ranges and same and status == 200:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            body, status = body[start:], 206 if start < len(answer.content) else 416
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(answer.content)}")
        if answer.etag:
            self.send_header("ETag", answer.etag)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.stall_after is not None:
            self.wfile.write(body[: answer.stall_after])
            self.wfile.flush()
            site.stalled.set()
            site.go_on.wait(30)
            return
        self.wfile.write(body if answer.cut_after is None else body[: answer.cut_after])


@pytest.fixture
def site() -> Iterator[Site]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.site = Site(f"http://127.0.0.1:{server.server_port}", [Answer(status=404)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.site
    server.site.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    """A process of its own that runs `code` with this package, this environment and `arguments` as sys.argv[1:]."""
    package = str(Path(ocr_serving.__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": package},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
