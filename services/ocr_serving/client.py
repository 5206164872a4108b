"""`ocr-serving client`: sends image files to a running service, as PaddleOCR's tools/test_hubserving.py did."""

from __future__ import annotations

import argparse
import base64
import email.utils
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import NewConnectionError

from ocr_serving import files, images, pages, results
from ocr_serving.errors import InputError, ServingError

CONNECT_TIMEOUT_S = 10.0


class UnreachableError(ServingError):
    """No server answers at the URL; there is no sense in asking it for the next image."""


class AnswerError(ServingError):
    """The server's reason why this image has no result."""


@dataclass(frozen=True)
class Reply:
    """A successful answer: `body` as it came, `msg` a remark or "", `seconds` the whole call.

    `entries` are `results`: one for an image, one for each page of a PDF.
    """

    body: bytes
    entries: Sequence[Any]
    msg: str
    seconds: float


def encoded(image: bytes) -> str:
    """The bytes of an image file as an entry of a request's `images`: base64."""
    return base64.b64encode(image).decode("ascii")


class Client:
    """Asks one URL (`http://HOST:PORT/predict/<module>`). Threads may share it; its one HTTP session keeps `connections` open.

    `timeout` is the seconds to wait for each answer. A full or restarting server (429, 503, a dropped connection) is asked again up
    to `retries` times, after what its Retry-After says. Raises InputError where `url` is not an http URL.
    """

    def __init__(self, url: str, *, api_key: str = "", timeout: float = 120.0, retries: int = 3, connections: int = 1) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise InputError(f"'{url}' is not a URL such as http://127.0.0.1:8868/predict/ocr_system.")
        if not urlsplit(url).path.strip("/"):
            raise InputError(f"'{url}' names no module: end it as in {url.rstrip('/')}/predict/ocr_system.")
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.retries = retries
        self._http = requests.Session()
        self._http.headers["Content-Type"] = "application/json"
        if api_key:
            self._http.headers["Authorization"] = f"Bearer {api_key}"
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, HTTPAdapter(pool_maxsize=connections))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def predict(self, image: bytes) -> Reply:
        """The answer for the bytes of one image file or PDF. Raises AnswerError or UnreachableError."""
        # base64 needs no escaping in JSON, so the body is put together without another pass over it.
        body = f'{{"images":["{encoded(image)}"]}}'.encode()
        started = time.perf_counter()
        for attempt in range(self.retries + 1):
            response = self._post(body)
            if response is not None and not _asks_to_wait(response):
                return _reply(response, time.perf_counter() - started)
            if attempt < self.retries:
                time.sleep(min(_wait(response, attempt), self.timeout))
        if response is None:
            raise UnreachableError(f"{self.url} drops every connection: is that an OCR service, and does it stay up?")
        return _reply(response, time.perf_counter() - started)

    def _post(self, body: bytes) -> requests.Response | None:
        """The response, or None where the connection was made and lost."""
        try:
            return self._http.post(self.url, data=body, timeout=(CONNECT_TIMEOUT_S, self.timeout))
        except requests.exceptions.ReadTimeout:
            raise AnswerError(f"no answer within {self.timeout:g} s (--timeout).") from None
        except requests.exceptions.RequestException as exc:
            if _was_lost(exc):
                return None
            raise UnreachableError(
                f"No server answers at {self.url} ({type(exc).__name__}): is it running, and is the URL right?"
            ) from None


def _was_lost(exc: requests.exceptions.RequestException) -> bool:
    """Whether there was a connection; without one (nobody listens, no such host, no trust) asking again is of no use."""
    if isinstance(exc, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return False
    reason = exc.args[0] if exc.args else None
    made = not isinstance(getattr(reason, "reason", reason), NewConnectionError)
    return made and isinstance(exc, requests.exceptions.ConnectionError | requests.exceptions.ChunkedEncodingError)


def _asks_to_wait(response: requests.Response) -> bool:
    return response.status_code in (429, 503)


def _wait(response: requests.Response | None, attempt: int) -> float:
    """Seconds before the next attempt: Retry-After as seconds or as a date (RFC 9110, 10.2.3), else 0.5, 1, 2, …"""
    said = "" if response is None else response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return float(0.5 * 2**attempt)


def _reply(response: requests.Response, seconds: float) -> Reply:
    try:
        body = response.json()
        status, msg, entries = str(body["status"]), str(body["msg"]), body["results"]
    except (ValueError, KeyError, TypeError):
        raise AnswerError(
            f"HTTP {response.status_code} {response.reason}, not the JSON of an OCR service: check the URL."
        ) from None
    if status != "000" or not isinstance(entries, list) or not entries:
        raise AnswerError(msg or f"HTTP {response.status_code}, status {status}, without a reason.")
    if msg and all(results.read(entry).empty for entry in entries):
        raise AnswerError(msg)
    return Reply(response.content, entries, msg, seconds)


@dataclass
class _Tally:
    seconds: list[float] = field(default_factory=list)
    failed: int = 0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `client`, with the options of tools/test_hubserving.py and a few more."""
    parser = subparsers.add_parser(
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
    image_files = files.find_images([args.image_dir])
    font, missing = files.find_font() if args.visualize else (None, "")
    if missing:
        print(missing, file=sys.stderr)
    client = Client(args.server_url, api_key=args.api_key, timeout=args.timeout, retries=args.retries, connections=args.concurrency)
    output = files.Output(args.output, tuple(image_files), args.visualize, font)
    output.prepare()
    with client:
        tally = _send(client, image_files, output, args.concurrency, args.pdf_dpi)
    if tally.seconds:
        print(f"avg time cost: {sum(tally.seconds) / len(tally.seconds):.3f} s per image, {len(tally.seconds)} images")
    if tally.failed:
        print(f"{tally.failed} of {len(image_files)} images failed.", file=sys.stderr)
    return 1 if tally.failed else 0


def _send(client: Client, image_files: Sequence[Path], output: files.Output, threads: int, dpi: int) -> _Tally:
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

    tally = _Tally()
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(image_files), unit="image", disable=not sys.stderr.isatty()) as bar,
    ):
        # map keeps the order of the files, and gives up what is not yet sent when the server is found unreachable.
        for file, outcome in zip(image_files, pool.map(handle, image_files), strict=True):
            if isinstance(outcome, str):
                tally.failed += 1
                tqdm.write(f"{file}: {outcome}", file=sys.stderr)
            else:
                tally.seconds.append(outcome.seconds)
                remark = [outcome.msg] if outcome.msg else []
                lines = [f"Predict time of {file}: {outcome.seconds:.3f}s", *remark, *_lines(outcome.entries)]
                tqdm.write("\n".join(lines), file=sys.stdout)
            bar.update()
    return tally


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
