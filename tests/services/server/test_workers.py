"""The pool's processes: started again whatever stops them, bounded in memory, and gone with the front."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers.services import ECHO, Service, children, free_port, is_ready, serve, strip, wait_until
from ocr_serving.config import ServiceConfig
from ocr_serving.server.messages import Task, WorkerSpec
from ocr_serving.server.pipe import Pipe
from ocr_serving.server.pool import Pool

BODY = json.dumps({"images": [strip()]}).encode()
TOO_LONG = {"OCR_SERVING_TEST": "x" * 200_000}
"""A variable longer than Linux hands over: a process with it cannot be started."""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def fatal() -> list[str]:
    return []


@pytest.fixture
def environments() -> list[dict[str, str]]:
    return [{}, {}]


@pytest.fixture
def pool(environments: list[Mapping[str, str]], fatal: list[str]) -> Iterator[Pool]:
    """Two workers of the echo module, without HTTP."""
    config = ServiceConfig.model_validate({"modules_info": {str(ECHO): {}}})
    made = Pool(
        WorkerSpec(config),
        environments=environments,
        max_queue=4,
        timeout_s=20,
        on_ready=lambda _: None,
        on_fatal=fatal.append,
    )
    yield made
    made.close()


def test_a_process_that_cannot_be_started_is_tried_again(pool: Pool, environments: list[dict[str, str]], fatal: list[str]) -> None:
    """As where there are too many processes, or too little memory, for a while."""
    environments[1].update(TOO_LONG)
    pool.start()
    wait_until(lambda: pool.state().restarts >= 2, "failures to start")
    assert not pool.state().loaded_once
    environments[1].clear()
    wait_until(lambda: pool.state().ready == 2, "both workers")
    assert pool.submit(Task("echo", BODY, "1")).future.result(20).reply.status == "000"
    # And again once it has worked.
    environments[0].update(TOO_LONG)
    failures = pool.state().restarts
    os.kill(pool.state().pids[0], signal.SIGKILL)
    wait_until(lambda: pool.state().restarts >= failures + 2, "failures to start again")
    assert pool.submit(Task("echo", BODY, "2")).future.result(20).reply.status == "000"
    environments[0].clear()
    wait_until(lambda: pool.state().ready == 2, "both workers again")
    assert fatal == []


def test_a_pipe_keeps_its_deadlines() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        near, far = Pipe(ours), Pipe(theirs)
        near.send({"a": b"1" * 100})
        assert far.has_message(0)
        assert far.receive() == {"a": b"1" * 100}
        assert not far.has_message(0)
        with pytest.raises(TimeoutError):
            far.receive(deadline=0.0)
        # Nobody reads, and no socket holds so much.
        with pytest.raises(TimeoutError):
            near.send(b"x" * (32 << 20), deadline=0.0)
        near.close()
        with pytest.raises(EOFError):
            far.receive()


def test_a_pipe_carries_what_no_socket_holds_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = os.urandom(8 << 20)
        sender = threading.Thread(target=Pipe(ours).send, args=[sent])
        sender.start()
        assert Pipe(theirs).receive() == sent
        sender.join()


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, which may have little memory."""
    with serve(tmp_path_factory.mktemp("bounded"), {str(ECHO): {}}, workers=1, worker_memory_mb=1500) as service:
        yield service


def ask(service: Service, **arguments: Any) -> Any:
    return service.post("echo", {"images": [strip()], **arguments})


def test_want_of_memory_is_said_and_costs_no_worker(bounded: Service) -> None:
    pid = ask(bounded).json()["results"][0]["pid"]
    answer = ask(bounded, keep_mb=4000)
    assert answer.status_code == 503
    assert "too little memory" in answer.json()["msg"]
    assert "Retry-After" not in answer.headers
    assert ask(bounded).json()["results"][0]["pid"] == pid


def test_a_worker_that_kept_too_much_is_replaced_once_it_has_answered(bounded: Service) -> None:
    before = bounded.metrics()
    pid = ask(bounded).json()["results"][0]["pid"]
    assert ask(bounded, keep_mb=900).status_code == 200
    fresh = ask(bounded).json()["results"][0]["pid"]
    after = bounded.metrics()
    assert fresh != pid
    assert after["ocr_serving_workers_replaced"] == before["ocr_serving_workers_replaced"] + 1
    assert after["ocr_serving_worker_restarts"] == before["ocr_serving_worker_restarts"]


def test_a_front_that_is_killed_leaves_no_worker_behind_and_is_started_again(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=2) as service:
        (front,) = children(service.process.pid)
        workers = children(front)
        assert len(workers) == 2
        # One is in the middle of something.
        caller = threading.Thread(target=lambda: _give_up(service))
        caller.start()
        wait_until(lambda: service.metrics()["ocr_serving_in_flight"] == 1, "a prediction to begin")
        os.kill(front, signal.SIGKILL)
        wait_until(lambda: all(gone(worker) for worker in workers), "its workers to end")
        caller.join()
        wait_until(lambda: is_ready(service.url), "a new front")


def _give_up(service: Service) -> None:
    try:
        ask(service, delay=50.0)
    except OSError:
        pass


def test_signals_of_a_terminal_start_no_second_front(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1) as service:
        master = service.process.pid
        fronts = children(master)
        for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGTTIN):
            os.kill(master, number)
        for _ in range(10):
            assert children(master) == fronts
            assert ask(service, delay=0.1).status_code == 200


def test_a_pid_file_that_names_somebody_elses_process_does_not_stop_a_start(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "600"])
    try:
        port = free_port()
        (tmp_path / "ocr-serving").mkdir(mode=0o700)
        file = tmp_path / f"ocr-serving/{port}.pid"
        file.write_text(str(other.pid))
        with serve(tmp_path, {str(ECHO): {}}, workers=1, port=port) as service:
            assert int(file.read_text()) == service.process.pid
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
