"""PDF/A-2b (ISO 19005-2, level B): whether a file may call itself so, and what it needs to say then."""

from __future__ import annotations

import io
from typing import Any

FORBIDDEN_OF_FILE = ("/AcroForm", "/OpenAction", "/AA", "/OCProperties", "/Names", "/Perms", "/Requirements")
FORBIDDEN_OF_PAGE = ("/AA", "/Annots", "/PresSteps", "/Group")
FILTERS = ("/DCTDecode", "/FlateDecode", "/CCITTFaxDecode", "/JBIG2Decode", "/RunLengthDecode")
COLOURS = ("/DeviceGray", "/DeviceRGB", "/CalGray", "/CalRGB")


def allows(pdf: Any) -> bool:
    """Whether a file that does not claim to be PDF/A surely can: pages of scanned pictures, and nothing else.

    Fonts, forms, annotations and scripts have rules of their own, which are not judged here: such a file stays what it is. One that
    claims to be PDF/A keeps its claim, as nothing that is added is against it.
    """
    import pikepdf

    if pdf.is_encrypted or any(key in pdf.Root for key in FORBIDDEN_OF_FILE) or "/Metadata" in pdf.Root:
        return False
    try:
        return all(_only_pictures(page) for page in pdf.pages)
    except (pikepdf.PdfError, TypeError, ValueError, KeyError, AttributeError):
        return False


def _only_pictures(page: Any) -> bool:
    if any(key in page.obj for key in FORBIDDEN_OF_PAGE):
        return False
    resources = page.resources
    if any(key not in ("/XObject", "/ProcSet") and len(list(resources[key].keys())) for key in resources.keys()):  # noqa: SIM118
        return False
    objects = resources.get("/XObject", {})
    return all(_is_plain(objects[key]) for key in objects.keys())  # noqa: SIM118


def _is_plain(stream: Any) -> bool:
    """Whether an image is of a form that needs no proof."""
    if str(stream.get("/Subtype")) != "/Image" or any(key in stream for key in ("/SMask", "/Alternates", "/OPI", "/SMaskInData")):
        return False
    if bool(stream.get("/Interpolate", False)):
        return False
    filters = stream.get("/Filter")
    names = [] if filters is None else [filters] if str(filters).startswith("/") else list(filters)
    if any(str(name) not in FILTERS for name in names):
        return False
    if bool(stream.get("/ImageMask", False)):
        return True
    colour = stream.get("/ColorSpace")
    return str(colour) in COLOURS or (not str(colour).startswith("/") and str(colour[0]) in ("/CalGray", "/CalRGB"))


def declare(pdf: Any, title: str) -> None:
    """Give `pdf` what PDF/A-2b asks for: a profile of its colours, and metadata that says so."""
    import pikepdf
    from PIL import ImageCms

    profile = pikepdf.Stream(pdf, _srgb(ImageCms))
    profile["/N"] = 3
    intent = pikepdf.Dictionary(
        Type=pikepdf.Name.OutputIntent,
        S=pikepdf.Name.GTS_PDFA1,
        OutputConditionIdentifier=b"sRGB IEC61966-2.1",
        Info=b"sRGB IEC61966-2.1",
        DestOutputProfile=pdf.make_indirect(profile),
    )
    pdf.Root["/OutputIntents"] = pikepdf.Array([pdf.make_indirect(intent)])
    with pdf.open_metadata(set_pikepdf_as_editor=False) as metadata:
        metadata["dc:title"] = title
        metadata["pdf:Producer"] = "ocr-serving"
        metadata["pdfaid:part"] = "2"
        metadata["pdfaid:conformance"] = "B"
    for key in list(pdf.docinfo.keys()):
        del pdf.docinfo[key]
    pdf.docinfo["/Title"] = title
    pdf.docinfo["/Producer"] = "ocr-serving"


def _srgb(colours: Any) -> bytes:
    profile = colours.ImageCmsProfile(colours.createProfile("sRGB"))
    data: bytes = profile.tobytes()
    return data if data else io.BytesIO().getvalue()
