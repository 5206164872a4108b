"""Batching on a device, by pages over HTTP: `python -m benchmarks.gpu --data DIR [--device cpu]`.

A service with an engine process reads FUNSD's test forms under load: pages a second and latency against clients in a closed loop,
how busy the device was, how full its batches were, whether a shape came that was not warm, video memory, and the word F1 of its
answers beside that of a plain service on the CPU. `--device cpu` takes the same way without a GPU, and judges only what is read.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families
from tqdm import tqdm

from benchmarks.library import load, pages, report, servers, support
from benchmarks.library.figures import Verdict, verdict_table
from benchmarks.library.load import Load
from benchmarks.library.pages import Page, WordCount
from benchmarks.library.support import BenchmarkError
from ocr_serving import machine

LEAST_RATE: Mapping[str, float] = {"PP-OCRv6_small": 60, "PP-OCRv6_tiny": 120, "PP-OCRv5_mobile": 270}
"""Pages a second to reach on an H100 with 16 cores."""

LEAST_BUSY = 0.70
MOST_F1_APART = 0.002
MOST_GROWTH = 1.05
"""Of video memory, from the first pass over all pages to the end of the load."""

SAMPLE_S = 1


@dataclass(frozen=True)
class Engines:
    """What all engine processes of a service have done since it started; pixels are those of their batches, and of rows in them."""

    number: int
    busy_s: float
    batches: float
    rows: float
    row_pixels: float
    batch_pixels: float
    unwarmed: float
    restarts: float

    @classmethod
    def read(cls, text: str) -> Engines:
        """From a service's /metrics. Raises BenchmarkError where it has no engine process."""
        sums: dict[str, float] = {}
        number = 0
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
                number += sample.name == "ocr_serving_engine_ready"
        if not number:
            raise BenchmarkError("The service has no engine process: nothing of it can be measured here.")

        def figure(name: str) -> float:
            return sums[f"ocr_serving_engine_{name}"]

        return cls(
            number,
            busy_s=figure("busy_seconds_total"),
            batches=figure("batch_rows_count"),
            rows=figure("batch_rows_sum"),
            row_pixels=figure("row_pixels_total"),
            batch_pixels=figure("batch_pixels_total"),
            unwarmed=figure("unwarmed_total"),
            restarts=figure("restarts"),
        )


@dataclass(frozen=True)
class Card:
    """One look at the chosen GPUs: video memory in use, MiB, added up; share of the time a kernel ran, %, on average."""

    memory_mib: float
    busy_percent: float


@dataclass(frozen=True)
class Row:
    """What `clients` saw in a run, and what the device did meanwhile."""

    model_set: str
    clients: int
    answered: int
    rate: float
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    refused: int
    lost: int
    busy: float
    """Share of the run in which an engine's device thread was at work."""
    busy_nvidia: float | None
    """What nvidia-smi says of it, 0 to 1."""
    rows_per_batch: float
    filled: float
    """Share of the pixels run that rows had asked for; the others pad."""
    unwarmed: int
    memory_mib: float | None
    cpu_s_per_page: float


@dataclass(frozen=True)
class Read:
    """Word F1 on the forms: of the service that is measured, and of a plain one on the CPU; video memory after the first pass."""

    model_set: str
    pages: int
    f1: float
    f1_cpu: float
    seconds_to_ready: float
    memory_mib: float | None


def row(model_set: str, seen: Load, before: Engines, after: Engines, looks: Sequence[Card], *, cpu_seconds: float) -> Row:
    """The figures of one run."""
    batches = after.batches - before.batches
    run = after.batch_pixels - before.batch_pixels
    return Row(
        model_set,
        clients=seen.clients,
        answered=len(seen.answered),
        rate=seen.rate,
        p50_s=load.percentile(seen.answered, 0.50),
        p95_s=load.percentile(seen.answered, 0.95),
        p99_s=load.percentile(seen.answered, 0.99),
        refused=len(seen.refused),
        lost=len(seen.lost),
        busy=(after.busy_s - before.busy_s) / (seen.seconds * after.number),
        busy_nvidia=sum(look.busy_percent for look in looks) / (100 * len(looks)) if looks else None,
        rows_per_batch=(after.rows - before.rows) / batches if batches else 0.0,
        filled=(after.row_pixels - before.row_pixels) / run if run else 0.0,
        unwarmed=round(after.unwarmed - before.unwarmed),
        memory_mib=max((look.memory_mib for look in looks), default=None),
        cpu_s_per_page=cpu_seconds / max(1, len(seen.answered)),
    )


def judged(read: Read, rows: Sequence[Row], *, gpu: bool, whole: bool) -> list[Verdict]:
    """What is to be reached: anywhere no page lost and the CPU's F1, on a GPU speed and memory too; speed and F1 if `whole`."""
    name = read.model_set
    lost = sum(one.lost for one in rows)
    found = [Verdict(f"{name}: pages lost", str(lost), "none", not lost)]
    if whole:
        apart = abs(read.f1 - read.f1_cpu)
        found.append(
            Verdict(f"{name}: F1 apart from the CPU's", f"{apart:.4f}", f"at most {MOST_F1_APART:g}", apart <= MOST_F1_APART)
        )
    unwarmed = sum(one.unwarmed for one in rows)
    found.append(Verdict(f"{name}: batches of a shape not warm", str(unwarmed), "none", not unwarmed))
    if not (gpu and whole and rows):
        return found
    best = max(rows, key=lambda one: one.rate)
    if name in LEAST_RATE:
        least = LEAST_RATE[name]
        found.append(Verdict(f"{name}: pages/s", f"{best.rate:.1f}", f"at least {least:g}", best.rate >= least))
    busy = best.busy if best.busy_nvidia is None else best.busy_nvidia
    found.append(Verdict(f"{name}: GPU busy", f"{busy:.2f}", f"at least {LEAST_BUSY:.2f}", busy >= LEAST_BUSY))
    most = max((one.memory_mib for one in rows if one.memory_mib is not None), default=None)
    if read.memory_mib and most is not None:
        growth = most / read.memory_mib
        found.append(Verdict(f"{name}: video memory's growth", f"{growth:.3f}", f"at most {MOST_GROWTH:g}", growth <= MOST_GROWTH))
    return found


def table(rows: Sequence[Row]) -> str:
    """The runs, as Markdown."""
    header = ["weights", "clients", "pages/s", "p50 s", "p95 s", "p99 s", "refused", "lost", "busy", "busy (nvidia-smi)"]
    header += ["rows a batch", "filled", "video MiB", "CPU s/page"]

    def known(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    return report.markdown_table(
        header,
        [
            [
                one.model_set,
                str(one.clients),
                f"{one.rate:.2f}",
                *(known(value, ".2f") for value in (one.p50_s, one.p95_s, one.p99_s)),
                str(one.refused),
                str(one.lost),
                f"{one.busy:.2f}",
                known(one.busy_nvidia, ".2f"),
                f"{one.rows_per_batch:.1f}",
                f"{one.filled:.2f}",
                known(one.memory_mib, ".0f"),
                f"{one.cpu_s_per_page:.2f}",
            ]
            for one in rows
        ],
    )


def reading_table(reads: Sequence[Read]) -> str:
    """What was read, as Markdown."""
    return report.markdown_table(
        ["weights", "forms", "word F1", "on the CPU", "s to ready", "video MiB"],
        [
            [
                one.model_set,
                str(one.pages),
                f"{one.f1:.4f}",
                f"{one.f1_cpu:.4f}",
                f"{one.seconds_to_ready:.1f}",
                "" if one.memory_mib is None else f"{one.memory_mib:.0f}",
            ]
            for one in reads
        ],
    )


def look_of(lines: str) -> Card:
    """From nvidia-smi's lines of memory.used and utilization.gpu, one for each GPU. Raises BenchmarkError or ValueError."""
    cards = [[float(part) for part in line.split(",")] for line in lines.splitlines() if line.strip()]
    if not cards or any(len(card) != 2 for card in cards):
        raise BenchmarkError(f"nvidia-smi's answer is not understood: {lines!r}.")
    return Card(sum(card[0] for card in cards), sum(card[1] for card in cards) / len(cards))


@dataclass
class Watch:
    """Looks at `gpus` (as nvidia-smi's --id takes them) once a second while the block runs; none where `gpus` is None."""

    gpus: str | None
    looks: list[Card] = field(default_factory=list)

    def look(self) -> Card | None:
        """One look now. Raises BenchmarkError."""
        if self.gpus is None:
            return None
        command = ["nvidia-smi", f"--id={self.gpus}", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"]
        try:
            return look_of(subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as exc:
            raise BenchmarkError(f"nvidia-smi does not tell of GPU {self.gpus}: {exc}") from None

    def __enter__(self) -> Watch:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(BenchmarkError):
            while not self._ended.wait(SAMPLE_S) and (look := self.look()) is not None:
                self.looks.append(look)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its tables, return its figures. Raises BenchmarkError."""
    gpu = args.device == "gpu"
    if gpu and shutil.which("nvidia-smi") is None:
        raise BenchmarkError("There is no nvidia-smi here, so no GPU: take a machine that has one, or --device cpu.")
    forms = pages.forms(args.data)[: args.limit]
    reads: list[Read] = []
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for name in args.models:
        with support.serve(name, workers=machine.cpu_count()) as plain:
            f1_cpu = _f1(plain, forms, f"{name}: plain, on the CPU")
        begun = time.monotonic()
        with _batching(name, args) as service:
            watch = Watch(args.gpu if gpu else None)
            ready = time.monotonic() - begun
            f1 = _f1(service, forms, f"{name}: engine process on {args.device}")
            look = watch.look()
            reads.append(Read(name, len(forms), f1, f1_cpu, ready, None if look is None else look.memory_mib))
            own = [_load(service, name, forms, clients, args) for clients in args.clients]
        rows += own
        verdicts += judged(reads[-1], own, gpu=gpu, whole=args.limit is None)
    print(f"\n{reading_table(reads)}\n\n{table(rows)}\n\n{verdict_table(verdicts)}")
    return {
        "device": args.device,
        "reads": [asdict(one) for one in reads],
        "rows": [asdict(one) for one in rows],
        "judged": [vars(one) for one in verdicts],
        "reached": all(one.reached for one in verdicts),
    }


@contextlib.contextmanager
def _batching(model_set: str, args: argparse.Namespace) -> Iterator[support.Service]:
    settings: dict[str, Any] = {"engine_process": True, "max_delay_ms": args.max_delay_ms, "timeout_s": support.ANSWER_S}
    if args.device == "gpu":
        settings["gpu"] = args.gpu
    if args.max_batch is not None:
        settings["max_batch"] = args.max_batch
    init_args = {"use_gpu": args.device == "gpu", "gpu_mem": args.gpu_mem}
    with support.serve(model_set, workers=args.workers, init_args=init_args, settings=settings) as service:
        yield service


def _f1(service: support.Service, forms: Sequence[Page], label: str) -> float:
    with tqdm(total=len(forms), desc=label, unit="page") as progress:
        read = support.read_all(service, [page.image for page in forms], clients=machine.cpu_count(), progress=progress)
    counts = (pages.count_words(lines, page.lines) for lines, page in zip(read, forms, strict=True))
    return sum(counts, WordCount()).f1


def _load(service: support.Service, model_set: str, forms: Sequence[Page], clients: int, args: argparse.Namespace) -> Row:
    bodies = [support.request_body(page.image) for page in forms]
    ask = functools.partial(servers.post, f"{service.url}/predict/{service.module}", bodies, servers.hubserving_lines)
    # A first, short run tells how many pages make the seconds that were asked for, and fills the batches of the one that counts.
    rate = load.drive(ask, load.sequence(len(bodies), clients), clients=clients).rate
    order = load.sequence(len(bodies), round(rate * args.seconds))
    before, cpu = _engines(service), service.cpu_seconds()
    with (
        Watch(args.gpu if args.device == "gpu" else None) as watch,
        tqdm(total=len(order), desc=f"{model_set}: {clients} clients", unit="page") as progress,
    ):
        seen = load.drive(ask, order, clients=clients, step=progress.update)
    return row(model_set, seen, before, _engines(service), watch.looks, cpu_seconds=service.cpu_seconds() - cpu)


def _engines(service: support.Service) -> Engines:
    try:
        return Engines.read(requests.get(f"{service.url}/metrics", timeout=support.ANSWER_S).text)
    except requests.RequestException as exc:
        raise BenchmarkError(f"The service's /metrics did not answer: {exc}.") from None


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where a figure is missed."""
    parser = support.parser("benchmarks.gpu", "Pages/s, latency, device and memory of a service that batches on a GPU.")
    option = parser.add_argument
    option("--data", type=Path, required=True, metavar="DIR", help="the folder that holds forms/testing")
    option("--device", choices=("gpu", "cpu"), default="gpu", help="cpu: the same way without a GPU (default gpu)")
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES") or "0"
    option("--gpu", default=chosen, metavar="N,…", help="which GPUs, where CUDA_VISIBLE_DEVICES does not say (default 0)")
    option("--models", nargs="+", type=support.model_set, default=list(LEAST_RATE)[:2], metavar="SET", help="model sets")
    option("--clients", nargs="+", type=support.positive, default=[16, 64], metavar="N", help="numbers of clients (default 16 64)")
    option("--seconds", type=support.positive, default=30, metavar="S", help="to spend on a number of clients (default 30)")
    option("--workers", type=support.positive, metavar="N", help="worker processes (default: as the service ships)")
    option("--max-batch", type=support.positive, metavar="N", help="rows of a batch at most (default: the table's)")
    option("--max-delay-ms", type=float, default=5, metavar="MS", help="longest wait for a batch to fill (default 5)")
    option(
        "--gpu-mem", type=support.positive, default=8000, metavar="MIB", help="cap of each session's video memory (default 8000)"
    )
    option("--limit", type=support.positive, metavar="N", help="only the first N forms; speed and F1 are then not judged")
    return support.run("benchmarks.gpu", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
