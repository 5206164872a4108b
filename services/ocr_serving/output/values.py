"""What stands in a column of a table as values: numbers, money, shares, dates, by its own way of writing them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ocr_serving.output import dates
from ocr_serving.output.dates import Dated

Value = str | int | float

Mark = Literal[".", ","]
"""A decimal mark."""

LONGEST = 15
"""Digits that a spreadsheet keeps; a longer number is a name, of an account or an article."""

MOST_COUNTED = 11
"""Digits of a whole number that is written without groups and counts something; longer ones are names: bar codes, accounts."""

MOST_AFTER_PLUS = 7
"""Digits without groups after a plus; more are a telephone number."""

MOST = 0.6
"""Share of the texts of a column of numbers that are numbers."""

_YEAR = re.compile(r"(?:19|20)\d\d")

SPACES = "\u00a0\u202f\u2009 "

SIGNS = "(?:US|A|C|S|NZ|HK|NT|R)?\\$|[€£¥￥₹₩฿₺₽₪₫₱元]"
CODES = "EUR|USD|GBP|CHF|CNY|RMB|JPY|INR|SEK|NOK|DKK|PLN|CZK|HUF|TRY|BRL|ZAR|MYR|RM|IDR|Rp|THB|AUD|CAD|NZD|SGD|HKD|kr|zł|Kč|Ft|Fr"
_MONEY = rf"(?:{SIGNS}|(?<![^\W\d_])(?:{CODES})(?![^\W\d_])\.?)"
_NUMBER = re.compile(
    rf"^(?P<out>{_MONEY}(?=\s*\())?\s*(?P<open>\()?(?P<minus>[-−–+])?\s*(?P<before>{_MONEY})?\s*(?P<minus2>[-−–])?"
    rf"(?P<digits>[0-9][0-9.,'’{SPACES}]*[0-9]|[0-9]|[.,][0-9]+)"
    rf"(?P<none>[.,][-–—]{{1,2}}(?=$|[\s)]))?\s*(?P<minus3>-)?\s*(?P<after>{_MONEY}|%)?(?P<close>\))?$",
)
_NAMES = re.compile(
    r"\b(phone|telephone|tel|mobile|fax|telefon|téléphone|iban|account|acct|konto\w*|zip|post ?code|postal code|plz|ean|upc|gtin"
    r"|isbn|bar ?code|sku|serial|passport|tax id|vat (?:no|id|reg\w*))\b",
    re.I,
)
"""Heads of columns whose figures are names, not amounts."""


@dataclass(frozen=True)
class Typed:
    """A value and how a spreadsheet shows it as it was written; `form` is "" for text."""

    value: Value
    form: str = ""


def typed(columns: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> list[list[Typed | Dated]]:
    """Each column's texts as values. What a column leaves open, its decimal mark, the table's other columns decide.

    A column of which one number begins with a needless 0 holds names, and so does one whose head, of `heads` where they are known,
    says so: telephone numbers, accounts, post codes. A date whose day, month and year cannot be told apart stays text.
    """
    of_table = _mark([text for column in columns for text in column])
    named = [n < len(heads) and _NAMES.search(heads[n]) is not None for n in range(len(columns))]
    return [
        [Typed(text) for text in column]
        if names and not _has_money(column)
        else _column(column, of_table, heads[n] if n < len(heads) else "")
        for n, (column, names) in enumerate(zip(columns, named, strict=True))
    ]


def has_head(columns: Sequence[Sequence[str]]) -> bool:
    """Whether the first text of each column is its head: not where columns of numbers begin with a number that is no year."""
    amounts = [column for column in columns if is_of_numbers(column[1:])]
    firsts = [column[0].strip() for column in amounts if column[0].strip()]
    return sum(number(first) is not None and _YEAR.fullmatch(first) is None for first in firsts) <= 0.5 * len(firsts)


def is_of_numbers(texts: Sequence[str]) -> bool:
    """Whether most texts of a column are numbers, those that are empty left out."""
    told = [text for text in texts if text.strip()]
    return bool(told) and sum(number(text) is not None for text in told) >= MOST * len(told)


def _has_money(texts: Sequence[str]) -> bool:
    """Whether any text has a decimal mark, money or per cent: "Account" may head what is on one."""
    matches = [match for text in texts if (match := _NUMBER.match(text.strip()))]
    return any(
        match["out"] or match["before"] or match["after"] or re.search(r"[.,][0-9]{2}$", match["digits"]) for match in matches
    )


def _column(texts: Sequence[str], of_table: Mark | None, head: str) -> list[Typed | Dated]:
    mark = _mark(texts) or of_table
    names = any(re.fullmatch(r"0\d+", text.strip()) for text in texts)
    of_column = dates.typed(texts, head)
    found: list[Typed | Dated] = []
    for text, date in zip(texts, of_column, strict=True):
        found.append(date or (None if names and text.strip().isdecimal() else number(text, mark)) or Typed(text))
    return found


def _mark(texts: Sequence[str]) -> Mark | None:
    """The decimal mark that most numbers show without doubt; None where none does."""
    votes: Counter[Mark] = Counter()
    for text in texts:
        match = _NUMBER.match(text.strip())
        if match is None:
            continue
        digits = match["digits"]
        point, comma = digits.rfind("."), digits.rfind(",")
        if point >= 0 and comma >= 0:
            votes["." if point > comma else ","] += 1
        elif digits.count(".") > 1:
            votes[","] += 1
        elif digits.count(",") > 1:
            votes["."] += 1
        elif max(point, comma) >= 0:
            decimals = len(digits) - 1 - max(point, comma)
            # Three digits may be thousands, unless what is before them cannot be.
            if decimals != 3 or digits.startswith("0") or max(point, comma) > 3 or max(point, comma) == 0:
                votes["." if point >= 0 else ","] += 1
    (best, count), *rest = [*votes.most_common(), (".", 0)][:2] or [(".", 0)]
    if not count or (rest and rest[0][1] == count):
        return None
    return best


def number(text: str, mark: Mark | None = None) -> Typed | None:
    """`text` as a number, with its sign, money or per cent; None where it is none. Without a `mark` three digits are thousands."""
    text = text.strip()
    match = _NUMBER.match(text)
    if match is None or (match["open"] is None) != (match["close"] is None):
        return None
    minuses = [match[name] for name in ("minus", "minus2", "minus3") if match[name] not in (None, "+")]
    if len(minuses) + (match["open"] is not None) > 1:
        return None
    parts = _parts(match["digits"], mark)
    if parts is None or (match["out"] and match["before"]):
        return None
    whole, decimals, grouped = parts
    money = match["out"] or match["before"]
    is_bare = not (money or match["after"] or decimals)
    # A plus before groups apart by spaces, or before many digits, is a telephone number.
    if match["minus"] == "+" and (" " in match["digits"] or (is_bare and not grouped and len(whole) > MOST_AFTER_PLUS)):
        return None
    if len(whole) + len(decimals) > LONGEST or (len(whole) > 1 and whole.startswith("0")):
        return None
    if is_bare and not grouped and len(whole) > MOST_COUNTED:
        return None
    value: int | float = float(f"{whole or '0'}.{decimals}") if decimals else int(whole)
    if minuses or match["open"]:
        value = -value
    shown = ("#,##0" if grouped else "0") + ("." + "0" * len(decimals) if decimals else "")
    if match["after"] == "%":
        value = round(value / 100, len(decimals) + 2)
    before = f'"{money}"{" " * text[match.end("before" if match["before"] else "out") :].startswith(" ")}' if money else ""
    after = " " * (text[match.start("after") - 1] == " ") + _quoted(match["after"]) if match["after"] and not money else ""
    if match["after"] == "%":
        after = "%"
    form = before + shown + after
    if minuses or match["open"]:
        left = _quoted(text[: match.start("digits")])
        right = _quoted(text[match.end("none" if match["none"] else "digits") :])
        if (left, right) != ("-" + before, after):
            form = f"{form};{left}{shown}{right}"
    return Typed(value, form)


def _quoted(text: str) -> str:
    """What stands beside the digits as a spreadsheet's form has it: all in quotes that is no sign of its own there."""
    return re.sub(rf"{_MONEY}|[^-()% ]", lambda match: f'"{match[0]}"', text)


def _parts(digits: str, mark: Mark | None) -> tuple[str, str, bool] | None:
    """Whole digits, decimals, and whether the whole was written in groups; None where the signs between them make no number."""
    for space in SPACES + "’":
        digits = digits.replace(space, "'")
    point, comma = digits.rfind("."), digits.rfind(",")
    if mark is None and point >= 0 and comma >= 0:
        mark = "." if point > comma else ","
    elif mark is None and max(point, comma) >= 0:
        sign = digits[max(point, comma)]
        between = re.escape(sign)
        groups = rf"[1-9]\d{{0,2}}(?:{between}\d{{3}})+|[1-9]\d?(?:{between}\d{{2}})+{between}\d{{3}}"
        is_group = re.fullmatch(groups, digits) is not None
        mark = ("," if sign == "." else ".") if is_group else sign  # type: ignore[assignment]
    whole, _, decimals = digits.partition(mark) if mark else (digits, "", "")
    if not decimals.isdecimal() and decimals:
        return None
    separators = {letter for letter in whole if not letter.isdecimal()}
    if not separators:
        return whole, decimals, False
    if len(separators) > 1:
        return None
    separator = re.escape(separators.pop())
    # By thousands, or as in India by hundreds above the first thousand.
    if re.fullmatch(rf"\d{{1,3}}(?:{separator}\d{{3}})+|\d{{1,2}}(?:{separator}\d{{2}})*{separator}\d{{3}}", whole) is None:
        return None
    return re.sub(r"\D", "", whole), decimals, True
