"""PDFs made by hand: pages of text of their own, and of pictures."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import pikepdf
import PIL.Image


def of_text(*pages: Sequence[str], mode: int = 0, size: float = 14, **about: Any) -> bytes:
    """A PDF with a page for each list of lines, in Helvetica from the top left on; `mode` is the text rendering mode."""
    made = pikepdf.new()
    font = made.make_indirect(
        pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    )
    for lines in pages:
        page = made.add_blank_page(page_size=(595, 842))
        page.obj["/Resources"] = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        shown = "".join(f"({line}) Tj 0 {-1.5 * size} Td\n" for line in lines)
        page.obj["/Contents"] = made.make_stream(f"BT {mode} Tr /F1 {size} Tf 60 760 Td\n{shown}ET".encode("latin-1"))
        for key, value in about.items():
            page.obj[f"/{key}"] = value
    return saved(made)


def with_picture(data: bytes, picture: PIL.Image.Image, box: tuple[float, float, float, float], *, below: bool = False) -> bytes:
    """`data` with a picture on its first page, over or below its text, in points: x, y of the lower left corner, width, height."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "PDF")
    with pikepdf.open(io.BytesIO(data)) as made, pikepdf.open(file) as other:
        page = made.pages[0]
        image = next(iter(other.pages[0].resources.XObject.values()))
        name = page.add_resource(made.copy_foreign(image), pikepdf.Name.XObject)
        x, y, width, height = box
        page.contents_add(f"q {width} 0 0 {height} {x} {y} cm {name} Do Q".encode(), prepend=below)
        return saved(made)


def saved(made: pikepdf.Pdf) -> bytes:
    """The file."""
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def of_tables(*pages: Sequence[Sequence[str]], columns: Sequence[float] = (60, 130, 330, 430, 535), top: float = 60) -> bytes:
    """A PDF with a ruled table on each page, from `top` points below its edge on, its rows 22 points high."""
    made = pikepdf.new()
    font = made.make_indirect(
        pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    )
    for rows in pages:
        page = made.add_blank_page(page_size=(595, 842))
        page.obj["/Resources"] = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        sides = [*columns[: len(rows[0])], columns[-1]]
        shown = []
        for n, row in enumerate(rows):
            y = 842 - top - 22 * (n + 1)
            shown += [f"{x1} {y} {x2 - x1} 22 re S" for x1, x2 in pairwise(sides)]
            shown += [f"BT /F1 11 Tf {x + 6} {y + 7} Td ({text}) Tj ET" for x, text in zip(sides, row, strict=False)]
        page.obj["/Contents"] = made.make_stream("\n".join(shown).encode("latin-1"))
    return saved(made)


def with_packed(plain: Sequence[bytes], packed: Sequence[bytes], padding_mb: int = 0) -> bytes:
    """A PDF of objects numbered from 1 on, the catalog first, `packed` ones in an object stream with `padding_mb` MiB of spaces."""
    numbers = range(len(plain) + 1, len(plain) + len(packed) + 1)
    starts = [sum(len(one) + 1 for one in packed[:n]) for n in range(len(packed))]
    head = "".join(f"{number} {start} " for number, start in zip(numbers, starts, strict=True)).encode()
    squeeze = zlib.compressobj(9)
    stream = squeeze.compress(head + b"".join(one + b" " for one in packed))
    stream += b"".join(squeeze.compress(b" " * 2**20) for _ in range(padding_mb)) + squeeze.flush()
    store = len(plain) + len(packed) + 1
    objects = dict(enumerate(plain, 1)) | {store: object_stream(stream, len(packed), len(head))}
    return of_objects(objects, {number: (store, n) for n, number in enumerate(numbers)})


def object_stream(stream: bytes, count: int, first: int, filters: bytes = b"/FlateDecode") -> bytes:
    """An object stream of `count` objects, of which the first begins after `first` bytes of what `filters` unpack."""
    about = b"/Type/ObjStm/N %d/First %d/Filter[%b]/Length %d" % (count, first, filters, len(stream))
    return b"<<%b>>\nstream\n%b\nendstream" % (about, stream)


def of_objects(objects: Mapping[int, bytes], packed: Mapping[int, tuple[int, int]] = MappingProxyType({})) -> bytes:
    """A PDF of objects by their numbers, the catalog is 1; `packed` says of others in which object stream they are, and where."""
    file, last = b"%PDF-1.5\n", max([*objects, *packed]) + 1
    rows = {0: (0, 0, 255)} | {number: (2, store, n) for number, (store, n) in packed.items()}
    for number, one in objects.items():
        rows[number] = (1, len(file), 0)
        file += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    start = len(file)
    rows[last] = (1, start, 0)
    table = b"".join(bytes([kind]) + at.to_bytes(4, "big") + bytes([of]) for kind, at, of in (rows[n] for n in range(last + 1)))
    about = b"/Type/XRef/Size %d/W[1 4 1]/Root 1 0 R/Length %d" % (last + 1, len(table))
    return file + b"%d 0 obj\n<<%b>>\nstream\n%b\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (last, about, table, start)
