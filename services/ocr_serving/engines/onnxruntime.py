"""ONNX models on onnxruntime: CPU, CUDA, TensorRT."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ocr_serving.engines.base import Ctc, EngineOptions, Tensor, first_line, refusal
from ocr_serving.engines.graphs.prepared import prepared
from ocr_serving.engines.idle.crew import Helpers
from ocr_serving.errors import ConfigError, ModelError

ERRORS_ONLY = 3


class OnnxRuntimeEngine:
    """One `InferenceSession`, which several threads may run at once, or one for each number of threads to run with."""

    name = "onnxruntime"

    def __init__(
        self,
        file: Path,
        options: EngineOptions,
        *,
        greedy_ctc: Ctc | bool = False,
        helpers: Helpers | None = None,
        widths: Sequence[int] = (),
    ) -> None:
        """Load `file`. With `widths` each run takes as many threads, of these, as `helpers` find idle cores for.

        Raises ConfigError where onnxruntime lacks what the options ask for, ModelError where the file is not a model.
        """
        model = prepared(file, greedy_ctc=greedy_ctc, precision=options.precision)
        self.helpers = helpers
        self._widths = tuple(widths) if helpers else ()
        # A session has its number of threads from when it is made, and its own copy of the weights: for small networks only.
        self._sessions = {
            threads: open_session(model, file, options.model_copy(update={"cpu_threads": threads}))
            for threads in self._widths or (options.cpu_threads,)
        }
        session = next(iter(self._sessions.values()))
        self._file = file
        self._inputs = [value.name for value in session.get_inputs()]
        self.metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map

    def run(self, *inputs: Tensor) -> list[Tensor]:
        """Run once. Raises ModelError where the network does not take these shapes."""
        if self.helpers is not None and self._widths:
            with self.helpers.threads(self._widths) as threads:
                return self._run(self._sessions[threads], inputs)
        return self._run(next(iter(self._sessions.values())), inputs)

    def _run(self, session: Any, inputs: Sequence[Tensor]) -> list[Tensor]:
        try:
            answers: list[Tensor] = session.run(None, dict(zip(self._inputs, inputs, strict=True)))
        except Exception as exc:
            raise refusal(self._file, inputs, exc) from exc
        return answers


def open_session(model: bytes, file: Path, options: EngineOptions, *, one_shape: bool = False) -> Any:
    """An `InferenceSession` of `model`, the bytes of `file` or an edit of them; with `one_shape` its inputs never change shape.

    Raises ConfigError where onnxruntime lacks what the options ask for, ModelError where it cannot load the model.
    """
    # Builds from 1.32 on report their use to Microsoft by default, and read this when they are loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError("Engine 'onnxruntime' is not installed: pip install 'ocr-serving[cpu]'.") from None
    onnxruntime.set_default_logger_severity(ERRORS_ONLY)
    providers = _providers(onnxruntime, options)
    chosen = _session_options(onnxruntime, options)
    # A memory pattern is planned for each input shape and kept; where pages come as they are, nearly every one has a new shape.
    chosen.enable_mem_pattern = one_shape
    try:
        session = onnxruntime.InferenceSession(model, chosen, providers=providers)
    except Exception as exc:
        raise ModelError(f"{file} cannot be loaded by onnxruntime: {first_line(exc)}.") from exc
    if options.use_gpu and session.get_providers()[0] != providers[0][0]:
        # onnxruntime falls back to the CPU in silence where CUDA's libraries do not load.
        raise ConfigError(
            f"use_gpu is true but onnxruntime could not start {providers[0][0]}: check that nvidia-smi lists the GPU, "
            "and that CUDA and cuDNN are the versions this onnxruntime-gpu needs."
        )
    return session


def _session_options(onnxruntime: Any, options: EngineOptions) -> Any:
    chosen = onnxruntime.SessionOptions()
    chosen.log_severity_level = ERRORS_ONLY
    chosen.intra_op_num_threads = options.cpu_threads
    chosen.inter_op_num_threads = 1
    chosen.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads take the cores of the other workers.
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not options.use_gpu:
        _share_arena(onnxruntime)
        chosen.add_session_config_entry("session.use_env_allocators", "1")
    return chosen


@cache
def _share_arena(onnxruntime: Any) -> None:
    """Give the CPU sessions of this process one arena, made once.

    The sessions of a pipeline run in turn, so one can use the memory that another leaves: after 60 pages of all shapes 246 MB
    resident instead of 290 MB with an arena each. Without any it is 210 MB, but detection takes 30 to 70 % longer, in page faults.
    Shrinking the arena after each run is slower, and no smaller.
    """
    memory = onnxruntime.OrtMemoryInfo("Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({}))


def _providers(onnxruntime: Any, options: EngineOptions) -> list[tuple[str, dict[str, str]]]:
    if not options.use_gpu:
        return [("CPUExecutionProvider", {})]
    available = onnxruntime.get_available_providers()
    wanted = ["TensorrtExecutionProvider"] * options.use_tensorrt + ["CUDAExecutionProvider"]
    for provider in wanted:
        if provider not in available:
            option = "use_tensorrt" if provider.startswith("Tensorrt") else "use_gpu"
            raise ConfigError(
                f"This onnxruntime has no {provider}: pip install 'ocr-serving[gpu]' in its place, or set {option} to false."
            )
    _check_driver()
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    cuda = {
        "gpu_mem_limit": str(options.gpu_mem * 2**20),
        # The default doubles the arena at each growth and never gives it back.
        "arena_extend_strategy": "kSameAsRequested",
        # The default, EXHAUSTIVE, benchmarks every convolution at each new shape.
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    settings = {"CUDAExecutionProvider": cuda, "TensorrtExecutionProvider": {}}
    return [(provider, settings[provider]) for provider in wanted] + [("CPUExecutionProvider", {})]


def _check_driver() -> None:
    """Raise ConfigError where the driver, which the host lends to a container, offers no GPU.

    onnxruntime would print a page about every library it misses before it says so.
    """
    advice = (
        "give it one (in Kubernetes a limit such as nvidia.com/gpu: 1, in docker --gpus all),"
        " or set use_gpu to false (device: cpu in an OCRService)."
    )
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise ConfigError(f"use_gpu is true but this machine or container has no NVIDIA driver (libcuda.so.1): {advice}") from None
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        raise ConfigError(f"use_gpu is true but the NVIDIA driver shows no GPU to this machine or container: {advice}")
