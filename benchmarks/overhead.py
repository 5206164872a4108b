"""What a page costs through HTTP over what the networks alone cost: `python -m benchmarks.overhead [--data DIR]`.

Three take turns, page by page: a service with one worker, asked over HTTP; a process that only runs the networks, on the very
tensors that the page leads to; and the pipeline in one process, timed step by step. What counts is CPU time: for the service
that of its whole process tree, without its start and without the client. A round is all pages once; the figure is the median
over the rounds of the service's CPU by the networks'. One round before the first is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.library import alone, pages, processes, report, support
from benchmarks.library.answering import Answering
from ocr_serving import data, models

MOST_OVERHEAD = 1.05
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "pages"
WORKER = "ocr_serving.server.worker"
FRONT = "HTTP: the front process"
BESIDE = "all beside the networks"


@dataclass
class Round:
    """CPU seconds of one round over all pages: the service's worker, its other processes, the networks alone, the steps."""

    worker: float = 0.0
    front: float = 0.0
    networks: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def service(self) -> float:
        """CPU of the whole process tree."""
        return self.worker + self.front

    @property
    def ratio(self) -> float:
        """The service's CPU time as a multiple of the networks'."""
        return self.service / self.networks


def sample_pages(folder: Path | None, count: int) -> list[Path]:
    """Up to `count` image files: forms and receipts of `folder` in turn, else the page that ships and those of the tests."""
    if folder is None:
        return [data.PAGE, *sorted(GOLDEN.glob("*.jpg"))][:count]
    kinds = [[page.image for page in kind] for kind in (pages.forms(folder), pages.receipts(folder))]
    # Spread over each kind: neighbours look alike.
    half = (count + 1) // 2
    spread = [kind[:: max(1, len(kind) // half)] for kind in kinds]
    return [image for pair in zip(*spread, strict=False) for image in pair][:count]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its tables, return its figures. Raises BenchmarkError."""
    images = sample_pages(args.data, args.pages)
    rounds: list[Round] = []
    with (
        helpers(args.models, images) as (pipeline, networks),
        support.serve(args.models, workers=1) as service,
        tqdm(total=(args.rounds + 1) * len(images), desc=args.models, unit="page") as progress,
    ):
        for _ in range(args.rounds + 1):
            rounds.append(Round())
            for page, image in enumerate(images):
                add_page(rounds[-1], service, image, networks.ask(page), pipeline.ask(page))
                progress.update()
    counted = rounds[1:]
    ratios = [one.ratio for one in counted]
    ratio = statistics.median(ratios)
    costs = step_costs(counted, len(images))
    about = f"{len(images)} pages, {len(counted)} rounds, one client, one worker"
    print(f"\n{about}\n\n{figure(args.models, counted, len(images))}\n\n{step_table(costs)}")
    return {
        "model_set": args.models,
        "pages": len(images),
        "ratios": ratios,
        "ratio": ratio,
        "to_reach": MOST_OVERHEAD,
        "steps_cpu_s_per_page": costs,
        "reached": ratio <= MOST_OVERHEAD,
    }


@contextlib.contextmanager
def helpers(model_set: str, images: Sequence[Path]) -> Iterator[tuple[Answering, Answering]]:
    """The pipeline and the networks, each in a process of its own, until the block ends. Raises BenchmarkError, ModelError."""
    support.fetch(model_set)
    with tempfile.TemporaryDirectory(prefix="ocr-serving-benchmark-") as folder, contextlib.ExitStack() as stack:
        pipeline = alone.helper("pipeline", model_set, Path(folder), *images)
        stack.callback(pipeline.close)
        networks = alone.helper("networks", model_set, Path(folder))
        stack.callback(networks.close)
        yield pipeline, networks


def add_page(totals: Round, service: support.Service, image: Path, networks: float, steps: Mapping[str, float]) -> None:
    """Post one page, and add what it cost each side."""
    before = processes.cpu_by_pid(service.pid)
    service.read(image)
    after = processes.cpu_by_pid(service.pid)
    for pid, seconds in after.items():
        spent = seconds - before.get(pid, 0.0)
        if WORKER in processes.command_line(pid):
            totals.worker += spent
        else:
            totals.front += spent
    totals.networks += networks
    for name, seconds in steps.items():
        totals.steps[name] = totals.steps.get(name, 0.0) + seconds


def step_costs(rounds: Sequence[Round], page_count: int) -> dict[str, float]:
    """CPU seconds a page of each step, medians over the rounds."""
    names = [name for name in rounds[0].steps if name != alone.NETWORKS]
    costs = {name: statistics.median(one.steps[name] for one in rounds) / page_count for name in [alone.NETWORKS, *names]}
    costs[FRONT] = statistics.median(one.front for one in rounds) / page_count
    return costs


def figure(model_set: str, rounds: Sequence[Round], page_count: int) -> str:
    """The ratio, as Markdown."""
    ratios = [one.ratio for one in rounds]
    ratio = statistics.median(ratios)
    header = ["weights", "CPU s/page, HTTP", "networks alone", "ratio", "min", "max", "at most", ""]
    row = [
        model_set,
        f"{statistics.median(one.service for one in rounds) / page_count:.3f}",
        f"{statistics.median(one.networks for one in rounds) / page_count:.3f}",
        *(f"{value:.3f}" for value in (ratio, min(ratios), max(ratios))),
        f"{MOST_OVERHEAD:.2f}",
        support.verdict(ratio <= MOST_OVERHEAD),
    ]
    return report.markdown_table(header, [row])


def step_table(costs: Mapping[str, float]) -> str:
    """What each step costs, as Markdown, the networks first and the others by cost."""
    networks = costs[alone.NETWORKS]
    others = sorted((item for item in costs.items() if item[0] != alone.NETWORKS), key=lambda item: -item[1])
    beside = (BESIDE, sum(seconds for _, seconds in others))
    rows = [
        [name, f"{1000 * seconds:.1f}", f"{100 * seconds / networks:.1f} %"]
        for name, seconds in [(alone.NETWORKS, networks), *others, beside]
    ]
    return report.markdown_table(["step", "CPU ms/page", "of the networks"], rows)


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where a page costs too much beyond its networks."""
    parser = support.parser("benchmarks.overhead", "CPU of a page through HTTP over that of the networks alone.")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the folder that holds forms/testing and receipts (default: pages of this repository)",
    )
    parser.add_argument("--pages", type=support.positive, default=6, metavar="N", help="how many (default 6)")
    parser.add_argument("--rounds", type=support.positive, default=5, metavar="N", help="how many are counted (default 5)")
    parser.add_argument(
        "--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)"
    )
    return support.run("benchmarks.overhead", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
