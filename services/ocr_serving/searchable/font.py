"""The font in which invisible words are set, as an object of a PDF."""

from __future__ import annotations

from typing import Any

from ocr_serving.searchable import cmaps, invisible_font

FONT_NAME = "OcrServing"


class Font:
    """The invisible font of one file: a number for each letter used, told apart by what it stands for."""

    def __init__(self, pdf: Any) -> None:
        self.pdf = pdf
        self._codes: dict[str, int] = {}
        self.font = pdf.make_indirect(_dictionary(Type="/Font", Subtype="/Type0", BaseFont=f"/{FONT_NAME}", Encoding="/Identity-H"))

    def hex(self, text: str) -> str:
        """`text` as codes of this font, four hexadecimal digits each."""
        return "".join(f"{self._codes.setdefault(letter, len(self._codes) + 1):04X}" for letter in text)

    def finish(self) -> None:
        """Add what only the letters used decide."""
        import pikepdf

        file = pikepdf.Stream(self.pdf, invisible_font.font())
        file["/Length1"] = len(invisible_font.font())
        descriptor = _dictionary(
            Type="/FontDescriptor",
            FontName=f"/{FONT_NAME}",
            Flags=4,
            FontBBox=[0, invisible_font.DESCENT, invisible_font.WIDTH, invisible_font.ASCENT],
            ItalicAngle=0,
            Ascent=invisible_font.ASCENT,
            Descent=invisible_font.DESCENT,
            CapHeight=invisible_font.ASCENT,
            StemV=80,
        )
        descriptor["/FontFile2"] = self.pdf.make_indirect(file)
        below = _dictionary(
            Type="/Font",
            Subtype="/CIDFontType2",
            BaseFont=f"/{FONT_NAME}",
            DW=invisible_font.WIDTH,
        )
        below["/CIDSystemInfo"] = pikepdf.Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0)
        below["/FontDescriptor"] = self.pdf.make_indirect(descriptor)
        # Every letter is the one empty glyph.
        below["/CIDToGIDMap"] = self.pdf.make_indirect(pikepdf.Stream(self.pdf, b"\0\0" + b"\0\1" * len(self._codes)))
        self.font["/DescendantFonts"] = pikepdf.Array([self.pdf.make_indirect(below)])
        self.font["/ToUnicode"] = self.pdf.make_indirect(pikepdf.Stream(self.pdf, self._to_unicode()))

    def _to_unicode(self) -> bytes:
        lines = [f"<{code:04X}> <{letter.encode('utf-16-be').hex().upper()}>" for letter, code in self._codes.items()]
        return cmaps.to_unicode(2, "bfchar", lines)


def _dictionary(**entries: Any) -> Any:
    import pikepdf

    return pikepdf.Dictionary(
        {
            f"/{key}": pikepdf.Name(value) if isinstance(value, str) else pikepdf.Array(value) if isinstance(value, list) else value
            for key, value in entries.items()
        }
    )
