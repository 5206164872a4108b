"""The HTTP server with a module of a user's: real gunicorn, real worker processes."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from helpers.services import ECHO, Service, b64, is_ready, serve, strip, wait_until


def png(width: int, height: int) -> bytes:
    """A PNG file that says it is of that size, with next to no pixels in it."""
    chunks = [
        b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0]),
        b"IDAT" + zlib.compress(bytes(64)),
        b"IEND",
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join((len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) for chunk in chunks)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, tight limits."""
    folder = tmp_path_factory.mktemp("small")
    limits: dict[str, Any] = {
        "max_queue": 2,
        "max_body_mb": 1,
        "max_images": 2,
        "max_pixels": 30_000,
        "timeout_s": 4,
        "body_timeout_s": 1,
    }
    with serve(folder, {str(ECHO): {}}, workers=1, **limits) as service:
        yield service


def test_a_module_from_any_folder_answers_with_its_own_parameters(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {"params": {"scale": 3}, "predict_args": {"delay": 0.01}}}, workers=1) as service:
        answer = service.post("echo", {"images": [strip()]}).json()
    assert answer["status"] == "000"
    assert (answer["results"][0]["height"], answer["results"][0]["width"]) == (270, 900)


def test_an_image_that_cannot_be_decoded_keeps_its_place_and_is_named(echo: Service) -> None:
    answer = echo.post("echo", {"images": [strip(), b64(b"this is not an image"), strip()]}).json()
    assert answer["status"] == "000"
    assert answer["results"][1] == []
    assert answer["results"][0]["height"] == answer["results"][2]["height"] == 90
    assert answer["msg"].startswith("images[1] cannot be decoded")


@pytest.mark.parametrize(
    ("method", "path", "content_type", "code", "status"),
    [
        ("GET", "/predict/echo", "application/json", 405, "101"),
        ("PUT", "/predict/echo", "application/json", 405, "101"),
        ("POST", "/predict/nosuch", "application/json", 404, "111"),
        ("POST", "/predict/nosuch", "application/x-www-form-urlencoded", 404, "111"),
        ("POST", "/predict/", "application/json", 404, "111"),
        ("POST", "/predict/echo/", "application/json", 404, "111"),
        ("POST", "/nope", "application/json", 404, "101"),
        ("POST", "/predict/echo", "application/x-www-form-urlencoded", 415, "112"),
        ("POST", "/predict/echo", "text/plain", 415, "112"),
        ("POST", "/predict/echo", None, 415, "112"),
    ],
)
def test_errors_are_json_with_an_honest_code(
    echo: Service, method: str, path: str, content_type: str | None, code: int, status: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = requests.request(method, echo.url + path, data=b"{}", headers=headers, timeout=10)
    assert response.status_code == code
    body = response.json()
    assert (body["status"], body["results"]) == (status, "")
    assert body["msg"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/predict/echo/", "Module echo is not available at this path: post to /predict/echo."),
        ("/predict/", "No module is named: post to /predict/echo."),
        ("/predict/nosuch/", "Module nosuch/ is not available."),
    ],
)
def test_a_path_that_is_nearly_right_is_told_the_right_one(echo: Service, path: str, says: str) -> None:
    assert requests.post(echo.url + path, json={"images": [strip()]}, timeout=10).json()["msg"] == says


def test_a_compressed_body_is_refused_by_name(echo: Service) -> None:
    response = echo.post("echo", {"images": [strip()]}, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["status"]) == (415, "101")
    assert "Content-Encoding gzip" in response.json()["msg"]
    assert echo.post("echo", {"images": [strip()]}, headers={"Content-Encoding": "identity"}).status_code == 200


def test_the_log_says_why_a_request_failed(echo: Service) -> None:
    said = echo.post("echo", {"images": [strip()], "sclae": 2}, headers={"X-Request-ID": "why-1"}).json()["msg"]
    assert [line["reason"] for line in echo.lines("why-1")] == [said]
    echo.post("echo", {"images": [strip()]}, headers={"X-Request-ID": "why-2"})
    assert not any("reason" in line for line in echo.lines("why-2"))


def test_a_fault_of_the_module_tells_the_caller_no_detail_and_the_log_all(echo: Service) -> None:
    response = echo.post("echo", {"images": [strip()], "fault": "raise"}, headers={"X-Request-ID": "find-me-1"})
    assert response.status_code == 500
    assert "find-me-1" in response.json()["msg"]
    assert "secret detail" not in response.text
    assert any("secret detail" in line.get("exception", "") for line in echo.lines("find-me-1"))


def test_results_that_json_cannot_carry_are_our_fault(echo: Service) -> None:
    response = echo.post("echo", {"images": [strip()], "fault": "nan"})
    assert (response.status_code, response.json()["status"]) == (500, "101")


def test_a_worker_that_dies_costs_its_request_and_comes_back(echo: Service) -> None:
    before = echo.metrics()["ocr_serving_worker_restarts"]
    response = echo.post("echo", {"images": [strip()], "fault": "abort"})
    assert response.status_code == 500
    assert "signal 6" in response.json()["msg"]
    assert echo.post("echo", {"images": [strip()]}).status_code == 200
    wait_until(lambda: echo.metrics()["ocr_serving_workers_ready"] == 2, "the worker to come back")
    assert echo.metrics()["ocr_serving_worker_restarts"] == before + 1


def test_a_worker_killed_while_idle_comes_back(echo: Service) -> None:
    pid = echo.post("echo", {"images": [strip()]}).json()["results"][0]["pid"]
    before = echo.metrics()["ocr_serving_worker_restarts"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: echo.metrics()["ocr_serving_worker_restarts"] > before, "the death to be noticed")
    wait_until(lambda: echo.metrics()["ocr_serving_workers_ready"] == 2, "the worker to come back")


def test_chunked_bodies_are_taken(echo: Service) -> None:
    body = json.dumps({"images": [strip()]}).encode()
    chunks = (body[n : n + 1000] for n in range(0, len(body), 1000))
    response = requests.post(f"{echo.url}/predict/echo", chunks, headers={"Content-Type": "application/json"}, timeout=10)
    assert response.json()["status"] == "000"


def test_both_workers_work_at_once(echo: Service) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as callers:
        answers = list(callers.map(lambda _: echo.post("echo", {"images": [strip()], "delay": 1.0}).json(), range(2)))
    assert len({answer["results"][0]["pid"] for answer in answers}) == 2


def test_request_ids_are_kept_or_made(echo: Service) -> None:
    kept = echo.post("echo", {"images": [strip()]}, headers={"X-Request-ID": "abc-1"})
    assert kept.headers["X-Request-ID"] == "abc-1"
    made = echo.post("echo", {"images": [strip()]}, headers={"X-Request-ID": "no spaces allowed"})
    assert made.headers["X-Request-ID"] != "no spaces allowed"
    (line,) = echo.lines("abc-1")
    assert (line["code"], line["status"], line["images"]) == (200, "000", 1)
    assert strip()[:40] not in echo.output.read_text()


def test_metrics_count_requests_images_and_stages(echo: Service) -> None:
    sample = 'ocr_serving_requests_total{code="200",module="echo",status="000"}'
    before = echo.metrics()
    for _ in range(4):
        echo.post("echo", {"images": [strip(), strip()]})
    after = echo.metrics()
    assert after[sample] - before.get(sample, 0) == 4
    images = 'ocr_serving_images_total{module="echo"}'
    assert after[images] - before.get(images, 0) == 8
    stage = 'ocr_serving_stage_seconds_count{module="echo",stage="wait"}'
    assert after[stage] - before.get(stage, 0) == 4
    assert after['ocr_serving_resident_memory_bytes{process="worker-1"}'] > 10e6


def test_probes(echo: Service) -> None:
    assert requests.get(f"{echo.url}/healthz", timeout=5).json()["status"] == "alive"
    assert requests.get(f"{echo.url}/readyz", timeout=5).json() == {"status": "ready", "workers": 2, "workers_ready": 2}
    assert requests.get(f"{echo.url}/modules", timeout=5).json()["modules"][0]["name"] == "echo"


def test_openapi_describes_request_and_answer(echo: Service) -> None:
    document = requests.get(f"{echo.url}/openapi.json", timeout=5).json()
    schemas = document["components"]["schemas"]
    assert set(schemas["echo.Request"]["properties"]) == {"images", "delay", "pause", "keep_mb", "fault"}
    answer = echo.post("echo", {"images": [strip(), b64(b"no image")]}).json()
    schema = {"$ref": "#/components/schemas/echo.Answer", "components": document["components"]}
    jsonschema.validate(answer, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer | {"results": [{"height": "tall"}]}, schema)


def test_limits_have_clear_answers(small: Service) -> None:
    many = small.post("echo", {"images": [strip()] * 3})
    assert (many.status_code, "max_images" in many.json()["msg"]) == (413, True)
    body = small.post("echo", b" " * (2 << 20))
    assert (body.status_code, "max_body_mb" in body.json()["msg"]) == (413, True)
    chunked = requests.post(
        f"{small.url}/predict/echo", (b" " * 65536 for _ in range(32)), headers={"Content-Type": "application/json"}, timeout=10
    )
    assert chunked.status_code == 413
    fine = small.post("echo", {"images": [strip()]})
    assert fine.status_code == 200


def test_an_image_over_the_pixel_limit_is_refused_before_it_is_decoded(small: Service) -> None:
    response = small.post("echo", {"images": [b64(png(20000, 20000))]})
    assert response.status_code == 413
    assert "20000x20000 pixels" in response.json()["msg"]


def test_a_full_queue_answers_503_at_once_and_loses_none_it_took(small: Service) -> None:
    started = threading.Barrier(8)

    def call(_: int) -> requests.Response:
        started.wait()
        return small.post("echo", {"images": [strip()], "delay": 0.8})

    with concurrent.futures.ThreadPoolExecutor(8) as callers:
        responses = list(callers.map(call, range(8)))
    codes = sorted(response.status_code for response in responses)
    assert codes == [200] * 3 + [503] * 5
    refused = next(response for response in responses if response.status_code == 503)
    assert int(refused.headers["Retry-After"]) >= 1
    assert "max_queue" in refused.json()["msg"]


def test_a_prediction_over_its_time_is_ended_and_said(small: Service) -> None:
    response = small.post("echo", {"images": [strip()], "delay": 60.0})
    assert response.status_code == 503
    assert "timeout_s" in response.json()["msg"]
    # It would take as long again.
    assert "Retry-After" not in response.headers
    wait_until(lambda: is_ready(small.url), "the worker to come back")
    assert small.post("echo", {"images": [strip()]}).status_code == 200


def test_what_is_done_by_the_deadline_is_answered_and_the_rest_is_said(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1, timeout_s=10) as service:
        response = service.post("echo", {"images": [strip()] * 3, "pause": 5.5})
        assert response.status_code == 200, response.text
        answer = response.json()
        assert [type(entry) for entry in answer["results"]] == [dict, list, list]
        assert answer["msg"] == (
            "results[1] to results[2] were left empty: the time for a request (timeout_s) was up; send them in another request"
        )


def test_workers_that_are_stopped_are_not_ready_and_hold_up_nobody_for_longer_than_the_time_limit(small: Service) -> None:
    before = small.metrics()["ocr_serving_worker_restarts"]
    worker = small.post("echo", {"images": [strip()]}).json()["results"][0]["pid"]
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: not is_ready(small.url), "the worker to be missed")
    # More than the socket between them holds.
    response = small.post("echo", {"images": [strip()], "fault": "x" * 900_000}, timeout=30)
    assert response.status_code == 503
    assert "timeout_s" in response.json()["msg"]
    wait_until(lambda: is_ready(small.url), "a fresh worker")
    assert small.metrics()["ocr_serving_worker_restarts"] == before + 1


def test_a_body_that_trickles_is_answered_408(small: Service) -> None:
    with socket.create_connection(("127.0.0.1", small.port), timeout=20) as caller:
        caller.sendall(b"POST /predict/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        assert b" 408 " in caller.recv(4096)


def test_a_caller_who_hangs_up_while_waiting_costs_no_prediction(small: Service) -> None:
    stage = 'ocr_serving_stage_seconds_count{module="echo",stage="wait"}'
    before = small.metrics().get(stage, 0)
    with concurrent.futures.ThreadPoolExecutor(1) as callers:
        slow = callers.submit(small.post, "echo", {"images": [strip()], "delay": 1.5})
        wait_until(lambda: small.metrics()["ocr_serving_in_flight"] == 1, "the first request to be taken")
        body = json.dumps({"images": [strip()], "delay": 1.0}).encode()
        with socket.create_connection(("127.0.0.1", small.port)) as caller:
            head = (
                f"POST /predict/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            caller.sendall(head.encode() + body)
            wait_until(lambda: small.metrics()["ocr_serving_queue_depth"] == 1, "the second request to wait")
        assert slow.result().status_code == 200
    wait_until(lambda: small.metrics()["ocr_serving_queue_depth"] == 0, "the queue to empty")
    assert small.post("echo", {"images": [strip()]}).status_code == 200
    assert small.metrics()[stage] == before + 2


def test_legacy_status_gives_200_back(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1, http_status="legacy") as service:
        for module, body, status in (("echo", {}, "101"), ("nosuch", {"images": [strip()]}, "111"), ("echo", None, "112")):
            response = service.post(module, body)
            assert (response.status_code, response.json()["status"]) == (200, status)
        # PaddleHub had a code of its own for what is no call of a module.
        assert requests.get(f"{service.url}/predict/echo", timeout=10).status_code == 405
        assert requests.post(f"{service.url}/nope", timeout=10).status_code == 404


def test_api_keys_open_the_door_and_are_read_again_when_they_change(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# ours\nfirst-key\n")
    with serve(tmp_path, {str(ECHO): {}}, workers=1, api_keys_file=str(keys)) as service:
        body = {"images": [strip()]}
        assert service.post("echo", body).status_code == 401
        assert service.post("echo", body, headers={"X-API-Key": "wrong"}).status_code == 401
        assert service.post("echo", body, headers={"X-API-Key": "first-key"}).status_code == 200
        assert service.post("echo", body, headers={"Authorization": "Bearer first-key"}).status_code == 200
        assert is_ready(service.url)
        fresh = tmp_path / "fresh"
        fresh.write_text("second-key\n")
        fresh.rename(keys)
        assert service.post("echo", body, headers={"X-API-Key": "second-key"}).status_code == 200
        assert service.post("echo", body, headers={"X-API-Key": "first-key"}).status_code == 401
        assert "first-key" not in service.output.read_text()


def test_a_connection_that_sends_nothing_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1) as service, socket.create_connection(("127.0.0.1", service.port)):
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=30) == 0


def test_a_stop_finishes_what_was_taken(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1) as service, concurrent.futures.ThreadPoolExecutor(3) as callers:
        calls = [callers.submit(service.post, "echo", {"images": [strip()], "delay": 1.0}) for _ in range(3)]
        wait_until(lambda: service.metrics()["ocr_serving_queue_depth"] == 2, "three requests to be taken")
        service.process.send_signal(signal.SIGTERM)
        assert [call.result().status_code for call in calls] == [200, 200, 200]
        assert service.process.wait(timeout=20) == 0
        # Nothing of it is left behind.
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{service.url}/healthz", timeout=5)
