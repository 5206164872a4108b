"""A PDF's own text taken out of what is found, selected and copied; the page looks as it did.

The fonts of a page that was read anew say of each of their letters that it is a space (/ToUnicode, ISO 32000-1, 9.10.3), which
poppler, PDFium, MuPDF and pypdf leave out. Letters are drawn by their codes and not by what they stand for.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ocr_serving.searchable import cmaps

MODES = range(8)

INVISIBLE = 3
"""Text rendering modes, and that of them which draws nothing (ISO 32000-1, 9.3.6)."""

SHOWN = ("Tj", "TJ", "'", '"')
"""The operators that show text."""

PLACED = ("BT", "ET", "Td", "TD", "Tm", "T*", "'", '"')
"""The operators after which text stands where it does whatever was shown before it in the same line."""

DEEPEST = 20
"""Forms inside forms that are followed."""

STANDS_FOR = "/ActualText"
"""What marked content says that it stands for, whatever its letters are (ISO 32000-1, 14.9.4)."""


PACKING = ("/Filter", "/DecodeParms")
"""What a stream says of how its bytes are packed."""

MOST_CONTENT, MOST_TOGETHER = 4 * 2**20, 64 * 2**20
"""Bytes of a content that is taken apart, whose instructions take up to a hundred times as many, and of all those of a file."""


class Silence:
    """Takes the text of pages of one file out of what readers find; fonts and forms that several pages share are copied once."""

    def __init__(self, pdf: Any) -> None:
        self._pdf = pdf
        self._copies: dict[tuple[int, int], Any] = {}
        self._spaces: dict[int, Any] = {}
        self._left = MOST_TOGETHER

    def page(self, place: Any) -> None:
        """Silence all text of a page's content, of its forms too, and drop what of it is invisible; annotations stay.

        A content that cannot be parsed, or is too long to be, keeps its invisible text, without its letters.
        """
        place.obj["/Resources"] = self._resources(place.resources, 0)
        if (kept := self._rewritten(place, place.obj.get("/Contents"))) is not None:
            place.obj["/Contents"] = self._pdf.make_stream(kept)

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
        kept = self._rewritten(form, form)
        copy = pikepdf.Stream(self._pdf, form.read_raw_bytes() if kept is None else kept)
        for key, value in form.items():
            if key != "/Length" and (kept is None or key not in PACKING):
                copy[key] = value
        copy = self._remembered(form, self._pdf.make_indirect(copy))
        if isinstance(resources := form.get("/Resources"), pikepdf.Dictionary):
            copy["/Resources"] = self._resources(resources, depth + 1)
        return copy

    def _rewritten(self, place: Any, contents: Any) -> bytes | None:
        """The content of a page or form, which lies in `contents`, without its invisible text and what it stands for.

        None where nothing of it is there, where it cannot be parsed, and where it is too long to be.
        """
        import pikepdf

        size = 0
        try:
            for stream in contents if isinstance(contents, pikepdf.Array) else [contents]:
                size += len(stream.read_bytes()) if isinstance(stream, pikepdf.Stream) else 0
                if size > min(MOST_CONTENT, self._left):
                    return None
            kept = _kept(pikepdf.parse_content_stream(place))
        except (pikepdf.PdfError, MemoryError):
            return None
        finally:
            self._left -= size
        return None if kept is None else pikepdf.unparse_content_stream(kept)

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
    """The instructions without invisible text, and without what marked content stands for; None where nothing of it is there.

    Those whose operands make no sense, which viewers pass over, stay as they are, and so does invisible text which visible text
    stands behind.
    """
    import pikepdf

    kept: list[Any] = []
    mode, saved, changed = 0, list[int](), False
    dropped: list[tuple[int, Any]] = []
    for instruction in instructions:
        operator = str(instruction.operator)
        if operator == "q":
            saved.append(mode)
        elif operator == "Q" and saved:
            mode = saved.pop()
        elif operator == "Tr":
            mode = _mode(instruction.operands, mode)
        if operator in PLACED:
            dropped = []
        if operator in SHOWN and mode == INVISIBLE:
            changed = True
            kept += _line_begun(instruction)
            dropped.append((len(kept), _in_line(instruction)))
            continue
        if operator in SHOWN:
            for place, hidden in reversed(dropped):
                kept.insert(place, hidden)
            dropped = []
        if operator in ("BDC", "DP") and _stands_for_text(operands := list(instruction.operands)):
            changed = True
            kept.append(pikepdf.ContentStreamInstruction([*operands[:-1], _without_text(operands[-1])], instruction.operator))
            continue
        kept.append(instruction)
    return kept if changed else None


def _line_begun(instruction: Any) -> list[Any]:
    """What an instruction that shows text does before that: ' and " begin a line, and " says how far apart letters are."""
    import pikepdf

    operator, operands = str(instruction.operator), list(instruction.operands)
    begun = [pikepdf.ContentStreamInstruction([], pikepdf.Operator("T*"))] if operator in ("'", '"') else []
    if operator == '"' and len(operands) == 3:
        named = zip(operands, ("Tw", "Tc"), strict=False)
        begun = [pikepdf.ContentStreamInstruction([one], pikepdf.Operator(name)) for one, name in named] + begun
    return begun


def _in_line(instruction: Any) -> Any:
    """An instruction that shows text as one that begins no line."""
    import pikepdf

    if str(instruction.operator) in ("Tj", "TJ"):
        return instruction
    return pikepdf.ContentStreamInstruction(list(instruction.operands)[-1:], pikepdf.Operator("Tj"))


def _mode(operands: Any, before: int) -> int:
    """The text rendering mode that the operands of Tr set; that of before where they are none."""
    said = operands[-1] if len(operands) else None
    return int(said) if isinstance(said, (int, Decimal)) and not isinstance(said, bool) and said in MODES else before


def _stands_for_text(operands: list[Any]) -> bool:
    """Whether the last of the operands are properties that say what marked content stands for."""
    import pikepdf

    return bool(operands) and isinstance(operands[-1], pikepdf.Dictionary) and STANDS_FOR in operands[-1]


def _without_text(properties: Any, _: int = 0) -> Any:
    """The properties of marked content without what it stands for."""
    import pikepdf

    if not isinstance(properties, pikepdf.Dictionary) or STANDS_FOR not in properties:
        return properties
    return pikepdf.Dictionary({key: value for key, value in properties.items() if key != STANDS_FOR})


def _cmap(size: int) -> bytes:
    """By which each code of `size` bytes is a space."""
    if size == 1:
        ranges = [f"<00> <FF> [{'<0020>' * 256}]"]
    else:
        # A range may not go over the last byte of its codes.
        ranges = [f"<{first:02X}00> <{first:02X}FF> [{'<0020>' * 256}]" for first in range(256)]
    return cmaps.to_unicode(size, "bfrange", ranges)
