"""Image files put together by hand, where no library writes what is wanted: truth and lies alike."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column, row step, column step of the seven passes of an interlaced PNG."""


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG chunk with its right length and CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def ihdr(width: int, height: int, *, depth: int = 8, colour: int = 2, interlaced: bool = False) -> bytes:
    """The header chunk of a PNG."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png(*chunks: bytes) -> bytes:
    """A PNG file of some chunks and an end."""
    return PNG_SIGNATURE + b"".join(chunks) + chunk(b"IEND")


def interlaced_png(rgb: NDArray[np.uint8]) -> bytes:
    """`rgb`, shape (H, W, 3), as an Adam7 PNG."""
    passes = (rgb[top::down, left::right] for top, left, down, right in ADAM7)
    rows = b"".join(b"\x00" + row.tobytes() for part in passes for row in part)
    return png(ihdr(rgb.shape[1], rgb.shape[0], interlaced=True), chunk(b"IDAT", zlib.compress(rows)))


def with_png_size(data: bytes, width: int, height: int) -> bytes:
    """A PNG file that claims another size, its CRC in order."""
    depth, colour = data[24], data[25]
    return PNG_SIGNATURE + ihdr(width, height, depth=depth, colour=colour) + data[33:]


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    """A JPEG file that claims another size."""
    frame = min(at for at in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if at >= 0)
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def with_scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated `count` times."""
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * count + data[-2:]


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """`data` with `new` written over what stands at `at`."""
    return data[:at] + new + data[at + len(new) :]


def tiff(width: int, height: int, pixels: bytes, changes: Mapping[int, int], *, next_ifd: int = 0) -> bytes:
    """A little-endian RGB TIFF of one uncompressed strip; `changes` sets tags."""
    bits_at = 8 + len(pixels)
    tags = {256: width, 257: height, 258: bits_at, 259: 1, 262: 2, 273: 8, 277: 3, 278: height, 279: len(pixels)} | dict(changes)
    if 322 in tags:
        tags = {tag: value for tag, value in tags.items() if tag not in (273, 278, 279)}
    entries = b"".join(struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, tags[tag]) for tag in sorted(tags))
    directory_at = bits_at + 6
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_ifd)
    return b"II*\x00" + struct.pack("<I", directory_at) + pixels + struct.pack("<HHH", 8, 8, 8) + directory


def tiled_tiff(rgb: NDArray[np.uint8]) -> bytes:
    """`rgb`, shape (H, W, 3), as a TIFF of a single tile, whose sides are multiples of 64 (16 would do, but not for OpenCV)."""
    height, width = rgb.shape[:2]
    tile = np.zeros((-height // 64 * -64, -width // 64 * -64, 3), np.uint8)
    tile[:height, :width] = rgb
    return tiff(width, height, tile.tobytes(), {322: tile.shape[1], 323: tile.shape[0], 324: 8, 325: tile.size})
