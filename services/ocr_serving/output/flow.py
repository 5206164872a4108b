"""Paragraphs that go on in the next column or on the next page, told as one. Pure.

For formats that are read from the top to the end; the tree itself keeps each part where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ocr_serving.output.lines import HYPHENS, continued, height, is_full, mean_confidence, source_of, vocabulary
from ocr_serving.output.tree import Block, Document, Line, Page, Text

ALIKE = 1.25
"""Letters of a paragraph's parts are no more times higher in one than in the other."""

ROOM = 3.0
"""Heights of a line that may be free at the end of a part's last line, where the paragraph goes on."""

LOWEST, HIGHEST = 0.5, 0.5
"""Shares of a page's height: a paragraph that goes on ends below the first, and its next part begins above the second."""

NOTE = re.compile(r"[0-9*†‡§\u00b9\u00b2\u00b3\u2070-\u2079]")
"""How a footnote begins."""

SMALLER = 0.92
"""Letters of a footnote are at most so many times as high as the page's middle line."""

Place = tuple[int, int]
"""Index of a page, and of a block on it."""


def joined(whole: Document) -> Document:
    """`whole` with each paragraph that goes on in the next column or on the next page as one, where it begins."""
    pages = [list(page.blocks) for page in whole.pages]
    words: frozenset[str] | None = None
    begun: Place | None = None
    end = (0, 0)
    gone: set[Place] = set()
    for place in _body(whole):
        block = pages[place[0]][place[1]]
        before = None if begun is None else pages[begun[0]][begun[1]]
        if (
            begun is not None
            and isinstance(before, Text)
            and isinstance(block, Text)
            and _goes_on(before, block)
            and _is_next(before.lines[-1], block.lines[0], whole.pages[end[0]], whole.pages[place[0]])
        ):
            words = vocabulary(whole.lines) if words is None else words
            pages[begun[0]][begun[1]] = before.model_copy(update=_together(before, block, words))
            gone.add(place)
        else:
            begun = place
        end = place
    if not gone:
        return whole
    found = []
    for n, page in enumerate(whole.pages):
        kept = [block for m, block in enumerate(pages[n]) if (n, m) not in gone]
        found.append(
            page.model_copy(update={"blocks": tuple(block.model_copy(update={"order": m}) for m, block in enumerate(kept))})
        )
    return whole.model_copy(update={"pages": tuple(found)})


def _body(whole: Document) -> Iterator[Place]:
    """The places of all blocks but headers, footers and footnotes, in reading order."""
    for n, page in enumerate(whole.pages):
        heights = [height(line) for line in page.lines]
        usual = float(np.median(heights)) if heights else 0.0
        for m, block in enumerate(page.blocks):
            if block.kind not in ("header", "footer") and not _is_note(block, page, usual):
                yield n, m


def _is_note(block: Block, page: Page, usual: float) -> bool:
    """Whether a block is a footnote: low on its page, in smaller letters, after a number or a sign."""
    if not isinstance(block, Text) or block.kind != "paragraph" or not block.lines or not NOTE.match(block.text):
        return False
    return block.box[1] > LOWEST * page.height and float(np.median([height(line) for line in block.lines])) <= SMALLER * usual


def _is_next(last: Line, first: Line, here: Page, there: Page) -> bool:
    """Whether `first` stands where a paragraph goes on after its `last` line: in the next column, or high up on the next page."""
    if here is there:
        return first.box[0] >= last.box[2] and first.box[3] < last.box[1]
    return last.box[3] > LOWEST * here.height and first.box[1] < HIGHEST * there.height


def _goes_on(before: Text, block: Text) -> bool:
    """Whether `block` may be the rest of the paragraph `before`, which ends in the middle of a sentence."""
    if before.kind != "paragraph" or block.kind != "paragraph" or not before.lines or not block.lines:
        return False
    if not _is_open(before.text) or not block.text[:1].islower():
        return False
    one, other = (float(np.median([height(line) for line in part.lines])) for part in (before, block))
    if max(one, other) > ALIKE * min(one, other):
        return False
    last = before.lines[-1]
    column = [line.box[2] for line in before.lines if line.box[0] <= last.box[2] and last.box[0] <= line.box[2]]
    return last.box[2] >= max(column) - ROOM * one or is_full(last, block.lines[0], before.box)


def _is_open(text: str) -> bool:
    """Whether a text ends inside a sentence: in a letter, a comma, or a hyphen."""
    end = text.rstrip()[-1:]
    return end.isalpha() or end in tuple(f",{HYPHENS}")


def _together(before: Text, block: Text, words: frozenset[str]) -> dict[str, object]:
    lines = before.lines + block.lines
    first, _, rest = block.text.partition("\n")
    # In the middle of a sentence no gap is more than room between words.
    text = continued(before.text, first.replace("\t", " "), words) + (f"\n{rest}" if rest else "")
    return {"text": text, "lines": lines, "confidence": mean_confidence(lines), "source": source_of(lines)}
