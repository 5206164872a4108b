"""The page tree as JSON, and its schema. Pure."""

from __future__ import annotations

import json
from typing import Any

from ocr_serving.output.tree import Document

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


def tree(document: Document) -> bytes:
    """UTF-8; the pictures of figures are left out, their boxes are there."""
    return json.dumps(document.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def schema() -> dict[str, Any]:
    """What `tree` writes, as a JSON Schema (draft 2020-12)."""
    return {"$schema": SCHEMA_ID} | Document.model_json_schema(mode="serialization")
