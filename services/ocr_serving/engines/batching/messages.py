"""What engine processes, their owner and the workers say to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_serving.engines.base import ModelSpec, Tensor
from ocr_serving.errors import ConfigError, FullError, LateError, ModelError, ServingError
from ocr_serving.spans import Span

CARRIED: Mapping[str, type[ServingError]] = {
    error.__name__: error for error in (ConfigError, FullError, LateError, ModelError, ServingError)
}


@dataclass(frozen=True)
class EngineSettings:
    """How engine processes batch: `max_batch` None leaves it to the table, `max_delay` is in seconds."""

    max_batch: int | None = None
    max_delay: float = 0.005
    threads: int = 1
    """Threads of a network on the CPU."""
    fixed: bool | None = None
    """Whether networks have the shapes of the table alone; None: on a GPU they have."""


@dataclass(frozen=True)
class EngineSpec:
    """From the owner: which row of the board is the engine's, the descriptors it inherits, and what to open before it is ready."""

    settings: EngineSettings
    number: int
    engines: int
    board: int
    listener: int
    models: Sequence[ModelSpec] = ()


@dataclass(frozen=True)
class EngineReady:
    """To the owner: the models named in the spec are warm."""


@dataclass(frozen=True)
class EngineFailed:
    """To the owner: they cannot be opened; `reason` is a sentence."""

    reason: str


@dataclass(frozen=True)
class ModelOpened:
    """To the owner: this one is warm now too, and is to be opened when the engine is started again."""

    model: ModelSpec


@dataclass(frozen=True)
class Open:
    """From a worker: load a model, unless it is loaded, and say when it is warm."""

    model: ModelSpec


@dataclass(frozen=True)
class Opened:
    """It is: the engine's name, the file's metadata."""

    name: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """From a worker: run each of `rows` (Pixels, or a tuple of tensors) by `deadline` on the monotonic clock.

    `traceparent` (W3C Trace Context) names the span that this is a part of; "" where nothing is traced.
    """

    model: ModelSpec
    rows: Sequence[Any]
    deadline: float
    traceparent: str = ""


@dataclass(frozen=True)
class Results:
    """Outputs by position for each row; `spans` where the request is traced."""

    rows: Sequence[Sequence[Tensor]]
    spans: Sequence[Span] = ()


@dataclass(frozen=True)
class Unknown:
    """The model is not open: the engine has been started again since."""


@dataclass(frozen=True)
class Fault:
    """An error, by the name of its class, and its sentence."""

    kind: str
    reason: str

    @classmethod
    def of(cls, exc: Exception) -> Fault:
        """The fault that stands for `exc`."""
        return cls(type(exc).__name__, str(exc))

    def error(self) -> Exception:
        """The error to raise."""
        known = CARRIED.get(self.kind)
        return known(self.reason) if known else RuntimeError(f"The engine process failed: {self.kind}: {self.reason}")
