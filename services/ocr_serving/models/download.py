"""A file from a URL, whole or not at all: resumed where the server can, retried where that can help, believed by its hash."""

import base64
import http.client
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ocr_serving.errors import ModelError
from ocr_serving.models.opener import Opener
from ocr_serving.models.progress import Progress
from ocr_serving.models.store import sha256_of

MAX_BYTES = 16 << 30
TOTAL_S = 3600.0
"""Seconds for a whole download, with all its tries: a server that sends a byte now and then must not hold up a start for ever."""
_CHUNK = 1 << 18
_ENOUGH_TO_GO_ON = 1 << 20
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Retry:
    """How often to try again without a mebibyte of gain in between, and how long to wait: doubling, in seconds."""

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def wait(self, failures: int, asked: float | None) -> float:
        own: float = self.first_wait * 2 ** (failures - 1)
        return min(max(own, asked or 0.0), self.longest_wait)


class _PassingError(Exception):
    """A failure that another try may mend; `after` is the server's own idea of when."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def shown(url: str) -> str:
    """`url` as an error may show it: no user, password or query, where secrets live."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(
    url: str,
    part: Path,
    *,
    sha256: str,
    progress: Progress,
    retry: Retry | None = None,
    timeout: float = 30.0,
    total: float = TOTAL_S,
) -> None:
    """Bring what `url` (http or https) serves to the file `part`, which then has the SHA-256 asked for.

    What `part` holds already is taken for the beginning of it; should the whole then have the wrong hash, the download
    starts once more from nothing. `timeout` seconds are allowed for connecting and for each read, `total` for everything.

    Raises ModelError: refused, not found, unreachable after the tries of `retry`, too slow, or the wrong hash. After a failure
    that may pass, `part` is kept for the next time; after a wrong hash it is gone.
    """
    retry = retry or Retry()
    deadline = time.monotonic() + total
    transfer = _Transfer(url, part, progress, timeout)
    if transfer.have and sha256_of(part) == sha256:
        return
    failures, started_over = 0, False
    try:
        while True:
            before = transfer.have
            try:
                transfer.run(deadline)
            except _PassingError as exc:
                failures = 1 if transfer.have - before >= _ENOUGH_TO_GO_ON else failures + 1
                if failures >= retry.attempts:
                    raise ModelError(
                        f"Cannot download {shown(url)}: {exc} (tried {failures} times); check the URL and the network."
                    ) from None
                wait = retry.wait(failures, exc.after)
                if time.monotonic() + wait > deadline:
                    raise ModelError(
                        f"Cannot download {shown(url)}: it was not here within {total:g} s ({exc}); check the network."
                    ) from None
                progress.note(f"{exc}; trying again in {wait:.0f} s")
                time.sleep(wait)
                continue
            found = sha256_of(part)
            if found == sha256:
                return
            part.unlink()
            if started_over or not transfer.resumed:
                raise ModelError(
                    f"What {shown(url)} serves has the SHA-256 {found}, not {sha256}; nothing was kept, "
                    "so check the URL and the hash."
                )
            # It was put together from pieces, perhaps of different files.
            transfer, started_over = _Transfer(url, part, progress, timeout), True
    finally:
        progress.end()


class _Transfer:
    """One file being fetched over as many connections as it takes."""

    def __init__(self, url: str, part: Path, progress: Progress, timeout: float) -> None:
        self._url, self._authorization = _without_user(url)
        self._part = part
        self._progress = progress
        self._timeout = timeout
        self._opener = Opener(self._url)
        self._etag: str | None = None
        self.resumed = False

    @property
    def have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def run(self, deadline: float) -> None:
        """One connection, cut at `deadline`; returns when the server has sent all it has. Raises _PassingError or ModelError."""
        # A time-out of the socket begins anew with each byte.
        watch = threading.Timer(max(0.0, deadline - time.monotonic()), self._opener.abort)
        watch.daemon = True
        watch.start()
        try:
            self._run()
        finally:
            watch.cancel()

    def _run(self) -> None:
        have = self.have
        request = urllib.request.Request(self._url)  # noqa: S310 - _without_user lets only http and https through
        if self._authorization:
            request.add_unredirected_header("Authorization", self._authorization)
        if have:
            request.add_header("Range", f"bytes={have}-")
            if self._etag:
                request.add_header("If-Range", self._etag)
        try:
            response = self._opener.open(request, self._timeout)
        except urllib.error.HTTPError as exc:
            with exc:
                raise self._refusal(exc) from None
        except urllib.error.URLError as exc:
            if isinstance(exc.reason, ssl.SSLCertVerificationError):
                raise ModelError(
                    f"The certificate of {shown(self._url)} is not trusted ({exc.reason.verify_message}); "
                    "set SSL_CERT_FILE to a bundle with its issuer."
                ) from None
            raise _PassingError(_reason(exc.reason)) from None
        except (http.client.HTTPException, OSError) as exc:
            raise _PassingError(_reason(exc)) from None
        with response:
            self._receive(response, have)

    def _receive(self, response: http.client.HTTPResponse, have: int) -> None:
        etag = response.headers.get("ETag", "")
        changed = self._etag is not None and etag != self._etag
        if response.status == 206 and (changed or _start(response.headers.get("Content-Range", "")) != have):
            self._part.unlink(missing_ok=True)
            self._etag = None
            raise _PassingError("the file changed while it was being downloaded")
        if response.status != 206:
            have = 0
        self.resumed = have > 0
        # Only a strong tag may stand in If-Range.
        self._etag = etag if etag.startswith('"') else None
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        if total is not None and total > MAX_BYTES:
            raise self._too_large()
        self._progress.begin(shown(self._url), total)
        with self._part.open("ab" if have else "wb") as out:
            while chunk := _read(response):
                out.write(chunk)
                have += len(chunk)
                self._progress.update(have)
                if have > MAX_BYTES:
                    raise self._too_large()
        if total is not None and have < total:
            raise _PassingError(f"the connection ended after {have} of {total} bytes")

    def _refusal(self, exc: urllib.error.HTTPError) -> Exception:
        if exc.code == 416:
            # What we hold is longer than the file: it is not the beginning of this one.
            self._part.unlink(missing_ok=True)
            return _PassingError("the server has less than was already downloaded")
        answer = f"{exc.code} {exc.reason}"
        if exc.code in _WORTH_ANOTHER_TRY:
            after = exc.headers.get("Retry-After", "")
            return _PassingError(f"the server answered {answer}", float(after) if after.isdigit() else None)
        return ModelError(f"Cannot download {shown(self._url)}: the server answered {answer}; check the URL.")

    def _too_large(self) -> ModelError:
        self._part.unlink(missing_ok=True)
        return ModelError(f"{shown(self._url)} serves more than {MAX_BYTES >> 30} GiB; that is no model of ours.")


def _without_user(url: str) -> tuple[str, str | None]:
    """Splits `user:password@` off into an Authorization header, where urllib wants it; raises ModelError."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise ModelError("The URL of a model is not one to download from; it must start with https:// and be percent-encoded.")
    if parts.username is None:
        return url, None
    user = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}")
    netloc = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=netloc).geturl(), "Basic " + base64.b64encode(user.encode()).decode()


def _start(content_range: str) -> int | None:
    match = re.match(r"bytes (\d+)-", content_range)
    return int(match[1]) if match else None


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (http.client.HTTPException, OSError) as exc:
        raise _PassingError(_reason(exc)) from None


def _reason(exc: object) -> str:
    if isinstance(exc, TimeoutError):
        return "the server was silent for too long"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc) or type(exc).__name__
