"""The protocol between stages and whatever runs a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray
from pydantic import Field

from ocr_serving.errors import ModelError
from ocr_serving.validation import Frozen

Tensor = NDArray[Any]

CTC_CLASSES = "ctc_classes"
"""Key of `Engine.metadata`: how many classes a CTC recogniser has, blank included. Paddle knows after a run."""

EngineName = Literal["auto", "onnxruntime", "openvino", "paddle"]


class EngineOptions(Frozen):
    """What `init_args` of config.json may say about how a network is run.

    `engine` auto lets the model folder decide; `cpu_threads` are the threads of one engine; `gpu_mem` is a cap in MiB.
    """

    engine: EngineName = "auto"
    use_gpu: bool = False
    enable_mkldnn: bool = False
    use_tensorrt: bool = False
    cpu_threads: int = Field(1, ge=1, le=1024)
    gpu_mem: int = Field(8000, ge=1)


class Engine(Protocol):
    """One loaded network. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """The engine that runs it: onnxruntime, openvino or paddle."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Free text the model file carries, such as PaddleOCR's "character" list."""

    def run(self, *inputs: Tensor) -> list[Tensor]:
        """Run once: arrays by position in, arrays by position out, batch first."""


def refusal(file: Path, inputs: Sequence[Tensor], exc: Exception) -> ModelError:
    """The error for a run that failed."""
    return ModelError(f"{file} failed on input of shape {[value.shape for value in inputs]}: {first_line(exc)}.")


def first_line(exc: Exception) -> str:
    """What a library's error says, without its trace: fit to stand in a sentence."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(exc).__name__
