"""Blocks that forms are made of: fields, boxes, tables, check boxes, free text, …, each written from x1 to x2 where the pen is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from training.kie.sheet import ANSWER, HEADER, OTHER, QUESTION, Sheet
from training.kie.texts import WORDS

Block = Callable[[Sheet, float, float], None]


def fields(sheet: Sheet, x1: float, x2: float) -> None:
    """Label and value side by side, in one to four columns."""
    rng = sheet.rng
    columns = rng.choices([1, 2, 3, 4], [6, 5, 2, 0.7])[0]
    step = (x2 - x1) / columns
    aligned = rng.random() < 0.5
    stop = rng.uniform(0.25, 0.6) * step
    ruled = rng.random() < 0.15
    for _ in range(rng.randint(1, 9)):
        below = sheet.y + sheet.leading
        for column in range(columns):
            if rng.random() < 0.06:
                continue
            x = x1 + column * step
            text = sheet.question() if rng.random() < 0.94 else sheet.texts.question(rng)
            room = step * (0.62 if columns > 1 else 0.8)
            if sheet.width(text) > room:
                entity, bottom = sheet.wrapped(text, x, x + room, sheet.y, QUESTION, most=3)
                right = x + room
            else:
                line = sheet.write(text + (sheet.leader if rng.random() < 0.3 else ""), x, sheet.y, QUESTION)
                entity, bottom, right = line.entity, sheet.y + sheet.size, line.box[2]
            value_x = max(right + rng.uniform(4, 14), x + stop) if aligned else right + rng.uniform(4, 40)
            edge = x + step - 8
            if rng.random() < sheet.filled and value_x < edge - 15:
                below = max(below, sheet.answer(sheet.texts.value(rng, text), value_x, sheet.y, edge, entity) + 2)
            elif ruled and edge - value_x > 50:
                sheet.write("_" * rng.randint(5, 20), value_x, sheet.y, OTHER)
            below = max(below, bottom + 0.25 * sheet.size)
        sheet.y = below


def memo(sheet: Sheet, x1: float, x2: float) -> None:
    """TO, FROM, DATE, SUBJECT one below the other, values on one stop."""
    rng = sheet.rng
    names = [name.capitalize() for name in rng.sample(WORDS["memos"], rng.randint(3, 6))]
    if not sheet.texts.english:
        names = [sheet.texts.label(rng) for _ in names]
    upper = rng.random() < 0.6
    stop = x1 + max(sheet.width(name.upper() + ":") for name in names) + rng.uniform(10, 60)
    for name in names:
        text = (name.upper() if upper else name) + (":" if rng.random() < 0.85 else "")
        line = sheet.write(text, x1, sheet.y, QUESTION)
        below = sheet.y + sheet.leading
        if rng.random() < 0.15:
            entity, sheet.y = sheet.stacked(sheet.texts.letterhead(rng), stop, sheet.y, ANSWER)
            sheet.form.links.append((line.entity, entity))
            continue
        for _ in range(rng.choices([0, 1, 2, 3], [1, 12, 1.5, 0.6])[0]):
            below = sheet.answer(sheet.texts.value(rng, name), stop, sheet.y, x2, line.entity) + 0.2 * sheet.size
            sheet.y = below
        sheet.y = max(sheet.y + sheet.leading * 0.3, below)


def boxes(sheet: Sheet, x1: float, x2: float) -> None:
    """Ruled boxes: a small label at the top of each, its value below."""
    rng = sheet.rng
    columns = rng.randint(1, 4)
    high = sheet.size * rng.uniform(2.2, 3.4)
    small = sheet.size * rng.uniform(0.65, 1.0)
    edges = [x1, *sorted(rng.uniform(x1 + 60, x2 - 60) for _ in range(columns - 1)), x2]
    for _ in range(rng.randint(1, 5)):
        for left, right in itertools.pairwise(edges):
            if right - left < 60:
                continue
            text = sheet.question()
            entity, bottom = sheet.wrapped(text, left + 4, right - 4, sheet.y, QUESTION, size=small, most=2)
            if rng.random() < sheet.filled:
                sheet.answer(
                    sheet.texts.value(rng, text),
                    left + rng.uniform(4, 25),
                    bottom + rng.uniform(0, 0.3) * sheet.size,
                    right - 4,
                    entity,
                )
        sheet.y += high + small * 0.5
        if rng.random() < 0.4:
            edges = [x1, *sorted(rng.uniform(x1 + 60, x2 - 60) for _ in range(rng.randint(0, 3))), x2]


def table(sheet: Sheet, x1: float, x2: float) -> None:
    """Column heads, sometimes heads of rows, and cells; some are empty."""
    rng = sheet.rng
    columns, rows = rng.randint(2, 8), rng.choices([0, 1, 2, 4, 7, 12], [1.5, 1.5, 3, 3, 2, 0.7])[0]
    heads_of_rows = rng.random() < 0.45
    heads_of_columns = not heads_of_rows or rng.random() < 0.85
    weights = [rng.uniform(0.6, 1.6) * (1.8 if n == 0 else 1) for n in range(columns)]
    edges = [x1]
    for weight in weights:
        edges.append(edges[-1] + (x2 - x1) * weight / sum(weights))
    kinds = [
        rng.choice(["number", "count", "money", "percent", "date", "code", "phrase", "own", "mark", "person"])
        for _ in range(columns)
    ]
    if rng.random() < 0.5:
        kinds = [kinds[0], *[rng.choice(["number", "count", "money", "percent"])] * (columns - 1)]
    centred = rng.random() < 0.5
    heads: list[int | None] = [None] * columns
    below = sheet.y + sheet.leading
    for n in range(columns if heads_of_columns else 0):
        if n == 0 and heads_of_rows and rng.random() < 0.5:
            continue
        text = sheet.texts.column(rng)
        text = text.upper() if sheet.caps else text
        inset = max(3.0, (edges[n + 1] - edges[n] - sheet.width(text)) / 2) if centred else 3.0
        heads[n], bottom = sheet.wrapped(text, edges[n] + inset, edges[n + 1] - 3, sheet.y, QUESTION, most=3)
        below = max(below, bottom)
    sheet.y = below + rng.uniform(0, 0.8) * sheet.size
    gaps = rng.choice([0.0, 0.05, 0.3, 0.6])
    for _ in range(rows):
        head = None
        for n in range(columns):
            if rng.random() < gaps:
                continue
            if n == 0 and heads_of_rows:
                text = sheet.texts.label(rng) if rng.random() < 0.8 else sheet.texts.of_kind("phrase", rng)
                head = sheet.write(_shortened(text, edges[1] - edges[0], sheet), edges[0] + 3, sheet.y, QUESTION).entity
                continue
            text = _shortened(sheet.texts.of_kind(kinds[n], rng), edges[n + 1] - edges[n], sheet)
            spare = max(3.0, edges[n + 1] - edges[n] - sheet.width(text) - 3)
            inset = spare / 2 if centred else 3.0 if kinds[n] in ("phrase", "own", "person", "code") else rng.uniform(3, spare)
            cell = sheet.write(text, edges[n] + inset, sheet.y, ANSWER, size=sheet.size * sheet.pen**0.5)
            sheet.form.links += [(question, cell.entity) for question in (heads[n], head) if question is not None]
        sheet.down(rng.uniform(0.85, 1.0))
        if sheet.y > 950:
            break


def _shortened(text: str, width: float, sheet: Sheet) -> str:
    while len(text) > 3 and sheet.width(text) > width - 6:
        text = text[:-1]
    return text.strip()


def tick_boxes(sheet: Sheet, x1: float, x2: float) -> None:
    """A question with options to tick, in a row or one below the other."""
    rng = sheet.rng
    in_row = rng.random() < 0.65
    x = x1
    question = None
    if rng.random() < 0.75:
        line = sheet.write(
            sheet.question(sheet.texts.checkbox_label(rng) if rng.random() < 0.6 else sheet.texts.question(rng)),
            x1,
            sheet.y,
            QUESTION,
        )
        question = line.entity
        x = line.box[2] + rng.uniform(15, 60)
    if question is not None and (not in_row or x > x1 + 0.6 * (x2 - x1)):
        sheet.down()
        x = x1 + rng.uniform(0, 60)
    options = sheet.texts.options(rng)
    chosen = rng.randrange(len(options)) if rng.random() < sheet.filled else -1
    before = rng.random() < 0.7
    apart = rng.random() < 0.6
    start = x
    for n, option in enumerate(options):
        mark = sheet.marks[0] if n == chosen else sheet.marks[1]
        if x + sheet.width(option + mark) > x2 and x > start:
            sheet.down()
            x = start
        label = ANSWER if sheet.options_answer and question is not None else QUESTION
        texts = [(option, label)] if not mark else [(mark, ANSWER if n == chosen else OTHER), (option, label)]
        if mark and not apart:
            texts = [(f"{mark} {option}" if before else f"{option} {mark}", label)]
        elif not before:
            texts.reverse()
        made = {}
        for text, kind in texts:
            line = sheet.write(text, x, sheet.y, kind)
            made[kind] = line.entity
            x = line.box[2] + rng.uniform(5, 14)
        if label == ANSWER and question is not None:
            sheet.form.links.append((question, made[ANSWER]))
        elif QUESTION in made and ANSWER in made:
            sheet.form.links.append((made[QUESTION], made[ANSWER]))
        x += rng.uniform(10, 60)
        if not in_row:
            sheet.down()
            x = start
    if in_row:
        sheet.down()


def heading(sheet: Sheet, x1: float, x2: float) -> None:
    """The heading of a part."""
    rng = sheet.rng
    sheet.down(rng.uniform(0.1, 0.8))
    text = sheet.texts.section(rng)
    size = sheet.size * rng.choice([1.0, 1.0, 1.1, 1.3])
    x = x1 if rng.random() < 0.7 else max(x1, (x1 + x2 - sheet.width(text, size)) / 2)
    sheet.write(text, x, sheet.y, HEADER, size=size)
    sheet.y += size * rng.uniform(1.2, 2.0)


def free_text(sheet: Sheet, x1: float, x2: float) -> None:
    """Sentences that are neither asked for nor an answer."""
    rng = sheet.rng
    text = sheet.texts.instruction(rng)
    for _ in range(rng.choices([0, 1, 3, 6], [5, 2, 1, 1])[0]):
        text += ("" if sheet.texts.asian else " ") + sheet.texts.sentence(rng)
    _, sheet.y = sheet.wrapped(text, x1 + rng.choice([0, 0, 30]), x2, sheet.y, OTHER, size=sheet.size * rng.choice([0.8, 1.0, 1.0]))
    sheet.y += rng.uniform(0.2, 1.0) * sheet.size


def long_answer(sheet: Sheet, x1: float, x2: float) -> None:
    """A question with an answer of several lines beside or below it."""
    rng = sheet.rng
    text = sheet.question() if rng.random() < 0.8 else sheet.texts.question(rng)
    line = sheet.write(_shortened(text, x2 - x1, sheet), x1, sheet.y, QUESTION)
    beside = rng.random() < 0.4 and line.box[2] < x1 + 0.5 * (x2 - x1)
    if not beside:
        sheet.down(rng.uniform(0.8, 1.1))
    if rng.random() < sheet.filled:
        answer = (
            " ".join(sheet.texts.sentence(rng) for _ in range(rng.randint(1, 5)))
            if rng.random() < 0.75
            else sheet.texts.of_kind("phrase", rng)
        )
        left = line.box[2] + rng.uniform(5, 30) if beside else x1 + rng.choice([0, 0, 20, 60])
        entity, sheet.y = sheet.wrapped(answer, left, x2, sheet.y, ANSWER, size=sheet.size * sheet.pen**0.5)
        sheet.form.links.append((line.entity, entity))
        sheet.y += rng.uniform(0.2, 1) * sheet.size
    else:
        sheet.down(rng.uniform(1, 4))


def numbered(sheet: Sheet, x1: float, x2: float) -> None:
    """Numbered questions, each with a short answer at the right or below."""
    rng = sheet.rng
    style = rng.choice(["{}.", "{})", "({})", "{}"])
    right = rng.random() < 0.5
    for number in range(1, rng.randint(2, 8)):
        text = sheet.texts.question(rng) if rng.random() < 0.5 else sheet.question()
        entity, below = sheet.wrapped(f"{style.format(number)} {text}", x1, x2 - 200 if right else x2, sheet.y, QUESTION, most=2)
        if rng.random() < sheet.filled:
            value = sheet.texts.value(rng, text)
            if right:
                below = max(below, sheet.answer(value, x2 - rng.uniform(100, 190), sheet.y, x2, entity))
            else:
                below = sheet.answer(value, x1 + rng.uniform(10, 50), below, x2, entity)
        sheet.y = below + rng.uniform(0.1, 1) * sheet.size


def signatures(sheet: Sheet, x1: float, x2: float) -> None:
    """Names and dates over or beside the words that ask for them."""
    rng = sheet.rng
    columns = rng.randint(1, 3)
    step = (x2 - x1) / columns
    words = WORDS["signatures"]
    sheet.down(0.6)
    for _ in range(rng.randint(1, 3)):
        for column in range(columns):
            word = rng.choice(words) if sheet.texts.english else sheet.texts.label(rng)
            line = sheet.write(sheet.question(word), x1 + column * step, sheet.y + 1.3 * sheet.size, QUESTION)
            if rng.random() < sheet.filled:
                kind = "date" if word == "Date" else "job" if word == "Title" else "person"
                sheet.answer(
                    sheet.texts.of_kind(kind, rng), line.box[0] + rng.uniform(0, 60), sheet.y, x1 + (column + 1) * step, line.entity
                )
        sheet.y += 3 * sheet.size + rng.uniform(0, 10)


BLOCKS: Mapping[Block, float] = {
    fields: 7,
    boxes: 2.2,
    table: 2.4,
    tick_boxes: 2,
    heading: 4,
    free_text: 4,
    long_answer: 1.5,
    numbered: 0.8,
    signatures: 1.0,
}
"""How often each kind of block is drawn."""
