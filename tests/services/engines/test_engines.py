"""The model folder chooses the engine; what cannot be served is refused in one sentence."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import networks
from helpers.services import needs_bfloat16
from ocr_serving.engines import engine_options, model_files, open_engine
from ocr_serving.engines.local import engine_name
from ocr_serving.errors import ConfigError, ModelError, ServingError


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    folder = tmp_path / "onnx_model"
    folder.mkdir()
    return networks.passing_through(folder / "inference.onnx", ["N", 2])


@pytest.fixture
def paddle_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "paddle_model"
    folder.mkdir()
    for name in ("inference.pdmodel", "inference.pdiparams"):
        (folder / name).write_bytes(b"not read before paddle is asked")
    return folder


@pytest.mark.parametrize("as_folder", [True, False])
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "onnxruntime"),
        ({"engine": "onnxruntime"}, "onnxruntime"),
        ({"engine": "openvino"}, "openvino"),
        ({"enable_mkldnn": True}, "openvino"),
        ({"enable_mkldnn": True, "engine": "openvino", "cpu_threads": 2}, "openvino"),
    ],
)
def test_an_onnx_model_is_run_by(onnx_file: Path, options: dict[str, Any], name: str, as_folder: bool) -> None:
    engine = open_engine(onnx_file.parent if as_folder else onnx_file, engine_options(**options))
    values = np.array([[1.5, -2.0]], np.float32)
    assert engine.name == name
    assert (engine.run(values)[0] == values).all()


def test_bfloat16_is_for_openvino(onnx_file: Path) -> None:
    assert engine_name({"onnx": onnx_file}, engine_options(precision="bf16"), onnx_file) == "openvino"


@needs_bfloat16
def test_bfloat16_is_what_is_computed_in(tmp_path: Path) -> None:
    file = networks.summing_channels(tmp_path / "inference.onnx", 1 + 2**-12)
    values = np.ones((1, 64, 64, 64), np.float32)
    engines = [open_engine(file, engine_options(**options)) for options in ({"engine": "openvino"}, {"precision": "bf16"})]
    exact, rounded = (engine.run(values)[0] for engine in engines)
    assert exact.flat[0] == pytest.approx(64 * (1 + 2**-12), rel=1e-6)
    assert rounded.flat[0] == 64


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_an_answer_stays_when_the_engine_runs_again(onnx_file: Path, name: str) -> None:
    engine = open_engine(onnx_file, engine_options(engine=name))
    (first,) = engine.run(np.ones((1, 2), np.float32))
    engine.run(np.zeros((1, 2), np.float32))
    assert (first == 1).all()


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_metadata_are_read(tmp_path: Path, name: str) -> None:
    file = networks.dark_and_bright_columns(tmp_path / "rec.onnx", "é\n \n")
    assert open_engine(file, engine_options(engine=name)).metadata["character"] == "é\n \n"


def test_a_paddle_folder_goes_to_paddle(paddle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddle", None)
    with pytest.raises(ConfigError, match=r"Engine 'paddle' is not installed: pip install 'ocr-serving\[paddle\]'"):
        open_engine(paddle_folder, engine_options())


def test_files_of_another_stem_are_found(paddle_folder: Path) -> None:
    (paddle_folder / "inference.pdmodel").rename(paddle_folder / "model.json")
    (paddle_folder / "inference.pdiparams").rename(paddle_folder / "model.pdiparams")
    assert model_files(paddle_folder) == {"paddle": paddle_folder / "model.json"}


def test_of_both_formats_onnx_is_taken(onnx_file: Path, paddle_folder: Path) -> None:
    shutil.copy(onnx_file, paddle_folder)
    assert open_engine(paddle_folder, engine_options()).name == "onnxruntime"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"engine": "onnxruntime", "enable_mkldnn": True}, "enable_mkldnn has no meaning for engine 'onnxruntime'"),
        ({"engine": "paddle"}, "is an ONNX model, but engine 'paddle' reads Paddle"),
        ({"use_tensorrt": True}, "use_tensorrt needs a GPU: set use_gpu to true as well"),
        ({"use_gpu": True, "enable_mkldnn": True}, "set one of the two to false"),
        ({"use_gpu": True}, "This onnxruntime has no CUDAExecutionProvider"),
        ({"use_gpu": True, "use_tensorrt": True}, "This onnxruntime has no TensorrtExecutionProvider"),
        ({"use_gpu": True, "engine": "openvino"}, "Engine 'openvino' runs on CPUs only"),
        ({"use_gpu": True, "precision": "bf16"}, "precision 'bf16' is for CPUs: set it to 'fp32', or use_gpu to false"),
        (
            {"engine": "onnxruntime", "precision": "bf16"},
            "precision 'bf16' needs .* goes to 'onnxruntime': set precision to 'fp32', or",
        ),
        ({"use_gpu": True, "precision": "int8"}, "precision 'int8' is for CPUs: set it to 'fp32', or use_gpu to false"),
        ({"engine": "openvino", "precision": "int8"}, "precision 'int8' needs .* goes to 'openvino': set precision to 'fp32', or"),
        ({"enable_mkldnn": True, "precision": "int8"}, "precision 'int8' needs .* goes to 'openvino': set precision to 'fp32', or"),
        ({"precision": "int8"}, "nobody has measured the ranges .*: set precision to 'fp32', or take .* PP-OCRv6_small_rec"),
    ],
)
def test_options_that_cannot_be_served_are_refused(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch, cpu: Callable[[str], None], options: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    cpu("avx512_bf16 avx512_vnni")
    with pytest.raises(ConfigError, match=sentence):
        open_engine(onnx_file, engine_options(**options))


def test_bfloat16_is_refused_on_a_cpu_without_it(onnx_file: Path, cpu: Callable[[str], None]) -> None:
    cpu("avx2 avx512f")
    with pytest.raises(ConfigError, match=r"precision is 'bf16' but this CPU has no instructions for it .*: set it to 'fp32'"):
        open_engine(onnx_file, engine_options(precision="bf16"))


def test_int8_is_refused_on_a_cpu_without_it(onnx_file: Path, cpu: Callable[[str], None]) -> None:
    cpu("avx2 avx512f")
    with pytest.raises(ConfigError, match=r"precision is 'int8' but this CPU has no instructions for it .*: set it to 'fp32'"):
        open_engine(onnx_file, engine_options(precision="int8"))


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_other_precisions_are_refused_for_a_paddle_model(paddle_folder: Path, cpu: Callable[[str], None], precision: str) -> None:
    cpu("amx_bf16 avx512_vnni")
    with pytest.raises(ConfigError, match=f"precision '{precision}' needs an ONNX model"):
        open_engine(paddle_folder, engine_options(precision=precision))


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU")
def test_onnxruntime_gpu_without_a_gpu_says_so_in_one_sentence(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(ConfigError, match=r"^use_gpu is true but .* NVIDIA driver .* or set use_gpu to false"):
        open_engine(onnx_file, engine_options(use_gpu=True))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("devices", [None, "", "-1"])
def test_a_gpu_must_be_chosen(onnx_file: Path, monkeypatch: pytest.MonkeyPatch, devices: str | None) -> None:
    if devices is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    with pytest.raises(ConfigError, match="use_gpu is true but no GPU is chosen: set CUDA_VISIBLE_DEVICES"):
        open_engine(onnx_file, engine_options(use_gpu=True))


@pytest.mark.parametrize(("name", "extra"), [("onnxruntime", "cpu"), ("openvino", "openvino")])
def test_a_missing_library_names_the_extra(onnx_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"Engine '{name}' is not installed: pip install 'ocr-serving\[{extra}\]'"):
        open_engine(onnx_file, engine_options(engine=name))


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("greedy_ctc", [True, False])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", None], ids=["empty", "a web page", "cut short"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, greedy_ctc: bool, content: bytes | None) -> None:
    file = networks.dark_and_bright_columns(tmp_path / "inference.onnx")
    file.write_bytes(file.read_bytes()[:200] if content is None else content)
    with pytest.raises(ModelError, match=r"inference\.onnx") as caught:
        open_engine(file, engine_options(engine=name), greedy_ctc=greedy_ctc)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_input_of_a_wrong_shape_is_a_sentence(onnx_file: Path, name: str) -> None:
    engine = open_engine(onnx_file, engine_options(engine=name))
    with pytest.raises(ModelError, match=r"inference\.onnx failed on input of shape \[\(1, 3\)\]") as caught:
        engine.run(np.zeros((1, 3), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "holds no model"),
        (["a.onnx", "b.onnx"], r"holds several models \(a\.onnx, b\.onnx\)"),
        (["inference.pdiparams"], r"has inference\.pdiparams but neither inference\.json nor inference\.pdmodel"),
    ],
)
def test_a_folder_without_one_model_is_refused(tmp_path: Path, files: list[str], sentence: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=sentence):
        model_files(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"neither a model folder nor an \.onnx file"):
        model_files(tmp_path / "missing")


@pytest.mark.parametrize(
    ("init_args", "sentence"),
    [
        ({"cpu_threads": 0}, "'cpu_threads'.*got 0"),
        ({"engine": "tensorflow"}, "'engine'"),
        ({"precision": "fp16"}, "'precision'.*'bf16' or 'int8'"),
        ({"use_cpu": True}, r"unknown key 'use_cpu' \(did you mean 'use_gpu'\?\)"),
    ],
)
def test_wrong_init_args_are_refused(init_args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ServingError, match=sentence):
        engine_options(**init_args)
