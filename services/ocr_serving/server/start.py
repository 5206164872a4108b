"""`ocr-serving start` and `stop`: from arguments to a running service."""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_serving import config, data, machine
from ocr_serving.config import ServiceConfig
from ocr_serving.errors import ConfigError
from ocr_serving.modules import loader
from ocr_serving.server import logs

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def configuration(args: argparse.Namespace, environ: Mapping[str, str]) -> ServiceConfig:
    """From `-c FILE` alone, or from `-m` and the options, over the config.json of the module's folder. Raises ConfigError."""
    if args.config:
        values = config.read_file(Path(args.config))
        return config.build(values, environ, where=args.config)
    if not args.modules:
        raise ConfigError("Name a module with -m (for example -m ocr_system) or a file with -c config.json.")
    values = {"modules_info": {}}
    for n, spec in enumerate(args.modules):
        found = loader.find(spec)
        settings = found.settings
        entries = settings.pop("modules_info", {})
        # The folder's file has one entry; its key need not be the folder's name, since people copy and rename folders.
        entry = next(iter(entries.values()), {}) if isinstance(entries, dict) else entries
        if args.use_gpu and isinstance(entry, dict):
            entry = entry | {"init_args": entry.get("init_args", {}) | {"use_gpu": True}}
        values["modules_info"][spec] = entry
        if n == 0:
            values |= settings
    options = {"port": args.port, "host": args.host, "workers": args.workers}
    values |= {key: value for key, value in options.items() if value is not None}
    if args.use_multiprocess or args.workers is not None:
        values["use_multiprocess"] = True
    if args.offline:
        values["offline"] = True
    return config.build(values, environ, where="config.json of " + " and ".join(args.modules))


def environments(settings: ServiceConfig, environ: Mapping[str, str]) -> list[dict[str, str]]:
    """The variables of each worker process to start: one worker a core, or one a GPU. Raises ConfigError."""
    threads = max((module.init_args.get("cpu_threads", 1) for module in settings.modules_info.values()), default=1)
    common = {name: str(threads) for name in THREAD_VARIABLES} | {"OPENCV_IO_MAX_IMAGE_PIXELS": str(settings.max_pixels)}
    asked = settings.workers if settings.use_multiprocess else None
    if not settings.use_gpu:
        cores = max(1, machine.cpu_count() // max(1, threads))
        count = asked or machine.worker_count(cores, machine.memory_bytes())
        return [common] * count
    gpus = machine.visible_gpus(environ if "CUDA_VISIBLE_DEVICES" in environ else {"CUDA_VISIBLE_DEVICES": settings.gpu or ""})
    if not gpus:
        raise ConfigError(
            "use_gpu is true but no GPU is chosen: set CUDA_VISIBLE_DEVICES (for example CUDA_VISIBLE_DEVICES=0) or 'gpu' in config.json, or set use_gpu to false."
        )
    count = asked or len(gpus)
    return [common | {"CUDA_VISIBLE_DEVICES": gpus[n % len(gpus)]} for n in range(count)]


def start(args: argparse.Namespace) -> int:
    """Serve until told to stop. Raises ServingError."""
    from ocr_serving.server.front import Front
    from ocr_serving.server.gunicorn import Service

    settings = configuration(args, os.environ)
    logs.configure(settings.log_format)
    variables = environments(settings, os.environ)
    for spec in settings.modules_info:
        loader.find(spec)
    _check_port(settings)
    where = "GPU " + ", ".join(sorted({env["CUDA_VISIBLE_DEVICES"] for env in variables})) if settings.use_gpu else f"{machine.cpu_count()} cores"
    say(f"starting {' and '.join(settings.modules_info)} on {_url(settings)}: {len(variables)} worker processes on {where}; loading models …")

    def on_ready(front: Front) -> None:
        say(f"ready: {', '.join(f'{_url(settings)}/predict/{name}' for name in front.modules)}  (page to try it: {_url(settings)}/)")
        if args.try_page:
            _try(settings, front, Path(args.try_page))

    pidfile = _pidfile(settings.port)
    Service(settings, variables, pidfile=pidfile, on_ready=on_ready).run()
    return 0


def stop(args: argparse.Namespace) -> int:
    """End the service this machine runs on a port, gracefully. Raises ConfigError."""
    path = _run_dir() / f"{args.port}.pid"
    try:
        pid = int(path.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        command = b""
        pid = 0
    if b"ocr" not in command:
        raise ConfigError(f"No ocr-serving service of yours runs on port {args.port} of this machine.")
    os.kill(pid, signal.SIGTERM)
    say(f"stopping the service on port {args.port} (process {pid}); it finishes what it took …")
    deadline = time.monotonic() + args.wait
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            raise ConfigError(f"Process {pid} has not ended within {args.wait:g} s; it may still be predicting. Ask again, or end it with kill -9 {pid}.")
        time.sleep(0.1)
    say("stopped")
    return 0


def say(text: str) -> None:
    """One line to the person who started the service."""
    print(f"ocr-serving: {text}", flush=True)


def _try(settings: ServiceConfig, front: Front, page: Path) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Post one page to the service just started, print what it reads, say how to call it."""
    name = next(iter(front.modules))
    url = f"{_url(settings)}/predict/{name}"
    body = json.dumps({"images": [base64.b64encode(page.read_bytes()).decode()]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  our own address
    say(f"posting {page} to {url} …")
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=settings.timeout_s) as response:  # noqa: S310
            answer = json.load(response)
    except OSError as exc:
        say(f"the first request failed: {exc}")
        return
    print(readable(answer["results"]), flush=True)
    say(f"read in {time.monotonic() - begun:.1f} s. It goes on serving; Ctrl-C ends it. Call it yourself:")
    print(curl(url, page), flush=True)


def readable(results: Any) -> str:
    """The texts of any module's results, one a line; JSON where there is no text."""
    lines: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("text"), str):
                lines.append(value["text"])
            else:
                for item in value.values():
                    walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(results)
    return "\n".join(lines) if lines else json.dumps(results, ensure_ascii=False)


def curl(url: str, page: Path) -> str:
    """A line for the shell that posts `page`; works when pasted."""
    return f"""  (printf '{{"images":["'; base64 -w0 '{page}'; printf '"]}}') | curl -sS -H 'Content-Type: application/json' --data-binary @- {url}"""


def _url(settings: ServiceConfig) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    return f"http://{host}:{settings.port}"


def _check_port(settings: ServiceConfig) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as exc:
            raise ConfigError(
                f"{settings.host}:{settings.port} cannot be listened on ({exc.strerror}): choose another port with -p, or end what runs there (ocr-serving stop -p {settings.port})."
            ) from None


def _run_dir() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base) / "ocr-serving" if base else Path(f"/tmp/ocr-serving-{os.getuid()}")  # noqa: S108


def _pidfile(port: int) -> Path | None:
    """Where `stop` will look; None on a machine where nothing can be written, such as a container with a read-only root."""
    folder = _run_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or not os.access(folder, os.W_OK):
            return None
    except OSError:
        return None
    return folder / f"{port}.pid"


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`start` and `stop` with the old options."""
    parser = commands.add_parser("start", help="serve one or more modules over HTTP")
    parser.add_argument("-m", "--modules", nargs="+", action="extend", metavar="MODULE", help="name, name==version, or path of a folder; several allowed")
    parser.add_argument("-c", "--config", metavar="FILE", help="config.json; the other options are then ignored")
    parser.add_argument("-p", "--port", type=int, help="port (default: that of the module's config.json)")
    parser.add_argument("--host", help="address to listen on (default 0.0.0.0)")
    parser.add_argument("--use_gpu", action="store_true", help="run on the GPUs of CUDA_VISIBLE_DEVICES")
    parser.add_argument("--use_multiprocess", action="store_true", help="accepted as before; several processes are the default")
    parser.add_argument("--workers", type=int, help="worker processes (default: what cores and memory carry)")
    parser.add_argument("--offline", action="store_true", help="never fetch missing models")
    parser.add_argument("--try", dest="try_page", nargs="?", const=str(data.PAGE), metavar="PAGE", help="once ready, post this page (default: the one that ships) and print its text")
    parser.set_defaults(run=start)
    parser = commands.add_parser("stop", help="end the service on a port, gracefully")
    parser.add_argument("-p", "--port", type=int, default=8866)
    parser.add_argument("--wait", type=float, default=130, metavar="S", help="seconds to wait for it to finish (default 130)")
    parser.set_defaults(run=stop)


def print_modules(_args: argparse.Namespace) -> int:
    """`ocr-serving modules`: a table of the modules that come with the package."""
    for name in loader.builtin_names():
        found = loader.find(name)
        info = loader.load_class(found).info
        print(f"{name:17} {found.settings.get('port', ''):>5}  {info.version}  {info.summary}")
    return 0
