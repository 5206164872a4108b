"""Opening a URL that somebody named: http and https alone, wherever it is redirected to, and no way into a network behind it."""

import http.client
import ipaddress
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from ocr_serving.errors import ModelError

_CREATE_CONNECTION: Callable[..., socket.socket] = socket.create_connection


class Opener:
    """Open one URL, with its redirects.

    The host that the URL names may be anywhere but at a link-local address, where clouds keep credentials. A redirect may lead on
    to that host, or to public addresses; addresses are those that were connected to. The environment's
    OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS=1 allows all of them.
    """

    def __init__(self, url: str) -> None:
        """Nothing is opened yet."""
        proxies = (urllib.parse.urlsplit(proxy).hostname for proxy in urllib.request.getproxies().values())
        self._named = {urllib.parse.urlsplit(url).hostname}
        self._proxies = {host for host in proxies if host}
        self._all_allowed = os.environ.get("OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS", "") in ("1", "true")
        self._sock: socket.socket | None = None
        self._opener = urllib.request.build_opener(_Redirects(), _Http(self._connect), _Https(self._connect))

    def open(self, request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
        """As urlopen. Raises ModelError for an address that is not allowed, and what urlopen raises."""
        response: http.client.HTTPResponse = self._opener.open(request, timeout=timeout)
        return response

    def abort(self) -> None:
        """Have whatever reads from the connection find its end. From any thread."""
        sock = self._sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _connect(self, address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        self._sock = sock = _CREATE_CONNECTION(address, *args, **options)
        host = address[0]
        if self._all_allowed or host in self._proxies:
            return sock
        found = ipaddress.ip_address(sock.getpeername()[0].partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        if found.is_link_local or (host not in self._named and not found.is_global):
            sock.close()
            raise ModelError(
                f"A download was led to {host}, at the private address {found}; "
                f"name a URL that serves the file itself, or set OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS=1 where that is meant."
            )
        return sock


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connect: Callable[..., socket.socket]) -> None:
        super().__init__()
        self._connect = connect

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(*args: Any, **options: Any) -> http.client.HTTPConnection:
            made = http.client.HTTPConnection(*args, **options)
            made._create_connection = self._connect  # type: ignore[attr-defined]
            return made

        return self.do_open(connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, connect: Callable[..., socket.socket]) -> None:
        super().__init__()
        self._connect = connect

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(*args: Any, **options: Any) -> http.client.HTTPSConnection:
            made = http.client.HTTPSConnection(*args, **options)
            made._create_connection = self._connect  # type: ignore[attr-defined]
            return made

        return self.do_open(connection, req)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            raise ModelError(f"A download was redirected to a URL of scheme {scheme!r:.20}; only http and https are followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
