"""What the blocks of an OCRService are built of: each rule once in CEL, for the API server, and once in Python, for `render -f`."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Rule:
    """What a schema cannot say: `cel` must hold for the API server, `broken` says the contrary of the typed block."""

    cel: str
    message: str
    broken: Callable[[Any], bool]

    @property
    def validation(self) -> dict[str, str]:
        """The entry of `x-kubernetes-validations`."""
        return {"rule": self.cel, "message": self.message}


def one_source(what: str, *fields: str) -> Rule:
    """That exactly one of `fields`, all that a block has, is given: where `what` comes from."""
    return Rule(
        " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in fields) + " == 1",
        f"{what} from one source: give exactly one of {', '.join(fields[:-1])} and {fields[-1]}",
        lambda block: len(block.model_fields_set) != 1,
    )


def with_rules(schema: dict[str, Any], cls: type[Any]) -> None:
    """Tell the API server the rules of a block."""
    if cls.rules:
        schema["x-kubernetes-validations"] = [rule.validation for rule in cls.rules]


class Block(BaseModel):
    """An immutable part of a spec that refuses unknown keys, nulls, and what breaks one of its `rules`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, json_schema_extra=with_rules)
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, values: object) -> object:
        if isinstance(values, Mapping):
            for key, value in values.items():
                if value is None:
                    raise ValueError(f"{reprlib.repr(key)} has no value: give it one, or leave it out")
        return values

    @model_validator(mode="after")
    def _keeps_rules(self) -> Block:
        for rule in self.rules:
            if rule.broken(self):
                raise ValueError(rule.message)
        return self


@dataclass(frozen=True)
class KeyedBy:
    """Marks a list whose items are told apart by one key, so that server-side apply merges them; by "" where they are plain."""

    key: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuses two items of one key."""
        return core_schema.no_info_after_validator_function(self._unique, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The same for the API server."""
        if not self.key:
            return handler(core) | {"x-kubernetes-list-type": "set"}
        return handler(core) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}

    def _unique(self, items: list[Any]) -> list[Any]:
        if not self.key:
            for n, item in enumerate(items):
                if item in items[:n]:
                    raise ValueError(f"'{item}' is there twice: keep one")
            return items
        fields = {field.alias: name for name, field in type(items[0]).model_fields.items()} if items else {}
        seen = set()
        for item in items:
            value = getattr(item, fields[self.key])
            if value in seen:
                raise ValueError(f"two items have the {self.key} '{value}': keep one")
            seen.add(value)
        return items


def _is_int_or(pattern: str, hint: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: int | str) -> int | str:
        if isinstance(value, str) and (not compiled.fullmatch(value) or len(value) > _LONGEST):
            raise ValueError(f"should be {hint}")
        if isinstance(value, int) and value < 0:
            raise ValueError("should be greater than or equal to 0")
        return value

    return AfterValidator(check)


def _int_or_string(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": f"^({pattern})$", "maxLength": _LONGEST, "minimum": 0})


_LONGEST = 24  # bounded, as the API server bounds what a rule may cost
_QUANTITY = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
_PERCENT = r"[0-9]+%|[0-9]+"

Quantity = Annotated[int | str, _is_int_or(_QUANTITY, "a quantity such as 2, 500m or 1Gi"), _int_or_string(_QUANTITY)]
CountOrPercent = Annotated[int | str, _is_int_or(_PERCENT, "a number or a percentage such as 25%"), _int_or_string(_PERCENT)]
Free = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""An object that Kubernetes, or the module, knows the keys of."""
