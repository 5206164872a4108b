"""What a case is: the bytes that go over the wire, and the answer that must come back. Pure; no sockets."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

LINES = ("ocr_system", "ocr_det", "ocr_cls", "ocr_rec")
DOCUMENTS = ("structure_layout", "structure_table", "structure_system", "kie_ser", "kie_ser_re")
MODULES = LINES + DOCUMENTS


class Picture(Enum):
    """What a served picture must come out as."""

    READ = "the word on it is read"
    BLANK = "it is decoded; nothing need be found"
    DAMAGED = "its place is kept empty, and msg says why"


@dataclass(frozen=True)
class Expect:
    """The answer: one of `codes` with `status` in its body and `says` in its msg, and `pictures` one for each image.

    `answers` is how many follow each other on the connection. With none, or with `may_close`, the server may just hang up.
    `early`: it must do so, or answer, before all is sent.
    """

    codes: tuple[int, ...] = (200,)
    status: str = "000"
    says: str = ""
    pictures: tuple[Picture, ...] = ()
    answers: int = 1
    may_close: bool = False
    early: bool = False


def refused(code: int, says: str = "", status: str = "101") -> Expect:
    """Refused with an honest code and a reason."""
    return Expect((code,), status, says)


def served(*pictures: Picture) -> Expect:
    """Served, one picture after the other."""
    return Expect(pictures=pictures or (Picture.READ,))


RUBBISH = Expect((400, 408, 413, 414, 417, 431), "101", may_close=True)
"""Not HTTP, or not whole: any refusal will do."""
NOBODY_LISTENS = Expect(answers=0)


@dataclass(frozen=True)
class Case:
    """Send the parts of `sends` (a number is a pause in seconds), then `end` one's own direction, and expect an answer.

    `end`: "wait" keeps the connection open, "half" closes it for sending, "close" hangs up, "reset" does so rudely.
    """

    name: str
    module: str
    sends: Sequence[bytes | float]
    expect: Expect
    end: str = "wait"


def b64(data: bytes) -> str:
    """Base64 of the bytes, as text."""
    return base64.b64encode(data).decode()


def images_body(*pictures: bytes, **arguments: Any) -> bytes:
    """The JSON body that an honest client sends."""
    return json.dumps({"images": [b64(picture) for picture in pictures], **arguments}).encode()


def request(
    module: str,
    body: bytes,
    *,
    line: str = "",
    content_type: str | None = "application/json",
    length: str | None = "",
    headers: bytes = b"Connection: close\r\n",
) -> bytes:
    """An HTTP request, by default a correct POST; `length` replaces the Content-Length, None leaves it out."""
    head = f"{line or f'POST /predict/{module} HTTP/1.1'}\r\nHost: localhost\r\n".encode()
    head += f"Content-Type: {content_type}\r\n".encode() if content_type is not None else b""
    head += f"Content-Length: {length or len(body)}\r\n".encode() if length is not None else b""
    return head + headers + b"\r\n" + body


def posted(name: str, module: str, body: bytes, expect: Expect, *, content_type: str | None = "application/json") -> Case:
    """The case of a correct POST of some body."""
    return Case(name, module, [request(module, body, content_type=content_type)], expect)
