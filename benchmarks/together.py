"""All modules in one service: `python -m benchmarks.together`.

Starts a service of one worker with every module that comes with the package, then one for each module: the seconds until each is
ready, and the memory of its worker once all have answered their warm-up. Modules of a worker share one copy of each network.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.library import processes, report, support
from ocr_serving import models
from ocr_serving.modules import loader

MOST_SECONDS = 10
"""Until a service of all modules is ready."""


@dataclass(frozen=True)
class Started:
    """A service of one worker, ready: its modules, after how long, CPU seconds and resident bytes (PSS) of its processes."""

    modules: str
    seconds: float
    cpu_s: float
    resident: int


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    names = loader.builtin_names()
    together = _started(names, args.models)
    apart = [] if args.alone else [_started([name], args.models) for name in names]
    rows = [[f"{len(names)} modules together", f"{together.seconds:.1f}", f"{together.cpu_s:.1f}", str(together.resident >> 20)]]
    if apart:
        rows += [[one.modules, f"{one.seconds:.1f}", f"{one.cpu_s:.1f}", str(one.resident >> 20)] for one in apart]
        rows.append(
            [
                "each in a service of its own",
                "",
                f"{sum(one.cpu_s for one in apart):.1f}",
                str(sum(one.resident for one in apart) >> 20),
            ]
        )
    print(f"\n{report.markdown_table(['modules', 's to ready', 'CPU s', 'MiB'], rows)}")
    return {
        "model_set": args.models,
        "together": asdict(together),
        "apart": [asdict(one) for one in apart],
        "to_reach": MOST_SECONDS,
        "reached": together.seconds <= MOST_SECONDS,
    }


def _started(names: Sequence[str], model_set: str) -> Started:
    entries = {name: {"params": {"model_set": model_set}} for name in names}
    begun = time.monotonic()
    with support.serve(model_set, workers=1, settings={"modules_info": entries}) as service:
        return Started(", ".join(names), time.monotonic() - begun, service.cpu_seconds(), processes.resident_bytes(service.pid))


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where the service of all modules takes too long."""
    parser = support.parser("benchmarks.together", "Seconds to ready and memory of all modules in one service, and of each alone.")
    parser.add_argument("--alone", action="store_true", help="only the service of all modules")
    parser.add_argument(
        "--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)"
    )
    return support.run("benchmarks.together", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
