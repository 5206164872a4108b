"""`ocr-serving start`, `stop` and `modules`."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import time
from pathlib import Path

from ocr_serving import config, data, machine
from ocr_serving.config import ServiceConfig
from ocr_serving.errors import ConfigError
from ocr_serving.healthy import run_dir
from ocr_serving.modules import loader
from ocr_serving.server import demo, logs, plan
from ocr_serving.server.front import Front
from ocr_serving.server.gunicorn import Service


def start(args: argparse.Namespace) -> int:
    """Serve until told to stop. Raises ServingError."""
    settings = plan.configuration(args, os.environ)
    if dropped := plan.ignored(args):
        warn(f"{', '.join(dropped)}: ignored beside -c, whose file says it all; set OCR_SERVING_<KEY> to overrule a key of it.")
    for name, meant in config.misspelt(os.environ).items():
        warn(f"the environment's {name} is no setting (did you mean {meant}?); it is ignored.")
    logs.configure(settings.log_format)
    cores = machine.cpu_count()
    variables = plan.environments(settings, os.environ, cores=cores, memory=machine.memory_bytes())
    engines = plan.engine_environments(settings, os.environ, cores=cores)
    for spec in settings.modules_info:
        loader.find(spec)
    _check_port(settings)
    page = Path(args.try_page).resolve() if args.try_page else None
    if page is not None and not page.is_file():
        raise ConfigError(f"{page} does not exist: name an image file after --try, or leave it out for the page that ships.")
    say(f"starting {plan.summary(settings, variables, engines, cores=cores)}; loading models …")
    url = plan.url(settings)

    def on_ready(front: Front) -> None:
        say(f"ready: {', '.join(f'{url}/predict/{name}' for name in front.modules)} (page to try it: {url}/)")
        if page is not None:
            say(f"posting {page.name} …")
            print(demo.show(f"{url}/predict/{next(iter(front.modules))}", page, timeout_s=settings.timeout_s), flush=True)

    Service(settings, variables, engines, pidfile=_pidfile(settings.port), on_ready=on_ready).run()
    return 0


def stop(args: argparse.Namespace) -> int:
    """End the service this machine runs on a port, gracefully. Raises ConfigError."""
    try:
        pid = int((run_dir() / f"{args.port}.pid").read_text())
        is_ours = b"ocr" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        raise ConfigError(f"No service that you started runs on port {args.port} of this machine.")
    os.kill(pid, signal.SIGTERM)
    say(f"stopping the service on port {args.port} (process {pid}); it finishes what it took …")
    deadline = time.monotonic() + args.wait
    while _runs(pid):
        if time.monotonic() > deadline:
            raise ConfigError(f"Process {pid} still runs after {args.wait:g} s: ask again, or end it with kill -9 {pid}.")
        time.sleep(0.1)
    say("stopped")
    return 0


def modules(_args: argparse.Namespace) -> int:
    """Print a table of the modules that come with the package."""
    for name in loader.builtin_names():
        found = loader.find(name)
        info = loader.load_class(found).info
        print(f"{name:17} {found.settings.get('port', ''):>5}  {info.version}  {info.summary}")
    return 0


def say(text: str) -> None:
    """One line to the person who started the service."""
    print(f"ocr-serving: {text}", flush=True)


def warn(text: str) -> None:
    """One line about what was asked for and is not done."""
    print(f"ocr-serving: {text}", file=sys.stderr, flush=True)


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`start` and `stop` with the old options, and `modules`."""
    parser = commands.add_parser("start", help="serve one or more modules over HTTP")
    option = parser.add_argument
    option("-m", "--modules", nargs="+", action="extend", metavar="MODULE", help="name, name==version or folder; several allowed")
    option("-c", "--config", metavar="FILE", help="config.json; the other options are then ignored, but for --try")
    option("-p", "--port", type=int, help="port (default: that of the module's config.json)")
    option("--host", help="address to listen on (default 0.0.0.0)")
    option("--use_gpu", action="store_true", help="run on the GPUs of CUDA_VISIBLE_DEVICES")
    option("--use_multiprocess", action="store_true", help="accepted as before; several processes are the default")
    option("--workers", type=int, help="worker processes (default: what cores and memory carry)")
    option("--offline", action="store_true", help="never fetch models that are missing")
    page = "once ready, post this page (default: one that ships) and print what is read"
    option("--try", dest="try_page", nargs="?", const=str(data.PAGE), metavar="PAGE", help=page)
    parser.set_defaults(run=start)
    parser = commands.add_parser("stop", help="end the service on a port, gracefully")
    parser.add_argument("-p", "--port", type=int, default=8866, help="its port (default %(default)s)")
    parser.add_argument(
        "--wait", type=float, default=130, metavar="S", help="seconds to wait for it to finish (default %(default)s)"
    )
    parser.set_defaults(run=stop)
    parser = commands.add_parser("modules", help="list the modules that come with the package")
    parser.set_defaults(run=modules)


def _check_port(settings: ServiceConfig) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as exc:
            if exc.errno == errno.EADDRNOTAVAIL:
                raise ConfigError(f"{settings.host} is no address of this machine: choose another with --host.") from None
            raise ConfigError(
                f"{settings.host}:{settings.port} cannot be listened on ({exc.strerror}): choose another port with -p, or end what"
                f" runs there (ocr-serving stop -p {settings.port})."
            ) from None


def _pidfile(port: int) -> Path | None:
    """Where `stop` will look; None where nothing can be written, as in a container with a read-only root."""
    folder = run_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or not os.access(folder, os.W_OK):
            return None
    except OSError:
        return None
    return folder / f"{port}.pid"


def _runs(pid: int) -> bool:
    """Whether a process is there and is more than an exit code its parent has not fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
