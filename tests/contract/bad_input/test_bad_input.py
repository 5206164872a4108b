"""Every case gets its answer, kills no worker, and leaves the next good request answered as before."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import select
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from helpers.services import ECHO, Service, serve

from . import bodies, pictures, transports
from .case import MODULES, Case, Picture

DECODED = list(itertools.chain(pictures.cases(), bodies.cases()))
TRANSPORTED = list(transports.cases())
GOOD = bodies.GOOD
WORD = "INVOICE"
NO_LINE: dict[str, Any] = {"ocr_rec": {"text": "", "confidence": 0.0}, "ocr_cls": {"angle": "", "confidence": 0.0}}


class Watched:
    """A service of one worker, so that the next request goes to the one that had the bad one, and what it answered at first."""

    def __init__(self, service: Service, modules: tuple[str, ...]) -> None:
        self.port = service.port
        self.good = {module: self._ask(f"/predict/{module}", GOOD) for module in modules}
        self.restarts = self._restarts()

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            assert response.status == 200
            return response.read()

    def _restarts(self) -> bytes:
        return next(line for line in self._ask("/metrics").splitlines() if line.startswith(b"ocr_serving_worker_restarts "))

    def check(self, module: str) -> None:
        """It serves as it did."""
        assert self._ask(f"/predict/{module}", GOOD) == self.good[module]
        assert self._restarts() == self.restarts


@pytest.fixture(scope="module")
def ocr_watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """All modules, with the weights that take least time: what is bad here never depends on them."""
    folder = tmp_path_factory.mktemp("bad-ocr")
    settings = {name: {} if name == "structure_layout" else {"params": {"model_set": "PP-OCRv6_tiny"}} for name in MODULES}
    with serve(folder, settings, workers=1, max_pixels=pictures.MAX_PIXELS) as service:
        yield Watched(service, MODULES)
        # No case is a fault of ours, so none has left a trace.
        assert [line for line in service.lines() if "exception" in line] == []


@pytest.fixture(scope="module")
def echo_watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The echo module behind small limits. Its answers name the worker's process."""
    with serve(tmp_path_factory.mktemp("bad-echo"), {str(ECHO): {}}, workers=1, body_timeout_s=2, max_body_mb=1) as service:
        yield Watched(service, (transports.MODULE,))
        assert [line for line in service.lines() if "exception" in line] == []


def names(case: Case) -> str:
    return f"{case.module}-{case.name}"


def test_there_are_at_least_200_and_each_has_a_name_of_its_own() -> None:
    counted = Counter(names(case) for case in (*DECODED, *TRANSPORTED))
    assert len(counted) >= 200
    assert [name for name, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("case", DECODED, ids=names)
def test_bodies(ocr_watched: Watched, case: Case) -> None:
    examine(case, exchange(ocr_watched.port, case))
    ocr_watched.check(case.module)


@pytest.mark.parametrize("case", TRANSPORTED, ids=names)
def test_transports(echo_watched: Watched, case: Case) -> None:
    examine(case, exchange(echo_watched.port, case))
    echo_watched.check(case.module)


class Reply(NamedTuple):
    """One HTTP answer."""

    code: int
    body: bytes


def exchange(port: int, case: Case) -> list[Reply]:
    """Send a case; what came back until the server closed the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
        try:
            for part in case.sends:
                if isinstance(part, bytes):
                    # MSG_MORE: the last bytes travel together with the end, so that the server cannot see one without the other.
                    caller.sendall(part, socket.MSG_MORE if case.end == "half" else 0)
                elif select.select([caller], [], [], part)[0]:
                    break
            else:
                assert not case.expect.early, "the server was still listening when all had been sent"
            if case.end == "half":
                caller.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Answered before all was sent.
        if case.end == "reset":
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return [] if case.end in ("close", "reset") else replies(caller)


def replies(caller: socket.socket) -> list[Reply]:
    """Every whole answer until the end of the connection, without the interim ones."""
    received = b""
    try:
        while part := caller.recv(65536):
            received += part
    except ConnectionResetError:
        pass  # The server closed with our bytes still unread; what it said before counts.
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        code = int(head.split(b" ", 2)[1])
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(headers.get(b"content-length", b"0"))
        assert len(rest) >= length, "the answer is cut short"
        if code != 100:
            assert headers[b"content-type"] == b"application/json"
            found.append(Reply(code, rest[:length]))
        received = rest[length:]
    return found


def examine(case: Case, found: list[Reply]) -> None:
    """The answers are those the case expects."""
    if case.expect.may_close and not found:
        return
    assert len(found) == case.expect.answers
    for reply in found:
        assert reply.code in case.expect.codes, reply
        answer = json.loads(reply.body)
        assert set(answer) == {"msg", "results", "status"}
        assert answer["status"] == case.expect.status, reply
        assert case.expect.says in answer["msg"], reply
        assert len(answer["msg"]) < 10_000
        if answer["status"] != "000":
            assert answer["results"] == ""
            assert answer["msg"]
            continue
        kinds = case.expect.pictures
        assert [f"images[{n}] " in answer["msg"] for n in range(len(kinds))] == [kind is Picture.DAMAGED for kind in kinds], reply
        entries = answer["results"][0] if case.module in NO_LINE else answer["results"]
        assert len(entries) == len(kinds)
        for entry, kind in zip(entries, kinds, strict=True):
            examine_entry(case.module, entry, kind)


def examine_entry(module: str, entry: Any, kind: Picture) -> None:
    """What one picture came out as."""
    if kind is Picture.DAMAGED:
        assert entry == NO_LINE.get(module, [])
    elif kind is Picture.READ and module == "ocr_system":
        assert [line["text"] for line in entry] == [WORD]
    elif kind is Picture.READ and module in ("structure_table", "structure_system", "kie_ser"):
        # The one word is in a cell, in a region or in none, or has a label, but it is there.
        assert WORD in json.dumps(entry)
    elif kind is Picture.READ and module == "ocr_det":
        assert len(entry) == 1
    elif kind is Picture.READ and module == "ocr_cls":
        assert entry["angle"] == "0"
    elif kind is Picture.READ and module == "ocr_rec":
        assert entry["text"] == WORD
    elif module == "ocr_cls":
        assert entry["angle"] in ("0", "180")
