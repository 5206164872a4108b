"""Those who only hold connections, or send what nobody asked for, stop neither probes nor callers."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from helpers.attackers import HEAD, Attackers, attackers, most, read
from helpers.services import ECHO, Service, b64, serve, strip, wait_until
from ocr_serving import machine

BODY = json.dumps({"images": [strip()]}).encode()
MIB = 1 << 20
ENDLESS = (Path(__file__).parents[1] / "decoding/hostile/pdf_type3_exp.pdf").read_bytes()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, a short queue, bodies of 4 MiB and of 16 MiB together, keys."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "keys").write_text("key-1\nkey-2\n")
    settings: dict[str, Any] = {
        "max_queue": 4,
        "max_body_mb": 4,
        "max_held_mb": 16,
        "body_timeout_s": 20,
        "api_keys_file": str(folder / "keys"),
    }
    with serve(folder, {str(ECHO): {}}, workers=1, **settings) as service:
        yield service


@pytest.fixture
def crowd(guarded: Service) -> Iterator[Attackers]:
    with attackers(guarded.port) as found:
        yield found


def posted(body: bytes, *headers: str, key: str = "key-1", length: int | None = None) -> bytes:
    """A correct call, unless its parts say otherwise."""
    lines = [*headers, f"X-API-Key: {key}", f"Content-Length: {len(body) if length is None else length}"]
    return HEAD + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def call(service: Service, key: str = "key-1", **arguments: Any) -> requests.Response:
    return service.post("echo", {"images": [strip()], **arguments}, headers={"X-API-Key": key}, timeout=60)


def probes(service: Service) -> list[int]:
    return [requests.get(f"{service.url}{path}", timeout=10).status_code for path in ("/healthz", "/readyz")]


def answered(service: Service) -> float:
    return service.metrics().get('ocr_serving_requests_total{code="200",module="echo",status="000"}', 0)


def front_of(service: Service) -> int:
    """The process that speaks HTTP: the child of the one that was started."""
    pid = service.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_connections_that_are_only_held_stop_neither_probes_nor_callers(guarded: Service, crowd: Attackers) -> None:
    front, before = front_of(guarded), answered(guarded)
    crowd.hold(most(2000), b"GET /healthz HTTP/1.0\r\n\r\n")
    crowd.hold(most(2000))
    crowd.hold(200, HEAD + b"X-A:")
    crowd.hold(200, posted(BODY[:100], length=len(BODY)))
    for _ in range(5):
        assert probes(guarded) == [200, 200]
        assert call(guarded).status_code == 200
    # All gone at one moment.
    crowd.leave()
    for _ in range(5):
        assert probes(guarded) == [200, 200]
        assert call(guarded).status_code == 200
    assert answered(guarded) == before + 10
    assert front_of(guarded) == front


def test_more_connections_than_files_may_be_open_cost_the_idle_ones(tmp_path: Path) -> None:
    with (
        serve(tmp_path, {str(ECHO): {}}, workers=1, under=["prlimit", "--nofile=256:256"]) as service,
        attackers(service.port) as crowd,
        requests.Session() as client,
    ):
        for _ in range(4):
            crowd.hold(100)
            assert client.get(f"{service.url}/readyz", timeout=10).status_code == 200
            assert service.post("echo", {"images": [strip()]}).status_code == 200
        assert not any("exception" in line for line in service.lines())


def test_bodies_that_are_held_are_bounded_together(guarded: Service, crowd: Attackers) -> None:
    before = machine.resident_bytes(front_of(guarded))
    crowd.hold(20, posted(b" " * (3 * MIB), length=3 * MIB + 1))
    assert call(guarded).status_code == 200
    wait_until(lambda: any("max_held_mb" in line.get("reason", "") for line in guarded.lines()), "a body to be given up")
    assert call(guarded).status_code == 200
    assert machine.resident_bytes(front_of(guarded)) - before < 40 * MIB
    # Those who had to go were told so: 503, and when to try again.
    told = [said for caller in crowd.held[:20] if (said := _now(caller))]
    assert told
    assert all(b" 503 " in said and b"Retry-After: " in said for said in told)


def _now(caller: Any) -> bytes:
    """What has come so far."""
    caller.setblocking(False)
    try:
        return bytes(caller.recv(1 << 16))
    except BlockingIOError:
        return b""


def test_a_full_queue_refuses_before_it_reads(guarded: Service, crowd: Attackers) -> None:
    with concurrent.futures.ThreadPoolExecutor(5) as callers:
        calls = [callers.submit(call, guarded, delay=1.5) for _ in range(5)]
        wait_until(lambda: guarded.metrics()["ocr_serving_queue_depth"] == 4, "the queue to fill")
        said = crowd.say(posted(b"", "Expect: 100-continue", length=3 * MIB))
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"max_queue" in said
        assert all(done.result().status_code == 200 for done in calls)


def test_who_has_nothing_in_a_full_queue_is_still_let_in_and_served_next(guarded: Service) -> None:
    """One caller fills the queue; another one's only request does not wait for all of it."""
    order: list[str] = []

    def ask(key: str, delay: float) -> int:
        code = call(guarded, key, delay=delay).status_code
        order.append(key)
        return code

    with concurrent.futures.ThreadPoolExecutor(6) as callers:
        greedy = [callers.submit(ask, "key-1", 0.5) for _ in range(5)]
        wait_until(lambda: guarded.metrics()["ocr_serving_queue_depth"] == 4, "the queue to fill")
        modest = callers.submit(ask, "key-2", 0.0)
        assert modest.result() == 200
        assert [done.result() for done in greedy] == [200] * 5
    assert order.index("key-2") <= 2


def test_four_callers_with_pages_that_never_end_do_not_starve_a_fifth(tmp_path: Path) -> None:
    """Each at an address of its own; the fifth waits for what is at work when it comes, and for nobody's turn."""
    answered: list[str] = []
    stop = threading.Event()

    def ask(address: str, image: str) -> int:
        # As many addresses as one likes are this machine's.
        caller = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120, source_address=(address, 0))
        try:
            caller.request("POST", "/predict/echo", json.dumps({"images": [image]}), {"Content-Type": "application/json"})
            return caller.getresponse().status
        finally:
            caller.close()

    def greedy(address: str) -> None:
        while not stop.is_set():
            if ask(address, b64(ENDLESS)) == 200:
                answered.append(address)

    with serve(tmp_path, {str(ECHO): {}}, workers=1, page_timeout_s=0.3, page_memory_mb=300) as service:
        threads = [threading.Thread(target=greedy, args=[f"127.0.0.{n}"]) for n in (2, 3, 4, 5)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(set(answered)) == 4, "each to have had its turn", 120)
            others = []
            for _ in range(3):
                before = len(answered)
                assert ask("127.0.0.6", strip()) == 200
                others.append(len(answered) - before)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    # One was at work; another answer may have been on its way, or somebody have had no more time than a newcomer counts as having
    # had. By turns it would be all four, each time.
    assert sum(others) <= 9, others


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (posted(b"", "Expect: 100-continue", key="wrong", length=1000), 401),
        (posted(b"", key="wrong", length=3 * MIB), 401),
        (posted(b"", "Expect: 100-continue", length=5 * MIB), 413),
        (posted(b"", "Expect: 100-continue", length=1000).replace(b"/echo", b"/other"), 404),
        (posted(b"", "Expect: 100-continue", length=1000).replace(b"application/json", b"text/plain"), 415),
    ],
    ids=["key", "key-and-no-question", "size", "module", "type"],
)
def test_what_the_headers_decide_is_decided_without_the_body(
    guarded: Service, crowd: Attackers, request_bytes: bytes, code: int
) -> None:
    said = crowd.say(request_bytes)
    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [str(code).encode()]
    assert b"Connection: close" in said


def test_a_wanted_body_is_asked_for(guarded: Service, crowd: Attackers) -> None:
    caller = crowd.connect()
    caller.sendall(posted(b"", "Expect: 100-continue", "Connection: close", length=len(BODY)))
    assert caller.recv(1000).startswith(b"HTTP/1.1 100 ")
    caller.sendall(BODY)
    assert read(caller).startswith(b"HTTP/1.1 200 ")


def test_http_1_1_without_a_host_is_refused(guarded: Service, crowd: Attackers) -> None:
    assert crowd.say(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert crowd.say(b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


def test_a_host_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    """A page elsewhere may have its own name lead to this address, and read what it asks here."""
    with serve(tmp_path, {str(ECHO): {}}, workers=1, allowed_hosts=["ocr.example", "127.0.0.1"]) as service:

        def code(host: str, path: str = "/modules") -> int:
            return requests.get(f"{service.url}{path}", headers={"Host": host}, timeout=10).status_code

        assert [code(host) for host in ("ocr.example", "OCR.example:8868", "127.0.0.1:1", "evil.example", "ocr.example.evil")] == [
            200,
            200,
            200,
            400,
            400,
        ]
        # A probe names the address of the pod.
        assert code("10.0.0.7:8868", "/readyz") == 200


def test_an_unread_stderr_does_not_block_answers(tmp_path: Path) -> None:
    """The log goes to a pipe that nobody reads, and is more than a pipe holds."""
    reading, writing = os.pipe()
    shell = f'exec "$0" "$@" 2>&{writing}'
    os.set_inheritable(writing, True)
    try:
        with serve(tmp_path, {str(ECHO): {}}, workers=1, under=["bash", "-c", shell], pass_fds=[writing]) as service:
            name = "x" * 120
            with requests.Session() as client:
                for _ in range(300):
                    assert client.post(f"{service.url}/predict/{name}", b"{}", timeout=20).status_code == 404
            # What a module logs comes from the worker.
            for _ in range(5):
                assert service.post("echo", {"images": [strip()], "fault": "raise"}, timeout=20).status_code == 500
            assert service.post("echo", {"images": [strip()]}, timeout=20).status_code == 200
    finally:
        os.close(reading)
        os.close(writing)
