"""Starts real services for tests, and speaks to them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from ocr_serving import data, machine
from ocr_serving.engines.local import BF16_FEATURES, VNNI_FEATURES

TESTS = Path(__file__).parents[1]
ECHO = TESTS / "echo"
GOLDEN = TESTS / "golden"
needs_bfloat16 = pytest.mark.skipif(
    machine.cpu_features().isdisjoint(BF16_FEATURES), reason="this CPU has no instructions for bfloat16"
)
needs_vnni = pytest.mark.skipif(machine.cpu_features().isdisjoint(VNNI_FEATURES), reason="this CPU has no instructions for int8")


PORTS = range(10_000, 32_768)
"""Linux gives those from 32768 on to whoever connects."""


@dataclass
class Service:
    """A running service: its address, its process, and the file its output goes to."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path

    def post(self, module: str, body: Any, **options: Any) -> requests.Response:
        """POST a JSON body (bytes are sent as they are)."""
        headers = {"Content-Type": "application/json"} | options.pop("headers", {})
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(f"{self.url}/predict/{module}", raw, headers=headers, timeout=options.pop("timeout", 120), **options)

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its full name."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def lines(self, request_id: str = "") -> list[dict[str, Any]]:
        """The JSON lines logged so far; with a request's id those about it, once the one that says its code is there."""
        if request_id:
            wait_until(lambda: any("code" in line for line in self._about(request_id)), f"the log to tell of {request_id}")
            return self._about(request_id)
        whole = self.output.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def _about(self, request_id: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("request_id") == request_id]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rsplit(":", 1)[1])


def children(pid: int) -> list[int]:
    """The processes that a process started and that are still there."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def free_port() -> int:
    """A port nothing listens on now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ports nothing listens on now, drawn from below those that the system gives to whoever connects.

    Of the system's own one may be a client's by the time that the service is there to listen.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def wait_until(condition: Any, what: str, seconds: float = 60) -> None:
    """Poll until `condition()` is true; fail saying `what` was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def serve(
    folder: Path,
    modules: Mapping[str, Mapping[str, Any]],
    *,
    env: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
    **settings: Any,
) -> Iterator[Service]:
    """Run `ocr-serving start -c` with a config.json in `folder` until the block ends; wait until it is ready.

    `under` is a command that runs the rest of its line, such as `prlimit --nofile=256`.
    """
    port = settings.get("port") or free_port()
    config = {
        "modules_info": modules,
        "port": port,
        "host": "127.0.0.1",
        "use_multiprocess": True,
        "workers": 2,
        "log_format": "json",
    } | settings
    (folder / "config.json").write_text(json.dumps(config))
    output = folder / "output.txt"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*under, sys.executable, "-m", "ocr_serving.cli", "start", "-c", str(folder / "config.json")],
            stdout=sink,
            stderr=sink,
            pass_fds=pass_fds,
            env={**os.environ, "XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder), **(env or {})},
        )
    service = Service(f"http://127.0.0.1:{port}", process, output)
    try:
        wait_until(lambda: process.poll() is not None or is_ready(service.url), "the service to be ready", 180)
        assert process.poll() is None, output.read_text()
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def is_ready(url: str) -> bool:
    """Whether /readyz says so."""
    try:
        return requests.get(f"{url}/readyz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def b64(content: bytes) -> str:
    """Base64 as the old client sends it."""
    return base64.b64encode(content).decode()


def strip() -> str:
    """The warm-up picture (90 x 300 pixels) as base64."""
    return b64(data.WARMUP.read_bytes())
