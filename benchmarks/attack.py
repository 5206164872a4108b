"""What callers notice while others only hold connections: `python -m benchmarks.attack [--seconds 60]`.

A service of two workers is asked for a page again and again by one client, and for its probes, first alone and then while others
hold connections that ask for nothing, answered ones that they do not close, unfinished headers and unfinished bodies, and open a
dozen more a second. Both in turns, so that what else the machine does falls on both; what counts is the median of what each turn
under attack took beside the one before it. The CPU time of the front tells of the attack alone. Loopback only, and bounded in
count and time.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks.library import processes, report, support
from helpers.attackers import Attackers, attackers, most
from ocr_serving import data, models

MOST_SLOWDOWN, MOST_PROBE_S = 1.2, 1.0
NEW_A_SECOND = 12
ROUNDS = 8


@dataclass
class Seen:
    """Seconds of each call and of each probe, and calls that were not answered well."""

    calls: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    lost: int = 0
    front_s: float = 0.0

    @property
    def front_ms(self) -> float:
        """Milliseconds of CPU time of the front for each answer."""
        return 1000 * self.front_s / (len(self.calls) + len(self.probes))


def measure(args: Any) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    body = support.request_body(data.PAGE)
    with support.serve(args.models, workers=2) as service:
        alone, attacked, slower, held = Seen(), Seen(), [], 0
        watch(service, body, 5, Seen())
        for _ in range(ROUNDS):
            before = watch(service, body, args.seconds / ROUNDS, alone)
            with attackers(int(urlsplit(service.url).port or 0)) as crowd:
                hold(crowd)
                held = len(crowd.held)
                with more(crowd):
                    slower.append(watch(service, body, args.seconds / ROUNDS, attacked) / before)
    if not slower or not alone.calls or not attacked.calls:
        raise support.BenchmarkError("Not one call was answered.")
    slowdown = statistics.median(slower)
    rows = [row("alone", alone), row(f"{held} connections held", attacked)]
    head = ["", "median call s", "slowest call s", "slowest probe s", "front ms an answer", "calls", "lost"]
    print(report.markdown_table(head, rows))
    reached = slowdown <= MOST_SLOWDOWN and max(attacked.probes) <= MOST_PROBE_S and not attacked.lost
    print(f"\nA call takes {slowdown:.2f} times as long (at most {MOST_SLOWDOWN}): {support.verdict(reached)}")
    return {
        "slowdown": slowdown,
        "slowest_probe_s": max(attacked.probes),
        "calls": len(attacked.calls),
        "lost": attacked.lost,
        "front_ms": attacked.front_ms,
        "front_ms_alone": alone.front_ms,
        "reached": reached,
    }


def hold(crowd: Attackers) -> None:
    """Connections that ask for nothing, that were answered and stay, with unfinished headers, with unfinished bodies.

    Returns once the answers are there: what is measured is to hold them, and not to open thousands within a second.
    """
    post = b"POST /predict/ocr_system HTTP/1.1\r\nHost: localhost\r\n"
    crowd.hold(most(2000))
    crowd.hold(most(2000), b"GET /healthz HTTP/1.0\r\n\r\n")
    for asked in crowd.held[-most(2000) :]:
        with contextlib.suppress(OSError):
            asked.recv(1 << 16)
    crowd.hold(200, post + b"X-A:")
    crowd.hold(200, post + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n" + b" " * 1000)


def watch(service: support.Service, body: bytes, seconds: float, seen: Seen) -> float:
    """Call and probe for so long, one of each at a time, each on a connection of its own; add to `seen`. The median call."""
    until = time.monotonic() + seconds
    front = front_of(service)
    begin, so_far = processes.cpu_by_pid(service.pid)[front], len(seen.calls)

    def probe() -> None:
        while time.monotonic() < until:
            for path in ("/healthz", "/readyz"):
                started = time.monotonic()
                with contextlib.suppress(requests.RequestException):
                    requests.get(service.url + path, timeout=20).raise_for_status()
                seen.probes.append(time.monotonic() - started)
            time.sleep(0.2)

    with alongside(probe):
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                headers = {"Content-Type": "application/json"}
                requests.post(f"{service.url}/predict/{service.module}", body, headers=headers, timeout=60).raise_for_status()
                seen.calls.append(time.monotonic() - started)
            except requests.RequestException:
                seen.lost += 1
    seen.front_s += processes.cpu_by_pid(service.pid)[front] - begin
    return statistics.median(seen.calls[so_far:] or [math.inf])


def front_of(service: support.Service) -> int:
    """The process that speaks HTTP: the child of the one that was started."""
    return int(Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()[0])


@contextlib.contextmanager
def more(crowd: Attackers) -> Iterator[None]:
    """A dozen new connections a second while the block runs, each with an unfinished request."""
    stop = threading.Event()

    def knock() -> None:
        while not stop.wait(1 / NEW_A_SECOND):
            with contextlib.suppress(OSError):
                crowd.hold(1, b"POST /predict/ocr_system HTTP/1.1\r\n")

    with alongside(knock):
        try:
            yield
        finally:
            stop.set()


@contextlib.contextmanager
def alongside(work: Callable[[], None]) -> Iterator[None]:
    """`work` in a thread, which is awaited."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def row(name: str, seen: Seen) -> list[str]:
    """A line of the table."""
    times = (statistics.median(seen.calls), max(seen.calls), max(seen.probes))
    return [name, *(f"{seconds:.3f}" for seconds in times), f"{seen.front_ms:.2f}", str(len(seen.calls)), str(seen.lost)]


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where probes or callers suffer."""
    parser = support.parser("benchmarks.attack", "Probes and a client while thousands of connections are only held.")
    parser.add_argument("--seconds", type=support.positive, default=32, metavar="N", help="of watching, each (default 32)")
    parser.add_argument(
        "--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)"
    )
    return support.run("benchmarks.attack", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
