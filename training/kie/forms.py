"""Made-up forms: blocks set one below the other as a typist would, between a letterhead and what stands in the margins.

`noise.py` then does to them what a scan and an OCR do.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from training.kie.blocks import BLOCKS, Block, memo
from training.kie.sheet import HEADER, OTHER, Form, Sheet
from training.kie.texts import Texts


def make_form(texts: Texts, rng: random.Random) -> Form:
    """One page."""
    sheet = Sheet(texts, rng)
    _top(sheet)
    if rng.random() < 0.35:
        memo(sheet, sheet.left, sheet.right)
        sheet.down(0.5)
    end = rng.uniform(450, 960)
    blocks = list(BLOCKS)
    # A form keeps to a few kinds of blocks.
    weights = [weight * rng.choice([0.2, 1, 1, 2.5]) for weight in BLOCKS.values()]
    while sheet.y < end:
        if rng.random() < 0.12 and end - sheet.y > 150:
            _side_by_side(sheet, blocks, weights)
        else:
            rng.choices(blocks, weights)[0](sheet, sheet.left + rng.choice([0, 0, 0, 30]), sheet.right)
        sheet.down(rng.uniform(0, 0.8))
    _margins(sheet)
    for line in sheet.form.lines:
        line.text = line.text.strip()
    kept = [line for line in sheet.form.lines if line.text and line.box[1] < 985]
    there = {line.entity for line in kept}
    return Form(kept, [(q, a) for q, a in sheet.form.links if q in there and a in there])


def _side_by_side(sheet: Sheet, blocks: Sequence[Block], weights: Sequence[float]) -> None:
    """Two columns with a life of their own."""
    top, middle = sheet.y, sheet.rng.uniform(0.35, 0.65) * (sheet.right - sheet.left) + sheet.left
    low = []
    for left, right in ((sheet.left, middle - 10), (middle + 10, sheet.right)):
        sheet.y = top
        for _ in range(sheet.rng.randint(1, 3)):
            sheet.rng.choices(blocks, weights)[0](sheet, left, right)
        low.append(sheet.y)
    sheet.y = max(low)


def _top(sheet: Sheet) -> None:
    """Letterhead and title, in either order or not at all."""
    rng = sheet.rng
    shape = rng.random()
    if shape < 0.5:
        as_header = rng.random() < 0.35
        for n, text in enumerate(sheet.texts.letterhead(rng)):
            size = sheet.size * (rng.uniform(1.0, 2.0) if n == 0 else 0.9)
            _centred(sheet, text, size, HEADER if as_header and n == 0 else OTHER)
    if rng.random() < 0.85:
        sheet.down(rng.uniform(0, 1.0))
        size = sheet.size * rng.uniform(1.0, 2.2)
        label_of_subtitle = rng.choice([HEADER, HEADER, OTHER])
        _centred(sheet, sheet.texts.title(rng), size, HEADER)
        if rng.random() < 0.2:
            _centred(
                sheet,
                sheet.texts.title(rng) if label_of_subtitle == HEADER else sheet.texts.instruction(rng),
                sheet.size,
                label_of_subtitle,
            )
    sheet.down(rng.uniform(0.2, 1.5))


def _centred(sheet: Sheet, text: str, size: float, label: str) -> None:
    size = min(size, sheet.size * 900 / max(1.0, sheet.width(text)))
    where = sheet.rng.random()
    wide = sheet.width(text, size)
    x = max(10.0, 500 - wide / 2) if where < 0.6 else sheet.left if where < 0.9 else max(10.0, sheet.right - wide)
    sheet.write(text, x, sheet.y, label, size=size)
    sheet.y += size * 1.3


def _margins(sheet: Sheet) -> None:
    """Page numbers, stamps, fax lines: at the top, the foot, or up the side."""
    rng = sheet.rng
    for _ in range(rng.choices([0, 1, 2, 3, 4], [1, 3, 3, 2, 1])[0]):
        text = sheet.texts.side_mark(rng)
        where = rng.random()
        if where < 0.3:
            sheet.write(text, rng.choice([sheet.left, 400, 700]), rng.uniform(2, 14), OTHER, size=sheet.size * 0.9)
        elif where < 0.8:
            x = rng.choice([sheet.left, 480, max(20, sheet.right - sheet.width(text))])
            sheet.write(text, x, rng.uniform(955, 982), OTHER, size=sheet.size * rng.uniform(0.8, 1.4))
        else:
            high = min(300.0, sheet.width(text) / sheet.aspect)
            y, x = rng.uniform(300, 680), rng.choice([rng.uniform(3, 25), rng.uniform(930, 980)])
            line = sheet.write(text, x, y, OTHER)
            line.box = (x, y, x + sheet.size * sheet.aspect * 1.2, y + high)
