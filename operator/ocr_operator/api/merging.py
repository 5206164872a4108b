"""A module's fields over those of spec.defaults, and one sentence for what is wrong with them. Pure."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ocr_operator.api import schema

M = TypeVar("M", bound=BaseModel)
MERGED_MAPS = (
    *("gpu", "params", "initArgs", "predictArgs", "config", "nodeSelector", "podAnnotations", "podLabels", "ingress", "httpRoute"),
)


class SpecError(ValueError):
    """A body that is no OCRService; the text is one sentence that names the path."""


def merge(defaults: Mapping[str, Any], module: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a module over those of spec.defaults, both as users write them."""
    merged = {**defaults, **module}
    for key in MERGED_MAPS:
        if key in defaults and key in module:
            merged[key] = {**defaults[key], **module[key]}
    if "resources" in defaults and "resources" in module:
        merged["resources"] = {
            part: {**defaults["resources"].get(part, {}), **module["resources"].get(part, {})}
            for part in ("requests", "limits")
            if part in defaults["resources"] or part in module["resources"]
        }
    if "cache" in (defaults.get("models") or {}) and "cache" in (module.get("models") or {}):
        merged["models"] = {**module["models"], "cache": {**defaults["models"]["cache"], **module["models"]["cache"]}}
    if "env" in defaults and "env" in module:
        merged["env"] = list(
            ({item["name"]: item for item in defaults["env"]} | {item["name"]: item for item in module["env"]}).values()
        )
    if "replicas" in module:
        merged.pop("autoscaling", None)
    if "autoscaling" in module:
        merged.pop("replicas", None)
    if merged.get("device") == "cpu":
        merged.pop("gpu", None)
    return merged


def merged_fields(defaults: Mapping[str, Any], module: Mapping[str, Any], *, where: str) -> schema.ModuleFields:
    """A module's fields over `defaults`. Raises SpecError; `where` begins its paths."""
    own = {key: value for key, value in module.items() if key not in ("name", "module", "image")}
    fields = validated(schema.ModuleFields, merge(defaults, own), where=where)
    timeout = (fields.config or {}).get("timeout_s", 1)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 86400:
        raise SpecError(
            f"{where}.config.timeout_s: should be a number of seconds from above 0 to 86400, got {reprlib.repr(timeout)}."
        )
    return fields


def validated(model: type[M], values: Mapping[str, Any], *, where: str = "") -> M:
    """`values` as a `model`. Raises SpecError; `where` begins its path."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise SpecError(_sentence(exc, where)) from None


def _sentence(exc: ValidationError, where: str) -> str:
    """The first error: path, what is wrong, what was there."""
    problem = exc.errors(include_url=False)[0]
    path = where
    for part in problem["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{_short(part)}" if path else _short(part)
    if problem["type"] == "extra_forbidden":
        return f"{path}: there is no such field{_did_you_mean(str(problem['loc'][-1]))}."
    if problem["type"] == "missing":
        return f"{path}: has to be given."
    text = " ".join(problem["msg"].removeprefix("Value error, ").removeprefix("Input ").split())
    got = (
        ""
        if problem["type"] == "value_error" and not isinstance(problem["input"], int | str)
        else f", got {reprlib.repr(problem['input'])}"
    )
    return f"{path}: {text[:1].lower()}{text[1:]}{got}."


def _short(key: str) -> str:
    """A key of the user's, of whatever length and characters, as a part of a sentence."""
    return key if key.isprintable() and len(key) <= 60 else reprlib.repr(key)


def _did_you_mean(word: str) -> str:
    near = difflib.get_close_matches(word, _known_fields(schema.Spec), n=1) if len(word) <= 60 else []
    return f": did you mean {near[0]}?" if near else ""


def _known_fields(model: type[BaseModel]) -> Iterator[str]:
    for field in model.model_fields.values():
        yield str(field.alias)
    for block in (schema.Module, schema.ModuleFields, schema.ModuleImage) if model is schema.Spec else ():
        yield from _known_fields(block)
