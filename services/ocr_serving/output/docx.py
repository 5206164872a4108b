"""A document as .docx: headings, paragraphs, lists, tables with spans, figures with their text beneath. Pure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

from ocr_serving.output import continued, furniture, values
from ocr_serving.output.furniture import Running
from ocr_serving.output.lines import height, runs_left
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Block, Document, Figure, FormField, Line, List, Page, Table, Text

MARGIN_INCHES = 0.9
SMALLEST_INCHES, LARGEST_INCHES = 4.0, 22.0
"""Sides of paper that Word has; other pages go on A4."""

AFTER_BIDI = tuple(
    f"w:{name}"
    for name in (
        *("adjustRightInd", "snapToGrid", "spacing", "ind", "contextualSpacing", "mirrorIndents", "suppressOverlap", "jc"),
        *("textDirection", "textAlignment", "textboxTightWrap", "outlineLvl", "divId", "cnfStyle", "rPr", "sectPr", "pPrChange"),
    )
)
"""What may follow the mark of a paragraph that is set from the right (ECMA-376, CT_PPr)."""

KINDS: tuple[Literal["header", "footer"], ...] = ("header", "footer")

A4_INCHES = 8.27, 11.69
LETTERS_TO_INCH = 12.0
"""Of the default font, about: what a column of a table needs."""


def document(whole: Document) -> bytes:
    """The bytes of the file. Each page begins on a new one, on paper of its first page's size."""
    import docx
    from docx.oxml.ns import qn
    from docx.shared import Inches, Pt
    from docx.text.paragraph import Paragraph

    file: Any = docx.Document()
    section = file.sections[0]
    width, high = _paper(whole.pages[0]) if whole.pages else A4_INCHES
    section.page_width, section.page_height = Inches(width), Inches(high)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Inches(MARGIN_INCHES))
    file.styles["Normal"].font.size = Pt(10.5)
    file.styles["Normal"].paragraph_format.space_after = Pt(6)
    file.core_properties.title = CONTROL.sub("", whole.title)[:255]
    file.core_properties.author = ""
    file.core_properties.comments = ""
    room = width - 2 * MARGIN_INCHES
    gone = continued.emptied(whole)
    kept_apart = {kind for kind in KINDS if _add_running(section, furniture.running(whole.pages, kind), kind)}
    for number, page in enumerate(whole.pages):
        if page.number in gone:
            continue
        shown = [block for block in page.blocks if block.kind not in kept_apart]
        begun = len(file.element.body)
        if number and (not shown or isinstance(shown[0], Table)):
            file.add_paragraph().paragraph_format.space_after = Pt(0)
        # The widest stretch of text on the page fills the line.
        scale = room / max([1.0, *(block.box[2] - block.box[0] for block in page.blocks)])
        for block in shown:
            _add(file, block, page, room, scale)
        if number:
            # A break of its own would stand on a page of its own where the text before it fills one. The section is last.
            Paragraph(file.element.body[begun - 1], file).paragraph_format.page_break_before = True
    for element in file.element.body.iter(qn("w:p")):
        _set_side(Paragraph(element, file))
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


def _set_side(paragraph: Any) -> None:
    """Have Word set from the right what is read from there."""
    from docx.oxml import OxmlElement

    if not runs_left(paragraph.text):
        return
    paragraph._p.get_or_add_pPr().insert_element_before(OxmlElement("w:bidi"), *AFTER_BIDI)
    for run in paragraph.runs:
        run.font.rtl = True


def _add_running(section: Any, told: Running | None, kind: str) -> bool:
    """Give all pages the headers or footers that they have in common, with their numbers; whether there are any."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    if told is None:
        return False
    part = getattr(section, kind)
    part.is_linked_to_previous = False
    for n, text in enumerate(told.texts):
        paragraph = part.paragraphs[0] if n == 0 else part.add_paragraph(style=kind.title())
        for m, piece in enumerate(text.split(furniture.NUMBER)):
            if m:
                field = OxmlElement("w:fldSimple")
                field.set(qn("w:instr"), "PAGE")
                paragraph._p.append(field)
            paragraph.add_run(_clean(piece))
    if not told.first:
        section.different_first_page_header_footer = True
    if told.offset:
        numbering = OxmlElement("w:pgNumType")
        numbering.set(qn("w:start"), str(max(0, told.offset + 1)))
        section._sectPr.find(qn("w:cols")).addprevious(numbering)
    return True


def _paper(page: Page) -> tuple[float, float]:
    """A page's own size where its file says one that Word has; else A4, as it lies."""
    if page.dpi and all(SMALLEST_INCHES <= side <= LARGEST_INCHES for side in page.inches):
        return page.inches
    return A4_INCHES if page.width <= page.height else A4_INCHES[::-1]


def _add(file: Any, block: Block, page: Page, room: float, scale: float) -> None:
    if isinstance(block, Table):
        _add_table(file, block, room, scale)
    elif isinstance(block, List):
        _add_list(file, block)
    elif isinstance(block, FormField):
        paragraph = file.add_paragraph()
        paragraph.add_run(_clean(block.question)).bold = True
        paragraph.add_run(f" {_clean(block.answer)}")
    elif isinstance(block, Figure):
        _add_figure(file, block, page, room)
    else:
        _add_text(file, block, scale)


def _add_text(file: Any, block: Text, scale: float) -> None:
    from docx.shared import Inches

    text = _clean(block.text)
    if block.kind == "heading":
        file.add_heading(" ".join(text.split()), level=min(9, block.level or 1))
        return
    styles = {"caption": "Caption", "header": "Header", "footer": "Footer"}
    paragraph = file.add_paragraph(text, style=styles.get(block.kind))
    if "\t" in text:
        stops = paragraph.paragraph_format.tab_stops
        for x in _gaps_end(block.lines):
            stops.add_tab_stop(Inches(max(0.1, (x - block.box[0]) * scale)))


def _gaps_end(lines: Sequence[Line]) -> list[float]:
    """Where the second and later things of rows begin, from left to right, near ones once."""
    left = min((line.box[0] for line in lines), default=0.0)
    found: list[float] = []
    for line in sorted(lines, key=lambda line: line.box[0]):
        x, near = line.box[0], 2 * height(line)
        if x - left > near and (not found or x - found[-1] > near):
            found.append(x)
    return found


def _add_list(file: Any, block: List) -> None:
    from docx.shared import Inches

    for item in block.items:
        is_number = any(letter.isalnum() for letter in item.marker)
        if is_number:
            # Word's own numbers would begin anew, or go on from another list.
            paragraph = file.add_paragraph(f"{_clean(item.marker)}\t{_clean(item.text)}", style="List Paragraph")
            paragraph.paragraph_format.left_indent = Inches(0.3 * (item.depth + 1))
            paragraph.paragraph_format.first_line_indent = Inches(-0.3)
        else:
            style = "List Bullet" if item.depth == 0 else f"List Bullet {min(3, item.depth + 1)}"
            file.add_paragraph(_clean(item.text), style=style)


def _add_figure(file: Any, block: Figure, page: Page, room: float) -> None:
    from docx.shared import Inches

    if block.picture:
        width = min(room, (block.box[2] - block.box[0]) / page.width * page.inches[0])
        file.add_picture(io.BytesIO(block.picture), width=Inches(max(0.1, width)))
    if block.text:
        file.add_paragraph(_clean(block.text), style="Caption")


def _add_table(file: Any, table: Table, room: float, scale: float) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.shared import Inches, Pt

    grid = file.add_table(table.rows, table.columns)
    grid.style = "Table Grid"
    grid.autofit = False
    # python-docx looks a cell up by walking the table; all of them at once are walked once.
    places = [list(row.cells) for row in grid.rows]
    for n, width in enumerate(_widths(table, room, (table.box[2] - table.box[0]) * scale)):
        grid.columns[n].width = Inches(width)
        for row in places:
            row[n].width = Inches(width)
    columns = _columns(table)
    headed = table.rows > 1 and values.has_head(columns)
    for cell in table.cells:
        place = places[cell.row][cell.column]
        if cell.rows * cell.columns > 1:
            place = place.merge(places[cell.row + cell.rows - 1][cell.column + cell.columns - 1])
        paragraph = place.paragraphs[0]
        paragraph.paragraph_format.space_after = Pt(0)
        run = paragraph.add_run(_clean(cell.text))
        run.font.size = Pt(9.5)
        run.bold = headed and cell.row == 0
        over_numbers = headed and cell.row == 0 and cell.columns == 1 and values.is_of_numbers(columns[cell.column][1:])
        if over_numbers or values.number(cell.text) is not None:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    if headed:
        # The head is repeated where a table goes on on the next page.
        grid.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    # Word makes one of two tables with nothing between them.
    between = file.add_paragraph().paragraph_format
    between.space_after, between.line_spacing = Pt(0), Pt(8)


def _columns(table: Table) -> list[list[str]]:
    """The texts of each column, row by row; "" where a cell reaches from above or from the left."""
    found = [[""] * table.rows for _ in range(table.columns)]
    for cell in table.cells:
        found[cell.column][cell.row] = cell.text
    return found


def _widths(table: Table, room: float, shown: float) -> list[float]:
    """Inches of each column: what its longest text takes, all together `shown`, as on the page, but at most `room`."""
    wanted = [0.5] * table.columns
    for cell in table.cells:
        if cell.columns == 1:
            longest = max((len(word) for word in cell.text.split()), default=0)
            wanted[cell.column] = max(wanted[cell.column], min(len(cell.text), max(30, longest)) / LETTERS_TO_INCH + 0.2)
    total = min(room, max(shown, sum(wanted)))
    return [width * total / sum(wanted) for width in wanted]


def _clean(text: str) -> str:
    return CONTROL.sub("", text)
