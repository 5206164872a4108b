"""The CustomResourceDefinition, made from the models of schema.py."""

from __future__ import annotations

import json
from typing import Any

from ocr_operator import names
from ocr_operator.api import schema

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "format": "int32", "minimum": 0}


def crd() -> dict[str, Any]:
    """The whole CustomResourceDefinition."""
    columns: list[dict[str, Any]] = [
        {
            "name": "Ready",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
            "description": "Whether every module answers",
        },
        {"name": "Modules", "jsonPath": ".status.ready", "description": "Modules that answer, of all"},
        {"name": "Reason", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason', "priority": 1},
        {"name": "Message", "jsonPath": '.status.conditions[?(@.type=="Ready")].message', "priority": 1},
    ]
    age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _object()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.defaults.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [*({"type": "string"} | column for column in columns), age],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": names.CRD},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.KIND.lower(),
                "shortNames": ["ocr"],
                "categories": ["ocr-serving"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _object() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "OCR over HTTP: one Deployment and Service for each module, kept as this says.",
        "required": ["spec"],
        "properties": {
            "apiVersion": _TEXT | {"description": "Version of this schema."},
            "kind": _TEXT | {"description": f"Always {names.KIND}."},
            "metadata": {"type": "object"},  # a description is not allowed here
            "spec": _structural(schema.Spec.model_json_schema()) | {"description": "What is to be served."},
            "status": _status(),
        },
        "x-kubernetes-validations": [rule.validation for rule in schema.ROOT_RULES],
    }


def _structural(whole: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema as pydantic writes it → what a CustomResourceDefinition may hold: no references, no null, no titles."""

    def turn(node: dict[str, Any]) -> dict[str, Any]:
        node = dict(node)
        if "anyOf" in node:
            node = next(choice for choice in node.pop("anyOf") if choice.get("type") != "null") | node
        if "$ref" in node:
            node = whole["$defs"][node.pop("$ref").removeprefix("#/$defs/")] | node
        if "const" in node:
            node["enum"] = [node.pop("const")]
        if node.get("additionalProperties") is True and "properties" in node:
            node["x-kubernetes-preserve-unknown-fields"] = node.pop("additionalProperties")
        if node.get("additionalProperties") is False:
            del node["additionalProperties"]
        for key in ("title", "default", "$defs"):
            node.pop(key, None)
        for key in ("items", "additionalProperties"):
            if key in node:
                node[key] = turn(node[key])
        if "properties" in node:
            node["properties"] = {name: turn(child) for name, child in node["properties"].items()}
        return node

    # Through JSON, so that no two places share one object: YAML would print the second as a reference to the first.
    return dict(json.loads(json.dumps(turn(whole))))


def _rollout() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "How the last change of model, image or parameters came into use, or was kept out.",
        "properties": {
            "phase": _TEXT | {"description": "Starting, Measuring, Shifting, Promoted, Refused or Accepted."},
            "message": _TEXT | {"description": "What happens, or why it ended so, in a sentence."},
            "since": _TEXT | {"description": "When this phase began."},
            "pages": _COUNT | {"description": "Pages of the golden set that both read."},
            "old": _figures("How the old pods read them."),
            "new": _figures("How the new ones did."),
            "order": _TEXT | {"description": "What the annotation said that was last followed."},
            "accepted": _TEXT | {"description": "What serves: image, and what decides how pages are read."},
            "candidate": _TEXT | {"description": "What is, or was, tried in its place."},
        },
    }


def _figures(description: str) -> dict[str, Any]:
    number = {"type": "number"}
    return {
        "type": "object",
        "description": description,
        "properties": {
            "wordF1": number | {"description": "Share of the words that were read and are true, 0 to 1."},
            "seconds": number | {"description": "Seconds a page."},
            "cpuSeconds": number | {"description": "CPU seconds a page."},
        },
    }


def _status() -> dict[str, Any]:
    condition = {
        "type": "object",
        "description": "One condition.",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": _TEXT
            | {"maxLength": 316, "description": "Ready, Progressing, Degraded; while it holds Reconciling or Stalled."},
            "status": _TEXT | {"enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "minimum": 0,
                "description": "metadata.generation that it is about.",
            },
            "lastTransitionTime": _TEXT | {"format": "date-time", "description": "When its status last changed."},
            "reason": _TEXT | {"minLength": 1, "maxLength": 1024, "description": "Why, in one word."},
            "message": _TEXT | {"maxLength": 32768, "description": "Why, in a sentence."},
        },
    }
    module = {
        "type": "object",
        "description": "One module.",
        "required": ["name"],
        "properties": {
            "name": _TEXT | {"description": "Its name."},
            "url": _TEXT | {"description": "Where pods of the cluster post to."},
            "urls": {
                "type": "array",
                "description": "The same of each module, where the pods serve several.",
                "items": dict(_TEXT),
            },
            "outside": {
                "type": "array",
                "description": "Where callers outside of the cluster post to, by ingress or httpRoute.",
                "items": dict(_TEXT),
            },
            "replicas": _COUNT | {"description": "Pods there are."},
            "readyReplicas": _COUNT | {"description": "Pods that answer."},
            "image": _TEXT | {"description": "The image its pods run."},
            "device": _TEXT | {"description": "gpu or cpu: what `device: auto` came to."},
            "deviceReason": _TEXT | {"description": "Why."},
            "lastFailure": _TEXT | {"description": "What the last pod that failed said."},
            "problem": _TEXT | {"description": "Why what is asked for of it is not applied."},
            "rollout": _rollout(),
        },
    }
    replaced = {
        "type": "object",
        "description": "Objects of a module that the spec no longer has.",
        "required": ["name", "by"],
        "properties": {
            "name": _TEXT | {"description": "Their name."},
            "by": {"type": "array", "description": "The Deployments that must serve before they go.", "items": _TEXT},
        },
    }
    return {
        "type": "object",
        "description": "What is there, written by the operator.",
        "properties": {
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "minimum": 0,
                "description": "metadata.generation last worked on.",
            },
            "ready": _TEXT | {"description": "Modules that answer, of all: 1/2."},
            "replicas": _COUNT
            | {"description": "Pods of the first module that takes its count from spec.defaults, for `kubectl scale`."},
            "selector": _TEXT | {"description": "Label selector of those pods."},
            "operator": _TEXT | {"description": "The operator that works on it: the namespace and the name of its lease."},
            "conditions": {
                "type": "array",
                "description": "Ready, Progressing and Degraded; while they hold Reconciling or Stalled, as kstatus has them.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": condition,
            },
            "replaced": {
                "type": "array",
                "description": "What is kept until that which came in its place serves.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": replaced,
            },
            "modules": {
                "type": "array",
                "description": "Each module.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": module,
            },
        },
    }
