"""An object as the API server has it, and which of its fields are ours: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocr_operator.names import FIELD_MANAGER, HASH_ANNOTATION
from ocr_operator.text import compact


@dataclass(frozen=True)
class Live:
    """What there is of one object.

    `body` is the object without its managedFields; `owned` the fields that our last apply set and that nobody has changed or
    removed since, in Kubernetes' FieldsV1: {"f:spec": {"f:replicas": {}}}.
    """

    body: dict[str, Any]
    owned: Mapping[str, Any] = field(default_factory=dict)

    @property
    def owns_replicas(self) -> bool:
        """Whether the number of pods of this Deployment is a field that we applied, rather than an autoscaler's."""
        return "f:replicas" in self.owned.get("f:spec", {})


def live_of(body: Mapping[str, Any]) -> Live:
    """`body` as the API server gave it, taken apart."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return Live({**body, "metadata": metadata}, owned_fields(body))


def owned_fields(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of `body` that are ours, in FieldsV1; empty where none is."""
    for entry in body["metadata"].get("managedFields", ()):
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry.get("fieldsV1", {})
            return fields
    return {}


def as_text(body: Mapping[str, Any]) -> bytes:
    """`body` as compact JSON."""
    return compact(body)


def hash_of(body: Mapping[str, Any]) -> str:
    """What HASH_ANNOTATION says; empty where there is none."""
    return str((body["metadata"].get("annotations") or {}).get(HASH_ANNOTATION, ""))
