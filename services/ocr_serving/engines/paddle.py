"""Paddle's own inference models, on paddle.inference: CPU, oneDNN, CUDA, TensorRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ocr_serving.engines.base import CTC_CLASSES, Ctc, EngineOptions, Tensor, first_line, refusal
from ocr_serving.engines.ctc import greedy, restricted
from ocr_serving.errors import ConfigError, ModelError

ONEDNN_SHAPES = 10
"""Input shapes that oneDNN keeps primitives for; unlimited, its memory grows with every new one."""

FIRST_BYTE = {".pdmodel": b"\n", ".json": b"{"}
"""How a graph begins: a ProgramDesc of protobuf with the tag of its first field, one of Paddle 3 as a JSON object."""


class PaddleEngine:
    """One predictor."""

    name = "paddle"

    def __init__(self, file: Path, options: EngineOptions, *, greedy_ctc: Ctc | bool = False) -> None:
        """Load `file`, the graph, and the .pdiparams beside it.

        Raises ConfigError where paddle lacks what the options ask for, ModelError where the files are not a model.
        """
        try:
            from paddle import inference
        except ImportError:
            raise ConfigError(
                "Engine 'paddle' is not installed: pip install 'ocr-serving[paddle]', or give an ONNX model folder."
            ) from None
        with file.open("rb") as graph:
            # Paddle does not survive reading a web page or a pointer file in place of a graph.
            if graph.read(1) != FIRST_BYTE[file.suffix]:
                raise ModelError(f"{file} is damaged or is not a Paddle model: fetch it again.")
        try:
            self._predictor = inference.create_predictor(_config(inference, file, options))
        except ConfigError:
            raise
        except Exception as exc:
            raise ModelError(f"{file} cannot be loaded by paddle: {first_line(exc)}.") from exc
        self._file = file
        self._greedy_ctc = greedy_ctc
        self._inputs = [self._predictor.get_input_handle(name) for name in self._predictor.get_input_names()]
        self._outputs = [self._predictor.get_output_handle(name) for name in self._predictor.get_output_names()]
        self.metadata: dict[str, str] = {}

    def run(self, *inputs: Tensor) -> list[Tensor]:
        """Run once. Raises ModelError where the network does not take these shapes."""
        try:
            for handle, value in zip(self._inputs, inputs, strict=True):
                handle.copy_from_cpu(np.ascontiguousarray(value))
            self._predictor.run()
        except Exception as exc:
            raise refusal(self._file, inputs, exc) from exc
        answers = [np.asarray(handle.copy_to_cpu()) for handle in self._outputs]
        if self._greedy_ctc:
            return self._greedy(answers[-1])
        return answers

    def _greedy(self, probabilities: Tensor) -> list[Tensor]:
        # Of several outputs the last is the recogniser's, as in PaddleOCR's CTCLabelDecode; its shape is known only after a run.
        if probabilities.ndim != 3:
            raise ModelError(
                f"{self._file} has an output of {probabilities.ndim} dimensions, but a CTC recogniser's is of shape (N, T, C)."
            )
        self.metadata[CTC_CLASSES] = str(probabilities.shape[2])
        if not isinstance(self._greedy_ctc, Ctc):
            return greedy(probabilities)
        kept = list(self._greedy_ctc.kept)
        return greedy(restricted(probabilities, kept) if kept else probabilities, self._greedy_ctc.told)


def _config(inference: Any, file: Path, options: EngineOptions) -> Any:
    config = inference.Config(str(file), str(file.with_suffix(".pdiparams")))
    config.disable_glog_info()
    config.enable_memory_optim()
    if file.suffix == ".json":
        # Without these paddle 3.2 cannot load the newer format once its memory is to be optimised.
        config.enable_new_ir()
        config.enable_new_executor()
    if options.use_gpu:
        import paddle

        if not paddle.device.is_compiled_with_cuda():
            raise ConfigError(
                "use_gpu is true but the paddlepaddle installed here has no CUDA: install paddlepaddle-gpu or set use_gpu to false."
            )
        config.enable_use_gpu(options.gpu_mem, 0)
        if options.use_tensorrt:
            config.enable_tensorrt_engine(workspace_size=1 << 30, max_batch_size=64, min_subgraph_size=15, use_calib_mode=False)
        return config
    config.disable_gpu()
    config.set_cpu_math_library_num_threads(options.cpu_threads)
    if options.enable_mkldnn:
        config.set_mkldnn_cache_capacity(ONEDNN_SHAPES)
        config.enable_mkldnn()
    elif hasattr(config, "disable_mkldnn"):
        # From 3.1 on it is on unless switched off, and crashes on some graphs.
        config.disable_mkldnn()
    return config
