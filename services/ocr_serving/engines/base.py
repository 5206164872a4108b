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

Kind = Literal["detection", "recognition", "classification", "orientation"]

EngineName = Literal["auto", "onnxruntime", "openvino", "paddle"]

Precision = Literal["fp32", "bf16", "int8"]


class EngineOptions(Frozen):
    """What `init_args` of config.json may say about how a network is run; `use_tensorrt` is a parameter of params.py."""

    engine: EngineName = Field("auto", description="What runs the networks; auto lets the files in the model's folder decide.")
    use_gpu: bool = Field(False, description="Run on the GPUs of CUDA_VISIBLE_DEVICES; refused where there is none.")
    enable_mkldnn: bool = Field(
        False, description="Use oneDNN: on openvino for ONNX models, on paddle for Paddle's; refused where neither can."
    )
    use_tensorrt: bool = Field(False, description="Run on TensorRT, on a GPU that has it; refused elsewhere.")
    cpu_threads: int = Field(1, ge=1, le=1024, description="Threads of one engine; there are then fewer workers on the same cores.")
    gpu_mem: int = Field(8000, ge=1, description="Video memory that one session may take, in MiB.")
    precision: Precision = Field(
        "fp32",
        description=(
            "bf16 detects and reads in bfloat16, with eight bits of mantissa, on engine openvino and CPUs that have instructions"
            " for it; int8 reads in eight bits, on engine onnxruntime and x86 CPUs with VNNI, with weights whose ranges were"
            " measured, and detects in float32. Both are refused elsewhere."
        ),
    )

    @property
    def without_int8(self) -> EngineOptions:
        """For a network that stays in float32 where int8 is asked for: all but recognisers."""
        return self.model_copy(update={"precision": "fp32"}) if self.precision == "int8" else self


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


@dataclass(frozen=True)
class Ctc:
    """How a CTC recogniser's probabilities are read on the way out of the network.

    `kept` are the classes that may be read, rising, blank (0) first; empty is all. The last layer is cut down to them, so that
    class n of the answers is `kept[n]`. `told` are classes, as the answers number them, whose probabilities come as a third output.
    """

    kept: tuple[int, ...] = ()
    told: tuple[int, ...] = ()


class OpenEngine(Protocol):
    """Loads the network in `model` with these options; see `ocr_serving.engines.open_engine`."""

    def __call__(
        self, model: Path, options: EngineOptions, *, greedy_ctc: Ctc | bool = False, pixels: PixelInput | None = None
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
    greedy_ctc: Ctc | bool = False
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
