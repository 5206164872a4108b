"""The first request: posts a page to the service just started and shows what came back."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import requests

from ocr_serving.output import results


def show(url: str, page: Path, *, timeout_s: float) -> str:
    """The lines that the module at `url` reads on `page`, the seconds it took, and a line for the shell that does the same."""
    begun = time.monotonic()
    try:
        response = requests.post(url, page.read_bytes(), headers={"Content-Type": "application/octet-stream"}, timeout=timeout_s)
        answer = response.json()
    except (OSError, ValueError) as exc:
        return f"The first request failed: {exc}"
    if answer["status"] != "000":
        return f"The first request was answered {response.status_code}: {answer['msg']}"
    lines = [line for entry in answer["results"] for line in results.read(entry).lines]
    told = f"{page.name} took {time.monotonic() - begun:.1f} s. The service goes on; Ctrl-C ends it. To call it yourself:"
    return "\n".join([*lines, "", told, f"  {curl(url, page)}"])


def curl(url: str, page: Path) -> str:
    """A line for the shell that posts `page`."""
    return f"curl -sS -F {shlex.quote(f'file=@{page}')} {url}"
