"""How well tables are recognised: `python -m benchmarks.tables --data DIR`.

TEDS (library/teds.py) of structure_table's answers with its default parameters, the mean over the tables of a set: those that a
browser drew (`rendered/*.png` with `truth.json`, name to HTML), the same skewed by a degree, with noise and as JPEG, and
PubTabNet's examples (`pubtabnet/*.png` with `PubTabNet_Examples.jsonl`); with `--drawn N` also N of each style of
library/styled_tables.py, the same skewed, and which of them are not well read. Beside it the TEDS of the structure alone, and the
CPU seconds of a table beyond looking for its lines and reading them; what cells are read anew counts among these. With `--pages N`
N whole pages of each kind of library/office_pages.py are read by structure_system and made a document: what that says of their
tables is told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import html
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.library import office_pages, page_tables, report, styled_tables, support, teds
from ocr_serving.decoding.images import Image
from ocr_serving.modules.loader import load_module
from ocr_serving.modules.structure_system.module import StructureSystem
from ocr_serving.modules.structure_table.module import StructureTable

TO_REACH: Mapping[str, float] = {"rendered": 0.97, "skewed": 0.95, "pubtabnet": 0.95}
"""Least TEDS of the default weights."""

WELL_READ = 0.97
"""TEDS below which a drawn table is named."""

MOST_SECONDS = 0.5
"""CPU seconds that a table may take beyond its OCR."""

DEGREES, NOISE, QUALITY = 1.0, 8.0, 55
"""Skew, standard deviation of the noise in greys of 255, and JPEG quality of the skewed set."""


@dataclass(frozen=True)
class Table:
    """A picture of a table and its true HTML."""

    name: str
    picture: Callable[[], Image]
    html: str


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    rendered, pubtabnet = drawn_tables(args.data / "rendered")[: args.limit], papers(args.data / "pubtabnet")[: args.limit]
    if not rendered and not pubtabnet:
        raise support.BenchmarkError(f"There is neither rendered/truth.json nor pubtabnet/*.jsonl in {args.data}.")
    params = {"table_engine": args.table_engine}
    module = load_module("structure_table", params=params)
    if not isinstance(module, StructureTable):
        raise support.BenchmarkError("structure_table is not the module of this package.")
    rows = []
    for kind, chosen in (("rendered", rendered), ("skewed", rendered), ("pubtabnet", pubtabnet)):
        if chosen:
            rows.append(_row(module, kind, chosen, judged=args.limit is None and args.table_engine is None))
    own = styled(args.drawn)
    for kind in ("drawn", "drawn, skewed") if own else ():
        rows.append(_row(module, kind, own, judged=False))
        print(f"\n{kind}: {_worst(rows[-1]['scores'])}")
    print(f"\n{table(rows)}")
    whole = pages(args.pages, args.first_page)
    if whole:
        print(f"\n{table_of_pages(whole)}")
    return {"rows": rows, "pages": whole, "reached": all(row["reached"] is not False for row in rows)}


def _row(module: StructureTable, kind: str, chosen: Sequence[Table], *, judged: bool) -> dict[str, Any]:
    scores, structures, seconds = [], [], []
    clock = _clocked(module)
    for n, item in enumerate(tqdm(chosen, desc=kind, unit="table")):
        picture = item.picture()
        if kind.endswith("skewed"):
            picture = skewed(picture, n)
        clock.clear()
        (answer,) = module.predict([picture])
        if not isinstance(answer, dict):
            raise support.BenchmarkError(f"{item.name} is not read.")
        seconds.append(clock["structure"])
        scores.append(teds.score(answer["html"], item.html))
        structures.append(teds.score(answer["html"], item.html, structure_only=True))
    least = TO_REACH.get(kind, 0.0)
    reached = float(np.mean(scores)) >= least and float(np.mean(seconds)) <= MOST_SECONDS
    return {
        "set": kind,
        "tables": len(chosen),
        "teds": float(np.mean(scores)),
        "structure": float(np.mean(structures)),
        "seconds": float(np.mean(seconds)),
        "to_reach": least,
        "reached": reached if judged else None,
        "scores": {item.name: score for item, score in zip(chosen, scores, strict=True)},
    }


def pages(count: int, first: int = 0) -> list[dict[str, Any]]:
    """What the documents say of the tables of `count` pages of each kind, numbered from `first`."""
    if not count:
        return []
    module = load_module("structure_system")
    if not isinstance(module, StructureSystem):
        raise support.BenchmarkError("structure_system is not the module of this package.")

    def ask(page: Image) -> Any:
        module.begin_request()
        return module.predict([page], return_lines=True)[0]

    rows = []
    for kind in tqdm(office_pages.KINDS, desc="pages", unit="kind"):
        found = [page_tables.judged(ask, office_pages.drawn(kind, first + n)) for n in range(count)]
        rows.append(
            {
                "kind": kind,
                "teds": float(np.mean([one.score for one in found])),
                "least": min(one.score for one in found),
                "beyond": sum(one.beyond for one in found),
                "words": float(np.mean([one.words for one in found])),
                "heads": float(np.mean([one.heads for one in found])),
            }
        )
    return rows


def table_of_pages(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown, the mean last."""
    figures = ("teds", "least", "words", "heads")
    mean = {"kind": "all", "beyond": sum(row["beyond"] for row in rows)} | {
        name: float(np.mean([row[name] for row in rows])) for name in figures
    }
    cells = [[row["kind"], *(f"{row[name]:.3f}" for name in figures), str(row["beyond"])] for row in [*rows, mean]]
    return report.markdown_table(["pages", "TEDS", "least", "words kept", "heads", "tables beyond"], cells)


def _worst(scores: Mapping[str, float]) -> str:
    """The tables below .97, worst first."""
    found = sorted((score, name) for name, score in scores.items() if score < WELL_READ)
    return ", ".join(f"{name} {score:.2f}" for score, name in found) or "all well read"


def _clocked(module: StructureTable) -> dict[str, float]:
    """CPU seconds by stage, as `module` spends them from now on; its own clock is the wall's."""
    spent: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def stage(name: str) -> Iterator[None]:
        begun = time.process_time()
        try:
            yield
        finally:
            spent[name] += time.process_time() - begun

    vars(module)["stage"] = stage
    return spent


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    header = ["set", "tables", "TEDS", "structure alone", "s beyond OCR", "to reach", ""]
    cells = [
        [
            row["set"],
            str(row["tables"]),
            *(f"{row[key]:.3f}" for key in ("teds", "structure")),
            f"{row['seconds']:.2f}",
            f"{row['to_reach']:.2f}",
            support.verdict(row["reached"]),
        ]
        for row in rows
    ]
    return report.markdown_table(header, cells)


def drawn_tables(folder: Path) -> list[Table]:
    """The tables of a folder with `truth.json`; none where there is no such file."""
    truth = folder / "truth.json"
    if not truth.is_file():
        return []
    listed = json.loads(truth.read_text(encoding="utf-8"))
    return [Table(name, _file(folder / f"{name}.png"), told) for name, told in sorted(listed.items())]


def papers(folder: Path) -> list[Table]:
    """The tables of a folder with PubTabNet's lists, without the marks inside their cells; none where there is no list."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            found.append(Table(Path(entry["filename"]).stem, _file(folder / entry["filename"]), _told(entry["html"])))
    return sorted(found, key=lambda item: item.name)


def _file(path: Path) -> Callable[[], Image]:
    return lambda: np.asarray(cv2.imread(str(path)), np.uint8)


def styled(count: int) -> list[Table]:
    """`count` tables of each style."""
    found = []
    for name in styled_tables.STYLES:
        for number in range(count):
            picture, told = styled_tables.drawn(name, number)
            found.append(Table(f"{name} {number}", functools.partial(np.copy, picture), told))
    return found


def _told(entry: Mapping[str, Any]) -> str:
    def parts() -> Iterator[str]:
        cells = iter(entry["cells"])
        for token in entry["structure"]["tokens"]:
            yield token
            if token in ("<td>", ">"):
                yield html.escape(re.sub(r"</?(b|i|sup|sub|strike|underline|overline)>", "", "".join(next(cells)["tokens"])))

    return f"<table>{''.join(parts())}</table>"


def skewed(picture: Image, seed: int) -> Image:
    """`picture` turned by a degree, to one side or the other, with noise, as JPEG."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), DEGREES if seed % 2 else -DEGREES, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    noisy = np.clip(turned + np.random.default_rng(seed).normal(0, NOISE, turned.shape), 0, 255).astype(np.uint8)
    _, file = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where a figure falls short."""
    parser = support.parser("benchmarks.tables", "TEDS of structure_table on tables with their true HTML.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder that holds rendered and pubtabnet")
    parser.add_argument(
        "--drawn", type=int, default=0, metavar="N", help="draw N tables of each style too (library/styled_tables.py)"
    )
    parser.add_argument(
        "--pages", type=int, default=0, metavar="N", help="N whole pages of each kind too (library/office_pages.py, by Chromium)"
    )
    parser.add_argument("--first-page", type=int, default=0, metavar="N", help="the number of the first of these (%(default)s)")
    parser.add_argument("--table-engine", choices=("combined", "network"), help="figures are then not judged")
    parser.add_argument(
        "--limit", type=support.positive, metavar="N", help="only the first N of a set; figures are then not judged"
    )
    return support.run("benchmarks.tables", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
