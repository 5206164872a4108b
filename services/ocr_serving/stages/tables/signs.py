"""Signs in cells that the recogniser has no letter for: check marks, which it reads as V."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_serving.decoding.images import Image
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.words import ink

CHECK = "✓"
READ_AS, ROOT = frozenset("VvYy"), "√"
"""What a check mark is read as; the other is written for one, too, and is then kept."""

END = 0.2
"""Share of a sign's width that its left and its right end are."""

LOWER = 0.2
"""Share of its height by which the left arm of a check mark ends below the right one; those of a letter end on one level."""

LEAST = 5
"""Pixels that a sign is wide and high where its shape is seen."""


def with_checks(picture: Image, boxes: Rectangles, texts: Sequence[str]) -> list[str]:
    """`texts`, which stand in `boxes` of a picture, with those told as check marks that look like one and say a letter like it.

    Where there are such, signs of roots that look like one are taken for more of them.
    """
    alike = {
        n
        for n, (text, box) in enumerate(zip(texts, boxes.tolist(), strict=True))
        if (text.strip() in READ_AS or text.strip() == ROOT) and is_check(picture, (box[0], box[1], box[2], box[3]))
    }
    if not any(texts[n].strip() in READ_AS for n in alike):
        return list(texts)
    return [CHECK if n in alike else text for n, text in enumerate(texts)]


def is_check(picture: Image, box: tuple[float, float, float, float]) -> bool:
    """Whether what is printed in a box has two arms of which the left is the shorter, and meets the other left of the middle."""
    x1, y1, x2, y2 = (max(0, int(side)) for side in box)
    part = picture[y1:y2, x1:x2]
    if not part.size:
        return False
    marked = ink(part)
    columns, rows = np.flatnonzero(marked.any(axis=0)), np.flatnonzero(marked.any(axis=1))
    if not len(columns) or min(np.ptp(columns), np.ptp(rows)) < LEAST:
        return False
    sign = marked[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = sign.shape
    end = max(1, round(END * width))
    left, right = (int(np.flatnonzero(arm.any(axis=1))[0]) for arm in (sign[:, :end], sign[:, -end:]))
    foot = float(np.flatnonzero(sign[-max(1, height // 8) :].any(axis=0)).mean())
    return bool(left - right >= LOWER * height and foot < 0.5 * width)
