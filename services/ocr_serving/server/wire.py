"""The wire: bytes of a request to checked arguments, results to bytes of an answer. Pure; no sockets, no Flask."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from ocr_serving.decoding.images import Limits
from ocr_serving.errors import ConfigError, InputError, ServingError, TooLargeError
from ocr_serving.modules.base import Module
from ocr_serving.server.messages import Reply
from ocr_serving.validation import LONGEST_KEY, did_you_mean, first_problem

OK, FAILED, NO_MODULE, OUTDATED = "000", "101", "111", "112"

REASON = 300
"""Characters of a message that the log repeats."""


MAX_VALUES = 100_000
"""Values in the JSON of one request: a body of 64 MiB may hold twenty million empty objects, which would take gigabytes."""


def reply(
    status: str,
    msg: str = "",
    results: Any = "",
    *,
    code: int = 200,
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One answer: the three keys as a JSON object in UTF-8. Raises ValueError, TypeError where JSON cannot carry `results`."""
    text = json.dumps(
        {"msg": msg, "results": results, "status": status}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    # "replace": a caller's lone surrogate may stand in `msg`.
    return Reply(code, status, text.encode("utf-8", "replace"), msg[:REASON], retry_after, headers or {})


def failed(msg: str, code: int, **headers: str) -> Reply:
    """Status "101" with a reason."""
    return reply(FAILED, msg, code=code, headers=headers)


def refusal(error: ServingError) -> Reply:
    """Status "101" for an error, with the code and the Retry-After that it carries."""
    return reply(FAILED, str(error), code=error.code, retry_after=error.retry_after)


def no_module(name: str, served: Collection[str]) -> Reply:
    """Status "111", as PaddleHub worded it; where one of `served` was nearly named, what its path is."""
    bare = name.strip("/")
    if bare in served:
        return reply(NO_MODULE, f"Module {bare} is not available at this path: post to /predict/{bare}.", code=404)
    if not bare:
        return reply(NO_MODULE, f"No module is named: post to /predict/{' or /predict/'.join(served)}.", code=404)
    return reply(NO_MODULE, f"Module {name} is not available.", code=404)


def outdated(path: str) -> Reply:
    """Status "112": the body was not sent as JSON."""
    msg = (
        f"This usage is out of date, please use 'application/json' as content-type to post to {path}."
        " Or send files as they are: curl -F file=@page.png, or as the body with their own content-type."
    )
    return reply(OUTDATED, msg, code=415)


def is_json(content_type: str) -> bool:
    """Whether a Content-Type is JSON: `application/json` or `application/*+json`, with or without parameters."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def parse(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a request; None for `null`, which the old server took for its outdated protocol.

    Raises InputError, and TooLargeError where it has more values than any request.
    """
    payload = value(body)
    if payload is not None and not isinstance(payload, dict):
        raise InputError('The body must be a JSON object such as {"images": ["<base64 of an image file>"]}.')
    return payload


def value(text: bytes | str, most: int = MAX_VALUES) -> Any:
    """What JSON says. Raises InputError, and TooLargeError where it has more values than `most`."""
    # Counted before anything is made of them; base64 has no commas.
    if (text.count(b",") if isinstance(text, bytes) else text.count(",")) > most:
        raise TooLargeError(f"The body has more than {most} values: send fewer in one request.")
    try:
        return json.loads(text)
    except RecursionError:
        raise InputError("The body is JSON nested too deeply.") from None
    except UnicodeDecodeError:
        raise InputError("The body is not JSON: not UTF-8.") from None
    except json.JSONDecodeError as exc:
        raise InputError(f"The body is not JSON: {exc}.") from None
    except ValueError:
        # What Python refuses of JSON that is sound, in words of its own.
        raise InputError("The body has a number of thousands of digits: send it shorter.") from None


class Arguments:
    """What one module's `predict` takes besides images, read from its signature and annotations."""

    def __init__(self, cls: type[Module]) -> None:
        """Raises ConfigError where an annotation is not a type that JSON can carry."""
        parameters = inspect.signature(cls.predict).parameters.values()
        hints = get_type_hints(cls.predict, include_extras=True)
        meanings = {name: Field(description=text) for name, text in _parameters(cls).items()}
        fields: dict[str, Any] = {
            p.name: (
                Annotated[hints.get(p.name, Any), meanings[p.name]] if p.name in meanings else hints.get(p.name, Any),
                None if p.default is p.empty else p.default,
            )
            for p in parameters
            if p.name not in ("self", "images", "paths") and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
        }
        self._takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._cls_name = cls.__name__
        settings = ConfigDict(
            strict=True, extra="allow" if self._takes_any else "forbid", allow_inf_nan=False, protected_namespaces=()
        )
        try:
            self.model: type[BaseModel] = create_model(f"{cls.__name__}Arguments", __config__=settings, **fields)
        except PydanticUserError as exc:
            reason = str(exc).partition("\n")[0]
            raise ConfigError(f"{cls.__name__}.predict() has an argument whose type cannot be checked: {reason}") from None

    def takes_text(self, name: str, text: str) -> bool:
        """Whether the argument `name` takes `text` as it is, and not what that may spell."""
        if name not in self.model.model_fields:
            return self._takes_any
        try:
            self.model.model_validate({name: text})
        except ValidationError:
            return False
        return True

    def check(self, values: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
        """Only the arguments given, with checked types. Raises InputError."""
        # Ahead of pydantic, which would list every one of a million unknown keys.
        unknown = None if self._takes_any else next((key for key in values if key not in self.model.model_fields), None)
        if unknown is not None:
            hint = did_you_mean(unknown, self.model.model_fields)
            key = unknown if len(unknown) <= LONGEST_KEY else f"{unknown[:LONGEST_KEY]}…"
            raise InputError(f"{self._cls_name}.predict() got an unexpected keyword argument '{key}'{hint}")
        try:
            checked = self.model.model_validate(dict(values))
        except ValidationError as exc:
            raise InputError(first_problem(exc, where=where or f"{self._cls_name}.predict()")) from None
        return {name: getattr(checked, name) for name in checked.model_fields_set}


def _parameters(cls: type[Module]) -> dict[str, str]:
    """What the parameters of a module say of themselves; an argument of `predict` with the name of one means the same."""
    merged = getattr(cls, "merge_configs", None)
    try:
        params = None if merged is None else get_type_hints(merged).get("return")
    except NameError:
        # A user's module may annotate with what it has not imported.
        params = None
    fields = params.model_fields if isinstance(params, type) and issubclass(params, BaseModel) else {}
    return {name: field.description for name, field in fields.items() if field.description}


def arguments(payload: Mapping[str, Any], accepted: Arguments, limits: Limits) -> tuple[list[str], dict[str, Any]]:
    """Split a request into its base64 images and the keyword arguments for `predict`.

    Raises InputError, TooLargeError.
    """
    keywords = dict(payload)
    if "paths" in keywords:
        raise InputError("'paths' is not taken over HTTP: it would make the server open its own files. Send 'images'.")
    if "images" not in keywords:
        raise InputError("'images' is missing: it is a list of base64 strings, one for each image file.")
    images = keywords.pop("images")
    if not isinstance(images, list):
        raise InputError(f"'images' must be a list of base64 strings, got {_kind(images)}.")
    if not images:
        raise InputError("The input data is inconsistent with expectations: 'images' is empty.")
    if len(images) > limits.max_images:
        raise TooLargeError(
            f"{len(images)} images are over the limit of {limits.max_images} in one request (max_images): send fewer."
        )
    for n, image in enumerate(images):
        if not isinstance(image, str):
            raise InputError(f"images[{n}] must be a base64 string, got {_kind(image)}.")
    return images, accepted.check(keywords)


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)
