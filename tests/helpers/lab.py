"""An operator's reconciler beside a cluster in a dictionary."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

from helpers.fake_kube import FakeKube
from ocr_operator.api.allowed import ANY, Allowed
from ocr_operator.api.spec import Settings
from ocr_operator.kube import UnreachableError
from ocr_operator.loop.reconcile import Reconciler, Result
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref

MOST_TURNS = 30
ALL = Allowed(*[(ANY,)] * 7)


class Lab:
    """One OCRService, and the turns that are taken for it."""

    def __init__(self, owner: Owner, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is there yet."""
        self.owner, self.clock = owner, clock
        self.kube = FakeKube()
        self.restart()

    def restart(self) -> None:
        """Another process takes over, which remembers nothing."""
        self.cache = Cache()
        self.reconciler = Reconciler(self.kube, self.cache, Settings(), self.clock, allowed=ALL)

    def ask(self, spec: Mapping[str, Any]) -> None:
        """The user applies the service."""
        self.kube.service(*self.owner, spec)

    def turn(self) -> Result:
        """The watches tell all, then one turn; every pod comes to be."""
        self.kube.tell(self.cache)
        try:
            return asyncio.run(self.reconciler.reconcile(self.owner)).result
        finally:
            for ref in [ref for ref in self.kube.objects if ref.kind == "Deployment"]:
                self.kube.run(ref)

    def settle(self) -> None:
        """Turns until one writes nothing. Raises AssertionError where that does not come, UnreachableError where a call fails."""
        for _ in range(MOST_TURNS):
            self.kube.writes.clear()
            self.turn()
            if not self.kube.writes:
                return
        raise AssertionError(f"still writing after {MOST_TURNS} turns: {self.kube.writes}")

    def settle_through_faults(self) -> None:
        """As `settle`, by a process that is started anew whenever a call fails."""
        for _ in range(MOST_TURNS):
            try:
                return self.settle()
            except UnreachableError:
                self.restart()
        raise AssertionError("faults did not end")

    @property
    def condition(self) -> dict[str, str]:
        """Condition → its status."""
        status = self.kube.objects[Ref(KIND, *self.owner)].get("status", {})
        return {item["type"]: item["status"] for item in status.get("conditions", ())}

    @property
    def children(self) -> dict[Ref, dict[str, Any]]:
        """What there is but the service, without what tells when and by whom it was written."""
        found = {ref: copy.deepcopy(body) for ref, body in self.kube.objects.items() if ref.kind != KIND}
        for child in found.values():
            child.pop("status", None)
            for key in ("uid", "generation", "resourceVersion", "managedFields"):
                child["metadata"].pop(key, None)
        return found
