"""Real engine processes, asked over their sockets as workers ask them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from helpers import networks
from helpers.services import needs_vnni, wait_until
from ocr_serving import data, models
from ocr_serving.config.params import ClassifierParams, DetectionParams, RecognitionParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import Pixels, engine_options, open_engine, opening_with
from ocr_serving.engines.base import EngineOptions, ModelSpec, PixelInput
from ocr_serving.engines.batching import device, remote
from ocr_serving.engines.batching.messages import EngineSettings
from ocr_serving.errors import LateError, LostError, ModelError, ServingError
from ocr_serving.server.engine_pool import EnginePool
from ocr_serving.stages.detection import TextDetector
from ocr_serving.stages.languages import Recognizers
from ocr_serving.stages.orientation import LINE_STEPS, TextClassifier
from ocr_serving.stages.recognition import TextRecognizer

ENV = {"OMP_NUM_THREADS": "1"}
LINES = PixelInput("recognition", (48, 0), LINE_STEPS)
OPTIONS = EngineOptions()


@pytest.fixture(scope="module")
def engines() -> Iterator[EnginePool]:
    """One engine process, batches of up to 8."""
    started = EnginePool([ENV], EngineSettings(), on_cpu=True)
    started.start()
    yield started
    started.close()


@pytest.fixture
def client(engines: EnginePool) -> Iterator[remote.Client]:
    """This process's client, known to `open_engine`."""
    made = remote.Client(engines.address)
    with opening_with(remote.opener(made)):
        yield made
    made.close()


@contextlib.contextmanager
def running(count: int = 1, env: Mapping[str, str] = ENV, **settings: Any) -> Iterator[tuple[EnginePool, remote.Client]]:
    """Engine processes and a client of theirs, for a test that harms them."""
    started = EnginePool([env] * count, EngineSettings(**settings), on_cpu=True)
    started.start()
    client = remote.Client(started.address)
    try:
        yield started, client
    finally:
        client.close()
        started.close()


def lines(count: int, seed: int = 0) -> list[Image]:
    """Lines of dark and bright columns on grey, all different."""
    dice = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        picture = np.full((48, 8 * int(dice.integers(4, 60)), 3), 127, np.uint8)
        for column in range(0, picture.shape[1], 8):
            picture[:, column : column + 8] = dice.choice([0, 127, 255])
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize("width", ["tight", "legacy"])
def test_stages_answer_what_they_answer_alone(client: remote.Client, tmp_path: Path, width: str) -> None:
    recogniser = networks.dark_and_bright_columns(tmp_path / "rec.onnx")
    classifier = networks.upside_down_if_dark(tmp_path / "cls.onnx")
    detector = networks.dark_pixels(tmp_path / "det.onnx")
    page = np.full((170, 333, 3), 255, np.uint8)
    page[40:60, 20:300] = page[100:125, 50:200] = 0
    answers = []
    for there in (client, None):
        with opening_with(remote.opener(there) if there else None):
            rec = TextRecognizer(RecognitionParams(rec_model_dir="", rec_width=width), recogniser, OPTIONS)
            cls = TextClassifier(ClassifierParams(cls_model_dir=""), classifier, OPTIONS)
            det = TextDetector(DetectionParams(det_model_dir=""), detector, OPTIONS)
        assert isinstance(rec.network.engine, remote.RemotePixelEngine) == (there is not None)
        quads = [quad.tolist() for quad in det(page)]
        assert len(quads) == 2
        answers.append((rec(lines(40)), cls(lines(20)), quads))
    assert answers[0] == answers[1]
    assert rec([]) == []


@needs_vnni
@pytest.mark.models
def test_a_line_in_int8_is_read_as_without_an_engine_process(client: remote.Client) -> None:
    line = np.asarray(cv2.imread(str(data.WARMUP)), np.uint8)
    answers = []
    for there, precision in ((client, "int8"), (None, "int8"), (None, "fp32")):
        with opening_with(remote.opener(there) if there else None):
            options = engine_options(precision=precision)
            recogniser = TextRecognizer(RecognitionParams(rec_model_dir=""), models.home("PP-OCRv6_small_rec"), options)
        answers.append(recogniser([line]))
    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("charset", [None, ("a", " ")])
def test_what_is_told_of_a_line_comes_through(
    client: remote.Client, tmp_path: Path, name: str, charset: tuple[str, ...] | None
) -> None:
    file = networks.dark_and_bright_columns(tmp_path / "rec.onnx")
    params = RecognitionParams(rec_model_dir="", charset=charset)
    answers = []
    for there in (client, None):
        with opening_with(remote.opener(there) if there else None):
            recogniser = TextRecognizer(params, file, engine_options(engine=name))
        assert recogniser.told == (["a"] if charset else ["a", "b"])
        answers.append(recogniser.read(lines(12)))
    for one, other in zip(*answers, strict=True):
        assert one.told.shape == (len(one.characters), len(recogniser.told))
        assert one.characters == other.characters
        assert all(np.array_equal(a, b) for a, b in zip(one[2:], other[2:], strict=True))


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("characters", "said"), [("a\nb\n", ""), (".\n*\n", "reads badly")])
def test_what_is_said_of_a_page_is_said_there_too(
    client: remote.Client, tmp_path: Path, name: str, characters: str, said: str
) -> None:
    file = networks.dark_and_bright_columns(tmp_path / "rec.onnx", characters)
    answers = []
    for there in (client, None):
        with opening_with(remote.opener(there) if there else None):
            params = RecognitionParams(rec_model_dir=str(file))
            answers.append(Recognizers(params, engine_options(engine=name), Path).read(lines(12)))
    assert answers[0] == answers[1]
    assert answers[0].remark[:11] == said


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_whole_tensors_of_other_networks_go_and_come_back(client: remote.Client, tmp_path: Path, name: str) -> None:
    engine = open_engine(networks.passing_through(tmp_path / "any.onnx", ["N", "K"]), engine_options(engine=name))
    assert isinstance(engine, remote.RemoteEngine)
    assert engine.name == name
    for shape in ((1, 5), (3, 700_000), (2, 2)):
        values = np.random.default_rng(1).random(shape, np.float32)
        (answer,) = engine.run(values)
        assert (answer == values).all()
        assert answer.flags.writeable


def test_each_of_many_callers_gets_its_own(engines: EnginePool, tmp_path: Path) -> None:
    spec = ModelSpec(networks.passing_through(tmp_path / "own.onnx", ["N", 3, "H", "W"]).resolve(), OPTIONS, pixels=LINES)

    def ask(caller: int) -> bool:
        mine = remote.Client(engines.address)
        engine = remote.RemotePixelEngine(mine, spec)
        dice = np.random.default_rng(caller)
        for _ in range(30):
            pictures = [dice.integers(0, 256, (48, int(dice.integers(1, 64)), 3), np.uint8) for _ in range(dice.integers(1, 12))]
            answers = engine.run_pixels([Pixels(picture, 48, 64) for picture in pictures])
            for picture, (seen,) in zip(pictures, answers, strict=True):
                shown = np.round(seen[:, :, : picture.shape[1]] * 127.5 + 127.5).transpose(1, 2, 0)
                if not (shown == picture).all():
                    return False
        mine.close()
        return True

    before = engines.board.get(0, "rows"), sum(engines.board.get(0, f"batch_{n}") for n in range(9))
    with ThreadPoolExecutor(8) as callers:
        assert all(callers.map(ask, range(8)))
    rows = engines.board.get(0, "rows") - before[0]
    batches = sum(engines.board.get(0, f"batch_{n}") for n in range(9)) - before[1]
    # Callers did share batches: 240 calls with several rows each of one width.
    assert batches < 240 < rows


def test_the_shapes_of_the_table_are_warm_and_answer_the_same(tmp_path: Path) -> None:
    recogniser = networks.dark_and_bright_columns(tmp_path / "rec.onnx")
    alone = TextRecognizer(RecognitionParams(rec_model_dir=""), recogniser, OPTIONS)
    with running(max_batch=2, fixed=True) as (started, client):
        with opening_with(remote.opener(client)):
            batched = TextRecognizer(RecognitionParams(rec_model_dir=""), recogniser, OPTIONS)
        assert batched(lines(40)) == alone(lines(40))
        assert started.board.get(0, "unwarmed") == 0
        wide = np.zeros((48, 4000, 3), np.uint8)
        engine = batched.network.engine
        assert isinstance(engine, remote.RemotePixelEngine)
        engine.run_pixels([Pixels(wide, 48, 4000)])
        assert started.board.get(0, "unwarmed") == 1


@pytest.mark.parametrize("content", [None, b"", b"no network"])
def test_a_model_that_cannot_be_loaded_is_refused_with_the_sentence(
    client: remote.Client, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "broken.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        open_engine(file, engine_options(), pixels=LINES)


def test_a_network_that_refuses_a_shape_fails_that_request_alone(client: remote.Client, tmp_path: Path) -> None:
    engine = open_engine(networks.passing_through(tmp_path / "two.onnx", ["N", 2]), engine_options())
    with pytest.raises(ModelError, match=r"two\.onnx failed on input of shape \[\(1, 3\)\]"):
        engine.run(np.zeros((1, 3), np.float32))
    assert engine.run(np.ones((1, 2), np.float32))[0].all()


def test_a_network_of_another_task_is_a_sentence(client: remote.Client, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="is no DB text detector"):
        TextDetector(DetectionParams(det_model_dir=""), networks.upside_down_if_dark(tmp_path / "cls.onnx"), OPTIONS)


def test_what_is_late_is_not_run(client: remote.Client, engines: EnginePool, tmp_path: Path) -> None:
    engine = open_engine(networks.passing_through(tmp_path / "late.onnx", ["N", 2]), engine_options())
    values = np.zeros((1, 2), np.float32)
    engine.run(values)
    rows = engines.board.get(0, "rows")
    client.begin(time.monotonic() - 1)
    with pytest.raises(LateError):
        engine.run(values)
    client.begin(time.monotonic() + 60)
    engine.run(values)
    assert engines.board.get(0, "rows") == rows + 1


def test_a_short_time_to_answer_is_not_all_kept_for_saying_that_it_is_over(client: remote.Client, tmp_path: Path) -> None:
    engine = open_engine(networks.passing_through(tmp_path / "short.onnx", ["N", 3]), engine_options())
    client.begin(time.monotonic() + remote.MARGIN_S)
    assert engine.run(np.full((1, 3), 5, np.float32))[0].tolist() == [[5, 5, 5]]


def test_an_engine_that_does_not_answer_is_waited_for_until_just_before_the_deadline(
    client: remote.Client, engines: EnginePool, tmp_path: Path
) -> None:
    engine = open_engine(networks.passing_through(tmp_path / "stopped.onnx", ["N", 1]), engine_options())
    os.kill(engines.pids[0], signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 1.0
        client.begin(deadline)
        with pytest.raises(LateError, match="did not answer in time"):
            engine.run(np.zeros((1, 1), np.float32))
        assert deadline - remote.MARGIN_S < time.monotonic() < deadline
    finally:
        os.kill(engines.pids[0], signal.SIGCONT)
    client.begin(float("inf"))
    # The answer that came too late is not taken for this one.
    assert engine.run(np.full((1, 1), 5, np.float32))[0] == 5


def test_an_engine_that_is_killed_costs_what_was_asked_and_comes_back_warm(tmp_path: Path) -> None:
    file = networks.passing_through(tmp_path / "any.onnx", ["N", 3, "H", "W"])
    with running() as (started, client):
        engine = remote.RemotePixelEngine(client, ModelSpec(file.resolve(), OPTIONS, pixels=LINES))
        row = Pixels(np.zeros((48, 32, 3), np.uint8), 48, 32)
        assert engine.run_pixels([row])[0][0].shape == (3, 48, 32)
        os.kill(started.pids[0], signal.SIGSTOP)
        with ThreadPoolExecutor(1) as thread:
            lost = thread.submit(engine.run_pixels, [row])
            os.kill(started.pids[0], signal.SIGKILL)
            with pytest.raises(LostError, match="died on this request and is started again"):
                lost.result(timeout=30)
        # It waits for the next one, which has the network open before it takes anything.
        assert engine.run_pixels([row])[0][0].shape == (3, 48, 32)
        wait_until(lambda: started.ready == 1, "the engine to be ready again")
        assert started.restarts == 1
        # One that dies while nobody asks is not noticed by the next who does.
        os.kill(started.pids[0], signal.SIGKILL)
        wait_until(lambda: started.restarts == 2, "the death to be noticed")
        assert engine.run_pixels([row])[0][0].shape == (3, 48, 32)


def test_the_engine_with_the_least_to_do_is_asked(tmp_path: Path) -> None:
    file = networks.passing_through(tmp_path / "any.onnx", ["N", 1]).resolve()
    with running(2) as (started, client):
        engine = remote.RemoteEngine(client, ModelSpec(file, OPTIONS))
        wait_until(lambda: started.ready == 2, "both engines")
        for busy, free in ((0, 1), (1, 0)):
            before = started.board.get(free, "rows")
            started.board.set(busy, "outstanding", 1e9)
            engine.run(np.zeros((1, 1), np.float32))
            assert started.board.get(free, "rows") == before + 1
            started.board.set(busy, "outstanding", 0)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    file = networks.passing_through(tmp_path / "any.onnx", ["N", "K"]).resolve()
    with running() as (started, client):
        folder = Path(started.address.paths[0]).parent
        assert folder.stat().st_mode & 0o077 == 0
        engine = remote.RemoteEngine(client, ModelSpec(file, OPTIONS))
        pid = started.pids[0]

        def descriptors() -> int:
            return sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in ("self", pid))

        engine.run(np.zeros((1, 10), np.float32))
        before = descriptors()
        for n in range(1, 30):
            engine.run(np.zeros((n, 100_000), np.float32))
        assert descriptors() <= before
        assert "/dev/shm" not in Path(f"/proc/{pid}/maps").read_text()
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


DYING = {
    "feeder": """
from ocr_serving.engines.batching.batcher import Batcher
given = Batcher.next_batch
def next_batch(self, now):
    if given(self, now) is not None:
        raise RuntimeError("a fault of ours")
Batcher.next_batch = next_batch
""",
    "device": """
from ocr_serving.engines.batching.device import WholeNetwork
WholeNetwork.pixels = None
""",
}
"""What makes a thread fail at its first batch, in a process that finds it as `sitecustomize`."""


@pytest.mark.parametrize("name", DYING)
def test_an_engine_does_not_outlive_one_of_its_threads(name: str, tmp_path: Path) -> None:
    """It would take requests and answer none."""
    file = networks.passing_through(tmp_path / "any.onnx", ["N", 1]).resolve()
    fault = tmp_path / "sitecustomize.py"
    fault.write_text(DYING[name])
    with running(env=ENV | {"PYTHONPATH": str(tmp_path)}) as (started, client):
        engine = remote.RemoteEngine(client, ModelSpec(file, OPTIONS))
        client.begin(time.monotonic() + 60)
        fault.unlink()
        with pytest.raises(LostError, match="died on this request and is started again"):
            engine.run(np.full((1, 1), 3, np.float32))
        assert engine.run(np.full((1, 1), 5, np.float32))[0] == 5
        assert started.restarts == 1


@pytest.mark.parametrize(
    ("text", "fatal"),
    [
        ("rec.onnx failed: CUDA failure 700: an illegal memory access was encountered ; GPU=0", True),
        ("rec.onnx failed: CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED", True),
        ("det.onnx failed: CUDA failure 2: out of memory ; GPU=0", False),
        ("det.onnx failed: Failed to allocate memory for requested buffer of size 11", False),
        ("det.onnx failed on input of shape [(1, 3)]: Got invalid dimensions", False),
    ],
)
def test_an_error_that_poisons_the_device_ends_the_process(text: str, fatal: bool) -> None:
    assert device.is_fatal(ModelError(text)) is fatal
