"""What Prometheus reads at /metrics. The front counts; workers hand it their stage times with each answer."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ocr_serving import machine
from ocr_serving.engines.batching.board import BATCH_ROWS, BATCHES, WAIT_SECONDS, WAITS

if TYPE_CHECKING:
    from ocr_serving.server.engine_pool import EnginePool
    from ocr_serving.server.pool import Pool

# A `_created` sample beside each series doubles the page and tells nothing here.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counters of one service; times are seconds."""

    def __init__(self) -> None:
        """Start at zero, in a registry of its own."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ocr_serving_requests", "Answered predict requests.", ["module", "status", "code"], registry=self.registry
        )
        self.images = Counter("ocr_serving_images", "Images in answered predict requests.", ["module"], registry=self.registry)
        self.request_seconds = Histogram(
            "ocr_serving_request_seconds",
            "From the first byte read to the answer.",
            ["module"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "ocr_serving_queue_wait_seconds", "Waiting for a free worker.", ["module"], buckets=SECONDS, registry=self.registry
        )
        self.lent_seconds = Counter(
            "ocr_serving_lent_core_seconds",
            "Seconds that cores of workers with nothing to do were at work on a request of another.",
            ["module"],
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "ocr_serving_stage_seconds",
            "Inside one stage of a prediction.",
            ["module", "stage"],
            buckets=SECONDS,
            registry=self.registry,
        )

    def watch(self, pool: Pool) -> None:
        """Export the state of `pool` too."""
        self.registry.register(PoolCollector(pool))

    def watch_engines(self, engines: EnginePool) -> None:
        """Export the figures of the engine processes too."""
        self.registry.register(EngineCollector(engines))


class EngineCollector(Collector):
    """Read from the board of the engine processes at the moment of the scrape."""

    def __init__(self, engines: EnginePool) -> None:
        """Read from `engines`."""
        self.engines = engines

    def collect(self) -> Iterator[Metric]:
        """Families for one scrape; the label is the engine's number."""
        board, label = self.engines.board, ["engine"]
        every = range(board.engines)
        gauges = (
            ("ready", "ready", "Whether the engine process has all its networks warm."),
            ("rows_waiting", "waiting", "Rows that wait for a batch."),
        )
        for name, column, text in gauges:
            gauge = GaugeMetricFamily(f"ocr_serving_engine_{name}", text, labels=label)
            for n in every:
                gauge.add_metric([str(n)], board.get(n, column))
            yield gauge
        counters = (
            ("busy_seconds", "Seconds the device was at work."),
            ("unwarmed", "Batches of a shape that was not warm before ready."),
            ("row_pixels", "Pixels that rows asked for."),
            ("batch_pixels", "Pixels of the batches run for them, those that only fill up a fixed shape included."),
        )
        for name, text in counters:
            counter = CounterMetricFamily(f"ocr_serving_engine_{name}", text, labels=label)
            for n in every:
                counter.add_metric([str(n)], board.get(n, name))
            yield counter
        yield GaugeMetricFamily(
            "ocr_serving_engine_restarts", "Engine processes that died since the start.", value=self.engines.restarts
        )
        histograms = (
            ("batch_rows", "Rows of a batch.", BATCH_ROWS, BATCHES, "rows"),
            ("queue_wait_seconds", "Seconds that a row waited for its batch.", WAIT_SECONDS, WAITS, "wait_seconds"),
        )
        for name, text, bounds, columns, total in histograms:
            family = HistogramMetricFamily(f"ocr_serving_engine_{name}", text, labels=label)
            for n in every:
                counts = itertools.accumulate(board.get(n, column) for column in columns)
                names = [*(str(float(bound)) for bound in bounds), "+Inf"]
                family.add_metric([str(n)], list(zip(names, counts, strict=True)), board.get(n, total))
            yield family
        memory = GaugeMetricFamily("ocr_serving_engine_resident_memory_bytes", "Resident memory of each engine.", labels=label)
        for n, pid in enumerate(self.engines.pids):
            memory.add_metric([str(n)], machine.resident_bytes(pid) if pid else 0)
        yield memory


class PoolCollector(Collector):
    """Gauges read from the pool at the moment of the scrape."""

    def __init__(self, pool: Pool) -> None:
        """Read from `pool`."""
        self.pool = pool

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Families for one scrape."""
        state = self.pool.state()
        for name, text, value in (
            ("in_flight", "Requests being predicted.", state.busy),
            ("queue_depth", "Requests waiting for a worker.", state.waiting),
            ("queue_limit", "Requests that may wait.", state.max_queue),
            ("workers_ready", "Workers whose models have answered a warm-up.", state.ready),
            ("workers", "Workers there should be.", state.workers),
            (
                "workers_replaced",
                "Workers ended after an answer for having grown too large, since the start.",
                state.replaced,
            ),
            ("worker_restarts", "Workers that died, or were ended for taking too long, since the start.", state.restarts),
        ):
            yield GaugeMetricFamily(f"ocr_serving_{name}", text, value=value)
        memory = GaugeMetricFamily("ocr_serving_resident_memory_bytes", "Resident memory of each process.", labels=["process"])
        memory.add_metric(["front"], machine.resident_bytes(os.getpid()))
        for n, pid in enumerate(state.pids):
            memory.add_metric([f"worker-{n}"], machine.resident_bytes(pid) if pid else 0)
        yield memory
