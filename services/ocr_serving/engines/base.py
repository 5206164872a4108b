"""The protocol between stages and whatever runs a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ocr_serving.errors import ModelError
from ocr_serving.validation import Frozen

Tensor = NDArray[Any]

CTC_CLASSES = "ctc_classes"
"""Key of `Engine.metadata`: how many classes a CTC recogniser has, blank included. Paddle knows after a run."""

Kind = Literal["detection", "recognition", "classification"]

EngineName = Literal["auto", "onnxruntime", "openvino", "paddle"]

Precision = Literal["fp32", "bf16"]


class EngineOptions(Frozen):
    """What `init_args` of config.json may say about how a network is run.

    `engine` auto lets the model folder decide; `cpu_threads` are the threads of one engine; `gpu_mem` caps the video memory of one
    session, in MiB; `precision` bf16 computes in bfloat16, with eight bits of mantissa, on CPUs that have instructions for it.
    """

    engine: EngineName = "auto"
    use_gpu: bool = False
    enable_mkldnn: bool = False
    use_tensorrt: bool = False
    cpu_threads: int = Field(1, ge=1, le=1024)
    gpu_mem: int = Field(8000, ge=1)
    precision: Precision = "fp32"


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


class OpenEngine(Protocol):
    """Loads the network in `model` with these options; see `ocr_serving.engines.open_engine`."""

    def __call__(
        self, model: Path, options: EngineOptions, *, greedy_ctc: bool = False, pixels: PixelInput | None = None
    ) -> Engine: ...


class Pixels(NamedTuple):
    """A picture, uint8 of shape (h, w, 3), that a network is to see in the corner of an input of `height` x `width`."""

    image: NDArray[np.uint8]
    height: int
    width: int


Steps = tuple[tuple[Literal["Mul", "Div", "Sub"], tuple[float, ...]], ...]
"""Operations on all pixels, in float32, each with one constant or one for each channel."""


@dataclass(frozen=True)
class PixelInput:
    """How a stage's pictures become its network's input, for an engine that does it on the device: by `steps`.

    `shape` is the network's own (height, width); 0 where it takes any.
    """

    kind: Kind
    shape: tuple[int, int]
    steps: Steps


@dataclass(frozen=True)
class ModelSpec:
    """A network to open: `path` is absolute; `pixels` says how pictures become its input, None that whole tensors come."""

    path: Path
    options: EngineOptions
    greedy_ctc: bool = False
    pixels: PixelInput | None = None


@runtime_checkable
class PixelEngine(Engine, Protocol):
    """A network that takes pixels as they are and normalises them itself; it batches them, with those of other processes too."""

    def run_pixels(self, rows: Sequence[Pixels]) -> list[list[Tensor]]:
        """Outputs by position for each row, without the batch axis. Raises UnavailableError or ModelError."""


def refusal(file: Path, inputs: Sequence[Tensor], exc: Exception) -> ModelError:
    """The error for a run that failed."""
    return ModelError(f"{file} failed on input of shape {[value.shape for value in inputs]}: {first_line(exc)}.")


def first_line(exc: Exception) -> str:
    """What a library's error says, without its trace: fit to stand in a sentence."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(exc).__name__
