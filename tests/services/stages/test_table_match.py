"""Texts to cells: which cell, what the cell says, and HTML that nests whatever the network said."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ocr_serving.stages.table import TOKENS, Structure
from ocr_serving.stages.table_match import cells_of, joined, markup, matched

ROW = ["<tr>", "<td></td>", "<td></td>", "</tr>"]
SPANS = ["<thead>", "<tr>", "<td", ' colspan="2"', ' rowspan="3"', ">", "</td>", "</tr>", "</thead>", "<tbody>", *ROW, "</tbody>"]


def grid(rows: int, *, cut: bool = False) -> Structure:
    """Two columns of cells, 100 x 20 pixels each, from (0, 50) on."""
    corners = [(x, y) for y in range(50, 50 + 20 * rows, 20) for x in (0, 100)]
    cells = [[x, y, x + 100, y, x + 100, y + 20, x, y + 20] for x, y in corners]
    return Structure(ROW * rows, np.array(cells, np.float32).reshape(-1, 8), cut)


def boxes(*rectangles: tuple[float, float, float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array(rectangles, np.float64).reshape(-1, 4)


def test_a_text_goes_to_the_cell_it_overlaps_most_else_to_the_nearest() -> None:
    found = boxes((5, 52, 90, 68), (80, 52, 190, 68), (5, 71, 50, 89), (250, 70, 300, 90))
    assert cells_of(grid(2), found) == [0, 1, 2, 3]


def test_a_text_without_a_cell_is_told_and_not_lost() -> None:
    texts = boxes((0, 10, 100, 30), (5, 52, 90, 68), (0, 200, 90, 220))
    table = matched(grid(2), texts, ["Caption", "cell", "below"])
    assert table.unmatched == [0]
    assert "below" in table.html
    assert matched(grid(2, cut=True), texts, ["Caption", "cell", "below"]).unmatched == [0, 2], "rows the network did not come to"
    nothing = matched(grid(0), texts, ["a", "b", ""])
    assert (nothing.html, nothing.unmatched) == ("<html><body><table></table></body></html>", [0, 1])


def test_text_is_escaped_and_lines_of_a_cell_have_a_space_between() -> None:
    table = matched(grid(1), boxes((0, 50, 99, 60), (0, 60, 99, 70), (100, 50, 199, 70)), ["<b>&", "two", 'say "hi"'])
    assert table.html == (
        "<html><body><table><tr><td>&lt;b&gt;&amp; two</td><td>say &quot;hi&quot;</td></tr></table></body></html>"
    )
    assert joined([" one", "two ", "", "three"]) == "one two three"
    assert joined([" alone"]) == " alone"


def test_a_sound_structure_is_written_as_it_is() -> None:
    assert markup(SPANS, ["a", "b", "c"]) == (
        '<html><body><table><thead><tr><td colspan="2" rowspan="3">a</td></tr></thead>'
        "<tbody><tr><td>b</td><td>c</td></tr></tbody></table></body></html>"
    )


def test_what_the_network_left_open_is_closed() -> None:
    assert markup(["<tbody>", "<tr>", "<td", ' colspan="2"'], ["a"]) == (
        '<html><body><table><tbody><tr><td colspan="2">a</td></tr></tbody></table></body></html>'
    )


class Nesting(HTMLParser):
    """Fails where a tag is closed that is not the innermost open one, or stands where HTML does not allow it."""

    PARENTS = {  # noqa: RUF012
        "tr": ("table", "thead", "tbody"),
        "td": ("tr",),
        "thead": ("table",),
        "tbody": ("table",),
    }

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self.PARENTS:
            assert self.open[-1] in self.PARENTS[tag]
        self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert self.open[-1] == "td"
        self.cells[-1] += data


@given(st.lists(st.sampled_from([*TOKENS, "<td></td>"]), max_size=40))
def test_html_nests_and_holds_every_text_whatever_the_tokens(tokens: list[str]) -> None:
    count = sum(token in ("<td>", "<td", "<td></td>") for token in tokens)
    contents = [f"<{n}>" for n in range(count)]
    reader = Nesting()
    reader.feed(markup(tokens, [html.escape(content) for content in contents]))
    reader.close()
    assert reader.open == []
    assert reader.cells == contents
