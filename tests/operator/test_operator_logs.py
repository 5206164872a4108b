"""What the operator's log says, and what it leaves out."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import pytest
import uvloop
from kopf._cogs.clients.errors import APINotFoundError

from ocr_operator.logs import TextFormatter, say_lost_connection, without_traces_of_kopf


def record(name: str, error: Exception) -> logging.LogRecord:
    try:
        raise error
    except Exception:
        return logging.LogRecord(name, logging.ERROR, "", 0, "it ended", (), sys.exc_info())


@pytest.mark.parametrize(
    ("name", "error", "is_logged", "is_traced"),
    [
        ("kopf.reactor", APINotFoundError("gone", status=404, headers={}), True, False),
        ("asyncio", APINotFoundError("gone", status=404, headers={}), False, False),
        ("asyncio", ValueError("ours"), True, True),
        ("ocr_operator.loop.controller", ValueError("ours"), True, True),
    ],
)
def test_where_in_kopf_a_watch_ended_is_nobodys_concern(name: str, error: Exception, is_logged: bool, is_traced: bool) -> None:
    said = record(name, error)
    assert without_traces_of_kopf(said) is is_logged
    if is_logged:
        assert ("Traceback" in TextFormatter().format(said)) is is_traced


@pytest.mark.parametrize(
    ("context", "is_traced"),
    [
        ({"transport": "tcp", "exception": RuntimeError("the handler is closed")}, False),
        ({"transport": "tcp", "exception": BrokenPipeError("broken pipe")}, False),
        ({"transport": "tcp", "exception": KeyError("ours")}, True),
        ({"exception": RuntimeError("ours")}, True),
    ],
)
def test_a_connection_that_ended_is_told_in_a_line(
    context: dict[str, Any], is_traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def ended() -> None:
        say_lost_connection(asyncio.get_running_loop(), {"message": "Fatal error on SSL protocol", **context})

    uvloop.run(ended())
    (said,) = caplog.records
    assert "Fatal error on SSL protocol" in said.getMessage()
    assert bool(said.exc_info) is ("\n" in TextFormatter().format(said)) is is_traced
