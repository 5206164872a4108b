"""`ocr-serving client`: sends image files to a running service, as PaddleOCR's tools/test_hubserving.py did."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ocr_serving.cli import summary
from ocr_serving.cli.summary import Tally
from ocr_serving.client import Client, Reply, UnreachableError
from ocr_serving.decoding import images, pages
from ocr_serving.errors import ServingError
from ocr_serving.output import files, results


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `client`, with the options of tools/test_hubserving.py and a few more."""
    parser = commands.add_parser(
        "client",
        help="send images to a running service",
        description="Send each image or PDF to a running service; print the time and the recognised lines, write the answers to a "
        "folder, tables as .xlsx and .html too.",
    )
    option = parser.add_argument
    option("--server_url", required=True, metavar="URL", help="http://HOST:PORT/predict/MODULE")
    option("--image_dir", required=True, type=Path, metavar="PATH", help="an image file or PDF, or a folder of them")
    option(
        "--visualize", nargs="?", const=True, default=False, type=_true_or_false, metavar="true|false", help="write pictures too"
    )
    option("--pdf_dpi", type=files.dpi, default=images.Limits().pdf_dpi, metavar="N", help="the service's pdf_dpi, for pictures")
    option("--output", type=Path, default=Path("./hubserving_result"), metavar="DIR", help="folder for the answers (%(default)s)")
    option("--api_key", default=os.environ.get("OCR_SERVING_API_KEY", ""), metavar="KEY", help="or OCR_SERVING_API_KEY")
    option("--timeout", type=_seconds, default=120.0, metavar="SECONDS", help="wait this long for an answer (%(default)g)")
    option("--retries", type=_at_least(0), default=3, metavar="N", help="ask a full server again N times (%(default)s)")
    option("--concurrency", type=_at_least(1), default=1, metavar="N", help="send N images at a time (%(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if any image failed. Raises ServingError with a sentence where none could be sent."""
    found = files.find_images([args.image_dir], args.output)
    font, missing = files.find_font() if args.visualize else (None, "")
    if missing:
        print(missing, file=sys.stderr)
    client = Client(args.server_url, api_key=args.api_key, timeout=args.timeout, retries=args.retries, connections=args.concurrency)
    output = files.Output(args.output, found.sources, args.visualize, font)
    output.prepare()
    tally, seconds = Tally(), list[float]()
    image_files = [source.file for source in found.sources]
    with client:
        _send(client, image_files, output, args.concurrency, args.pdf_dpi, tally, seconds)
    if seconds:
        but = f", without the {len(tally.failed)} that failed" if tally.failed else ""
        print(f"avg time cost: {sum(seconds) / len(seconds):.3f} s per image, {len(seconds)} images{but}")
    if len(image_files) > 1 or tally.failed:
        summary.tell(tally, found.others)
    return tally.exit_code


def _send(
    client: Client,
    image_files: Sequence[Path],
    output: files.Output,
    threads: int,
    dpi: int,
    tally: Tally,
    seconds: list[float],
) -> None:
    """Send all files; the text of a single one is printed, that of many is in the folder."""

    def handle(file: Path) -> Reply | str:
        try:
            data = file.read_bytes()
            reply = client.predict(data)
            output.answer(file, reply.body, reply.entries)
            if output.visualize:
                _draw(file, data, reply.entries, output, dpi)
        except UnreachableError:
            raise
        except OSError as exc:
            return f"cannot be read: {exc.strerror}."
        except ServingError as exc:
            return str(exc)
        return reply

    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(image_files), unit="image", disable=not sys.stderr.isatty()) as bar,
    ):
        # map keeps the order of the files, and gives up what is not yet sent when the server is found unreachable.
        for file, outcome in zip(image_files, pool.map(handle, image_files), strict=True):
            if isinstance(outcome, str):
                tally.failed.append((file, outcome))
            else:
                seconds.append(outcome.seconds)
                tally.read += 1
                tally.pages += len(outcome.entries)
                if len(image_files) == 1:
                    remark = [outcome.msg] if outcome.msg else []
                    lines = [f"Predict time of {file}: {outcome.seconds:.3f}s", *remark, *_lines(outcome.entries)]
                    tqdm.write("\n".join(lines), file=sys.stdout)
                elif outcome.msg:
                    tally.remarks.append((file, outcome.msg))
            bar.update()
            bar.set_postfix_str(f"{tally.read} read, {len(tally.failed)} failed")


def _draw(file: Path, data: bytes, entries: Sequence[Any], output: files.Output, dpi: int) -> None:
    has_pages = pages.has_pages(data)
    # A page too large is rendered smaller by a service with the default limit; a picture was sent as it is.
    most = images.Limits().max_pixels if pages.is_pdf(data) else files.MOST_PIXELS
    limits = images.Limits(max_pixels=most, max_pdf_pages=files.MOST_PAGES, pdf_dpi=dpi)
    for number, (page, entry) in enumerate(zip(pages.from_bytes(data, where=str(file), limits=limits), entries, strict=False), 1):
        if not isinstance(page, images.Undecodable | pages.Remark):
            output.picture(file, page, entry, number if has_pages else None)


def _lines(entries: Sequence[Any]) -> list[str]:
    return [line for entry in entries for line in results.read(entry).lines]


def _true_or_false(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")
    return text.lower() == "true"


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def _at_least(least: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is below {least}")
        return value

    return integer
