"""Prometheus metrics of the operator."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One set of metrics in a registry of its own, so that tests can have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter(
            "ocr_operator_reconcile_total",
            "Reconciliations by result: unchanged, changed, refused, failed.",
            ["result"],
            registry=self.registry,
        )
        self.seconds = Histogram("ocr_operator_reconcile_seconds", "Seconds a reconciliation took.", registry=self.registry)
        self.writes = Counter(
            "ocr_operator_writes_total", "Write requests sent to the API server.", ["verb", "kind"], registry=self.registry
        )
        self.events_left_out = Counter(
            "ocr_operator_events_left_out_total", "Events that were not posted, lest there be too many.", registry=self.registry
        )
        self.lists = Counter("ocr_operator_lists_total", "Lists asked of the API server.", ["kind"], registry=self.registry)
        self.depth = Gauge("ocr_operator_queue_depth", "OCRServices waiting to be reconciled.", registry=self.registry)
        self.oldest = Gauge(
            "ocr_operator_queue_oldest_seconds", "How long the OCRService that waits longest is overdue.", registry=self.registry
        )
        self.services = Gauge(
            "ocr_operator_services", "OCRServices by state: ready, progressing, degraded.", ["state"], registry=self.registry
        )
        self.leader = Gauge("ocr_operator_leader", "1 while this replica is the one that reconciles.", registry=self.registry)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
