"""How a live object differs from what was applied: a pure comparison, so that what is unchanged costs no write.

The API server adds defaults and fields of others, and drops what is empty. So every field of the rendered manifest must be found
in the live object, which may hold more. Lists that the API server merges by a key are compared by that key, others as a whole.
What a comparison of values cannot show is told by the managed fields: where one was removed, or where something was added to a list
or a map that is ours as a whole, it is no longer among those that we applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from ocr_operator.observed.live import Live

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
QUANTITY_FIELDS = {"sizeLimit", "divisor", "averageValue", "target.value"}
QUANTITY_MAPS = {"limits", "requests"}
SERVER_FIELDS = ("apiVersion", "kind")
"""What managed fields do not speak of."""


def differences(desired: Mapping[str, Any], live: Live) -> dict[str, Any]:
    """Every path at which `live` is not what `desired` says, such as `spec.template.spec.containers[server].image`.

    To each the value that is there, None where there is none. Quantities are compared by their amount ("1" is "1000m").
    """
    found = dict(_differences(desired, live.body, ""))
    for path, value in _not_owned(desired, live.body, live.owned, ""):
        # A change within a list is told by the list's own path too, which would say it twice.
        if not any(other == path or _is_within(other, path) for other in found):
            found[path] = value
    return found


def differs(desired: Mapping[str, Any], live: Mapping[str, Any]) -> str | None:
    """The path of the first field of `desired` that `live` does not say, whoever owns it, or None."""
    return next((path for path, _ in _differences(desired, live, "")), None)


def _differences(desired: Any, live: Any, path: str) -> Iterator[tuple[str, Any]]:
    if _is_empty(desired) and _is_empty(live):
        return
    if isinstance(desired, Mapping):
        if not isinstance(live, Mapping):
            yield path or ".", live
            return
        for key, value in desired.items():
            yield from _differences(value, live.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(desired, list):
        yield from _list_differences(desired, live, path)
    elif desired != live and not _same_quantity(desired, live, path):
        yield path, live


def _list_differences(desired: Sequence[Any], live: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(live, list):
        yield path, live
        return
    keys = _merge_keys(path, desired)
    if keys is None:
        if len(desired) != len(live):
            yield path, live
            return
        for index, (a, b) in enumerate(zip(desired, live, strict=True)):
            yield from _differences(a, b, f"{path}[{index}]")
        return
    by_key = {tuple(item.get(key) for key in keys): item for item in live}
    for item in desired:
        yield from _differences(item, by_key.get(tuple(item.get(key) for key in keys)), f"{path}[{item.get(keys[0])}]")


def _merge_keys(path: str, items: Sequence[Any]) -> tuple[str, ...] | None:
    name = path.rpartition(".")[2]
    if name != "ports" or not items:
        return MERGE_KEYS.get(name)
    if "containerPort" in items[0]:
        return "containerPort", "protocol"
    return ("port", "protocol") if path == "spec.ports" else None


def _not_owned(desired: Mapping[str, Any], live: Any, owned: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """The paths of what `desired` says and `owned` (FieldsV1) does not have."""
    for key, value in desired.items():
        if not path and key in SERVER_FIELDS:
            continue
        if path == "metadata" and key not in ("labels", "annotations", "ownerReferences"):
            continue
        inner = f"{path}.{key}".lstrip(".")
        there = live.get(key) if isinstance(live, Mapping) else None
        if f"f:{key}" not in owned:
            if not (value in ({}, []) and not there):
                yield inner, there
            continue
        fields = owned[f"f:{key}"]
        if not fields or set(fields) == {"."}:
            continue  # ours as a whole
        if isinstance(value, Mapping):
            yield from _not_owned(value, there, fields, inner)
        elif isinstance(value, list):
            yield from _items_not_owned(value, there, fields, inner)


def _items_not_owned(desired: Sequence[Any], live: Any, owned: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    ours = [(json.loads(name[2:]), fields) for name, fields in owned.items() if name.startswith("k:")]
    there = [item for item in live or () if isinstance(item, Mapping)]
    for item in desired:
        found = [(key, fields) for key, fields in ours if all(item.get(name) == value for name, value in key.items())]
        label = f"{path}[{next((item[key] for key in ('name', 'mountPath', 'uid') if key in item), '')}]"
        if not found:
            yield label, None
            continue
        key, fields = found[0]
        same = next((other for other in there if all(other.get(name) == value for name, value in key.items())), None)
        if fields and set(fields) != {"."}:
            yield from _not_owned(item, same, fields, label)


def _is_within(path: str, outer: str) -> bool:
    return path.startswith((f"{outer}.", f"{outer}["))


def _is_empty(value: Any) -> bool:
    return value is None or value == 0 or value in ("", [], {})


def _same_quantity(desired: Any, live: Any, path: str) -> bool:
    if not _is_quantity(path):
        return False
    try:
        return _amount(desired) == _amount(live)
    except ValueError:
        return False


def _is_quantity(path: str) -> bool:
    parent, _, field = path.rpartition(".")
    if any(f".{name}." in path for name in QUANTITY_MAPS):
        return True
    return field in QUANTITY_FIELDS or f"{parent.rpartition('.')[2]}.{field}" in QUANTITY_FIELDS


def _amount(value: Any) -> Decimal:
    return Decimal(parse_quantity(str(value)))
