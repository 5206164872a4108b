"""From what a module answers to the page tree. Pure: answers and pixels in, pages out; no line is in two blocks, none in none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import cv2
import numpy as np

from ocr_serving.errors import InputError
from ocr_serving.output import cells, furniture, lists, paragraphs, turning
from ocr_serving.output.lines import (
    Vocabulary,
    common,
    enclosing,
    height,
    mean_confidence,
    read_line,
    rows,
    running,
    source_of,
    unique,
    vocabulary,
)
from ocr_serving.output.tables import CONTROL
from ocr_serving.output.tree import Block, Box, Document, Figure, FormField, Line, Page, Pair, Source, Table, Text

TEXT_ROWS = 0.45
"""A region is text, whatever the network calls it, where its lines fill this share of its height, …"""

INK_OUTSIDE = 0.35
"""… or where no more than this share of its ink is beside the lines; a picture has most of its ink there."""

LEAST_LINES = 3
"""A region with fewer lines is not judged by its ink: a stamp, an axis."""

LARGER = 1.15
"""A title of several lines is this many times as high as the page's middle line."""

QUESTION = "QUESTION"
"""How `kie_ser_re` labels the lines that ask."""

Kind = Literal["heading", "paragraph", "caption", "header", "footer"]

KINDS: Mapping[str, Kind] = {
    "title": "heading",
    "figure_caption": "caption",
    "table_caption": "caption",
    "header": "header",
    "footer": "footer",
}
PICTURES = ("figure", "equation")
NOT_HEADED = ("header", "footer", "caption")
"""Kinds of blocks that stand under no heading."""


def document(title: str, pages: Iterable[Page]) -> Document:
    """The document that `pages` are, in their order: words parted at line ends joined, running headers told, headings by level."""
    # The name of a file may be any bytes; no format holds all of them.
    return joined(Document(title=CONTROL.sub("\ufffd", title), pages=tuple(pages)))


def joined(tree: Document) -> Document:
    """A document whose pages were read one by one, with what all of them tell: running headers and footers, levels of headings."""
    return tree.model_copy(update={"pages": tuple(furniture.levelled(furniture.numbered(furniture.told_apart(tree.pages))))})


def page(
    entry: Any,
    image: np.ndarray[Any, Any] | None,
    *,
    number: int = 1,
    size: tuple[int, int] | None = None,
    dpi: float | None = None,
    source: Source = "ocr",
    remarks: Sequence[str] = (),
) -> Page:
    """A page from its entry of `results`, of `structure_system` (best with `return_lines`), `ocr_system` or KIE.

    `image` is the page, BGR uint8 of shape (H, W, 3), from which figures are cut; without it `size` says its width and height.
    Raises InputError where the entry is of no such module.
    """
    if image is None and size is None:
        raise ValueError("either image or size")
    width, high = size if image is None and size is not None else (image.shape[1], image.shape[0])  # type: ignore[union-attr]
    try:
        blocks = _blocks_as_sent(entry, image, (width, high), source)
    except (KeyError, TypeError, ValueError, IndexError):
        raise InputError(
            "A document needs the lines or regions of a page: take the module structure_system, or ocr_system."
        ) from None
    return Page(number=number, width=width, height=high, dpi=dpi, blocks=tuple(blocks), remarks=tuple(remarks))


def unread(number: int, why: str, size: tuple[int, int] = (1, 1)) -> Page:
    """A page that could not be read, so that the pages after it keep their numbers."""
    return Page(number=number, width=size[0], height=size[1], remarks=(why,))


def _blocks_as_sent(entry: Any, image: np.ndarray[Any, Any] | None, size: tuple[int, int], source: Source) -> list[Block]:
    """The blocks of a page, which is set upright meanwhile where it lies turned."""
    turn = turning.turn_of(_items(entry))
    if not turn:
        return _blocks(entry, image, size, source)
    picture = None if image is None else turning.upright_image(image, turn)
    shown = size if turn == 180 else size[::-1]
    found = _blocks(turning.upright(entry, turn, size), picture, shown, source)
    return [turning.laid_back(block, turn, size) for block in found]


def _blocks(entry: Any, image: np.ndarray[Any, Any] | None, size: tuple[int, int], source: Source) -> list[Block]:
    regions = list(entry["regions"]) if isinstance(entry, Mapping) and "regions" in entry else []
    lines = _lines(entry, source)
    usual = float(np.median([height(line) for line in lines])) if lines else 0.0
    words = vocabulary(lines)
    found: list[Block] = []
    free = list(lines)
    for region in regions:
        if isinstance(region["res"], Mapping):
            box = _box(region["bbox"])
            inside = [line for line in free if _centred(line, box)]
            table, left = cells.table(region["res"], box, inside if _knows_lines(entry) else [])
            if table is None:
                continue
            found.append(table)
            gone = {id(line) for line in inside} - {id(line) for line in left}
            free = [line for line in free if id(line) not in gone]
    regions = [region for region in regions if not isinstance(region["res"], Mapping)]
    homes = _homes(free, [_box(region["bbox"]) for region in regions])
    loose = [line for line, home in zip(free, homes, strict=True) if home is None]
    texts: list[tuple[Kind, list[Line], Box]] = []
    for index, region in enumerate(regions):
        box, own = _box(region["bbox"]), [line for line, home in zip(free, homes, strict=True) if home == index]
        if region["type"] in PICTURES:
            if own and _is_text(own, box, image):
                loose += own
            else:
                found.append(_figure(own, box, image))
        elif own:
            texts.append((KINDS.get(region["type"], "paragraph"), own, box))
    loose = _taken_in(texts, loose)
    for kind, own, box in texts:
        found += _text(kind, own, box, words, usual)
    for group in _neighbours(loose):
        found += paragraphs.blocks(group, words, usual)
    return lists.joined(furniture.in_place(_order(_with_a_body(found), size)))


def _with_a_body(blocks: Sequence[Block]) -> list[Block]:
    """Blocks of a page: where it has nothing but headers and footers, these are what it says, and not beside the point."""
    beside = [isinstance(block, Text) and block.kind in ("header", "footer") for block in blocks]
    if not all(at_the_edge or isinstance(block, Figure) for at_the_edge, block in zip(beside, blocks, strict=True)):
        return list(blocks)
    return [
        block.model_copy(update={"kind": "paragraph"}) if at_the_edge else block
        for at_the_edge, block in zip(beside, blocks, strict=True)
    ]


def _knows_lines(entry: Any) -> bool:
    return "lines" in entry


def _items(entry: Any) -> list[Any]:
    """All lines of an entry as they are told; one in two regions is there twice."""
    if isinstance(entry, Mapping) and "items" in entry:
        items = list(entry["items"])
    elif isinstance(entry, Mapping) and "re_res" in entry:
        items = [item for pair in entry["re_res"] for item in pair]
    elif isinstance(entry, Mapping) and "ser_res" in entry:
        items = list(entry["ser_res"])
    elif isinstance(entry, Mapping) and "lines" in entry:
        items = list(entry["lines"])
    elif isinstance(entry, Mapping):
        items = list(entry.get("unassigned", []))
        for region in entry["regions"]:
            content = region["res"]
            items += content.get("unmatched", []) if isinstance(content, Mapping) else content
    else:
        items = list(entry)
    return items


def _lines(entry: Any, source: Source) -> list[Line]:
    """All lines of an entry, each once."""
    items = _items(entry)
    return [line for line in unique([read_line(item, item.get("source", source)) for item in items]) if line.text.strip()]


def _box(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2


def _centred(line: Line, box: Box) -> bool:
    x1, y1, x2, y2 = line.box
    return box[0] <= (x1 + x2) / 2 <= box[2] and box[1] <= (y1 + y2) / 2 <= box[3]


def _homes(lines: Sequence[Line], boxes: Sequence[Box]) -> list[int | None]:
    """For each line the region that it overlaps most; None where that is less than half of the line."""
    homes: list[int | None] = []
    for line in lines:
        shares = [common(line.box, box) for box in boxes]
        x1, y1, x2, y2 = line.box
        best = max(range(len(boxes)), key=shares.__getitem__, default=None)
        enough = best is not None and shares[best] >= 0.5 * max(1e-6, (x2 - x1) * (y2 - y1))
        homes.append(best if enough else None)
    return homes


def _is_text(lines: Sequence[Line], box: Box, image: np.ndarray[Any, Any] | None) -> bool:
    """Whether a region that the network calls a picture is full of lines."""
    covered = np.zeros(max(1, round(box[3] - box[1])), bool)
    for line in lines:
        covered[max(0, round(line.box[1] - box[1])) : max(0, round(line.box[3] - box[1]))] = True
    if covered.mean() >= TEXT_ROWS:
        return True
    return image is not None and len(lines) >= LEAST_LINES and _ink_outside(lines, box, image) <= INK_OUTSIDE


def _ink_outside(lines: Sequence[Line], box: Box, image: np.ndarray[Any, Any]) -> float:
    """The share of a region's ink, by a local threshold, that is not on its lines."""
    x1, y1, x2, y2 = _pixels(box, image)
    grey = cv2.cvtColor(image[y1:y2, x1:x2], cv2.COLOR_BGR2GRAY)
    ink = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 12)
    total = int(ink.sum())
    if not total:
        return 0.0
    for line in lines:
        cv2.fillPoly(ink, [np.rint(np.array(line.quad) - (x1, y1)).astype(np.int32)], 0)
    return int(ink.sum()) / total


def _pixels(box: Box, image: np.ndarray[Any, Any]) -> tuple[int, int, int, int]:
    """`box` in whole pixels of `image`, at least one of them."""
    high, width = image.shape[:2]
    x1, y1 = min(max(0, int(box[0])), width - 1), min(max(0, int(box[1])), high - 1)
    return x1, y1, max(x1 + 1, min(width, int(box[2]))), max(y1 + 1, min(high, int(box[3])))


def cut(box: Box, image: np.ndarray[Any, Any]) -> bytes:
    """The part of a page, BGR uint8 of shape (H, W, 3), as PNG."""
    x1, y1, x2, y2 = _pixels(box, image)
    return cv2.imencode(".png", image[y1:y2, x1:x2])[1].tobytes()


def _figure(lines: Sequence[Line], box: Box, image: np.ndarray[Any, Any] | None) -> Figure:
    picture = b"" if image is None else cut(box, image)
    inside = rows(lines)
    text = running(inside, box) if inside else ""
    kept = tuple(line for row in inside for line in row)
    return Figure(box=box, text=text, lines=kept, picture=picture, confidence=mean_confidence(kept), source=source_of(kept))


def _taken_in(texts: list[tuple[Kind, list[Line], Box]], loose: Sequence[Line]) -> list[Line]:
    """Give each loose line that goes on a paragraph to it; those that do not are returned."""
    left: list[Line] = []
    for line in sorted(loose, key=lambda line: line.box[1]):
        for index, (kind, own, box) in enumerate(texts):
            in_order = sorted(own, key=lambda other: other.box[3])
            # A full line right above is the paragraph's first.
            above = line.box[2] > box[2] - 3 * height(line) and paragraphs.goes_on([line], in_order[0])
            if kind == "paragraph" and (above or paragraphs.goes_on(in_order, line)):
                texts[index] = (kind, [*own, line], enclosing([box, line.box]))
                break
        else:
            left.append(line)
    return left


def _text(kind: Kind, lines: Sequence[Line], box: Box, words: Vocabulary, usual: float) -> list[Block]:
    found = rows(lines)
    # Networks take addresses for titles: several lines no larger than all the others.
    is_heading = kind == "heading" and (len(found) < 2 or float(np.median([height(line) for line in lines])) > LARGER * usual)
    if kind == "paragraph" or (kind == "heading" and not is_heading):
        return paragraphs.blocks(lines, words, around=box)
    text = running(found, box, words)
    # The title of a first page stands where others have a header, in larger letters.
    high = float(np.median([height(line) for line in lines]))
    if kind == "header" and len(found) == 1 and usual > 0 and high >= paragraphs.HEADING_SIZE * usual:
        kind = "heading"
    if kind == "heading":
        text = " ".join(text.split("\n"))
    return [paragraphs.text_block(kind, text, [line for row in found for line in row])]


def _neighbours(lines: Sequence[Line]) -> list[list[Line]]:
    """Loose lines apart where there is much room between them."""
    groups: list[list[Line]] = []
    bottom = 0.0
    for row in rows(lines):
        top = min(line.box[1] for line in row)
        if not groups or top - bottom > 3 * max(height(line) for line in row):
            groups.append([])
            bottom = 0.0
        groups[-1] += row
        bottom = max(bottom, *(line.box[3] for line in row))
    return groups


def _order(found: Sequence[Block], size: tuple[int, int]) -> list[Block]:
    from ocr_serving.stages.reading_order import regions_in_order

    boxes = np.array([block.box for block in found], np.float64).reshape(-1, 4)
    return _with_headings_over_theirs([found[index] for index in regions_in_order(boxes, *size)])


def _with_headings_over_theirs(blocks: list[Block]) -> list[Block]:
    """Blocks in order, each heading below columns before what stands below it, where it is at the end of the first column."""
    for n in range(len(blocks) - 2, -1, -1):
        heading = blocks[n]
        if not isinstance(heading, Text) or heading.kind != "heading" or blocks[n + 1].box[1] >= heading.box[1]:
            continue
        left, top, right, bottom = heading.box
        below = next((m for m in range(n + 1, len(blocks)) if blocks[m].box[3] > top and blocks[m].kind not in NOT_HEADED), None)
        if below is not None and blocks[below].box[1] >= bottom and blocks[below].box[0] < right and blocks[below].box[2] > left:
            blocks[n:below] = [*blocks[n + 1 : below], heading]
    return blocks


def pairs(entry: Any, number: int) -> list[Pair]:
    """The questions and answers in an entry of `kie_ser_re`, also those without an answer where it tells all its `items`.

    A question with several answers is in as many pairs. [] for the entries of other modules.
    """
    if not isinstance(entry, Mapping) or "re_res" not in entry:
        return []
    told = [(read_line(question), read_line(answer)) for question, answer in entry["re_res"]]
    answered = {(question.text, question.quad) for question, _ in told}
    found = [_pair(question, answer, number) for question, answer in told]
    for item in entry.get("items", ()):
        if item["pred"] == QUESTION and ((question := read_line(item)).text, question.quad) not in answered:
            found.append(_pair(question, None, number))
    # Those without an answer stand among the others as they are read.
    places = {(line.text, line.box): n for n, line in reversed(list(enumerate(map(read_line, entry.get("items", ())))))}
    return sorted(found, key=lambda pair: places.get((pair.question, pair.question_box), 0))


def _pair(question: Line, answer: Line | None, number: int) -> Pair:
    if answer is None:
        _, top, right, bottom = question.box
        end = (right, top, right, bottom)
        return Pair(
            question=question.text,
            answer="",
            page=number,
            question_box=question.box,
            answer_box=end,
            confidence=question.confidence,
        )
    return Pair(
        question=question.text,
        answer=answer.text,
        page=number,
        question_box=question.box,
        answer_box=answer.box,
        confidence=min(question.confidence, answer.confidence),
    )


def with_fields(whole: Document, found: Sequence[Pair]) -> Document:
    """`whole` with its fields; a paragraph that is just a question and its answers becomes a form field."""
    pages = []
    for one in whole.pages:
        blocks = [_as_field(block, [pair for pair in found if pair.page == one.number]) for block in one.blocks]
        pages.append(one.model_copy(update={"blocks": tuple(blocks)}))
    return whole.model_copy(update={"pages": tuple(pages), "fields": tuple(found)})


def _as_field(block: Block, found: Sequence[Pair]) -> Block:
    if not isinstance(block, Text) or block.kind != "paragraph":
        return block
    said = {line.text for line in block.lines}
    for question in dict.fromkeys(pair.question for pair in found if pair.answer):
        answers = [pair.answer for pair in found if pair.question == question and pair.answer in said]
        if question in said and answers and said == {question, *answers}:
            return FormField(
                question=question,
                answer=" ".join(dict.fromkeys(answers)),
                lines=block.lines,
                box=block.box,
                order=block.order,
                confidence=block.confidence,
                source=block.source,
            )
    return block


def has_tables(whole: Document) -> bool:
    """Whether any page has a table."""
    return any(isinstance(block, Table) for one in whole.pages for block in one.blocks)
