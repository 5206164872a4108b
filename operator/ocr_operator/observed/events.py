"""Events, as `kubectl describe ocr` shows them: pure, an OCRService and a sentence in, an event out."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ocr_operator.names import API_VERSION, FIELD_MANAGER, KIND

LONGEST_NOTE = 1024
"""Bytes of UTF-8, as the API server counts."""


def changes_event(body: Mapping[str, Any], note: str) -> dict[str, Any]:
    """That children were created, updated or deleted."""
    return _event(body, "Normal", "Applied", note)


def rollout_event(body: Mapping[str, Any], phase: str, note: str, *, is_refused: bool) -> dict[str, Any]:
    """That a rollout has come to another phase."""
    return _event(body, "Warning" if is_refused else "Normal", f"Rollout{phase}", note)


def problem_event(body: Mapping[str, Any], reason: str, note: str) -> dict[str, Any]:
    """That something keeps the service from what was asked for."""
    return _event(body, "Warning", reason, note)


def cut(text: str, longest: int) -> str:
    """`text` in at most `longest` bytes of UTF-8, with an ellipsis where some of it is left out."""
    data = text.encode(errors="replace")
    return text if len(data) <= longest else data[: longest - len("…".encode())].decode(errors="ignore") + "…"


def _event(body: Mapping[str, Any], type_: str, reason: str, note: str) -> dict[str, Any]:
    metadata = body["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:40]}.{uuid4().hex[:16]}", "namespace": metadata["namespace"]},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": type_,
        "reason": reason,
        "action": "Reconcile",
        "note": cut(note, LONGEST_NOTE),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "reportingController": f"ocr-serving.dev/{FIELD_MANAGER}",
        "reportingInstance": os.environ.get("POD_NAME", FIELD_MANAGER),
    }
