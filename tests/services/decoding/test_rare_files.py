"""Files that few programs write: CMYK with further channels or of unknown sense, portable arbitrary maps, half precision."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from numpy.typing import NDArray

from ocr_serving.decoding import images
from ocr_serving.decoding.limits import Limits, Undecodable
from ocr_serving.errors import TooLargeError

PRINT = PIL.Image.new("L", (64, 48), 255)
PIL.ImageDraw.Draw(PRINT).rectangle((8, 10, 40, 20), fill=0)
GREY = np.asarray(PRINT)
SAYS = np.repeat(GREY[:, :, None], 3, axis=2)
"""The page that all of them show: a black bar on white."""


def decoded(data: bytes) -> NDArray[np.uint8]:
    found = images.from_bytes(data, where="it", limits=Limits())
    assert not isinstance(found, Undecodable), found.reason
    return found


def tiff(samples: NDArray[Any], photometric: int, sample_format: int, extra: int | None = None) -> bytes:
    """A TIFF of one strip of samples of shape (H, W, channels), the last of which is what `extra` says."""
    height, width, channels = samples.shape
    bits, strip = samples.dtype.itemsize * 8, samples.tobytes()
    at = 8 + len(strip)
    behind = strip + struct.pack(f"<{2 * channels}H", *[bits] * channels, *[sample_format] * channels)
    plain = channels == 1
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, bits if plain else at), (259, 3, 1, 1)]
    tags += [(262, 3, 1, photometric), (273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, height), (279, 4, 1, len(strip))]
    tags += [] if extra is None else [(338, 3, 1, extra)]
    tags += [(339, 3, channels, sample_format if plain else at + 2 * channels)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\x00" + struct.pack("<I", 8 + len(behind)) + behind + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_a_further_channel_of_cmyk_is_left_out(extra: int) -> None:
    ink = np.dstack([*[np.zeros_like(GREY)] * 3, 255 - GREY, np.full_like(GREY, 255)])
    assert (decoded(tiff(ink, 5, 1, extra)) == SAYS).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_half_precision_is_named(channels: int) -> None:
    half = np.repeat(GREY[:, :, None] / 255, channels, axis=2).astype(np.float16)
    found = images.from_bytes(tiff(half, 2 if channels == 3 else 1, 3), where="it", limits=Limits())
    assert isinstance(found, Undecodable)
    assert found.reason == (
        "it cannot be decoded: its samples are floating point of 16 bits, which are not read here: send it as a JPEG, PNG or PDF"
    )


@pytest.mark.parametrize("adobe", [True, False])
@pytest.mark.parametrize("turned", [False, True])
def test_cmyk_of_a_jpeg_that_does_not_say_which_way_round_it_is_shows_paper(*, adobe: bool, turned: bool) -> None:
    wanted = np.rot90(SAYS, -1) if turned else SAYS
    assert np.abs(decoded(bare_cmyk(adobe=adobe, turned=turned)).astype(int) - wanted).mean() < 4


def bare_cmyk(*, adobe: bool = False, turned: bool = False) -> bytes:
    """A JPEG of CMYK without Adobe's marker; `adobe`: in which 0 is all ink all the same."""
    ink = np.dstack([*[np.zeros_like(GREY)] * 3, 255 - GREY])
    file = io.BytesIO()
    # Pillow stores 0 for all ink, as Adobe does, and says so.
    exif = PIL.Image.Exif()
    exif[274] = 6 if turned else 1
    PIL.Image.fromarray(ink if adobe else 255 - ink, "CMYK").save(file, "JPEG", quality=95, exif=exif)
    data = file.getvalue()
    at = data.index(b"\xff\xee\x00\x0eAdobe")
    return data[:at] + data[at + 16 :]


def test_damaged_cmyk_that_opencv_takes_all_the_same_says_so() -> None:
    # A table of codes that is empty, where the last of the picture was.
    found = images.from_bytes(bare_cmyk()[:-20] + b"\xff\xc4\x00\x00\xff\xd9", where="it", limits=Limits())
    assert isinstance(found, Undecodable)
    assert found.reason.startswith("it cannot be decoded: it is not an image file that OpenCV reads, or it is damaged: ")


def portable(samples: NDArray[Any], kind: str, greatest: int = 255) -> bytes:
    height, width, depth = samples.shape
    head = f"P7\n# drawn\nWIDTH {width}\nHEIGHT {height}\nDEPTH {depth}\nMAXVAL {greatest}\nTUPLTYPE {kind}\nENDHDR\n"
    return head.encode() + samples.tobytes()


NOTHING = np.zeros_like(GREY)
SHARP = ((255 - GREY) // 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (portable(np.dstack([*[255 - NOTHING] * 3, 255 - GREY]), "RGB_ALPHA"), 255 - SAYS),
        (portable(np.dstack([*[NOTHING] * 3, 255 - GREY]), "RGB_ALPHA"), SAYS),
        (portable(np.dstack([255 - NOTHING, 255 - GREY]), "GRAYSCALE_ALPHA"), 255 - SAYS),
        (portable(np.dstack([NOTHING, 255 - GREY]).astype(">u2") * 257, "GRAYSCALE_ALPHA", 65535), SAYS),
        (portable(np.dstack([NOTHING, 255 - GREY]) // 17, "GRAYSCALE_ALPHA", 15), SAYS),
        (portable(1 - SHARP[:, :, None], "BLACKANDWHITE", 1), SAYS),
        (portable(np.dstack([NOTHING, SHARP]), "BLACKANDWHITE_ALPHA", 1), SAYS),
    ],
    ids=["white", "black", "grey white", "16 bits", "4 bits", "bits", "bits on nothing"],
)
def test_ink_on_nothing_of_a_portable_map_is_seen(data: bytes, wanted: NDArray[np.uint8]) -> None:
    assert (decoded(data) == wanted).all()


def test_a_portable_map_that_is_cut_off_or_too_large_says_so() -> None:
    data = portable(np.dstack([NOTHING, 255 - GREY]), "GRAYSCALE_ALPHA")
    assert isinstance(images.from_bytes(data[:-9], where="it", limits=Limits()), Undecodable)
    with pytest.raises(TooLargeError, match="64x48 pixels, over the limit of 100"):
        images.from_bytes(data, where="it", limits=Limits(max_pixels=100))
