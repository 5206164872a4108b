"""How much of what FUNSD's forms say was found: entities and the pairs of question and answer.

Counted by box. An entity found is one of `Item`: a box with a label. It is right where it is matched with a true box of the same
label; each box is matched once, those that overlap most first, from an intersection over union of `SAME_BOX` on. On true boxes the
entities are FUNSD's own; on what an OCR found they are FUNSD's entities cut into their lines. A pair found is right where its two
items are matched with boxes of two entities that FUNSD links, question to answer; pairs of the same two entities count once.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.kie.funsd import COUNTED, Box, Item

from benchmarks.library.pages import WordCount

SAME_BOX = 0.5


def matched(found: Sequence[Box], true: Sequence[Box]) -> dict[int, int]:
    """Which box of `true` each of `found` is, by index; one to one, most overlap first."""
    overlaps = [(overlap(one, two), n, m) for n, one in enumerate(found) for m, two in enumerate(true)]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for share, n, m in sorted(overlaps, reverse=True):
        if share < SAME_BOX:
            break
        if n not in pairs and m not in taken:
            pairs[n] = m
            taken.add(m)
    return pairs


def overlap(one: Box, two: Box) -> float:
    """Intersection over union."""
    width, height = min(one[2], two[2]) - max(one[0], two[0]), min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return width * height / (sum(areas) - width * height)


def count_entities(found: Sequence[tuple[Box, str]], true: Sequence[Item]) -> WordCount:
    """Right, found and true entities of COUNTED labels."""
    match = matched([box for box, _ in found], [item.box for item in true])
    right = sum(label in COUNTED and n in match and true[match[n]].label == label for n, (_, label) in enumerate(found))
    return WordCount(right, sum(label in COUNTED for _, label in found), sum(item.label in COUNTED for item in true))


def count_pairs(found: Sequence[tuple[Box, Box]], true: Sequence[Item], links: frozenset[tuple[int, int]]) -> WordCount:
    """Right, found and true pairs of question and answer."""
    boxes = list(dict.fromkeys(box for pair in found for box in pair))
    match = matched(boxes, [item.box for item in true])
    entity = {box: true[match[n]].entity if n in match else -1 - n for n, box in enumerate(boxes)}
    pairs = {(entity[question], entity[answer]) for question, answer in found}
    return WordCount(len(pairs & links), len(pairs), len(links))
