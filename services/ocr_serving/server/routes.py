"""What a room adds to the service: its routes, what OpenAPI says of them, what it starts. `app.ROUTES` is the list of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import flask

from ocr_serving.config import ServiceConfig
from ocr_serving.server.front import Front
from ocr_serving.server.messages import Reply
from ocr_serving.server.openapi import Described

Modules = Mapping[str, Mapping[str, Any]]
"""The modules served, by name, as `openapi.describe` told of each."""


def _nothing(_modules: Modules, _config: ServiceConfig) -> Described:
    return Described()


def _as_it_is(reply: Reply) -> Reply:
    return reply


@dataclass(frozen=True)
class Routes:
    """The routes of one room.

    `add` registers them; they answer with `front.respond`, ask modules by `front.ask`, and may raise ServingError and
    RefusedError. `describe` tells OpenAPI of them, as far as the modules served have them. A request to one of the paths
    `logged`, or below it where it ends in a slash, is a line of the log. The paths `public` need no key where `api_keys_for` is
    "all", as nothing is said there or a link is a key itself; `probes` need no host name of `allowed_hosts` either. `refusal`
    puts a refusal under one of `prefixes` in the words of another contract. `start` is called once in the front's process, once
    its pool is started, and returns what ends what it started.
    """

    add: Callable[[flask.Flask, Front], None]
    describe: Callable[[Modules, ServiceConfig], Described] = _nothing
    logged: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    refusal: Callable[[Reply], Reply] = _as_it_is
    start: Callable[[Front], Callable[[], None]] | None = None


def is_under(path: str, prefixes: Iterable[str]) -> bool:
    """Whether `path` is one of `prefixes`, or below one that ends in a slash."""
    return any(path == prefix or (prefix.endswith("/") and path.startswith(prefix)) for prefix in prefixes)
