"""Draws lines, trains on them, tries what was learnt on fonts it has not seen, and writes the network."""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ocr_serving.stages.scripts import HEIGHT, SCRIPTS, WIDTH
from training.kie.export import halved
from training.scripts.fonts import fonts_by_script, is_held_out
from training.scripts.lines import Lines
from training.scripts.network import Network, Telling
from training.scripts.samples import Drawn, Fonts, drawn

BATCH = 64
RATE = 4e-3
TRIED = 150
"""Lines of each script that it is tried on."""

SURE = 0.9
"""Probability of an answer that is counted as sure."""


def as_tensor(windows: NDArray[np.uint8]) -> Tensor:
    """Bytes as the network's input."""
    return torch.from_numpy(windows.astype(np.float32)[:, None] / 85 - 1)


def shaken(windows: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Windows moved, made fainter or stronger, and with parts that are wiped out."""
    moved = np.stack([np.roll(each, (int(rng.integers(-2, 3)), int(rng.integers(WIDTH))), (0, 1)) for each in windows])
    tensor = as_tensor(moved)
    tensor *= torch.from_numpy(rng.uniform(0.7, 1.3, (len(windows), 1, 1, 1)).astype(np.float32))
    for each in tensor:
        if rng.random() < 0.3:
            start, reach = int(rng.integers(WIDTH)), int(rng.integers(8, 80))
            each[..., start : start + reach] = 0
    return tensor


def fit(network: Network, samples: Drawn, epochs: int, seed: int) -> None:
    """Train in place: AdamW, one cycle of the learning rate."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.02)
    steps = epochs * (len(samples.classes) // BATCH)
    order: list[int] = []
    running = 0.0
    network.train()
    with tqdm(total=steps, desc="training", mininterval=5) as progress:
        for step in range(steps):
            if len(order) < BATCH:
                order = rng.permutation(len(samples.classes)).tolist()
            chosen, order = order[:BATCH], order[BATCH:]
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * step / steps))
            logits = network(shaken(samples.windows[chosen], rng).to(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits, torch.from_numpy(samples.classes[chosen]), label_smoothing=0.01)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += (loss.item() - running) * (0.01 if step > 100 else 1 / (step + 1))
            progress.set_postfix_str(f"loss {running:.3f}", refresh=False)
            progress.update()


def tried(network: Network, samples: Drawn) -> str:
    """A line for each script: how many of its lines were told, surely told, and how many were surely taken for another."""
    network.eval()
    with torch.no_grad():
        answers = torch.cat([torch.softmax(network(as_tensor(part)), -1) for part in np.array_split(samples.windows, 40)]).numpy()
    best, sure = answers.argmax(1), answers.max(1) >= SURE
    rows = []
    for n, script in enumerate(SCRIPTS):
        own = samples.classes == n
        wrong = [SCRIPTS[other] for other in best[own & sure & (best != n)]]
        rows.append(
            f"{script:12} {np.mean(best[own] == n):.3f} told, {np.mean(sure[own] & (best[own] == n)):.3f} surely; "
            f"{len(wrong)} of {own.sum()} surely taken for {', '.join(sorted(set(wrong))) or 'another'}"
        )
    return "\n".join(rows)


def run(args: Any) -> None:
    """What the command does: `args.out`/line_scripts/inference.onnx. Raises InputError with a sentence."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    fonts = fonts_by_script(args.fonts)
    learnt, unseen = (_chosen(fonts, held_out=held_out) for held_out in (False, True))
    lines = Lines(learnt)
    scripts = random.Random(args.seed).choices(lines.scripts, lines.shares, k=args.lines)
    first = args.seed * 10_000_000
    samples = drawn(learnt, scripts, first, "drawing", args.processes)
    network = Network().to(memory_format=torch.channels_last)
    fit(network, samples, args.epochs, args.seed)
    every = [script for script in SCRIPTS for _ in range(TRIED)]
    others = drawn(unseen, every, first + 5_000_000, "drawing in other fonts", args.processes)
    print(tried(network, others))
    written = export(network, args.out / "line_scripts")
    print(f"{written}: {written.stat().st_size} bytes")


def _chosen(fonts: Fonts, *, held_out: bool) -> Fonts:
    """The fonts that are held out, or the others; all of a language that has no others."""
    return {
        script: {name: [file for file in files if is_held_out(file) == held_out] or files for name, files in languages.items()}
        for script, languages in fonts.items()
    }


def export(network: Network, folder: Path) -> Path:
    """Write `folder`/inference.onnx, whose weights are float16."""
    network.eval()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary) / "raw.onnx"
        torch.onnx.export(
            Telling(network),
            (torch.zeros(2, 1, HEIGHT, WIDTH),),
            str(raw),
            input_names=["windows"],
            output_names=["scripts"],
            dynamic_axes={"windows": {0: "lines"}, "scripts": {0: "lines"}},
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(str(raw))
    halved(model)
    onnx.checker.check_model(model)
    file = folder / "inference.onnx"
    file.write_bytes(model.SerializeToString())
    return file
