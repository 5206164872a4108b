"""Keeps the watches going: whatever ends one is said, waited for and begun anew.

kopf gives up where a kind is no longer served, and goes on at the version last seen where an etcd was put back to an older one. So
it is started anew by this, which asks the API server now and then for what kopf does not tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import kopf

from ocr_operator.kube import KINDS, Kube, RefusedError, UnreachableError
from ocr_operator.loop.controller import WATCHED_KINDS, Controller
from ocr_operator.loop.handlers import registry_of, settings_of
from ocr_operator.loop.health import Health
from ocr_operator.names import CRD, KIND, OPTIONAL_KINDS
from ocr_operator.observed.cache import state_of
from ocr_operator.observed.status import Problem

log = logging.getLogger(__name__)

PROBE_S = 5.0
KINDS_EVERY = 12
"""With every so many probes it is asked what may be watched."""
LAST_PAUSE_S = 30.0
LONG_S = 60.0
"""Watches that went on for so long had no fault of their own."""
STOP_S = 5.0


class Watches:
    """The watches of one operator. `namespaces` empty means all. `begun` is set once they have begun for the first time."""

    def __init__(self, kube: Kube, controller: Controller, health: Health, namespaces: Sequence[str]) -> None:
        self.begun = asyncio.Event()
        self._kube = kube
        self._controller = controller
        self._health = health
        self._namespaces = tuple(namespaces)
        self._one = self._namespaces[0] if self._namespaces else None
        self._newest = 0

    async def run(self) -> None:
        """Watches, for ever."""
        failures = 0
        while True:
            await self._wait_for_crd()
            kinds = await self._kinds()
            self._health.is_listed = True
            self.begun.set()
            log.info("watches %s", ", ".join(self._namespaces) or "all namespaces")
            began = time.monotonic()
            reason = await self._watch(kinds)
            failures = 0 if time.monotonic() - began > LONG_S else failures + 1
            log.warning("the watches begin anew: %s", reason)
            self._controller.look_around()
            await asyncio.sleep(min(0.5 * 2.0 ** (failures - 1), LAST_PAUSE_S) if failures > 1 else 0)

    async def _watch(self, kinds: tuple[str, ...]) -> str:
        """Watches until they have to begin anew; why."""
        stop = threading.Event()
        watching = self._in_a_thread(kinds, stop)
        probing = asyncio.create_task(self._probe(kinds))
        try:
            await asyncio.wait({watching, probing}, return_when=asyncio.FIRST_COMPLETED)
            return probing.result() if probing.done() else watching.result()
        finally:
            stop.set()
            probing.cancel()
            await asyncio.wait({watching, probing}, timeout=STOP_S)

    def _in_a_thread(self, kinds: tuple[str, ...], stop: threading.Event) -> asyncio.Future[str]:
        """kopf until `stop` is set or it gives up; then the future has the reason.

        In a thread and a loop of its own, since it cancels every task of its loop when it ends.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()

        def seen(kind: str, event_type: str | None, body: Mapping[str, Any]) -> None:
            # Packed here: a list of thousands would else be there thousands of times its size before the other loop looks at it.
            state = state_of(body if body.get("kind") else {**body, "kind": kind})
            loop.call_soon_threadsafe(self._controller.told, event_type, state)

        def tell(reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        def watch() -> None:
            try:
                asyncio.run(
                    _quietly(
                        kopf.operator(
                            registry=registry_of(kinds, seen),
                            settings=settings_of(kinds),
                            namespaces=self._namespaces,
                            clusterwide=not self._namespaces,
                            standalone=True,
                            stop_flag=stop,
                        )
                    )
                )
                reason = "one of them has ended"
            except Exception as error:  # noqa: BLE001  whatever it is: the watches begin anew, and this is said
                reason = f"one of them has failed: {error or type(error).__name__}"
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(tell, reason)

        threading.Thread(target=watch, name="watches", daemon=True).start()
        return ended

    async def _probe(self, kinds: tuple[str, ...]) -> str:
        """Ends with a reason once the watches cannot be relied on any longer."""
        for number in itertools.count(1):
            await asyncio.sleep(PROBE_S)
            try:
                newest = await self._kube.newest_version(KIND, self._one)
                if newest is None:
                    return f"the CRD {CRD} is gone"
                if newest < self._newest:
                    reason = f"the API server went back from version {self._newest} to {newest}, as where a backup was put back"
                    self._newest = newest
                    self._controller.begin_anew()
                    return reason
                self._newest = newest
                for kind in OPTIONAL_KINDS:
                    if await self._kube.has_kind(kind, self._one) != (kind in kinds):
                        return f"the kind {kind} {'went' if kind in kinds else 'came'}"
                if number % KINDS_EVERY == 0 and await self._kinds() != kinds:
                    return "the permissions are others now"
            except (RefusedError, UnreachableError):
                continue  # the watches see to themselves while the API server is away
        raise AssertionError("unreachable")

    async def _kinds(self) -> tuple[str, ...]:
        """The kinds that there are and may be watched; what may not be is told of in each status."""
        allowed = await asyncio.gather(*(self._is_watchable(kind) for kind in WATCHED_KINDS))
        forbidden = [kind for kind, may in zip(WATCHED_KINDS, allowed, strict=True) if may is False]
        self._controller.tell_of([_missing(kind) for kind in forbidden])
        return tuple(kind for kind, may in zip(WATCHED_KINDS, allowed, strict=True) if may)

    async def _is_watchable(self, kind: str) -> bool | None:
        """Whether `kind` may be listed and watched; None where there is no such kind."""
        while True:
            try:
                if kind in OPTIONAL_KINDS and not await self._kube.has_kind(kind, self._one):
                    return None
                return await self._kube.may_watch(kind, self._one)
            except RefusedError:
                return False
            except UnreachableError:
                await asyncio.sleep(1)

    async def _wait_for_crd(self) -> None:
        """An operator may be installed before its CRD, or outlive it; it waits rather than crash."""
        said = ""
        while True:
            try:
                if await self._kube.has_kind(KIND, self._one):
                    return
                problem = f"the CRD {CRD} is not installed: kubectl apply -f manifests/crd.yaml"
            except (RefusedError, UnreachableError) as error:
                problem = str(error)
            if problem != said:
                log.warning("waiting: %s", problem)
                said = problem
            await asyncio.sleep(1)


async def _quietly(watching: Coroutine[Any, Any, None]) -> None:
    """Awaits `watching`, and says in a line of its own what further watches failed of, where several do at once.

    Only the first one's failure is raised; asyncio would print a trace for each of the others.
    """

    def say(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        log.warning("a further one of the watches has failed: %s", context.get("exception") or context.get("message"))

    asyncio.get_running_loop().set_exception_handler(say)
    await watching


def _missing(kind: str) -> Problem:
    _, plural = KINDS[kind]
    return Problem(
        "MissingPermission",
        f"the operator may not list and watch {plural}, so changes of theirs are seen late or never: grant its role get, list and"
        f" watch on {plural}",
    )
