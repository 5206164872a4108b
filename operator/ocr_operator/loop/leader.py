"""One replica at work at a time: the Lease of kubernetes.aio.leaderelection, made to bear an API server that is away."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, V1Lease, V1ObjectMeta
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

log = logging.getLogger(__name__)

LEASE_S = 15
RENEW_S = 10
RETRY_S = 2
REQUEST_S = 5.0
SURE_S = LEASE_S - RETRY_S
"""For so long after a renewal was asked for nobody else can have the lease, with some to spare for a write under way."""


def now() -> float:
    """Seconds, monotonically, that also go on while the machine sleeps, where the system tells them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Tenure:
    """Whether the lease is surely ours, for whoever is about to write.

    A process that was stopped, or starved, for longer than the lease runs does not know that another one leads by now.
    """

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._renewed_at: float | None = None

    def renewed(self, asked_at: float) -> None:
        """The lease was renewed by a request that was sent at `asked_at`."""
        self._renewed_at = asked_at

    def is_sure(self) -> bool:
        """Whether no other replica can have taken the lease."""
        return self._renewed_at is not None and self._clock() - self._renewed_at < SURE_S


async def lead(
    api: ApiClient, *, name: str, namespace: str, identity: str, tenure: Tenure, work: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Waits for the lease, then runs `work`; returns when `work` ends or the lease is lost, having given it back.

    `identity` must differ between replicas, and stay the same when a container is restarted in its pod. `tenure` is told of each
    renewal.
    """
    lock = _PatientLock(name, namespace, identity, api, tenure)

    async def nothing() -> None:
        return None

    leading: asyncio.Task[None] | None = None
    is_over = asyncio.Event()

    async def started() -> None:
        nonlocal leading
        leading = asyncio.current_task()
        log.info("holds the lease %s/%s", namespace, name)
        try:
            await work()
        finally:
            is_over.set()

    config = Config(lock, LEASE_S, RENEW_S, RETRY_S, onstarted_leading=started, onstopped_leading=nothing)
    election = asyncio.ensure_future(LeaderElection(config).run())
    over = asyncio.ensure_future(is_over.wait())
    try:
        # Both are waited for: an election that renews a lease for ever must not keep up one under which nothing works any more.
        await asyncio.wait({election, over}, return_when=asyncio.FIRST_COMPLETED)
        if election.done():
            election.result()
            log.error("lost the lease %s/%s", namespace, name)
        elif leading is not None:
            await leading
    finally:
        over.cancel()
        election.cancel()
        if leading is not None:
            leading.cancel()
            await asyncio.gather(leading, return_exceptions=True)
            await lock.release()


class _PatientLock(LeaseLock):
    """A LeaseLock to which an API server that cannot be reached is a failed attempt, not the end."""

    def __init__(self, name: str, namespace: str, identity: str, api: ApiClient, tenure: Tenure) -> None:
        super().__init__(name, namespace, identity, api)
        self._tenure = tenure

    async def get(self, name: str, namespace: str) -> Any:
        return await _bounded(super().get(name, namespace), lambda error: (False, ApiException(status=0, reason=error)))

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        # The parent's own (kubernetes 37.0.2) passes pretty=True, which the client's validation refuses.
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        asked_at = now()
        try:
            created = await _bounded(self.api_instance.create_namespaced_lease(namespace, lease), lambda _: None)
        except ApiException as error:
            log.warning("could not create the lease %s/%s: %s", namespace, name, error.reason)
            return False
        self.lease_reference = created
        if created is not None:
            self._tenure.renewed(asked_at)
        return created is not None

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        asked_at = now()
        is_ours = bool(await _bounded(super().update(name, namespace, updated_record), lambda _: False))
        if is_ours:
            self._tenure.renewed(asked_at)
        return is_ours

    async def release(self) -> None:
        """Gives the lease back, so that the next replica need not wait for it to run out."""
        await self.get(self.name, self.namespace)
        lease = self.lease_reference
        if lease is None or lease.spec is None or lease.spec.holder_identity != self.identity:
            return
        lease.spec.holder_identity = ""
        try:
            await _bounded(
                self.api_instance.replace_namespaced_lease(name=self.name, namespace=self.namespace, body=lease), lambda _: None
            )
        except ApiException as error:
            log.warning("could not give the lease back: %s", error.reason)


async def _bounded(call: Awaitable[Any], otherwise: Callable[[str], Any]) -> Any:
    try:
        async with asyncio.timeout(REQUEST_S):  # wait_for of Python 3.11 loses a cancellation that comes together with the answer
            return await call
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        log.warning("the API server does not answer: %s", error or type(error).__name__)
        return otherwise(str(error) or type(error).__name__)
