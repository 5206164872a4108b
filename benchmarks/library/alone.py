"""The processes that `benchmarks.overhead` and `benchmarks.serving` compare a service with; see benchmarks.library.answering.

`python -m benchmarks.library.alone pipeline SET FOLDER PAGE…` puts requests through a service's own worker, without HTTP: at the
start it writes what each run of a network is given to FOLDER; asked for a page, it answers with the CPU seconds of each step.
`networks SET FOLDER` in its place knows nothing but those tensors: when it is ready it names its engines; asked for a page, it runs
the networks on them and answers with the CPU seconds that took.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.library import support
from benchmarks.library.answering import Answering
from benchmarks.library.clock import Clock
from ocr_serving import config
from ocr_serving.config import ServiceConfig
from ocr_serving.engines import Engine
from ocr_serving.errors import ServingError
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.server import plan
from ocr_serving.server.messages import Task, WorkerSpec
from ocr_serving.server.worker import Worker
from ocr_serving.stages.orientation import TextClassifier

Tensor = NDArray[Any]

NETWORKS = "networks"
REQUEST = "JSON in and out"
DECODE = "base64 and image decoding"
CROPS = "reading order, crops"
STAGES = {
    "detector": "detection around its network",
    "classifier": "angle around its network",
    "recognizer": "recognition around its network",
}
"""Attributes of OCRSystem, and the steps they are."""


def helper(kind: str, model_set: str, folder: Path, *images: Path) -> Answering:
    """One of these processes, running; its environment is that of a service's worker. Raises BenchmarkError."""
    variables = plan.environments(worker_config(model_set), os.environ, cores=1, memory=None)[0]
    command = [sys.executable, "-m", "benchmarks.library.alone", kind, model_set, str(folder), *map(str, images)]
    return Answering(command, {**support.environment(), **variables})


class Watched:
    """An engine that hands each input to `seen` before it runs."""

    def __init__(self, engine: Engine, seen: Callable[[Tensor], None], clock: Clock) -> None:
        """Wrap `engine`; its runs are steps of `clock`."""
        self.name = engine.name
        self.metadata: Mapping[str, str] = engine.metadata
        self._seen = seen
        self._run = clock.timed(NETWORKS, engine.run)

    def run(self, tensor: Tensor) -> list[Tensor]:
        """Run once; the networks of ocr_system have one input."""
        self._seen(tensor)
        return self._run(tensor)


def worker_config(model_set: str) -> ServiceConfig:
    """The configuration of the service that is compared with."""
    return config.build(support.service_config(model_set, workers=1), {}, where="benchmark")


def load(model_set: str) -> tuple[Worker, OCRSystem]:
    """A worker as a service has it, and its module."""
    worker = Worker(WorkerSpec(worker_config(model_set)))
    module = worker.modules["ocr_system"]
    assert isinstance(module, OCRSystem)
    return worker, module


def networks_of(module: OCRSystem) -> dict[str, Any]:
    """The stages of a module that run a network, by their attribute; of recognisers the one without `lang`.

    The classifier of pages looks once at a page, at a small picture of it, and is left to the work around the networks.
    """
    stages = {"detector": module.detector, "classifier": module.classifier, "recognizer": module.recognizer.chosen}
    return {name: stage for name, stage in stages.items() if stage is not None}


@dataclass
class Recorder:
    """Writes tensors for one page after another, in the order in which the networks run."""

    folder: Path
    page: int | None = None
    count: int = 0

    def keep(self, stage: str, tensor: Tensor) -> None:
        """Write one, unless no page is set."""
        if self.page is not None:
            np.save(self.folder / f"{self.page:04}-{self.count:04}-{stage}.npy", tensor)
            self.count += 1


def pipeline(model_set: str, folder: Path, images: Sequence[Path]) -> None:
    """Record every page, then answer questions."""
    bodies = [support.request_body(image) for image in images]
    worker, module = load(model_set)
    clock, recorder = Clock(), Recorder(folder)
    for name, stage in networks_of(module).items():
        stage.network.engine = Watched(stage.network.engine, functools.partial(recorder.keep, name), clock)
    for owner, method, name in ((module.detector, "find", "detector"), (module.recognizer, "read", "recognizer")):
        setattr(owner, method, clock.timed(STAGES[name], getattr(owner, method)))
    if module.classifier is not None:
        module.classifier = cast(TextClassifier, clock.timed(STAGES["classifier"], module.classifier))
    for method, step in (("decode", DECODE), ("predict", CROPS)):
        setattr(module, method, clock.timed(step, getattr(module, method)))
    answer = clock.timed(REQUEST, worker.answer)
    for page, body in enumerate(bodies):
        recorder.page = page
        if answer(Task("ocr_system", body, "benchmark")).reply.status != "000":
            raise support.BenchmarkError(f"{images[page]} cannot be read.")
    recorder.page = None

    def steps(page: int) -> dict[str, float]:
        clock.seconds.clear()
        answer(Task("ocr_system", bodies[page], "benchmark"))
        return dict(clock.seconds)

    converse(steps, sys.stdin)


def networks(model_set: str, folder: Path) -> None:
    """Load the tensors, run all of them once, then answer questions."""
    _, module = load(model_set)
    engines = {name: stage.network.engine for name, stage in networks_of(module).items()}
    runs: dict[int, list[tuple[Engine, Tensor]]] = {}
    for file in sorted(folder.glob("*.npy")):
        number, _, stage = file.stem.split("-")
        runs.setdefault(int(number), []).append((engines[stage], np.load(file)))

    def seconds(page: int) -> float:
        begun = time.process_time()
        for engine, tensor in runs.get(page, []):
            engine.run(tensor)
        return time.process_time() - begun

    for page in runs:
        seconds(page)
    converse(seconds, sys.stdin, hello=", ".join(sorted({str(engine.name) for engine in engines.values()})))


def converse(answer: Callable[[int], Any], questions: Iterable[str], *, hello: str = "ready") -> None:
    """Say that all is ready, then answer one line after the other."""
    print(json.dumps(hello), flush=True)
    for line in questions:
        print(json.dumps(answer(int(line))), flush=True)


def main(kind: str, model_set: str, folder: str, *images: str) -> int:
    """Be one of the two processes."""
    try:
        if kind == "pipeline":
            pipeline(model_set, Path(folder), [Path(image) for image in images])
        else:
            networks(model_set, Path(folder))
    except (ServingError, support.BenchmarkError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
