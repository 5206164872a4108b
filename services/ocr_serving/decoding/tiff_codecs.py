"""What the directories of a TIFF say of its pages, first of all whether their compression is one that is read here. Pure.

libtiff answers a page of a compression that it does not know with black pixels, as if that were what stands there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

SUBFILE_TYPE, WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, SAMPLES = 254, 256, 257, 259, 262, 277
"""Tags of fields (TIFF 6.0, sections 7 and 8)."""

RGB = 2
"""The photometric interpretation of colour."""

BYTES_OF = {1: 1, 3: 2, 4: 4, 16: 8}
"""Bytes of a value of each type of whole numbers."""

READ = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32766, 32771, 32773, 32809, 32909, 32946, 34676, 34677, 34925, 50000, 50001))
"""Compressions that libtiff has decoders of, or Pillow."""

NAMES = {
    9: "JBIG",
    10: "JBIG",
    34661: "JBIG",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34715: "JBIG2",
    34887: "LERC",
    34892: "lossy JPEG of a raw photograph",
    34926: "Zstandard under an old number",
    34927: "WebP under an old number",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50002: "JPEG XL",
    52546: "JPEG XL",
}


def unread(data: bytes, page: int) -> str | None:
    """What the compression of a page, counted from 0, of the TIFF `data` is, where it is none that is read here; else None."""
    code = field(data, page, COMPRESSION) or 1
    return None if code in READ else f"{NAMES[code]} ({code})" if code in NAMES else f"number {code}"


def field(data: bytes, page: int, tag: int) -> int:
    """The first number in a field of a page, counted from 0; 0 where the page has no such field, or the file ends before."""
    at = next(itertools.islice(directories(data), page, None), len(data))
    order, is_big = _layout(data)
    count_bytes, entry, wide = (8, 20, 8) if is_big else (2, 12, 4)
    first = at + count_bytes
    for begin in range(first, min(first + entry * int.from_bytes(data[at:first], order), len(data)), entry):
        if int.from_bytes(data[begin : begin + 2], order) == tag:
            value = begin + entry - wide
            return int.from_bytes(data[value : value + BYTES_OF.get(int.from_bytes(data[begin + 2 : begin + 4], order), 2)], order)
    return 0


def directories(data: bytes) -> Iterator[int]:
    """Where each directory of a TIFF begins, each once."""
    order, is_big = _layout(data)
    count_bytes, entry, wide = (8, 20, 8) if is_big else (2, 12, 4)
    at = int.from_bytes(data[8:16] if is_big else data[4:8], order)
    seen: set[int] = set()
    while 0 < at < len(data) and at not in seen:
        seen.add(at)
        yield at
        after = at + count_bytes + entry * int.from_bytes(data[at : at + count_bytes], order)
        at = int.from_bytes(data[after : after + wide], order)


def _layout(data: bytes) -> tuple[Literal["little", "big"], bool]:
    return "little" if data[:2] == b"II" else "big", 43 in data[2:4]
