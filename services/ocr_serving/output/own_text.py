"""A PDF's own text taken out of what is found, selected and copied; the page looks as it did.

The fonts of a page that was read anew say of each of their letters that it is a space (/ToUnicode, ISO 32000-1, 9.10.3), which
poppler, PDFium, MuPDF and pypdf leave out. Letters are drawn by their codes and not by what they stand for.
"""

from __future__ import annotations

from typing import Any

INVISIBLE = 3
"""Text rendering mode (ISO 32000-1, 9.3.6)."""

SHOWN = ("Tj", "TJ", "'", '"')
"""The operators that show text."""

DEEPEST = 20
"""Forms inside forms that are followed."""

STANDS_FOR = "/ActualText"
"""What marked content says that it stands for, whatever its letters are (ISO 32000-1, 14.9.4)."""


class Silence:
    """Takes the text of pages of one file out of what readers find; fonts and forms that several pages share are copied once."""

    def __init__(self, pdf: Any) -> None:
        self._pdf = pdf
        self._copies: dict[tuple[int, int], Any] = {}
        self._spaces: dict[int, Any] = {}

    def page(self, place: Any) -> None:
        """Silence all text of a page's content, of its forms too, and drop what of it is invisible; annotations stay.

        A content that cannot be parsed keeps its invisible text, without its letters.
        """
        import pikepdf

        place.obj["/Resources"] = self._resources(place.resources, 0)
        try:
            instructions = list(pikepdf.parse_content_stream(place))
        except pikepdf.PdfError:
            return
        kept = _kept(instructions)
        if kept is not None:
            place.obj["/Contents"] = self._pdf.make_stream(pikepdf.unparse_content_stream(kept))

    def _resources(self, resources: Any, depth: int) -> Any:
        import pikepdf

        found = pikepdf.Dictionary(dict(resources.items()))
        for key, change in (("/Font", self._font), ("/XObject", self._form), ("/Properties", _without_text)):
            if isinstance(named := resources.get(key), pikepdf.Dictionary):
                found[key] = pikepdf.Dictionary({name: change(value, depth) for name, value in named.items()})
        return found

    def _font(self, font: Any, _: int) -> Any:
        import pikepdf

        if not isinstance(font, pikepdf.Dictionary):
            return font
        if font.objgen in self._copies:
            return self._copies[font.objgen]
        copy = self._pdf.make_indirect(pikepdf.Dictionary(dict(font.items())))
        copy["/ToUnicode"] = self._all_spaces(2 if str(font.get("/Subtype")) == "/Type0" else 1)
        return self._remembered(font, copy)

    def _form(self, form: Any, depth: int) -> Any:
        import pikepdf

        if not isinstance(form, pikepdf.Stream) or str(form.get("/Subtype")) != "/Form" or depth >= DEEPEST:
            return form
        if form.objgen in self._copies:
            return self._copies[form.objgen]
        copy = pikepdf.Stream(self._pdf, form.read_raw_bytes())
        for key, value in form.items():
            if key != "/Length":
                copy[key] = value
        copy = self._remembered(form, self._pdf.make_indirect(copy))
        if isinstance(resources := form.get("/Resources"), pikepdf.Dictionary):
            copy["/Resources"] = self._resources(resources, depth + 1)
        return copy

    def _remembered(self, original: Any, copy: Any) -> Any:
        if original.objgen != (0, 0):
            self._copies[original.objgen] = copy
        return copy

    def _all_spaces(self, size: int) -> Any:
        """A CMap by which each code of `size` bytes is a space."""
        if size not in self._spaces:
            self._spaces[size] = self._pdf.make_stream(_cmap(size))
        return self._spaces[size]


def _kept(instructions: Any) -> list[Any] | None:
    """The instructions without invisible text, and without what marked content stands for; None where nothing of it is there."""
    import pikepdf

    kept: list[Any] = []
    mode, saved, changed = 0, list[int](), False
    for instruction in instructions:
        operator = str(instruction.operator)
        if operator == "q":
            saved.append(mode)
        elif operator == "Q" and saved:
            mode = saved.pop()
        elif operator == "Tr":
            mode = int(instruction.operands[0])
        if operator in SHOWN and mode == INVISIBLE:
            changed = True
            continue
        if operator in ("BDC", "DP") and isinstance(said := instruction.operands[-1], pikepdf.Dictionary) and STANDS_FOR in said:
            changed = True
            kept.append(pikepdf.ContentStreamInstruction([instruction.operands[0], _without_text(said)], instruction.operator))
            continue
        kept.append(instruction)
    return kept if changed else None


def _without_text(properties: Any, _: int = 0) -> Any:
    """The properties of marked content without what it stands for."""
    import pikepdf

    if not isinstance(properties, pikepdf.Dictionary) or STANDS_FOR not in properties:
        return properties
    return pikepdf.Dictionary({key: value for key, value in properties.items() if key != STANDS_FOR})


def _cmap(size: int) -> bytes:
    if size == 1:
        ranges = [f"<00> <FF> [{'<0020>' * 256}]"]
    else:
        # A range may not go over the last byte of its codes.
        ranges = [f"<{first:02X}00> <{first:02X}FF> [{'<0020>' * 256}]" for first in range(256)]
    blocks = [ranges[start : start + 100] for start in range(0, len(ranges), 100)]
    entries = "\n".join(f"{len(block)} beginbfrange\n" + "\n".join(block) + "\nendbfrange" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS)"
        " /Supplement 0 >> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n"
        f"<{'00' * size}> <{'FF' * size}>\nendcodespacerange\n{entries}\nendcmap\nCMapName currentdict /CMap defineresource pop\n"
        "end\nend\n"
    ).encode("ascii")
