"""`ocr-serving status`: the services that this user runs on this machine."""

from __future__ import annotations

import argparse
import http.client
import json

from ocr_serving.cli import running
from ocr_serving.cli.words import say

TIMEOUT_S = 5.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `status`."""
    parser = commands.add_parser(
        "status", help="list the services that you run here; exits with 1 where none does, or one is not ready"
    )
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Print a line for each service: port, process, state, modules."""
    found = running.services()
    if not found:
        say("no service that you started runs on this machine")
        return 1
    states = {port: _state(port) for port in found}
    for port, pid in found.items():
        state, modules = states[port]
        print(f"{port:>5}  process {pid:<8} {state:8} {' '.join(modules)}".rstrip())
    return 0 if all(state == "ready" for state, _ in states.values()) else 1


def _state(port: int) -> tuple[str, list[str]]:
    """What /readyz says, or "silent", and the names of /modules where they may be seen without a key."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        state = str(_answer(connection, "/readyz").get("status", "silent"))
        modules = _answer(connection, "/modules").get("modules", [])
        return state, [str(module["name"]) for module in modules]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return "silent", []
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection, path: str) -> dict[str, list[dict[str, object]]]:
    connection.request("GET", path)
    found: dict[str, list[dict[str, object]]] = json.loads(connection.getresponse().read())
    return found
