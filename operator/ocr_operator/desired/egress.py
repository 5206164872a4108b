"""Where the pods of a module may connect to: nowhere, but for what the module itself asks for. Pure.

A NetworkPolicy knows addresses and ports, not host names; so what a module needs from outside opens a port, not a host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ocr_operator.api.jobs import DATABASE_PORT
from ocr_operator.api.spec import ModuleSpec

DNS = 53
SCHEMES = {"http": 80, "https": 443}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "pip_proxy")
INDEXES = ("pip_index_url", "pip_extra_index_url")
PACKAGE_INDEX = 443
"""Port of the package index from which models of the catalogue are pulled that the image lacks."""

Target = tuple[str, int]
"""An address or network, empty for anywhere, and a TCP port."""


def egress(module: ModuleSpec) -> list[dict[str, Any]]:
    """The egress rules of the module's NetworkPolicy; none where nothing is reached."""
    asked = module.fields.egress
    if asked is not None:
        return asked
    return _rules(_targets(module))


def filling_egress(modules: Sequence[ModuleSpec]) -> list[dict[str, Any]]:
    """Those of the Job that fills the cache that `modules` share."""
    asked = [module.fields.egress for module in modules if module.fields.egress is not None]
    if asked:
        rules = [rule for rules in asked for rule in rules]
        return [rule for n, rule in enumerate(rules) if rule not in rules[:n]]
    return _rules(target for module in modules for target in (*_cached(module), *_proxies(module)))


def _rules(found: Iterable[Target]) -> list[dict[str, Any]]:
    targets = sorted(set(found))
    if not targets:
        return []
    dns = [{"port": DNS, "protocol": protocol} for protocol in ("UDP", "TCP")]
    anywhere = [_tcp(port) for address, port in targets if not address]
    at = [{"to": [{"ipBlock": {"cidr": address}}], "ports": [_tcp(port)]} for address, port in targets if address]
    return [*([{"ports": [*dns, *anywhere]}] if anywhere else []), *at]


def _tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}


def _targets(module: ModuleSpec) -> Iterator[Target]:
    models = module.fields.models
    for item in (models.download if models else None) or ():
        yield _target(item.url)
    if module.fields.jobs is not None and module.fields.jobs.secret_name is not None and module.canary != "apart":
        yield "", module.fields.jobs.port or DATABASE_PORT
    if module.fields.tracing is not None:
        yield _target(module.fields.tracing.endpoint)
    yield from _proxies(module)
    if _may_pull(module):
        yield "", PACKAGE_INDEX
    if module.cache is not None and module.cache.node_path is not None:
        yield from _cached(module)


def _proxies(module: ModuleSpec) -> Iterator[Target]:
    variables = {item.name.lower(): item.value or "" for item in module.fields.env or ()}
    yield from (_target(variables[name]) for name in (*PROXIES, *INDEXES) if variables.get(name))


def _cached(module: ModuleSpec) -> Iterator[Target]:
    """Where what the module has in a cache comes from."""
    downloads = (module.cache.download if module.cache else None) or ()
    yield from (_target(item.url) for item in downloads)
    if len(module.cached_weights) > len(downloads):
        yield "", PACKAGE_INDEX


def _may_pull(module: ModuleSpec) -> bool:
    """Whether params name weights of the catalogue, which are pulled where the image lacks them."""
    if module.cache is not None or (module.fields.config or {}).get("offline") is True:
        return False
    return any(_names_weights(module.arguments_of(name, module.fields.params)) for name in module.served)


def _names_weights(params: Mapping[str, Any]) -> bool:
    named = (str(value) for key, value in params.items() if key.endswith("model_dir") and isinstance(value, str))
    return "model_set" in params or any(name and "/" not in name for name in named)


def _target(url: str) -> Target:
    """Of a URL, or of a proxy that may be written without a scheme."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port or SCHEMES.get(parts.scheme, SCHEMES["https"])
    except ValueError:
        port = SCHEMES.get(parts.scheme, SCHEMES["https"])
    try:
        address = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return "", port
    return f"{address}/{address.max_prefixlen}", port
