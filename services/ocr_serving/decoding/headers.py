"""What the first bytes of a file tell before anything of it is decoded: its format, size and traps. Pure."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import PIL.ExifTags
import PIL.Image

# `Limits.max_pixels` decides, with an answer of its own; Pillow only reads headers here.
PIL.Image.MAX_IMAGE_PIXELS = None

HEADERS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "SUN")
"""Formats whose headers Pillow reads here: those OpenCV decodes. Its readers of all others stay away from strangers' bytes."""

MAX_SCANS = 100
"""Scans of a progressive JPEG: encoders write about ten, each of a few bytes costs a pass over all pixels."""

LIGHT = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM")
"""Formats whose decoders take time and memory in proportion to the pixels, whatever the file holds."""

LIGHT_PIXELS = 16_000_000
"""Pixels up to which a light format is decoded on the spot: an A4 page at 400 dpi."""

LIGHT_SCANS = 12
"""Passes over so many pixels that are still light."""


@dataclass(frozen=True)
class Header:
    """Format, size in pixels as stored, whether there is transparency, the EXIF orientation that the decoder will not apply,
    whether the file is an animation, whether its samples are signed or wider than 16 bits, whether it is grey with transparency
    that OpenCV drops, and whether it is CMYK of which nothing says which way round: 0 may be all ink, as Adobe has it, or none.
    """

    format: str
    width: int
    height: int
    alpha: bool
    orientation: int
    animated: bool
    odd_samples: bool = False
    dropped_alpha: bool = False
    bare_cmyk: bool = False


def read(data: bytes) -> Header | None:
    """What the first bytes say, without decoding; None where Pillow does not know the format."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(data), formats=HEADERS) as image:
                return of(image, data)
    except Exception:  # noqa: BLE001  Pillow raises many types on damaged files; the decoder has the last word
        return None


def of(image: PIL.Image.Image, data: bytes = b"") -> Header:
    """The header of the frame or page that `image` stands at, of the file `data`, where what stands at its end matters."""
    # A JPEG with more pictures behind the first, as telephones write them.
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    # OpenCV gives the transparency of grey images for PNG alone.
    dropped = image.mode == "LA" and kind != "PNG"
    bare = kind == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info
    alpha = image.mode == "RGBA" or "transparency" in image.info or (image.mode == "LA" and not dropped)
    # OpenCV turns what it reads as colour, not what it reads unchanged, and never AVIF; TIFF always.
    ours = kind == "AVIF" or (alpha and kind in ("PNG", "WEBP"))
    # Writers put a PNG's orientation behind its pixels, too, where Pillow has not been yet.
    exif = image.info.get("exif", b"") or (_png_exif(data) if ours and kind == "PNG" else b"")
    orientation = _orientation(exif) if ours else 1
    # Of the others `is_animated` is not asked: it would walk the directories of a TIFF, however many there are.
    animated = kind in ("GIF", "PNG", "WEBP", "AVIF") and bool(getattr(image, "is_animated", False))
    return Header(kind, image.width, image.height, alpha, orientation, animated, _has_odd_samples(image), dropped, bare)


def is_light(header: Header | None, data: bytes) -> bool:
    """Whether decoding `data` takes no more than its size says, and that is little; everything else may cost anything."""
    if header is None or header.format not in LIGHT:
        return False
    passes = max(1, jpeg_scans(data) / LIGHT_SCANS) if header.format == "JPEG" else 1
    return header.width * header.height * passes <= LIGHT_PIXELS


def _orientation(exif: bytes) -> int:
    tags = PIL.Image.Exif()
    with contextlib.suppress(Exception):
        tags.load(exif)
    found = tags.get(PIL.ExifTags.Base.Orientation, 1)
    return found if isinstance(found, int) else 1


SAMPLE_FORMAT, UNSIGNED = 339, 1


def _has_odd_samples(image: PIL.Image.Image) -> bool:
    if image.format == "TIFF":
        # Floating point comes as it is from OpenCV; whole numbers with a sign it takes for such without.
        return int(image.tag_v2.get(SAMPLE_FORMAT, (UNSIGNED,))[0]) != UNSIGNED  # type: ignore[attr-defined]
    return image.mode == "F"


def trap(data: bytes) -> str | None:
    """Why a small file would cost the decoder minutes or gigabytes; None where it would not."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and _png_chunk_overruns(data):
        # libpng's caller reserves, and reads byte by byte, whatever length stands there: up to 4 GiB.
        return "a PNG chunk says that it is longer than the file, as if that had been cut off: send the whole file"
    if data.startswith(b"\xff\xd8") and jpeg_scans(data) > MAX_SCANS:
        return f"a JPEG of more than {MAX_SCANS} scans"
    return None


def _png_chunk_overruns(data: bytes) -> bool:
    return any(end > len(data) for _, _, end in _png_chunks(data))


def _png_exif(data: bytes) -> bytes:
    return next((data[begin:end] for name, begin, end in _png_chunks(data) if name == b"eXIf"), b"")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, and where the content begins and ends, of each chunk before the last; an end beyond the file's is the last, too."""
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        begin = at + 8
        end = begin + int.from_bytes(data[at : at + 4])
        yield data[at + 4 : begin], begin, end
        at = end + 4


def is_cut_off(data: bytes) -> bool:
    """Whether a picture that no decoder takes lacks its end, as after an upload that broke off."""
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-AFTER_END:]
    if data.startswith(b"GIF8"):
        return b";" not in data[-AFTER_END:]
    if data.startswith(b"RIFF"):
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    return data.startswith(b"BM") and int.from_bytes(data[2:6], "little") > len(data)


AFTER_END = 64
"""Bytes at the end of a file in which its last marker is looked for: some writers have a few of their own behind it."""

JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
START_OF_SCAN, END_OF_IMAGE = b"\xda", b"\xd9"


def jpeg_scans(data: bytes) -> int:
    """Scans of a JPEG file, counted up to one more than `MAX_SCANS`."""
    scans = 0
    at = 2
    while (marker := JPEG_MARKER.search(data, at)) and marker[1] != END_OF_IMAGE and scans <= MAX_SCANS:
        scans += marker[1] == START_OF_SCAN
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    return scans


TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def is_tiff(data: bytes) -> bool:
    """Whether the bytes begin as a TIFF or BigTIFF does."""
    return data.startswith(TIFF_MAGIC)


def has_second_page(data: bytes) -> bool:
    """Whether the first directory of a TIFF or BigTIFF names a second one."""
    if not is_tiff(data):
        return False
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    wide = 43 in (data[2], data[3])
    at = int.from_bytes(data[8:16] if wide else data[4:8], order)
    count, entry, pointer = (8, 20, 8) if wide else (2, 12, 4)
    after = at + count + entry * int.from_bytes(data[at : at + count], order)
    return int.from_bytes(data[after : after + pointer], order) != 0


_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "a HEIC picture"),
    **dict.fromkeys((b"crx ",), "a raw photograph (CR3)"),
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V "), "a video"),
}
"""Major brands of ISO base media files that are no picture OpenCV reads."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x00\x00\x01\x00", "an ICO icon"),
    (b"\x00\x00\x02\x00\x00\x00\x00\x00", "a TGA picture"),
    (b"\x00\x00\x0a\x00\x00\x00\x00\x00", "a TGA picture"),
    (b"\x00\x00\x02\x00", "a CUR cursor"),
    (b"icns", "an ICNS icon"),
    (b"8BPS", "a Photoshop file (PSD)"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"II\xbc", "a JPEG XR picture"),
    (b"\x97JB2\r\n\x1a\n", "a JBIG2 picture"),
    (b"DDS ", "a DDS texture"),
    (b"qoif", "a QOI picture"),
    (b"\x01\xda", "an SGI picture"),
    (b"FUJIFILMCCD-RAW", "a raw photograph (RAF)"),
    (b"AT&TFORM", "a DjVu document"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS picture"),
    (b"\xd7\xcd\xc6\x9a", "a WMF picture"),
    (b"\x0a\x05\x01\x08", "a PCX picture"),
    (b"gimp xcf", "a GIMP file (XCF)"),
    (b"PK\x03\x04", "a ZIP archive, or an office document, which is one"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"{\\rtf", "an RTF document"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"(\xb5/\xfd", "a Zstandard archive"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound or a video"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "a database"),
)

_SIGNATURES_WITHIN: tuple[tuple[int, bytes, str], ...] = (
    (40, b" EMF", "an EMF picture"),
    (128, b"DICM", "a DICOM file"),
    (257, b"ustar", "a tar archive"),
)


def foreign(data: bytes) -> str | None:
    """What a file is that nothing here reads, with its article ("a HEIC picture"); None where that is not known."""
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        return _BRANDS[data[8:12]]
    named = next((name for signature, name in _SIGNATURES if data.startswith(signature)), None)
    if named is not None:
        return named
    within = next((name for at, signature, name in _SIGNATURES_WITHIN if data.startswith(signature, at)), None)
    return within or _markup(data[:4096])


def is_base64(data: bytes) -> bool:
    """Whether a file is itself the base64 of one: some callers encode twice."""
    head = data[:4096].partition(b";base64,")[2] if data.startswith(b"data:") else data[:4096]
    return len(head) >= 64 and re.fullmatch(rb"[A-Za-z0-9+/\s]+=*\s*", head) is not None and len(head.split()) <= 1 + len(head) / 60


def is_text(data: bytes) -> bool:
    """Whether a file that no decoder takes is plain text: small pictures may look so, too."""
    head = data[:4096]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return len(head) > 2
    # The last character may be cut.
    text = head.decode("utf-8", "replace").rstrip("\ufffd")
    return len(text) >= 8 and all(letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text)


def _markup(head: bytes) -> str | None:
    """SVG or HTML, in UTF-8 or UTF-16, behind a byte-order mark, an XML declaration, comments and white space."""
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(head[:2], "utf-8")
    text = head.decode(encoding, "replace").lstrip("\ufeff \t\r\n").lower()
    if not text.startswith("<"):
        return None
    if re.search(r"<(\w+:)?svg[\s/>]", text):
        return "an SVG drawing"
    if re.match(r"(<\?xml[^>]*>|<!--.*?-->|\s)*<(!doctype html|html|head|body)[\s>]", text, re.DOTALL):
        return "an HTML page"
    return None
