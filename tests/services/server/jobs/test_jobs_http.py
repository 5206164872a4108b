"""The job API of a real service."""

from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import requests

from helpers import pdfs
from helpers.jobs import JobService, job_service, stopped, workers
from helpers.services import b64, children, wait_until
from ocr_serving import data

pytestmark = pytest.mark.models

STRIP = data.WARMUP.read_bytes()
WORDS = ["first page", "second page", "third page", "fourth page"]
PAGES = pdfs.of_text(*([word] for word in WORDS), size=28)


def tiff(*sizes: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    first, *others = [PIL.Image.new("L", size, 255) for size in sizes]
    first.save(out, "TIFF", save_all=True, append_images=others)
    return out.getvalue()


def test_a_picture_is_read_with_pictures_of_it_by_links(jobs: JobService) -> None:
    job = jobs.submit(data.PAGE.read_bytes(), options={})
    status = jobs.ended(job)
    assert (status["jobId"], status["state"], status["errorMsg"]) == (job, "done", "")
    progress = status["extractProgress"]
    assert (progress["totalPages"], progress["extractedPages"]) == (1, 1)
    assert progress["startTime"] <= progress["endTime"]
    answer = requests.get(status["resultUrl"]["jsonUrl"], timeout=60)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    [line] = [json.loads(line) for line in answer.text.splitlines()]
    assert line["result"]["dataInfo"] == {"width": 1240, "height": 1754, "type": "image"}
    [page] = line["result"]["ocrResults"]
    assert "INVOICE" in page["prunedResult"]["rec_texts"]
    for name in ("ocrImage", "inputImage"):
        picture = requests.get(page[name], timeout=60)
        assert picture.headers["Content-Type"] == "image/jpeg"
        assert page[name].endswith(".jpg")
        assert PIL.Image.open(io.BytesIO(picture.content)).format == "JPEG"


def test_a_pdf_has_a_line_for_each_page_in_order(jobs: JobService) -> None:
    job = jobs.submit(PAGES, name="anything.bin")
    assert jobs.texts(job) == [[word] for word in WORDS]
    lines = jobs.lines(job)
    assert len(lines) == 4
    assert [line["result"]["dataInfo"]["numPages"] for line in lines] == [1, 1, 1, 4]
    size = {"width": 1190, "height": 1684}
    assert lines[-1]["result"]["dataInfo"] == {"numPages": 4, "pages": [size] * 4, "type": "pdf"}


def test_pages_are_chosen(jobs: JobService) -> None:
    assert jobs.texts(jobs.submit(PAGES, pageRanges="4, 1-2,2")) == [["first page"], ["second page"], ["fourth page"]]
    status = jobs.ended(jobs.submit(PAGES, pageRanges="2-9"))
    assert (status["state"], status["errorMsg"]) == ("failed", "pageRanges: there is no page 9, the file has 4.")


def test_a_file_comes_as_base64_too(jobs: JobService) -> None:
    for file in ({"file": b64(STRIP)}, {"fileUrl": f"data:image/png;base64,{b64(STRIP)}"}):
        answer = jobs.post(json={"model": "PP-OCRv6", "optionalPayload": {"visualize": False}} | file)
        assert len(jobs.texts(answer.json()["data"]["jobId"])) == 1


def test_a_page_that_cannot_be_read_keeps_its_place_and_is_named(jobs: JobService) -> None:
    job = jobs.submit(tiff((300, 100), (2000, 1600), (200, 100)))
    status = jobs.ended(job)
    assert status["state"] == "done"
    assert status["errorMsg"].startswith("Page 2 was not read: ")
    assert "max_pixels" in status["errorMsg"]
    lines = jobs.lines(job)
    assert lines[1]["errorMsg"] == status["errorMsg"]
    assert lines[1]["result"]["ocrResults"][0]["prunedResult"]["rec_texts"] == []
    assert [page["width"] for page in lines[2]["result"]["dataInfo"]["pages"]] == [300, 0, 200]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no picture", "The file cannot be decoded"),
        (b"%PDF-1.4\nbroken", "The file is a PDF that cannot be opened: it is damaged or has no pages."),
        (pdfs.of_text(*[["a"]] * 7), "7 pages are over the limit of 6 (jobs_max_pages): choose some by pageRanges."),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_a_sentence(jobs: JobService, content: bytes, sentence: str) -> None:
    status = jobs.ended(jobs.submit(content))
    assert status["state"] == "failed"
    assert status["errorMsg"].startswith(sentence)


def test_jobs_of_a_batch_are_listed_together(jobs: JobService) -> None:
    batch = "my batch/1"
    sent = [jobs.submit(STRIP, batchId=batch) for _ in range(2)]
    listed = jobs.get("batch/my%20batch/1").json()["data"]["extractResult"]
    assert [job["jobId"] for job in listed] == sent
    assert all(job["state"] in ("pending", "running", "done") for job in listed)
    assert jobs.get("batch/none").json()["data"]["extractResult"] == []
    assert jobs.other().get("batch/my%20batch/1").json()["data"]["extractResult"] == []


def test_a_job_is_its_keys_alone(jobs: JobService) -> None:
    job = jobs.submit(STRIP)
    for answer in (jobs.other().get(job), jobs.other().delete(job), jobs.get("ocrjob-none")):
        assert answer.status_code == 404
        assert answer.json()["code"] == 404
        assert "There is no job" in answer.json()["msg"]
    url = jobs.ended(job)["resultUrl"]["jsonUrl"]
    assert requests.get(url, timeout=60).status_code == 200
    signed = url.split("/")[-2]
    forged = url.replace(signed, "0" * len(signed))
    assert requests.get(forged, timeout=60).status_code == 404


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_key_is_needed(jobs: JobService, key: str) -> None:
    stranger = JobService(jobs.service, key)
    for answer in (stranger.send(STRIP), stranger.get("ocrjob-a"), stranger.delete("ocrjob-a"), stranger.get("batch/a")):
        assert answer.status_code == 401
        assert answer.json()["code"] == 401
        assert answer.json()["msg"].startswith("An API key is needed")


@pytest.mark.parametrize(
    ("code", "sentence", "what"),
    [
        (400, "model: there is no 'GPT'", {"json": {"model": "GPT", "file": "YQ=="}}),
        (400, "model: no module here does what PP-StructureV3 is asked for", {"json": {"model": "PP-StructureV3", "file": "YQ=="}}),
        (422, "The file is missing", {"data": {"model": "PP-OCRv5"}, "files": {"other": b"a"}}),
        (422, "The file is missing", {"json": {"model": "PP-OCRv5"}}),
        (400, "file and fileUrl: send one of them", {"json": {"model": "PP-OCRv5", "file": "YQ==", "fileUrl": "http://a/b"}}),
        (400, "file: it is empty", {"data": {"model": "PP-OCRv5"}, "files": {"file": b""}}),
        (400, "pageRanges: '3-1' is no range", {"json": {"model": "PP-OCRv5", "file": "YQ==", "pageRanges": "3-1"}}),
        (400, "optionalPayload: it is not JSON", {"data": {"model": "PP-OCRv5", "optionalPayload": "{"}, "files": {"file": b"a"}}),
        (400, "optionalPayload: 'visualize'", {"json": {"model": "PP-OCRv5", "file": "YQ==", "optionalPayload": {"visualize": 7}}}),
        (400, "useDocUnwarping", {"json": {"model": "PP-OCRv5", "file": "YQ==", "optionalPayload": {"use_doc_unwarping": True}}}),
        (400, "'elsewhere.example' is no host", {"json": {"model": "PP-OCRv5", "fileUrl": "http://elsewhere.example/a.pdf"}}),
        (
            400,
            "'elsewhere.example' is no host",
            {"json": {"model": "PP-OCRv5", "file": "YQ==", "callbackUrl": "http://elsewhere.example"}},
        ),
        (400, "fileUrl: it is no URL", {"json": {"model": "PP-OCRv5", "fileUrl": "file:///etc/passwd"}}),
        (400, "batchId: takes a string", {"json": {"model": "PP-OCRv5", "file": "YQ==", "batchId": 7}}),
        (400, "batchId: it holds a character that is none", {"json": {"model": "PP-OCRv5", "file": "YQ==", "batchId": "a\0"}}),
        (400, "The body must be a form", {"data": b"file", "headers": {"Content-Type": "text/plain"}}),
        (400, "The body is not JSON", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(
    jobs: JobService, code: int, sentence: str, what: dict[str, object]
) -> None:
    headers = jobs.headers() | what.pop("headers", {})  # type: ignore[operator]
    answer = requests.post(f"{jobs.service.url}/api/v2/ocr/jobs", headers=headers, timeout=60, **what)  # type: ignore[arg-type]
    assert answer.status_code == code, answer.text
    assert answer.json()["code"] == code
    assert answer.json()["msg"].startswith(sentence)


def test_a_job_is_cancelled_before_and_while_it_is_read(jobs: JobService) -> None:
    with stopped(jobs):
        job = jobs.submit(PAGES)
        answer = jobs.delete(job).json()["data"]
        assert (answer["state"], answer["errorMsg"]) == ("failed", "The job was cancelled.")
    assert jobs.status(job)["errorMsg"] == "The job was cancelled."
    assert jobs.texts(jobs.submit(STRIP)) == jobs.texts(jobs.submit(STRIP)), "workers are free again"
    assert jobs.delete(job).status_code == 200
    assert jobs.get(job).status_code == 404


def test_the_pages_of_a_worker_that_dies_are_read_by_another(jobs: JobService) -> None:
    with stopped(jobs) as pids:
        job = jobs.submit(PAGES)
        assert jobs.status(job)["state"] in ("pending", "running")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    assert jobs.texts(job) == [[word] for word in WORDS]
    wait_until(lambda: len(workers(jobs.service)) == 2, "both workers to be there again")


def test_links_follow_the_proxies_before_us(jobs: JobService) -> None:
    job = jobs.submit(STRIP)
    jobs.ended(job)
    headers = jobs.headers() | {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "ocr.example.org", "X-Forwarded-Prefix": "/v1"}
    url = f"{jobs.service.url}/api/v2/ocr/jobs/{job}"
    answer = requests.get(url, headers=headers, timeout=60).json()["data"]
    assert answer["resultUrl"]["jsonUrl"].startswith("https://ocr.example.org/v1/api/v2/ocr/results/")
    headers["X-Forwarded-Host"] = 'evil"><script>'
    answer = requests.get(url, headers=headers, timeout=60).json()["data"]
    assert answer["resultUrl"]["jsonUrl"].startswith("https://127.0.0.1:")


def test_jobs_survive_a_stop_and_a_kill_in_their_middle(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    state: dict[str, Any] = {"state_dir": str(tmp_path / "state"), "workers": 1}
    with job_service(folders[0], **state) as service:
        job = service.submit(pdfs.of_text(*([word] for word in WORDS * 2), size=28))
        other = service.submit(STRIP)
        service.progressed(job, 1)
    with job_service(folders[1], **state) as service:
        service.progressed(job, 3)
        for pid in (service.service.process.pid, *children(service.service.process.pid)):
            os.kill(pid, signal.SIGKILL)
    with job_service(folders[2], **state) as service:
        status = service.status(job)
        assert status["state"] in ("running", "done")
        assert status["extractProgress"]["totalPages"] == 8
        assert status["extractProgress"]["extractedPages"] >= 3
        assert service.texts(job) == [[word] for word in WORDS * 2]
        assert len(service.texts(other)) == 1


def test_a_folder_that_cannot_be_is_told_to_callers_and_stops_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with job_service(tmp_path, state_dir=str(tmp_path / "file" / "below"), workers=1) as service:
        answer = service.send(STRIP)
        assert answer.status_code == 503
        assert "the folder for them cannot be used, which state_dir names" in answer.json()["msg"]
        assert requests.get(f"{service.service.url}/readyz", timeout=10).status_code == 200


def test_the_log_tells_nobody_the_links(jobs: JobService) -> None:
    job = jobs.submit(STRIP)
    url = jobs.ended(job)["resultUrl"]["jsonUrl"]
    requests.get(url, timeout=60)
    assert url.split("/")[-2] not in jobs.service.output.read_text()
