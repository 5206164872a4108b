"""`ocr-serving start|stop|status|new|modules|models|predict|convert|client|compare`."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ocr_serving import __version__
from ocr_serving.cli import client, compare, convert, models, modules, new, predict, start, status, stop
from ocr_serving.errors import ServingError

COMMANDS = (start, stop, status, new, modules, models, predict, convert, client, compare)
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
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed, as by `2>&-`: what is said goes nowhere.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's or a file's letters cannot say is written as escapes.
            stream.reconfigure(errors="backslashreplace")
    try:
        return _done(argv)
    except ServingError as exc:
        print(f"ocr-serving: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `… | head` has read enough; what is still buffered has nowhere to go.
        _forget_output()
        return 141
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        _forget_output()
        print(f"ocr-serving: what is printed cannot be written: {exc.strerror}.", file=sys.stderr)
        return 1


def _done(argv: Sequence[str] | None) -> int:
    try:
        args = parser().parse_args(argv)
        return int(args.run(args))
    finally:
        # Here, where it may be said what is wrong with it, and not at the end of the process.
        sys.stdout.flush()


def _forget_output() -> None:
    """Have what is still to be written to standard output go nowhere, at the end of the process too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
