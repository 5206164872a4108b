"""Requests to hosts that callers name: files fetched for them, calls that tell of a job's end. Off unless hosts are allowed.

A host must be on the list, wherever a redirect leads; its address must be public, or in a network that is named; one that is
link-local, where clouds keep credentials, is never asked.
"""

from __future__ import annotations

import http.client
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ocr_serving import __version__
from ocr_serving.errors import InputError, TooLargeError
from ocr_serving.outbound import Address, Opener

CHUNK = 1 << 18
STEP_S = 15.0
"""Seconds that connecting, or a silence, may take."""
LONGEST_URL = 2048


@dataclass(frozen=True)
class HostRules:
    """`hosts` are names, `*.` before one for all below it; `networks` those of private addresses that may be asked too.

    `setting` is the key that the hosts stand in; `redirected` says whether a redirect is followed.
    """

    hosts: Sequence[str]
    networks: Sequence[IPv4Network | IPv6Network]
    setting: str
    redirected: bool = True

    def allows(self, host: str) -> bool:
        """Whether a host is on the list."""
        name = host.lower().rstrip(".")
        for listed in self.hosts:
            known = listed.lower().rstrip(".").strip("[]")
            if name == known or (known.startswith("*.") and name.endswith(known[1:]) and len(name) > len(known) - 1):
                return True
        return False

    def check(self, url: str) -> None:
        """Raises InputError where the host of a URL is not on the list."""
        problem = self._problem(url)
        if problem is not None:
            raise problem

    def refusal(self, host: str, address: Address) -> InputError | None:
        """As `Rules.refusal`."""
        named = any(address in network for network in self.networks)
        if (address.is_global and not address.is_multicast) or (named and not address.is_link_local):
            return None
        return InputError(f"{host} is at an address that is not public: have fetch_networks name its network where that is meant.")

    def misled(self, url: str) -> InputError | None:
        """As `Rules.misled`."""
        return self._problem(url) if self.redirected else InputError("The URL led to another, which is not followed.")

    def _problem(self, url: str) -> InputError | None:
        try:
            parts = urllib.parse.urlsplit(url)
            scheme, host = parts.scheme, parts.hostname or ""
        except ValueError:
            scheme, host = "", ""
        if scheme not in ("http", "https"):
            return InputError("The URL led to one that is neither http nor https: name one that serves the file itself.")
        if not self.allows(host):
            return InputError(f"{host[:100]!r} is no host that is asked here ({self.setting}): send the file itself.")
        return None


def check_url(url: str, name: str, rules: HostRules | None, never: str) -> None:
    """Raises InputError where `url`, the value of `name`, may not be asked; `never` is said where none may."""
    if rules is None:
        raise InputError(f"{name}: {never}")
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        usable = False
    if not usable or not url.isascii() or re.search(r"[\x00-\x20\x7f]", url) or len(url) > LONGEST_URL:
        raise InputError(f"{name}: it is no URL to be asked for: write http:// or https://, percent-encoded, without a password.")
    rules.check(url)


def fetched(url: str, rules: HostRules, *, most: int, seconds: float, name: str = "fileUrl", limit: str = "fetch_max_mb") -> bytes:
    """What `url`, the value of `name`, serves, up to `most` bytes, which `limit` sets, within so many seconds.

    Raises InputError, TooLargeError.
    """
    rules.check(url)
    opener = Opener(rules)
    request = urllib.request.Request(url, headers={"User-Agent": f"ocr-serving/{__version__}"})  # noqa: S310  checked above
    try:
        with _bounded(opener, seconds), opener.open(request, min(STEP_S, seconds)) as response:
            return _content(response, most, f"{name}: the file is over the limit of {most >> 20} MiB ({limit}).")
    except urllib.error.HTTPError as exc:
        with exc:
            raise InputError(f"{name}: its server answered {exc.code} {exc.reason}: check the URL.") from None
    except (http.client.HTTPException, OSError) as exc:
        raise InputError(f"{name}: it could not be fetched within {seconds:g} s ({_reason(exc)}): send the file itself.") from None


def posted(url: str, body: bytes, headers: dict[str, str], rules: HostRules, *, seconds: float) -> int:
    """The status that `url` answers to a POST, within so many seconds. Raises InputError where it may not be asked, and OSError."""
    rules.check(url)
    opener = Opener(rules)
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310  checked above
    try:
        with _bounded(opener, seconds), opener.open(request, seconds) as response:
            return int(response.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code
    except http.client.HTTPException as exc:
        raise OSError(str(exc)) from None


@contextmanager
def _bounded(opener: Opener, seconds: float) -> Any:
    # A time-out of the socket begins anew with each byte.
    watch = threading.Timer(seconds, opener.abort)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _content(response: http.client.HTTPResponse, most: int, too_large: str) -> bytes:
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > most:
        raise TooLargeError(too_large)
    parts, size = [], 0
    while part := response.read1(CHUNK):
        parts.append(part)
        size += len(part)
        if size > most:
            raise TooLargeError(too_large)
    if length.isdigit() and size < int(length):
        raise OSError("it ended too early")
    return b"".join(parts)


def _reason(exc: BaseException) -> str:
    found = exc.reason if isinstance(exc, urllib.error.URLError) and isinstance(exc.reason, BaseException) else exc
    if isinstance(found, TimeoutError):
        return "its server was silent for too long"
    return (found.strerror if isinstance(found, OSError) and found.strerror else str(found)) or type(found).__name__
