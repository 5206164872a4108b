"""Dates as a column of a table writes them. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier janv enero gennaio",
            "february feb februar février fevrier févr febrero febbraio",
            "march mar märz maerz mars marzo mär",
            "april apr avril avr abril aprile",
            "may mai mayo maggio",
            "june jun juni juin junio giugno",
            "july jul juli juillet juil julio luglio",
            "august aug août aout agosto",
            "september sep sept septembre septiembre settembre",
            "october oct oktober okt octobre octubre ottobre",
            "november nov novembre noviembre",
            "december dec dezember dez décembre decembre déc diciembre dicembre",
        ),
        1,
    )
    for name in names.split()
}

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{4})年(\d{1,2})月(\d{1,2})日")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_SHORT = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{2})")
_SLASHED = re.compile(r"(\d{1,2})(/)(\d{1,2})/\d{2}")
_DAY_NAME = re.compile(r"(\d{1,2})(?:\.|st|nd|rd|th)?[ -]([^\W\d_]{3,})\.?,?[ -](\d{4}|\d{2})")
_NAME_DAY = re.compile(r"([^\W\d_]{3,})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4}|(?<=, )\d{2})")

LAST_OF_THIS_CENTURY = 29
"""A year of two digits up to this is one of the 2000s, as spreadsheets take it; above, of the 1900s."""

EARLIEST = 1901
"""A spreadsheet's calendar begins in 1900, in which it has a day too many."""

ORDERS = {True: "dmy", False: "mdy"}

MOST_APART = 10
"""Years a column is believed to go over. First numbers further apart are days, where the last ones are the same."""

_DATE_NAMES = re.compile(r"date\b|dated\b|\b(?:day|due|born)\b", re.I)
_DAY_FIRST_NAMES = re.compile(r"datum\b|\b(?:tag|fecha|data|dato|fällig\w*|geboren|né|jour|giorno|дата|tarih\w*)\b", re.I)
_YEAR_FIRST_NAMES = re.compile(r"日期|日付|年月日|月日|날짜|일자|일시")
"""Heads of columns of dates; in the languages of the second the day is first, in those of the third the year."""

_COUNTED = re.compile(
    r"\b(?:pos|position\w*|posten|item|nr|no|num|number|nummer|numéro|num[ei]ro|número|id|index|ref\w*|oz|version\w*|release|revision|rev|build"
    r"|firmware|software|section|sec|clause|chapter|abschnitt|kapitel|ziffer|article|artikel|level|line|step|code|wbs|task|titel)\b"
    r"|[#§№]|nummer\b|序号|序號|编号|編號|番号|번호|版本|バージョン|버전",
    re.I,
)
"""Heads of columns whose figures with points between them are places in an order, or versions."""


@dataclass(frozen=True)
class Dated:
    """A date and how a spreadsheet shows it as it was written."""

    value: datetime.date
    form: str


def typed(texts: Sequence[str], head: str = "") -> list[Dated | None]:
    """What of a column is a date; None for the rest, and for what could be several dates where no other text of it tells which.

    With points the day is before the month. Years of two digits are believed where the column, or its `head`, tells which number is
    which: by a day above 12, by a year above 31 or of four digits. Three numbers below a head that counts ("Pos.", "Version") are
    none.
    """
    texts = [text.strip() for text in texts]
    day_first = _day_first(texts)
    orders = {sign: _short_order(texts, sign, day_first, head) for sign in "-/."}
    return [_long(text, day_first) or _short(text, orders) or _by_name(text) for text in texts]


def _day_first(texts: Sequence[str]) -> bool | None:
    """Whether dates such as 3/4/2026 have the day first; None where nothing tells."""
    matches = [match for text in texts if (match := _YEAR_LAST.fullmatch(text) or _SLASHED.fullmatch(text))]
    return _order_of_days([(int(match[1]), int(match[3])) for match in matches])


def _order_of_days(pairs: Sequence[tuple[int, int]]) -> bool | None:
    """Whether the first of two numbers is a day, or the second; None where nothing tells, or both are told."""
    first, second = any(one > 12 for one, _ in pairs), any(other > 12 for _, other in pairs)
    return first if first != second else None


def _short_order(texts: Sequence[str], sign: str, day_first: bool | None, head: str) -> str | None:
    """Which of three numbers of two digits is which, "dmy", "mdy" or "ymd"; None where it is not told, or they are no dates."""
    of_dates = any(names.search(head) for names in (_DATE_NAMES, _DAY_FIRST_NAMES, _YEAR_FIRST_NAMES))
    matches = [match for text in texts if (match := _SHORT.fullmatch(text)) and match[2] == sign]
    numbers = [(int(match[1]), int(match[3]), int(match[4])) for match in matches]
    if not numbers or (_COUNTED.search(head) and not of_dates):
        return None
    place = _place_of_year(texts, sign, numbers, head)
    if place != "last":
        return "ymd" if place == "first" else None
    if sign == "." and all(len(match[1]) == len(match[3]) == 2 for match in matches):
        return "dmy" if of_dates or any(number > 12 for three in numbers for number in three) else None
    if _DAY_FIRST_NAMES.search(head):
        return "dmy"
    told = _order_of_days([(one, other) for one, other, _ in numbers])
    return ORDERS.get(day_first if told is None and sign != "." else told)  # type: ignore[arg-type]


def _place_of_year(
    texts: Sequence[str], sign: str, numbers: Sequence[tuple[int, int, int]], head: str
) -> Literal["first", "last"] | None:
    """Whether the first or the last of three `numbers` is the year; None where nothing tells.

    It is told by a number that is no day, by a year of four digits with the same sign, by the language of the head, by a second
    number that is no month, or by first numbers too far apart for years. Numbers that rise from left to right are counted, or begin
    with a year.
    """
    firsts, _, lasts = zip(*numbers, strict=True)
    is_first = max(firsts) > 31 or any((match := _YEAR_FIRST.fullmatch(text)) and match[2] == sign for text in texts)
    is_last = max(lasts) > 31 or any((match := _YEAR_LAST.fullmatch(text)) and match[2] == sign for text in texts)
    if not is_first and not is_last:
        is_first, is_last = bool(_YEAR_FIRST_NAMES.search(head)), sign != "-" and bool(_DAY_FIRST_NAMES.search(head))
    if is_first or is_last:
        return None if is_first and is_last else "first" if is_first else "last"
    # Between dashes the year is first by the international standard, and days tell nothing.
    if sign == "-":
        return None
    if sign == "/" and any(month > 12 for _, month, _ in numbers):
        return "last"
    ends = [three[::-1] for three in numbers]
    if list(numbers) == sorted(numbers) and ends != sorted(ends):
        return None
    far = max(firsts) - min(firsts) > MOST_APART * (1 + max(lasts) - min(lasts))
    return "last" if far else None


def _long(text: str, day_first: bool | None) -> Dated | None:
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day = (match[1], match[3], match[4]) if match[1] else (match[5], match[6], match[7])
        sign = match[2] or "-"
        form = f"yyyy{sign}mm{sign}dd" if match[1] else 'yyyy"年"m"月"d"日"'
        return _dated(int(year), int(month), int(day), form)
    if match := _YEAR_LAST.fullmatch(text):
        first = True if match[2] == "." or match[1] == match[3] else day_first
        if first is None:
            return None
        day, month = (match[1], match[3]) if first else (match[3], match[1])
        order = ("dd", "mm") if first else ("mm", "dd")
        return _dated(int(match[4]), int(month), int(day), f"{order[0]}{match[2]}{order[1]}{match[2]}yyyy")
    return None


def _short(text: str, orders: dict[str, str | None]) -> Dated | None:
    match = _SHORT.fullmatch(text)
    order = orders[match[2]] if match else None
    if match is None or order is None:
        return None
    numbers = dict(zip(order, (int(match[1]), int(match[3]), int(match[4])), strict=True))
    return _dated(_whole(numbers["y"]), numbers["m"], numbers["d"], match[2].join(2 * letter for letter in order))


def _by_name(text: str) -> Dated | None:
    if match := _DAY_NAME.fullmatch(text):
        day, month, year, form = match[1], MONTHS.get(match[2].lower()), match[3], "d mmmm "
    elif match := _NAME_DAY.fullmatch(text):
        day, month, year, form = match[2], MONTHS.get(match[1].lower()), match[3], "mmmm d, "
    else:
        return None
    return _dated(_whole(int(year)), month, int(day), form + "y" * len(year)) if month else None


def _whole(year: int) -> int:
    """A year of four digits."""
    return year if year > 99 else year + (2000 if year <= LAST_OF_THIS_CENTURY else 1900)


def _dated(year: int, month: int, day: int, form: str) -> Dated | None:
    try:
        date = datetime.date(year, month, day)
    except ValueError:
        return None
    return Dated(date, form.replace("/", "\\/")) if year >= EARLIEST else None
