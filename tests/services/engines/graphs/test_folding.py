"""Folding changes how a network is computed, not what it answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

import ocr_serving
from helpers import networks
from ocr_serving import models
from ocr_serving.engines import engine_options, open_engine
from ocr_serving.engines.base import EngineOptions
from ocr_serving.engines.graphs import prepared
from ocr_serving.engines.graphs.edits import with_greedy_ctc
from ocr_serving.engines.graphs.folding import folded
from ocr_serving.errors import ModelError

Floats = NDArray[np.float32]
RNG = np.random.default_rng(7)


def network(nodes: Sequence[NodeProto], *, outputs: Sequence[str] = ("y",), opset: int = 13, **constants: Any) -> bytes:
    """A model of one input x, of three channels; `constants` by name, as float32."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return bytes(model.SerializeToString())


def conv(given: str, name: str, weight: str = "w", **attributes: Any) -> NodeProto:
    return helper.make_node("Conv", [given, weight], [name], **attributes)


def weights(channels_in: int = 3, side: int = 1, channels: int = 4) -> Floats:
    return RNG.normal(size=(channels, channels_in, side, side)).astype(np.float32)


def hard_swish(given: str, name: str, *, divided_first: bool = False) -> list[NodeProto]:
    """As Paddle's exporter writes it, with the constants three, zero, six, and six again as the divisor."""
    plus = helper.make_node("Add", [given, "three"], [f"{name}_plus"])
    clip = helper.make_node("Clip", [f"{name}_plus", "zero", "six"], [f"{name}_clip"])
    if divided_first:
        div = helper.make_node("Div", [f"{name}_clip", "divisor"], [f"{name}_part"])
        return [plus, clip, div, helper.make_node("Mul", [given, f"{name}_part"], [name])]
    mul = helper.make_node("Mul", [given, f"{name}_clip"], [f"{name}_part"])
    return [plus, clip, mul, helper.make_node("Div", [f"{name}_part", "divisor"], [name])]


HARD_SWISH: dict[str, Any] = {"three": 3.0, "zero": 0.0, "six": 6.0, "divisor": 6.0}
SCALE_AND_SHIFT: dict[str, Any] = {"scale": 1.7, "shift": [-0.4]}


def operators(model: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_model_from_string(model).graph.node)


def answers(model: bytes, picture: Floats) -> list[Floats]:
    options = onnxruntime.SessionOptions()
    # What is compared is the graph as it was written, not what onnxruntime makes of it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found: list[Floats] = session.run(None, {"x": picture})
    return found


def check(model: bytes, **expected: int) -> None:
    """Folding `model` changes no answer, at the borders neither, and leaves these operators and no others."""
    made = folded(model)
    picture = RNG.normal(size=(2, 3, 9, 11)).astype(np.float32)
    for before, after in zip(answers(model, picture), answers(made, picture), strict=True):
        np.testing.assert_allclose(after, before, atol=2e-5)
    assert operators(made) == expected


def test_scaling_and_shifting_after_a_convolution_goes_into_it() -> None:
    nodes = [
        conv("x", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "gamma", "beta", "mean", "var"], ["b"], epsilon=1e-3),
        helper.make_node("Add", ["channels", "b"], ["c"]),
        helper.make_node("Mul", ["c", "scale"], ["d"]),
        helper.make_node("Sub", ["d", "shift"], ["e"]),
        helper.make_node("Div", ["e", "scale"], ["y"]),
    ]
    norm: dict[str, Any] = {"gamma": [1, 2, 3, 4], "beta": [0, 1, 0, -1], "mean": [0.5] * 4, "var": [1, 0.2, 3, 2]}
    channels = RNG.normal(size=(1, 4, 1, 1))
    check(network(nodes, w=weights(side=3), **norm, channels=channels, **SCALE_AND_SHIFT), Conv=1)


@pytest.mark.parametrize("divided_first", [False, True])
def test_hard_swish_becomes_what_onnxruntime_fuses(divided_first: bool) -> None:
    nodes = [conv("x", "a"), *hard_swish("a", "y", divided_first=divided_first)]
    check(network(nodes, w=weights(), **HARD_SWISH), Conv=1, HardSigmoid=1, Mul=1)


def test_hard_swish_with_limits_as_attributes() -> None:
    nodes = [
        helper.make_node("Add", ["x", "three"], ["a"]),
        helper.make_node("Clip", ["a"], ["b"], min=0.0, max=6.0),
        helper.make_node("Mul", ["b", "x"], ["c"]),
        helper.make_node("Div", ["c", "divisor"], ["y"]),
    ]
    check(network(nodes, opset=10, **HARD_SWISH), HardSigmoid=1, Mul=1)


@pytest.mark.parametrize("constant", [{"three": 2.0}, {"six": 5.0}, {"divisor": 5.0}, {"zero": 1.0}])
def test_what_only_looks_like_hard_swish_stays(constant: dict[str, Any]) -> None:
    nodes = [conv("x", "a"), *hard_swish("a", "y")]
    model = network(nodes, w=weights(), **{**HARD_SWISH, **constant})
    assert folded(model) == model


def scaled_after_activation(second: NodeProto) -> list[NodeProto]:
    return [
        conv("x", "a"),
        *hard_swish("a", "b"),
        helper.make_node("Add", ["b", "shift"], ["b_shifted"]),
        helper.make_node("Mul", ["scale", "b_shifted"], ["c"]),
        helper.make_node("Add", ["c", "shift"], ["d"]),
        second,
    ]


def test_scaling_and_shifting_after_an_activation_goes_into_the_next_convolution() -> None:
    model = network(scaled_after_activation(conv("d", "y", "v")), w=weights(), v=weights(4), **HARD_SWISH, **SCALE_AND_SHIFT)
    check(model, Conv=2, HardSigmoid=1, Mul=1)


def test_before_padding_it_becomes_a_depthwise_convolution() -> None:
    padded = conv("d", "y", "v", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    model = network(scaled_after_activation(padded), w=weights(), v=weights(4, 3), **HARD_SWISH, **SCALE_AND_SHIFT)
    check(model, Conv=3, HardSigmoid=1, Mul=1)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "VALID"])
def test_padding_may_be_asked_for_by_name(auto_pad: str) -> None:
    named = conv("d", "y", "v", kernel_shape=[3, 3], auto_pad=auto_pad)
    model = network(scaled_after_activation(named), w=weights(), v=weights(4, 3), **HARD_SWISH, **SCALE_AND_SHIFT)
    check(model, Conv=2 if auto_pad == "VALID" else 3, HardSigmoid=1, Mul=1)


def test_a_value_that_is_read_elsewhere_is_not_changed() -> None:
    nodes = [conv("x", "a"), helper.make_node("Mul", ["a", "scale"], ["y"]), helper.make_node("Relu", ["a"], ["z"])]
    model = network(nodes, outputs=["y", "z"], w=weights(), **SCALE_AND_SHIFT)
    assert folded(model) == model


def test_a_value_that_is_an_answer_is_not_changed() -> None:
    nodes = [conv("x", "y"), helper.make_node("Mul", ["y", "scale"], ["z"])]
    model = network(nodes, outputs=["y", "z"], w=weights(), **SCALE_AND_SHIFT)
    assert folded(model) == model


def test_a_constant_along_the_picture_stays() -> None:
    nodes = [conv("x", "a"), helper.make_node("Add", ["a", "columns"], ["y"])]
    model = network(nodes, w=weights(), columns=RNG.normal(size=(1, 1, 1, 4)))
    assert folded(model) == model


def test_constants_and_identities_may_be_nodes_and_weights_may_be_listed_as_inputs() -> None:
    nodes = [
        helper.make_node("Constant", [], ["two"], value=helper.make_tensor("t", TensorProto.FLOAT, [], [2.0])),
        helper.make_node("Identity", ["w"], ["w_same"]),
        conv("x", "a", "w_same"),
        helper.make_node("Identity", ["a"], ["a_same"]),
        helper.make_node("Mul", ["a_same", "two"], ["y"]),
    ]
    parsed = onnx.load_model_from_string(network(nodes, w=weights()))
    parsed.ir_version = 3
    parsed.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3, 1, 1]))
    check(parsed.SerializeToString(), Conv=1)


def test_a_network_with_branches_is_left_alone() -> None:
    branch = helper.make_graph(
        [helper.make_node("Mul", ["a", "scale"], ["out"])], "b", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    )
    nodes = [
        conv("x", "a"),
        helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True])),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Mul", ["a", "scale"], ["z"]),
    ]
    model = network(nodes, outputs=["y", "z"], w=weights(), **SCALE_AND_SHIFT)
    assert folded(model) == model


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(ModelError, match=r"det\.onnx is damaged"):
        folded(b"\x00nothing", "det.onnx")


@pytest.mark.models
@pytest.mark.parametrize(
    "name", ["PP-OCRv3_mobile_rec", "PP-OCRv4_mobile_det", "PP-OCRv4_mobile_rec", "PP-OCRv5_mobile_rec", "layout_cdla"]
)
def test_real_networks_lose_a_third_of_their_operators_and_answer_the_same(name: str) -> None:
    model = (models.resolve(name).path / "inference.onnx").read_bytes()
    made = folded(model)
    assert prepared.is_same(model, made)
    arithmetic = ("Add", "Mul", "Div", "Clip", "BatchNormalization")
    before, after = (sum(operators(one)[kind] for kind in arithmetic) for one in (model, made))
    assert after < 0.67 * before


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, in place of the user's."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv("OCR_SERVING_MODELS", str(folder))
    return folder


def foldable(path: Path) -> Path:
    path.write_bytes(network([conv("x", "a"), *hard_swish("a", "y")], w=weights(), **HARD_SWISH))
    return path


def kept(store: Path) -> list[Path]:
    return list((store / prepared.FOLDER).iterdir())


def test_a_prepared_model_is_kept_for_the_next_start(store: Path, tmp_path: Path) -> None:
    file = foldable(tmp_path / "det.onnx")
    made = prepared.prepared(file)
    assert operators(made)["HardSigmoid"] == 1
    (entry,) = kept(store)
    modified = entry.stat().st_mtime_ns
    assert prepared.prepared(file) == made
    assert kept(store) == [entry]
    assert entry.stat().st_mtime_ns == modified


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:40] + b"\xff" + content[41:]])
def test_a_damaged_one_is_made_again(store: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = foldable(tmp_path / "det.onnx")
    made = prepared.prepared(file)
    (entry,) = kept(store)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert prepared.prepared(file) == made
    assert entry.read_bytes() == whole


def test_other_weights_under_the_same_name_are_prepared_anew(store: Path, tmp_path: Path) -> None:
    file = foldable(tmp_path / "det.onnx")
    first = prepared.prepared(file)
    foldable(file)
    assert prepared.prepared(file) != first


def test_what_other_code_made_of_a_model_is_not_used(store: Path, tmp_path: Path) -> None:
    file = foldable(tmp_path / "det.onnx")
    prepared.prepared(file)
    other = tmp_path / "other"
    shutil.copytree(Path(ocr_serving.__file__).parent, other / "ocr_serving", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "ocr_serving" / "engines" / "graphs" / "edits.py").open("a") as code:
        code.write("PIXELS_OPSET = 12\n")
    again = "import sys, pathlib; from ocr_serving.engines.graphs import prepared; prepared.prepared(pathlib.Path(sys.argv[1]))"
    for package, entries in ((Path(ocr_serving.__file__).parents[1], 1), (other, 2)):
        subprocess.run([sys.executable, "-P", "-c", again, file], check=True, env=os.environ | {"PYTHONPATH": str(package)})
        assert len(kept(store)) == entries


def test_a_recogniser_is_kept_with_its_decoding_and_without(store: Path, tmp_path: Path) -> None:
    file = networks.dark_and_bright_columns(tmp_path / "rec.onnx")
    assert prepared.prepared(file) == file.read_bytes()
    assert prepared.prepared(file, greedy_ctc=True) == with_greedy_ctc(file.read_bytes())
    assert len(kept(store)) == 2


def test_a_store_that_cannot_be_written_only_costs_the_work_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCR_SERVING_MODELS", str(tmp_path / "nowhere"))
    file = foldable(tmp_path / "det.onnx")
    assert prepared.prepared(file) == prepared.prepared(file)
    assert not (tmp_path / "nowhere").exists()


def test_a_network_that_would_answer_otherwise_is_used_as_it_is(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = foldable(tmp_path / "det.onnx")
    other = foldable(tmp_path / "other.onnx").read_bytes()
    monkeypatch.setattr(prepared, "folded", lambda model, where: other)
    assert prepared.prepared(file) == file.read_bytes()
    assert "det.onnx is used as it is" in caplog.text


def test_a_difference_that_rounding_cannot_make_is_seen() -> None:
    nodes = [conv("x", "y")]
    weight = weights()
    moved = weight.copy()
    moved[0, 0] += 1e-3
    assert prepared.is_same(network(nodes, w=weight), network(nodes, w=weight))
    assert not prepared.is_same(network(nodes, w=weight), network(nodes, w=moved))


def engine_of(name: str, **options: object) -> str:
    return open_engine(models.resolve(name).path, EngineOptions.model_validate(options)).name


@pytest.mark.models
def test_the_catalogue_chooses_the_faster_engine_for_a_model_and_a_cpu(cpu: Callable[[str], None]) -> None:
    cpu("avx2")
    assert engine_of("PP-OCRv4_mobile_det") == "onnxruntime"
    for newer in ("amx_bf16", "avx512_bf16"):
        cpu(f"avx2 avx512f {newer}")
        assert engine_of("PP-OCRv4_mobile_det") == "onnxruntime"
    cpu("avx2 avx512f")
    assert engine_of("PP-OCRv4_mobile_det") == "openvino"
    assert engine_of("PP-OCRv4_mobile_det", engine="onnxruntime") == "onnxruntime"
    assert engine_of("PP-OCRv5_mobile_det") == "onnxruntime"


def test_a_model_of_the_users_is_not_taken_for_the_catalogues(tmp_path: Path, cpu: Callable[[str], None]) -> None:
    cpu("avx512f")
    folder = tmp_path / "PP-OCRv4_mobile_det"
    folder.mkdir()
    networks.dark_pixels(folder / "inference.onnx")
    assert open_engine(folder, engine_options()).name == "onnxruntime"
