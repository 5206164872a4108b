"""What a process and its decoding process say to each other. Pure.

Each message is a line of JSON, never a pickle: whoever breaks a decoder must not thereby reach the process that asked. The bytes of
a file follow their `Open` as a message of their own; pixels do not travel but lie in a memory file that both hold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["picture", "pdf", "tiff"]


@dataclass(frozen=True)
class Open:
    """A file to hold on to, in place of the last; its bytes follow. `limits` are the fields of `Limits`."""

    kind: Kind
    limits: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Decode:
    """A page of the file that is open, counted from 0, to be decoded within so many CPU seconds."""

    page: int
    seconds: float


@dataclass(frozen=True)
class Read:
    """The text that a page of the PDF that is open has of its own, to be read within so many CPU seconds."""

    page: int
    seconds: float


@dataclass(frozen=True)
class Measure:
    """How large the units are of the pages of the PDF that is open, from `first`, counted from 0, up to the `most`-th."""

    first: int
    most: int
    seconds: float


@dataclass(frozen=True)
class Overlay:
    """Words to be added to so many pages of the PDF that is open: those of one after the other are asked for by `More`, as they
    are not to be in memory at once.
    """

    title: str
    pages: int
    seconds: float


@dataclass(frozen=True)
class More:
    """The decoding process wants the words of the next page."""


@dataclass(frozen=True)
class Words:
    """The words of a page: the fields of a `searchable.overlay.PageText`, in its order."""

    page: list[Any]


@dataclass(frozen=True)
class Close:
    """The file may be forgotten."""


@dataclass(frozen=True)
class Opened:
    """The file has so many pages; `broken` says that its list of them ends in the middle."""

    pages: int
    broken: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Pixels:
    """A picture, BGR uint8, lies in the memory file. `smaller`: than `pdf_dpi` asks for. `empty`: of one colour, though the page
    has content. `last`: the process ends now.
    """

    height: int
    width: int
    smaller: bool = False
    empty: bool = False
    last: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Written:
    """What is written on the page: the fields of `pdf_words.PdfPage`."""

    page: dict[str, Any]
    seconds: float = 0.0


@dataclass(frozen=True)
class Measured:
    """What a unit of each of these pages is, in points."""

    units: list[float]
    seconds: float = 0.0


@dataclass(frozen=True)
class Overlaid:
    """The PDF with the words, of `size` bytes, lies in the memory file. `last`: the process ends now."""

    size: int
    last: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Refused:
    """No answer, and why: "damaged", "locked" by a password, "large", "memory", "late" or "other", of which `detail` says more, or
    "unwritable", of which it is all that is to be said. `last`: the process ends now.
    """

    why: Literal["damaged", "locked", "large", "memory", "late", "other", "unwritable"]
    detail: str = ""
    seconds: float = 0.0
    last: bool = False


Message = (
    Open | Decode | Read | Measure | Overlay | More | Words | Close | Opened | Pixels | Written | Measured | Overlaid | Refused
)

_TYPES: dict[str, type[Message]] = {
    kind.__name__: kind
    for kind in (Open, Decode, Read, Measure, Overlay, More, Words, Close, Opened, Pixels, Written, Measured, Overlaid, Refused)
}


def packed(message: Message) -> bytes:
    """The message as bytes."""
    return json.dumps({"is": type(message).__name__} | vars(message)).encode()


def unpacked(data: bytes) -> Message:
    """The message in `data`. Raises ValueError where it is none."""
    try:
        fields = json.loads(data)
        return _TYPES[fields.pop("is")](**fields)
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"not a message: {exc!r}") from None
