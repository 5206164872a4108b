"""How well key information is found: `python -m benchmarks.kie --data DIR`.

SER entity F1 and RE F1 on FUNSD's test forms, on their true boxes and texts and on what our own OCR finds; kie_pages.py says how
they are counted. Micro averages over QUESTION, ANSWER and HEADER, and over all pairs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm
from training.kie import funsd
from training.kie.funsd import Box, LabelledForm

from benchmarks.library import kie_pages, report, support
from benchmarks.library.pages import WordCount
from ocr_serving.decoding.images import Image
from ocr_serving.modules.kie_ser_re.module import KieSerRe
from ocr_serving.modules.loader import load_module
from ocr_serving.stages.kie import Label

TO_REACH: Mapping[tuple[str, str], float] = {
    ("true boxes", "SER"): 0.60,
    ("true boxes", "RE"): 0.40,
    ("our OCR", "SER"): 0.60,
    ("our OCR", "RE"): 0.40,
}
"""Least F1 of the demo weights."""

Found = tuple[list[tuple[Box, str]], list[tuple[Box, Box]]]
"""Labelled boxes, and pairs of question and answer."""


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    forms = funsd.labelled_forms(args.data / "forms" / "testing")[: args.limit]
    params = {name: value for name, value in (("ser_model_dir", args.ser), ("re_model_dir", args.re)) if value}
    module = load_module("kie_ser_re", params=params)
    if not isinstance(module, KieSerRe):
        raise support.BenchmarkError("kie_ser_re is not the module of this package.")
    counts = {key: WordCount() for key in TO_REACH}
    for form in tqdm(forms, desc="kie", unit="form"):
        page = np.asarray(cv2.imread(str(form.image)), np.uint8)
        for how, truth, found in (
            ("true boxes", form.entities, _on_true_boxes(module, page, form)),
            ("our OCR", form.lines, _on_our_ocr(module, page)),
        ):
            counts[how, "SER"] += kie_pages.count_entities(found[0], truth)
            counts[how, "RE"] += kie_pages.count_pairs(found[1], truth, form.links)
    whole, demo = args.limit is None, not params
    rows = [
        {
            "on": how,
            "task": task,
            "precision": count.both / max(1, count.read),
            "recall": count.both / max(1, count.true),
            "f1": count.f1,
            "to_reach": TO_REACH[how, task],
            "reached": count.f1 >= TO_REACH[how, task] if whole and demo else None,
        }
        for (how, task), count in counts.items()
    ]
    print(f"\n{len(forms)} forms\n\n{table(rows)}")
    return {"forms": len(forms), "rows": rows, "reached": all(row["reached"] is not False for row in rows)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    header = ["on", "task", "precision", "recall", "F1", "to reach", ""]
    cells = [
        [
            row["on"],
            row["task"],
            *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")),
            f"{row['to_reach']:.2f}",
            support.verdict(row["reached"]),
        ]
        for row in rows
    ]
    return report.markdown_table(header, cells)


def _on_true_boxes(module: KieSerRe, page: Image, form: LabelledForm) -> Found:
    texts, boxes = [item.text for item in form.entities], [item.box for item in form.entities]
    windows, labels = module.ser.labeller(page, texts, boxes)
    pairs = module.finder(page, windows, labels)
    return _found(boxes, labels, pairs)


def _on_our_ocr(module: KieSerRe, page: Image) -> Found:
    upright, items, windows = module.ser.labelled(page)
    labels = [Label(item["pred"], item["pred_id"]) for item in items]
    boxes: list[Box] = [(box[0], box[1], box[2], box[3]) for box in (item["bbox"] for item in items)]
    return _found(boxes, labels, module.finder(upright.image, windows, labels))


def _found(boxes: Sequence[Box], labels: Sequence[Label], pairs: Sequence[tuple[int, int]]) -> Found:
    entities = [(box, label.name) for box, label in zip(boxes, labels, strict=True)]
    return entities, [(boxes[question], boxes[answer]) for question, answer in pairs]


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where a figure falls short."""
    parser = support.parser("benchmarks.kie", "SER and RE F1 on FUNSD's test forms, on true boxes and on our own OCR.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder that holds forms/testing")
    parser.add_argument("--ser", metavar="DIR", help="another ser_model_dir; figures are then not judged")
    parser.add_argument("--re", metavar="DIR", help="another re_model_dir; figures are then not judged")
    parser.add_argument("--limit", type=support.positive, metavar="N", help="only the first N forms; figures are then not judged")
    return support.run("benchmarks.kie", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
