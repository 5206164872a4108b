"""`ocr-serving compare`: two services read the same pages whose words are known; how well and how fast each did.

The operator's rollouts are decided by it. Each page goes to both, one after the other, with the turns changing, so that what else
the machine does weighs on both alike. Seconds and CPU seconds are those of the worker that read the page, which a service tells in
Server-Timing (W3C); where one does not, its seconds are those of the whole call.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ocr_serving.client import Client
from ocr_serving.errors import InputError, ServingError
from ocr_serving.output import results
from ocr_serving.output.scoring import WordCount, count_words

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pdf")


@dataclass(frozen=True)
class Golden:
    """A picture or PDF and the words on it."""

    picture: Path
    lines: tuple[str, ...]


@dataclass
class Tally:
    """What one of the two did."""

    words: WordCount = field(default_factory=WordCount)
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float | None] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, float]:
        """For the report: word F1, seconds a page and, where all answers told it, CPU seconds a page."""
        told = {"wordF1": self.words.f1, "seconds": sum(self.seconds) / max(1, len(self.seconds))}
        known = [value for value in self.cpu_s if value is not None]
        if known and len(known) == len(self.cpu_s):
            told["cpuSeconds"] = sum(known) / len(known)
        return {key: round(value, 6) for key, value in told.items()}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `compare`."""
    parser = commands.add_parser(
        "compare",
        help="read known pages with two services and compare how well they did",
        description="Send each picture of a folder, which has a text file of the same name with the words on it, to two running "
        "services; print word F1, seconds and CPU seconds a page of both as one line of JSON.",
    )
    option = parser.add_argument
    option("--golden", required=True, type=Path, metavar="DIR", help="the folder: page.png with page.txt, and so on")
    option("--old", required=True, metavar="URL", help="http://HOST:PORT/predict/MODULE")
    option("--new", required=True, metavar="URL", help="the other one")
    option("--report", type=Path, metavar="FILE", help="write that line there too")
    option("--api_keys_file", type=Path, metavar="FILE", help="a file of keys, of which the first is presented")
    option("--timeout", type=float, default=120.0, metavar="SECONDS", help="wait this long for an answer (%(default)g)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command. Raises ServingError with a sentence where a page could not be read by both."""
    pages = golden(args.golden)
    key = _first_key(args.api_keys_file) if args.api_keys_file else ""
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(Client(url, api_key=key, timeout=args.timeout, retries=6))
            for name, url in (("old", args.old), ("new", args.new))
        }
        tallies = compare(clients, tqdm(pages, unit="page", disable=not sys.stderr.isatty()))
    text = json.dumps({"pages": len(pages)} | {name: tally.figures for name, tally in tallies.items()})
    print(text)
    if args.report is not None:
        try:
            args.report.write_text(f"{text}\n")
        except OSError as exc:
            raise InputError(f"{args.report} cannot be written: {exc.strerror}.") from None
    return 0


def compare(clients: dict[str, Client], pages: Sequence[Golden] | tqdm[Any]) -> dict[str, Tally]:
    """What each of `clients` did with `pages`. Raises ServingError that names the service and the page."""
    tallies = {name: Tally() for name in clients}
    order = list(clients)
    for page in pages:
        data = page.picture.read_bytes()
        for name in order:
            try:
                reply = clients[name].predict(data)
            except ServingError as exc:
                raise type(exc)(f"{page.picture.name}, the {name} service: {exc}") from None
            tally = tallies[name]
            tally.words += count_words((line for entry in reply.entries for line in results.read(entry).lines), page.lines)
            tally.seconds.append(reply.seconds if reply.work_s is None else reply.work_s)
            tally.cpu_s.append(reply.cpu_s)
        order.reverse()
    return tallies


def golden(folder: Path) -> list[Golden]:
    """The pages of a golden set, by name. Raises InputError where there is none, or one has no text beside it."""
    try:
        pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())
    except OSError as exc:
        raise InputError(f"{folder} cannot be read ({exc.strerror}): name the folder of the golden set.") from None
    if not pictures:
        raise InputError(f"{folder} holds no pictures: put page.png with the words on it in page.txt there, and so on.")
    found = []
    for picture in pictures:
        truth = picture.with_suffix(".txt")
        try:
            found.append(Golden(picture, tuple(truth.read_text(encoding="utf-8").splitlines())))
        except (OSError, UnicodeDecodeError):
            raise InputError(
                f"{picture.name} has no {truth.name} in UTF-8 beside it: write the words that stand on it there."
            ) from None
    return found


def _first_key(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path} cannot be read: name a file with one API key a line.") from None
    keys = (re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in lines)  # as the server reads it
    return next(filter(None, keys), "")
