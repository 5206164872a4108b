"""Turns pydantic's error lists into the one sentence a user reads."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ocr_serving.errors import ServingError


class Frozen(BaseModel):
    """A typed, immutable settings object that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


LONGEST_KEY = 60
"""Characters of an unknown key that are repeated in a message, and the longest that is compared with known ones."""

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], values: Mapping[str, Any], *, where: str, error: type[ServingError]) -> M:
    """Build `model` from `values`, or raise `error` with one sentence that names the key and `where` it stands."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise error(first_problem(exc, where=where, known=model.model_fields)) from None


def first_problem(exc: ValidationError, *, where: str, known: Iterable[str] = ()) -> str:
    """The first error of `exc` as a sentence: key, what is wrong, what was meant."""
    problem = exc.errors(include_url=False)[0]
    path = _dotted(problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key '{path}'{did_you_mean(path, known)}."
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not path:
        return f"{where}: {message}."
    got = "" if problem["type"] == "missing" else f", got {_short(problem['input'])}"
    return f"{where}: '{path}': {message[:1].lower()}{message[1:]}{got}."


def did_you_mean(word: str, known: Iterable[str], also: Mapping[str, str] = MappingProxyType({})) -> str:
    """' (did you mean …?)' with the nearest known word, or ''; `also` has what known words are called as well."""
    if len(word) > LONGEST_KEY:
        return ""
    near = [also[word]] if word in also else difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _dotted(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60


def _short(value: object) -> str:
    # Not repr(): a caller's value may fill a body of many megabytes.
    text = _REPR.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
