"""Traces as a collector sees them: of a real service, over OTLP, with the caller's trace above and the engine process below."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from helpers.jobs import JobService
from helpers.services import ECHO, Service, b64, serve, strip, wait_until
from ocr_serving import data
from ocr_serving.errors import ConfigError
from ocr_serving.server import tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


@dataclass
class Collector:
    """Takes OTLP over HTTP and answers with `code`."""

    url: str = ""
    code: int = 200
    requests: int = 0
    paths: set[str] = field(default_factory=set)
    headers: dict[str, str] = field(default_factory=dict)
    resources: list[dict[str, str]] = field(default_factory=list)
    spans: list[Any] = field(default_factory=list)

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.requests += 1
        self.paths.add(handler.path)
        self.headers = dict(handler.headers.items())
        if self.code == 200:
            for found in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({item.key: item.value.string_value for item in found.resource.attributes})
                self.spans += [span for scope in found.scope_spans for span in scope.spans]
        handler.send_response(self.code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def trace(self, trace_id: str, name: str) -> list[Any]:
        """The spans of a trace, once the one called `name`, which ends last, is there."""
        wait_until(lambda: any(span.name == name for span in self._of(trace_id)), f"the trace {trace_id}")
        return self._of(trace_id)

    def _of(self, trace_id: str) -> list[Any]:
        return [span for span in list(self.spans) if span.trace_id.hex() == trace_id]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_POST(self) -> None:
            made.take(self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose networks run in an engine process."""
    env = {**SOON, "OTEL_SERVICE_NAME": "desk", "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=ocr"}
    folder = tmp_path_factory.mktemp("traced")
    with serve(folder, {"ocr_system": {}}, env=env, workers=1, engine_process=True, otlp_endpoint=collector.url) as service:
        yield service


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


@pytest.mark.models
def test_a_request_is_a_trace_from_its_caller_to_the_engine_process(traced: Service, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "one"}
    assert traced.post("ocr_system", {"images": [b64(data.PAGE.read_bytes())]}, headers=headers).status_code == 200
    spans = collector.trace(TRACE, "POST /predict/<name>")
    above = {span.span_id: span for span in spans}
    request = next(span for span in spans if span.name == "POST /predict/<name>")
    assert request.parent_span_id.hex() == CALLER
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/predict/<name>",
        "url.path": "/predict/ocr_system",
        "http.response.status_code": 200,
        "ocr.request_id": "one",
    }

    def way(span: Any) -> str:
        parent = above.get(span.parent_span_id)
        return span.name if parent is None else f"{way(parent)} > {span.name}"

    ways = {way(span).removeprefix("POST /predict/<name> > ") for span in spans}
    assert {
        "queue",
        "worker",
        "worker > decode",
        "worker > detect",
        "worker > recognize",
        "worker > detect > engine > wait",
        "worker > detect > engine > run",
        "worker > recognize > engine > run",
    } <= ways
    for span in spans:
        parent = above.get(span.parent_span_id)
        assert span.end_time_unix_nano >= span.start_time_unix_nano
        # Within a millisecond: what is timed on different clocks is laid on one.
        assert parent is None or span.start_time_unix_nano >= parent.start_time_unix_nano - 10**6
    run = next(span for span in spans if span.name == "run")
    assert 1 <= attributes(run)["ocr.rows"] <= attributes(run)["ocr.batch_rows"]
    assert collector.paths == {"/v1/traces"}
    assert collector.headers["x-tenant"] == "ocr"
    assert collector.resources[0]["service.name"] == "desk"
    (line,) = (line for line in traced.lines("one") if "code" in line)
    assert line["trace_id"] == TRACE


@pytest.mark.models
def test_a_request_without_a_trace_begins_one_and_one_that_is_not_sampled_makes_none(traced: Service, collector: Collector) -> None:
    unsampled = "1" * 32
    for name, headers in (("none", {}), ("off", {"traceparent": f"00-{unsampled}-{CALLER}-00"}), ("bad", {"traceparent": "00-x"})):
        assert traced.post("ocr_system", {"images": [strip()]}, headers={**headers, "X-Request-ID": name}).status_code == 200
    for name in ("none", "bad"):
        (line,) = (line for line in traced.lines(name) if "code" in line)
        request = next(span for span in collector.trace(line["trace_id"], "POST /predict/<name>") if span.name.startswith("POST"))
        assert not request.parent_span_id
    assert not [span for span in collector.spans if span.trace_id.hex() == unsampled]


@pytest.mark.models
def test_a_refusal_is_a_trace_too(traced: Service, collector: Collector) -> None:
    answer = traced.post("ocr_system", b"[", headers={"X-Request-ID": "refused"})
    (line,) = (line for line in traced.lines("refused") if "code" in line)
    request = next(span for span in collector.trace(line["trace_id"], "POST /predict/<name>") if span.name.startswith("POST"))
    assert attributes(request)["http.response.status_code"] == answer.status_code


@pytest.mark.models
def test_each_page_of_a_job_is_a_trace(traced: Service, collector: Collector) -> None:
    jobs = JobService(traced)
    job = jobs.submit(data.WARMUP.read_bytes(), name="a.png")
    assert jobs.ended(job)["state"] == "done"

    def page() -> Any:
        return next((span for span in list(collector.spans) if span.name == "read page"), None)

    wait_until(page, "the trace of the page")
    assert attributes(page()) == {"ocr.job": job, "ocr.page": 1, "http.response.status_code": 200}
    names = {span.name for span in collector.trace(page().trace_id.hex(), "read page")}
    assert {"queue", "worker", "detect", "recognize", "run"} <= names


def test_a_collector_that_refuses_is_told_of_once_and_costs_no_answer(collector: Collector, tmp_path: Path) -> None:
    with serve(
        tmp_path, {str(ECHO): {}}, env=SOON | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, otlp_endpoint="env"
    ) as service:
        collector.code = 400

        def told() -> list[str]:
            return [
                line["message"] for line in service.lines() if line["logger"].startswith(("ocr_serving.tracing", "opentelemetry"))
            ]

        for _ in range(3):
            before = collector.requests
            assert service.post("echo", {"images": [strip()]}).status_code == 200
            wait_until(lambda: collector.requests > before, "the collector to be asked")  # noqa: B023  called at once
        wait_until(told, "the log to tell of it")
        assert len(told()) == 1
        assert told()[0].startswith(
            f"traces cannot be sent to {collector.url.removeprefix('http://')}, and are left out until they can"
        )
        collector.code = 200
        assert service.post("echo", {"images": [strip()]}).status_code == 200
        wait_until(lambda: len(told()) == 2, "the log to tell that it is over")
        assert told()[1].endswith("again")


def test_a_collector_that_is_not_there_keeps_no_service_from_ending(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, env=SOON, otlp_endpoint="http://127.0.0.1:9") as service:
        assert service.post("echo", {"images": [strip()]}).status_code == 200
    assert service.process.returncode == 0


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "no", "Requested component 'no' not found"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1", "max_export_batch_size must be less"),
    ],
)
def test_a_variable_that_cannot_be_kept_to_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"Traces cannot be sent as the OTEL_ variables say \\({words}.*: correct or unset them"):
        tracing.check("env")


def test_a_variable_that_is_not_kept_to_is_told_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
    tracing.Tracing("http://127.0.0.1:9").close()
    assert [record.message for record in caplog.records] == ["traces: Invalid timeout value 'soon', using default of 10 seconds"]


def test_without_the_package_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    tracing.check("http://collector:4318")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    tracing.check(None)
    with pytest.raises(ConfigError, match=r"run `pip install 'ocr-serving\[otel\]'`"):
        tracing.check("http://collector:4318")
