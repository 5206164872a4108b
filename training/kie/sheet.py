"""A made-up form being written: labelled lines of text with their boxes, and which answer belongs to which question.

A page is 1000 by 1000 units whatever its shape, as LayoutXLM scales it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from training.kie.texts import Texts

OTHER, QUESTION, ANSWER, HEADER = "O", "QUESTION", "ANSWER", "HEADER"


@dataclass
class Line:
    """A line of text: its box x1, y1, x2, y2 in thousandths of the page, its label, and the entity it is part of."""

    text: str
    box: tuple[float, float, float, float]
    label: str
    entity: int


@dataclass
class Form:
    """Lines, and pairs of entities: (question, answer)."""

    lines: list[Line] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)


class Sheet:
    """A form being written: where the pen is, and the habits that one form keeps from top to bottom."""

    def __init__(self, texts: Texts, rng: random.Random) -> None:
        self.texts, self.rng, self.form = texts, rng, Form()
        self.entities = 0
        self.aspect = rng.choice([1.0, 1.2, 1.29, 1.29, 1.33, 1.41, 1.41, 0.75])
        self.size = rng.uniform(9.5, 17) * (1.3 if self.aspect < 1 else 1)
        self.leading = self.size * rng.uniform(1.15, 2.0)
        self.left, self.right = rng.uniform(30, 150), 1000 - rng.uniform(30, 150)
        self.y = rng.uniform(15, 90)
        self.glyph = rng.uniform(0.42, 0.62)
        self.colon = rng.choice([1.0, 1.0, 0.9, 0.5, 0.0, 0.1])
        self.filled = rng.choice([1.0, 0.9, 0.8, 0.6, 0.4, 0.15])
        self.caps = rng.random() < 0.3
        self.pen = rng.uniform(0.85, 1.35)
        self.leader = rng.choice(["", "", "", "", "____", ".....", "________"])
        self.options_answer = rng.random() < 0.35
        self.marks = rng.choice([("X", ""), ("X", ""), ("[X]", "[ ]"), ("☒", "☐"), ("✓", ""), ("x", "_"), ("(X)", "( )")])

    def width(self, text: str, size: float | None = None) -> float:
        """How far a text reaches, in units of x."""
        units = sum(1.0 if ord(letter) >= 0x2E80 else 1.2 * self.glyph if letter.isupper() else self.glyph for letter in text)
        return units * (size or self.size) * self.aspect

    def write(self, text: str, x: float, y: float, label: str, *, entity: int | None = None, size: float | None = None) -> Line:
        """One line whose top left corner is at x, y."""
        if entity is None:
            entity = self.entities
            self.entities += 1
        high = size or self.size
        line = Line(text, (x, y, x + self.width(text, high), y + high), label, entity)
        self.form.lines.append(line)
        return line

    def wrapped(
        self, text: str, x1: float, x2: float, y: float, label: str, *, size: float | None = None, most: int = 12
    ) -> tuple[int, float]:
        """A text in as many lines as it takes. Returns its entity and the y below it."""
        words = list(text) if self.texts.asian else text.split()
        space = "" if self.texts.asian else " "
        rows, row = [], ""
        for word in words:
            longer = row + space + word if row else word
            if row and x1 + self.width(longer, size) > x2:
                rows.append(row)
                row = word
            else:
                row = longer
        entity = self.entities
        self.entities += 1
        for text_row in [*rows, row][:most]:
            self.write(text_row, x1, y, label, entity=entity, size=size)
            y += (size or self.size) * 1.25
        return entity, y

    def stacked(self, texts: list[str], x: float, y: float, label: str) -> tuple[int, float]:
        """Lines of one entity, each given: an address. Returns its entity and the y below it."""
        entity = self.entities
        self.entities += 1
        for text in texts:
            self.write(text, x, y, label, entity=entity)
            y += self.size * 1.25
        return entity, y

    def question(self, text: str | None = None) -> str:
        """A label with the punctuation of this form."""
        text = self.texts.label(self.rng) if text is None else text
        text = text.upper() if self.caps else text
        return text + (self.rng.choice([":", ":", ":", " :"]) if self.rng.random() < self.colon else "")

    def answer(self, text: str, x: float, y: float, x2: float, question: int) -> float:
        """A filled-in value for an entity, cut or wrapped to its room. Returns the y below it."""
        size = self.size * self.pen * self.rng.uniform(0.9, 1.1)
        up = self.rng.uniform(-0.25, 0.2) * self.size
        entity, below = self.wrapped(text, x, max(x2, x + 40), y + up, ANSWER, size=size, most=self.rng.choice([1, 1, 2, 3]))
        self.form.links.append((question, entity))
        return below

    def down(self, lines: float = 1.0) -> None:
        """Move the pen."""
        self.y += self.leading * lines
