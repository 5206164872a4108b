"""Engines of stages whose networks run in engine processes.

A worker has one `Client`; `opener` makes of it what the worker's modules open their networks with.
"""

from __future__ import annotations

import math
import os
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocr_serving import spans
from ocr_serving.engines import local
from ocr_serving.engines.base import Ctc, Engine, EngineOptions, ModelSpec, OpenEngine, PixelInput, Pixels, Tensor
from ocr_serving.engines.batching.board import Board
from ocr_serving.engines.batching.channel import Channel
from ocr_serving.engines.batching.messages import Fault, Open, Opened, Results, Run, Unknown
from ocr_serving.errors import LateError, LostError

MARGIN_S, MARGIN_SHARE = 1.0, 0.1
"""Waiting for an engine ends before the request's deadline, so that the worker itself can still say so: this many seconds, or where
that is less, this share of the time that a request had left when it reached the worker."""


@dataclass(frozen=True)
class EngineAddress:
    """Where engine processes are: the path of each one's socket, and the descriptor of their board, which workers inherit."""

    paths: tuple[str, ...]
    board: int
    on_cpu: bool
    """Whether networks that run on the CPU go there too."""


class Client:
    """A worker's way to the engines: one request at a time, to the one with the least to do."""

    def __init__(self, address: EngineAddress) -> None:
        """Nothing is connected yet."""
        self.address = address
        self._deadline = self._patience = math.inf
        self._board = Board(address.board, len(address.paths))
        self._channels: dict[int, Channel] = {}

    def begin(self, deadline: float) -> None:
        """From now on a request is at hand that must be answered by `deadline`, on the monotonic clock."""
        self._deadline = deadline
        left = deadline - time.monotonic()
        self._patience = deadline - min(MARGIN_S, MARGIN_SHARE * max(0.0, left))

    def open(self, model: ModelSpec) -> Opened:
        """Have a model loaded by every engine. Raises ConfigError, ModelError, LostError."""
        opened = [self._ask(engine, Open(model)) for engine in range(len(self.address.paths))]
        assert isinstance(opened[0], Opened)
        return opened[0]

    def run(self, model: ModelSpec, rows: Sequence[Any]) -> list[list[Tensor]]:
        """Outputs by position for each row. Raises UnavailableError, ModelError."""
        engine, recorder = self._least_loaded(), spans.recorder()
        run = Run(model, rows, self._deadline, "" if recorder is None else recorder.traceparent)
        with spans.span("engine", {"ocr.engine": engine, "ocr.model": model.path.name, "ocr.rows": len(rows)}):
            said = self._ask(engine, run)
            if isinstance(said, Unknown):
                self._ask(engine, Open(model))
                said = self._ask(engine, run)
            assert isinstance(said, Results)
            if recorder is not None:
                recorder.add(said.spans)
        # What arrived lies in the engine's memory, which the next answer overwrites.
        return [[np.array(value) for value in row] for row in said.rows]

    def close(self) -> None:
        """Hang up on all engines."""
        for engine in list(self._channels):
            self._hang_up(engine)

    def _least_loaded(self) -> int:
        def load(engine: int) -> tuple[bool, float, int]:
            # Among equals workers begin with different ones.
            turn = (engine + os.getpid()) % self._board.engines
            return not self._board.get(engine, "ready"), self._board.get(engine, "outstanding"), turn

        return min(range(self._board.engines), key=load)

    def _ask(self, engine: int, message: Any) -> Any:
        try:
            channel = self._channel(engine)
            channel.send(message)
            patience = self._patience - time.monotonic()
            if not select.select([channel], [], [], None if patience == math.inf else max(0.0, patience))[0]:
                # Its answer must not be taken for that of the next request.
                self._hang_up(engine)
                raise LateError("The engine process did not answer in time (timeout_s).")
            said = channel.receive()
        except (EOFError, OSError):
            self._hang_up(engine)
            raise LostError(
                "The engine process died on this request and is started again: ask once more in a few seconds."
            ) from None
        except BaseException:
            self._hang_up(engine)
            raise
        if isinstance(said, Fault):
            raise said.error()
        return said

    def _channel(self, engine: int) -> Channel:
        channel = self._channels.get(engine)
        if channel is not None and select.select([channel], [], [], 0)[0]:
            # Nothing was asked, so what can be read is the end: that engine died since, and this request need not suffer.
            self._hang_up(engine)
            channel = None
        if channel is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            # The server holds the listening socket: a connection made while an engine is started again waits for it.
            sock.connect(self.address.paths[engine])
            channel = self._channels[engine] = Channel(sock)
        return channel

    def _hang_up(self, engine: int) -> None:
        channel = self._channels.pop(engine, None)
        if channel is not None:
            channel.close()


class RemoteEngine:
    """A network in an engine process, run with whole tensors."""

    def __init__(self, client: Client, model: ModelSpec) -> None:
        """Have it loaded. Raises ConfigError or ModelError."""
        self._client = client
        self._model = model
        opened = client.open(model)
        self.name = opened.name
        self.metadata: Mapping[str, str] = opened.metadata
        self._has_run = False

    def run(self, *inputs: Tensor) -> list[Tensor]:
        """Run once. Raises UnavailableError, or ModelError where the network does not take these shapes."""
        outputs = self._client.run(self._model, [inputs])[0]
        if not self._has_run:
            # Paddle knows a recogniser's classes only now.
            self.metadata = self._client.open(self._model).metadata
            self._has_run = True
        return outputs


class RemotePixelEngine(RemoteEngine):
    """A network in an engine process that takes pixels, in batches with those of other workers."""

    def run(self, *_inputs: Tensor) -> list[Tensor]:
        """Never: its input is pixels."""
        raise TypeError("This network takes pixels: call run_pixels.")

    def run_pixels(self, rows: Sequence[Pixels]) -> list[list[Tensor]]:
        """Outputs by position for each row, without the batch axis. Raises UnavailableError or ModelError."""
        return self._client.run(self._model, list(rows))


def opener(client: Client) -> OpenEngine:
    """Opens networks in `client`'s engine processes, but in this process those that run on the CPU where engines have GPUs."""

    def open_engine(
        model: Path, options: EngineOptions, *, greedy_ctc: Ctc | bool = False, pixels: PixelInput | None = None
    ) -> Engine:
        if options.use_gpu or client.address.on_cpu:
            return open_remote(client, model, options, greedy_ctc=greedy_ctc, pixels=pixels)
        return local.open_local(model, options, greedy_ctc=greedy_ctc)

    return open_engine


def open_remote(
    client: Client, model: Path, options: EngineOptions, *, greedy_ctc: Ctc | bool, pixels: PixelInput | None
) -> RemoteEngine:
    """Have `model` loaded by the engine processes, with a front of `pixels` where onnxruntime runs it and its opset allows.

    Raises ConfigError or ModelError.
    """
    local.check(options)
    found = local.model_files(model)
    takes_pixels = pixels is not None and local.engine_name(found, options, model) == "onnxruntime"
    if takes_pixels:
        from ocr_serving.engines.graphs import edits

        file = found["onnx"]
        takes_pixels = edits.opset(edits.parse(file.read_bytes(), str(file))) >= edits.PIXELS_OPSET
    spec = ModelSpec(model.resolve(), options, greedy_ctc, pixels if takes_pixels else None)
    return RemotePixelEngine(client, spec) if takes_pixels else RemoteEngine(client, spec)
