"""`ocr-operator run`: connects, waits to be the leader, works until it is told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import uuid

import kopf
import uvloop
from kubernetes.aio.config import ConfigException

from ocr_operator import logs
from ocr_operator.kube import Kube, RefusedError, UnreachableError, connect
from ocr_operator.loop.controller import WATCHED_KINDS, Controller
from ocr_operator.loop.handlers import registry_of, settings_of
from ocr_operator.loop.health import Health, ListenError, serve
from ocr_operator.loop.leader import lead
from ocr_operator.loop.options import RunOptions
from ocr_operator.metrics import Metrics
from ocr_operator.names import CRD, KIND

log = logging.getLogger(__name__)


def run(options: RunOptions) -> int:
    """Runs until SIGTERM or SIGINT; the exit status: 0 when told to stop, 1 when it had to give up, with a sentence on stderr."""
    logs.set_up(options.log_format)
    try:
        return uvloop.run(_run(options))
    except ConfigException:
        print("ocr-operator: no cluster: set KUBECONFIG, or run it in a pod with a service account", file=sys.stderr)
    except ListenError as error:
        print(f"ocr-operator: {error}", file=sys.stderr)
    except OSError as error:
        print(f"ocr-operator: cannot use the cluster that KUBECONFIG or the service account names: {error}", file=sys.stderr)
    return 1


async def _run(options: RunOptions) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics, health = Metrics(), Health()
    async with connect(metrics) as kube:
        controller = Controller(
            kube, options.images, metrics, health, namespaces=options.namespaces, resync_s=options.resync_seconds
        )
        http = await serve(options.http_port, health, metrics, controller.refresh_gauges)

        async def work() -> None:
            metrics.leader.set(1)
            health.is_leader = True
            await _work(kube, controller, health, options, stop)

        identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        leading = asyncio.create_task(
            lead(kube.api, name=options.lease_name, namespace=options.lease_namespace, identity=identity, work=work)
            if options.leader_election
            else work()
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            was_told = stop.is_set()
            if was_told:
                log.info("stops")
            elif leading.done() and (error := leading.exception()) is not None:
                log.error("gave up: %s", error, exc_info=error)
        finally:
            for task in (leading, stopping):
                task.cancel()
            await asyncio.gather(leading, stopping, return_exceptions=True)
            await http.cleanup()
    return 0 if was_told else 1


async def _work(kube: Kube, controller: Controller, health: Health, options: RunOptions, stop: asyncio.Event) -> None:
    namespace = options.namespaces[0] if options.namespaces else None
    await _wait_for_crd(kube, namespace)
    kinds = tuple([kind for kind in WATCHED_KINDS if await _is_there(kube, kind, namespace)])
    health.is_listed = True
    log.info("watches %s", ", ".join(options.namespaces) or "all namespaces")
    tasks = [asyncio.create_task(controller.work()) for _ in range(options.workers)]
    tasks.append(asyncio.create_task(_look_around(controller)))
    tasks.append(
        asyncio.create_task(
            kopf.operator(
                registry=registry_of(kinds, controller.seen),
                settings=settings_of(kinds),
                namespaces=options.namespaces,
                clusterwide=options.all_namespaces,
                standalone=True,
                stop_flag=stop,
            )
        )
    )
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _look_around(controller: Controller) -> None:
    await controller.learn_pods()
    await controller.resync()


async def _wait_for_crd(kube: Kube, namespace: str | None) -> None:
    """An operator may be installed before its CRD; it waits rather than crash."""
    said = ""
    while True:
        try:
            if await kube.has_kind(KIND, namespace):
                return
            problem = f"the CRD {CRD} is not installed: kubectl apply -f manifests/crd.yaml"
        except (RefusedError, UnreachableError) as error:
            problem = str(error)
        if problem != said:
            log.warning("waiting: %s", problem)
            said = problem
        await asyncio.sleep(1)


async def _is_there(kube: Kube, kind: str, namespace: str | None) -> bool:
    try:
        return await kube.has_kind(kind, namespace)
    except RefusedError as error:
        raise RuntimeError(f"the operator lacks a permission: {error}") from None
