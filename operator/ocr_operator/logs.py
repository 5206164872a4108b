"""Logs to stderr: a JSON object a line for collectors, or plain text for people."""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

log = logging.getLogger(__name__)

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""What every record has; the rest was given as `extra`."""


class JsonFormatter(logging.Formatter):
    """time (RFC 3339, UTC), level, logger, message, then whatever was given as `extra` and is plain."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {
            key: value for key, value in record.__dict__.items() if key not in STANDARD and isinstance(value, str | int | float)
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Time, level, service if any, message."""

    def format(self, record: logging.LogRecord) -> str:
        words = [self.formatTime(record, "%H:%M:%S"), record.levelname.lower(), getattr(record, "service", ""), record.getMessage()]
        text = " ".join(word for word in [*words, getattr(record, "changes", "")] if word)
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def without_traces_of_kopf(record: logging.LogRecord) -> bool:
    """Takes from what kopf logs where in kopf a watch ended; what ended it is said, and `watches` says what is done about it.

    Where several watches end at once, asyncio would tell of each that nobody asked it why.
    """
    if record.name.partition(".")[0] == "kopf":
        record.exc_info = record.exc_text = None
    error = record.exc_info[1] if record.exc_info else None
    return record.name != "asyncio" or type(error).__module__.partition(".")[0] != "kopf"


def say_lost_connection(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """For `loop.set_exception_handler`: a connection that ended while it was written to is told in a line, all else as always.

    After a stop of the whole process uvloop finds its TLS connections closed under it. The request fails, and says so, by itself.
    """
    error = context.get("exception")
    if "transport" in context and isinstance(error, OSError | RuntimeError):
        log.warning("a connection was lost: %s: %s", context["message"], error)
    else:
        loop.default_exception_handler(dict(context))


def set_up(form: Literal["json", "text"]) -> None:
    """Sends everything from `info` upwards to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(without_traces_of_kopf)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
