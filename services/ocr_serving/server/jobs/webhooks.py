"""Calls that tell of a job's end, signed as Standard Webhooks has it, and tried again until somebody takes them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import time
from pathlib import Path
from typing import Any

from ocr_serving import __version__
from ocr_serving.errors import ConfigError, InputError
from ocr_serving.server.fetching import HostRules, posted

log = logging.getLogger("ocr_serving.jobs")

WAITS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0)
"""Before the second try, and each after it; then it is given up."""
CALL_S = 10.0
GONE = 410
"""The status by which a caller says that he wants no more calls."""
PREFIX = "whsec_"


def secret(path: Path) -> bytes:
    """The secret in a file: base64 after `whsec_`, or the characters themselves. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise ConfigError(f"webhook_secret_file {path} cannot be read: {reason}.") from None
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode()
    except (binascii.Error, ValueError):
        raise ConfigError(f"webhook_secret_file {path}: what follows {PREFIX} is not base64.") from None
    if len(found) < 16:
        raise ConfigError(f"webhook_secret_file {path}: a secret has at least 16 bytes: make one with `openssl rand -hex 32`.")
    return found


def body(status: dict[str, Any]) -> bytes:
    """What is posted: the job's status, without links, which are for who asks with the key."""
    event = {"type": f"job.{status['state']}", "data": {key: value for key, value in status.items() if key != "resultUrl"}}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def headers(key: bytes, job: str, content: bytes, now: float) -> dict[str, str]:
    """Headers of a call; `webhook-id` is the same in each try, so that a caller sees that it is told twice."""
    stamp = str(int(now))
    signed = hmac.new(key, f"{job}.{stamp}.".encode() + content, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": f"ocr-serving/{__version__}",
        "webhook-id": job,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }


def call(url: str, status: dict[str, Any], attempt: int, *, key: bytes, rules: HostRules) -> float | None:
    """Tell of a job; seconds after which to try again, None where it was taken, or is given up."""
    content = body(status)
    job = str(status["jobId"])
    try:
        code = posted(url, content, headers(key, job, content, time.time()), rules, seconds=CALL_S)
        problem = "" if 200 <= code < 300 else f"it answered {code}"
    except (InputError, OSError) as exc:
        code, problem = 0, str(exc)
    if not problem:
        return None
    if code == GONE or attempt > len(WAITS_S):
        log.warning("a caller could not be told of a job's end", extra={"job": job, "attempts": attempt, "reason": problem[:300]})
        return None
    return WAITS_S[attempt - 1]
