"""The envelope of PaddleOCR 3's answers: `logId`, `errorCode`, `errorMsg`, and `result` where there is one. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ocr_serving.server.messages import Reply

UNPROCESSABLE = 422
AS_UNPROCESSABLE = (400, 415)
"""Codes of ours that are 422 there: whatever is wrong with what was sent."""


def success(result: Mapping[str, Any], log_id: str = "", *, msg: str = "") -> Reply:
    """An answer with a result; `msg` goes to the log."""
    return Reply(200, "000", _body(log_id, 0, "Success", {"result": result}), msg[:300])


def healthy() -> Reply:
    """The answer of `/health`."""
    return Reply(200, "000", _body("", 0, "Healthy", {}))


def failure(code: int, msg: str, log_id: str = "") -> Reply:
    """A refusal in these words."""
    return Reply(code, "101", _body(log_id, code, msg, {}), msg[:300])


def refusal(reply: Reply, log_id: str = "") -> Reply:
    """A refusal that stands in the words of the old contract, in those of this one."""
    said = json.loads(reply.body)
    code = UNPROCESSABLE if reply.code in AS_UNPROCESSABLE else reply.code
    return replace(reply, code=code, body=_body(log_id, code, str(said["msg"]), {}))


def _body(log_id: str, code: int, msg: str, more: Mapping[str, Any]) -> bytes:
    whole = {"logId": log_id or str(uuid.uuid4()), **more, "errorCode": code, "errorMsg": msg}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
