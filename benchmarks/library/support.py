"""What the benchmarks share: a service started by the public command, pages posted to it, and the shell of a command."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import requests
from tqdm import tqdm

from benchmarks.library import processes, report
from ocr_serving import config, models
from ocr_serving.errors import ServingError
from ocr_serving.models.progress import Bar
from ocr_serving.output import results

START_S = 300
STOP_S = 60
ANSWER_S = 300
"""Seconds to wait for a service to be ready, to end, and to answer."""


class BenchmarkError(Exception):
    """Why nothing could be measured, as a sentence for the user."""


@dataclass(frozen=True)
class Service:
    """A running service of one module: its address and the process at the root of its tree."""

    url: str
    pid: int
    module: str

    def read(self, image: Path) -> list[str]:
        """POST an image file as it is; the lines of text in the answer. Raises BenchmarkError."""
        return results.read(self.answer(image)).lines

    def answer(self, image: Path, **asked: Any) -> Any:
        """POST an image file as it is, with what is `asked` of the module; its entry of `results`. Raises BenchmarkError."""
        body = request_body(image, **asked)
        try:
            response = requests.post(
                f"{self.url}/predict/{self.module}", body, headers={"Content-Type": "application/json"}, timeout=ANSWER_S
            )
            answer = response.json()
        except requests.RequestException as exc:
            raise BenchmarkError(f"The service did not answer for {image}: {exc}.") from None
        # A remark, such as that a table was cut, comes with results; a page that could not be read has none.
        if answer.get("status") != "000" or (answer.get("msg") and answer["results"] == [[]]):
            raise BenchmarkError(f"The service could not read {image}: {answer.get('msg')}")
        return answer["results"][0]

    def cpu_seconds(self) -> float:
        """CPU seconds of all its processes since it started."""
        return processes.cpu_seconds(self.pid)


def fetch(model_set: str) -> None:
    """Bring the weights of a model set into the store, visibly, where they are missing. Raises ModelError."""
    missing = [name for name in models.model_sets()[model_set].models if not models.is_present(name)]
    if missing:
        models.pull(missing, progress=Bar())


def environment() -> dict[str, str]:
    """This process's variables without those that would change a service's configuration."""
    settings = {config.ENV_PREFIX + name.upper() for name in config.SETTINGS}
    return {name: value for name, value in os.environ.items() if name not in settings}


def request_body(image: Path, **asked: Any) -> bytes:
    """The JSON that posts one image file, with what is `asked` of the module."""
    return json.dumps({"images": [base64.b64encode(image.read_bytes()).decode()], **asked}).encode()


def service_config(
    model_set: str,
    *,
    workers: int | None,
    module: str = "ocr_system",
    init_args: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A config.json for `module` with the weights of `model_set` and nothing else changed that costs time or memory.

    Without `workers` it is the service as it ships: as many as the machine carries, and its own time limits. `settings` go over
    everything, `modules_info` too.
    """
    entry = {"params": {"model_set": model_set}, "init_args": dict(init_args or {})}
    shipped = {"modules_info": {module: entry}, "host": "127.0.0.1", "log_format": "json"}
    asked = {} if workers is None else {"use_multiprocess": True, "workers": workers, "timeout_s": ANSWER_S}
    return shipped | asked | dict(settings or {})


@contextlib.contextmanager
def serve(
    model_set: str,
    *,
    workers: int | None,
    module: str = "ocr_system",
    init_args: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Service]:
    """Run `ocr-serving start -c config.json` until the block ends; wait until it is ready. Raises BenchmarkError, ModelError."""
    fetch(model_set)
    values = service_config(model_set, workers=workers, module=module, init_args=init_args, settings=settings)
    with tempfile.TemporaryDirectory(prefix="ocr-serving-benchmark-") as name:
        port = free_port()
        file = Path(name) / "config.json"
        file.write_text(json.dumps(values | {"port": port}))
        command = [sys.executable, "-m", "ocr_serving.cli", "start", "-c", str(file)]
        url = f"http://127.0.0.1:{port}"
        with server(command, {**environment(), "XDG_RUNTIME_DIR": name}, ready=f"{url}/readyz") as pid:
            yield Service(url, pid, module)


@contextlib.contextmanager
def server(
    command: Sequence[str], variables: Mapping[str, str], *, ready: str, called: str = "The service", folder: Path | None = None
) -> Iterator[int]:
    """Run a server in `folder` until the block ends; wait until the address `ready` answers 200. Its process id.

    Raises BenchmarkError, with the last line it said.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=dict(variables), cwd=folder)
        try:
            _wait_until_ready(ready, process, output, called)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def read_all(service: Service, images: Sequence[Path], *, clients: int, progress: tqdm[NoReturn]) -> list[list[str]]:
    """Post every image, `clients` at a time, one step of `progress` each; their lines, in their order. Raises BenchmarkError."""
    return [results.read(entry).lines for entry in answers(service, images, clients=clients, progress=progress)]


def answers(service: Service, images: Sequence[Path], *, clients: int, progress: tqdm[NoReturn], **asked: Any) -> list[Any]:
    """As `read_all`, with what is `asked` of the module; the entries of `results`."""
    told = []
    with ThreadPoolExecutor(clients) as pool:
        for entry in pool.map(lambda image: service.answer(image, **asked), images):
            told.append(entry)
            progress.update()
    return told


def free_port() -> int:
    """A port nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parser(module: str, about: str) -> argparse.ArgumentParser:
    """A command line with what every benchmark takes."""
    top = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    top.add_argument("--json", type=_writable, metavar="FILE", help="write the figures there as well")
    return top


def model_set(name: str) -> str:
    """A model set's name, for argparse."""
    known = models.model_sets()
    if name not in known:
        raise argparse.ArgumentTypeError(f"there is no model set '{name}': take one of {', '.join(known)}")
    return name


def positive(text: str) -> int:
    """A whole number over zero, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number over zero")
    return int(text)


def run(name: str, measure: Callable[[argparse.Namespace], Mapping[str, Any]], args: argparse.Namespace) -> int:
    """Measure, then write `--json`. The exit code: 0; 1 where "reached" of the results is False; 2 where nothing was measured."""
    try:
        results = measure(args)
        if args.json is not None:
            report.write_json(args.json, name, results)
    except (BenchmarkError, ServingError) as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 1 if results["reached"] is False else 0


def verdict(reached: bool | None) -> str:
    """A word for a table; None stands for a run that is not to be judged."""
    return "not judged" if reached is None else "reached" if reached else "MISSED"


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], output: IO[bytes], called: str) -> None:
    deadline = time.monotonic() + START_S
    with tqdm(
        desc=f"starting {called[0].lower()}{called[1:]}", bar_format="{desc} {elapsed}", mininterval=1, leave=False
    ) as progress:
        while not _is_ready(address):
            if process.poll() is not None:
                output.seek(0)
                said = output.read().decode(errors="replace").strip().splitlines()
                raise BenchmarkError(f"{called} did not start: {said[-1] if said else f'exit code {process.returncode}'}")
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{called} was not ready within {START_S} s.")
            time.sleep(0.1)
            progress.update()


def _is_ready(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.RequestException:
        return False


def _writable(text: str) -> Path:
    """A path for `--json`, refused before the measuring rather than after it."""
    path = Path(text)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be written: name a file in a folder that is there")
    return path
