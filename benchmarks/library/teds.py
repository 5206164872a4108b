"""TEDS, how like two tables are: 1 less the edit distance of their trees as a share of the larger tree's nodes.

Zhong et al., "Image-based table recognition: data, model, and evaluation", ECCV 2020 (arXiv 1911.10683). A tree is a table with
rows with cells; to add or to take away a node costs 1, to make a cell another one the edit distance of their texts as a share of
the longer, or 1 where their spans differ. Head and body are no nodes, as the data's own tables tell them from each other by taste.
The distance is Zhang and Shasha's ("Simple fast algorithms for the editing distance between trees and related problems", SIAM
Journal on Computing 18, 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ocr_serving.output import tables


class Node(NamedTuple):
    """A node of a tree in postorder: what it is, its text, and the index of the leftmost leaf below it."""

    kind: tuple[str, int, int]
    text: str
    leftmost: int


def score(found: str, true: str, *, structure_only: bool = False) -> float:
    """TEDS of two tables in HTML, 0 to 1; `structure_only` takes no notice of what the cells say."""
    trees = [nodes(html, structure_only=structure_only) for html in (found, true)]
    if trees[0] == trees[1]:
        return 1.0
    return 1.0 - distance(*trees) / max(len(tree) for tree in trees)


def nodes(html: str, *, structure_only: bool = False) -> list[Node]:
    """The tree of a table in postorder."""
    tree: list[Node] = []
    for row in tables.rows(html):
        first = len(tree)
        for text, over_rows, over_columns in row:
            said = "" if structure_only else " ".join(text.split())
            tree.append(Node(("td", over_rows, over_columns), said, len(tree)))
        tree.append(Node(("tr", 1, 1), "", min(first, len(tree))))
    tree.append(Node(("table", 1, 1), "", 0))
    return tree


def distance(one: Sequence[Node], other: Sequence[Node]) -> float:
    """The least cost of making one tree the other."""
    between = [[0.0] * len(other) for _ in one]
    changes = [[_change(left, right) for right in other] for left in one]
    for i in _roots(one):
        for j in _roots(other):
            _forests(one, other, i, j, changes, between)
    return between[-1][-1]


def _roots(tree: Sequence[Node]) -> list[int]:
    """The last node for each leftmost leaf: subtrees whose distances the others are made of."""
    last = {node.leftmost: index for index, node in enumerate(tree)}
    return sorted(last.values())


def _forests(
    one: Sequence[Node], other: Sequence[Node], i: int, j: int, changes: list[list[float]], between: list[list[float]]
) -> None:
    """Distances of all pairs of subtrees that share their leftmost leaves with `i` and `j`."""
    low, below = one[i].leftmost, other[j].leftmost
    previous = [float(n) for n in range(j - below + 2)]
    table = [previous]
    for x in range(low, i + 1):
        row = [previous[0] + 1.0]
        whole_left = one[x].leftmost == low
        cut_left = table[one[x].leftmost - low]
        for y in range(below, j + 1):
            at = y - below + 1
            cheapest = min(previous[at], row[at - 1]) + 1.0
            if whole_left and other[y].leftmost == below:
                cheapest = min(cheapest, previous[at - 1] + changes[x][y])
                between[x][y] = cheapest
            else:
                cheapest = min(cheapest, cut_left[other[y].leftmost - below] + between[x][y])
            row.append(cheapest)
        table.append(row)
        previous = row


def _change(one: Node, other: Node) -> float:
    if one.kind != other.kind:
        return 1.0
    return 0.0 if one.text == other.text else letters(one.text, other.text) / max(len(one.text), len(other.text))


def letters(one: str, other: str) -> int:
    """Levenshtein's distance of two texts."""
    previous = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        row = [n]
        for at, wanted in enumerate(other, 1):
            row.append(min(previous[at] + 1, row[-1] + 1, previous[at - 1] + (letter != wanted)))
        previous = row
    return previous[-1]
