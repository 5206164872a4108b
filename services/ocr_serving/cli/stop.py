"""`ocr-serving stop`: ends a service, gracefully."""

from __future__ import annotations

import argparse
import os
import signal
import time

from ocr_serving.cli import running
from ocr_serving.cli.words import say
from ocr_serving.errors import ConfigError
from ocr_serving.server.pidfile import runs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `stop`."""
    parser = commands.add_parser("stop", help="end the one service that runs, or that on a port, gracefully")
    option = parser.add_argument
    option("-p", "--port", type=int, help="its port, where several run")
    option("--wait", type=float, default=130, metavar="S", help="seconds to wait for it to finish (default %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """End a service that this user runs on this machine, gracefully. Raises ConfigError."""
    port, pid = running.chosen(args.port)
    os.kill(pid, signal.SIGTERM)
    say(f"stopping the service on port {port} (process {pid}); it finishes what it took …")
    deadline = time.monotonic() + args.wait
    while runs(pid):
        if time.monotonic() > deadline:
            raise ConfigError(f"Process {pid} still runs after {args.wait:g} s: ask again, or end it with kill -9 {pid}.")
        time.sleep(0.1)
    say("stopped")
    return 0
