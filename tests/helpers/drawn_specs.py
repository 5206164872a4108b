"""OCRServices drawn from the schema of their definition, with a seed."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ocr_operator.api.crd import crd
from ocr_operator.api.merging import SpecError
from ocr_operator.api.spec import OCRService, parse

JSON = dict[str, Any]
FREE: Mapping[str, Any] = {
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
    "metrics": [{"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "2500m"}}}],
    "from": [{"namespaceSelector": {}}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
    "envFrom": [{"configMapRef": {"name": "proxies"}}],
}
"""What stands in fields that the definition leaves to Kubernetes."""

NAMES = ("ocr_det", "ocr_cls", "ocr_rec", "ocr_system", "structure_table", "structure_layout", "kie_ser", "own_module")


class Dice:
    """Draws values of a structural schema."""

    def __init__(self, seed: int, share: float = 0.15) -> None:
        """`share` of the optional fields of an object are given."""
        self.random = random.Random(seed)
        self.share = share

    def spec(self) -> JSON:
        """The spec of an OCRService that the operator understands."""
        while True:
            drawn = self.value(SPEC, "spec")
            names = self.random.sample(NAMES, k=len(drawn["modules"]))
            for module, name in zip(drawn["modules"], names, strict=True):
                module["name"] = name
            if understood(drawn) is not None:
                return dict(drawn)

    def value(self, schema: Mapping[str, Any], name: str) -> Any:
        """A value of `schema`, which belongs to the field `name`."""
        if name in FREE:
            return FREE[name]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if schema.get("x-kubernetes-int-or-string"):
            return self.random.choice([1, "2", 3]) if "pattern" not in schema else self.random.choice(["100m", "1.5", 2, "512Mi"])
        kind = schema.get("type")
        if kind == "object":
            return self.object(schema)
        if kind == "array":
            return [self.value(schema["items"], name) for _ in range(max(schema.get("minItems", 0), self.random.choice([0, 1, 2])))]
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind in ("integer", "number"):
            least, most = schema.get("minimum", 0), schema.get("maximum", 10**6)
            return self.random.choice([least, most, self.random.randint(int(least), int(min(most, least + 50)))])
        return self.text(schema)

    def object(self, schema: Mapping[str, Any]) -> JSON:
        """An object: what is required, and some of the rest."""
        fields = schema.get("properties", {})
        if not fields:
            return self.free() if schema.get("x-kubernetes-preserve-unknown-fields") else self.labels(schema)
        required = schema.get("required", ())
        return {
            key: self.value(field, key) for key, field in fields.items() if key in required or self.random.random() < self.share
        }

    def free(self) -> JSON:
        """Parameters: anything that JSON has."""
        some = [0, -1, 1e21, 1e-5, 2**60, "", "0o17", "1e3", "on", "😀", None, True, [1, [2]], {"a": {"b": "ünï"}}]
        return {self.random.choice(string.ascii_lowercase): self.random.choice(some) for _ in range(self.random.randint(0, 3))}

    def labels(self, schema: Mapping[str, Any]) -> JSON:
        """Labels, annotations, quantities."""
        values = schema.get("additionalProperties", {"type": "string"})
        names = ["cpu", "memory"] if "int-or-string" in str(values) else ["example.org/a", "b"]
        return {name: self.value(values, name) for name in names if self.random.random() < 0.5}

    def text(self, schema: Mapping[str, Any]) -> str:
        """A text of the pattern."""
        pattern = schema.get("pattern")
        if pattern is None:
            return self.random.choice(["a", "b-1"])
        if pattern not in _TEXTS:
            _TEXTS[pattern] = _some(
                st.from_regex(pattern, fullmatch=True, alphabet=string.ascii_letters + string.digits + "-._/:%")
            )
        fitting = [text for text in _TEXTS[pattern] if schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 10**6)]
        return self.random.choice(fitting)


SPEC: JSON = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
_TEXTS: dict[str, list[str]] = {}


def _some(strategy: SearchStrategy[str]) -> list[str]:
    """Texts of a strategy, always the same."""
    from hypothesis import HealthCheck, Phase, given, settings

    found: list[str] = []

    @settings(max_examples=20, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(text: str) -> None:
        found.append(text)

    draw()
    return sorted(set(found))


def body(spec: Mapping[str, Any], name: str = "drawn", namespace: str = "ns") -> JSON:
    """The whole object."""
    metadata = {"name": name, "namespace": namespace, "uid": "u-1", "generation": 1}
    return {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": metadata, "spec": dict(spec)}


def understood(spec: Mapping[str, Any]) -> OCRService | None:
    """The service of a spec; None where the operator refuses it."""
    try:
        return parse(body(spec))
    except SpecError:
        return None


def specs(count: int, seed: int) -> Iterator[JSON]:
    """So many specs."""
    dice = Dice(seed)
    return (dice.spec() for _ in range(count))
