"""Draws what `benchmarks.serving` saw: throughput and latency against the number of clients."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.library.figures import Row
from benchmarks.library.servers import FLOOR
from benchmarks.library.support import BenchmarkError

Line = tuple[list[int], list[float]]


def require() -> None:
    """Raises BenchmarkError where matplotlib is missing; it is wanted only here, and late."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise BenchmarkError(
            "matplotlib is missing: run make bench-serving, or pip install -r benchmarks/requirements.txt first."
        ) from None


def lines(rows: Sequence[Row], field: str) -> dict[str, Line]:
    """For each server the numbers of clients, rising, and a field of Row at each where it is known."""
    found: dict[str, Line] = {}
    for row in sorted(rows, key=lambda row: row.clients):
        value = getattr(row, field)
        if value is not None:
            across, up = found.setdefault(row.server, ([], []))
            across.append(row.clients)
            up.append(value)
    return found


def draw(rows: Sequence[Row], title: str, labels: Mapping[str, str], path: Path) -> None:
    """Write an SVG to `path`: pages a second on the left, p50 with p95 and p99 above it on the right. Raises BenchmarkError."""
    require()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "ocr-serving", "font.size": 9}):
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        figure.suptitle(title)
        left, right = figure.subplots(1, 2)
        colours = {server: f"C{n}" for n, server in enumerate(dict.fromkeys(row.server for row in rows))}
        for server, (across, up) in lines(rows, "rate").items():
            style = "--" if server == FLOOR else "-"
            left.plot(across, up, style, marker="o", color=colours[server], label=labels.get(server, server))
        for field, style in (("p50_s", "-"), ("p95_s", "--"), ("p99_s", ":")):
            for server, (across, up) in lines(rows, field).items():
                if server != FLOOR:
                    right.plot(
                        across, up, style, marker=".", color=colours[server], label=f"{labels.get(server, server)}, {field[:3]}"
                    )
        left.set_ylabel("pages/s")
        left.set_ylim(bottom=0)
        right.set_ylabel("seconds to an answer: p50 —, p95 – –, p99 ···")
        right.set_yscale("log", base=2)
        right.yaxis.set_major_formatter("{x:g}")
        ticks = sorted({row.clients for row in rows})
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, [str(clients) for clients in ticks])
            axes.set_xlabel("clients")
            axes.grid(alpha=0.3)
        left.legend(fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})
