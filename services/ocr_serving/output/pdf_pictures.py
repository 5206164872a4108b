"""Pictures of the pages of a PDF, in the fewest bytes that lose nothing."""

from __future__ import annotations

import io
from typing import Any

import PIL.Image

from ocr_serving.decoding.images import Image

FORMS = {"L": "/DeviceGray", "RGB": "/DeviceRGB", "1": "/DeviceGray"}
QUALITY = 92
"""Of a JPEG written anew, as one is that lies on its side."""


def of(pdf: Any, file: bytes, image: Image) -> Any:
    """`image`, uint8 BGR of H x W x 3, as an image XObject of `pdf`: by the bytes of its `file` as they are, if they will do."""
    import pikepdf

    jpeg = _jpeg(file, image)
    if jpeg is not None:
        data, form = jpeg
        about = {"/Filter": pikepdf.Name.DCTDecode, "/BitsPerComponent": 8}
    else:
        pixels = _least(image)
        form = pixels.mode
        bits, colours = (1, 1) if form == "1" else (8, len(form))
        data = _deflated(pixels)
        about = {"/Filter": pikepdf.Name.FlateDecode, "/BitsPerComponent": bits}
        about["/DecodeParms"] = pikepdf.Dictionary(Predictor=15, Colors=colours, BitsPerComponent=bits, Columns=pixels.width)
    stream = pikepdf.Stream(pdf, data)
    stream["/Type"], stream["/Subtype"] = pikepdf.Name.XObject, pikepdf.Name.Image
    stream["/Width"], stream["/Height"] = image.shape[1], image.shape[0]
    stream["/ColorSpace"] = pikepdf.Name(FORMS[form])
    for key, value in about.items():
        stream[key] = value
    return pdf.make_indirect(stream)


def _jpeg(file: bytes, image: Image) -> tuple[bytes, str] | None:
    """A JPEG's bytes and mode: as they are, or anew where it lies on its side or has colours for print; None for others."""
    if not file.startswith(b"\xff\xd8"):
        return None
    with PIL.Image.open(io.BytesIO(file)) as found:
        as_it_is = found.format == "JPEG" and found.mode in ("L", "RGB") and found.getexif().get(0x0112, 1) == 1
        if as_it_is and found.size == (image.shape[1], image.shape[0]):
            return file, found.mode
    out = io.BytesIO()
    PIL.Image.fromarray(image[:, :, ::-1]).save(out, "JPEG", quality=QUALITY)
    return out.getvalue(), "RGB"


def _least(image: Image) -> PIL.Image.Image:
    """The pixels in black and white, in greys or in colours, whichever is the least that loses nothing."""
    blue = image[:, :, 0]
    if not ((blue == image[:, :, 1]).all() and (blue == image[:, :, 2]).all()):
        return PIL.Image.fromarray(image[:, :, ::-1])
    grey = PIL.Image.fromarray(blue)
    return grey.point(lambda value: value, "1") if bool(((blue == 0) | (blue == 255)).all()) else grey


def _deflated(pixels: PIL.Image.Image) -> bytes:
    """The compressed rows of a PNG, which PDF's predictor 15 reads as they are."""
    out = io.BytesIO()
    pixels.save(out, "PNG")
    png, at, rows = out.getvalue(), 8, b""
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        if kind == b"IDAT":
            rows += png[at + 8 : at + 8 + length]
        at += 12 + length
    return rows
