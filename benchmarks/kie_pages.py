"""FUNSD's forms, and how much of what they say was found: entities and the pairs of question and answer.

Counted by box. An entity found is one of `Item`: a box with a label. It is right where it is matched with a true box of the same
label; each box is matched once, those that overlap most first, from an intersection over union of `SAME_BOX` on. On true boxes the
entities are FUNSD's own; on what an OCR found they are FUNSD's entities cut into their lines. A pair found is right where its two
items are matched with boxes of two entities that FUNSD links, question to answer; pairs of the same two entities count once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.pages import WordCount
from benchmarks.support import BenchmarkError

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""

SAME_BOX = 0.5
COUNTED = ("QUESTION", "ANSWER", "HEADER")


class Item(NamedTuple):
    """A box, what is in it, its label (O where it is none of COUNTED), and the number of its entity."""

    box: Box
    text: str
    label: str
    entity: int


@dataclass(frozen=True)
class LabelledForm:
    """What is true of one page; `links` are pairs of entities, question and answer."""

    image: Path
    entities: tuple[Item, ...]
    lines: tuple[Item, ...]
    links: frozenset[tuple[int, int]]


def labelled_forms(folder: Path) -> list[LabelledForm]:
    """Forms in FUNSD's format: `annotations/NAME.json` beside `images/NAME.png`. Raises BenchmarkError."""
    files = sorted((folder / "annotations").glob("*.json"))
    if not files:
        raise BenchmarkError(f"There are no annotations/*.json in {folder}: name a folder of forms in FUNSD's format.")
    return [read_form(file, folder / "images" / f"{file.stem}.png") for file in files]


def read_form(file: Path, image: Path) -> LabelledForm:
    """One annotation. Raises BenchmarkError where it, or its image, is not there or not of the format."""
    if not image.is_file():
        raise BenchmarkError(f"{file} has no image: put it at {image}.")
    entities, lines = [], []
    links = set()
    try:
        form = json.loads(file.read_text(encoding="utf-8"))["form"]
        labels = {entity["id"]: _label(entity["label"]) for entity in form}
        for entity in form:
            number, label = int(entity["id"]), labels[entity["id"]]
            words = [(str(word["text"]), _box(word["box"])) for word in entity["words"] if word["text"].strip()]
            rows = rows_of_words(words)
            if rows:
                entities.append(Item(_box(entity["box"]), " ".join(text for text, _ in rows), label, number))
                lines += [Item(box, text, label, number) for text, box in rows]
            links |= {(q, a) for q, a in entity["linking"] if (labels.get(q), labels.get(a)) == ("QUESTION", "ANSWER")}
    except (OSError, KeyError, TypeError, ValueError) as exc:
        raise BenchmarkError(f"{file} is not an annotation in FUNSD's format ({type(exc).__name__}: {exc}).") from None
    there = {item.entity for item in entities}
    return LabelledForm(image, tuple(entities), tuple(lines), frozenset(pair for pair in links if there.issuperset(pair)))


def rows_of_words(words: Sequence[tuple[str, Box]]) -> list[tuple[str, Box]]:
    """Words of an entity, in order, as the lines they stand in: a word that begins left of or below the last one begins a line."""
    rows: list[list[tuple[str, Box]]] = []
    for text, box in words:
        last = rows[-1][-1][1] if rows else None
        if last is None or (box[1] + box[3]) / 2 > last[3] or box[2] < last[0]:
            rows.append([])
        rows[-1].append((text, box))
    return [(" ".join(text for text, _ in row), union([box for _, box in row])) for row in rows]


def union(boxes: Sequence[Box]) -> Box:
    """The box around `boxes`."""
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


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


def _label(name: str) -> str:
    return name.upper() if name.upper() in COUNTED else "O"


def _box(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2
