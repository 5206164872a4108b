"""Edits of ONNX graphs before an engine sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from ocr_serving.engines.base import CTC_CLASSES, Steps
from ocr_serving.errors import ModelError

IDS, SCORES = "ctc_ids", "ctc_scores"
PIXELS, SIZES = "pixels", "pixels_sizes"

PIXELS_OPSET = 11
"""The first opset whose operators `with_pixels` can use."""


def parse(model: bytes, where: str) -> onnx.ModelProto:
    """The ONNX model in `model`. Raises ModelError where these bytes hold none; `where` names their file."""
    try:
        parsed = onnx.load_model_from_string(model)
    except Exception as exc:
        raise ModelError(f"{where} is damaged or is not an ONNX model: fetch it again.") from exc
    if not parsed.graph.node:
        raise ModelError(f"{where} is empty or is not an ONNX model: fetch it again.")
    return parsed


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The free text a model file carries."""
    return {entry.key: entry.value for entry in model.metadata_props}


def with_greedy_ctc(model: bytes, where: str = "The model") -> bytes:
    """Move the arithmetic of greedy CTC decoding into the graph.

    A recogniser's output, float32 of shape (N, T, C), becomes two: the best class of each step, int32 of shape (N, T), the first
    of equals as in numpy, and its score, float32 of shape (N, T). On a GPU that spares a copy of 188 MB for 64 lines of 40 steps
    and 18,385 classes. Metadata stay, and gain `ctc_classes`. A model that has these outputs already is returned as it is.

    Raises ModelError where the output is not one of shape (N, T, C).
    """
    parsed = parse(model, where)
    graph = parsed.graph
    if [output.name for output in graph.output] == [IDS, SCORES]:
        return model
    steps, classes = _recogniser_shape(parsed, where)
    probabilities = graph.output[0].name
    # axes is an attribute of ReduceMax before opset 18 and an input from there on.
    if opset(parsed) < 18:
        best = helper.make_node("ReduceMax", [probabilities], [SCORES], name=SCORES, axes=[2], keepdims=0)
    else:
        graph.initializer.append(helper.make_tensor("ctc_axes", TensorProto.INT64, [1], [2]))
        best = helper.make_node("ReduceMax", [probabilities, "ctc_axes"], [SCORES], name=SCORES, keepdims=0)
    argmax = helper.make_node("ArgMax", [probabilities], ["ctc_ids_int64"], name="ctc_argmax", axis=2, keepdims=0)
    graph.node.extend([argmax, helper.make_node("Cast", ["ctc_ids_int64"], [IDS], name=IDS, to=TensorProto.INT32), best])
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(IDS, TensorProto.INT32, steps))
    graph.output.append(helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, steps))
    if classes is not None:
        parsed.metadata_props.add(key=CTC_CLASSES, value=str(classes))
    edited: bytes = parsed.SerializeToString()
    return edited


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators a model is written in."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def with_pixels(model: bytes, steps: Steps, where: str = "The model") -> bytes:
    """Move the normalisation of pictures into the graph.

    The input, float32 of shape (N, 3, H, W), becomes two: pixels, uint8 of shape (N, H, W, 3), and for each row the height and the
    width of what it shows, int64 of shape (N, 2). The graph applies `steps` in float32, in their order, so to the bit what numpy
    gives, and puts zeros beyond what a row shows. A quarter of the bytes travel, and padding costs the host nothing.

    Raises ModelError where the network does not take one picture, or is written in an opset older than `PIXELS_OPSET`.
    """
    parsed = parse(model, where)
    graph = parsed.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1 or len(_dimensions(inputs[0]) or ()) not in (0, 4):
        raise ModelError(f"{where} takes {len(inputs)} inputs, but pixels fit a network with one, of shape (N, 3, H, W).")
    if opset(parsed) < PIXELS_OPSET:
        raise ModelError(f"{where} is of opset {opset(parsed)}, but pixels need {PIXELS_OPSET}: export it again.")

    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, value: object, dtype: type[np.generic]) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype), f"pixels_{name}"))
        return f"pixels_{name}"

    def node(kind: str, given: Sequence[str], name: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, given, [name], name=f"pixels_node_{len(nodes)}", **attributes))
        return name

    value = node("Transpose", [node("Cast", [PIXELS], "pixels_float", to=TensorProto.FLOAT)], "pixels_planes", perm=[0, 3, 1, 2])
    for n, (kind, numbers) in enumerate(steps):
        by = constant(f"by_{n}", np.reshape(numbers, (1, -1, 1, 1)), np.float32)
        value = node(kind, [value, by], f"pixels_step_{n}")
    shape = node("Shape", [PIXELS], "pixels_shape")
    inside = []
    for axis, (name, frame) in enumerate((("rows", (1, 1, -1, 1)), ("columns", (1, 1, 1, -1)))):
        index = constant(f"{name}_axis", axis + 1, np.int64)
        count = node("Gather", [shape, index], f"pixels_{name}_count")
        start, step = constant(f"{name}_start", 0, np.int64), constant(f"{name}_step", 1, np.int64)
        positions = node("Range", [start, count, step], f"pixels_{name}_range")
        positions = node("Reshape", [positions, constant(f"{name}_frame", frame, np.int64)], f"pixels_{name}")
        ends = node("Gather", [SIZES, constant(f"{name}_end_axis", axis, np.int64)], f"pixels_{name}_end_list", axis=1)
        ends = node("Reshape", [ends, constant(f"{name}_end_frame", (-1, 1, 1, 1), np.int64)], f"pixels_{name}_ends")
        inside.append(node("Less", [positions, ends], f"pixels_in_{name}"))
    zero = constant("zero", 0, np.float32)
    node("Where", [node("And", inside, "pixels_inside"), value, zero], inputs[0].name)

    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    graph.initializer.extend(constants)
    graph.input.remove(inputs[0])
    graph.input.insert(0, helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["N", "H", "W", 3]))
    graph.input.insert(1, helper.make_tensor_value_info(SIZES, TensorProto.INT64, ["N", 2]))
    edited: bytes = parsed.SerializeToString()
    return edited


def with_shape(model: bytes, batch: int, height: int, width: int, where: str = "The model") -> bytes:
    """A model of `with_pixels` for batches of one shape only, so that an engine plans for it."""
    parsed = parse(model, where)
    for value in parsed.graph.input:
        fixed = {PIXELS: (batch, height, width, 3), SIZES: (batch, 2)}.get(value.name)
        for dim, number in zip(value.type.tensor_type.shape.dim, fixed or (), strict=False):
            dim.dim_value = number
    for value in parsed.graph.output:
        # What the file says of outputs may name the old batch.
        value.type.tensor_type.ClearField("shape")
    edited: bytes = parsed.SerializeToString()
    return edited


def recogniser_metadata(model: onnx.ModelProto, where: str) -> dict[str, str]:
    """`metadata` of a recogniser with `ctc_classes`, where known. Raises ModelError where its output is not of shape (N, T, C)."""
    _, classes = _recogniser_shape(model, where)
    return metadata(model) | ({} if classes is None else {CTC_CLASSES: str(classes)})


def _recogniser_shape(model: onnx.ModelProto, where: str) -> tuple[list[int | str | None], int | None]:
    """(N, T), and C where the graph lets it be known."""
    if len(model.graph.output) != 1:
        raise ModelError(f"{where} has {len(model.graph.output)} outputs, but a CTC recogniser has one, of shape (N, T, C).")
    shape = _shape(model)
    if shape is None:
        return [None, None], None
    if len(shape) != 3:
        raise ModelError(f"{where} has an output of {len(shape)} dimensions, but a CTC recogniser's is of shape (N, T, C).")
    return shape[:2], shape[2] if isinstance(shape[2], int) else None


def _shape(model: onnx.ModelProto) -> list[int | str | None] | None:
    """Shape of the first output, inferred where the file does not state it; None where its rank is unknown."""
    stated = _dimensions(model.graph.output[0])
    if stated is not None and isinstance(stated[-1], int):
        return stated
    return _dimensions(shape_inference.infer_shapes(model).graph.output[0]) or stated


def _dimensions(value: onnx.ValueInfoProto) -> list[int | str | None] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.dim_value > 0 else dim.dim_param or None for dim in tensor.shape.dim]
