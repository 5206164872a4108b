"""The grid that rules draw: places between them, joined where no rule parts them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocr_serving.stages.tables.grid import Grid, GridCell
from ocr_serving.stages.tables.picture import Rectangles
from ocr_serving.stages.tables.rulings import Rulings, Segments
from ocr_serving.stages.tables.words import rows_of_text

DRAWN = 0.6
"""Share of a place's side that a rule covers where it parts this place from the next."""

FRAME = 0.85
"""Share of a side of a frame that rules cover."""

LEAST_ROWS = 3
"""Rows of a table of one column."""

PROSE = 0.7
"""Share of lines of text around a table that stand alone, where they are prose and not rows of another."""

ROOM = 0.45
"""Height of a line; rules nearer to each other than this are one."""


def ruled(rules: Rulings, boxes: Rectangles, height: float) -> Grid | None:
    """The grid of `rules` around lines of text in `boxes`; None where they draw none.

    Where text goes on beyond the outermost rule of a side, that side of the table is taken to be without one. Joined places that
    are no rectangle are told as single ones.
    """
    if len(rules.level) < 1 or len(rules.upright) < 1:
        return None
    levels, uprights = _positions(rules.level, ROOM * height), _positions(rules.upright, ROOM * height)
    if len(boxes):
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        open_ends = rules.upright[:, 1:] if len(rules.upright) > 1 else np.zeros((0, 2))
        levels = _with_edges(levels, centres[:, 1], boxes[:, [1, 3]], open_ends, uprights, centres[:, 0], height)
        open_ends = rules.level[:, 1:] if len(rules.level) > 1 else np.zeros((0, 2))
        uprights = _with_edges(uprights, centres[:, 0], boxes[:, [0, 2]], open_ends, levels, centres[:, 1], height)
    rows, columns = len(levels) - 1, len(uprights) - 1
    if rows < 1 or columns < 1 or (columns == 1 and not _is_list(rules, boxes, levels, uprights, height)):
        return None
    across = _drawn(rules.level, levels[1:-1], uprights, ROOM * height)
    down = _drawn(rules.upright, uprights[1:-1], levels, ROOM * height).T
    owners = _joined(across, down, rows, columns)
    return Grid(_cells(owners), levels, uprights)


def _is_list(rules: Rulings, boxes: Rectangles, levels: NDArray[np.float64], uprights: NDArray[np.float64], height: float) -> bool:
    """Whether rules draw a frame, and all through it rows, each with one text beside no other."""
    top, bottom = float(levels[0]), float(levels[-1])
    left, right = float(uprights[0]), float(uprights[-1])
    sides = all(_reaches(rules.upright, x, top, bottom, height) for x in (left, right))
    if len(levels) <= LEAST_ROWS or not sides or not all(_reaches(rules.level, y, left, right, height) for y in levels.tolist()):
        return False
    return all(len(line) == 1 for line in rows_of_text(boxes, height))


def enclosed(rules: Rulings, boxes: Rectangles, height: float) -> NDArray[np.bool_] | None:
    """Which texts a closed grid of rules holds, where the others are prose about it and no part of the table; None where not so.

    With those inside go rows next to it whose texts stand each in a column: headings above the frame, sums below it.
    """
    rules = next(iter(groups_of_rules(rules, height)), rules)
    if len(rules.upright) < 2 or len(rules.level) < 2 or not len(boxes):
        return None
    left, right = float(rules.upright[:, 0].min()), float(rules.upright[:, 0].max())
    top, bottom = float(rules.level[:, 0].min()), float(rules.level[:, 0].max())
    sides = [_reaches(rules.upright, x, top, bottom, height) for x in (left, right)]
    ends = [_reaches(rules.level, y, left, right, height) for y in (top, bottom)]
    if not all(sides) or not all(ends):
        return None
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: NDArray[np.bool_] = np.all((centres > np.array([left, top])) & (centres < np.array([right, bottom])), axis=1)
    if inside.sum() < 4 or inside.all():
        return None
    uprights = _positions(rules.upright, ROOM * height)
    outside = np.flatnonzero(~inside)
    lines = [outside[line] for line in rows_of_text(boxes[outside], height)]
    for above in (True, False):
        edge = top if above else bottom
        for line in reversed(lines) if above else lines:
            middle = float(centres[line, 1].mean())
            if (middle > edge) == above:
                continue
            columns = np.searchsorted(uprights, boxes[line][:, [0, 2]] + np.array([0.3, -0.3]) * height)
            alone = (columns[:, 0] == columns[:, 1]) & (columns[:, 0] > 0) & (columns[:, 0] < len(uprights))
            if abs(middle - edge) > 2 * height or len(line) < 2 or not alone.all() or len(set(columns[:, 0].tolist())) < len(line):
                break
            inside[line] = True
            edge = float(boxes[line, 1].min() if above else boxes[line, 3].max())
    prose = [line for line in lines if not inside[line].any()]
    single = sum(len(line) == 1 for line in prose)
    return inside if not prose or single >= PROSE * len(prose) else None


def groups_of_rules(rules: Rulings, height: float) -> list[Rulings]:
    """`rules` by which of them touch each other, most of them first."""
    boxes = rules.boxes() + np.array([-1, -1, 1, 1]) * height / 3
    touching = (boxes[:, None, :2] <= boxes[None, :, 2:]).all(axis=2) & (boxes[None, :, :2] <= boxes[:, None, 2:]).all(axis=2)
    group = np.arange(len(boxes))
    changed = True
    while changed and len(boxes):
        lowest = np.where(touching, group[None, :], len(boxes)).min(axis=1)
        changed = bool((lowest != group).any())
        group = lowest
    found = []
    for number in np.argsort(-np.bincount(group), kind="stable").tolist() if len(boxes) else []:
        of = group == number
        if of.any():
            found.append(Rulings(rules.level[of[: len(rules.level)]], rules.upright[of[len(rules.level) :]]))
    return found


def _reaches(segments: Segments, at: float, start: float, end: float, height: float) -> bool:
    near = segments[np.abs(segments[:, 0] - at) <= ROOM * height]
    shared = np.clip(np.minimum(near[:, 2], end) - np.maximum(near[:, 1], start), 0, None).sum()
    return bool(shared >= FRAME * (end - start))


def _positions(segments: Segments, room: float) -> NDArray[np.float64]:
    """Where rules lie, those nearer than `room` to each other as one, at the place of the longest."""
    groups: list[list[int]] = []
    order = np.argsort(segments[:, 0])
    for index in order.tolist():
        if not groups or segments[index, 0] - segments[groups[-1][-1], 0] > room:
            groups.append([])
        groups[-1].append(index)
    lengths = segments[:, 2] - segments[:, 1]
    return np.array([segments[max(group, key=lambda index: float(lengths[index])), 0] for group in groups], np.float64)


def _with_edges(
    positions: NDArray[np.float64],
    centres: NDArray[np.float64],
    extents: NDArray[np.float64],
    ends: NDArray[np.float64],
    others: NDArray[np.float64],
    across: NDArray[np.float64],
    height: float,
) -> NDArray[np.float64]:
    """`positions` with one more at a side that is open: texts stand beyond the outermost rule, and they are no caption.

    They belong to the table where the rules of the other direction, from `ends` to `ends`, go on to them, or where they stand in
    several of the columns (or rows) that part at `others`, by their place `across`.
    """
    before, behind = centres < positions[0], centres > positions[-1]
    for beyond, side in ((before, 0), (behind, -1)):
        if not beyond.any():
            continue
        reach = ends[:, 0] < positions[0] - height if side == 0 else ends[:, 1] > positions[-1] + height
        places = set(np.searchsorted(others, across[beyond]).tolist())
        if reach.sum() < 2 and len(places) < 2:
            continue
        if side == 0:
            positions = np.concatenate([[min(float(extents[before, 0].min()), positions[0] - 1)], positions])
        else:
            positions = np.concatenate([positions, [max(float(extents[behind, 1].max()), positions[-1] + 1)]])
    return positions


def _drawn(segments: Segments, at: NDArray[np.float64], ends: NDArray[np.float64], room: float) -> NDArray[np.bool_]:
    """(len(at), len(ends) - 1): whether a rule lies at each of `at` from each of `ends` to the next."""
    drawn = np.zeros((len(at), len(ends) - 1), bool)
    for n, position in enumerate(at.tolist()):
        near = segments[np.abs(segments[:, 0] - position) <= room]
        shared = np.minimum(near[:, None, 2], ends[None, 1:]) - np.maximum(near[:, None, 1], ends[None, :-1])
        drawn[n] = np.clip(shared, 0, None).sum(axis=0) >= DRAWN * np.diff(ends)
    return drawn


def _joined(across: NDArray[np.bool_], down: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.int64]:
    """For each place the number of the places it is joined with; `across` (rows - 1, columns) and `down` (rows, columns - 1)."""
    owners = np.arange(rows * columns).reshape(rows, columns)
    changed = True
    while changed:
        before = owners.copy()
        for row, column in np.argwhere(~across).tolist():
            owners[row : row + 2, column] = owners[row : row + 2, column].min()
        for row, column in np.argwhere(~down).tolist():
            owners[row, column : column + 2] = owners[row, column : column + 2].min()
        changed = bool((before != owners).any())
    return owners


def _cells(owners: NDArray[np.int64]) -> list[GridCell]:
    cells: list[GridCell] = []
    for owner in np.unique(owners).tolist():
        rows, columns = np.nonzero(owners == owner)
        cell = GridCell(int(rows.min()), int(columns.min()), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
        whole = cell.rows * cell.columns == len(rows)
        cells += [cell] if whole else [GridCell(row, column) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]
    return sorted(cells)
