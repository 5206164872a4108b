"""What only a whole document shows: headers and footers that run through its pages, the levels of its headings. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from ocr_serving.output.lines import height
from ocr_serving.output.tree import Block, Page, Text

EDGE = 0.12
"""Share of a page's height, at its top and at its foot, in which headers and footers stand."""

SHIFT = 0.02
"""Share of a page's height by which a header may stand higher or lower on the next page."""

MOST_LETTERS = 200

LARGER, MOST_OF_A_HEADING = 1.08, 90
"""Times a page's middle line that a heading is high at least, and the letters it has at most, where its number alone says so."""

LEAST_PAGES = 2
"""That headers and footers are the same on, to be those of the document."""

NUMBER = "\x00"
"""Stands for a page's number."""


def told_apart(pages: Sequence[Page]) -> list[Page]:
    """Pages whose texts at the edge that stand there on a neighbouring page too, but for numbers, are headers and footers."""
    edges = [{index: _edge(block, page) for index, block in enumerate(page.blocks)} for page in pages]
    repeated: list[set[int]] = [set() for _ in pages]
    for first, second in _neighbours(len(pages)):
        for index, one in edges[first].items():
            for other_index, other in edges[second].items():
                if one is not None and other is not None and one[:2] == other[:2] and abs(one[2] - other[2]) <= SHIFT:
                    repeated[first].add(index)
                    repeated[second].add(other_index)
    return [_marked(page, repeated[n], edges[n]) for n, page in enumerate(pages)]


def _neighbours(count: int) -> list[tuple[int, int]]:
    """Pages side by side, and those one further: left and right pages may have headers of their own."""
    numbers = list(range(count))
    return list(pairwise(numbers)) + list(zip(numbers, numbers[2:], strict=False))


def _edge(block: Block, page: Page) -> tuple[str, str, float] | None:
    """Header or footer, its text with numbers as #, and the height at which it stands; None for what is not at an edge."""
    if not isinstance(block, Text) or len(block.text) > MOST_LETTERS:
        return None
    top, bottom = block.box[1] / page.height, block.box[3] / page.height
    if bottom > EDGE and top < 1 - EDGE:
        return None
    return "header" if bottom <= EDGE else "footer", re.sub(r"\d+|\b[ivxlc]+\b", "#", block.text.casefold()), (top + bottom) / 2


def _marked(page: Page, repeated: set[int], edges: dict[int, tuple[str, str, float] | None]) -> Page:
    blocks: list[Block] = []
    for index, block in enumerate(page.blocks):
        edge = edges[index]
        if index in repeated and edge is not None and isinstance(block, Text):
            blocks.append(block.model_copy(update={"kind": edge[0], "level": None}))
        else:
            blocks.append(block)
    return page.model_copy(update={"blocks": tuple(in_place(blocks))})


def in_place(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of a page in reading order, its headers first and its footers last: columns are read past them."""
    places = {"header": 0, "footer": 2}
    return [
        block.model_copy(update={"order": order})
        for order, block in enumerate(sorted(blocks, key=lambda block: places.get(block.kind, 1)))
    ]


@dataclass(frozen=True)
class Running:
    """Headers or footers that are the same on all pages: texts, in which `NUMBER` stands for the page's number.

    `offset` is what that number is more than the page's place in the document; `first` is whether the first page has them too.
    """

    texts: tuple[str, ...]
    offset: int = 0
    first: bool = True


def running(pages: Sequence[Page], kind: Literal["header", "footer"]) -> Running | None:
    """The headers or footers of a document, if all its pages have the same, but for their number, or all but the first."""
    shown = [[block.text for block in page.blocks if isinstance(block, Text) and block.kind == kind] for page in pages]
    first = bool(shown and shown[0])
    told = shown if first else shown[1:]
    if len(told) < LEAST_PAGES or not all(told) or len(set(map(len, told))) > 1:
        return None
    numbers = [page.number for page in pages][-len(told) :]
    offsets: set[int] = set()
    texts = [_template(same, numbers, offsets) for same in zip(*told, strict=True)]
    if None in texts or len(offsets) > 1:
        return None
    return Running(tuple(text for text in texts if text is not None), next(iter(offsets), 0), first)


def _template(texts: Sequence[str], numbers: Sequence[int], offsets: set[int]) -> str | None:
    """What stands on all pages, with `NUMBER` for what counts as the pages do; None where they differ otherwise."""
    parts = [re.split(r"([0-9]{1,6})", text) for text in texts]
    if len(set(map(len, parts))) > 1:
        return None
    found = ""
    for values in zip(*parts, strict=True):
        if len(set(values)) == 1:
            found += values[0]
        elif all(value.isdecimal() for value in values):
            away = {int(value) - number for value, number in zip(values, numbers, strict=True)}
            if len(away) > 1:
                return None
            offsets |= away
            found += NUMBER
        else:
            return None
    return found


def numbered(pages: Sequence[Page]) -> list[Page]:
    """Pages on which a line that nobody called a heading is one, where it goes on with the numbers of those before it.

    After a heading "1.1 Tools" comes "1.2 Steps", alone in letters larger than the page's.
    """
    seen: set[tuple[int, ...]] = set()
    found = []
    for page in pages:
        heights = [height(line) for line in page.lines]
        usual = float(np.median(heights)) if heights else 0.0
        blocks: list[Block] = []
        for block in page.blocks:
            number = _numbers(block.text) if isinstance(block, Text) else ()
            is_next = isinstance(block, Text) and block.kind == "paragraph" and _is_next(number, seen) and _stands_out(block, usual)
            if is_next or (number and block.kind == "heading"):
                seen.add(number)
            blocks.append(block.model_copy(update={"kind": "heading"}) if is_next else block)
        found.append(page.model_copy(update={"blocks": tuple(blocks)}))
    return found


def _is_next(number: tuple[int, ...], seen: set[tuple[int, ...]]) -> bool:
    """Whether a number comes after one that was seen, as 1.2 after 1.1 and 2.1 after 2."""
    if not number or number in seen:
        return False
    return ((*number[:-1], number[-1] - 1) if number[-1] > 1 else number[:-1]) in seen


def _stands_out(block: Text, usual: float) -> bool:
    is_short = len(block.lines) == 1 and len(block.text) <= MOST_OF_A_HEADING and block.text.rstrip()[-1:] not in tuple(".,;:")
    return is_short and _size(block) >= LARGER * usual


def levelled(pages: Sequence[Page]) -> list[Page]:
    """Pages whose headings have levels: the first is 1, the others 2, or 3 where they are clearly smaller.

    Where headings are numbered, "1.2" is one below "1".
    """
    headings = [block for page in pages for block in page.blocks if isinstance(block, Text) and block.kind == "heading"]
    sizes, depths = [_size(block) for block in headings], [_depth(block.text) for block in headings]
    others = max(sizes[1:], default=0.0)
    found = [1, *(2 if size >= 0.8 * others else 3 for size in sizes[1:])][: len(headings)]
    if 1 in depths and any(depth > 1 for depth in depths):
        # A numbered first heading is the first chapter's, and no title.
        top = 1 if depths[0] else 2
        found = [min(6, top + depth - 1) if depth else level for level, depth in zip(found, depths, strict=True)]
    levels = iter(found)
    return [
        page.model_copy(
            update={
                "blocks": tuple(
                    block.model_copy(update={"level": next(levels)})
                    if isinstance(block, Text) and block.kind == "heading"
                    else block
                    for block in page.blocks
                )
            }
        )
        for page in pages
    ]


def _depth(text: str) -> int:
    """How many numbers a heading has before it, "2.1 Methods" two; 0 where it has none."""
    return len(_numbers(text))


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers before a heading, "2.1 Methods" 2 and 1."""
    match = re.match(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+[^\W\d_]", text)
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def _size(block: Text) -> float:
    return float(np.median([height(line) for line in block.lines])) if block.lines else 0.0
