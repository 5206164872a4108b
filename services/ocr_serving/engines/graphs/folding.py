"""The same network in fewer passes over memory: arithmetic on whole feature maps that weights can hold goes into the weights.

What onnxruntime does not see for itself, and what that costs, is in PP-OCRv3 to v5 most of all: Paddle's exporter writes hard-swish
as four operators, and PP-LCNetV3 scales and shifts what goes into and comes out of each activation by one learnt number
(`LearnableAffineBlock`). Each is a pass over all pixels, and each takes the map out of the blocked layout convolutions run in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ocr_serving.engines.graphs.edits import parse

Constant = NDArray[Any]

SUBGRAPH_IR = 4
"""The first version of the format in which weights need not be listed as inputs."""


class Affine(NamedTuple):
    """`scale` x + `shift` on each channel of x, which is of shape (N, C, H, W); both float64 of shape (C,)."""

    x: str
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


def folded(model: bytes, where: str = "The model") -> bytes:
    """An ONNX model that computes what `model` does, up to rounding, with fewer operators.

    1. Scaling, shifting and batch normalisation after a convolution go into its weights.
    2. Hard-swish, x · clip(x + 3, 0, 6) / 6, becomes x · HardSigmoid(x), which onnxruntime computes together with the convolution.
    3. Scaling and shifting before convolutions without padding go into theirs: padding is with zeros, which a shift would move.
    4. What is left of it after an activation becomes one depthwise convolution of 1 x 1, which keeps the blocked layout.

    A network in which there is nothing to fold, or with loops or branches, is returned as it is. Raises ModelError where the bytes
    hold no model.
    """
    parsed = parse(model, where)
    if any(attribute.HasField("g") or attribute.graphs for node in parsed.graph.node for attribute in node.attribute):
        return model
    graph = _Graph(parsed)
    _into_convolutions_before(graph)
    _hard_swish(graph)
    _into_convolutions_after(graph)
    _as_depthwise(graph)
    return graph.serialized() if graph.is_edited else model


class _Graph:
    """A model's nodes in their order, without constants and identities, and what its constants are."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Take over `model`, which is edited."""
        self._model = model
        self._count = 0
        self.is_edited = False
        self.constants: dict[str, Constant] = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.outputs = {output.name for output in model.graph.output}
        self.nodes: list[onnx.NodeProto] = []
        same: dict[str, str] = {}
        for node in model.graph.node:
            given = [same.get(name, name) for name in node.input]
            plain = node.output[0] not in self.outputs
            if node.op_type == "Constant" and plain and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            elif node.op_type == "Identity" and plain and given[0] in self.constants:
                self.constants[node.output[0]] = self.constants[given[0]]
            elif node.op_type == "Identity" and plain:
                same[node.output[0]] = given[0]
            else:
                _set_inputs(node, given)
                self.nodes.append(node)
        self._index()

    def maker(self, name: str) -> onnx.NodeProto | None:
        """The node that computes `name`."""
        return self._makers.get(name)

    def users(self, name: str) -> list[onnx.NodeProto]:
        """The nodes that read `name`; none where it is an output of the network too."""
        return [] if name in self.outputs else self._users.get(name, [])

    def user(self, name: str) -> onnx.NodeProto | None:
        """The node that reads `name`, where one does and nobody else."""
        users = self.users(name)
        return users[0] if len(users) == 1 else None

    def operands(self, node: onnx.NodeProto) -> tuple[str, Constant] | None:
        """What a node of two inputs computes with and the constant it does so with, where it is such a one."""
        variables = [name for name in node.input if name not in self.constants]
        if len(node.input) != 2 or len(variables) != 1:
            return None
        return variables[0], self.constants[next(name for name in node.input if name in self.constants)]

    def number(self, node: onnx.NodeProto, position: int) -> float | None:
        """The input at `position`, where it is one constant number."""
        constant = self.constants.get(node.input[position]) if position < len(node.input) else None
        return None if constant is None or constant.size != 1 else float(constant.reshape(-1)[0])

    def keep(self, constant: NDArray[np.float64]) -> str:
        """A new constant, as float32; its name."""
        self._count += 1
        name = f"folded_{self._count}"
        self.constants[name] = np.ascontiguousarray(constant, np.float32)
        return name

    def replace(self, old: Sequence[onnx.NodeProto], new: Sequence[onnx.NodeProto] = ()) -> None:
        """Put `new` where the last of `old` was, and take out all of `old`."""
        self.is_edited = True
        gone = {id(node) for node in old}
        last = max(place for place, node in enumerate(self.nodes) if id(node) in gone)
        kept = [node for node in self.nodes[: last + 1] if id(node) not in gone]
        self.nodes = [*kept, *new, *self.nodes[last + 1 :]]
        self._index()

    def serialized(self) -> bytes:
        """The model, with the constants that are still in use."""
        graph = self._model.graph
        used = {name for node in self.nodes for name in node.input} | self.outputs
        inputs = [value for value in graph.input if value.name not in self.constants]
        for field, items in (
            (graph.node, self.nodes),
            (graph.input, inputs),
            (graph.initializer, [numpy_helper.from_array(value, name) for name, value in self.constants.items() if name in used]),
            # Shapes that a file states for values in between may be of values that are no more.
            (graph.value_info, []),
        ):
            kept = list(items)
            del field[:]
            field.extend(kept)
        self._model.ir_version = max(self._model.ir_version, SUBGRAPH_IR)
        return bytes(self._model.SerializeToString())

    def _index(self) -> None:
        self._makers = {name: node for node in self.nodes for name in node.output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._users.setdefault(name, []).append(node)


def _set_inputs(node: onnx.NodeProto, names: Sequence[str]) -> None:
    """Give `node` these inputs and no others."""
    del node.input[:]
    node.input.extend(names)


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(attribute) for attribute in node.attribute if attribute.name == name), default)


def _weights(graph: _Graph, node: onnx.NodeProto | None) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Weights (out, in, h, w) and bias (out,) of a convolution of pictures, where they are constants."""
    if node is None or node.op_type != "Conv" or any(name not in graph.constants for name in node.input[1:]):
        return None
    weight = graph.constants[node.input[1]]
    if weight.ndim != 4 or weight.dtype != np.float32:
        return None
    bias = graph.constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    return weight.astype(np.float64), bias.astype(np.float64)


def _per_channel(constant: Constant, channels: int) -> NDArray[np.float64] | None:
    """A constant as one number a channel, where it is that or one number for all."""
    if constant.ndim <= 4 and constant.size == 1:
        return np.full(channels, constant.reshape(-1)[0], np.float64)
    if constant.ndim in (3, 4) and constant.size == channels == constant.shape[-3]:
        return constant.reshape(channels).astype(np.float64)
    return None


def _affine(graph: _Graph, node: onnx.NodeProto | None, channels: int) -> Affine | None:
    """What `node` does, where that is scaling and shifting of `channels` channels by constants."""
    if node is None:
        return None
    if node.op_type == "BatchNormalization" and len(node.output) == 1 and all(name in graph.constants for name in node.input[1:]):
        gamma, beta, mean, variance = (graph.constants[name].astype(np.float64) for name in node.input[1:])
        scale = gamma / np.sqrt(variance + _attribute(node, "epsilon", 1e-5))
        return Affine(node.input[0], scale, beta - mean * scale)
    operands = graph.operands(node) if node.op_type in ("Add", "Sub", "Mul", "Div") else None
    by = None if operands is None else _per_channel(operands[1], channels)
    if operands is None or by is None or (node.op_type in ("Sub", "Div") and node.input[0] != operands[0]):
        return None
    one, zero = np.ones(channels), np.zeros(channels)
    scale, shift = {"Add": (one, by), "Sub": (one, -by), "Mul": (by, zero), "Div": (1 / by, zero)}[node.op_type]
    return Affine(operands[0], scale, shift)


def _into_convolutions_before(graph: _Graph) -> None:
    for node in list(graph.nodes):
        weights = _weights(graph, node)
        if weights is None:
            continue
        weight, bias = weights
        done = []
        end = node.output[0]
        while (affine := _affine(graph, following := graph.user(end), len(bias))) is not None and following is not None:
            weight, bias = weight * affine.scale.reshape(-1, 1, 1, 1), bias * affine.scale + affine.shift
            done.append(following)
            end = following.output[0]
        if done:
            _set_inputs(node, [node.input[0], graph.keep(weight), graph.keep(bias)])
            node.output[0] = end
            graph.replace(done)


def _hard_swish(graph: _Graph) -> None:
    for clip in [node for node in graph.nodes if node.op_type == "Clip"]:
        found = _hard_swish_around(graph, clip)
        if found is None:
            continue
        x, nodes = found
        gate = f"{nodes[-1].output[0]}_gate"
        sigmoid = helper.make_node("HardSigmoid", [x], [gate], alpha=1 / 6, beta=0.5)
        graph.replace(nodes, [sigmoid, helper.make_node("Mul", [x, gate], [nodes[-1].output[0]])])


def _hard_swish_around(graph: _Graph, clip: onnx.NodeProto) -> tuple[str, list[onnx.NodeProto]] | None:
    """x and the nodes of x · clip(x + 3, 0, 6) / 6, divided before or after it is multiplied by x."""
    if len(clip.input) == 3:
        limits = graph.number(clip, 1), graph.number(clip, 2)
    else:
        limits = _attribute(clip, "min", None), _attribute(clip, "max", None)
    plus = graph.maker(clip.input[0])
    if limits[0] != 0 or limits[1] != 6 or plus is None or plus.op_type != "Add" or graph.user(clip.input[0]) is not clip:
        return None
    operands = graph.operands(plus)
    if operands is None or operands[1].size != 1 or operands[1].reshape(-1)[0] != 3:
        return None
    x, nodes = operands[0], [plus, clip]
    for _ in range(2):
        following = graph.user(nodes[-1].output[0])
        if following is None:
            return None
        nodes.append(following)
    by_x = [node.op_type == "Mul" and x in node.input for node in nodes[2:]]
    by_six = [node.op_type == "Div" and graph.number(node, 1) == 6 for node in nodes[2:]]
    return (x, nodes) if (by_x, by_six) in (([True, False], [False, True]), ([False, True], [True, False])) else None


def _after_activation(graph: _Graph, first: onnx.NodeProto) -> tuple[Affine, list[onnx.NodeProto]] | None:
    """The scaling and shifting from `first` on, where hard-swish of a convolution comes before it."""
    if first.op_type not in ("Add", "Sub", "Mul", "Div") or (operands := graph.operands(first)) is None:
        return None
    channels = _channels_of_hard_swish(graph, operands[0])
    if channels is None:
        return None
    scale, shift, nodes = np.ones(channels), np.zeros(channels), list[onnx.NodeProto]()
    following: onnx.NodeProto | None = first
    while (affine := _affine(graph, following, channels)) is not None and following is not None:
        scale, shift = scale * affine.scale, shift * affine.scale + affine.shift
        nodes.append(following)
        following = graph.user(following.output[0])
    return (Affine(operands[0], scale, shift), nodes) if nodes else None


def _channels_of_hard_swish(graph: _Graph, name: str) -> int | None:
    """How many channels `name` has, where it is x · HardSigmoid(x) or HardSwish(x) and a convolution computes x."""
    node = graph.maker(name)
    if node is None or node.op_type not in ("Mul", "HardSwish"):
        return None
    if node.op_type == "Mul":
        gates = [maker for part in node.input if (maker := graph.maker(part)) is not None and maker.op_type == "HardSigmoid"]
        if len(gates) != 1 or gates[0].input[0] not in node.input:
            return None
        node = gates[0]
    weights = _weights(graph, graph.maker(node.input[0]))
    return None if weights is None else len(weights[1])


def _takes_shift(node: onnx.NodeProto) -> bool:
    is_unpadded = not any(_attribute(node, "pads", [])) and _attribute(node, "auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    return is_unpadded and _attribute(node, "group", 1) == 1


def _into_convolutions_after(graph: _Graph) -> None:
    for first in list(graph.nodes):
        found = _after_activation(graph, first)
        if found is None:
            continue
        affine, nodes = found
        end = nodes[-1].output[0]
        users = graph.users(end)
        held = [(node, weights) for node in users if (weights := _weights(graph, node)) is not None and node.input[0] == end]
        if not held or len(held) < len(users) or not all(_takes_shift(node) for node in users):
            continue
        for node, (weight, bias) in held:
            moved = bias + np.einsum("oihw,i->o", weight, affine.shift)
            _set_inputs(node, [affine.x, graph.keep(weight * affine.scale.reshape(1, -1, 1, 1)), graph.keep(moved)])
        graph.replace(nodes)


def _as_depthwise(graph: _Graph) -> None:
    for first in list(graph.nodes):
        found = _after_activation(graph, first)
        if found is None:
            continue
        affine, nodes = found
        channels = len(affine.scale)
        inputs = [affine.x, graph.keep(affine.scale.reshape(-1, 1, 1, 1)), graph.keep(affine.shift)]
        convolution = helper.make_node("Conv", inputs, [nodes[-1].output[0]], group=channels, kernel_shape=[1, 1])
        graph.replace(nodes, [convolution])
