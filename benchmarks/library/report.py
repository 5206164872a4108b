"""What a benchmark prints and writes: Markdown tables, a chart of characters, a JSON file."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ocr_serving
from ocr_serving import atomic, machine

BLOCKS = " ▁▂▃▄▅▆▇█"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with padded columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    ruler = [f"{'-' * (width - 1)}{':' if column else '-'}" for column, width in enumerate(widths)]
    return "\n".join([line(header), line(ruler), *(line(row) for row in rows)])


def bar_chart(values: Sequence[float], *, height: int = 8, width: int = 72, unit: str = "") -> str:
    """Columns for `values` (in order, at most `width` of them are drawn) over an axis that starts at zero."""
    count = min(width, len(values))
    shown = [values[round(n * (len(values) - 1) / max(1, count - 1))] for n in range(count)]
    top = max(shown, default=0.0)
    if top <= 0:
        return ""
    steps = len(BLOCKS) - 1
    filled = [round(value / top * height * steps) for value in shown]
    rows = []
    for row in range(height, 0, -1):
        label = f"{top * row / height:8.0f} {unit}"
        rows.append(f"{label} │{''.join(BLOCKS[min(steps, max(0, fill - (row - 1) * steps))] for fill in filled)}")
    return "\n".join(rows)


def write_json(path: Path, benchmark: str, results: Mapping[str, Any]) -> None:
    """Write `results` with what they were measured on; the file appears whole or not at all."""
    about = {
        "benchmark": benchmark,
        "version": ocr_serving.__version__,
        "machine": {"cores": machine.cpu_count(), "processor": processor(), "python": platform.python_version()},
    }
    atomic.write(path, (json.dumps({**about, **results}, indent=2) + "\n").encode())


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
