"""Pages a second and latency over HTTP against the number of clients: `python -m benchmarks.serving [--data DIR]`.

A service as it ships, the floor beneath it (as many processes as it has workers, which only run the networks on the same tensors)
and its peers read the same pages in the same order, for clients in a closed loop. The service and the floor take turns; the figure
is the median over the rounds of their ratio. Each peer runs alone, in an environment of its own (benchmarks/peers).
`--short` takes half a minute and only tells what the service costs over the floor, with tiny weights.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

from tqdm import tqdm

from benchmarks.library import figures, load, plot, report, servers, support
from benchmarks.library.figures import Measured, Row
from benchmarks.library.servers import FLOOR, OURS, Server
from benchmarks.library.support import BenchmarkError
from benchmarks.overhead import GOLDEN, sample_pages
from benchmarks.peers import readers
from ocr_serving import config, machine, models
from ocr_serving.engines import Precision
from ocr_serving.server import plan

LABELS = {OURS: "ocr-serving", FLOOR: "floor: networks alone", **readers.LABELS}
MOST_PEER_CLIENTS = 16
"""Peers queue whatever comes and read one page at a time: with more clients they take minutes to show nothing new."""

SHORT_SET, SHORT_CLIENTS, SHORT_ROUNDS = "PP-OCRv6_tiny", 4, 2
SHORT_PAGES = [GOLDEN / name for name in ("layout_cn.jpg", "table_crop.jpg")]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its tables, return its figures. Raises BenchmarkError."""
    plot.require()
    images = sample_pages(args.data, args.pages)
    about = {"model_set": args.models, "precision": args.precision, "pages": [image.name for image in images]}
    folder = (
        args.out
        or Path("build") / "benchmarks" / f"serving-{args.models}{'' if args.precision == 'fp32' else f'-{args.precision}'}"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BenchmarkError(f"{folder} cannot be made ({exc.strerror}): name another folder with --out.") from None
    rows = _earlier(folder, about) if args.add else []
    left_out: dict[str, str] = {}
    results: dict[str, Any] = {}

    def keep(new: Sequence[Row]) -> None:
        nonlocal rows, results
        rows = figures.merged(rows, new)
        results = _write(folder, rows, about, left_out)

    own = [name for name in (OURS, FLOOR) if name in args.servers]
    if own:
        with contextlib.ExitStack() as stack:
            _alternate(_start_own(stack, own, args.models, images, args.precision), args.clients, len(images), args, keep)
    for name in (name for name in args.servers if name in readers.LABELS and args.peer_clients):
        try:
            with readers.start(name, args.models, images) as peer:
                _alternate([peer], args.peer_clients, len(images), args, keep)
        except BenchmarkError as exc:
            left_out[name] = str(exc)
            print(f"{LABELS[name]} is left out: {exc}", file=sys.stderr)
            keep([])
    print(f"\n{(folder / 'report.md').read_text()}\nWritten to {folder}: report.md, figures.json, plot.svg.")
    return results


def short(args: argparse.Namespace) -> dict[str, Any]:
    """What the service costs over the floor with tiny weights and few pages; never judged. Raises BenchmarkError."""
    args.rounds, args.seconds = SHORT_ROUNDS, 0
    with contextlib.ExitStack() as stack:
        running = _start_own(stack, [OURS, FLOOR], SHORT_SET, SHORT_PAGES)
        rows = _alternate(running, [SHORT_CLIENTS], len(SHORT_PAGES), args, lambda _: None)
    ours = next(row for row in rows if row.server == OURS)
    if not ours.cpu_of_floor:
        raise BenchmarkError("The service answered no page in any round; what it lost is said above.")
    ratios = {
        "cpu_of_floor": statistics.median(ours.cpu_of_floor),
        "throughput_of_floor": statistics.median(ours.of_floor),
    }
    print(f"\n{figures.table(rows, LABELS)}\n")
    print("of the floor's: " + ", ".join(f"{value:.2f} {name.partition('_')[0]}" for name, value in ratios.items()))
    return {"model_set": SHORT_SET, "rows": figures.to_json(rows), **ratios, "reached": None}


def _start_own(
    stack: contextlib.ExitStack, names: Sequence[str], model_set: str, images: Sequence[Path], precision: Precision = "fp32"
) -> list[Server]:
    """The service in `precision`, the floor, which is in float32, or both."""
    running = [stack.enter_context(servers.ours(model_set, images, precision))] if OURS in names else []
    if FLOOR in names:
        parallel = running[0].parallel if running else _shipped_workers(model_set)
        running.append(stack.enter_context(servers.floor(model_set, images, parallel=parallel)))
    return running


def _shipped_workers(model_set: str) -> int:
    """How many workers a service as it ships has here."""
    shipped = config.build(support.service_config(model_set, workers=None), {}, where="benchmark")
    return len(plan.environments(shipped, os.environ, cores=machine.cpu_count(), memory=machine.memory_bytes()))


def _alternate(
    running: Sequence[Server], levels: Sequence[int], pages: int, args: argparse.Namespace, keep: Callable[[Sequence[Row]], object]
) -> list[Row]:
    """Have servers take turns at each number of clients, the order turned round in each round; their rows, told to `keep` too."""
    head, *others = running
    rate = _warm_up(head, pages)
    for server in others:
        if not server.warm:
            _warm_up(server, pages)
    found: list[Row] = []
    counts = {
        clients: figures.requests(pages, clients=clients, parallel=head.parallel, rate=rate, seconds=args.seconds / args.rounds)
        for clients in levels
    }
    # A floor that is compared with is quicker than what it is compared with, so this is what it takes at most.
    seconds = sum(n * args.rounds * len(running) / (rate * min(c, head.parallel) / head.parallel) for c, n in counts.items())
    names = " and ".join(LABELS[server.name] for server in running)
    asked = ", ".join(f"{clients} clients {n}" for clients, n in counts.items())
    print(f"{names}: requests in each of {args.rounds} rounds: {asked}; about {seconds / 60:.1f} minutes", file=sys.stderr)
    total = sum(counts.values()) * args.rounds * len(running)
    with tqdm(total=total, desc=names, unit="page") as progress:
        for clients, count in counts.items():
            runs: dict[str, list[Measured]] = {server.name: [] for server in running}
            for number in range(args.rounds):
                for server in running if number % 2 == 0 else reversed(running):
                    runs[server.name].append(_run(server, load.sequence(pages, count), clients, progress))
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M")
            new = [
                figures.row(
                    server.name,
                    runs[server.name],
                    measured=now,
                    engines=server.engines,
                    floor=runs.get(FLOOR, []) if server.name == OURS else [],
                )
                for server in running
            ]
            keep(new)
            found += new
    return found


def _warm_up(server: Server, pages: int) -> float:
    """Put every page through every process once; how many pages a second that makes. Raises BenchmarkError where one is lost."""
    each = [page for page in range(pages) for _ in range(server.parallel)]
    with tqdm(total=len(each), desc=f"{LABELS[server.name]}: warm-up", unit="page", leave=False) as progress:
        seen = load.drive(server.ask, each, clients=server.parallel, step=progress.update)
    if seen.lost:
        raise BenchmarkError(f"{LABELS[server.name]} lost {len(seen.lost)} of {len(each)} pages of the warm-up: {seen.lost[0]}.")
    return seen.rate


def _run(server: Server, pages: Sequence[int], clients: int, progress: tqdm[NoReturn]) -> Measured:
    before, own = server.cpu_seconds(), time.process_time()
    seen = load.drive(server.ask, pages, clients=clients, step=progress.update)
    own = time.process_time() - own
    for why in dict.fromkeys(seen.lost):
        progress.write(f"{LABELS[server.name]} lost a page: {why}", file=sys.stderr)
    return Measured(seen, server.cpu_seconds() - before, server.resident_bytes(), own)


def _earlier(folder: Path, about: dict[str, Any]) -> list[Row]:
    """Rows of an earlier run over the same pages on this machine. Raises BenchmarkError where it was another."""
    file = folder / "figures.json"
    if not file.exists():
        return []
    try:
        found = json.loads(file.read_text())
        same = all(found.get(key) == value for key, value in about.items())
        here = found["machine"]["cores"] == machine.cpu_count() and found["machine"]["processor"] == report.processor()
        rows = figures.from_json(found["rows"])
    except (ValueError, TypeError, KeyError):
        raise BenchmarkError(f"{file} cannot be added to: remove it, or name another folder with --out.") from None
    if not (same and here):
        raise BenchmarkError(f"{file} is of other pages, weights or another machine: remove it, or name another folder with --out.")
    return rows


def _write(folder: Path, rows: Sequence[Row], about: dict[str, Any], left_out: dict[str, str]) -> dict[str, Any]:
    """Write report.md, figures.json and plot.svg as far as things are measured."""
    verdicts = figures.judged(rows, about["model_set"], LABELS, machine.cpu_count())
    results = {
        **about,
        "rows": figures.to_json(rows),
        "left_out": left_out,
        "judged": [vars(verdict) for verdict in verdicts],
        "reached": figures.reached(verdicts),
    }
    report.write_json(folder / "figures.json", "benchmarks.serving", results)
    title = f"{about['model_set']}, {len(about['pages'])} pages, {machine.cpu_count()} cores of {report.processor()}"
    parts = [f"# {title}", *([figures.table(rows, LABELS), figures.remarks(rows)] if rows else [])]
    if verdicts:
        parts.append(figures.verdict_table(verdicts))
    parts += [f"{LABELS[name]} is left out: {why}" for name, why in left_out.items()]
    if rows:
        plot.draw(rows, title, LABELS, folder / "plot.svg")
        parts.append("![Pages a second and latency against clients](plot.svg)")
    (folder / "report.md").write_text("\n\n".join(parts) + "\n")
    return results


def numbers(text: str) -> list[int]:
    """Whole numbers over zero between commas, rising, for argparse."""
    return sorted({support.positive(part) for part in text.split(",")})


def names(text: str) -> list[str]:
    """Names of servers between commas, for argparse."""
    chosen = text.split(",")
    for name in chosen:
        if name not in LABELS:
            raise argparse.ArgumentTypeError(f"there is no server '{name}': take of {','.join(LABELS)}")
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where a figure is missed."""
    parser = support.parser("benchmarks.serving", "Throughput and latency over HTTP, beside the networks alone and other servers.")
    option = parser.add_argument
    option(
        "--data",
        type=Path,
        metavar="DIR",
        help="the folder that holds forms/testing and receipts (default: pages of this repository)",
    )
    option("--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)")
    option("--precision", choices=get_args(Precision), default="fp32", help="the service's own (default %(default)s)")
    option("--pages", type=support.positive, default=8, metavar="N", help="how many (default 8)")
    option("--clients", type=numbers, default="1,4,16,64", metavar="N,…", help="numbers of clients (default %(default)s)")
    option("--peer-clients", type=numbers, metavar="N,…", help=f"of peers (default: those of --clients up to {MOST_PEER_CLIENTS})")
    option("--servers", type=names, default=",".join(LABELS), metavar="NAME,…", help="which to measure (default %(default)s)")
    option("--rounds", type=support.positive, default=3, metavar="N", help="turns at each number of clients (default 3)")
    option(
        "--seconds", type=support.positive, default=30, metavar="S", help="to spend on a number of clients, if enough (default 30)"
    )
    option("--out", type=Path, metavar="DIR", help="folder of the report (default build/benchmarks/serving-SET)")
    option("--add", action="store_true", help="keep what the report there says of other servers and numbers of clients")
    option("--short", action="store_true", help=f"only the service and the floor, {SHORT_SET}, {SHORT_CLIENTS} clients; no report")
    args = parser.parse_args(argv)
    if args.peer_clients is None:
        args.peer_clients = [clients for clients in args.clients if clients <= MOST_PEER_CLIENTS]
    return support.run("benchmarks.serving", short if args.short else measure, args)


if __name__ == "__main__":
    sys.exit(main())
