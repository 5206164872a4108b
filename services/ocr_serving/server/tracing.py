"""Traces of requests by OpenTelemetry, sent to a collector: the only room that knows of its SDK, which is loaded where asked for.

A thread of the SDK sends them, in batches, so that no request waits for a collector; what is too much is left out. The SDK minds
the standard variables: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_* and OTEL_EXPORTER_OTLP_*.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ocr_serving.errors import ConfigError
from ocr_serving.server.messages import Done

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from ocr_serving.server.pool import Job

log = logging.getLogger("ocr_serving.tracing")

PATH = "/v1/traces"
FROM_ENVIRONMENT = "env"
CLOSING_S = 2.0
"""How long the end of a service may wait for what is still to be sent."""
PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def check(endpoint: str | None) -> None:
    """Raises ConfigError where traces are asked for and cannot be made."""
    if endpoint is None:
        return
    if not all(_is_installed(name) for name in PACKAGES):
        raise ConfigError(
            "otlp_endpoint is set but OpenTelemetry is not installed: run `pip install 'ocr-serving[otel]'`, or leave it out."
        )
    Tracing(endpoint, tells=False).close()


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


class Tracing:
    """Makes traces and sends them. Of the process that it was made in."""

    def __init__(self, endpoint: str, *, tells: bool = True) -> None:
        """`endpoint` is the collector's URL, or "env" for what the standard variables say.

        What the SDK finds wrong with those and makes good is logged, if it `tells`. Raises ConfigError for what it cannot.
        """
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        # It would tell of each batch that it cannot send.
        said = _Said(tells=tells)
        sdk = logging.getLogger("opentelemetry")
        sdk.handlers[:], sdk.propagate = [said], False
        url = None if endpoint == FROM_ENVIRONMENT else endpoint.rstrip("/").removesuffix(PATH) + PATH
        name = {} if _is_named() else {"service.name": "ocr-serving"}
        try:
            self._exporter = OTLPSpanExporter(url)
            self._provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(_quiet(self._exporter, said, _shown(self._exporter))))
        except (ValueError, TypeError, RuntimeError, OSError) as exc:
            reason = " ".join(str(exc).split()).rstrip(".")
            raise ConfigError(f"Traces cannot be sent as the OTEL_ variables say ({reason}): correct or unset them.") from None
        said.tells = False
        self.tracer: Any = self._provider.get_tracer("ocr_serving")
        self._propagator = TraceContextTextMapPropagator()

    def request(self, name: str, headers: Mapping[str, str], attributes: Mapping[str, Any]) -> RequestTrace:
        """The trace of a request that begins now: a part of the one that its headers name, where they do (W3C Trace Context).

        The headers' names are in title case.
        """
        carrier = {key: value for key in ("traceparent", "tracestate") if (value := headers.get(key.title()))}
        return RequestTrace(self, name, self._propagator.extract(carrier), attributes)

    def work(self, name: str, attributes: Mapping[str, Any]) -> RequestTrace:
        """The trace of work that begins now, for which no caller waits."""
        return RequestTrace(self, name, None, attributes, is_request=False)

    def traceparent(self, context: Any) -> str:
        """The header that names the span of `context`."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, context)
        return carrier.get("traceparent", "")

    def close(self) -> None:
        """Send what is left, as long as that takes no more than a moment."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True, name="traces")
        closing.start()
        closing.join(CLOSING_S)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


class RequestTrace:
    """The span of one request, or of other work, and those below it."""

    def __init__(self, tracing: Tracing, name: str, parent: Any, attributes: Mapping[str, Any], *, is_request: bool = True) -> None:
        """Begin it."""
        from opentelemetry import trace

        self._tracing = tracing
        kind = trace.SpanKind.SERVER if is_request else trace.SpanKind.INTERNAL
        self._span = tracing.tracer.start_span(name, parent, kind=kind, attributes=attributes)
        self._context = trace.set_span_in_context(self._span, parent)

    @property
    def traceparent(self) -> str:
        """What goes to the processes that work on it; empty where it is not sampled."""
        return self._tracing.traceparent(self._context) if self._span.is_recording() else ""

    @property
    def trace_id(self) -> str:
        """32 hex digits, for the log."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def worked_on(self, job: Job, done: Done | None) -> None:
        """Tell how long `job` has waited, and what was done for it where it was."""
        if not self._span.is_recording():
            return
        # Jobs are timed on the monotonic clock.
        offset = time.time_ns() - time.monotonic_ns()
        queued = offset + int(job.queued * 1e9)
        begun = queued + int(job.waited * 1e9)
        self._note("queue", queued, begun if done is not None else time.time_ns(), self._context, {})
        if done is None:
            return
        attributes = {"ocr.images": done.images} | ({"ocr.spans_left_out": done.spans_left_out} if done.spans_left_out else {})
        made = [self._note("worker", begun, begun + int(done.seconds * 1e9), self._context, attributes)]
        for span in done.spans:
            above = made[span.parent + 1]
            made.append(self._note(span.name, span.begin_ns, span.end_ns, above, span.attributes))

    def result(self, job: Job) -> Done:
        """Wait for `job`, and end with it. Raises what it raises."""
        done = None
        try:
            done = job.future.result()
            return done
        finally:
            self.worked_on(job, done)
            self.end(500 if done is None else done.reply.code, {})

    def end(self, code: int, attributes: Mapping[str, Any]) -> None:
        """It was answered with `code`."""
        from opentelemetry.trace import StatusCode

        self._span.set_attributes({"http.response.status_code": code, **attributes})
        if code >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def _note(self, name: str, begin_ns: int, end_ns: int, above: Any, attributes: Mapping[str, Any]) -> Any:
        from opentelemetry import trace

        span = self._tracing.tracer.start_span(name, above, attributes=attributes, start_time=begin_ns)
        span.end(max(begin_ns, end_ns))
        return trace.set_span_in_context(span, above)


class _Said(logging.Handler):
    """Remembers what the SDK said last, and logs it while it `tells`."""

    def __init__(self, *, tells: bool) -> None:
        super().__init__()
        self.text = ""
        self.tells = tells

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
        if self.tells:
            log.warning("traces: %s", self.text)


def _quiet(exporter: SpanExporter, said: _Said, where: str) -> SpanExporter:
    """`exporter`, which tells once when it cannot send, and once when it can again."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Quiet(SpanExporter):
        def __init__(self) -> None:
            self._fails = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            fails = result is not SpanExportResult.SUCCESS
            if fails and not self._fails:
                log.warning("traces cannot be sent to %s, and are left out until they can: %s", where, said.text)
            elif self._fails and not fails:
                log.info("traces are sent to %s again", where)
            self._fails = fails
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Quiet()


def _shown(exporter: Any) -> str:
    """The collector's host and port: a password may stand before them, a token behind."""
    parts = urlsplit(str(exporter._endpoint))  # of the environment it is said nowhere else
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _is_named() -> bool:
    return bool(os.environ.get("OTEL_SERVICE_NAME")) or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
