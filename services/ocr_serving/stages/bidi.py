"""Text as it stands on the page, from left to right, into the order in which it is read and stored. Pure.

A CTC recogniser tells characters in the order of their columns. Lines of Arabic or Hebrew are stored from their right end, with
numbers and Latin words inside them from left to right. That is the Unicode Bidirectional Algorithm (Unicode Standard Annex 9) run
once more: over a paragraph from right to left it is its own inverse, but for explicit marks, which no page shows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

RIGHT_TO_LEFT = ("R", "AL")
"""Bidirectional classes of the letters of Hebrew and of Arabic."""

MIRRORED = dict(zip("()[]{}<>«»‹›≤≥⟨⟩", ")(][}{><»«›‹≥≤⟩⟨", strict=True))
"""Signs whose shape on the page is that of their counterpart where the line runs from right to left."""


def has_right_to_left(characters: Iterable[str]) -> bool:
    """Whether any is a letter of a script that runs from right to left."""
    return any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for character in characters for letter in character)


def order(visual: str) -> list[int]:
    """For each character of the stored text, which of `visual` it is; 0, 1, 2, … where nothing runs from right to left."""
    if not has_right_to_left(visual):
        return list(range(len(visual)))
    runs: list[tuple[bool, list[int]]] = []
    for index, leftward in enumerate(_leftward(visual)):
        if runs and runs[-1][0] == leftward:
            runs[-1][1].append(index)
        else:
            runs.append((leftward, [index]))
    # Rule L2: the whole line backwards, and in it what runs from left to right forwards again.
    return [index for leftward, run in reversed(runs) for index in (reversed(run) if leftward else run)]


def logical(visual: str) -> str:
    """The stored text of a line whose characters, from left to right, are `visual`."""
    if not has_right_to_left(visual):
        return visual
    leftward = _leftward(visual)
    return "".join(MIRRORED.get(visual[index], visual[index]) if leftward[index] else visual[index] for index in order(visual))


def _leftward(visual: str) -> list[bool]:
    """For each character whether it runs from right to left, by rules W1 to W7 and N0 to N2 for a paragraph that does."""
    kinds = _marks([unicodedata.bidirectional(character) or "L" for character in visual])
    for start, end in _codes(visual, kinds):
        kinds[start:end] = ["L"] * (end - start)
    kinds = _numbers(kinds)
    # W7: a number after Latin text is part of it.
    strong = "R"
    for index, kind in enumerate(kinds):
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[index] = "L"
    # N1, N2: what has no direction takes that of its neighbours where they agree (numbers count as R), else the paragraph's.
    sides = ["L" if kind == "L" else "N" if kind in ("EN", "AN") else "R" if kind in ("R", "AL") else "" for kind in kinds]
    _brackets(visual, sides)
    before = "R"
    for index, side in enumerate(sides):
        if side:
            before = side
            continue
        after = next((later for later in sides[index + 1 :] if later), "R")
        if before == after == "L":
            sides[index] = "L"
    return [side not in ("L", "N") for side in sides]


def _codes(visual: str, kinds: Sequence[str]) -> list[tuple[int, int]]:
    """Start and end of each code: Latin letters with the numbers that are joined to them, as INV-2026-03, or follow, as SA03 8000.

    Its numbers would be Arabic ones among Arabic letters, and the code read from its end.
    """
    found: list[tuple[int, int]] = []
    for match in re.finditer(r"\S+", visual):
        start, end = match.span()
        inside = kinds[start:end]
        if not {"R", "AL", "AN"}.isdisjoint(inside):
            continue
        if "L" in inside and "EN" in inside:
            first, last = inside.index("L"), end - 1 - next(n for n, kind in enumerate(reversed(inside)) if kind in ("L", "EN"))
            found.append((start + first, last + 1))
        elif found and set(inside) == {"EN"} and visual[found[-1][1] : start] == " ":
            found[-1] = (found[-1][0], end)
    return found


def _brackets(visual: str, sides: list[str]) -> None:
    """N0: a pair of brackets around Latin text alone, and behind such, belongs to it; any other runs as the paragraph does."""
    open_at: list[int] = []
    for index, character in enumerate(visual):
        if character in "([{":
            open_at.append(index)
        elif character in ")]}" and open_at and MIRRORED[character] == visual[open_at[-1]]:
            first = open_at.pop()
            inside = {side for side in sides[first + 1 : index] if side}
            before = next((side for side in reversed(sides[:first]) if side), "R")
            if inside:
                sides[first] = sides[index] = "L" if inside == {"L"} and before == "L" else "R"


def _marks(kinds: list[str]) -> list[str]:
    """W1: a mark has the class of the letter it stands on."""
    for index, kind in enumerate(kinds):
        if kind == "NSM":
            kinds[index] = kinds[index - 1] if index else "R"
    return kinds


def _numbers(kinds: list[str]) -> list[str]:
    """W2 to W6: digits among Arabic letters are Arabic numbers, and separators and currency signs within numbers part of them.

    Which letters precede a number in the stored text is not known yet: any Arabic letter of the line decides.
    """
    arabic = "AL" in kinds
    kinds = ["AN" if kind == "EN" and arabic else kind for kind in kinds]
    for index in range(1, len(kinds) - 1):
        before, kind, after = kinds[index - 1 : index + 2]
        if before == after and ((kind == "CS" and before in ("EN", "AN")) or (kind == "ES" and before == "EN")):
            kinds[index] = before
    for forwards in (True, False):
        indices = range(len(kinds)) if forwards else reversed(range(len(kinds)))
        number = False
        for index in indices:
            number = kinds[index] == "EN" or (number and kinds[index] == "ET")
            if number:
                kinds[index] = "EN"
    return kinds
