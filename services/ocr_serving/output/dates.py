"""Dates as a column of a table writes them. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Dated:
    """A date and how a spreadsheet shows it as it was written."""

    value: datetime.date
    form: str


def typed(texts: Sequence[str]) -> list[Dated | None]:
    """What of a column is a date; None for the rest, and for what could be several dates where no other text of it tells which.

    With points the day is first. Years of two digits are believed where the column tells which number is which: by a day above 12,
    by a year above 31.
    """
    texts = [text.strip() for text in texts]
    day_first = _day_first(texts)
    orders = {sign: _short_order(texts, sign, day_first) for sign in "-/."}
    return [_long(text, day_first) or _short(text, orders) or _by_name(text) for text in texts]


def _day_first(texts: Sequence[str]) -> bool | None:
    """Whether dates such as 3/4/2026 have the day first; None where nothing tells."""
    matches = [match for text in texts if (match := _YEAR_LAST.fullmatch(text) or _SLASHED.fullmatch(text))]
    return _order_of_days([(int(match[1]), int(match[3])) for match in matches])


def _order_of_days(pairs: Sequence[tuple[int, int]]) -> bool | None:
    """Whether the first of two numbers is a day, or the second; None where nothing tells, or both are told."""
    first, second = any(one > 12 for one, _ in pairs), any(other > 12 for _, other in pairs)
    return first if first != second else None


def _short_order(texts: Sequence[str], sign: str, day_first: bool | None) -> str | None:
    """Which of three numbers of two digits is which, "dmy", "mdy" or "ymd"; None where it is not told."""
    matches = [match for text in texts if (match := _SHORT.fullmatch(text)) and match[2] == sign]
    numbers = [(int(match[1]), int(match[3]), int(match[4])) for match in matches]
    if any(one > 31 for one, _, _ in numbers):
        return "ymd"
    if sign == "." and all(len(match[1]) == len(match[3]) == 2 for match in matches):
        return "dmy"
    # Between dashes the first number may be a year, unless the last is one.
    if sign == "-" and not any(last > 31 for _, _, last in numbers):
        return None
    told = _order_of_days([(one, other) for one, other, _ in numbers])
    return ORDERS.get(day_first if told is None and sign != "." else told)  # type: ignore[arg-type]


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
