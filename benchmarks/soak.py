"""A service under everything at once for a while: `python -m benchmarks.soak [--minutes 10]`.

Four callers send a service of all modules what people send, drawn by a seed: pages to each module as JSON, uploads, documents
to be converted, files of several pages, damaged files, bodies that are no JSON, unknown modules; and some leave before they are
answered. Every answer is compared with what it has to be, and every few seconds the memory, open files, threads and processes of
the whole tree are looked at: after the first third they have to stay where they are. Loopback only, and it stops by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
from PIL import Image
from tqdm import tqdm

from benchmarks.library import pages, processes, report, support
from ocr_serving import data, models
from ocr_serving.modules import loader

WORKERS, CALLERS = 2, 4
EVERY_S = 5.0
MOST_GROWTH = 1.10
"""Of memory, from the middle third of the time to the last."""

MOST_MORE = 1.05
"""Of open files and threads: a leak of one at each of many hundred requests is far over it."""

BUSY = 503
"""The answer to a caller for whom there is no room now, which is never wrong."""


@dataclass(frozen=True)
class Held:
    """What the tree of a service holds after so many seconds: bytes (PSS), open files, threads, processes."""

    seconds: float
    resident: int
    files: int
    threads: int
    processes: int


@dataclass(frozen=True)
class Kind:
    """One thing that callers do: a name, how often, and what sends it. `send` raises WrongError where the answer is not right."""

    name: str
    weight: int
    send: Callable[[random.Random], object]


class WrongError(Exception):
    """An answer that is not what it has to be, in a sentence."""


@dataclass
class Told:
    """What callers saw: how many of each kind were sent, and what was wrong."""

    sent: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, wrong: str | None) -> None:
        """Count one request."""
        with self.lock:
            self.sent[kind] += 1
            if wrong is not None:
                self.wrong.append(f"{kind}: {wrong}")


def kinds(url: str, images: Sequence[Path], modules: Sequence[str]) -> list[Kind]:
    """What callers do with the service at `url`, whose `modules` read the files `images`."""
    several = _several_pages(images[0])

    def expected(answer: requests.Response, *codes: int, status: str | None = None) -> None:
        if answer.status_code == BUSY and "Retry-After" in answer.headers:
            return
        if answer.status_code not in codes:
            raise WrongError(f"{answer.status_code} in place of {' or '.join(map(str, codes))}: {answer.text[:200]}")
        if status is not None and (told := answer.json()).get("status") != status:
            raise WrongError(f"status {told.get('status')} in place of {status}: {told.get('msg')}")

    def post(path: str, **body: Any) -> requests.Response:
        return requests.post(url + path, timeout=support.ANSWER_S, **body)

    def page(chance: random.Random) -> None:
        json_type = {"Content-Type": "application/json"}
        body = support.request_body(chance.choice(images))
        expected(post(f"/predict/{chance.choice(modules)}", data=body, headers=json_type), 200, status="000")

    def upload(chance: random.Random) -> None:
        with chance.choice(images).open("rb") as file:
            expected(post("/predict/ocr_system", files={"file": file}), 200, status="000")

    def convert(chance: random.Random) -> None:
        with chance.choice(images).open("rb") as file:
            expected(post(f"/convert/{chance.choice(['docx', 'xlsx', 'pdf', 'markdown'])}", files={"file": file}), 200)

    def document(chance: random.Random) -> None:
        expected(post("/predict/ocr_system", files={"file": (chance.choice(["a.tif", "b"]), several)}), 200, status="000")

    def damaged(chance: random.Random) -> None:
        whole = chance.choice(images).read_bytes()
        told = post("/predict/ocr_system", files={"file": ("cut.png", whole[: chance.randrange(8, 200)])})
        expected(told, 200, 400, 413, 415, 422)
        if told.status_code == 200 and not told.json().get("msg"):
            raise WrongError("a damaged file is answered without a word")

    def nonsense(chance: random.Random) -> None:
        body = chance.randbytes(chance.randrange(1, 5000))
        expected(post("/predict/ocr_system", data=body, headers={"Content-Type": "application/json"}), 200, 400, 413, 415, 422)

    def unknown(chance: random.Random) -> None:
        expected(post(f"/predict/ocr_{chance.randrange(10**6)}", json={"images": []}), 404)

    def leaves(chance: random.Random) -> None:
        body = support.request_body(chance.choice(images))
        head = (
            f"POST /predict/ocr_system HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        with socket.create_connection(("127.0.0.1", int(urlsplit(url).port or 0)), timeout=20) as caller:
            sent = head.encode() + b"\r\n\r\n" + body
            # A caller that is refused before its body is through may find the connection reset.
            with contextlib.suppress(OSError):
                caller.sendall(sent[: chance.choice([len(head), len(sent) // 2, len(sent)])])

    def looks(chance: random.Random) -> None:
        expected(
            requests.get(url + chance.choice(["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"]), timeout=20), 200
        )

    return [
        Kind("pages", 8, page),
        Kind("uploads", 3, upload),
        Kind("conversions", 3, convert),
        Kind("files of three pages", 1, document),
        Kind("damaged files", 3, damaged),
        Kind("bodies that are no JSON", 3, nonsense),
        Kind("unknown modules", 2, unknown),
        Kind("callers that leave", 3, leaves),
        Kind("probes, metrics, pages for people", 4, looks),
    ]


def judged(samples: Sequence[Held]) -> dict[str, float]:
    """What is held in the last third of the time as a multiple of the middle third, medians: memory, open files, threads."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]

    def ratio(of: Callable[[Held], float]) -> float:
        return statistics.median(map(of, last)) / max(1, statistics.median(map(of, middle)))

    return {
        "memory": ratio(lambda held: held.resident),
        "files": ratio(lambda held: held.files),
        "threads": ratio(lambda held: held.threads),
    }


def level(growth: dict[str, float]) -> bool:
    """Whether nothing grows that has to stay."""
    return growth["memory"] <= MOST_GROWTH and growth["files"] <= MOST_MORE and growth["threads"] <= MOST_MORE


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run it, print its charts and table, return its figures. Raises BenchmarkError."""
    images = (
        [data.PAGE, data.EXAMPLE] if args.data is None else [p.image for p in pages.forms(args.data) + pages.receipts(args.data)]
    )
    modules = loader.builtin_names()
    entries = {name: {"params": {"model_set": args.models}} for name in modules}
    told, samples, seconds = Told(), [], args.minutes * 60
    with support.serve(args.models, workers=WORKERS, settings={"modules_info": entries}) as service:
        over = threading.Event()
        doing = kinds(service.url, images, modules)
        callers = [
            threading.Thread(target=_call, args=(doing, random.Random(f"{args.seed}/{n}"), told, over)) for n in range(CALLERS)
        ]
        for caller in callers:
            caller.start()
        begun = time.monotonic()
        try:
            with tqdm(
                total=round(seconds), desc="soaking", unit="s", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} {postfix}"
            ) as bar:
                while (passed := time.monotonic() - begun) < seconds:
                    samples.append(_held(service.pid, passed))
                    bar.set_postfix_str(
                        f"{samples[-1].resident >> 20} MiB, {sum(told.sent.values())} requests, {len(told.wrong)} wrong"
                    )
                    over.wait(min(EVERY_S, seconds - passed))
                    bar.update(min(round(seconds), round(time.monotonic() - begun)) - bar.n)
        finally:
            over.set()
            for caller in callers:
                caller.join()
    growth = judged(samples)
    reached = level(growth) and not told.wrong
    print(f"\n{summary(samples, told, growth, reached)}")
    return {
        "model_set": args.models,
        "workers": WORKERS,
        "seed": args.seed,
        "samples": [asdict(sample) for sample in samples],
        "growth": growth,
        "sent": dict(told.sent),
        "wrong": told.wrong,
        "reached": reached,
    }


def summary(samples: Sequence[Held], told: Told, growth: dict[str, float], reached: bool) -> str:
    """Chart and tables of a run."""
    chart = report.bar_chart([sample.resident / 2**20 for sample in samples], unit="MiB")
    axis = f"PSS of {WORKERS} workers and the front over {samples[-1].seconds / 60:.1f} minutes"
    sent = report.markdown_table(["sent", "requests"], [[name, str(count)] for name, count in sorted(told.sent.items())])
    last = samples[-1]
    header = ["held", "at the end", "last third over the middle one", "at most"]
    held = [
        ["MiB", str(last.resident >> 20), f"{growth['memory']:.3f}", f"{MOST_GROWTH:.2f}"],
        ["open files", str(last.files), f"{growth['files']:.3f}", f"{MOST_MORE:.2f}"],
        ["threads", str(last.threads), f"{growth['threads']:.3f}", f"{MOST_MORE:.2f}"],
        ["processes", str(last.processes), "", ""],
    ]
    wrong = "".join(f"\n- {words}" for words in told.wrong[:20])
    said = f"{len(told.wrong)} answers were wrong{wrong or '.'}"
    told_held = report.markdown_table(header, held)
    return "\n\n".join([f"{chart}\n{axis}", sent, told_held, f"{said}\nLevel, and nothing wrong: {support.verdict(reached)}"])


def _call(doing: Sequence[Kind], chance: random.Random, told: Told, over: threading.Event) -> None:
    while not over.is_set():
        (kind,) = chance.choices(doing, [kind.weight for kind in doing])
        try:
            kind.send(chance)
        except (WrongError, requests.RequestException, OSError, ValueError) as exc:
            told.note(kind.name, str(exc) or type(exc).__name__)
        else:
            told.note(kind.name, None)


def _held(pid: int, seconds: float) -> Held:
    pids = list(processes.cpu_by_pid(pid))
    return Held(
        seconds, processes.resident_bytes(pid), sum(map(processes.open_files, pids)), sum(map(processes.threads, pids)), len(pids)
    )


def _several_pages(image: Path) -> bytes:
    """Three pages in one TIFF: the image, the image lying on its side, and noise."""
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    file = io.BytesIO()
    with Image.open(image) as first:
        upright = first.convert("RGB")
        rest = [upright.transpose(Image.Transpose.ROTATE_90), Image.fromarray(noise)]
        upright.save(file, "TIFF", save_all=True, append_images=rest)
    return file.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 1 where something grows or an answer is wrong."""
    parser = support.parser("benchmarks.soak", "A service under everything that callers send at once, and what it holds meanwhile.")
    parser.add_argument("--minutes", type=_minutes, default=10.0, metavar="N", help="how long (default 10)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the folder that holds forms/testing and receipts (default: pages of this repository)",
    )
    parser.add_argument(
        "--models", type=support.model_set, default=models.DEFAULT_SET, metavar="SET", help="model set (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is sent (default 1)")
    return support.run("benchmarks.soak", measure, parser.parse_args(argv))


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0.3 <= minutes <= 600:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of minutes between 0.3 and 600")
    return minutes


if __name__ == "__main__":
    sys.exit(main())
