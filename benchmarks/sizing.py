"""What a pod of each module needs: `python -m benchmarks.sizing --data DIR`.

Starts each module with one worker on the CPU, posts forms one after the other, and reads memory, CPU and time of the whole process
tree: at rest once it is ready, and the most while pages are read. Memory is the sum of PSS, so that what processes share counts
once. The requests and limits that pods have by default are made from this table (`operator/ocr_operator/desired/sizes.py`).
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.library import pages, processes, report, support
from ocr_serving import models
from ocr_serving.modules import loader

EVERY_S = 0.25
"""Between two looks at the memory."""


@dataclass(frozen=True)
class Row:
    """One module with one worker; memory in MiB."""

    module: str
    start_s: float
    rest_mib: int
    most_mib: int
    cpu_s_per_page: float
    pages_per_s: float


class Peak:
    """The most resident memory of a process tree while the block runs, bytes."""

    def __init__(self, pid: int) -> None:
        self.most = processes.resident_bytes(pid)
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            self.most = max(self.most, processes.resident_bytes(self._pid))

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    images = [page.image for page in pages.forms(args.data)][: args.pages]
    rows = [_row(module, args.models, images) for module in args.modules]
    print(f"\none worker, {len(images)} forms, {args.models}\n\n{table(rows)}")
    return {"models": args.models, "pages": len(images), "rows": [asdict(row) for row in rows], "reached": None}


def _row(module: str, model_set: str, images: Sequence[Path]) -> Row:
    began = time.monotonic()
    with support.serve(model_set, workers=1, module=module) as service:
        start_s = time.monotonic() - began
        rest = processes.resident_bytes(service.pid)
        cpu, began = service.cpu_seconds(), time.monotonic()
        with Peak(service.pid) as peak:
            for image in tqdm(images, desc=module, unit="page"):
                service.answer(image)
        seconds, cpu = time.monotonic() - began, service.cpu_seconds() - cpu
    return Row(module, start_s, rest >> 20, peak.most >> 20, cpu / len(images), len(images) / seconds)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    header = ["module", "ready after s", "MiB at rest", "MiB at most", "CPU s/page", "pages/s"]
    cells = [
        [
            row.module,
            f"{row.start_s:.1f}",
            str(row.rest_mib),
            str(row.most_mib),
            f"{row.cpu_s_per_page:.2f}",
            f"{row.pages_per_s:.2f}",
        ]
        for row in rows
    ]
    return report.markdown_table(header, cells)


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = support.parser("benchmarks.sizing", "Memory, CPU and speed of each module with one worker.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder that holds forms/testing")
    parser.add_argument("--pages", type=support.positive, default=10, metavar="N", help="how many forms (default %(default)s)")
    parser.add_argument(
        "--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)"
    )
    names = loader.builtin_names()
    parser.add_argument("--modules", nargs="+", choices=names, default=sorted(names), help="which (default: all)")
    return support.run("benchmarks.sizing", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
