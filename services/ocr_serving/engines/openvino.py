"""ONNX models on OpenVINO, for CPUs. Its CPU plugin is oneDNN."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ocr_serving.engines.base import Ctc, EngineOptions, Tensor, first_line, refusal
from ocr_serving.engines.ctc import greedy
from ocr_serving.engines.graphs.edits import metadata, parse, recogniser_metadata, with_classes
from ocr_serving.errors import ConfigError, ModelError


class OpenVINOEngine:
    """One compiled model with one infer request."""

    name = "openvino"

    def __init__(self, file: Path, options: EngineOptions, *, greedy_ctc: Ctc | bool = False) -> None:
        """Load `file`. Raises ConfigError where openvino is not installed, ModelError where it cannot run the model."""
        try:
            import openvino
        except ImportError:
            raise ConfigError(
                "Engine 'openvino' is not installed: pip install 'ocr-serving[openvino]', or leave enable_mkldnn off."
            ) from None
        model = file.read_bytes()
        parsed = parse(model, str(file))
        self.metadata: Mapping[str, str] = recogniser_metadata(parsed, str(file)) if greedy_ctc else metadata(parsed)
        if isinstance(greedy_ctc, Ctc) and greedy_ctc.kept:
            model = with_classes(model, greedy_ctc.kept, str(file))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(options.cpu_threads),
            # By default it computes in bfloat16 where the CPU can, and answers then differ between machines.
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[options.precision],
            # Pinned, the processes of several workers end up on one core.
            "ENABLE_CPU_PINNING": "NO",
            # Kernels kept for shapes seen before. After 24 pages of PP-OCRv4 mobile, resident memory and CPU time a page:
            # 5000 (the default) 1014 MB, rising, 1.85 s; 1000: 689 MB, 2.08 s; 0: 512 MB, 2.27 s.
            "CPU_RUNTIME_CACHE_CAPACITY": "1000",
        }
        core = openvino.Core()
        try:
            compiled = core.compile_model(core.read_model(model), "CPU", settings)
        except Exception as exc:
            raise ModelError(f"{file} cannot be loaded by openvino: {first_line(exc)}; try engine 'onnxruntime'.") from exc
        self._file = file
        self._greedy_ctc = greedy_ctc
        self._outputs = range(len(compiled.outputs))
        self._request = compiled.create_infer_request()

    def run(self, *inputs: Tensor) -> list[Tensor]:
        """Run once. Raises ModelError where the network does not take these shapes."""
        try:
            self._request.infer(list(inputs), share_inputs=True)
        except Exception as exc:
            raise refusal(self._file, inputs, exc) from exc
        answers = [self._request.get_output_tensor(index).data for index in self._outputs]
        if self._greedy_ctc:
            # In the graph this becomes a TopK, which makes recognition 8 to 20 % slower than numpy does.
            return greedy(answers[0], self._greedy_ctc.told if isinstance(self._greedy_ctc, Ctc) else ())
        # The next call writes into the same buffers.
        return [answer.copy() for answer in answers]
