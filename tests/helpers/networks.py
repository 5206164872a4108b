"""Tiny ONNX networks with answers one can foretell, for tests that need an engine but no weights."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def dark_pixels(path: Path, reach: int = 0) -> Path:
    """A detector: the map is 1 where a pixel of the normalised page is darker than mid grey, else 0.

    With `reach` also so many pixels to the left and to the right of those: it joins words of a level line, as real ones do.
    """
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Constant", [], ["middle"], value=helper.make_tensor("m", TensorProto.FLOAT, [1], [0.2])),
        helper.make_node("Less", ["grey", "middle"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["own"], to=TensorProto.FLOAT),
        helper.make_node("MaxPool", ["own"], ["map"], kernel_shape=[1, 2 * reach + 1], pads=[0, reach, 0, reach]),
    ]
    return _save(path, nodes, ("x", ["N", 3, "H", "W"]), ("map", ["N", 1, "H", "W"]))


def dark_and_bright_columns(path: Path, character: str | None = "a\nb\n", opset: int = 17) -> Path:
    """A recogniser with a step each 8 pixels and three classes: blank where it is grey (so is padding), "a" dark, "b" bright."""
    nodes = [
        helper.make_node("AveragePool", ["x"], ["pooled"], kernel_shape=[48, 8], strides=[48, 8]),
        helper.make_node("Constant", [], ["third"], value=helper.make_tensor("t", TensorProto.FLOAT, [1, 3, 1, 1], [1 / 3] * 3)),
        helper.make_node("Conv", ["pooled", "third"], ["grey"]),
        helper.make_node("Constant", [], ["shape"], value=helper.make_tensor("s", TensorProto.INT64, [3], [0, -1, 1])),
        helper.make_node("Reshape", ["grey", "shape"], ["bright"]),
        helper.make_node("Neg", ["bright"], ["dark"]),
        helper.make_node("Constant", [], ["half"], value=helper.make_tensor("h", TensorProto.FLOAT, [1], [0.5])),
        helper.make_node("Sub", ["bright", "bright"], ["nothing"]),
        helper.make_node("Add", ["nothing", "half"], ["grey_enough"]),
        helper.make_node("Concat", ["grey_enough", "dark", "bright"], ["y"], axis=2),
    ]
    metadata = {} if character is None else {"character": character}
    return _save(path, nodes, ("x", ["N", 3, 48, "W"]), ("y", ["N", "T", 3]), metadata=metadata, opset=opset)


def upside_down_if_dark(path: Path) -> Path:
    """A classifier of two classes: 0.95 for the second where the picture is dark on the whole, else 0.05."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["grey"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Constant", [], ["zero"], value=helper.make_tensor("z", TensorProto.FLOAT, [1], [0.0])),
        helper.make_node("Less", ["grey", "zero"], ["is_dark"]),
        helper.make_node("Constant", [], ["sure"], value=helper.make_tensor("s", TensorProto.FLOAT, [1], [0.95])),
        helper.make_node("Constant", [], ["unsure"], value=helper.make_tensor("u", TensorProto.FLOAT, [1], [0.05])),
        helper.make_node("Where", ["is_dark", "sure", "unsure"], ["second"]),
        helper.make_node("Where", ["is_dark", "unsure", "sure"], ["first"]),
        helper.make_node("Constant", [], ["shape"], value=helper.make_tensor("h", TensorProto.INT64, [2], [-1, 1])),
        helper.make_node("Reshape", ["first", "shape"], ["column_1"]),
        helper.make_node("Reshape", ["second", "shape"], ["column_2"]),
        helper.make_node("Concat", ["column_1", "column_2"], ["y"], axis=1),
    ]
    return _save(path, nodes, ("x", ["N", 3, "H", "W"]), ("y", ["N", 2]))


def passing_through(path: Path, shape: list[int | str], opset: int = 17) -> Path:
    """A network that answers its input."""
    return _save(path, [helper.make_node("Identity", ["x"], ["y"])], ("x", shape), ("y", shape), opset=opset)


def summing_channels(path: Path, weight: float) -> Path:
    """A convolution that gives each of 64 channels the sum of all 64, times `weight`."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [64, 64, 1, 1], [weight] * 64 * 64)
    nodes = [helper.make_node("Constant", [], ["weights"], value=weights), helper.make_node("Conv", ["x", "weights"], ["y"])]
    return _save(path, nodes, ("x", ["N", 64, "H", "W"]), ("y", ["N", 64, "H", "W"]))


LAYOUTXLM: list[tuple[str, list[int | str]]] = [
    ("input_ids", [1, 512]),
    ("bbox", [1, 512, 4]),
    ("attention_mask", [1, 512]),
    ("token_type_ids", [1, 512]),
]


def ids_modulo_seven(path: Path, *, image: bool) -> Path:
    """A labeller of LayoutXLM's signature: the class of a token is its id modulo seven."""
    nodes = [
        helper.make_node("Constant", [], ["seven"], value=helper.make_tensor("s", TensorProto.INT64, [], [7])),
        helper.make_node("Mod", ["input_ids", "seven"], ["classes"]),
        helper.make_node("Constant", [], ["values"], value=helper.make_tensor("v", TensorProto.FLOAT, [2], [0, 1])),
        helper.make_node("OneHot", ["classes", "seven", "values"], ["logits"], axis=-1),
    ]
    return _save_layoutxlm(path, nodes, [], [("logits", TensorProto.FLOAT, [1, 512, 7])], image=image)


def every_pair(path: Path, *, image: bool) -> Path:
    """A relation network of LayoutXLM's signature: every pair that is asked for belongs together."""
    columns = helper.make_tensor("c", TensorProto.INT64, [7, 2], [0] * 6 + [1] * 8)
    nodes = [
        helper.make_node("Cast", ["bbox"], ["hidden_states"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["hidden_states"], ["loss"], keepdims=0),
        helper.make_node("Constant", [], ["columns"], value=columns),
        helper.make_node("Gather", ["relations", "columns"], ["pred_relations"], axis=2),
        helper.make_node("Identity", ["entities"], ["unused"]),
    ]
    answers: list[tuple[str, int, list[int | str]]] = [
        ("hidden_states", TensorProto.FLOAT, [1, 512, 4]),
        ("loss", TensorProto.FLOAT, []),
        ("pred_relations", TensorProto.INT64, [1, "pairs", 7, 2]),
    ]
    return _save_layoutxlm(path, nodes, [("entities", [1, 513, 3]), ("relations", [1, "pairs", 2])], answers, image=image)


def _save_layoutxlm(
    path: Path,
    nodes: list[onnx.NodeProto],
    more: list[tuple[str, list[int | str]]],
    answers: list[tuple[str, int, list[int | str]]],
    *,
    image: bool,
) -> Path:
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in LAYOUTXLM]
    if image:
        given.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 224, 224]))
    given += [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in more]
    graph = helper.make_graph(nodes, "network", given, [helper.make_tensor_value_info(*answer) for answer in answers])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    given: tuple[str, list[int | str]],
    answer: tuple[str, list[int | str]],
    *,
    metadata: dict[str, str] | None = None,
    opset: int = 17,
) -> Path:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (given, answer)]
    graph = helper.make_graph(nodes, "network", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
