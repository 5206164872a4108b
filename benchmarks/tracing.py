"""What traces cost: `python -m benchmarks.tracing`.

Two services of one worker read the same page by turns, one that traces each request to a collector on the loopback and one that
does not: CPU seconds of all processes of each, the collector's left out.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from benchmarks.library import report, support
from ocr_serving import data, models

TURNS = 10
MOST_RATIO = 1.03
"""CPU time of a traced request, as a multiple of that of one that is not."""


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    body = support.request_body(data.PAGE)
    with contextlib.ExitStack() as stack:
        collector = stack.enter_context(_collector())
        settings = {"without": {}, "with": {"otlp_endpoint": f"http://127.0.0.1:{collector.server_port}"}}
        services = {
            name: stack.enter_context(support.serve(args.models, workers=1, settings=extra)) for name, extra in settings.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in services}
        for turn in range(TURNS + 1):
            for name, service in services.items():
                before = service.cpu_seconds()
                for _ in range(args.requests):
                    url = f"{service.url}/predict/{service.module}"
                    requests.post(
                        url, body, headers={"Content-Type": "application/json"}, timeout=support.ANSWER_S
                    ).raise_for_status()
                if turn:  # the first warms up
                    seconds[name].append((service.cpu_seconds() - before) / args.requests)
    ratio = statistics.median(w / o for o, w in zip(seconds["without"], seconds["with"], strict=True))
    rows = [[name, f"{1000 * statistics.median(found):.1f}"] for name, found in seconds.items()]
    print(f"\n{report.markdown_table(['traces', 'CPU ms/request'], rows)}\n\nmedian of {TURNS} paired turns: {ratio:.3f} times")
    return {"cpu_s": seconds, "ratio": ratio, "to_reach": MOST_RATIO, "reached": ratio <= MOST_RATIO}


@contextlib.contextmanager
def _collector() -> Iterator[ThreadingHTTPServer]:
    """Takes everything and keeps nothing."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where traces cost too much."""
    parser = support.parser("benchmarks.tracing", "CPU seconds of a request that is traced, beside one that is not.")
    parser.add_argument("--requests", type=int, default=5, metavar="N", help="requests of a turn (default %(default)s)")
    parser.add_argument(
        "--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)"
    )
    return support.run("benchmarks.tracing", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
