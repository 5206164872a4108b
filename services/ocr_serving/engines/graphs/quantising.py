"""Int8: a network whose products are computed in eight bits, by ranges of its values that were measured beforehand.

The weights come in float32, as they are published, and only the ranges come with this package: the least and the greatest value of
each tensor, measured on pages by `python -m training.ranges`. The method is static quantisation, Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, by onnxruntime's own library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import onnx
from onnx import TensorProto, shape_inference, version_converter

from ocr_serving.engines.graphs.edits import opset, parse
from ocr_serving.errors import ConfigError, ModelError

OPSET = 17
"""Scales for each channel of the weights need 13; this is what onnxruntime's quantiser is made for."""

QUANTISED = ("Conv", "MatMul", "Relu", "MaxPool")
"""Operators that run in int8. The last two do no arithmetic, and keep a convolution's answers in eight bits for the next one."""

INFERRED = "onnx.infer"
"""Key of the metadata that keeps onnxruntime's quantiser from inferring shapes by way of files in a temporary folder."""


@dataclass(frozen=True)
class Ranges:
    """What values the tensors of a folded network take.

    `weights` is the SHA-256 of the file, as it is published, `float32` names the operators that stay in float32, `ranges` has the
    least and the greatest value of a tensor by its name.
    """

    weights: str
    float32: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]

    @property
    def digest(self) -> str:
        """Changes with anything that changes the network made by these."""
        return hashlib.sha256(repr((self.float32, sorted(self.ranges.items()), OPSET, QUANTISED)).encode()).hexdigest()


@cache
def known() -> Mapping[str, Ranges]:
    """The ranges that come with this package, by the name of their weights in the catalogue."""
    found = {}
    for file in (files("ocr_serving.engines.graphs") / "ranges").iterdir():
        if file.name.endswith(".json"):
            told = json.loads(file.read_text(encoding="utf-8"))
            ranges = {name: (float(low), float(high)) for name, (low, high) in told["ranges"].items()}
            found[file.name.removesuffix(".json")] = Ranges(told["weights"], tuple(told["float32"]), ranges)
    return dict(sorted(found.items()))


def ranges_of(weights: str, where: str) -> Ranges:
    """The ranges of the network whose file, `where`, has the SHA-256 `weights`. Raises ConfigError where there are none."""
    for ranges in known().values():
        if ranges.weights == weights:
            return ranges
    raise ConfigError(
        f"precision is 'int8' but nobody has measured the ranges that {where} needs for it: set precision to 'fp32', or take the"
        f" weights of {', '.join(known())}."
    )


def quantised(model: bytes, ranges: Ranges, where: str = "The model") -> bytes:
    """`model`, a folded network, in int8: weights in int8 by channel, values in uint8, `ranges.float32` as they are.

    Raises ModelError where the ranges are not of this network.
    """
    # It takes most of a second to load, which only this needs.
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    ready = as_quantised(parse(model, where))
    ready.metadata_props.add(key=INFERRED, value="onnxruntime.quant")
    # Zero, with which convolutions pad, has to be one of the 256 values.
    numbers = {
        name: TensorData(lowest=np.float32(min(low, 0)), highest=np.float32(max(high, 0)))
        for name, (low, high) in ranges.ranges.items()
    }
    quantiser = QDQQuantizer(
        ready,
        True,  # by channel
        False,
        QuantType.QInt8,
        QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, numbers),
        [],
        list(ranges.float32),
        list(QUANTISED),
        # A product answers in float32 at no cost, and what follows it reads float32.
        {"OpTypesToExcludeOutputQuantization": ["MatMul"]},
    )
    try:
        made = quantiser.quantize_model()
    except (ValueError, KeyError) as exc:
        raise ModelError(f"The ranges for int8 that come with this package do not fit {where}: set precision to 'fp32'.") from exc
    kept = [entry for entry in made.metadata_props if entry.key != INFERRED]
    del made.metadata_props[:], made.graph.value_info[:]
    made.metadata_props.extend(kept)
    edited: bytes = made.SerializeToString()
    return edited


def as_quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` in the opset to quantise it in, with a name for each operator and the shapes of what lies in between."""
    if opset(model) < OPSET:
        model = version_converter.convert_version(model, OPSET)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    return shape_inference.infer_shapes(model)


def tensors(model: onnx.ModelProto, float32: tuple[str, ...]) -> list[str]:
    """The tensors of a model of `as_quantised` that need a range."""
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    needed: dict[str, None] = {}
    for node in model.graph.node:
        if node.op_type in QUANTISED and node.name not in float32:
            answers = () if node.op_type == "MatMul" else node.output
            needed |= dict.fromkeys(name for name in (*node.input, *answers) if name and name not in constants)
    types = {value.name: value.type.tensor_type.elem_type for value in (*model.graph.value_info, *model.graph.input)}
    return [name for name in needed if types.get(name, TensorProto.FLOAT) == TensorProto.FLOAT]


def ends(model: onnx.ModelProto) -> tuple[str, ...]:
    """The operators of a recogniser that stay in float32.

    The last product, which tells characters apart, and products of two values, those of attention, which have no weights.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    return tuple(node.name for node in products if node is products[-1] or constants.isdisjoint(node.input))
