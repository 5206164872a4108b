"""What a scan and an OCR do to a page: skew, jitter, lines merged and split, letters misread, lines missed or made up."""

from __future__ import annotations

import math
import random

from training.kie.sheet import OTHER, Form, Line

CONFUSED = dict(zip("0O1lI5S8Bmec:.,auhtigr", "O0lllS5B8nce.,.ovbfjqv", strict=True))
"""What an OCR takes a letter for."""


def scanned(form: Form, rng: random.Random) -> Form:
    """A copy of `form` as an annotator's boxes (an entity of several lines is one box) or as an OCR's would give it."""
    lines = [Line(line.text, line.box, line.label, line.entity) for line in form.lines]
    if rng.random() < 0.5:
        lines = _whole_entities(lines)
        letters = rng.choice([0.0, 0.0, 0.01])
    else:
        lines = _split(_merged(lines, rng), rng)
        letters = rng.choice([0.0, 0.01, 0.03, 0.06])
        lines = [line for line in lines if rng.random() > 0.02]
    lines = [_misread(line, letters, rng) for line in lines] + _made_up(rng)
    lines = _placed([line for line in lines if line.text.strip()], rng)
    there = {line.entity for line in lines}
    return Form(lines, [(q, a) for q, a in form.links if q in there and a in there])


def _whole_entities(lines: list[Line]) -> list[Line]:
    by_entity: dict[int, list[Line]] = {}
    for line in lines:
        by_entity.setdefault(line.entity, []).append(line)
    return [_union(parts, parts[0].label, parts[0].entity) for parts in by_entity.values()]


def _union(parts: list[Line], label: str, entity: int) -> Line:
    boxes = [line.box for line in parts]
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    return Line(" ".join(line.text for line in parts), box, label, entity)


def _merged(lines: list[Line], rng: random.Random) -> list[Line]:
    """Neighbours of one row that stand close are one line to an OCR; the longer part gives the label."""
    reach = rng.choice([0.0, 6.0, 12.0, 18.0])
    out: list[Line] = []
    for line in sorted(lines, key=lambda line: (round(line.box[1] / 8), line.box[0])):
        last = out[-1] if out else None
        if last and abs(last.box[1] - line.box[1]) < 5 and 0 <= line.box[0] - last.box[2] < reach and rng.random() < 0.7:
            longer = line if len(line.text) > len(last.text) else last
            out[-1] = _union([last, line], longer.label, longer.entity)
        else:
            out.append(line)
    return out


def _split(lines: list[Line], rng: random.Random) -> list[Line]:
    often = rng.choice([0.0, 0.03, 0.15])
    out = []
    for line in lines:
        words = line.text.split()
        if len(words) < 2 or rng.random() > often:
            out.append(line)
            continue
        at = rng.randrange(1, len(words))
        first, second = " ".join(words[:at]), " ".join(words[at:])
        x1, y1, x2, y2 = line.box
        cut = x1 + (x2 - x1) * (len(first) + 0.5) / len(line.text)
        out += [
            Line(first, (x1, y1, cut - 1, y2), line.label, line.entity),
            Line(second, (cut + 1, y1, x2, y2), line.label, line.entity),
        ]
    return out


def _misread(line: Line, share: float, rng: random.Random) -> Line:
    if not share:
        return line
    letters = []
    for letter in line.text:
        shape = rng.random()
        if shape > share:
            letters.append(letter)
        elif shape < share * 0.6:
            letters.append(CONFUSED.get(letter, rng.choice("abcdefghijklmnorstuvx")))
        elif shape < share * 0.75 or letter == " ":
            continue
        else:
            letters.append(letter + rng.choice(" .'-"))
    return Line("".join(letters), line.box, line.label, line.entity)


def _made_up(rng: random.Random) -> list[Line]:
    """Specks and lines that are read as text."""
    out = []
    for n in range(rng.choices([0, 1, 3], [6, 2, 1])[0]):
        x, y = rng.uniform(0, 960), rng.uniform(0, 980)
        text = "".join(rng.choices(".,-_'|~ilI1/\\:;*=", k=rng.randint(1, 4)))
        out.append(Line(text, (x, y, x + rng.uniform(5, 30), y + rng.uniform(5, 20)), OTHER, -1 - n))
    return out


def _placed(lines: list[Line], rng: random.Random) -> list[Line]:
    """Skewed, shifted, stretched and cut to whole thousandths of the page, box by box a little off."""
    slope = rng.gauss(0, 0.006)
    scale_x, scale_y = rng.uniform(0.85, 1.08), rng.uniform(0.8, 1.08)
    dx, dy = rng.uniform(-30, 60), rng.uniform(-15, 60)
    loose, grown = rng.choice([0.3, 1.0, 2.0]), rng.uniform(-0.05, 0.25)
    out = []
    for line in lines:
        x1, y1, x2, y2 = line.box
        up = slope * ((x1 + x2) / 2 - 500)
        more = grown * (y2 - y1)
        moved = (x1 * scale_x + dx - more, y1 * scale_y + dy + up - more, x2 * scale_x + dx + more, y2 * scale_y + dy + up + more)
        left, top, right, bottom = (min(1000.0, max(0.0, value + rng.gauss(0, loose))) for value in moved)
        if right - left >= 1 and bottom - top >= 1:
            out.append(
                Line(line.text, (math.floor(left), math.floor(top), math.floor(right), math.floor(bottom)), line.label, line.entity)
            )
    return out
