"""Opening a URL that somebody named: http and https alone, wherever it is redirected to, and only at addresses that rules allow."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Protocol

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48")
"""Prefixes whose last four bytes are an address of IPv4 (RFC 6052, RFC 8215)."""


class Rules(Protocol):
    """Where requests may go."""

    def refusal(self, host: str, address: Address) -> Exception | None:
        """What to raise instead of connecting to this address of `host`."""

    def misled(self, url: str) -> Exception | None:
        """What to raise instead of following a redirect to `url`."""


class Opener:
    """Open one URL, with its redirects.

    A name is looked up once, each of its addresses is judged, and one that was allowed is connected to: no second look-up can lead
    elsewhere. Where `proxied`, the environment's proxies are used, and they are judged by nobody.
    """

    def __init__(self, rules: Rules, *, proxied: bool = False) -> None:
        """Nothing is opened yet."""
        self._rules = rules
        found = urllib.request.getproxies() if proxied else {}
        self._proxies = {host for proxy in found.values() if (host := urllib.parse.urlsplit(proxy).hostname)}
        self._sock: socket.socket | None = None
        self._aborted = False
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(found), _Redirects(rules), _Http(self._connect), _Https(self._connect)
        )

    def open(self, request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
        """As urlopen. Raises what the rules say, and what urlopen raises."""
        response: http.client.HTTPResponse = self._opener.open(request, timeout=timeout)
        return response

    def abort(self) -> None:
        """Have whatever reads from the connection find its end, and open no other. From any thread."""
        self._aborted = True
        sock = self._sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _connect(self, address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        host, port = address
        if host in self._proxies:
            self._sock = socket.create_connection(address, *args, **options)
            return self._sock
        problem: Exception | None = None
        for *_, found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            refused = self._rules.refusal(host, plain(str(found[0])))
            if refused is not None:
                problem = refused
                continue
            if self._aborted:
                raise TimeoutError("the time was up")
            try:
                self._sock = socket.create_connection((str(found[0]), port), *args, **options)
            except OSError as exc:
                problem = problem or exc
                continue
            return self._sock
        try:
            raise problem or OSError(f"{host} has no address")
        finally:
            # It would hold this frame, and the frame it.
            del problem


def plain(text: str) -> Address:
    """An address; one of IPv4 that one of IPv6 stands for (mapped, 6to4, NAT64) is what it means."""
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return found
    if any(found in network for network in NAT64):
        return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connect: Any) -> None:
        super().__init__()
        self._connect = connect

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(*args: Any, **options: Any) -> http.client.HTTPConnection:
            made = http.client.HTTPConnection(*args, **options)
            made._create_connection = self._connect  # type: ignore[attr-defined]
            return made

        return self.do_open(connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, connect: Any) -> None:
        super().__init__()
        self._connect = connect

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(*args: Any, **options: Any) -> http.client.HTTPSConnection:
            made = http.client.HTTPSConnection(*args, **options)
            made._create_connection = self._connect  # type: ignore[attr-defined]
            return made

        return self.do_open(connection, req)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> urllib.request.Request | None:
        problem = self._rules.misled(newurl)
        if problem is not None:
            fp.close()
            try:
                raise problem
            finally:
                # It would hold this frame, and the frame it.
                del problem
        return super().redirect_request(req, fp, code, msg, headers, newurl)
