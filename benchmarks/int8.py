"""What int8 gains and costs: `python -m benchmarks.int8 --data DIR [--limit 8]`.

Quantises the recogniser of PP-OCRv6 small with onnxruntime, statically and per channel, calibrated on forms/training, once as a
whole and once with its last MatMul and first three Conv left in float32; then reads the same pages with each in its place.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import version_converter

from benchmarks.library import pages, report, support
from benchmarks.library.pages import Page, WordCount
from ocr_serving import models
from ocr_serving.engines import Engine, EngineOptions, Tensor
from ocr_serving.engines.graphs import edits
from ocr_serving.engines.graphs.prepared import prepared
from ocr_serving.engines.onnxruntime import open_session
from ocr_serving.modules.ocr_system.module import OCRSystem

SET = "PP-OCRv6_small"
FIRST_CONV = 3
OPSET = 17
"""Weights per channel need 13."""

BATCHES = 24
"""Of the recogniser's, that ranges are taken from."""


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


class Quantised:
    """A recogniser in int8, in the place of `like`."""

    def __init__(self, model: bytes, like: Engine) -> None:
        """Load it."""
        self.name, self.metadata = like.name, like.metadata
        self._session = open_session(model, Path("int8"), EngineOptions())
        self._input = self._session.get_inputs()[0].name

    def run(self, *inputs: Tensor) -> list[Tensor]:
        """Run once."""
        answers: list[Tensor] = self._session.run(None, {self._input: inputs[0]})
        return answers


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark, print its table, return its figures. Raises BenchmarkError."""
    support.fetch(SET)
    sets = {"forms": pages.forms(args.data)[: args.limit], "receipts": pages.receipts(args.data)[: args.limit]}
    module = OCRSystem(params={"model_set": SET})
    stage = module.recognizer.chosen
    float32, seen = stage.network.engine, Seen(stage.network.engine)
    stage.network.engine = seen
    training = sorted((args.data / "forms" / "training" / "images").glob("*.png"))
    if not training:
        raise support.BenchmarkError(f"There are no forms to calibrate on in {args.data}/forms/training.")
    module.predict(paths=[str(path) for path in training[:: max(1, len(training) // args.calibrate)][: args.calibrate]])
    inputs = random.Random(0).sample(seen.inputs, min(BATCHES, len(seen.inputs)))
    column = {character: index for index, character in enumerate(stage.characters)}
    told = tuple(column[character] for character in stage.told)
    ways: dict[str, Engine] = {"float32": float32}
    for name, spared in (("int8, all of it", False), ("int8, ends in float32", True)):
        ways[name] = Quantised(edits.with_greedy_ctc(quantised(inputs, spared=spared), SET, told=told), float32)
    rows: list[dict[str, Any]] = []
    for name, engine in ways.items():
        stage.network.engine = engine
        rows.append({"recogniser": name} | {kind: _read(module, chosen) for kind, chosen in sets.items()})
        print(rows[-1], flush=True)
    header = ["recogniser", *(f"{kind}: {what}" for kind in sets for what in ("word F1", "CPU s/page"))]
    cells = [[str(row["recogniser"]), *(value for kind in sets for value in _cells(row[kind]))] for row in rows]
    print(f"\n{report.markdown_table(header, cells)}")
    return {"pages": {kind: len(chosen) for kind, chosen in sets.items()}, "rows": rows, "reached": None}


def quantised(inputs: Sequence[Tensor], *, spared: bool) -> bytes:
    """The recogniser without its end of CTC, in int8; with `spared` but for its last MatMul and first convolutions."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader

    file = models.home(models.model_sets()[SET].rec) / "inference.onnx"
    model = version_converter.convert_version(onnx.load_from_string(prepared(file)), OPSET)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    nodes = {kind: [node.name for node in model.graph.node if node.op_type == kind] for kind in ("MatMul", "Conv")}

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Mapping[str, Tensor]] = ({model.graph.input[0].name: value} for value in inputs)

        def get_next(self) -> Mapping[str, Tensor] | None:
            return next(self._left, None)

    with tempfile.TemporaryDirectory() as folder:
        whole, made = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, whole)
        quantize_static(
            str(whole),
            str(made),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "MatMul", "Gemm"],
            nodes_to_exclude=[nodes["MatMul"][-1], *nodes["Conv"][:FIRST_CONV]] if spared else [],
            extra_options={"CalibMovingAverage": spared},
        )
        return made.read_bytes()


def _read(module: OCRSystem, chosen: Sequence[Page]) -> dict[str, float]:
    begun, count = time.process_time(), WordCount()
    for page in chosen:
        module.begin_request()
        (lines,) = module.predict(paths=[str(page.image)])
        count += pages.count_words([line["text"] for line in lines], page.lines)
    return {"word_f1": count.f1, "cpu_s_per_page": (time.process_time() - begun) / len(chosen)}


def _cells(figures: Mapping[str, float]) -> tuple[str, str]:
    return f"{figures['word_f1']:.4f}", f"{figures['cpu_s_per_page']:.2f}"


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = support.parser("benchmarks.int8", "Word F1 and CPU seconds a page with a recogniser in int8.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder that holds forms and receipts")
    parser.add_argument("--limit", type=support.positive, metavar="N", help="only the first N pages of each kind")
    parser.add_argument("--calibrate", type=support.positive, default=6, metavar="N", help="on so many training forms (default 6)")
    return support.run("benchmarks.int8", measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
