"""`ocr-serving start`: serves modules over HTTP."""

from __future__ import annotations

import argparse
import errno
import os
import socket
from pathlib import Path

from ocr_serving import config, data, machine
from ocr_serving.cli.words import say, warn
from ocr_serving.config import ServiceConfig
from ocr_serving.errors import ConfigError
from ocr_serving.modules import loader
from ocr_serving.server import demo, logs, plan, tracing
from ocr_serving.server.front import Front
from ocr_serving.server.gunicorn import Service
from ocr_serving.server.jobs import routes as jobs
from ocr_serving.server.pidfile import pidfile


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `start`, with the old options."""
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
    option("--state-dir", metavar="FOLDER", help="where jobs are kept (default: ocr-serving/PORT in XDG_STATE_HOME)")
    page = "once ready, post this page (default: one that ships) and print what is read"
    option("--try", dest="try_page", nargs="?", const=str(data.PAGE), metavar="PAGE", help=page)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
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
    jobs.check(settings)
    tracing.check(settings.otlp_endpoint)
    for spec in settings.modules_info:
        loader.find(spec)
    _check_port(settings)
    page = Path(args.try_page).resolve() if args.try_page else None
    if page is not None and not page.is_file():
        raise ConfigError(f"{page} does not exist: name an image file after --try, or leave it out for the page that ships.")
    say(f"starting {plan.summary(settings, variables, engines, cores=cores)}; loading models …")
    if plan.is_open(settings):
        say(
            f"reachable from the network, without a key ({settings.host}): api_keys_file asks for one, --host 127.0.0.1 keeps"
            " others out"
        )
    url = plan.url(settings)

    def on_ready(front: Front) -> None:
        say(f"ready: {', '.join(f'{url}/predict/{name}' for name in front.modules)} (page to try it: {url}/)")
        if page is not None:
            say(f"posting {page.name} …")
            print(demo.show(f"{url}/predict/{next(iter(front.modules))}", page, timeout_s=settings.timeout_s), flush=True)

    Service(settings, variables, engines, pidfile=pidfile(settings.port), on_ready=on_ready).run()
    return 0


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
