"""Manifests of an OCRService with the modules that a test names."""

from __future__ import annotations

import json
from typing import Any

from ocr_operator.api.spec import parse
from ocr_operator.desired.render import Settings, render

SETTINGS = Settings("r", "ocr", "1.0")
METADATA = {"name": "invoices", "namespace": "docs", "uid": "u-1"}


def manifests(*modules: dict[str, Any], settings: Settings = SETTINGS, **spec: Any) -> list[dict[str, Any]]:
    """All that an OCRService of these modules becomes."""
    body = {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": METADATA,
        "spec": spec | {"modules": list(modules)},
    }
    return render(parse(body), settings)


def by_kind(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """What one module becomes."""
    return {item["kind"]: item for item in manifests({"name": "ocr_system"} | (module or {}), **spec)}


def pod(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Its pods' spec."""
    return dict(by_kind(module, **spec)["Deployment"]["spec"]["template"]["spec"])


def server(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Their one container."""
    return dict(pod(module, **spec)["containers"][0])


def config(module: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The config.json that it reads."""
    return dict(json.loads(by_kind(module, **spec)["ConfigMap"]["data"]["config.json"]))
