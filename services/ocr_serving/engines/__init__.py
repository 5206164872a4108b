"""Engines: whatever runs a network, behind one small protocol, in this process or in one that serves several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocr_serving.engines import local
from ocr_serving.engines.base import (
    CTC_CLASSES,
    Engine,
    EngineName,
    EngineOptions,
    PixelEngine,
    PixelInput,
    Pixels,
    Precision,
    Tensor,
)
from ocr_serving.engines.batching import remote
from ocr_serving.engines.local import model_files
from ocr_serving.errors import ConfigError
from ocr_serving.validation import validated

__all__ = [
    "CTC_CLASSES",
    "Engine",
    "EngineName",
    "EngineOptions",
    "PixelEngine",
    "PixelInput",
    "Pixels",
    "Precision",
    "Tensor",
    "engine_options",
    "model_files",
    "open_engine",
]


def engine_options(**init_args: Any) -> EngineOptions:
    """Options from `init_args` of config.json, checked. Raises ConfigError with a sentence."""
    return validated(EngineOptions, init_args, where="init_args", error=ConfigError)


def open_engine(model: Path, options: EngineOptions, *, greedy_ctc: bool = False, pixels: PixelInput | None = None) -> Engine:
    """Load the network in `model`: a folder, or an .onnx file.

    `*.onnx` goes to onnxruntime (openvino where the options ask for it), `*.pdmodel` or `*.json` with `*.pdiparams` to paddle.
    With `greedy_ctc` a recogniser answers ids, int32 of shape (N, T), and scores, float32 of shape (N, T), instead of
    probabilities (N, T, C).

    Where the server runs engine processes the network is loaded there. With `pixels` it then is a `PixelEngine`, if onnxruntime
    runs it.

    Raises ModelError where the files are missing or damaged, ConfigError where the options cannot be served; never falls back.
    """
    client = remote.client_for(options)
    if client is None:
        return local.open_local(model, options, greedy_ctc=greedy_ctc)
    return remote.open_remote(client, model, options, greedy_ctc=greedy_ctc, pixels=pixels)
