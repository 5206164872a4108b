"""ToUnicode CMaps: what the codes of a PDF's font stand for (ISO 32000-1, 9.10.3). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

MOST_ENTRIES = 100
"""Entries that a block of a CMap has at most."""


def to_unicode(size: int, kind: Literal["bfchar", "bfrange"], entries: Sequence[str]) -> bytes:
    """The CMap of a font whose codes have `size` bytes; `entries` are of single codes (bfchar) or of ranges of them (bfrange)."""
    blocks = [entries[start : start + MOST_ENTRIES] for start in range(0, len(entries), MOST_ENTRIES)]
    listed = "\n".join(f"{len(block)} begin{kind}\n" + "\n".join(block) + f"\nend{kind}" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS)"
        " /Supplement 0 >> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n"
        f"<{'00' * size}> <{'FF' * size}>\nendcodespacerange\n{listed}\nendcmap\nCMapName currentdict /CMap defineresource pop\n"
        "end\nend\n"
    ).encode("ascii")
