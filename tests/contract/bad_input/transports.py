"""What goes wrong below JSON: methods, paths, headers, lengths, chunks, slow and vanishing callers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ocr_serving import data

from .case import NOBODY_LISTENS, RUBBISH, Case, Expect, Picture, images_body, refused, request, served

MODULE = "echo"
GOOD = images_body(data.WARMUP.read_bytes())
SLOW = images_body(data.WARMUP.read_bytes(), delay=0.3)
CHUNKED = b"Connection: close\r\nTransfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"


def chunks(*parts: bytes) -> bytes:
    """A chunked body, whole and correct."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def methods_and_paths() -> Iterator[Case]:
    """Requests that are fine as HTTP, to the wrong place or in the wrong way."""
    for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "FOO"):
        yield case(f"method-{method}", request(MODULE, GOOD, line=f"{method} /predict/{MODULE} HTTP/1.1"), refused(405))
    absent = ("nosuch", "", "echo/", "echo/x", "ECHO", "%ff", "echo%00", "..%2fecho", "../predict/echo", "a" * 3000, "%E6%96%87")
    for name in absent:
        line = f"POST /predict/{name} HTTP/1.1"
        says = "is not available" if name else "No module is named"
        yield case(f"module-{name[:20]}", request(MODULE, GOOD, line=line), refused(404, says, "111"))
    for path in ("/nope", "/predict", "/metrics/", "/healthz/x", "/%"):
        yield case(f"path-{path}", request(MODULE, GOOD, line=f"POST {path} HTTP/1.1"), refused(404))
    for path in ("/healthz", "/metrics", "/modules", "/"):
        yield case(f"post-{path}", request(MODULE, GOOD, line=f"POST {path} HTTP/1.1"), refused(405))
    types = (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
        ",",
        "",
    )
    for kind in types:
        yield case(f"type-{kind}", request(MODULE, GOOD, content_type=kind), refused(415, "out of date", "112"))
    yield case("type-none", request(MODULE, GOOD, content_type=None), refused(415, "out of date", "112"))
    for kind in ("application/json; charset=latin-1", "APPLICATION/JSON", "application/vnd.company+json"):
        yield case(f"type-{kind}", request(MODULE, GOOD, content_type=kind), served(Picture.BLANK))


def lengths() -> Iterator[Case]:
    """Content-Length: absent, lying, and not a number."""
    for length in ("-1", "abc", "1e3", "+5", "0x10", "5, 5", "5 5", "\u00b2"):
        yield case(f"length-{length!a}", request(MODULE, GOOD, length=length), RUBBISH)
    yield case("length-twice", request(MODULE, GOOD, headers=b"Content-Length: 3\r\n" + CLOSE), RUBBISH)
    yield case("length-of-an-exabyte", request(MODULE, GOOD, length=str(10**18)), refused(413, "max_body_mb"))
    yield case("length-of-many-digits", request(MODULE, GOOD, length="9" * 60), refused(413, "max_body_mb"))
    yield case("length-zero", request(MODULE, GOOD, length="0"), refused(400, "not JSON"))
    yield case("length-short", request(MODULE, GOOD, length="10"), refused(400, "not JSON"))
    yield case("length-none", request(MODULE, GOOD, length=None), refused(400, "not JSON"))
    yield case("length-long", request(MODULE, GOOD, length=str(len(GOOD) + 1)), refused(408, "body_timeout_s"))
    yield case("length-long-and-closed", request(MODULE, GOOD, length=str(len(GOOD) + 1)), refused(400, "ended after"), end="half")
    yield case("body-over-the-limit", request(MODULE, b" " * (3 << 19)), refused(413, "max_body_mb"))


def chunked() -> Iterator[Case]:
    """Transfer-Encoding: chunked, right and wrong."""

    def body(content: bytes) -> bytes:
        return request(MODULE, content, length=None, headers=CHUNKED)

    halves = (GOOD[:100], GOOD[100:])
    yield case("chunks", body(chunks(*halves)), served(Picture.BLANK))
    small = (GOOD[at : at + 100] for at in range(0, len(GOOD), 100))
    yield case("chunks-of-100-bytes", body(chunks(*small)), served(Picture.BLANK))
    yield case("chunks-with-extension", body(b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)), served(Picture.BLANK))
    yield case("chunks-with-trailer", body(chunks(GOOD)[:-2] + b"X-Sum: 1\r\n\r\n"), served(Picture.BLANK))
    for name, content in {
        "size-not-hex": b"zz\r\nabc\r\n0\r\n\r\n",
        "size-negative": b"-5\r\nabc\r\n0\r\n\r\n",
        "size-empty": b"\r\nabc\r\n0\r\n\r\n",
        "size-with-prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
        "size-endless": b"1" * 20_000,
        "no-terminator": b"3\r\nabcXX0\r\n\r\n",
        "longer-than-its-size": b"3\r\nabcdef\r\n0\r\n\r\n",
        "bad-trailer": b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n",
        "bare-line-feeds": b"2\n{}\n0\n\n",
    }.items():
        yield case(f"chunk-{name}", body(content), refused(400, "The body cannot be read"), end="half")
    yield case("chunk-cut", body(b"50\r\nabc"), refused(400, "it ended before its last chunk"), end="half")
    yield case("chunk-of-a-terabyte", body(b"ffffffffff\r\nabc\r\n"), refused(408, "body_timeout_s"))
    yield case("chunks-over-the-limit", body(chunks(*[b" " * 65536] * 24)), refused(413, "max_body_mb"))
    yield case("chunks-and-length", request(MODULE, chunks(GOOD), headers=CHUNKED), RUBBISH)
    for coding in ("foo", "chunked, chunked", "identity", "chunked, foo"):
        head = f"Connection: close\r\nTransfer-Encoding: {coding}\r\n".encode()
        yield case(f"coding-{coding}", request(MODULE, chunks(GOOD), length=None, headers=head), RUBBISH)


def heads() -> Iterator[Case]:
    """Request lines and headers that are not HTTP, or too much of it."""
    lines = {
        "garbage": "GARBAGE",
        "no-version": f"POST /predict/{MODULE}",
        "two-blanks": f"POST  /predict/{MODULE} HTTP/1.1",
        "lower-case": f"post /predict/{MODULE} HTTP/1.1",
        "version-9": f"POST /predict/{MODULE} HTTP/9.9",
        "version-2": "PRI * HTTP/2.0",
        "star": "POST * HTTP/1.1",
        "bad-url": "POST http://[::bad/ HTTP/1.1",
        "nul": "P\x00ST / HTTP/1.1",
        "not-ascii": "POST /文 HTTP/1.1",
        "long": f"POST /{'a' * 10_000} HTTP/1.1",
    }
    for name, line in lines.items():
        yield case(f"line-{name}", request(MODULE, GOOD, line=line), Expect((*RUBBISH.codes, 404), "101", may_close=True))
    headers = {
        "of-100-kilobytes": b"X-A: " + b"a" * 100_000 + b"\r\n",
        "500-of-them": b"".join(b"X-%d: a\r\n" % n for n in range(500)),
        "no-colon": b"nonsense\r\n",
        "nul-in-name": b"X-\x00: a\r\n",
        "blank-in-name": b"X Y: a\r\n",
        "nul-in-value": b"X-A: \x00\r\n",
        "folded": b"X-A: a\r\n b\r\n",
        "bad-host": b"Host: \x00\r\n",
        "expect-more": b"Expect: 200-ok\r\n",
    }
    for name, header in headers.items():
        yield case(f"header-{name}", request(MODULE, GOOD, headers=header + CLOSE), RUBBISH)
    harmless = {
        "not-utf-8": b"X-A: \xff\xfe\r\n",
        "request-id": b"X-Request-ID: \xff\xfe<script>\r\n",
        "two-authorizations": b"Authorization: Bearer a\r\nAuthorization: Basic b\r\n",
        "expect-continue": b"Expect: 100-continue\r\n",
        "upgrade": b"Upgrade: h2c, websocket\r\nHTTP2-Settings: AAMAAABk\r\n",
        "range": b"Range: bytes=5-1\r\n",
        "encoding": b"Accept-Encoding: br;q=nonsense\r\nAccept: ,,,\r\n",
    }
    for name, header in harmless.items():
        yield case(f"header-{name}", request(MODULE, GOOD, headers=header + CLOSE), served(Picture.BLANK))
    no_host = request(MODULE, GOOD).replace(b"Host: localhost\r\n", b"")
    yield case("no-host", no_host, refused(400, "names no host"))
    yield case("no-host-in-1.0", no_host.replace(b"HTTP/1.1", b"HTTP/1.0"), served(Picture.BLANK))
    yield case("empty-host", request(MODULE, GOOD).replace(b"Host: localhost", b"Host:"), refused(400, "names no host"))
    yield case("two-hosts", request(MODULE, GOOD, headers=b"Host: other\r\n" + CLOSE), RUBBISH)
    expects = b"Expect: 100-continue\r\n" + CLOSE
    yield case("expect-and-too-large", request(MODULE, b"", length=str(2 << 20), headers=expects), refused(413, "max_body_mb"))
    yield case("expect-and-no-json", request(MODULE, b"", length="9", content_type="a/b", headers=expects), refused(415, "", "112"))
    yield case("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2, RUBBISH, end="half")
    yield case("nothing-but-line-ends", b"\r\n" * 1000, RUBBISH, end="half")
    yield case("redis", b"*1\r\n$4\r\nPING\r\n", RUBBISH, end="half")


def connections() -> Iterator[Case]:
    """Old, hasty, slow and vanishing callers."""
    yield case("http-1.0", request(MODULE, GOOD, line=f"POST /predict/{MODULE} HTTP/1.0"), served(Picture.BLANK))
    thrice = request(MODULE, GOOD, headers=b"") * 2 + request(MODULE, GOOD)
    yield case("pipelined", thrice, Expect(pictures=(Picture.BLANK,), answers=3))
    # Small, so that all of it and the end travel in one segment: a server that has not seen the end yet would go on.
    yield case("half-closed", request(MODULE, images_body(b"small")), refused(400, "hung up"), end="half")
    whole, slow = request(MODULE, GOOD), request(MODULE, SLOW)
    body_at = whole.index(b"\r\n\r\n") + 4
    for end in ("close", "reset"):
        yield case(f"{end}-at-once", b"", NOBODY_LISTENS, end=end)
        yield case(f"{end}-in-the-line", whole[:10], NOBODY_LISTENS, end=end)
        yield case(f"{end}-in-the-headers", whole[: body_at - 3], NOBODY_LISTENS, end=end)
        yield case(f"{end}-before-the-body", whole[:body_at], NOBODY_LISTENS, end=end)
        yield case(f"{end}-in-the-body", whole[: body_at + 5000], NOBODY_LISTENS, end=end)
        yield case(f"{end}-before-the-answer", slow, NOBODY_LISTENS, end=end)
        yield Case(f"{end}-during-the-prediction", MODULE, [slow, 0.1], NOBODY_LISTENS, end=end)
        yield case(f"{end}-in-a-chunk", request(MODULE, b"50\r\nab", length=None, headers=CHUNKED), NOBODY_LISTENS, end=end)
    late = refused(408, "body_timeout_s")
    yield case("body-that-never-comes", whole[:body_at], late)
    yield case("body-that-stops", whole[: body_at + 100], late)
    # Each drop in time, all of them not: the limit is two seconds for a body and ten for headers.
    endless = replace(late, early=True)
    yield Case("slow-body", MODULE, [request(MODULE, b"", length="1000"), *drip(b" ", 0.1)], endless)
    start_of_chunks = request(MODULE, b"", length=None, headers=CHUNKED)
    yield Case("slow-chunks", MODULE, [start_of_chunks, *drip(b"1\r\n \r\n", 0.1)], endless)
    yield Case("slow-headers", MODULE, [whole[:40], *drip(b"X-A: b\r\n", 0.5)], replace(RUBBISH, early=True))


def drip(drop: bytes, pause: float) -> list[bytes | float]:
    """A hundred drops and the pauses between them, in seconds."""
    return [drop, pause] * 100


def case(name: str, sends: bytes, expect: Expect, *, end: str = "wait") -> Case:
    """A case that sends all at once."""
    return Case(name, MODULE, [sends], expect, end)


def cases() -> Iterator[Case]:
    """All of them, for the echo module of a service with small limits."""
    for group in (methods_and_paths, lengths, chunked, heads, connections):
        yield from group()
