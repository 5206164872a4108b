"""Numbers, money, shares and dates as a column writes them."""

from __future__ import annotations

import datetime

import pytest

from ocr_serving.output.values import number, typed


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (["1,234.50", "12", "3,000"], [1234.5, 12, 3000]),
        (["1.234,50", "12", "3.000"], [1234.5, 12, 3000]),
        (["1 234,5", "0,125"], [1234.5, 0.125]),
        (["1'234.50", "1’000"], [1234.5, 1000]),
        (["12,34,567.00", "1,00,000"], [1234567, 100000]),
        (["0.5", "1.250", "2.375"], [0.5, 1.25, 2.375]),
        (["0,5", "1,250"], [0.5, 1.25]),
        (["1,250", "2,375"], [1250, 2375]),
        (["-5", "(1,234.00)", "7-", "−3"], [-5, -1234, -7, -3]),
        (["12 %", "7.5%"], [0.12, 0.075]),
        (["€ 1.234,50", "12,00 €", "EUR 5"], [1234.5, 12, 5]),
        (["$1,234.50", "¥100", "RM 5.00"], [1234.5, 100, 5]),
        (["2026", "1,000"], [2026, 1000]),
        (["RM12.50", "USD1,234.00", "US$ 5.00", "$(5.00)", "($ 2.00)"], [12.5, 1234, 5, -5, -2]),
        (["zł 5,00", "R$ 12,00", "3,50 Kč"], [5, 12, 3.5]),
        (["€ 1.234,-", "12,-", "3,50"], [1234, 12, 3.5]),
        (["₹1,23,456"], [123456]),
        (["12345678901", "+5"], [12345678901, 5]),
    ],
)
def test_numbers_by_the_way_a_column_writes_them(column: list[str], values: list[float]) -> None:
    (found,) = typed([column])
    assert [item.value for item in found] == pytest.approx(values)
    assert all(item.form for item in found)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "n/a", "001", "12 Main St", "1.2.3", "1,2,3", "+49 711 123 456", "4711 0815 1234 5678 90", "12:30"),
        *("INV-2026-00417", "=1+1", "1e5", "٣٤", "²", "1/2", "127.0.0.1", "12,5,00"),
        *("4006381333931", "123456789012", "+4930123456", "DE89 3704 0044 0532 0130 00", "$ ($5.00)", "RMX5", "５"),
    ],
)
def test_what_is_no_number_stays_text(text: str) -> None:
    assert number(text) is None
    assert typed([[text]])[0][0].value == text


def test_the_table_decides_what_a_column_leaves_open() -> None:
    open_column, clear = typed([["1.250", "2.375"], ["3,50", "4,75"]])
    assert [item.value for item in open_column] == [1250, 2375]
    assert [item.value for item in clear] == [3.5, 4.75]


def test_a_column_of_article_numbers_stays_text() -> None:
    (found,) = typed([["001", "002", "100"]])
    assert [item.value for item in found] == ["001", "002", "100"]


@pytest.mark.parametrize("head", ["Phone", "Tel. no.", "IBAN / Konto", "ZIP", "Bar code"])
def test_figures_below_a_head_that_says_they_are_names_stay_text(head: str) -> None:
    assert [item.value for item in typed([["5551234567", "555 123 456"]], [head])[0]] == ["5551234567", "555 123 456"]


def test_amounts_below_such_a_head_are_amounts() -> None:
    assert [item.value for item in typed([["1,250.00", "80.00"]], ["Account"])[0]] == [1250, 80]


@pytest.mark.parametrize(
    ("column", "dates"),
    [
        (["2026-03-17"], [(2026, 3, 17)]),
        (["17.3.2026", "01.02.2026"], [(2026, 3, 17), (2026, 2, 1)]),
        (["17/03/2026", "04/05/2026"], [(2026, 3, 17), (2026, 5, 4)]),
        (["03/17/2026", "04/05/2026"], [(2026, 3, 17), (2026, 4, 5)]),
        (["17 March 2026", "1. Mai 2026", "3 février 2026"], [(2026, 3, 17), (2026, 5, 1), (2026, 2, 3)]),
        (["March 17, 2026"], [(2026, 3, 17)]),
        (["2026年3月17日"], [(2026, 3, 17)]),
        (["31/12/24", "01/02/99"], [(2024, 12, 31), (1999, 2, 1)]),
        (["12/31/24", "01/02/25", "1/2/2025"], [(2024, 12, 31), (2025, 1, 2), (2025, 1, 2)]),
        (["31.12.24", "01.02.25"], [(2024, 12, 31), (2025, 2, 1)]),
        (["97-12-05", "98-01-02"], [(1997, 12, 5), (1998, 1, 2)]),
        (["25-12-98", "02-01-99"], [(1998, 12, 25), (1999, 1, 2)]),
        (["12 Mar 24", "01-Apr-25", "May 3, 24"], [(2024, 3, 12), (2025, 4, 1), (2024, 5, 3)]),
    ],
)
def test_dates(column: list[str], dates: list[tuple[int, int, int]]) -> None:
    assert [item.value for item in typed([column])[0]] == [datetime.date(*date) for date in dates]


@pytest.mark.parametrize(
    "column", [["31/12/24", "12/31/24"], ["24-12-31", "24-11-30"], ["1.2.24", "1.10.24"], ["4/5/24", "6/7/24"]]
)
def test_dates_of_a_column_that_does_not_tell_their_order_stay_text(column: list[str]) -> None:
    assert [item.value for item in typed([column])[0]] == column


@pytest.mark.parametrize(
    "column",
    [
        ["26/03/14", "26/04/02"],
        ["26.03.14", "26.04.02"],
        ["25/11/15", "25/12/15", "26/01/15"],
        ["25.12.30", "26.01.02"],
        ["08/03/14", "19/07/14", "25/02/14"],
    ],
)
def test_dates_that_may_have_the_year_first_stay_text(column: list[str]) -> None:
    assert [item.value for item in typed([column])[0]] == column


@pytest.mark.parametrize(
    ("column", "dates"),
    [
        (["2026/03/14", "26/04/02"], [(2026, 3, 14), (2026, 4, 2)]),
        (["14/03/2026", "02/04/26"], [(2026, 3, 14), (2026, 4, 2)]),
        (["97/03/14", "98/04/02"], [(1997, 3, 14), (1998, 4, 2)]),
        (["28.02.26", "03.03.26", "15.03.26"], [(2026, 2, 28), (2026, 3, 3), (2026, 3, 15)]),
    ],
)
def test_a_year_that_is_told_tells_those_of_the_column(column: list[str], dates: list[tuple[int, int, int]]) -> None:
    assert [item.value for item in typed([column])[0]] == [datetime.date(*date) for date in dates]


@pytest.mark.parametrize(
    ("head", "column", "dates"),
    [
        ("Datum", ["26.03.14", "26.04.02"], [(2014, 3, 26), (2002, 4, 26)]),
        ("Fecha", ["05/03/26"], [(2026, 3, 5)]),
        ("日期", ["26/03/14", "26/04/02"], [(2026, 3, 14), (2026, 4, 2)]),
        ("날짜", ["26.03.14"], [(2026, 3, 14)]),
    ],
)
def test_the_language_of_a_head_tells_where_the_year_is(head: str, column: list[str], dates: list[tuple[int, int, int]]) -> None:
    assert [item.value for item in typed([column], [head])[0]] == [datetime.date(*date) for date in dates]


@pytest.mark.parametrize(
    ("head", "column"),
    [
        ("", ["01.02.03", "01.02.04"]),
        ("", ["01.01.01", "01.01.02", "01.02.01", "15.01.01"]),
        ("", ["10.01.02", "10.01.03"]),
        *(
            (head, ["31.01.22", "02.03.22"])
            for head in ("Pos.", "Position", "Item no.", "Lfd. Nr.", "Version", "Section", "版本", "№")
        ),
    ],
)
def test_positions_and_versions_are_no_dates(head: str, column: list[str]) -> None:
    assert [item.value for item in typed([column], [head])[0]] == column


@pytest.mark.parametrize("head", ["Date", "", "Position / Datum", "Buchung"])
def test_days_with_points_are_dates(head: str) -> None:
    found = typed([["31.01.22", "02.03.22"]], [head])[0]
    assert [item.value for item in found] == [datetime.date(2022, 1, 31), datetime.date(2022, 3, 2)]


@pytest.mark.parametrize(
    ("text", "value", "form"),
    [
        ("5.00- €", -5, '0.00 "€";0.00- "€"'),
        ("5.00 €", 5, '0.00 "€"'),
        ("5.00-€", -5, '0.00"€";0.00-"€"'),
        ("5.00 -€", -5, '0.00"€";0.00 -"€"'),
        ("$ -5", -5, '"$" 0;"$" -0'),
        ("$-5.00", -5, '"$"0.00;"$"-0.00'),
        ("-$5.00", -5, '"$"0.00'),
        ("- 5", -5, "0;- 0"),
        ("−5", -5, '0;"−"0'),
        ("$(5.00)", -5, '"$"0.00;"$"(0.00)'),
        ("($ 2.00)", -2, '"$" 0.00;("$" 0.00)'),
        ("5-%", -0.05, "0%;0-%"),
        ("-12,-", -12, "0"),
    ],
)
def test_a_minus_is_shown_in_its_place(text: str, value: float, form: str) -> None:
    found = number(text)
    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.form == form


@pytest.mark.parametrize("text", ["04/05/2026", "31.02.2026", "2026-13-01", "17 Foo 2026", "1/1/26"])
def test_a_date_that_could_be_two_or_none_stays_text(text: str) -> None:
    assert typed([[text]])[0][0].value == text


def test_a_number_is_shown_as_it_was_written() -> None:
    forms = [item.form for item in typed([["1,234.50", "12", "7%", "€ 5.00"]])[0]]
    assert forms == ["#,##0.00", "0", "0%", '"€" 0.00']
    forms = [item.form for item in typed([["$5.00", "7.00€", "(1,234.50)", "3.00-", "1/31/26", "12 Mar 2026"]])[0]]
    assert forms == ['"$"0.00', '0.00"€"', "#,##0.00;(#,##0.00)", "0.00;0.00-", "mm\\/dd\\/yy", "d mmmm yyyy"]
