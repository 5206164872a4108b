"""Portable arbitrary maps, of which OpenCV drops the transparency and takes black and white for nearly black. Pure.

https://netpbm.sourceforge.net/doc/pam.html
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = re.compile(rb"P7\n(.{0,4096}?)ENDHDR\n", re.DOTALL)

CHANNELS = {
    b"BLACKANDWHITE": (0, 0, 0),
    b"BLACKANDWHITE_ALPHA": (0, 0, 0, 1),
    b"GRAYSCALE_ALPHA": (0, 0, 0, 1),
    b"RGB_ALPHA": (2, 1, 0, 3),
}
"""Which samples are blue, green, red and opacity, of those types that OpenCV does not read as they are."""

DEEPEST = 65535


def over_nothing(data: bytes) -> NDArray[Any] | None:
    """A map of those types, uint8 or uint16 of shape (H, W, 3) or (H, W, 4); None where it is none, or ends too early."""
    head = HEADER.match(data)
    if head is None:
        return None
    said = dict(line.split(None, 1) for line in head[1].splitlines() if not line.startswith(b"#") and len(line.split(None, 1)) == 2)
    kind = CHANNELS.get(said.get(b"TUPLTYPE", b"").strip())
    try:
        width, height, depth, greatest = (int(said[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError):
        return None
    if kind is None or min(width, height) < 1 or depth != 1 + max(kind) or not 0 < greatest <= DEEPEST:
        return None
    sample = np.dtype(np.uint8 if greatest < 256 else ">u2")
    if len(data) - head.end() < width * height * depth * sample.itemsize:
        return None
    stored = np.frombuffer(data, sample, width * height * depth, head.end()).reshape(height, width, depth)
    full = np.iinfo(sample).max
    whole = stored if greatest == full else (np.minimum(stored, greatest).astype(np.uint32) * full // greatest)
    return whole.astype(sample.newbyteorder("="))[:, :, kind]
