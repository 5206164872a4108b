"""The API server and etcd go away and come back while users and others change things, in an order that a seed draws."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from helpers.control_plane import ControlPlane
from helpers.ocrservices import EDITS, children, service, wait_for_condition
from helpers.operator_process import OperatorProcess

NAMES = ("invoices", "letters")
KINDS = ("configmap", "deployment", "service", "networkpolicy")
WORKERS = (1, 2)
"""Worker processes, which the user changes there and back again."""


class Chaos:
    """What may happen, by name, to the services of one namespace."""

    def __init__(self, plane: ControlPlane, operator: OperatorProcess, namespace: str, seed: int) -> None:
        self.plane, self.operator, self.namespace = plane, operator, namespace
        self.dice = random.Random(seed)
        self.wanted = dict.fromkeys(NAMES, WORKERS[0])
        self.told: list[str] = []

    def ask(self, name: str, workers: int) -> None:
        """The user applies a service."""
        module = {"name": "ocr_system", "device": "cpu", "replicas": 0, "workers": workers}
        self.plane.apply(service(self.namespace, name, modules=[module]))
        self.wanted[name] = workers

    def happen(self, what: Callable[[], None]) -> None:
        """One thing happens, and is told of where the test fails."""
        self.told.append(what.__name__)
        what()

    def edit(self) -> None:
        """Somebody edits a child."""
        kind, name = self.dice.choice(KINDS), self.dice.choice(NAMES)
        patch = json.dumps(EDITS[kind])
        self.plane.kubectl("patch", kind, f"{name}-ocr-system", "-n", self.namespace, "-p", patch, check=False)

    def delete(self) -> None:
        """Somebody deletes a child."""
        kind, name = self.dice.choice(KINDS), self.dice.choice(NAMES)
        self.plane.kubectl("delete", kind, f"{name}-ocr-system", "-n", self.namespace, "--ignore-not-found", "--wait=false")

    def change(self) -> None:
        """The user wants another number of workers."""
        self.ask(self.dice.choice(NAMES), self.dice.choice(WORKERS))

    def restart_api_server(self) -> None:
        """The API server is killed; something is changed as soon as it is back, before any watch is."""
        self.plane.stop_api_server()
        self.plane.start_api_server()
        self.dice.choice((self.edit, self.delete))()

    def restart_etcd(self) -> None:
        """The same for etcd, of which the API server knows nothing until it asks."""
        self.plane.stop_etcd()
        self.plane.start_etcd()
        self.plane.wait_until_ready()
        self.dice.choice((self.edit, self.delete))()

    def kill_operator(self) -> None:
        """The operator is killed and started again."""
        self.operator.end(9)
        self.operator.start()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_goes_away_and_comes_back_all_is_as_it_should_be_in_the_end(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, seed: int
) -> None:
    chaos = Chaos(api_server, operator, namespace, seed)
    for name in NAMES:
        chaos.ask(name, WORKERS[0])
    for name in NAMES:
        wait_for_condition(api_server, namespace, "Ready", name=name)
    untouched = children(api_server, namespace)
    small = (chaos.edit, chaos.delete, chaos.change)
    for what in chaos.dice.sample((chaos.restart_api_server, chaos.restart_etcd, chaos.kill_operator), 3):
        for _ in range(2):
            chaos.happen(chaos.dice.choice(small))
        chaos.happen(what)
    for name, workers in chaos.wanted.items():
        if workers != WORKERS[0]:
            chaos.ask(name, WORKERS[0])
    said = f"seed {seed}: {chaos.told}"
    api_server.wait_for(lambda: children(api_server, namespace) == untouched, said, 60)
    for name in NAMES:
        wait_for_condition(api_server, namespace, "Ready", name=name, seconds=60)
        wait_for_condition(api_server, namespace, "Degraded", "False", name=name, seconds=60)
    operator.wait_until_settled(60)
    assert operator.ask("/healthz") == (200, "ok")
    assert "Traceback" not in operator.log.read_text()
