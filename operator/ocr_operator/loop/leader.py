"""One replica at work at a time: the Lease of kubernetes.aio.leaderelection, made to bear an API server that is away."""

import asyncio
import logging
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


async def lead(api: ApiClient, *, name: str, namespace: str, identity: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Waits for the lease, then runs `work`; returns when `work` ends or the lease is lost, having given it back.

    `identity` must differ between replicas, and stay the same when a container is restarted in its pod.
    """
    lock = _PatientLock(name, namespace, identity, api)

    async def nothing() -> None:
        return None

    leading: asyncio.Task[None] | None = None

    async def started() -> None:
        nonlocal leading
        leading = asyncio.current_task()
        log.info("holds the lease %s/%s", namespace, name)
        try:
            await work()
        finally:
            election.cancel()

    config = Config(lock, LEASE_S, RENEW_S, RETRY_S, onstarted_leading=started, onstopped_leading=nothing)
    election = asyncio.ensure_future(LeaderElection(config).run())
    try:
        await election
        log.error("lost the lease %s/%s", namespace, name)
    except asyncio.CancelledError:
        if leading is None or not leading.done():
            raise
        leading.result()
    finally:
        election.cancel()
        if leading is not None:
            leading.cancel()
            await asyncio.gather(leading, return_exceptions=True)
            await lock.release()


class _PatientLock(LeaseLock):
    """A LeaseLock to which an API server that cannot be reached is a failed attempt, not the end."""

    async def get(self, name: str, namespace: str) -> Any:
        return await _bounded(super().get(name, namespace), lambda error: (False, ApiException(status=0, reason=error)))

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        # The parent's own (kubernetes 37.0.2) passes pretty=True, which the client's validation refuses.
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            created = await _bounded(self.api_instance.create_namespaced_lease(namespace, lease), lambda _: None)
        except ApiException as error:
            log.warning("could not create the lease %s/%s: %s", namespace, name, error.reason)
            return False
        self.lease_reference = created
        return created is not None

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        return bool(await _bounded(super().update(name, namespace, updated_record), lambda _: False))

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
        return await asyncio.wait_for(call, REQUEST_S)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        log.warning("the API server does not answer: %s", error or type(error).__name__)
        return otherwise(str(error) or type(error).__name__)
