"""What docs/operations.md has typed when an alert comes is understood by a cluster."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from helpers.control_plane import ControlPlane
from helpers.ocrservices import service, wait_for_condition
from helpers.operator_process import OperatorProcess

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def commands() -> dict[str, list[str]]:
    """The kubectl commands of each runbook, without what reads on from them, by the alert."""
    books: dict[str, list[str]] = {}
    for block in PAGE.read_text().split("\n### ")[1:]:
        alert, _, text = block.partition("\n")
        books[alert] = re.findall(r"^    kubectl (.*?)(?: \| grep .*)?$", text.partition("\n## ")[0], re.MULTILINE)
    return books


def test_each_alert_has_commands_and_a_cluster_understands_them(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    books = commands()
    assert {alert for alert, typed in books.items() if not typed} == set()
    refused = []
    for line in (line for typed in books.values() for line in typed):
        answer = api_server.kubectl(*shlex.split(line.replace("NAMESPACE", namespace)), check=False)
        # Nothing runs here, so there is nothing behind the Service.
        if answer.returncode != 0 and "/services/invoices-ocr-system:8868/proxy/" not in line:
            refused.append(f"{line}: {answer.stderr}")
    assert refused == []
