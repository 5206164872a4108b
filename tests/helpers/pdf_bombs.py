"""PDFs of some kilobytes that cost whoever opens them gigabytes, or no end of time. Most readers show a page of theirs at once."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping

import pikepdf

from helpers import pdfs

MB = 2**20

PLAIN = {
    1: b"<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>",
    2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>>>",
}
"""A page, and outlines, the object 4, for which no page has a use."""


def lzw(megabytes: int) -> bytes:
    """So many MiB of spaces, or a few more, packed by LZW as PDFs have it (ISO 32000-1, 7.4.4)."""
    codes = [32, *range(258, 4094)]
    # Whoever unpacks adds an entry with each code but the first, and codes grow one entry early.
    block = "".join(f"{code:0{(258 + max(0, n - 1) + 1).bit_length()}b}" for n, code in enumerate(codes)) + f"{256:012b}"
    spaces = sum(1 if code == 32 else code - 256 for code in codes)
    bits = f"{256:09b}" + block * (megabytes * MB // spaces + 1) + f"{257:09b}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def flate(megabytes: int, begin: bytes = b"", end: bytes = b"") -> bytes:
    """So many MiB of spaces between `begin` and `end`, packed by Flate."""
    squeeze = zlib.compressobj(9)
    spaces = b"".join(squeeze.compress(b" " * MB) for _ in range(megabytes))
    return squeeze.compress(begin) + spaces + squeeze.compress(end) + squeeze.flush()


def _content(filters: list[str], packed: bytes) -> bytes:
    """A page whose content is `packed` by `filters`, and then once more."""
    with pikepdf.open(io.BytesIO(pdfs.of_text(["own"]))) as made:
        stream = pikepdf.Stream(made, zlib.compress(packed, 9))
        stream["/Filter"] = pikepdf.Array([pikepdf.Name(f"/{name}") for name in ["FlateDecode", *filters]])
        made.pages[0].obj["/Contents"] = made.make_indirect(stream)
        return pdfs.saved(made)


def _stores(filters: bytes, packed: bytes, count: int = 1) -> bytes:
    """So many outlines, each alone in an object stream, which is packed so."""
    numbers = range(4, 4 + count)
    outlines = b"[%b]" % b" ".join(b"%d 0 R" % number for number in numbers)
    stores = {number + count: pdfs.object_stream(packed, 1, 4, filters) for number in numbers}
    catalog = PLAIN[1].replace(b"4 0 R", outlines)
    return pdfs.of_objects(PLAIN | {1: catalog} | stores, {number: (number + count, 0) for number in numbers})


def _circle() -> bytes:
    """Nodes of the pages' tree that hold each other."""
    tree = {2: b"<</Type/Pages/Kids[3 0 R 2 0 R 4 0 R]/Count 3>>", 4: b"<</Type/Pages/Kids[2 0 R]/Count 1/Parent 2 0 R>>"}
    return pdfs.of_objects(PLAIN | tree)


def _repeated(megabytes: int) -> bytes:
    """One page, again and again."""
    tree = zlib.compress(b"2 0 <</Type/Pages/Count 9999999/Kids[" + b"3 0 R " * (megabytes * MB // 6) + b"]>>", 9)
    objects = {1: PLAIN[1], 3: PLAIN[3], 4: b"<<>>", 5: pdfs.object_stream(tree, 1, 4)}
    return pdfs.of_objects(objects, {2: (5, 0)})


def _free(megabytes: int) -> bytes:
    """A table of objects, none of which are there."""
    plain = pdfs.of_objects(PLAIN | {4: b"<<>>"})
    file, table = plain[: plain.rindex(b"5 0 obj")], flate(megabytes)
    about = b"/Type/XRef/Size 2147483647/W[1 4 1]/Root 1 0 R/Filter/FlateDecode/Length %d" % len(table)
    return file + b"5 0 obj\n<<%b>>\nstream\n%b\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (about, table, len(file))


def bombs(megabytes: int) -> Mapping[str, Callable[[], bytes]]:
    """Each by its name; what is packed in them comes to so many MiB."""
    return {
        "content by LZW": lambda: _content(["LZWDecode"], lzw(megabytes)),
        "content in hexadecimal": lambda: _content(["ASCIIHexDecode", "LZWDecode"], lzw(megabytes).hex().encode() + b">"),
        "content by run lengths": lambda: _content(["RunLengthDecode"], b"\x81 " * (megabytes * MB // 128) + b"\x80"),
        "objects by Flate": lambda: _stores(b"/FlateDecode", flate(megabytes)),
        "objects by LZW": lambda: _stores(b"/LZWDecode", lzw(megabytes)),
        "objects by both": lambda: _stores(b"/FlateDecode/LZWDecode", zlib.compress(lzw(megabytes), 9)),
        "many objects": lambda: _stores(b"/FlateDecode", flate(megabytes // 64), count=64),
        "a long list": lambda: _stores(b"/FlateDecode", zlib.compress(b"4 0 [" + b"1 " * (megabytes * MB // 16) + b"]", 9)),
        "lists in lists": lambda: _stores(b"/FlateDecode", zlib.compress(b"4 0 " + b"[" * MB + b"]" * MB, 9)),
        "a circle of pages": _circle,
        "a page again and again": lambda: _repeated(megabytes // 8),
        "objects that are not there": lambda: _free(megabytes),
    }
