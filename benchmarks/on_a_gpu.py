"""Steps of benchmarks/on_a_gpu.sh: `python -m benchmarks.on_a_gpu --device cpu machine|answers|option NAME`.

`machine` tells what is there. `answers` starts a service with an engine process on the device and one without on the CPU: whether
they read the same, how long the first takes to be ready, and how long to be back after its engine was killed. `option` runs the
networks of PP-OCRv6 small at one shape each in one way: `plain`, in CUDA `graphs`, in `fp16`, on `tensorrt`; pages' worth of work
a second, and whether the answers are those of float32 on the CPU. `--device cpu` takes the same way without a card.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.library import processes, report, support
from benchmarks.library.support import BenchmarkError
from benchmarks.overhead import GOLDEN
from ocr_serving import machine as this_machine
from ocr_serving import models
from ocr_serving.engines import Tensor
from ocr_serving.engines.graphs.prepared import prepared

PAGES = [GOLDEN / name for name in ("layout_cn.jpg", "table_crop.jpg")]
SET = {"gpu": "PP-OCRv6_small", "cpu": "PP-OCRv6_tiny"}
SHAPES = {"gpu": {"det": (8, 3, 960, 768), "rec": (64, 3, 48, 320)}, "cpu": {"det": (1, 3, 320, 256), "rec": (2, 3, 48, 128)}}
"""One shape of each network, as a batch of a table has it."""

RUNS = {"gpu": 20, "cpu": 2}
SAME = 0.99
"""Share of the characters, and of the detector's pixels on either side of its threshold, that have to be the same."""

THRESHOLD = 0.3
NEEDS_A_CARD = ("graphs", "tensorrt")


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """Cores, memory, the card, and what onnxruntime runs on."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls") and args.device == "gpu":
        onnxruntime.preload_dlls()
    card = None
    if shutil.which("nvidia-smi"):
        card = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
            check=False,
            capture_output=True,
            text=True,
        ).stdout.strip()
    found = {
        "python": sys.version.split()[0],
        "cores": this_machine.cpu_count(),
        "processor": report.processor(),
        "memory_mib": (this_machine.memory_bytes() or 0) >> 20,
        "card": card,
        "onnxruntime": onnxruntime.__version__,
        "providers": onnxruntime.get_available_providers(),
    }
    there = args.device == "cpu" or "CUDAExecutionProvider" in found["providers"]
    _say(found)
    return {**found, "reached": there}


def answers(args: argparse.Namespace) -> dict[str, Any]:
    """The same text as on the CPU, the time to be ready, and the time to be back after the engine was killed."""
    name, gpu = SET[args.device], args.device == "gpu"
    with support.serve(name, workers=1) as plain:
        wanted = [plain.read(page) for page in PAGES]
    begun = time.monotonic()
    settings: dict[str, Any] = {"engine_process": True} | ({"gpu": os.environ["CUDA_VISIBLE_DEVICES"]} if gpu else {})
    with support.serve(name, workers=2, init_args={"use_gpu": gpu}, settings=settings) as service:
        found: dict[str, Any] = {"model_set": name, "seconds_to_ready": time.monotonic() - begun}
        _say(found)
        read = [service.read(page) for page in PAGES]
        found |= {
            "pages": len(PAGES),
            "lines": sum(map(len, wanted)),
            "same_lines": sum(
                sum(ours == theirs for ours, theirs in zip(*both, strict=False)) for both in zip(read, wanted, strict=True)
            ),
            "same_text": read == wanted,
        }
        _say(found)
        found |= {"seconds_to_be_back": _back_after_a_death(service), "same_after": [service.read(page) for page in PAGES] == read}
    _say(found)
    return {**found, "reached": found["same_after"] and (gpu or found["same_text"])}


def _back_after_a_death(service: support.Service) -> float:
    engine = next((pid for pid in processes.cpu_by_pid(service.pid) if "engine_main" in processes.command_line(pid)), None)
    if engine is None:
        raise BenchmarkError("The service has no engine process.")
    begun = time.monotonic()
    os.kill(engine, signal.SIGKILL)
    while time.monotonic() - begun < support.START_S:
        try:
            service.read(PAGES[0])
        except BenchmarkError:
            time.sleep(0.2)
        else:
            return time.monotonic() - begun
    raise BenchmarkError("The engine process that was killed did not come back.")


def option(args: argparse.Namespace) -> dict[str, Any]:
    """Runs a second of the networks, run in one way, and whether they answer as in float32 on the CPU."""
    if args.device == "cpu" and args.name in NEEDS_A_CARD:
        print(f"{args.name} needs a card; nothing was run.")
        return {"option": args.name, "left_out": "needs a card", "reached": None}
    chosen = models.model_sets()[SET[args.device]]
    found: dict[str, Any] = {"option": args.name, "device": args.device}
    rng = np.random.default_rng(0)
    for kind, folder in (("det", chosen.det), ("rec", chosen.rec)):
        model = prepared(models.home(folder) / "inference.onnx", greedy_ctc=kind == "rec")
        shape = SHAPES[args.device][kind]
        values = rng.normal(size=shape).astype(np.float32)
        begun = time.monotonic()
        run = _runner(model, values, args)
        found[f"{kind}_seconds_to_warm"] = time.monotonic() - begun
        answer = run()
        begun = time.monotonic()
        for _ in range(RUNS[args.device]):
            answer = run()
        found[f"{kind}_rows_per_s"] = shape[0] * RUNS[args.device] / (time.monotonic() - begun)
        found[f"{kind}_same"] = _same(
            kind, answer, _plain_session(model, ["CPUExecutionProvider"]).run(None, _named(model, values))
        )
        _say(found)
    return {**found, "reached": min(found["det_same"], found["rec_same"]) >= SAME}


def _runner(model: bytes, values: Tensor, args: argparse.Namespace) -> Callable[[], list[Tensor]]:
    """Runs the network once on `values`, which lie on the device already; warm."""
    if args.name == "fp16":
        model = in_half_precision(model)
    if args.device == "cpu":
        session, named = _plain_session(model, ["CPUExecutionProvider"]), _named(model, values)
        return lambda: list(session.run(None, named))
    import onnxruntime

    cuda = {"cudnn_conv_algo_search": "HEURISTIC", "enable_cuda_graph": "1" if args.name == "graphs" else "0"}
    providers: list[Any] = [("CUDAExecutionProvider", cuda)]
    if args.name == "tensorrt":
        if "TensorrtExecutionProvider" not in onnxruntime.get_available_providers():
            raise BenchmarkError("This onnxruntime has no TensorRT: bring its wheel.")
        cache = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": tempfile.gettempdir()}
        providers.insert(0, ("TensorrtExecutionProvider", cache))
    session = _plain_session(model, providers)
    if session.get_providers()[0] != providers[0][0]:
        raise BenchmarkError(f"onnxruntime could not start {providers[0][0]}; what it printed says why.")
    binding = session.io_binding()
    held = onnxruntime.OrtValue.ortvalue_from_numpy(values, "cuda", 0)
    binding.bind_ortvalue_input(session.get_inputs()[0].name, held)
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda", 0)
    session.run_with_iobinding(binding)
    kept = binding.get_outputs()
    binding.clear_binding_outputs()
    for output, value in zip(session.get_outputs(), kept, strict=True):
        binding.bind_ortvalue_output(output.name, value)
    session.run_with_iobinding(binding)

    def run() -> list[Tensor]:
        session.run_with_iobinding(binding)
        return [value.numpy() for value in kept]

    return run


def in_half_precision(model: bytes) -> bytes:
    """The network with weights and arithmetic in float16, input and outputs as they were."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    made: bytes = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True).SerializeToString()
    return made


def _plain_session(model: bytes, providers: Sequence[Any]) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(model, settings, providers=list(providers))


def _named(model: bytes, values: Tensor) -> dict[str, Tensor]:
    import onnx

    return {onnx.load_from_string(model).graph.input[0].name: values}


def _same(kind: str, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The share of places where both say the same: on a map the side of the threshold, of a line the character."""
    if kind == "det":
        return float(((ours[0] > THRESHOLD) == (theirs[0] > THRESHOLD)).mean())
    return float((ours[0] == theirs[0]).mean())


def _say(found: Mapping[str, Any]) -> None:
    """As far as it is known, for the log: a cut keeps it."""
    print(
        "  ".join(f"{key}={value:.3f}" if isinstance(value, float) else f"{key}={value}" for key, value in found.items()),
        flush=True,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where something is not as it should be."""
    parser = support.parser("benchmarks.on_a_gpu", "Steps of benchmarks/on_a_gpu.sh.")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu", help="cpu: the same way without a card (default gpu)")
    steps = parser.add_subparsers(required=True, metavar="STEP")
    for step in (machine, answers):
        steps.add_parser(step.__name__, help=step.__doc__).set_defaults(measure=step)
    one = steps.add_parser("option", help=option.__doc__)
    one.add_argument("name", choices=("plain", "graphs", "fp16", "tensorrt"))
    one.set_defaults(measure=option)
    args = parser.parse_args(argv)
    return support.run("benchmarks.on_a_gpu", args.measure, args)


if __name__ == "__main__":
    sys.exit(main())
