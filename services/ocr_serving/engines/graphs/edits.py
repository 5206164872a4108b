"""Edits of ONNX graphs before an engine sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from ocr_serving.engines.base import CTC_CLASSES, Steps
from ocr_serving.errors import ModelError

IDS, SCORES, TOLD = "ctc_ids", "ctc_scores", "ctc_told"
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


def with_greedy_ctc(model: bytes, where: str = "The model", *, told: Sequence[int] = ()) -> bytes:
    """Move the arithmetic of greedy CTC decoding into the graph.

    A recogniser's output, float32 of shape (N, T, C), becomes two: the best class of each step, int32 of shape (N, T), the first
    of equals as in numpy, and its score, float32 of shape (N, T). On a GPU that spares a copy of 188 MB for 64 lines of 40 steps
    and 18,385 classes. Metadata stay, and gain `ctc_classes`. A model that has these outputs already is returned as it is. Where
    `told` names K classes there is a third output, their probabilities, float32 of shape (N, T, K).

    Raises ModelError where the output is not one of shape (N, T, C).
    """
    parsed = parse(model, where)
    graph = parsed.graph
    if [output.name for output in graph.output][:2] == [IDS, SCORES]:
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
    if told:
        graph.initializer.append(numpy_helper.from_array(np.array(told, np.int64), "ctc_told_classes"))
        graph.node.append(helper.make_node("Gather", [probabilities, "ctc_told_classes"], [TOLD], name=TOLD, axis=2))
        graph.output.append(helper.make_tensor_value_info(TOLD, TensorProto.FLOAT, [*steps, len(told)]))
    if classes is not None and CTC_CLASSES not in metadata(parsed):
        parsed.metadata_props.add(key=CTC_CLASSES, value=str(classes))
    edited: bytes = parsed.SerializeToString()
    return edited


def with_classes(model: bytes, kept: Sequence[int], where: str = "The model") -> bytes:
    """Cut a recogniser down to the classes `kept`: its output, float32 of shape (N, T, C), becomes one of shape (N, T, K).

    The last layer, a product with a constant and a sum before the softmax, loses the other columns, so it costs less as well; where
    the graph ends otherwise the probabilities are picked and made to add up to one, which gives the same. `ctc_classes` of the
    metadata stays C. Raises ModelError where the output is not one of shape (N, T, C).
    """
    parsed = parse(model, where)
    graph = parsed.graph
    steps, classes = _recogniser_shape(parsed, where)
    if classes is not None:
        parsed.metadata_props.add(key=CTC_CLASSES, value=str(classes))
    if not _cut_last_layer(graph, kept, classes):
        _pick(graph, kept)
    del graph.value_info[:]
    name = graph.output[0].name
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [*steps, len(kept)]))
    edited: bytes = parsed.SerializeToString()
    return edited


def _cut_last_layer(graph: onnx.GraphProto, kept: Sequence[int], classes: int | None) -> bool:
    """Whether the graph ends in MatMul, Add, Softmax with constants that nothing else uses, which now have `kept` columns."""
    made_by = {output: node for node in graph.node for output in node.output}
    uses = Counter(name for node in graph.node for name in node.input)

    def behind(name: str, kind: str) -> onnx.NodeProto | None:
        node = made_by.get(name)
        while node is not None and node.op_type == "Identity":
            node = made_by.get(node.input[0])
        return node if node is not None and node.op_type == kind else None

    softmax = behind(graph.output[0].name, "Softmax")
    add = behind(softmax.input[0], "Add") if softmax else None
    product = next((found for name in add.input if (found := behind(name, "MatMul"))), None) if add else None
    if add is None or product is None:
        return False
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant" and node.attribute}
    layer = [name for name in (*product.input[1:], *add.input) if name in constants]
    arrays = {name: numpy_helper.to_array(constants[name]) for name in layer}
    if len(layer) != 2 or any(uses[name] != 1 or array.shape[-1:] != (classes,) for name, array in arrays.items()):
        return False
    for name, array in arrays.items():
        constants[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array[..., list(kept)]), name))
    return True


def _pick(graph: onnx.GraphProto, kept: Sequence[int]) -> None:
    """Put behind the graph's output the same of the classes `kept` alone."""
    whole, name = "ctc_all_classes", graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [whole if one == name else one for one in names]
    graph.initializer.append(numpy_helper.from_array(np.array(kept, np.int64), "ctc_kept_classes"))
    graph.initializer.append(numpy_helper.from_array(np.array([[[1e-30]]], np.float32), "ctc_least"))
    graph.initializer.append(numpy_helper.from_array(np.ones((len(kept), 1), np.float32), "ctc_ones"))
    graph.node.extend(
        [
            helper.make_node("Gather", [whole, "ctc_kept_classes"], ["ctc_part"], name="ctc_part", axis=2),
            helper.make_node("MatMul", ["ctc_part", "ctc_ones"], ["ctc_sum"], name="ctc_sum"),
            helper.make_node("Add", ["ctc_sum", "ctc_least"], ["ctc_sum_least"], name="ctc_sum_least"),
            helper.make_node("Div", ["ctc_part", "ctc_sum_least"], [name], name="ctc_share"),
        ]
    )


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
