"""Whether a live object still says what was applied: a pure comparison, so that what is unchanged costs no write.

The API server adds defaults and fields of others, and drops what is empty. So every field of the rendered manifest must be found
in the live object, which may hold more. Lists that the API server merges by a key are compared by that key, others as a whole.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

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


def differs(desired: Any, live: Any, path: str = "") -> str | None:
    """The path of the first field of `desired` that `live` does not say, such as `spec.template.spec.containers[server].image`.

    None where there is none. Both are JSON values. Quantities are compared by their amount ("1" is "1000m").
    """
    if _is_empty(desired) and _is_empty(live):
        return None
    if isinstance(desired, Mapping):
        if not isinstance(live, Mapping):
            return path or "."
        return _first(differs(value, live.get(key), f"{path}.{key}".lstrip(".")) for key, value in desired.items())
    if isinstance(desired, list):
        return _list_differs(desired, live, path)
    return None if desired == live or _same_quantity(desired, live, path) else path


def _list_differs(desired: Sequence[Any], live: Any, path: str) -> str | None:
    if not isinstance(live, list):
        return path
    keys = MERGE_KEYS.get(path.rpartition(".")[2])
    if keys is None:
        if len(desired) != len(live):
            return path
        return _first(differs(a, b, f"{path}[{index}]") for index, (a, b) in enumerate(zip(desired, live, strict=True)))
    by_key = {tuple(item.get(key) for key in keys): item for item in live}
    return _first(
        differs(item, by_key.get(tuple(item.get(key) for key in keys)), f"{path}[{item.get(keys[0])}]") for item in desired
    )


def _first(paths: Any) -> str | None:
    return next((path for path in paths if path is not None), None)


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
