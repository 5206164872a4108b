"""A TrueType font without ink: a glyph that is a stroke of no width, all that invisible text needs. Pure.

Readers take the box around a glyph for the place of a letter, so that it may not be empty.

Made here table by table (OpenType 1.9, "Font File"), so that no font's licence comes with the documents.
"""

from __future__ import annotations

import functools
import struct

UNITS = 1000
WIDTH = 500
"""Advance of a glyph, of `UNITS` to the em."""

ASCENT, DESCENT = 800, -200


@functools.cache
def font() -> bytes:
    """The font file: the glyphs .notdef, which is empty, and 1, from corner to corner and back; both `WIDTH` wide."""
    stroke = struct.pack(">hhhhhHHBBhhhh", 1, 0, DESCENT, WIDTH, ASCENT, 1, 0, 1, 1, 0, WIDTH, DESCENT, ASCENT - DESCENT)
    head = struct.pack(
        ">IIIIHHQQhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0b11, UNITS, 0, 0, 0, DESCENT, WIDTH, ASCENT, 0, 8, 2, 0, 0
    )
    hhea = struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, ASCENT, DESCENT, 0, WIDTH, 0, 0, WIDTH, 1, 0, 0, 0, 0, 0, 0, 0, 2)
    maxp = struct.pack(">IHHHHHHHHHHHHHH", 0x10000, 2, 2, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)
    hmtx = struct.pack(">HhHh", WIDTH, 0, WIDTH, 0)
    tables = {
        "glyf": stroke,
        "head": head,
        "hhea": hhea,
        "hmtx": hmtx,
        "loca": struct.pack(">HHH", 0, 0, len(stroke) // 2),
        "maxp": maxp,
    }
    offset = 12 + 16 * len(tables)
    directory, body = struct.pack(">IHHHH", 0x10000, len(tables), 64, 2, 16 * len(tables) - 64), b""
    for tag, table in sorted(tables.items()):
        directory += struct.pack(">4sIII", tag.encode(), _checksum(table), offset + len(body), len(table))
        body += table + bytes(-len(table) % 4)
    whole = bytearray(directory + body)
    at = offset + sum(len(table) + -len(table) % 4 for tag, table in sorted(tables.items()) if tag < "head") + 8
    whole[at : at + 4] = struct.pack(">I", (0xB1B0AFBA - _checksum(bytes(whole))) & 0xFFFFFFFF)
    return bytes(whole)


def _checksum(table: bytes) -> int:
    padded = table + bytes(-len(table) % 4)
    total: int = sum(struct.unpack(f">{len(padded) // 4}I", padded))
    return total & 0xFFFFFFFF
