"""The page tree: each line once, in the block it belongs to; nothing lost, whatever the networks call a region."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import cv2
import numpy as np
import openpyxl
import pytest

from helpers.answers import PAGE, document, line, page, region, said, table
from helpers.services import GOLDEN
from ocr_serving.decoding.images import Image
from ocr_serving.errors import InputError
from ocr_serving.output import build, formats, turning
from ocr_serving.output.tree import Figure, FormField, List, Table, text_of

BOX = (100, 100, 900, 400)


def written(image: Image, *lines: dict[str, Any]) -> Image:
    """`image` with each line's box full of ink, as letters fill it about."""
    out = image.copy()
    for one in lines:
        (x1, y1), _, (x2, y2), _ = one["text_region"]
        for x in range(int(x1) + 2, int(x2) - 4, 10):
            cv2.line(out, (x, int(y1) + 3), (x + 4, int(y2) - 3), (0, 0, 0), 2)
    return out


@pytest.mark.parametrize("kind", ["figure", "equation"])
def test_a_picture_full_of_lines_is_text(kind: str) -> None:
    lines = [line(f"Item {n} of this receipt", 120, 110 + 30 * n) for n in range(9)]
    assert [found[0] for found in said(page(region(kind, BOX, *lines), image=written(PAGE, *lines)))] == ["paragraph"]


def test_few_lines_with_no_other_ink_are_text_too() -> None:
    lines = [line(f"Far from line {n}", 120, 120 + 100 * n) for n in range(3)]
    found = page(region("figure", BOX, *lines), image=written(PAGE, *lines))
    assert {block.kind for block in found.blocks} == {"paragraph"}


def test_a_picture_keeps_its_lines_beneath_it() -> None:
    image = PAGE.copy()
    cv2.circle(image, (500, 250), 130, (0, 0, 0), -1)
    labels = [line("axis", 120, 110), line("time", 120, 370), line("speed", 800, 240)]
    (figure,) = page(region("figure", BOX, *labels), image=written(image, *labels)).blocks
    assert isinstance(figure, Figure)
    assert Counter(figure.text.split()) == Counter(["axis", "time", "speed"])
    picture = cv2.imdecode(np.frombuffer(figure.picture, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (300, 800, 3)


def test_a_line_between_two_regions_is_told_where_it_mostly_is() -> None:
    shared = line("shared", 100, 195, height=40)
    title = region("title", (100, 100, 400, 200), line("Title", 100, 150), shared)
    text = region("text", (100, 210, 400, 400), shared)
    assert said(page(title, text)) == said(page(text, title)) == [("heading", "Title"), ("paragraph", "shared")]


def test_a_line_outside_all_regions_finds_its_paragraph() -> None:
    first = line("This paragraph goes on in a line that the network", 100, 100, 780)
    second = line("has cut off", 100, 126)
    assert said(page(region("text", (90, 95, 890, 125), first), loose=[second])) == [
        ("paragraph", "This paragraph goes on in a line that the network has cut off")
    ]


def test_a_label_and_its_sum_are_a_row() -> None:
    loose = [line("Subtotal", 100, 100), line("1.00", 700, 102), line("Total", 100, 130), line("2.00", 700, 131)]
    assert said(page(loose=loose)) == [("paragraph", "Subtotal\t1.00\nTotal\t2.00")]


def test_rows_of_a_page_that_lies_aslant_stay_rows() -> None:
    loose = []
    for row in range(8):
        for text, x in ((f"Label number {row}", 100), (f"{row}.00", 800)):
            top = 100 + 32 * row + 0.05 * x
            corners = [[x, top], [x + 200, top + 10], [x + 200, top + 30], [x, top + 20]]
            loose.append({"text": text, "confidence": 0.9, "text_region": corners})
    (block,) = page(loose=loose[::-1]).blocks
    assert text_of(block).split("\n") == [f"Label number {row}\t{row}.00" for row in range(8)]


def test_columns_of_running_text_are_read_one_after_the_other() -> None:
    left = [line(f"left line {n} of a long column of text", 100, 100 + 28 * n, 380) for n in range(6)]
    right = [line(f"right line {n} of a long column of text", 520, 104 + 28 * n, 380) for n in range(6)]
    both = [one for pair in zip(left, right, strict=True) for one in pair]
    text = "\n".join(text for _, text in said(page(loose=both)))
    assert text.index("left line 5") < text.index("right line 0")
    assert said(page(region("text", (90, 90, 910, 300), *both))) == said(page(loose=both))


def test_words_parted_at_the_end_of_a_line_are_whole_again() -> None:
    lines = ["The exam-", "ple of a well-", "known word, and well-known", "it stays, in the year 1990-", "1995 as it is"]
    (block,) = page(region("text", BOX, *(line(text, 100, 100 + 26 * n, 780) for n, text in enumerate(lines)))).blocks
    assert text_of(block) == "The example of a well-known word, and well-known it stays, in the year 1990- 1995 as it is"


def test_short_lines_stay_lines_and_chinese_has_no_spaces() -> None:
    address = ["Contoso Manufacturing GmbH", "Industriestrasse 12, 70565 Stuttgart", "Germany"]
    (block,) = page(region("text", BOX, *(line(text, 100, 100 + 26 * n) for n, text in enumerate(address)))).blocks
    assert text_of(block) == "\n".join(address)
    chinese = [line("文档版面", 100, 100, 790), line("分析", 100, 126, 100)]
    assert said(page(region("text", BOX, *chinese))) == [("paragraph", "文档版面分析")]


def test_lists_keep_their_points() -> None:
    texts = ["Before the list:", "• first point", "• second point that", "goes on", "1. one", "2. two", "12. March was cold"]
    left = [100, 100, 100, 130, 100, 100, 100]
    found = page(region("text", BOX, *(line(t, x, 100 + 26 * n) for n, (t, x) in enumerate(zip(texts, left, strict=True)))))
    lists = [block for block in found.blocks if isinstance(block, List)]
    assert [[(item.marker, item.text) for item in one.items] for one in lists] == [
        [("•", "first point"), ("•", "second point that goes on")],
        [("1.", "one"), ("2.", "two")],
    ]
    assert said(found)[0] == ("paragraph", "Before the list:")
    assert said(found)[-1] == ("paragraph", "12. March was cold")


def test_what_stands_on_several_pages_is_a_header_or_footer() -> None:
    def one(number: int) -> dict[str, Any]:
        return {
            "number": number,
            "loose": [line("Annual report", 100, 40), line(f"Text of page {number}", 100, 400), line(f"{number} / 3", 480, 1350)],
        }

    whole = document(*(page(number=n, loose=one(n)["loose"]) for n in (1, 2, 3)))
    kinds = [[kind for kind, _ in said(found)] for found in whole.pages]
    assert kinds == [["header", "paragraph", "footer"]] * 3
    alone = document(page(loose=one(1)["loose"]))
    assert {kind for kind, _ in said(alone)} == {"paragraph"}


def test_what_stands_alone_on_its_page_is_no_header() -> None:
    top = region("header", (90, 30, 500, 80), line("The only words", 100, 40))
    assert said(page(top)) == [("paragraph", "The only words")]
    below = line("And then some text", 100, 400)
    assert [kind for kind, _ in said(page(top, region("text", (90, 390, 900, 450), below)))] == ["header", "paragraph"]


def test_headings_have_levels() -> None:
    titles = [line("Title", 100, 100, height=50), line("Chapter", 100, 300, height=36), line("Section", 100, 500, height=24)]
    regions = [region("title", (90, 100 + 200 * n - 10, 900, 160 + 200 * n), title) for n, title in enumerate(titles)]
    (found,) = document(page(*regions)).pages
    assert [getattr(block, "level", None) for block in found.blocks] == [1, 2, 3]


ROWS = [["Item", "Qty"], ["Pump HP-200", "21"], ["Belt", "1"]]


def test_the_words_of_a_table_are_in_its_cells_with_their_places() -> None:
    lines = [line("Item", 110, 310), line("Qty", 500, 310), line("Pump HP-200 21", 110, 340, 430), line("Belt", 110, 370)]
    lines += [line("1", 500, 370), line("no cell says this", 110, 395)]
    entry = {"regions": [table((100, 300, 900, 420), ROWS)], "unassigned": [], "lines": lines}
    found = build.page(entry, PAGE)
    (grid,) = (block for block in found.blocks if isinstance(block, Table))
    assert [[cell.text for cell in grid.cells if cell.row == row] for row in range(3)] == ROWS
    pump, number = (cell for cell in grid.cells if cell.row == 1)
    assert [word.text for one in pump.lines for word in one.words] == ["Pump", "HP-200"]
    assert number.lines[0].box[0] > pump.lines[0].box[2], "a line over two cells is told in both"
    assert ("paragraph", "no cell says this") in said(found)


@pytest.mark.parametrize(("of_page", "of_table"), [("Salesperson :", "Salesperson"), ("Ref.:", "Ref.."), ("80. 00", "80.0")])
def test_a_cell_that_was_read_anew_in_nearly_the_same_letters_is_told_once(of_page: str, of_table: str) -> None:
    lines = [line("Cashier", 60, 105), line(of_page, 60, 145), line("9.50", 400, 105), line("9.00", 400, 145)]
    entry = {"regions": [table((50, 100, 550, 180), [["Cashier", "9.50"], [of_table, "9.00"]])], "unassigned": [], "lines": lines}
    found = build.page(entry, PAGE)
    assert said(found) == [("table", f"Cashier\t9.50\n{of_page}\t9.00")]
    assert sorted(one.text for one in found.lines) == sorted(str(one["text"]) for one in lines)


def test_a_line_over_two_cells_of_which_one_was_read_anew_is_told_once() -> None:
    lines = [line("Date: 11/01/2019", 60, 105, 400), line("Time:", 60, 145), line("09:44", 400, 145)]
    entry = {
        "regions": [table((50, 100, 550, 180), [["Date:", "11/01/201g"], ["Time:", "09:44"]])],
        "unassigned": [],
        "lines": lines,
    }
    assert said(build.page(entry, PAGE)) == [("table", "Date:\t11/01/2019\nTime:\t09:44")]


def cells_of(rows: list[list[str]], *lines: dict[str, Any]) -> list[tuple[str, str]]:
    """What a page says that is one table of two columns, 250 wide, and rows 40 high from y 100 on, with `lines` on it."""
    entry = {"regions": [table((50, 100, 550, 100 + 40 * len(rows)), rows)], "unassigned": [], "lines": lines}
    return said(build.page(entry, PAGE))


SURE = [line("Cashier of the day", 60, 105), line("9.50", 400, 105)]
"""The first row, as the table says it."""


@pytest.mark.parametrize(
    ("cell", "of_page", "shown"),
    [
        ("Invoice number 4711", "Invoice numbr", "Invoice number 4711"),
        ("numbers 4711", "numbrs", "numbers 4711"),
        ("Article 4711 of the spring catalogue", "Article of tha", "Article 4711 of the spring catalogue"),
        ("Delivery to the customer's own address", "Delivery ta the", "Delivery to the customer's own address"),
        ("Delivery to the customer's own address", "Delivery the XQ-7", "Delivery to the customer's own address XQ-7"),
        ("11/01/2019", "11/01/201g", "11/01/2019"),
        ("11/01/201g", "11/01/2019", "11/01/2019"),
        ("3,67SE-02", "3,675E-02", "3,675E-02"),
    ],
)
def test_a_line_that_says_less_than_its_cell_takes_nothing_from_it(cell: str, of_page: str, shown: str) -> None:
    found = cells_of([["Cashier of the day", "9.50"], [cell, "9.00"]], *SURE, line(of_page, 60, 145, 290), line("9.00", 400, 145))
    assert found == [("table", f"Cashier of the day\t9.50\n{shown}\t9.00")]


@pytest.mark.parametrize(("cell", "of_page", "x"), [("12.50", "12.80", 60), ("Peterson", "Petersen", 60), ("12.50", "12.80", 400)])
def test_a_cell_keeps_its_text_where_another_stands_in_the_column_beside_or_is_another_number(
    cell: str, of_page: str, x: int
) -> None:
    found = cells_of([["Cashier of the day", "9.50"], ["", cell]], *SURE, line(of_page, x, 145))
    assert sorted(found) == [("paragraph", of_page), ("table", f"Cashier of the day\t9.50\n\t{cell}")]


def test_a_line_whose_words_are_empty_is_not_lost() -> None:
    odd = line("Thanks", 60, 145)
    for words in ([], [""], ["", " "]):
        odd["words"] = [{"text": text, "text_region": odd["text_region"], "confidence": 1} for text in words]
        found = cells_of([["Cashier of the day", "9.50"], ["Total", "9.00"]], *SURE, odd, line("9.00", 400, 145))
        assert ("paragraph", "Thanks") in found


def test_another_text_in_a_cells_place_is_not_lost() -> None:
    lines = [line("Cashier", 60, 105), line("not in the table", 60, 145), line("9.50", 400, 105), line("Total", 60, 165)]
    entry = {"regions": [table((50, 100, 550, 180), [["Cashier", "9.50"], ["Total", ""]])], "unassigned": [], "lines": lines}
    assert ("paragraph", "not in the table") in said(build.page(entry, PAGE))


def test_a_structure_that_says_little_of_what_is_there_is_no_table() -> None:
    lines = [line(f"Line {n} of this receipt", 110, 310 + 30 * n) for n in range(5)]
    entry = {"regions": [table((100, 300, 900, 480), [["x", "y"]])], "unassigned": [], "lines": lines}
    assert {kind for kind, _ in said(build.page(entry, PAGE))} == {"paragraph"}


@pytest.mark.parametrize("name", sorted(path.stem for path in (GOLDEN / "pages").glob("*.jpg")))
def test_no_word_of_a_page_is_lost(name: str) -> None:
    answer = json.loads((GOLDEN / "structure_system" / f"{name}.json").read_text(encoding="utf-8"))["results"][0]
    read = json.loads((GOLDEN / "ocr_system" / f"{name}.json").read_text(encoding="utf-8"))["results"][0]
    image = cv2.imread(str(GOLDEN / "pages" / f"{name}.jpg"))
    assert image is not None
    for entry in (answer | {"lines": read}, answer | {"lines": read, "regions": []}, read):
        found = document(build.page(entry, np.asarray(image, np.uint8)))
        text = "".join("".join(text_of(block).split()) for block in found.pages[0].blocks)
        missing = [one["text"] for one in read if "".join(one["text"].split()) not in text]
        letters = sum(len(one["text"]) for one in read)
        assert sum(len(one) for one in missing) <= 0.01 * letters, missing


def test_every_line_is_in_one_block() -> None:
    for path in sorted((GOLDEN / "structure_system").glob("*.json")):
        answer = json.loads(path.read_text(encoding="utf-8"))["results"][0]
        read = json.loads((GOLDEN / "ocr_system" / path.name).read_text(encoding="utf-8"))["results"][0]
        found = build.page(answer | {"lines": read}, None, size=(1240, 1754))
        told = Counter(one.text for one in found.lines if one.confidence != 1)
        assert max(told.values()) == max(Counter(one["text"] for one in read).values())
        words = Counter(word.text for one in found.lines for word in one.words)
        assert not Counter(word for one in read for word in one["text"].split()) - words


def test_points_that_stand_apart_are_one_list_with_those_inside_it() -> None:
    points = [("• A wrench", 100), ("• Gaskets:", 100), ("• of rubber", 140), ("• of felt", 140), ("• Oil", 100)]
    found = page(
        *(region("text", (x, 100 + 60 * n, 900, 130 + 60 * n), line(text, x, 100 + 60 * n)) for n, (text, x) in enumerate(points))
    )
    (block,) = found.blocks
    assert isinstance(block, List)
    assert [(item.marker, item.text, item.depth) for item in block.items] == [
        ("•", text.removeprefix("• "), (x - 100) // 40) for text, x in points
    ]


@pytest.mark.parametrize("signs", ["a) b) c)", "i. ii. iii.", "h. i. j.", "(1) (2) (3)", "o o o"])
def test_paragraphs_whose_signs_go_on_counting_are_a_list(signs: str) -> None:
    texts = [f"{sign} the next point of them" for sign in signs.split()]
    apart = page(
        *(region("text", (100, 100 + 60 * n, 900, 130 + 60 * n), line(text, 100, 100 + 60 * n)) for n, text in enumerate(texts))
    )
    near = page(region("text", (100, 100, 900, 200), *(line(text, 100, 100 + 25 * n) for n, text in enumerate(texts))))
    for found in (apart, near):
        (block,) = found.blocks
        assert isinstance(block, List)
        assert [item.marker for item in block.items] == signs.split()


def test_paragraphs_that_do_not_count_and_words_that_look_like_a_sign_are_no_list() -> None:
    texts = ["1. Mai war ein Feiertag.", "4. Juli auch.", "1. August ebenso."]
    apart = page(
        *(region("text", (100, 100 + 60 * n, 900, 130 + 60 * n), line(text, 100, 100 + 60 * n)) for n, text in enumerate(texts))
    )
    assert [block.kind for block in apart.blocks] == ["paragraph"] * 3
    prose = ["o homem que veio ontem não era", "o mesmo que vimos, e disse que", "a casa estava fechada."]
    (block,) = page(region("text", (100, 100, 900, 200), *(line(text, 100, 100 + 25 * n) for n, text in enumerate(prose)))).blocks
    assert block.kind == "paragraph"


def kinds(*texts: str, x: int = 100, prose: int | None = None) -> list[str]:
    """The kinds of blocks of a page with each of `texts` in a region of its own, at x; below one of prose at x `prose`, if so."""
    above = [] if prose is None else [("This is what the page says of it", prose)]
    return [
        block.kind
        for block in page(
            *(
                region(
                    "text",
                    (left, 100 + 60 * n, 900, 130 + 60 * n),
                    *(line(part, left, 100 + 60 * n + 22 * m) for m, part in enumerate(text.split("\n"))),
                )
                for n, (text, left) in enumerate([*above, *((text, x) for text in texts)])
            )
        ).blocks
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ("o homem que veio ontem", "o mesmo que vimos"),
        ("o homem que veio\nontem", "o mesmo que\nvimos", "o outro que\nsabe"),
        ("— Bom dia, senhor.", "— Bom dia, senhora.", "— Boa tarde."),
        ("- Bom dia, senhor.", "- Bom dia, senhora."),
        ("A. Smith wrote this", "B. Jones wrote that", "C. Miller did not"),
        ("o homem que veio", "o mesmo que vimos", "A. Smith wrote this", "— Bom dia.", "— Boa tarde."),
    ],
)
@pytest.mark.parametrize("prose", [None, 100])
def test_prose_dialogue_and_initials_are_no_list(texts: tuple[str, ...], prose: int | None) -> None:
    assert kinds(*texts, prose=prose) == ["paragraph"] * (len(texts) + (prose is not None))


@pytest.mark.parametrize("sign", ["o o", "— —", "- -", "A. B.", "a. b."])
def test_points_that_are_set_in_beside_the_text_of_the_page_are_a_list(sign: str) -> None:
    texts = [f"{one} the next point of them" for one in sign.split()]
    assert kinds(*texts, x=140, prose=100) == ["paragraph", "list"]


@pytest.mark.parametrize("sign", ["• •", "* *", "a) b)", "1. 2.", "i. ii.", "a. b. c."])
def test_sure_signs_are_a_list_wherever_they_stand(sign: str) -> None:
    assert kinds(*(f"{one} the next point of them" for one in sign.split()), prose=100) == ["paragraph", "list"]


@pytest.mark.parametrize("sign", ["-", "o"])
def test_a_point_after_a_list_with_its_sign_is_one_of_it(sign: str) -> None:
    points = [line(f"{sign} the next point of them", 100, 100 + 25 * n) for n in range(2)]
    found = page(
        region("text", (100, 100, 900, 150), *points),
        region("text", (100, 180, 900, 210), line(f"{sign} the last of them", 100, 180)),
    )
    (block,) = found.blocks
    assert isinstance(block, List)
    assert len(block.items) == 3


def test_questions_and_answers_are_fields() -> None:
    question, answer = line("Name:", 100, 100), line("Ada", 200, 100)
    pair = [one | {"pred": label, "pred_id": n} for n, (one, label) in enumerate([(question, "QUESTION"), (answer, "ANSWER")])]
    fields = build.pairs({"re_res": [pair]}, 1)
    whole = build.with_fields(document(page(loose=[question, answer, line("Alone", 100, 500)])), fields)
    assert [(pair.question, pair.answer, pair.page) for pair in whole.fields] == [("Name:", "Ada", 1)]
    (first, second) = whole.pages[0].blocks
    assert isinstance(first, FormField)
    assert (first.question, first.answer) == ("Name:", "Ada")
    assert second.kind == "paragraph"


def test_a_question_without_an_answer_is_a_field_and_no_line_of_the_form_is_lost() -> None:
    texts = ["Name:", "Ada", "Fax:", "Address:", "1 High Street", "Leeds", "Thank you"]
    labels = ["QUESTION", "ANSWER", "QUESTION", "QUESTION", "ANSWER", "ANSWER", "O"]
    items = [line(text, 100, 100 + 60 * n) | {"pred": label} for n, (text, label) in enumerate(zip(texts, labels, strict=True))]
    entry = {"re_res": [[items[3], items[4]], [items[0], items[1]], [items[3], items[5]]], "items": items}
    fields = build.pairs(entry, 1)
    assert [(pair.question, pair.answer) for pair in fields] == [
        ("Name:", "Ada"),
        ("Fax:", ""),
        ("Address:", "1 High Street"),
        ("Address:", "Leeds"),
    ]
    whole = build.with_fields(document(build.page(entry, PAGE)), fields)
    assert [one.text for one in whole.lines] == texts
    (book,) = formats.files(whole, formats.Original(), ["xlsx"], "form").values()
    rows = openpyxl.load_workbook(io.BytesIO(book))["Fields"].values
    assert list(rows)[1:] == [("Name:", "Ada", 1), ("Fax:", None, 1), ("Address:", "1 High Street\nLeeds", 1)]


@pytest.mark.parametrize("entry", [[{"angle": "0"}], {"layout": []}, [{"points": [[1, 1]]}], 5])
def test_what_has_no_text_is_no_document(entry: object) -> None:
    with pytest.raises(InputError, match="take the module structure_system"):
        build.page(entry, PAGE)


def test_several_lines_as_large_as_all_others_are_no_title() -> None:
    address = region(
        "title", (90, 95, 600, 180), *(line(text, 100, 100 + 26 * n) for n, text in enumerate(["A Ltd", "Street 1", "Town"]))
    )
    rest = region("text", (90, 400, 900, 430), line("Some text of the page", 100, 400))
    assert said(page(address, rest))[0] == ("paragraph", "A Ltd\nStreet 1\nTown")


def test_a_full_line_above_a_region_is_its_first() -> None:
    first, second = (
        line("This line is outside of the region but belongs to it", 100, 100, 780),
        line("as it goes on", 100, 126, 770),
    )
    assert said(page(region("text", (95, 124, 885, 150), second), loose=[first])) == [
        ("paragraph", "This line is outside of the region but belongs to it as it goes on")
    ]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_that_lies_turned_is_read_as_one_that_does_not(turn: int) -> None:
    answer = json.loads((GOLDEN / "structure_system" / "invoice_en.json").read_text(encoding="utf-8"))["results"][0]
    read = json.loads((GOLDEN / "ocr_system" / "invoice_en.json").read_text(encoding="utf-8"))["results"][0]
    width, height = 1240, 1754
    straight = build.page(answer | {"lines": read}, None, size=(width, height))
    # Upright places of the straight page, as one has them that was turned back by as much.
    sent = turning.upright(answer | {"lines": read}, 360 - turn, (width, height))
    turned = build.page(sent, None, size=(width, height) if turn == 180 else (height, width))
    assert said(turned) == said(straight)
    (word, *_), (other, *_) = ([word for one in found.lines for word in one.words] for found in (turned, straight))
    (x, y), wanted = other.quad[0], {90: 1, 180: 2, 270: 3}[turn]
    back = {1: (height - y, x), 2: (width - x, height - y), 3: (y, width - x)}[wanted]
    assert word.quad[0] == pytest.approx(back)
