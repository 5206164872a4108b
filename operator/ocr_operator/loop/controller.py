"""The operator at work: watches bring names, workers reconcile them, a list now and then finds what a watch has missed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.spec import Settings
from ocr_operator.kube import BusyError, Kube, NotLeadingError, RefusedError, UnreachableError
from ocr_operator.loop.health import Health
from ocr_operator.loop.reconcile import AT_A_TIME, Reconciler, Result
from ocr_operator.loop.workqueue import WorkQueue
from ocr_operator.metrics import Metrics
from ocr_operator.names import CHILD_KINDS, KIND, MANAGED_BY, MANAGED_BY_LABEL
from ocr_operator.observed.cache import Cache, Owner, Ref, State, owner_of, ref_of, state_of, version_of
from ocr_operator.observed.status import Problem, is_observed

log = logging.getLogger(__name__)

SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
WATCHED_KINDS = (KIND, *(kind for _, kind, _ in CHILD_KINDS), "Pod")
STATUS_DELAY_S = 0.3
CONTROLLERS_S = 2.0
"""For so long after a change the status waits for the cluster's own controller to have seen it: what is before says nothing."""
SOON_S = 5.0
"""What is to be looked at later than this, such as what is contended, is not counted as waiting."""
WATCH_PATIENCE_S = 60.0
LOOKS_AFTER_OUTAGE_S = (10.0, 60.0)
"""Further looks: watches come back one after the other, up to half a minute apart, and one whose list is empty tells nothing."""
PODS_AGAIN_S = 60.0
LAST_LIST_PAUSE_S = 60.0


class Controller:
    """Owns the cache and the queue. `namespaces` empty means all; `clock` gives seconds, monotonically."""

    def __init__(
        self,
        kube: Kube,
        settings: Settings,
        metrics: Metrics,
        health: Health,
        *,
        namespaces: Sequence[str],
        resync_s: float,
        identity: str = "",
        at_a_time: int = AT_A_TIME,
        allowed: Allowed | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache = Cache()
        self.queue: WorkQueue[Owner] = WorkQueue(clock)
        self._kube = kube
        self._reconciler = Reconciler(kube, self.cache, settings, clock, identity=identity, at_a_time=at_a_time, allowed=allowed)
        self._metrics = metrics
        self._health = health
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._resync_s = resync_s
        self._resync_now = asyncio.Event()
        self._are_pods_known = asyncio.Event()
        self._clock = clock
        self.turned_at = clock()
        self._changed_at: dict[Owner, float] = {}
        health.queue_age = self.queue.oldest_s
        health.progressed_at = lambda: max(self.turned_at, kube.answered_at)

    def seen(self, kind: str, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Takes what a watch tells: `event_type` is DELETED, None in the list that it begins with, or another for a new state."""
        self.told(event_type, state_of(body if body.get("kind") else {**body, "kind": kind}))

    def told(self, event_type: str | None, state: State) -> None:
        """As `seen`, of a state that is packed already."""
        ref = state.ref
        if event_type is None and self.cache.was_told(ref):
            # The watch began anew, as after a restart of the API server; of what was deleted meanwhile its list says nothing.
            self._resync_now.set()
        if event_type == "DELETED":
            self.cache.drop(ref)
        else:
            is_new = self.cache.take(state)
            self.cache.set_told(ref)
            if not is_new:
                return
        # What follows from our own changes comes in parts, which one look in a moment sees together.
        if state.owner is not None and not self.queue.is_ahead(state.owner):
            self.queue.add(state.owner)

    def begin_anew(self) -> None:
        """Forgets all that was seen: what there is now may be older, as after a backup was put back."""
        for ref in self.cache.all_refs():
            owner = self.cache.owner(ref)
            self.cache.drop(ref)
            if owner is not None:
                self.queue.add(owner)
        self._reconciler.forget()
        self._resync_now.set()

    def look_around(self) -> None:
        """Has everything listed and looked at now."""
        self._resync_now.set()

    def tell_of(self, problems: Sequence[Problem]) -> None:
        """What keeps the operator itself from its work, to be told in each status."""
        if self._reconciler.operator_problems != tuple(problems):
            self._reconciler.operator_problems = tuple(problems)
            self._resync_now.set()

    async def work(self) -> None:
        """Reconciles one name after the other, for ever, once the pods are known. Several may run side by side."""
        await self._are_pods_known.wait()
        while True:
            owner = await self.queue.get()
            try:
                if self._is_early(owner):
                    self.queue.put_off(owner, STATUS_DELAY_S)
                else:
                    await self._turn(owner)
            finally:
                self.queue.done(owner)

    def _is_early(self, owner: Owner) -> bool:
        """Whether a Deployment that was just written is one that its controller has not seen yet."""
        since = self._changed_at.get(owner)
        if since is not None and self._clock() - since < CONTROLLERS_S:
            written = (self.cache.get(ref) for ref in self.cache.owned(owner) if ref.kind == "Deployment")
            if not all(body is None or is_observed(body) for body in written):
                return True
        self._changed_at.pop(owner, None)
        return False

    async def _turn(self, owner: Owner) -> None:
        began = self._clock()
        service = f"{owner.namespace}/{owner.name}"
        try:
            turn = await self._reconciler.reconcile(owner)
        except BusyError as error:
            # An answer to one request, maybe a webhook's: it says nothing of the watches, nor of any other service.
            told = "%s; trying again in %.1f s"
            log.warning(told, error, self._put_off(owner, error.retry_after_s or 0.0), extra={"service": service})
            return
        except UnreachableError as error:
            log.warning("%s; trying again in %.1f s", error, self._put_off(owner), extra={"service": service})
            self._resync_now.set()
            return
        except NotLeadingError:
            raise
        except RefusedError as error:  # of the status, or of a deletion: a matter of permissions
            told = "the API server refuses: %s; trying again in %.1f s"
            log.warning(told, error, self._put_off(owner), extra={"service": service})
            return
        except Exception:
            # A fault of ours in one service must not end the work on all the others.
            self._put_off(owner)
            log.exception("a fault of the operator", extra={"service": service})
            return
        finally:
            self.turned_at = self._clock()
        self._metrics.reconciles.labels(turn.result.value).inc()
        self._metrics.seconds.observe(self._clock() - began)
        for other in turn.wake:
            self.queue.add(other)
        if turn.result in (Result.REFUSED, Result.WAITING):
            self.queue.retry(owner)
            return
        self.queue.forget(owner)
        if turn.result is Result.CHANGED:
            # Before what has not begun: of what is done it is to be known, also where all that waits takes minutes.
            self._changed_at[owner] = self._clock()
            self.queue.put_off(owner, STATUS_DELAY_S)
        elif turn.again_s is not None:
            self.queue.add(owner, turn.again_s)

    def _put_off(self, owner: Owner, least_s: float = 0.0) -> float:
        """Counts a failure and has `owner` worked on later; in how many seconds."""
        self._metrics.reconciles.labels("failed").inc()
        return self.queue.retry(owner, least_s)

    async def learn_pods(self) -> None:
        """Lets the work begin once every pod there is is known, by a list of its own.

        A child that the cache lacks is asked for by its name; pods are found in the cache only. A status told before all are in it
        would hide what keeps one from serving, for a moment, after each start.
        """
        while not self._are_pods_known.is_set():
            try:
                async for body in self._listed("Pod"):
                    self.cache.put(body)
            except UnreachableError as error:
                log.warning("cannot list pods: %s", error)
                await asyncio.sleep(1)
                continue
            self._are_pods_known.set()
        # A pod that went between this list and that of the watch is told of by nobody.
        asyncio.get_running_loop().call_later(PODS_AGAIN_S, self._resync_now.set)

    async def resync(self) -> None:
        """Compares the cache with lists every `resync_s` seconds and after the API server was away, for ever."""
        patience = min(WATCH_PATIENCE_S, self._resync_s / 2)
        further: Iterator[float] = iter(())
        failures = 0
        while True:
            if await self._is_alarmed_within(min(next(further, self._resync_s), self._resync_s)):
                further = iter(LOOKS_AFTER_OUTAGE_S)
                await asyncio.sleep(1)  # an API server that has just come back is busy enough
            try:
                listed = await self._list_all()
            except UnreachableError as error:
                log.warning("cannot list: %s", error)
                await asyncio.sleep(min(2.0**failures, LAST_LIST_PAUSE_S))
                failures += 1
                self._resync_now.set()
                continue
            failures = 0
            self._compare(listed)
            asyncio.get_running_loop().call_later(patience, self._judge_watches, listed)

    async def _is_alarmed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._resync_now.wait()
        except TimeoutError:
            return False
        self._resync_now.clear()
        return True

    async def _list_all(self) -> dict[Ref, tuple[int, Owner | None]]:
        return {ref_of(body): (version_of(body), owner_of(body)) async for body in self._listed(*WATCHED_KINDS)}

    async def _listed(self, *kinds: str) -> AsyncIterator[dict[str, Any]]:
        """The objects of `kinds` that there are, of those that are watched, as lists show them."""
        for namespace in self._namespaces:
            for kind in kinds:
                try:
                    async for page in self._kube.pages(kind, namespace, "" if kind == KIND else SELECTOR):
                        for body in page:
                            yield body
                except RefusedError as error:
                    log.warning("cannot list: %s", error)

    def _compare(self, listed: Mapping[Ref, tuple[int, Owner | None]]) -> None:
        """Forgets what is no longer there, and has a look at every service."""
        for kind in WATCHED_KINDS:
            for ref in self.cache.refs(kind):
                if ref not in listed:
                    owner = self.cache.owner(ref)
                    self.cache.drop(ref)
                    if owner is not None:
                        self.queue.add(owner)
        for owner in {owner for _, owner in listed.values() if owner is not None}:
            self.queue.add(owner)

    def _judge_watches(self, listed: Mapping[Ref, tuple[int, Owner | None]]) -> None:
        """Reports a kind of which a list has shown what its watch has not told since then."""
        self._health.stuck_watch = next(
            (f"{ref.kind}s" for ref, (version, _) in listed.items() if 0 < self.cache.version(ref) < version), None
        )

    def refresh_gauges(self) -> None:
        """Sets the gauges that are cheap to tell only when asked."""
        self._metrics.depth.set(self.queue.due_within(SOON_S))
        self._metrics.oldest.set(self.queue.oldest_s())
        for state in ("ready", "progressing", "degraded"):
            self._metrics.services.labels(state).set(self.cache.count(state.capitalize()))
