"""The words of the job API: `code`, `msg` and `data`, whatever goes wrong too. Pure."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ocr_serving.server.jobs.store import Job
from ocr_serving.server.messages import Reply

PATH = "/api/v2/ocr"
HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?", re.ASCII)
PREFIX = re.compile(r"(/[\w.~-]+)*/?", re.ASCII)


def success(data: Mapping[str, Any]) -> Reply:
    """HTTP 200, always: some clients take nothing else."""
    return Reply(200, "000", _body({"code": 0, "msg": "Success", "data": dict(data)}))


def refusal(reply: Reply) -> Reply:
    """A refusal that stands in the words of the old contract, in those of this one."""
    msg = str(json.loads(reply.body)["msg"])
    return replace(reply, body=_body({"code": reply.code, "msg": msg}))


def status(job: Job, link: str = "") -> dict[str, Any]:
    """How a job stands; `link` is where its results are, for one that is done.

    One that was cancelled is `failed`, as clients know four states; at `done`, `errorMsg` says which pages could not be read.
    """
    about: dict[str, Any] = {
        "jobId": job.id,
        "state": "failed" if job.state == "cancelled" else job.state,
        "errorMsg": "" if job.state in ("pending", "running") else job.error,
    }
    if job.batch:
        about["batchId"] = job.batch
    if job.started is not None:
        about["extractProgress"] = {
            "totalPages": job.pages,
            "extractedPages": job.done,
            "startTime": _clock(job.started),
            "endTime": "" if job.ended is None else _clock(job.ended),
        }
    if job.state == "done" and link:
        about["resultUrl"] = {"jsonUrl": f"{link}result.jsonl"}
        about["resultJsonUrl"] = f"{link}result.jsonl"
    return about


def base_url(public_url: str | None, headers: Mapping[str, str], *, scheme: str, host: str) -> str:
    """What callers have before the path: as it is set, else as the request and the proxies before us say."""
    if public_url:
        return public_url.rstrip("/")
    forwarded = {name: headers.get(f"X-Forwarded-{name}", "").partition(",")[0].strip() for name in ("Proto", "Host", "Prefix")}
    if forwarded["Proto"] in ("http", "https"):
        scheme = forwarded["Proto"]
    if HOST.fullmatch(forwarded["Host"]):
        host = forwarded["Host"]
    prefix = forwarded["Prefix"] if PREFIX.fullmatch(forwarded["Prefix"]) else ""
    return f"{scheme}://{host}{prefix.rstrip('/')}"


def link(base: str, job: str, signature: str) -> str:
    """Where the results of a job lie; the names of what is there follow."""
    return f"{base}{PATH}/results/{quote(job)}/{signature}/"


def _clock(seconds: float) -> str:
    """UTC, as the clients know it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _body(whole: Mapping[str, Any]) -> bytes:
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
