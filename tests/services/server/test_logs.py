"""What stands in the log, and what may not."""

from __future__ import annotations

import json
import logging
import os
import threading

import pytest

from ocr_serving.server import logs

NASTY = "a\x1b[2J\rb\nc\x9bd\u202ee\x00é文"


def record(text: str) -> logging.LogRecord:
    made = logging.LogRecord("ocr_serving", logging.INFO, "", 0, "%s", (text,), None)
    made.reason = text
    return made


def test_a_callers_words_stay_on_their_line_and_move_no_cursor() -> None:
    line = logs.TextFormatter().format(record(NASTY))
    assert line.isprintable()
    assert line.count(r"a\x1b[2J\rb\nc\x9bd\u202ee\x00é文") == 2


def test_json_says_it_all_and_is_printable() -> None:
    line = logs.JsonFormatter().format(record(NASTY))
    assert line.isprintable()
    assert json.loads(line)["message"] == json.loads(line)["reason"] == NASTY


def test_a_trace_keeps_its_lines() -> None:
    try:
        raise ValueError(NASTY)
    except ValueError as exc:
        made = record("failed")
        made.exc_info = (ValueError, exc, exc.__traceback__)
    lines = logs.TextFormatter().format(made).splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in lines)


def test_who_logs_does_not_wait_for_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is full; what found no place is counted."""
    monkeypatch.setattr(logs, "BACKLOG", 100)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as other_end:
        handler = logs.Writer(stream)
        handler.setFormatter(logging.Formatter("%(message)s"))
        told: list[str] = []
        # Before there is anything to leave out: that is said at once, and once.
        logging.getLogger("ocr_serving").addHandler(handler)
        try:
            for _ in range(5000):
                handler.handle(record("x" * 100))
            reader = threading.Thread(target=lambda: told.extend(iter(other_end.readline, "")), daemon=True)
            reader.start()
            while not any("lines of the log were left out" in line for line in told):
                handler.flush()
        finally:
            logging.getLogger("ocr_serving").removeHandler(handler)
        stream.close()
        reader.join()
    assert 100 < len(told) < 5000
