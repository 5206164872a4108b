"""YAML as kubectl and Helm read it, and numbers as an API server keeps them, so that a spec says the same by every way. Pure.

The rules are those of the Go library gopkg.in/yaml.v2 (resolve.go) and of encoding/json.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import yaml

_PREFIXED = re.compile(r"[-+]?0([xX][0-9a-fA-F]+|[bB][01]+|[oO]?[0-7]+)")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NUMBER = re.compile(r"[-+]?[.0-9][-+.0-9_a-fA-FxXoO]*")
_HALF = re.compile("[\ud800-\udfff]")
_TRUE = ("y", "yes", "on", "true")
_FALSE = ("n", "no", "off", "false")
_LARGEST, _SMALLEST = 2**63 - 1, -(2**63)
_FROM_HERE_WITH_EXPONENT = 1e21


def documents(text: str) -> list[Any]:
    """The documents in `text` as JSON values. Raises yaml.YAMLError, or ValueError where JSON has no such value."""
    loaded = list(yaml.load_all(text, _Loader))
    kept = json.dumps(loaded, allow_nan=False, ensure_ascii=False)
    if _HALF.search(kept):
        raise ValueError("a text holds half of a surrogate pair, which is no character")
    return [_as_kept(document) for document in json.loads(kept)]


def _as_kept(value: Any) -> Any:
    """`value` with numbers as the API server gives them back: whole ones without a fraction, large ones rounded."""
    if isinstance(value, dict):
        return {key: _as_kept(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_kept(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not _SMALLEST <= value <= _LARGEST:
        value = float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _FROM_HERE_WITH_EXPONENT:
        return int(Decimal(repr(value)))
    return value


def _number(text: str) -> int | float | str:
    plain = text.replace("_", "")
    if _PREFIXED.fullmatch(plain):
        sign, digits = (-1, plain[1:]) if plain[0] == "-" else (1, plain.removeprefix("+"))
        is_old_octal = digits[1:].isdigit()
        return sign * int(f"0o{digits[1:]}" if is_old_octal else digits, 0)
    if _DECIMAL.fullmatch(plain):
        return int(plain)
    return float(plain) if _FLOAT.fullmatch(plain) else text


class _Loader(yaml.SafeLoader):
    """Without timestamps, and with the numbers of Go."""


def _construct_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float | str:
    return _number(str(loader.construct_scalar(node)))


def _construct_bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() in _TRUE


_words = [form for word in (*_TRUE, *_FALSE) for form in {word, word.capitalize(), word.upper()}]
_LEFT_OUT = tuple(f"tag:yaml.org,2002:{name}" for name in ("timestamp", "int", "float", "bool", "value"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _LEFT_OUT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("!number", re.compile(f"^(?:{_NUMBER.pattern})$"), list("-+.0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(f"^(?:{'|'.join(_words)})$"), list("yYnNtTfFoO"))
_Loader.add_constructor("!number", _construct_number)
_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
