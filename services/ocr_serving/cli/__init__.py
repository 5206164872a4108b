"""`ocr-serving start|stop|modules|models|predict|convert|client|compare`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ocr_serving import __version__
from ocr_serving.cli import client, compare, convert, models, modules, predict, start, stop
from ocr_serving.errors import ServingError

COMMANDS = (start, stop, modules, models, predict, convert, client, compare)
"""Each a room with `add_parser(commands)`, its words on the command line, and `run(args)`, which gives the exit status."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="ocr-serving", description="OCR services that answer PaddleOCR's hubserving calls.")
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 1 and one sentence on stderr where it cannot be done."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except ServingError as exc:
        print(f"ocr-serving: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `… | head` has read enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
