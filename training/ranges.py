"""Measures the ranges that int8 needs: `python -m training.ranges --data DIR [--set PP-OCRv6_small]`.

Reads pages of forms/training and every second receipt (the odd ones, so that the others can judge), and writes for the
recogniser of the set the least and the greatest value of each tensor, averaged over batches of lines, into the package.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from ocr_serving import models
from ocr_serving.engines import Engine, EngineOptions, Tensor
from ocr_serving.engines.graphs import quantising
from ocr_serving.engines.graphs.edits import parse
from ocr_serving.engines.graphs.prepared import prepared
from ocr_serving.engines.onnxruntime import open_session
from ocr_serving.modules.ocr_system.module import OCRSystem

OUT = Path(quantising.__file__).parent / "ranges"
FORMS, RECEIPTS = 12, 10
BATCHES = 40
"""Of lines, of each kind of page."""


class Seen:
    """An engine that keeps what it is given."""

    def __init__(self, engine: Engine) -> None:
        """Wrap `engine`."""
        self.name, self.metadata = engine.name, engine.metadata
        self.inputs: list[Tensor] = []
        self._engine = engine

    def run(self, *inputs: Tensor) -> list[Tensor]:
        """Run once."""
        self.inputs.append(inputs[0])
        return self._engine.run(*inputs)


def calibration_pages(data: Path) -> list[list[Path]]:
    """The forms and the receipts to measure on: none of them is one that accuracy is judged on."""
    forms = sorted((data / "forms" / "training" / "images").glob("*.png"))
    receipts = sorted((data / "receipts").glob("*.jpg"))[1::2]
    return [found[:: max(1, len(found) // most)][:most] for found, most in ((forms, FORMS), (receipts, RECEIPTS))]


def lines_of(pages: Sequence[Sequence[Path]], model_set: str) -> list[Tensor]:
    """Batches of lines that the recogniser of `model_set` is given for `pages`, as many of each kind."""
    module = OCRSystem(params={"model_set": model_set})
    network = module.recognizer.chosen.network
    batches = []
    for kind in pages:
        network.engine = seen = Seen(network.engine)
        for page in kind:
            module.begin_request()
            module.predict(paths=[str(page)])
        batches += random.Random(0).sample(seen.inputs, min(BATCHES, len(seen.inputs)))
    return batches


def measured(model: onnx.ModelProto, names: Sequence[str], batches: Sequence[Tensor]) -> Mapping[str, tuple[float, float]]:
    """The least and the greatest value of each tensor in `names`, averaged over `batches`: one odd line does not widen it."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    source = model.graph.input[0].name
    inside = [name for name in names if name != source]
    there = {output.name for output in whole.graph.output}
    whole.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inside if name not in there)
    session = open_session(whole.SerializeToString(), Path("ranges"), EngineOptions())
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for batch in batches:
        values = dict(zip(inside, session.run(inside, {source: batch}), strict=True)) | {source: batch}
        for name in names:
            found[name].append((float(values[name].min()), float(values[name].max())))
    means = {name: np.mean(ends, axis=0) for name, ends in found.items()}
    return {name: (float(f"{low:.6g}"), float(f"{high:.6g}")) for name, (low, high) in means.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser("training.ranges", description="Measures the ranges that int8 needs.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder that holds forms/training and receipts")
    parser.add_argument("--set", default=models.DEFAULT_SET, metavar="NAME", help="the model set (default %(default)s)")
    args = parser.parse_args(argv)
    pages = calibration_pages(args.data)
    if not all(pages):
        print(f"There are no forms/training or no receipts in {args.data}: name the folder that holds both.", file=sys.stderr)
        return 1
    name = models.model_sets()[args.set].rec
    file = models.home(name) / "inference.onnx"
    model = quantising.as_quantised(parse(prepared(file), str(file)))
    float32 = quantising.ends(model)
    ranges = measured(model, quantising.tensors(model, float32), lines_of(pages, args.set))
    told = {"weights": hashlib.sha256(file.read_bytes()).hexdigest(), "float32": float32, "ranges": ranges}
    OUT.mkdir(exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"{OUT / name}.json: {len(ranges)} ranges")
    return 0


if __name__ == "__main__":
    sys.exit(main())
