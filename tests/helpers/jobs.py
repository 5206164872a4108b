"""Speaks the job API to a service, as its clients do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from helpers.services import Service, children, serve, wait_until

KEYS = ("first-key", "second-key")
SMALL = {"ocr_system": {"params": {"model_set": "PP-OCRv6_tiny"}}}
"""Weights that start in seconds."""
SOON = 60
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="


@dataclass
class JobService:
    """A service, and one of the keys for it."""

    service: Service
    key: str = KEYS[0]

    def headers(self) -> dict[str, str]:
        """Those of every call."""
        return {"Authorization": f"Bearer {self.key}"}

    def other(self) -> JobService:
        """The same service for somebody else."""
        return JobService(self.service, KEYS[1])

    def send(self, content: bytes, name: str = "a.jpg", model: str = "PP-OCRv5", **values: Any) -> requests.Response:
        """Send a file as the SDK does."""
        form = {"model": model, "optionalPayload": json.dumps(values.pop("options", {"visualize": False}))} | values
        return self.post(files={"file": (name, content)}, data=form)

    def post(self, **what: Any) -> requests.Response:
        """POST to /jobs."""
        return requests.post(f"{self.service.url}/api/v2/ocr/jobs", headers=self.headers(), timeout=60, **what)

    def submit(self, content: bytes, **values: Any) -> str:
        """Send a file that is taken; the job's id."""
        answer = self.send(content, **values)
        assert answer.status_code == 200, answer.text
        assert answer.json()["code"] == 0
        return str(answer.json()["data"]["jobId"])

    def get(self, path: str) -> requests.Response:
        """GET below /jobs."""
        return requests.get(f"{self.service.url}/api/v2/ocr/jobs/{path}", headers=self.headers(), timeout=60)

    def delete(self, job: str) -> requests.Response:
        """Cancel, or remove."""
        return requests.delete(f"{self.service.url}/api/v2/ocr/jobs/{job}", headers=self.headers(), timeout=60)

    def status(self, job: str) -> dict[str, Any]:
        """How a job stands."""
        answer = self.get(job)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])

    def ended(self, job: str, seconds: float = SOON) -> dict[str, Any]:
        """How it stands once it has ended."""
        wait_until(lambda: self.status(job)["state"] in ("done", "failed"), f"{job} to end", seconds)
        return self.status(job)

    def progressed(self, job: str, pages: int) -> dict[str, Any]:
        """How it stands once so many pages are done."""

        def is_so() -> bool:
            return int(self.status(job).get("extractProgress", {}).get("extractedPages", 0)) >= pages

        wait_until(is_so, f"{pages} pages of {job}", SOON)
        return self.status(job)

    def lines(self, job: str) -> list[dict[str, Any]]:
        """The result of a job that has ended well, fetched without a key."""
        status = self.ended(job)
        assert status["state"] == "done", status
        answer = requests.get(status["resultUrl"]["jsonUrl"], timeout=60)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.split("\n") if line]

    def texts(self, job: str) -> list[list[str]]:
        """The lines of text of each page."""
        pages = [page for line in self.lines(job) for page in line["result"]["ocrResults"]]
        return [page["prunedResult"]["rec_texts"] for page in pages]


@contextlib.contextmanager
def job_service(folder: Path, modules: Mapping[str, Mapping[str, Any]] = SMALL, **settings: Any) -> Iterator[JobService]:
    """A service that takes jobs, kept below `folder`; it is ready for them."""
    with serve(folder, modules, **settings) as service:
        found = JobService(service)
        yield found


@contextlib.contextmanager
def stopped(service: JobService) -> Iterator[list[int]]:
    """Inside, no worker gets on with anything."""
    pids = workers(service.service)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def workers(service: Service) -> list[int]:
    """The worker processes of a service, by their ids."""
    return [
        pid for front in children(service.process.pid) for pid in children(front) if "ocr_serving.server.worker" in _command(pid)
    ]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.fixture(scope="session")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobService]:
    """Small weights, two workers, two keys; fetches from 127.0.0.1 and calls there."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "keys").write_text("\n".join(KEYS))
    (folder / "secret").write_text(WEBHOOK_SECRET)
    settings: dict[str, Any] = {
        "api_keys_file": str(folder / "keys"),
        "jobs_max_pages": 6,
        "max_pixels": 3_000_000,
        "fetch_hosts": ["127.0.0.1", "localhost"],
        "fetch_networks": ["127.0.0.1/32"],
        "fetch_max_mb": 1,
        "fetch_timeout_s": 2,
        "webhook_hosts": ["127.0.0.1"],
        "webhook_secret_file": str(folder / "secret"),
    }
    with job_service(folder, **settings) as service:
        yield service
