"""What made-up forms say: labels, values, headings, free text, in several languages, from a seeded source.

Labels and headings are lists of this file, combined; names, companies, addresses and free text are Faker's.
"""

from __future__ import annotations

import random
import string
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from faker import Faker


def _listed(text: str) -> list[str]:
    return text.replace("\n", "|").split("|")


_RAW = tomllib.loads((Path(__file__).parent / "vocabulary.toml").read_text(encoding="utf-8"))
WORDS = {name: _listed(text) for name, text in _RAW.items() if isinstance(text, str)}
OPTIONS = [_listed(line) for line in _RAW["options"].splitlines()]
FOREIGN = {
    language: {kind: _listed(text) for kind, text in lists.items()} for language, lists in _RAW.items() if isinstance(lists, dict)
}

LOCALES = {
    "en": "en_US",
    "gb": "en_GB",
    "de": "de_DE",
    "fr": "fr_FR",
    "es": "es_ES",
    "it": "it_IT",
    "pt": "pt_BR",
    "zh": "zh_CN",
    "ja": "ja_JP",
}
POOL = 400
"""Texts of a kind that are drawn from Faker once for each language; forms combine them."""

KINDS = {
    word: kind
    for kind, words in {
        "date": "date period expires birth day",
        "time": "time",
        "person": "name by to from attention contact signature manager",
        "number": "no number #",
        "code": "code id",
        "phone": "phone fax telephone mobile",
        "company": "company supplier vendor firm",
        "address": "address",
        "city": "city",
        "money": "amount cost total price budget fee balance",
        "mail": "e-mail",
        "count": "quantity pages",
        "percent": "percent rate",
        "sentence": "comments remarks reason",
        "phrase": "description subject purpose",
        "job": "title occupation",
    }.items()
    for word in words.split()
}
"""The kind of value that a label's word asks for."""


class Texts:
    """A source of texts in one language, made once and drawn from with a generator of the caller's."""

    def __init__(self, language: str, seed: int) -> None:
        self.language = language
        self.english = language in ("en", "gb")
        self.asian = language in ("zh", "ja")
        fake = Faker(LOCALES[language])
        fake.seed_instance(seed)
        draw: dict[str, Callable[[], str]] = {
            "person": fake.name,
            "company": fake.company,
            "address": fake.street_address,
            # Faker's Italian cities are in the order of a set, which differs from run to run.
            "city": fake.state if language == "it" else fake.city,
            "phone": fake.phone_number,
            "mail": fake.email,
            "job": fake.job,
            "sentence": fake.sentence,
            "word": fake.word,
            "catch": fake.catch_phrase if language in ("en", "gb", "de", "fr", "it", "es") else fake.sentence,
        }
        self._pools = {kind: [" ".join(make().split()) for _ in range(POOL)] for kind, make in draw.items()}

    def _pick(self, rng: random.Random, kind: str) -> str:
        return rng.choice(self._pools[kind])

    def label(self, rng: random.Random) -> str:
        """What a field is called, without its colon."""
        if not self.english:
            return rng.choice(FOREIGN[self.language]["labels"])
        shape = rng.random()
        if shape < 0.42:
            text = rng.choice(WORDS["labels"])
        elif shape < 0.8:
            text = f"{rng.choice(WORDS['modifiers'])} {rng.choice(WORDS['nouns'])}"
        elif shape < 0.9:
            text = rng.choice(WORDS["connected"]).format(rng.choice(WORDS["nouns"]), rng.choice(WORDS["modifiers"]))
        elif shape < 0.96:
            text = f"{rng.choice(WORDS['modifiers'])} {rng.choice(WORDS['modifiers'])} {rng.choice(WORDS['nouns'])}"
        else:
            text = f"{rng.choice(WORDS['labels'])} / {rng.choice(WORDS['labels'])}"
        if rng.random() < 0.07:
            text += f" ({rng.choice([*WORDS['units'], 'if any', 'optional', 'required', 'city, state', 'mm/dd/yy'])})"
        return _cased(text, rng)

    def question(self, rng: random.Random) -> str:
        """A field that asks in a sentence."""
        return rng.choice(WORDS["questions"]) if self.english else self.label(rng) + "?"

    def column(self, rng: random.Random) -> str:
        """The head of a table's column."""
        if self.english and rng.random() < 0.5:
            return _cased(rng.choice(WORDS["columns"]), rng)
        return self.label(rng)

    def title(self, rng: random.Random) -> str:
        """What a document is called."""
        if not self.english:
            return rng.choice(FOREIGN[self.language]["titles"])
        text = rng.choice(WORDS["documents"])
        if rng.random() < 0.4:
            text = f"{rng.choice(WORDS['modifiers'])} {text}"
        if rng.random() < 0.12:
            text = f"{text} - {rng.choice(WORDS['modifiers'])} {rng.choice(WORDS['nouns'])}"
        if rng.random() < 0.08:
            text = f"{rng.randint(1970, 2026)} {text}"
        return text.upper() if rng.random() < 0.65 else _title(text)

    def section(self, rng: random.Random) -> str:
        """The heading of a part of a form."""
        if not self.english:
            return rng.choice(FOREIGN[self.language]["titles"])
        text = rng.choice(WORDS["sections"])
        if rng.random() < 0.4:
            text = f"{rng.choice(WORDS['modifiers'])} {rng.choice(WORDS['of_sections'])}"
        text = text.upper() if rng.random() < 0.5 else _title(text)
        if rng.random() < 0.35:
            mark = rng.choice(
                [
                    f"{rng.randint(1, 12)}.",
                    f"{rng.choice('ABCDEFG')}.",
                    f"{rng.choice(['I', 'II', 'III', 'IV', 'V', 'VI'])}.",
                    f"Part {rng.randint(1, 6)}:",
                    f"Section {rng.choice('ABCDEF')} -",
                ]
            )
            text = f"{mark} {text}"
        return text + (":" if rng.random() < 0.2 else "")

    def options(self, rng: random.Random) -> list[str]:
        """What may be ticked, two to six."""
        if not self.english:
            return rng.sample(FOREIGN[self.language]["labels"], rng.randint(2, 4))
        return rng.choice(OPTIONS)

    def checkbox_label(self, rng: random.Random) -> str:
        """What a row of boxes is about."""
        return rng.choice(WORDS["checkboxes"]) if self.english else self.label(rng)

    def instruction(self, rng: random.Random) -> str:
        """A printed sentence to who fills the form in."""
        return rng.choice(WORDS["instructions"]) if self.english and rng.random() < 0.6 else self.sentence(rng)

    def sentence(self, rng: random.Random) -> str:
        """Free text."""
        text = self._pick(rng, "sentence")
        while rng.random() < 0.4:
            text += ("" if self.asian else " ") + self._pick(rng, "sentence")
        return text

    def letterhead(self, rng: random.Random) -> list[str]:
        """Name and address of who the form is of."""
        name = self._pick(rng, "company")
        lines = [name.upper() if rng.random() < 0.5 else name]
        return lines + [f"{self._pick(rng, 'address')}, {self._pick(rng, 'city')}", self._pick(rng, "phone")][: rng.randint(0, 2)]

    def value(self, rng: random.Random, label: str = "") -> str:
        """What is filled in, most often of the kind that `label` asks for."""
        words = label.lower().replace(".", " ").replace(":", " ").split()
        kinds = [KINDS[word] for word in words if word in KINDS]
        kind = kinds[-1] if kinds and rng.random() < 0.85 else rng.choice(VALUES)
        text = self.of_kind(kind, rng)
        return text.upper() if rng.random() < 0.2 else text

    def of_kind(self, kind: str, rng: random.Random) -> str:
        """A value of one kind."""
        if kind in self._pools:
            text = self._pick(rng, kind)
            return text if kind != "person" or rng.random() < 0.7 else _initials(text, rng)
        if kind == "phrase":
            return self._phrase(rng)
        if kind == "own":
            return _invented(rng)
        return FORMATS[kind](rng)

    def _phrase(self, rng: random.Random) -> str:
        shape = rng.random()
        if shape < 0.3:
            return self._pick(rng, "catch")
        if self.english and shape < 0.6:
            return _cased(" ".join([*rng.sample(WORDS["modifiers"], rng.randint(1, 2)), rng.choice(WORDS["nouns"])]), rng)
        count = rng.randint(1, 4)
        words = [_invented(rng) if rng.random() < 0.25 else self._pick(rng, "word") for _ in range(count)]
        text = ("" if self.asian else " ").join(words)
        return _title(text) if rng.random() < 0.5 else text

    def side_mark(self, rng: random.Random) -> str:
        """A number or note in the margin: a stamp, a page number, the sender's line of a fax."""
        return rng.choice(
            [
                "".join(rng.choices(string.digits, k=rng.randint(5, 10))),
                f"Page {rng.randint(1, 9)} of {rng.randint(1, 12)}",
                str(rng.randint(1, 30)),
                f"- {rng.randint(1, 30)} -",
                f"Form {rng.choice('ABCDFHKLMPRST')}{rng.randint(10, 9999)} (Rev. {rng.randint(1, 12)}/{rng.randint(70, 99)})",
                f"{_date(rng)} {_time(rng)} {self._pick(rng, 'company')} P.{rng.randint(1, 20):02}",
                f"{self._pick(rng, 'phone')} P.{rng.randint(1, 9)}/{rng.randint(1, 20)}",
                "CONFIDENTIAL" if self.english else _invented(rng),
                f"© {self._pick(rng, 'company')}",
                f"cc: {self._pick(rng, 'person')}",
            ]
        )


def _cased(text: str, rng: random.Random) -> str:
    shape = rng.random()
    return text.upper() if shape < 0.38 else _title(text) if shape < 0.75 else text[:1].upper() + text[1:]


def _title(text: str) -> str:
    return " ".join(
        word if word in ("of", "the", "and", "for", "to", "in", "by") else word[:1].upper() + word[1:] for word in text.split()
    )


def _initials(name: str, rng: random.Random) -> str:
    parts = name.split()
    if len(parts) < 2:
        return name
    return rng.choice(
        [
            f"{parts[0][0]}. {parts[-1]}",
            parts[-1],
            f"{parts[0][0]}. {rng.choice(string.ascii_uppercase)}. {parts[-1]}",
            "".join(part[0] for part in parts),
        ]
    )


def _invented(rng: random.Random) -> str:
    """A word of no language: what brands, projects and scrawls look like."""
    sounds = [
        rng.choice("bcdfghklmnprstvwz") + rng.choice("aeiouy") + rng.choice(["", "", "n", "r", "s", "l", "t", "x"])
        for _ in range(rng.randint(1, 4))
    ]
    return "".join(sounds).capitalize()


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1960, 2027)
    name = rng.choice(
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
    )
    shapes = [
        f"{month}/{day}/{year % 100:02}",
        f"{month:02}/{day:02}/{year}",
        f"{name} {day}, {year}",
        f"{name[:3]} {day}, {year}",
        f"{day}.{month}.{year}",
        f"{year}-{month:02}-{day:02}",
        f"{name} {year}",
        f"{month}-{day}-{year % 100:02}",
        f"{day} {name[:3]} {year}",
        f"{year}年{month}月{day}日",
    ]
    return rng.choices(shapes, weights=[5, 3, 5, 2, 2, 2, 2, 2, 2, 0.3])[0]


def _time(rng: random.Random) -> str:
    return f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}" + rng.choice(["", " AM", " PM", "am", " p.m."])


def _number(rng: random.Random) -> str:
    return "".join(rng.choices(string.digits, k=rng.randint(1, 9)))


def _code(rng: random.Random) -> str:
    shape = rng.choice(
        ["AA-999", "A9999", "999-99-9999", "AAA 999", "99/999", "A-99", "9999-A", "AA99999999", "99-9999", "A.A. 99"]
    )
    return "".join(
        rng.choice(string.ascii_uppercase) if mark == "A" else rng.choice(string.digits) if mark == "9" else mark for mark in shape
    )


def _money(rng: random.Random) -> str:
    amount = rng.choice([rng.randint(1, 999), rng.randint(1000, 999_999), rng.randint(1_000_000, 90_000_000)])
    body = f"{amount:,}" if rng.random() < 0.7 else str(amount)
    body += f".{rng.randint(0, 99):02}" if rng.random() < 0.5 else ""
    return rng.choice(["$", "$", "$ ", "", "", "€ ", "£", "¥"]) + body


FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date": _date,
    "time": _time,
    "number": _number,
    "code": _code,
    "money": _money,
    "count": lambda rng: (
        str(rng.randint(0, rng.choice([9, 99, 9999]))) + rng.choice(["", "", "", " " + rng.choice(WORDS["units"])])
    ),
    "percent": lambda rng: rng.choice([f"{rng.randint(0, 100)}%", f"{rng.random() * 100:.1f}%", f"{rng.random() * 10:.2f}"]),
    "mark": lambda rng: rng.choice(["X", "x", "✓", "Yes", "No", "N/A", "None", "-", "—", "XX", "n/a", "TBD"]),
}
VALUES: Sequence[str] = (
    "person",
    "company",
    "city",
    "date",
    "date",
    "number",
    "code",
    "money",
    "count",
    "percent",
    "phrase",
    "phrase",
    "phrase",
    "own",
    "job",
    "mark",
    "address",
    "phone",
    "sentence",
)
"""Kinds of value for labels that ask for none in particular."""
