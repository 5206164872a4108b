"""`ocr-operator run`: connects, waits to be the leader, works until it is told to stop."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import uuid

import uvloop
from kubernetes.aio.config import ConfigException

from ocr_operator import logs
from ocr_operator.kube import Kube, NotLeadingError, connect
from ocr_operator.loop.controller import Controller
from ocr_operator.loop.health import Health, ListenError, serve
from ocr_operator.loop.leader import Tenure, lead
from ocr_operator.loop.options import RunOptions
from ocr_operator.loop.watches import Watches
from ocr_operator.metrics import Metrics

log = logging.getLogger(__name__)

GARBAGE = (10_000, 20, 20)
"""For gc: hardly anything here refers to itself, and Python's own threshold of 700 costs a tenth of the time."""


def run(options: RunOptions) -> int:
    """Runs until SIGTERM or SIGINT; the exit status: 0 when told to stop, 1 when it had to give up, with a sentence on stderr."""
    logs.set_up(options.log_format)
    gc.set_threshold(*GARBAGE)
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
    loop.set_exception_handler(logs.say_lost_connection)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics, health = Metrics(), Health()
    async with connect(metrics, options.qps) as kube:
        controller = Controller(
            kube,
            options.images,
            metrics,
            health,
            namespaces=options.namespaces,
            resync_s=options.resync_seconds,
            identity=f"{options.lease_namespace}/{options.lease_name}" if options.leader_election else "",
            at_a_time=options.upgrades_at_a_time,
            allowed=options.allowed,
        )
        tenure = Tenure()
        if options.leader_election:
            kube.may_write = tenure.is_sure
        http = await serve(options.http_port, health, metrics, controller.refresh_gauges)

        async def work() -> None:
            metrics.leader.set(1)
            health.is_leader = True
            await _work(kube, controller, health, options)

        identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        leading = asyncio.create_task(
            lead(
                kube.api,
                name=options.lease_name,
                namespace=options.lease_namespace,
                identity=identity,
                tenure=tenure,
                work=work,
            )
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
                log.error("gave up: %s", error, exc_info=None if isinstance(error, NotLeadingError) else error)
        finally:
            for task in (leading, stopping):
                task.cancel()
            await asyncio.gather(leading, stopping, return_exceptions=True)
            await http.cleanup()
    return 0 if was_told else 1


async def _work(kube: Kube, controller: Controller, health: Health, options: RunOptions) -> None:
    watches = Watches(kube, controller, health, options.namespaces)
    tasks = [asyncio.create_task(controller.work()) for _ in range(options.workers)]
    tasks += [asyncio.create_task(watches.run()), asyncio.create_task(_look_around(controller, watches))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _look_around(controller: Controller, watches: Watches) -> None:
    await watches.begun.wait()
    await controller.learn_pods()
    await controller.resync()
