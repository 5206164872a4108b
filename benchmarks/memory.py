"""Whether a service's memory stays level: `python -m benchmarks.memory --data DIR`.

Posts forms and receipts of different sizes in a seeded shuffle, two at a time to two workers, and compares the resident memory of
the whole process tree after 50 requests with that after the last. Memory is the sum of PSS, so that what processes share
counts once; it is read while no request is in flight.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.library import pages, processes, report, support
from ocr_serving import models
from ocr_serving.modules import loader

WORKERS = 2
SETTLED = 50
"""Requests after which memory should have reached its level."""

EVERY = 10
MOST_GROWTH = 1.10


@dataclass(frozen=True)
class Sample:
    """Resident bytes of the process tree after so many requests."""

    requests: int
    resident: int


def shuffled(images: Sequence[Path], count: int, seed: int) -> list[Path]:
    """`count` images: all of them in one random order after another."""
    chance = random.Random(seed)
    chosen: list[Path] = []
    while len(chosen) < count:
        chosen += chance.sample(images, len(images))
    return chosen[:count]


def growth(samples: Sequence[Sample]) -> float:
    """Memory of the last sample as a multiple of that after `SETTLED` requests."""
    settled = next(sample for sample in samples if sample.requests >= SETTLED)
    return samples[-1].resident / settled.resident


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its chart and table, return its figures. Raises BenchmarkError."""
    images = [page.image for page in pages.forms(args.data) + pages.receipts(args.data)]
    order = shuffled(images, args.requests, args.seed)
    with support.serve(args.models, workers=WORKERS, module=args.module) as service:
        samples = [Sample(0, processes.resident_bytes(service.pid))]
        with tqdm(total=len(order), desc=args.module, unit="page") as progress:
            for start in range(0, len(order), EVERY):
                part = order[start : start + EVERY]
                support.read_all(service, part, clients=WORKERS, progress=progress)
                samples.append(Sample(start + len(part), processes.resident_bytes(service.pid)))
                progress.set_postfix_str(f"{samples[-1].resident >> 20} MiB")
    ratio = growth(samples)
    print(f"\n{summary(f'{args.module}, {args.models}', samples, ratio)}")
    return {
        "module": args.module,
        "model_set": args.models,
        "workers": WORKERS,
        "seed": args.seed,
        "samples": [asdict(sample) for sample in samples],
        "growth": ratio,
        "to_reach": MOST_GROWTH,
        "reached": ratio <= MOST_GROWTH,
    }


def summary(name: str, samples: Sequence[Sample], ratio: float) -> str:
    """Chart and table of a run."""
    settled = next(sample for sample in samples if sample.requests >= SETTLED)
    last = samples[-1]
    header = ["module, weights", f"MiB after {settled.requests}", f"MiB after {last.requests}", "ratio", "at most", ""]
    row = [
        name,
        str(settled.resident >> 20),
        str(last.resident >> 20),
        f"{ratio:.3f}",
        f"{MOST_GROWTH:.2f}",
        support.verdict(ratio <= MOST_GROWTH),
    ]
    chart = report.bar_chart([sample.resident / 2**20 for sample in samples], unit="MiB")
    axis = f"PSS of {WORKERS} workers and the front, from start to {last.requests} requests"
    return f"{chart}\n{axis}\n\n{report.markdown_table(header, [row])}"


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where memory grows too much."""
    parser = support.parser("benchmarks.memory", "Resident memory of a service over many requests with real pages.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder that holds forms/testing and receipts")
    parser.add_argument("--requests", type=_enough, default=500, metavar="N", help="how many to send (default 500)")
    parser.add_argument(
        "--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)"
    )
    parser.add_argument(
        "--module", choices=loader.builtin_names(), default="ocr_system", help="what to serve (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the shuffle (default 1)")
    return support.run("benchmarks.memory", measure, parser.parse_args(argv))


def _enough(text: str) -> int:
    count = support.positive(text)
    if count <= SETTLED:
        raise argparse.ArgumentTypeError(
            f"give more than {SETTLED}: memory after {SETTLED} requests is what the last is compared with"
        )
    return count


if __name__ == "__main__":
    sys.exit(main())
