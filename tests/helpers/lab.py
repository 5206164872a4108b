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


class Clock:
    """A clock that a test sets, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Lab:
    """One OCRService, and the turns that are taken for it."""

    def __init__(
        self,
        owner: Owner,
        spec: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        allowed: Allowed = ALL,
    ) -> None:
        """Nothing is there yet but the service, where `spec` is given."""
        self.owner, self.clock, self.allowed = owner, clock, allowed
        self.kube = FakeKube()
        self.restart()
        if spec is not None:
            self.ask(spec)

    def restart(self) -> None:
        """Another process takes over, which remembers nothing."""
        self.cache = Cache()
        self.reconciler = Reconciler(self.kube, self.cache, Settings(), self.clock, allowed=self.allowed)

    def ask(self, spec: Mapping[str, Any], **metadata: Any) -> None:
        """The user applies the service."""
        self.kube.service(*self.owner, spec, **metadata)

    def turn(self) -> Result:
        """The watches tell all, then one turn."""
        self.kube.tell(self.cache)
        return asyncio.run(self.reconciler.reconcile(self.owner)).result

    def run_pods(self) -> None:
        """Every pod that is asked for comes to be."""
        for ref in [ref for ref in self.kube.objects if ref.kind == "Deployment"]:
            self.kube.run(ref)

    def settle(self) -> None:
        """Turns until one writes nothing; pods come to be. Forgets what was written and told until then.

        Raises AssertionError where that does not come, UnreachableError where a call fails.
        """
        for _ in range(MOST_TURNS):
            self.kube.writes.clear()
            self.run_pods()
            self.turn()
            if not self.kube.writes:
                self.kube.events.clear()
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

    def condition(self, type_: str) -> dict[str, Any]:
        """The condition of that type; empty where there is none."""
        status = self.kube.objects[Ref(KIND, *self.owner)].get("status", {})
        return next((dict(item) for item in status.get("conditions", ()) if item["type"] == type_), {})

    def spec(self, ref: Ref) -> dict[str, Any]:
        """That of one object."""
        return dict(self.kube.objects[ref]["spec"])

    @property
    def children(self) -> dict[Ref, dict[str, Any]]:
        """What there is but the service, without what tells when and by whom it was written."""
        found = {ref: copy.deepcopy(body) for ref, body in self.kube.objects.items() if ref.kind != KIND}
        for child in found.values():
            child.pop("status", None)
            for key in ("uid", "generation", "resourceVersion", "managedFields"):
                child["metadata"].pop(key, None)
        return found


def container(body: Mapping[str, Any]) -> dict[str, Any]:
    """The one of a Deployment's pods, to be changed."""
    found: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return found
