"""Forms in FUNSD's format: an annotation and an image for each, as entities, their lines and the links between them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ocr_serving.errors import InputError

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""

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
    """Forms in FUNSD's format: `annotations/NAME.json` beside `images/NAME.png`. Raises InputError."""
    files = sorted((folder / "annotations").glob("*.json"))
    if not files:
        raise InputError(f"There are no annotations/*.json in {folder}: name a folder of forms in FUNSD's format.")
    return [read_form(file, folder / "images" / f"{file.stem}.png") for file in files]


def read_form(file: Path, image: Path) -> LabelledForm:
    """One annotation. Raises InputError where it, or its image, is not there or not of the format."""
    if not image.is_file():
        raise InputError(f"{file} has no image: put it at {image}.")
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
        raise InputError(f"{file} is not an annotation in FUNSD's format ({type(exc).__name__}: {exc}).") from None
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


def _label(name: str) -> str:
    return name.upper() if name.upper() in COUNTED else "O"


def _box(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2
