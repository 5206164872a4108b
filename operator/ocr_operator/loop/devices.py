"""`device: auto`: a GPU where a node offers the resource, else the CPU.

Decided anew only after the nodes have been others for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ocr_operator.api.spec import Device, ModuleSpec, OCRService
from ocr_operator.desired.pod import gpu_resource
from ocr_operator.kube import Kube, RefusedError
from ocr_operator.observed.cache import Owner
from ocr_operator.observed.status import Decision, Problem

LOOK_S = 30.0
"""Nodes are listed so often at most, however many services ask."""
PATIENCE_S = 300.0
"""For so long the nodes must speak for the other device: one that starts anew, or is replaced, must not have pods move twice."""


@dataclass(frozen=True)
class Devices:
    """What was decided for the modules with `device: auto`.

    `service` has it in its modules. `moved`: whether the status tells otherwise, so that it has to be told before it is done.
    """

    service: OCRService
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    moved: bool = False
    problems: tuple[Problem, ...] = ()
    again_s: float | None = None

    def told(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """`status` with the decisions."""
        modules = [
            {**item, **self.decisions[item["name"]].status} if item["name"] in self.decisions else item
            for item in status.get("modules", ())
        ]
        return {**status, "modules": modules}


class Chooser:
    """Looks at nodes and decides. `clock` gives seconds, monotonically."""

    def __init__(self, kube: Kube, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._looked_at: float | None = None
        self._most: dict[str, int] = {}
        self._refusal = ""
        self._other_since: dict[tuple[Owner, str], float] = {}

    async def decide(self, service: OCRService, body: Mapping[str, Any]) -> Devices:
        """What the modules of `service` run on, from the nodes and from what the status of `body` says of before.

        Without a permission to list nodes what was decided before stays, and else it is the CPU; `problems` says so. Raises
        UnreachableError.
        """
        if not any(module.is_auto for module in service.modules):
            return Devices(service)
        await self._look()
        told = {item["name"]: item for item in (body.get("status") or {}).get("modules", ())}
        decisions = {
            module.name: self._decision(Owner(service.namespace, service.name), module, told.get(module.name, {}))
            for module in service.modules
            if module.is_auto
        }
        modules = [
            replace(module, found_device=decisions[module.name].device) if module.name in decisions else module
            for module in service.modules
        ]
        moved = any(told.get(name, {}).get("device", decision.device) != decision.device for name, decision in decisions.items())
        return Devices(replace(service, modules=tuple(modules)), decisions, moved, self._problems(), LOOK_S)

    def forget(self, owner: Owner) -> None:
        """The service is gone."""
        self._other_since = {key: since for key, since in self._other_since.items() if key[0] != owner}

    def _decision(self, owner: Owner, module: ModuleSpec, told: Mapping[str, Any]) -> Decision:
        resource, count = gpu_resource(module), _count(module)
        before: Device | None = told.get("device")
        reason = str(told.get("deviceReason", ""))
        key = (owner, module.name)
        if self._refusal:
            return Decision(before or "cpu", reason or "the nodes may not be listed")
        found: Device = "gpu" if self._most.get(resource, 0) >= count else "cpu"
        decision = Decision(found, f"{'a' if found == 'gpu' else 'no'} node offers {count} {resource}")
        # Of what the spec asks for otherwise now, or of nodes that were not seen, nothing was decided before.
        is_new = before is None or not reason.endswith(f" {count} {resource}")
        if is_new or before == found:
            self._other_since.pop(key, None)
            return decision
        since = self._other_since.setdefault(key, self._clock())
        return decision if self._clock() - since >= PATIENCE_S else Decision(before or found, reason)

    def _problems(self) -> tuple[Problem, ...]:
        if not self._refusal:
            return ()
        told = "device auto needs the nodes, which the operator may not list"
        advice = "grant it list on nodes (rbac.listNodes of the chart), or set device to gpu or cpu"
        return (Problem("MissingPermission", f"{told}, so that it stays as it is, on the CPU where nothing was decided: {advice}"),)

    async def _look(self) -> None:
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_S:
            return
        most: dict[str, int] = {}
        try:
            async for page in self._kube.pages("Node", None):
                _add(most, page)
            self._refusal = ""
        except RefusedError as error:
            self._refusal = str(error)
        self._most, self._looked_at = most, now


def _count(module: ModuleSpec) -> int:
    """How many of its resource a node must offer; one also where none is asked for, since then GPUs are shared."""
    gpu = module.fields.gpu
    return max(1, 1 if gpu is None or gpu.count is None else gpu.count)


def _add(most: dict[str, int], nodes: Sequence[Mapping[str, Any]]) -> None:
    """Adds the most that one of `nodes` has of each extended resource: what can be allocated, whether in use or not."""
    for node in nodes:
        for resource, amount in node.get("status", {}).get("allocatable", {}).items():
            if "/" in resource and str(amount).isdigit():
                most[resource] = max(most.get(resource, 0), int(amount))
