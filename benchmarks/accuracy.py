"""How well real pages are read, and at what cost: `python -m benchmarks.accuracy --data DIR`.

Posts every page to a service, as many clients as workers. Word F1 compares the words of the answers with the true ones: a word
is a run of letters and digits with its case folded; the words of a page are a bag, without order; what is read, true and both
is added up over all pages of a set before F1 is taken (micro average). Lines under `drop_score` are not in the answers. "Spaced" F1
counts what stands between spaces, signs and all. Boxes of words are compared with those of FUNSD's annotations: of the words that
were read as they are, mean intersection over union and the share of at least a half; and of all words, whatever was read, the share
that a box matches by at least a half.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from benchmarks import altered
from benchmarks.library import boxes, pages, processes, report, support
from benchmarks.library.boxes import Boxes
from benchmarks.library.pages import Page, WordCount
from benchmarks.peers import readers
from ocr_serving import machine, models
from ocr_serving.engines import Precision

TO_REACH: Mapping[str, Mapping[str, float]] = {
    "PP-OCRv6_small": {"forms": 0.935, "receipts": 0.955},
    "PP-OCRv6_tiny": {"forms": 0.875, "receipts": 0.905},
}
"""Least word F1 of a model set on a set of pages."""

MEAN_IOU, MATCHED_SHARE = 0.75, 0.9
"""Least mean intersection over union of words, and least share of them that match, where their boxes are known."""


@dataclass(frozen=True)
class Row:
    """The figures of one model set on one set of pages; `reached` is None where nothing is to be judged."""

    model_set: str
    kind: str
    pages: int
    word_f1: float
    spaced_f1: float
    word_iou: float | None
    words_matched: float | None
    words_found: float | None
    to_reach: float | None
    reached: bool | None
    pages_per_s: float
    cpu_s_per_page: float


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    sets = {"forms": pages.forms(args.data), "receipts": pages.receipts(args.data)}
    workers = machine.cpu_count()
    init_args = {"precision": args.precision, "engine": args.engine}
    rows: list[Row] = []
    altered_rows: list[altered.AlteredRow] = []
    carried = [name for name, entry in models.model_sets().items() if all(models.is_present(model) for model in entry.models)]
    for model_set in carried if "all" in args.models else args.models:
        with support.serve(model_set, workers=workers, init_args=init_args) as service:
            rows += [_row(service, model_set, kind, sets[kind][: args.limit], workers, whole=args.limit is None) for kind in sets]
            for kind in sets if args.altered else ():
                altered_rows += altered.measure(service, model_set, kind, sets[kind][: args.altered], workers)
    for model_set in args.models if args.faster_paddle and "all" not in args.models else ():
        rows += [_peer_row(model_set, kind, sets[kind][: args.limit]) for kind in sets]
    print(f"\n{workers} workers, as many clients, {', '.join(init_args.values())}\n\n{table(rows)}")
    if altered_rows:
        print(f"\n{altered.table(altered_rows)}")
    return {
        "workers": workers,
        **init_args,
        "rows": [asdict(row) for row in rows],
        "altered": [asdict(row) for row in altered_rows],
        "reached": all(row.reached is not False for row in rows) and all(row.reached for row in altered_rows),
    }


def _row(service: support.Service, model_set: str, kind: str, chosen: Sequence[Page], workers: int, *, whole: bool) -> Row:
    cpu, begun = service.cpu_seconds(), time.monotonic()
    with tqdm(total=len(chosen), desc=f"{model_set} {kind}", unit="page") as progress:
        answers = support.answers(service, [page.image for page in chosen], clients=workers, progress=progress, return_words=True)
    seconds, cpu = time.monotonic() - begun, service.cpu_seconds() - cpu
    read = [[line["text"] for line in lines] for lines in answers]
    f1, spaced = (
        sum((pages.count_words(lines, page.lines, bag) for lines, page in zip(read, chosen, strict=True)), WordCount()).f1
        for bag in (pages.word_bag, pages.spaced_bag)
    )
    placed = sum((_boxes(lines, page) for lines, page in zip(answers, chosen, strict=True)), Boxes())
    to_reach = TO_REACH.get(model_set, {}).get(kind)
    reached = None if to_reach is None or not whole else f1 >= to_reach
    if reached and placed.true:
        reached = placed.mean >= MEAN_IOU and placed.found >= MATCHED_SHARE
    return Row(
        model_set,
        kind,
        len(chosen),
        f1,
        spaced,
        placed.mean if placed.true else None,
        placed.share if placed.true else None,
        placed.found if placed.true else None,
        to_reach,
        reached,
        len(chosen) / seconds,
        cpu / len(chosen),
    )


def _peer_row(model_set: str, kind: str, chosen: Sequence[Page]) -> Row:
    """What faster-paddle reads with the same weights, in one process on all cores."""
    reader = readers.faster_paddle(model_set, [page.image for page in chosen], None)
    try:
        cpu, begun = processes.cpu_seconds(reader.pid), time.monotonic()
        numbers = tqdm(range(len(chosen)), desc=f"faster-paddle, {model_set} {kind}", unit="page")
        read: list[list[str]] = [reader.ask(number) for number in numbers]
        seconds, cpu = time.monotonic() - begun, processes.cpu_seconds(reader.pid) - cpu
    finally:
        reader.close()
    f1, spaced = (
        sum((pages.count_words(lines, page.lines, bag) for lines, page in zip(read, chosen, strict=True)), WordCount()).f1
        for bag in (pages.word_bag, pages.spaced_bag)
    )
    name = f"{model_set} of faster-paddle"
    unknown = dict.fromkeys(("word_iou", "words_matched", "words_found", "to_reach", "reached"))
    return Row(name, kind, len(chosen), f1, spaced, **unknown, pages_per_s=len(chosen) / seconds, cpu_s_per_page=cpu / len(chosen))


def _boxes(lines: Sequence[Mapping[str, Any]], page: Page) -> Boxes:
    words = [(word["text"], boxes.bounds(word["text_region"])) for line in lines for word in line["words"]]
    return boxes.compare(words, page.words)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    header = [
        "weights",
        "set",
        "pages",
        "word F1",
        "spaced F1",
        "word IoU",
        "at .5",
        "of all",
        "to reach",
        "",
        "pages/s",
        "CPU s/page",
    ]
    cells = [
        [
            row.model_set,
            row.kind,
            str(row.pages),
            f"{row.word_f1:.3f}",
            f"{row.spaced_f1:.3f}",
            "" if row.word_iou is None else f"{row.word_iou:.3f}",
            "" if row.words_matched is None else f"{row.words_matched:.3f}",
            "" if row.words_found is None else f"{row.words_found:.3f}",
            "" if row.to_reach is None else f"{row.to_reach:.3f}",
            "" if row.to_reach is None else support.verdict(row.reached),
            f"{row.pages_per_s:.2f}",
            f"{row.cpu_s_per_page:.2f}",
        ]
        for row in rows
    ]
    return report.markdown_table(header, cells)


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where a figure falls short."""
    parser = support.parser("benchmarks.accuracy", "Word F1, pages/s and CPU seconds a page on real pages, through a service.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder that holds forms/testing and receipts")
    parser.add_argument(
        "--models",
        nargs="+",
        type=lambda name: name if name == "all" else support.model_set(name),
        default=list(TO_REACH),
        metavar="SET",
        help=f"model sets, or all (default: {' '.join(TO_REACH)})",
    )
    parser.add_argument("--faster-paddle", action="store_true", help="beside ours what faster-paddle reads with the same weights")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32", help="to compute in (default %(default)s)")
    parser.add_argument(
        "--engine",
        choices=("auto", "onnxruntime", "openvino"),
        default="auto",
        help="to run them on (default %(default)s: as the service chooses)",
    )
    parser.add_argument(
        "--limit", type=support.positive, metavar="N", help="only the first N pages of each set; figures are then not judged"
    )
    parser.add_argument(
        "--altered",
        type=int,
        default=10,
        metavar="N",
        help="read the first N pages of each set turned and in long pictures as well (default %(default)s; 0: none)",
    )
    return support.run("benchmarks.accuracy", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
