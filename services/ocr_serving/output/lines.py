"""Lines of text as a module answers them: their words, the rows they stand in, and how they read on. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ocr_serving.output.tree import Box, Line, Point, Quad, Source, Word, around, corners

WIDE_GAP = 1.5
"""Heights of a line: what stands further apart in a row is two things, such as a label and its sum."""

SAME_ROW = 0.5
"""Two lines are in one row where their centres differ by less than this share of the lower one's height."""

PROSE_LETTERS, PROSE_ROWS = 40, 0.6
"""Lines run on where the middle one has so many letters, or such a share of them is full; else they are a list of short ones."""

LONGEST_GAP = 0.3
"""Share of a paragraph's width that may stay free at the end of a full line."""

JUSTIFIED_ROWS, JUSTIFIED_WORDS, JUSTIFIED_SHARE = 3, 4, 0.6
"""Rows and words, of the middle row, of prose that is set to both sides, and the share of its rows that reach both."""

WHOLE_SHARE = 0.25
"""Share of its rows, two at least, that are one line from side to side in a narrow column, whose rows may have a word less."""

EVEN = 1.7
"""The widest room between words of a row that is set to both sides, as a multiple of the narrowest."""

MIRRORED = dict(zip("()[]{}<>«»", ")(][}{><»«", strict=True))
"""Signs that look the other way in a text that is read from the right."""

HYPHENS = "-\u2010\u00ad"

NARROW_LETTERS = frozenset("iIljtfr.,:;!'|()[]`\"")
WIDE_LETTERS = frozenset("mwMW@%—")

Vocabulary = Collection[str]
"""Words of the document in lower case, by which a hyphen at the end of a line is told from one inside a word."""


def read_line(item: Mapping[str, Any], source: Source = "ocr") -> Line:
    """A line from an answer: `text`, `confidence`, `text_region` (or `points`), and `words` of the same shape where there are any.

    Raises KeyError, TypeError or ValueError where it is none.
    """
    text = str(item["text"] if "text" in item else item["transcription"])
    region = item["text_region"] if "text_region" in item else item["points"]
    quad = read_quad(region)
    confidence = _share(item.get("confidence", item.get("score", 1.0)))
    said = item.get("words")
    words = tuple(_read_word(word, source) for word in said) if said else derived_words(text, quad, confidence, source)
    if said and plain(" ".join(word.text for word in words)) != plain(text):
        # Modules tell words from left to right, and a line of Arabic in the order it is read.
        for turned in (words[::-1], tuple(from_left(words))):
            if plain(" ".join(word.text for word in turned)) == plain(text):
                words = turned
                break
    return Line(text=text, quad=quad, confidence=confidence, source=source, words=words)


def _read_word(item: Mapping[str, Any], source: Source) -> Word:
    return Word(text=str(item["text"]), quad=read_quad(item["text_region"]), confidence=_share(item["confidence"]), source=source)


def _share(value: Any) -> float:
    return min(1.0, max(0.0, float(value)))


def read_quad(points: Sequence[Sequence[float]]) -> Quad:
    """Four corners as they are; the upright box around any other number of them. Raises ValueError for fewer than two."""
    found: tuple[Point, ...] = tuple((float(point[0]), float(point[1])) for point in points)
    if len(found) == 4:
        return found[0], found[1], found[2], found[3]
    if len(found) < 2:
        raise ValueError("not a polygon")
    return corners(around(found))


def derived_words(text: str, quad: Quad, confidence: float, source: Source) -> tuple[Word, ...]:
    """The words of a line of which only the whole is known: each as long as its letters are wide in common fonts.

    In a line that is read from the right the first word is the rightmost; words of another direction that follow each other run on.
    """
    ends: list[float] = [0.0]
    for letter in text:
        ends.append(ends[-1] + _width(letter))
    total = ends[-1] or 1.0

    found = list(re.finditer(r"\S+", text))
    places = [(ends[match.start()] / total, ends[match.end()] / total) for match in found]
    if runs_left(text) and not is_upright(quad):
        for stretch in _stretches([match[0] for match in found]):
            first, last = places[stretch[0]][0], places[stretch[-1]][1]
            for n in stretch:
                places[n] = places[n][0] + 1 - last - first, places[n][1] + 1 - last - first
    return tuple(
        Word(text=match[0], quad=part(quad, start, end), confidence=confidence, source=source)
        for match, (start, end) in zip(found, places, strict=True)
    )


def _width(letter: str) -> float:
    if without_spaces(letter):
        return 2.0
    if letter == " " or letter in NARROW_LETTERS:
        return 0.55
    if letter in WIDE_LETTERS:
        return 1.6
    return 1.25 if letter.isupper() else 1.0


def part(quad: Quad, start: float, end: float) -> Quad:
    """The stretch of a line from `start` to `end`, as shares of its length; a line that runs down is cut across."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
    if is_upright(quad):
        return (
            _between((ax, ay), (dx, dy), start),
            _between((bx, by), (cx, cy), start),
            _between((bx, by), (cx, cy), end),
            _between((ax, ay), (dx, dy), end),
        )
    return (
        _between((ax, ay), (bx, by), start),
        _between((ax, ay), (bx, by), end),
        _between((dx, dy), (cx, cy), end),
        _between((dx, dy), (cx, cy), start),
    )


def is_upright(quad: Quad) -> bool:
    """Whether a line runs down the page: at least twice as high as wide, measured along its sides."""
    a, b, _, d = quad
    return float(np.hypot(d[0] - a[0], d[1] - a[1])) >= 2 * float(np.hypot(b[0] - a[0], b[1] - a[1]))


def runs_down(line: Line) -> bool:
    """Whether a line runs down the page; a single letter that is high and narrow does not."""
    return len(line.text.strip()) > 1 and is_upright(line.quad)


def _between(one: Point, other: Point, share: float) -> Point:
    return one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share


def height(line: Line) -> float:
    """How high a line's letters are, across its direction, in pixels."""
    a, b, _, d = line.quad
    sides = float(np.hypot(b[0] - a[0], b[1] - a[1])), float(np.hypot(d[0] - a[0], d[1] - a[1]))
    return max(1.0, sides[0] if runs_down(line) else sides[1])


def slope(lines: Sequence[Line]) -> float:
    """How far a page's lines fall for each pixel to the right: the median of those at least five times as long as high."""
    found = []
    for line in lines:
        (ax, ay), (bx, by), _, _ = line.quad
        if bx - ax >= 5 * height(line):
            found.append((by - ay) / (bx - ax))
    return float(np.median(found)) if found else 0.0


def rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that stand beside each other, from left to right, row after row down a page that may lie aslant."""
    fall = slope(lines)

    def level(line: Line) -> float:
        x1, y1, x2, y2 = line.box
        return (y1 + y2) / 2 - fall * (x1 + x2) / 2

    found: list[list[Line]] = []
    for line in sorted(lines, key=level):
        near = SAME_ROW * min([height(line), *(height(other) for other in found[-1])]) if found else 0.0
        row_level = float(np.mean([level(other) for other in found[-1]])) if found else 0.0
        beside = found and all(_apart(line.box, other.box) for other in found[-1])
        if found and beside and abs(level(line) - row_level) < near:
            found[-1].append(line)
        else:
            found.append([line])
    return [sorted(row, key=lambda line: line.box[0]) for row in found]


def _apart(one: Box, other: Box) -> bool:
    """Whether two boxes do not cover each other much along the row."""
    common = min(one[2], other[2]) - max(one[0], other[0])
    return common < 0.3 * min(one[2] - one[0], other[2] - other[0])


def row_text(row: Sequence[Line]) -> str:
    """What a row says: a tab where there is a wide gap."""
    text = row[0].text
    for line, after in pairwise(row):
        gap = after.box[0] - line.box[2]
        text += "\t" if gap > WIDE_GAP * max(height(line), height(after)) else joint(line.text, after.text)
        text += after.text
    return text


def running(found: Sequence[Sequence[Line]], box: Box, words: Vocabulary = ()) -> str:
    """Rows as running text inside `box`. A row that had room for the next one's first word ends there, as in an address.

    A word that was parted at the end of a row is one again, but for those that `words` has with their hyphen.
    """
    if not found:
        return ""
    if is_justified(found, box):
        found = [[as_one(row)] for row in found]
    single = [row[0] for row in found if len(row) == 1]
    full = [len(row) == len(after) == 1 and is_full(row[0], after[0], box) for row, after in pairwise(found)]
    letters = float(np.median([_letters(line.text) for line in single])) if single else 0.0
    starts = [row_text(row).split(" ")[0].rstrip(".,;:!?)") for row in found[1:]]
    # Prose goes on in the middle of a sentence somewhere; an address or a list of short lines never does.
    goes_on = any((start.isalpha() and start.islower()) or without_spaces(start[:1]) for start in starts)
    is_prose = goes_on and (letters >= PROSE_LETTERS or sum(full) >= PROSE_ROWS * len(full))
    text = row_text(found[0])
    for fills, after in zip(full, found[1:], strict=True):
        following = row_text(after)
        if fills and (is_prose or following[:1].islower()):
            text = continued(text, following, words)
        else:
            text += "\n" + following
    return text


def is_justified(found: Sequence[Sequence[Line]], box: Box) -> bool:
    """Whether rows are prose set to both sides of `box`, some of them so wide that their words were taken for several things.

    Such rows have many words, with the same room between all of them, which a label and its sum at the other side do not have.
    """
    apart = [row for row in found if len(row) > 1]
    if not apart or len(found) < JUSTIFIED_ROWS:
        return False
    high = float(np.median([height(line) for row in found for line in row]))
    body = found[:-1]
    to_both = sum(row[0].box[0] - box[0] < 2 * high and box[2] - row[-1].box[2] < high for row in body)
    counts = [sum(len(line.words) for line in row) for row in body]
    whole = [row[0] for row in body if len(row) == 1 and box[2] - row[0].box[2] < high and len(row[0].words) >= JUSTIFIED_WORDS]
    least = JUSTIFIED_WORDS - (len(whole) >= max(2, WHOLE_SHARE * len(body)))
    if to_both < JUSTIFIED_SHARE * len(body) or float(np.median(counts)) < least:
        return False
    return all(_has_even_gaps(row, high) for row in apart)


def _has_even_gaps(row: Sequence[Line], high: float) -> bool:
    """Whether the words of a row are as far from each other, but for what their places are unsure by."""
    words = [word for line in row for word in line.words]
    gaps = [after.box[0] - word.box[2] for word, after in pairwise(words)]
    return bool(gaps) and max(gaps) <= EVEN * min(gaps) + 0.5 * high


def as_one(row: Sequence[Line]) -> Line:
    """The parts of a row as one line, without tabs."""
    if len(row) == 1:
        return row[0]
    text = row[0].text
    for line, after in pairwise(row):
        text += joint(line.text, after.text) + after.text
    words = tuple(word for line in row for word in line.words)
    box = enclosing([line.box for line in row])
    return Line(text=text, quad=corners(box), confidence=mean_confidence(row), source=source_of(row), words=words)


def is_full(line: Line, after: Line, box: Box) -> bool:
    """Whether a line had no room for the first word of the next; a long word alone is no reason to end far from the edge."""
    room = min(_first_word(after), LONGEST_GAP * (box[2] - box[0]))
    return line.box[2] + room >= box[2]


def _letters(text: str) -> int:
    """Letters of `text`, those of Chinese or Japanese counted twice, as they are twice as wide."""
    return sum(2 if without_spaces(letter) else 1 for letter in text)


def continued(text: str, following: str, words: Vocabulary = ()) -> str:
    """`text` with what follows it on the next line."""
    parted = re.search(rf"([^\W\d_]{{2,}})[{HYPHENS}]$", text)
    rest = re.match(r"[^\W\d_]+", following)
    if parted and rest and rest[0][0].islower():
        whole, hyphened = f"{parted[1]}{rest[0]}".lower(), f"{parted[1]}-{rest[0]}".lower()
        if whole in words or hyphened not in words:
            return text[:-1] + following
        return text + following
    return text + joint(text, following) + following


def joint(text: str, following: str) -> str:
    """What stands between two texts that follow each other: nothing where the script writes no spaces, else one."""
    return "" if without_spaces(text[-1:]) and without_spaces(following[:1]) else " "


def runs_left(text: str) -> bool:
    """Whether a text is read from the right: its first letter that has a direction is Arabic's or Hebrew's (UAX #9, P2 and P3)."""
    kinds = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"


def as_seen(text: str) -> str:
    """A text that is read from the right as its letters stand from left to right, brackets as they look; another as it is.

    Numbers and words of other scripts in it run to the right (UAX #9, L2 and L4).
    """
    if not runs_left(text):
        return text
    stretches = re.split(r"((?:[^\W_](?:[.,:/+-](?=[^\W_]))?)+)", text)
    seen = ""
    for stretch in reversed(stretches):
        own = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in stretch)
        seen += (
            stretch if stretch[:1].isalnum() and not own else "".join(MIRRORED.get(letter, letter) for letter in reversed(stretch))
        )
    return seen


def from_left(words: Sequence[Word]) -> list[Word]:
    """The words of a line that is read from the right, which come as they are read, as they stand from left to right."""
    return [words[n] for stretch in reversed(_stretches([word.text for word in words])) for n in stretch]


def _stretches(words: Sequence[str]) -> list[list[int]]:
    """Which words of a line that is read from the right run to the right together, as they are read (UAX #9, W7, N1 and L2).

    Those are words of another direction that follow each other, with the numbers and signs between them and numbers after them.
    """
    found: list[list[int]] = []
    signs: list[int] = []
    foreign = False
    for n, word in enumerate(words):
        kinds = {unicodedata.bidirectional(letter) for letter in word}
        own = bool(kinds & {"R", "AL", "AN"})
        if foreign and not own and kinds & {"L", "EN"}:
            found[-1] += [*signs, n]
            signs = []
        elif foreign and not own:
            signs.append(n)
        else:
            found += [[sign] for sign in signs] + [[n]]
            signs = []
            foreign = "L" in kinds and not own
    return found + [[sign] for sign in signs]


def without_spaces(letter: str) -> bool:
    """Whether a letter is of a script that writes words without spaces: Chinese, Japanese."""
    return "\u2e80" <= letter <= "\u9fff" or "\uff00" <= letter <= "\uffef"


def _first_word(line: Line) -> float:
    """Pixels that the first word of a line takes, with the space before it and a letter to spare."""
    left, _, right, _ = line.box
    word = line.text.split(" ")[0]
    letters = 1 if without_spaces(word[:1]) else len(word)
    return (letters + 2) * (right - left) / max(1, len(line.text))


def vocabulary(lines: Sequence[Line]) -> frozenset[str]:
    """The words of a document in lower case, with the hyphens inside them; of a line's last word only what has none at its end."""
    found: set[str] = set()
    for line in lines:
        found.update(re.findall(rf"[^\W\d_]+(?:-[^\W\d_]+)*(?![{HYPHENS}\w])", line.text.lower()))
    return frozenset(found)


def plain(text: str) -> str:
    """`text` as it is compared: compatible letters the same, without spaces."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def mean_confidence(lines: Sequence[Line]) -> float:
    """By length; 1 where there are none."""
    weight = sum(len(line.text) for line in lines)
    return min(1.0, sum(len(line.text) * line.confidence for line in lines) / weight) if weight else 1.0


def enclosing(boxes: Sequence[Box]) -> Box:
    """The box around several. Raises ValueError where there are none."""
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


def common(one: Sequence[float], other: Sequence[float]) -> float:
    """The area two boxes share."""
    width, high = (min(one[n + 2], other[n + 2]) - max(one[n], other[n]) for n in (0, 1))
    return max(0.0, width) * max(0.0, high)


def source_of(lines: Sequence[Line]) -> Source:
    """Where most of the letters are from."""
    ours = sum(len(line.text) * (1 if line.source == "ocr" else -1) for line in lines)
    return "pdf" if ours < 0 else "ocr"


def unique(lines: Sequence[Line], key: Callable[[Line], Any] = lambda line: (line.text, line.quad)) -> list[Line]:
    """Each line once, in the order of the first."""
    return list({key(line): line for line in reversed(lines)}.values())[::-1]
