"""What an engine process runs: networks with a front of pixels, in buckets, and whole networks as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ocr_serving.engines import local
from ocr_serving.engines.base import Engine, Kind, ModelSpec, PixelInput, Pixels, Tensor, refusal
from ocr_serving.engines.batching.buckets import Bucket, Buckets, ExactBuckets, table
from ocr_serving.engines.batching.messages import EngineSettings
from ocr_serving.engines.graphs import edits
from ocr_serving.engines.graphs.prepared import prepared
from ocr_serving.engines.onnxruntime import open_session
from ocr_serving.errors import ModelError

CPU_BATCH: Mapping[Kind, int] = {"detection": 2, "recognition": 8, "classification": 8, "orientation": 2}
"""Rows of a batch on a CPU, which gains nothing from more."""

WARM_TOGETHER = 4
"""Sessions made and warmed up at a time; each takes seconds of planning on one core."""


class Network(Protocol):
    """A loaded network, warm. `assemble` may run in another thread than `run`."""

    @property
    def name(self) -> str:
        """The engine that runs it."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Free text the model file carries."""

    def bucket(self, payload: Any) -> Bucket:
        """Where a row belongs."""

    def is_warm(self, bucket: Bucket) -> bool:
        """Whether the device has met that shape before it was ready."""

    def assemble(self, bucket: Bucket, payloads: Sequence[Any]) -> Any:
        """The batch as arrays on the host."""

    def pixels(self, bucket: Bucket, batch: Any, payloads: Sequence[Any]) -> tuple[int, int]:
        """Those that the rows asked for, and those that are run."""

    def run(self, bucket: Bucket, batch: Any, payloads: Sequence[Any]) -> list[list[Tensor]]:
        """Outputs for each row. Raises ModelError."""


def open_network(spec: ModelSpec, settings: EngineSettings) -> Network:
    """Load and warm up a network. Raises ConfigError or ModelError."""
    if not spec.options.use_gpu:
        threads = max(settings.threads, spec.options.cpu_threads)
        spec = replace(spec, options=spec.options.model_copy(update={"cpu_threads": threads}))
    if spec.pixels is None:
        return WholeNetwork(local.open_local(spec.path, spec.options, greedy_ctc=spec.greedy_ctc))
    fixed = spec.options.use_gpu if settings.fixed is None else settings.fixed
    return PixelNetwork(spec, spec.pixels, fixed=fixed, max_batch=settings.max_batch)


class WholeNetwork:
    """Any engine, run once for each call, whatever it takes."""

    def __init__(self, engine: Engine) -> None:
        """Run `engine`."""
        self._engine = engine

    @property
    def name(self) -> str:
        """The engine's."""
        return self._engine.name

    @property
    def metadata(self) -> Mapping[str, str]:
        """The engine's; Paddle's grow with its first run."""
        return self._engine.metadata

    def bucket(self, payload: Sequence[Tensor]) -> Bucket:
        """Each call by itself, at the price of its inputs."""
        return Bucket(1, max(1, sum(value.size for value in payload) // 3), 1)

    def is_warm(self, _bucket: Bucket) -> bool:
        """Its stage has warmed it up with the one shape it uses."""
        return True

    def assemble(self, _bucket: Bucket, payloads: Sequence[Any]) -> Any:
        """The inputs as they came."""
        return payloads[0]

    def pixels(self, bucket: Bucket, _batch: Any, payloads: Sequence[Any]) -> tuple[int, int]:
        """Nothing is filled up."""
        return bucket.cost * len(payloads), bucket.cost * len(payloads)

    def run(self, _bucket: Bucket, batch: Any, _payloads: Sequence[Any]) -> list[list[Tensor]]:
        """The engine's outputs, batch axis and all."""
        return [self._engine.run(*batch)]


class PixelNetwork:
    """An ONNX network that takes pixels, with a session for each bucket of its table, and one for any other shape."""

    name = "onnxruntime"

    def __init__(self, spec: ModelSpec, source: PixelInput, *, fixed: bool, max_batch: int | None) -> None:
        """Load and warm up. Raises ConfigError or ModelError."""
        self._file = local.model_files(spec.path)["onnx"]
        self._maps = source.kind == "detection"
        model = prepared(self._file, greedy_ctc=spec.greedy_ctc, precision=spec.options.precision)
        self.metadata: Mapping[str, str] = edits.metadata(edits.parse(model, str(self._file)))
        model = edits.with_pixels(model, source.steps, str(self._file))
        self._buckets: Buckets = (
            table(source.kind, source.shape, max_batch)
            if fixed
            else ExactBuckets(min(CPU_BATCH[source.kind], max_batch or CPU_BATCH[source.kind]))
        )
        self._any = open_session(model, self._file, spec.options)

        def session(bucket: Bucket) -> FixedSession:
            shaped = edits.with_shape(model, bucket.batch, bucket.height, bucket.width, str(self._file))
            return FixedSession(open_session(shaped, self._file, spec.options, one_shape=True), bucket, gpu=spec.options.use_gpu)

        with ThreadPoolExecutor(WARM_TOGETHER) as pool:
            self._sessions = dict(zip(self._buckets, pool.map(session, self._buckets), strict=True))
        height, width = (side or 64 for side in source.shape)
        self._run_any(np.zeros((1, height, width, 3), np.uint8), np.zeros((1, 2), np.int64))

    def bucket(self, payload: Pixels) -> Bucket:
        """The smallest that holds what the row asks for."""
        return self._buckets.of(payload.height, payload.width)

    def is_warm(self, bucket: Bucket) -> bool:
        """Whether it has a session of its own, or needs none."""
        return bucket in self._sessions or not self._sessions

    def assemble(self, bucket: Bucket, payloads: Sequence[Pixels]) -> tuple[Tensor, Tensor]:
        """Pixels, uint8 of shape (N, H, W, 3), and sizes, int64 of shape (N, 2); N is the bucket's where that is fixed."""
        rows = bucket.batch if bucket in self._sessions else len(payloads)
        # The graph overlooks whatever lies beyond the sizes, so it need not be set.
        pixels = np.empty((rows, bucket.height, bucket.width, 3), np.uint8)
        sizes = np.zeros((rows, 2), np.int64)
        for n, (image, _, _) in enumerate(payloads):
            height, width = image.shape[:2]
            pixels[n, :height, :width] = image
            sizes[n] = height, width
        return pixels, sizes

    def pixels(self, bucket: Bucket, batch: tuple[Tensor, Tensor], payloads: Sequence[Pixels]) -> tuple[int, int]:
        """A batch of a fixed shape has all its rows, whether they are filled or not."""
        return sum(row.height * row.width for row in payloads), bucket.cost * len(batch[0])

    def run(self, bucket: Bucket, batch: tuple[Tensor, Tensor], payloads: Sequence[Pixels]) -> list[list[Tensor]]:
        """Outputs for each row; of a map as large as the pictures only the part the row asked for."""
        session = self._sessions.get(bucket)
        outputs = self._run_any(*batch) if session is None else session.run(*batch)
        if any(not value.ndim or len(value) != len(batch[0]) for value in outputs):
            raise ModelError(f"{self._file} does not answer each picture of a batch: it is no network for this task.")
        shape = batch[0].shape[1:3]

        def part(value: Tensor, n: int) -> Tensor:
            if self._maps and value.shape[-2:] == shape:
                return np.ascontiguousarray(value[n, ..., : payloads[n].height, : payloads[n].width])
            row: Tensor = value[n]
            return row

        return [[part(value, n) for value in outputs] for n in range(len(payloads))]

    def _run_any(self, pixels: Tensor, sizes: Tensor) -> list[Tensor]:
        try:
            outputs: list[Tensor] = self._any.run(None, {edits.PIXELS: pixels, edits.SIZES: sizes})
        except Exception as exc:
            raise refusal(self._file, [pixels], exc) from exc
        return outputs


class FixedSession:
    """A session that has one shape, with inputs and outputs bound on the device."""

    def __init__(self, session: Any, bucket: Bucket, *, gpu: bool) -> None:
        """Bind and warm up."""
        from onnxruntime import OrtValue

        where = ("cuda" if gpu else "cpu", 0)
        self._session = session
        self._gpu = gpu
        self._bucket = bucket
        shape = (bucket.batch, bucket.height, bucket.width, 3)
        self._pixels = OrtValue.ortvalue_from_numpy(np.zeros(shape, np.uint8), *where)
        self._sizes = OrtValue.ortvalue_from_numpy(np.zeros((bucket.batch, 2), np.int64), *where)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(edits.PIXELS, self._pixels)
        self._binding.bind_ortvalue_input(edits.SIZES, self._sizes)
        names = [value.name for value in session.get_outputs()]
        for name in names:
            self._binding.bind_output(name, *where)
        session.run_with_iobinding(self._binding)
        # What onnxruntime has allocated for the first run is kept for all the others.
        self._outputs = self._binding.get_outputs()
        self._binding.clear_binding_outputs()
        for name, value in zip(names, self._outputs, strict=True):
            self._binding.bind_ortvalue_output(name, value)
        session.run_with_iobinding(self._binding)

    def run(self, pixels: Tensor, sizes: Tensor) -> list[Tensor]:
        """Run once; the arrays are copies. Raises ModelError."""
        try:
            self._pixels.update_inplace(pixels)
            self._sizes.update_inplace(sizes)
            self._session.run_with_iobinding(self._binding)
            outputs = [value.numpy() for value in self._outputs]
        except Exception as exc:
            raise refusal(Path(str(self._bucket)), [pixels], exc) from exc
        return outputs if self._gpu else [value.copy() for value in outputs]


def is_fatal(exc: Exception) -> bool:
    """Whether a device that failed so fails ever after: most errors of CUDA poison their whole process, want of memory does not."""
    text = str(exc)
    return "out of memory" not in text and any(sign in text for sign in ("CUDA failure", "CUDNN failure", "CUDA error"))
