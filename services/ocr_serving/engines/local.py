"""The model folder chooses which engine runs it, in this process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ocr_serving import machine, models
from ocr_serving.engines.base import Ctc, Engine, EngineOptions
from ocr_serving.engines.idle.crew import Helpers
from ocr_serving.errors import ConfigError, ModelError

Format = Literal["onnx", "paddle"]

BF16_FEATURES = ("amx_bf16", "avx512_bf16")
"""CPU features, as Linux names them, either of which multiplies bfloat16 faster than float32."""

VNNI_FEATURES = ("avx512_vnni", "avx_vnni")
"""CPU features either of which multiplies and adds in int8. Without, products of AVX2 saturate, and are no faster than float32."""

_READS: Mapping[str, Format] = {"onnxruntime": "onnx", "openvino": "onnx", "paddle": "paddle"}


def open_local(
    model: Path,
    options: EngineOptions,
    *,
    greedy_ctc: Ctc | bool = False,
    helpers: Helpers | None = None,
    widths: Sequence[int] = (),
) -> Engine:
    """Load the network in `model`: a folder, or an .onnx file.

    `*.onnx` goes to onnxruntime (openvino where the options ask for it, or the catalogue says that it is faster on this CPU),
    `*.pdmodel` or `*.json` with `*.pdiparams` to paddle.
    With `greedy_ctc` a recogniser answers ids, int32 of shape (N, T), and scores, float32 of shape (N, T), instead of
    probabilities (N, T, C); with a `Ctc` as that says, its `told` classes being the third output, float32 of shape (N, T, K).
    On onnxruntime `helpers` may run it side by side, and each run on as many threads, of `widths`, as there are idle cores.

    Raises ModelError where the files are missing or damaged, ConfigError where the options cannot be served; never falls back.
    """
    check(options)
    if options.use_gpu and not machine.visible_gpus(os.environ):
        raise ConfigError(
            "use_gpu is true but no GPU is chosen: set CUDA_VISIBLE_DEVICES, as in CUDA_VISIBLE_DEVICES=0, or set use_gpu to false."
        )
    found = model_files(model)
    name = engine_name(found, options, model)
    file = found[_READS[name]]
    if name == "openvino":
        from ocr_serving.engines.openvino import OpenVINOEngine

        return OpenVINOEngine(file, options, greedy_ctc=greedy_ctc)
    if name == "paddle":
        from ocr_serving.engines.paddle import PaddleEngine

        return PaddleEngine(file, options, greedy_ctc=greedy_ctc)
    from ocr_serving.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(file, options, greedy_ctc=greedy_ctc, helpers=helpers, widths=widths)


def onnx_metadata(model: Path, options: EngineOptions) -> Mapping[str, str] | None:
    """What an ONNX recogniser says of itself before it is loaded, with `ctc_classes` where its graph tells; None of other formats.

    Raises ModelError or ConfigError as `open_local` does.
    """
    found = model_files(model)
    if engine_name(found, options, model) == "paddle":
        return None
    from ocr_serving.engines.graphs import edits

    file = found["onnx"]
    return edits.recogniser_metadata(edits.parse(_bytes(file), str(file)), str(file))


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise ModelError(f"{file} cannot be read ({exc.strerror}): fetch it again.") from None


def model_files(model: Path) -> dict[Format, Path]:
    """The network's file in each format found in `model`, Paddle's being the graph. Raises ModelError where there is none."""
    if model.is_file() and model.suffix == ".onnx":
        return {"onnx": model}
    if not model.is_dir():
        raise ModelError(f"{model} is neither a model folder nor an .onnx file: correct the path.")
    found: dict[Format, Path] = {}
    if onnx := _only(model.glob("*.onnx"), model):
        found["onnx"] = onnx
    if weights := _only(model.glob("*.pdiparams"), model):
        graphs = [weights.with_suffix(suffix) for suffix in (".json", ".pdmodel")]
        graph = next((path for path in graphs if path.is_file()), None)
        if graph is None:
            raise ModelError(
                f"{model} has {weights.name} but neither {graphs[0].name} nor {graphs[1].name}: copy the whole model folder."
            )
        found["paddle"] = graph
    if not found:
        raise ModelError(
            f"{model} holds no model: no .onnx file, and no inference.pdmodel or inference.json with inference.pdiparams."
        )
    return found


def _only(files: Iterable[Path], folder: Path) -> Path | None:
    """The file named inference or model, else the only one."""
    by_stem = {file.stem: file for file in sorted(files)}
    for stem in ("inference", "model"):
        if stem in by_stem:
            return by_stem[stem]
    if len(by_stem) > 1:
        names = ", ".join(file.name for file in by_stem.values())
        raise ModelError(
            f"{folder} holds several models ({names}): name the .onnx file itself, or rename the one to use to 'inference'."
        )
    return next(iter(by_stem.values()), None)


def engine_name(found: Mapping[Format, Path], options: EngineOptions, model: Path) -> str:
    """Which engine the options and the files of `model` lead to. Raises ConfigError where they disagree."""
    name = str(options.engine)
    if name == "auto":
        # OpenVINO's CPU plugin is oneDNN, which is what enable_mkldnn asks for.
        wants_openvino = options.enable_mkldnn or options.precision == "bf16"
        name = "paddle" if "onnx" not in found else "openvino" if wants_openvino else _faster(model, options)
    if _READS[name] not in found:
        have, reads = ("a Paddle", "ONNX") if "paddle" in found else ("an ONNX", "Paddle")
        raise ConfigError(
            f"{model} is {have} model, but engine '{name}' reads {reads}: set engine to 'auto', or give another model folder."
        )
    if name == "openvino" and options.use_gpu:
        raise ConfigError("Engine 'openvino' runs on CPUs only: set use_gpu to false, or engine to 'onnxruntime'.")
    if name != "openvino" and options.precision == "bf16":
        raise ConfigError(
            f"precision 'bf16' needs an ONNX model on engine 'openvino', and {model} goes to '{name}': set precision to 'fp32', or"
            " engine to 'auto' and give an ONNX model."
        )
    if name != "onnxruntime" and options.precision == "int8":
        raise ConfigError(
            f"precision 'int8' needs an ONNX model on engine 'onnxruntime', and {model} goes to '{name}': set precision to"
            " 'fp32', or engine to 'auto' without enable_mkldnn and give an ONNX model."
        )
    if name == "onnxruntime" and options.enable_mkldnn:
        raise ConfigError(
            "enable_mkldnn has no meaning for engine 'onnxruntime': set engine to 'auto', which then is openvino, or leave it out."
        )
    return name


def _faster(model: Path, options: EngineOptions) -> str:
    """What the catalogue says is faster for `model` on this CPU, where that is installed; else onnxruntime."""
    entry = None if options.use_gpu or options.precision == "int8" else models.entry_of(model)
    rules = {} if entry is None else entry.faster
    engines = (engine for feature, engine in rules.items() if feature in machine.cpu_features())
    return next((engine for engine in engines if find_spec(engine) is not None), "onnxruntime")


def check(options: EngineOptions) -> None:
    """Refuse what no engine can serve. Raises ConfigError."""
    if options.use_tensorrt and not options.use_gpu:
        raise ConfigError("use_tensorrt needs a GPU: set use_gpu to true as well, or use_tensorrt to false.")
    if options.precision != "fp32" and options.use_gpu:
        raise ConfigError(f"precision '{options.precision}' is for CPUs: set it to 'fp32', or use_gpu to false.")
    if options.precision == "bf16" and machine.cpu_features().isdisjoint(BF16_FEATURES):
        raise ConfigError(
            f"precision is 'bf16' but this CPU has no instructions for it (none of {', '.join(BF16_FEATURES)}): set it to 'fp32'."
        )
    if options.precision == "int8" and machine.cpu_features().isdisjoint(VNNI_FEATURES):
        raise ConfigError(
            f"precision is 'int8' but this CPU has no instructions for it (none of {', '.join(VNNI_FEATURES)}): set it to 'fp32'."
        )
    if options.use_gpu and options.enable_mkldnn:
        raise ConfigError("enable_mkldnn speeds up CPUs and use_gpu does without them: set one of the two to false.")
