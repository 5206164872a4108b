"""From a command line and a machine to what is to be started. Pure but for reading config.json files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_serving import config, machine
from ocr_serving.config import ServiceConfig
from ocr_serving.errors import ConfigError
from ocr_serving.modules import loader

OPTIONS = {"port": "-p", "host": "--host", "workers": "--workers", "offline": "--offline"}
FRONT_BYTES = 150 << 20
"""What the front takes besides the bodies it holds."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def configuration(args: argparse.Namespace, environ: Mapping[str, str]) -> ServiceConfig:
    """From `-c FILE` alone, or from `-m` and the options, over the config.json of the module's folder. Raises ConfigError."""
    if args.config:
        return config.build(config.read_file(Path(args.config)), environ, where=args.config)
    if not args.modules:
        raise ConfigError("Name a module with -m (for example -m ocr_system) or a file with -c config.json.")
    values: dict[str, Any] = {"modules_info": {}}
    for n, spec in enumerate(args.modules):
        found = loader.find(spec)
        gpu = {"use_gpu": True} if args.use_gpu else {}
        values["modules_info"][spec] = found.entry | {"init_args": found.entry.get("init_args", {}) | gpu}
        if n == 0:
            values |= found.settings
    options = {key: value for key, value in _options(args).items() if value is not None}
    values |= options
    if args.use_multiprocess or args.workers is not None:
        values["use_multiprocess"] = True
        if args.workers is None:
            values["workers"] = None
    where = "config.json of " + " and ".join(args.modules)
    return config.build(values, environ, where=where, options={key: OPTIONS[key] for key in options})


def ignored(args: argparse.Namespace) -> list[str]:
    """Options that were given beside `-c`, which takes everything from its file."""
    if not args.config:
        return []
    given = {OPTIONS[key]: value for key, value in _options(args).items()}
    given |= {"-m": args.modules, "--use_gpu": args.use_gpu, "--use_multiprocess": args.use_multiprocess}
    return [name for name, value in given.items() if value]


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Keys of config.json that have an option, None where it was not given."""
    return {"port": args.port, "host": args.host, "workers": args.workers, "offline": args.offline or None}


def environments(settings: ServiceConfig, environ: Mapping[str, str], *, cores: int, memory: int | None) -> list[dict[str, str]]:
    """The variables of each worker process to start: a worker a core as far as `memory` (bytes) goes.

    Where `engine_process` is off there is a worker a GPU instead, as each then runs its networks itself.

    Raises ConfigError where a GPU is asked for and none is chosen.
    """
    threads = max(_threads(module.init_args) for module in settings.modules_info.values())
    common = dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"OPENCV_IO_MAX_IMAGE_PIXELS": str(settings.max_pixels)}
    # As before, `workers` of a file counts only with use_multiprocess: the old files all carry "workers": 2.
    asked = settings.workers if settings.use_multiprocess else None
    if not settings.use_gpu or settings.engine_process:
        # The GPUs are the engine processes'; a worker that saw one could take its memory.
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if settings.use_gpu else {}
        return [common | hidden] * (asked or machine.worker_count(max(1, cores // threads), memory))
    gpus = _gpus(settings, environ)
    return [common | {"CUDA_VISIBLE_DEVICES": gpus[n % len(gpus)]} for n in range(asked or len(gpus))]


def worker_memory(settings: ServiceConfig, memory: int | None, workers: int) -> int | None:
    """Bytes that each worker may have, of the machine's `memory`; None where they are not bounded.

    The front keeps what bodies it may hold, twice while one is handed over. Drivers of GPUs map what they never touch, so that a
    worker that runs networks there itself cannot be bounded so.
    """
    if settings.worker_memory_mb is not None:
        return settings.worker_memory_mb << 20 or None
    if memory is None or (settings.use_gpu and not settings.engine_process):
        return None
    return max(0, memory - FRONT_BYTES - 2 * settings.held_bytes(memory)) // workers


def lends_cores(settings: ServiceConfig, cores: int) -> bool:
    """Whether workers use each other's cores: where there are several, and each worker runs networks of one thread on one."""
    own = not settings.use_gpu and not settings.engine_process
    return settings.idle_cores and own and cores > 1 and all(_threads(m.init_args) == 1 for m in settings.modules_info.values())


def engine_environments(settings: ServiceConfig, environ: Mapping[str, str], *, cores: int) -> list[dict[str, str]]:
    """The variables of each engine process to start: one a GPU, or one with all cores where there is none; [] where they are off.

    Raises ConfigError where a GPU is asked for and none is chosen.
    """
    if not settings.engine_process:
        return []
    if not settings.use_gpu:
        return [dict.fromkeys(THREAD_VARIABLES, str(cores))]
    return [dict.fromkeys(THREAD_VARIABLES, "1") | {"CUDA_VISIBLE_DEVICES": gpu} for gpu in _gpus(settings, environ)]


def _gpus(settings: ServiceConfig, environ: Mapping[str, str]) -> list[str]:
    gpus = machine.visible_gpus(environ if "CUDA_VISIBLE_DEVICES" in environ else {"CUDA_VISIBLE_DEVICES": settings.gpu or ""})
    if not gpus:
        raise ConfigError(
            "use_gpu is true but no GPU is chosen: set CUDA_VISIBLE_DEVICES (for example CUDA_VISIBLE_DEVICES=0) or 'gpu' in"
            " config.json, or set use_gpu to false."
        )
    return gpus


def summary(
    settings: ServiceConfig, variables: list[dict[str, str]], engines: Sequence[Mapping[str, str]] = (), *, cores: int
) -> str:
    """What is started, in words: workers and engine processes, and the threads of each."""
    text = f"{' and '.join(settings.modules_info)} on {url(settings)}: {_processes('worker', variables, cores)}"
    return f"{text}, {_processes('engine', engines, cores)}" if engines else text


def _processes(kind: str, variables: Sequence[Mapping[str, str]], cores: int) -> str:
    gpus = sorted({env["CUDA_VISIBLE_DEVICES"] for env in variables if env.get("CUDA_VISIBLE_DEVICES")})
    where = f"GPU {', '.join(gpus)}" if gpus else f"{cores} core" + "s" * (cores != 1)
    threads = int(variables[0][THREAD_VARIABLES[0]])
    each = f"of {threads} thread" + "s" * (threads != 1) + " each" * (len(variables) != 1)
    return f"{len(variables)} {kind} process" + "es" * (len(variables) != 1) + f" {each} on {where}"


def url(settings: ServiceConfig) -> str:
    """Where a caller on this machine reaches the service."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    return f"http://{host}:{settings.port}"


def _threads(init_args: Mapping[str, Any]) -> int:
    threads = init_args.get("cpu_threads", 1)
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise ConfigError(f"init_args: 'cpu_threads' must be a whole number of at least 1, got {threads!r}.")
    return threads
