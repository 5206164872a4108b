"""`ocr-serving stop`: ends the service on a port, gracefully."""

from __future__ import annotations

import argparse
import os
import signal
import time

from ocr_serving.cli.words import say
from ocr_serving.errors import ConfigError
from ocr_serving.healthy import run_dir
from ocr_serving.server.pidfile import runs, service_in


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `stop`."""
    parser = commands.add_parser("stop", help="end the service on a port, gracefully")
    option = parser.add_argument
    option("-p", "--port", type=int, default=8866, help="its port (default %(default)s)")
    option("--wait", type=float, default=130, metavar="S", help="seconds to wait for it to finish (default %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """End the service this machine runs on a port, gracefully. Raises ConfigError."""
    pid = service_in(run_dir() / f"{args.port}.pid")
    if pid is None:
        raise ConfigError(f"No service that you started runs on port {args.port} of this machine.")
    os.kill(pid, signal.SIGTERM)
    say(f"stopping the service on port {args.port} (process {pid}); it finishes what it took …")
    deadline = time.monotonic() + args.wait
    while runs(pid):
        if time.monotonic() > deadline:
            raise ConfigError(f"Process {pid} still runs after {args.wait:g} s: ask again, or end it with kill -9 {pid}.")
        time.sleep(0.1)
    say("stopped")
    return 0
