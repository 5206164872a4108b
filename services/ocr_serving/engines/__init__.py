"""Engines: whatever runs a network, behind one small protocol, in this process or in one that serves several."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ocr_serving.engines import local
from ocr_serving.engines.base import (
    CTC_CLASSES,
    Ctc,
    Engine,
    EngineName,
    EngineOptions,
    OpenEngine,
    PixelEngine,
    PixelInput,
    Pixels,
    Precision,
    Steps,
    Tensor,
)
from ocr_serving.engines.idle.crew import Crew, crew_of
from ocr_serving.engines.local import model_files, onnx_metadata
from ocr_serving.engines.pixels import PixelNetwork, table_of, tensor_of
from ocr_serving.errors import ConfigError
from ocr_serving.validation import validated

__all__ = [
    "CTC_CLASSES",
    "Crew",
    "Ctc",
    "Engine",
    "EngineName",
    "EngineOptions",
    "OpenEngine",
    "PixelEngine",
    "PixelInput",
    "PixelNetwork",
    "Pixels",
    "Precision",
    "Steps",
    "Tensor",
    "crew_of",
    "engine_options",
    "model_files",
    "onnx_metadata",
    "open_engine",
    "open_for_pixels",
    "opening_with",
    "table_of",
    "tensor_of",
]


_opener: ContextVar[OpenEngine | None] = ContextVar("opener", default=None)


def engine_options(**init_args: Any) -> EngineOptions:
    """Options from `init_args` of config.json, checked. Raises ConfigError with a sentence."""
    return validated(EngineOptions, init_args, where="init_args", error=ConfigError)


def open_engine(model: Path, options: EngineOptions, *, greedy_ctc: Ctc | bool = False, pixels: PixelInput | None = None) -> Engine:
    """Load the network in `model`: a folder, or an .onnx file.

    `*.onnx` goes to onnxruntime (openvino where the options ask for it), `*.pdmodel` or `*.json` with `*.pdiparams` to paddle.
    With `greedy_ctc` a recogniser answers ids, int32 of shape (N, T), and scores, float32 of shape (N, T), instead of
    probabilities (N, T, C); with a `Ctc` as that says, its `told` classes being the third output, float32 of shape (N, T, K).

    While a module loads, this is what the module was given to open its networks with (`opening_with`): where the server runs engine
    processes the network is loaded there, and with `pixels` it then is a `PixelEngine`, if onnxruntime runs it.

    Raises ModelError where the files are missing or damaged, ConfigError where the options cannot be served; never falls back.
    """
    opener = _opener.get()
    if opener is None:
        return local.open_local(model, options, greedy_ctc=greedy_ctc)
    return opener(model, options, greedy_ctc=greedy_ctc, pixels=pixels)


def open_for_pixels(model: Path, options: EngineOptions, source: PixelInput, *, greedy_ctc: Ctc | bool = False) -> PixelNetwork:
    """Load the network in `model`, see `open_engine`, to be handed pictures that become its input as `source` says.

    Raises ModelError or ConfigError.
    """
    return PixelNetwork(open_engine(model, options, greedy_ctc=greedy_ctc, pixels=source), source)


@contextlib.contextmanager
def opening_with(opener: OpenEngine | None) -> Iterator[None]:
    """Have `open_engine` open networks with `opener` inside the block, in this thread; None is in this process.

    A module loads and answers in such blocks, so that copies of modules, whose code opens networks through stages alone, need not
    hand the opener on.
    """
    token = _opener.set(opener)
    try:
        yield
    finally:
        _opener.reset(token)
