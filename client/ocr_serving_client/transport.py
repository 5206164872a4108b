"""What both clients know of httpx."""

from __future__ import annotations

import httpx

from ocr_serving_client.calls import Request, Response
from ocr_serving_client.errors import OCRError, UnreachableError

CONNECT_TIMEOUT_S = 10.0


def settings(key: str, timeout: float) -> tuple[dict[str, str], httpx.Timeout]:
    """Headers of every request, and how long to wait."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return headers, httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT_S, timeout))


def response_of(given: httpx.Response) -> Response:
    """An answer without httpx."""
    return Response(given.status_code, {name.lower(): value for name, value in given.headers.items()}, given.content)


def lost(request: Request, exc: httpx.TransportError, url: str) -> Response:
    """What a connection that failed stands for; code 0 is worth asking again. Raises OCRError for what is not."""
    if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol | httpx.ProxyError):
        raise UnreachableError(f"No service answers at {url} ({exc}): is it running, and is the address right?") from None
    if isinstance(exc, httpx.TimeoutException):
        raise OCRError(
            f"{url}/{request.path.partition('?')[0]} did not answer in time: give the client a longer timeout."
        ) from None
    return Response(0)
