"""What the directories of a TIFF say of its pages, first of all whether their compression is one that is read here. Pure.

libtiff answers a page of a compression that it does not know with black pixels, as if that were what stands there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 254, 256, 257, 258, 259, 262, 277
EXTRA_SAMPLES, SAMPLE_FORMAT = 338, 339
"""Tags of fields (TIFF 6.0, sections 7 and 8)."""

RGB, SEPARATED = 2, 5
"""The photometric interpretations of colour, and of CMYK."""

HALF, FLOATING = 16, 3
"""Bits of a sample of half precision, and the format of samples of floating point."""

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
    where, size, _ = next((found for name, *found in _fields(data, at) if name == tag), (len(data), 0, 0))
    return int.from_bytes(data[where : where + size], _layout(data)[0])


def is_half(data: bytes, page: int) -> bool:
    """Whether the samples of a page, counted from 0, are floating point of 16 bits, which nothing here reads."""
    return field(data, page, BITS) == HALF and field(data, page, SAMPLE_FORMAT) == FLOATING


def with_any_extras(data: bytes) -> bytes:
    """A TIFF whose pages of CMYK do not say what their further samples are: Pillow leaves such out, and reads no others."""
    plain = bytearray(data)
    for at in directories(data):
        fields = {tag: found for tag, *found in _fields(data, at)}
        if EXTRA_SAMPLES in fields and PHOTOMETRIC in fields:
            where, size, _ = fields[PHOTOMETRIC]
            if int.from_bytes(data[where : where + size], _layout(data)[0]) == SEPARATED:
                where, size, count = fields[EXTRA_SAMPLES]
                end = min(where + size * count, len(data))
                plain[where:end] = bytes(max(0, end - where))
    return bytes(plain)


def _fields(data: bytes, at: int) -> Iterator[tuple[int, int, int, int]]:
    """Of each field of the directory at `at` its tag, where its numbers begin, bytes of each, and how many there are."""
    order, is_big = _layout(data)
    count_bytes, entry, wide = (8, 20, 8) if is_big else (2, 12, 4)
    first = at + count_bytes
    for begin in range(first, min(first + entry * int.from_bytes(data[at:first], order), len(data)), entry):
        size = BYTES_OF.get(int.from_bytes(data[begin + 2 : begin + 4], order), 2)
        where = begin + entry - wide
        count = int.from_bytes(data[begin + 4 : where], order)
        inside = size * count <= wide
        yield (
            int.from_bytes(data[begin : begin + 2], order),
            where if inside else int.from_bytes(data[where : where + wide], order),
            size,
            count,
        )


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
