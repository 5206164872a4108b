"""Two services over one PostgreSQL database: any answers for any job, and both read pages."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.jobs import JobService, job_service, stopped
from helpers.pdfs import of_text
from helpers.services import children, wait_until

pytestmark = [pytest.mark.models, pytest.mark.postgres]

WORDS = [f"page {word}" for word in ("one", "two", "three", "four", "five", "six")]
PAGES = of_text(*([word] for word in WORDS), size=28)


def test_any_service_answers_for_any_job_and_reads_what_a_dead_one_had(tmp_path: Path, postgres: Callable[[], str]) -> None:
    url = postgres()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with job_service(tmp_path / "one", jobs_store=url, workers=1) as one:
        with job_service(tmp_path / "two", jobs_store=url, workers=1) as two:
            job = one.submit(PAGES)
            assert two.status(job)["jobId"] == job
            assert two.texts(job) == [[word] for word in WORDS]
            assert one.lines(job)[0]["result"]["ocrResults"] == two.lines(job)[0]["result"]["ocrResults"]

            def both_have_read() -> bool:
                # Whoever looks into the store first has the first page: with every job the other has its chance.
                two.ended(one.submit(PAGES))
                return read_by(one) > 0 and read_by(two) > 0

            wait_until(both_have_read, "both to have read pages")
            with stopped(one), stopped(two):
                cancelled = one.submit(PAGES)
                two.delete(cancelled)
            assert one.status(cancelled)["state"] == "failed"
            job = two.submit(PAGES)
            two.progressed(job, 1)
            for pid in (two.service.process.pid, *children(two.service.process.pid)):
                os.kill(pid, signal.SIGKILL)
            assert one.texts(job) == [[word] for word in WORDS]
        assert url not in one.service.output.read_text()


def read_by(service: JobService) -> float:
    """How many pages the workers of a service have read for jobs."""
    return service.service.metrics().get('ocr_serving_job_pages_total{outcome="read"}', 0)
