"""Training: on made-up forms from nothing, or on a user's forms from there."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ocr_serving.errors import InputError
from ocr_serving.stages.tokens import Tokenizer
from training.kie import data
from training.kie.data import Sample
from training.kie.export import export
from training.kie.network import Network, loss

BATCH = 8
PIECES = 4000
FINETUNE_EPOCHS = 15


@dataclass(frozen=True)
class Plan:
    """How long and how fast: epochs over the samples, the highest learning rate, minutes after which it ends."""

    epochs: float
    rate: float
    seed: int
    minutes: float | None = None


def fit(network: Network, samples: Sequence[Sample], plan: Plan) -> None:
    """Train in place: AdamW, one cycle of the learning rate, batches of windows of like size."""
    rng = np.random.default_rng(plan.seed)
    words = network.word.num_embeddings
    steps = max(1, math.ceil(plan.epochs * len(samples) / BATCH))
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=0.02)
    began = time.monotonic()
    network.train()
    order: list[list[Sample]] = []
    running: list[float] = [0.0, 0.0]
    with tqdm(total=steps, desc="training", mininterval=5) as progress:
        for step in range(steps):
            if not order:
                order = _batches(samples, rng)
            done = step / steps
            if plan.minutes is not None:
                done = max(done, (time.monotonic() - began) / 60 / plan.minutes)
                if done >= 1:
                    break
            for group in optimizer.param_groups:
                group["lr"] = plan.rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done))
            tensors: tuple[Tensor, ...] = data.batch(order.pop(), rng, words)
            of_labels, of_relations = loss(network, *tensors)
            optimizer.zero_grad()
            (of_labels + of_relations).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            for n, value in enumerate((of_labels, of_relations)):
                running[n] += (value.item() - running[n]) * (0.02 if step > 50 else 1 / (step + 1))
            progress.set_postfix_str(f"labels {running[0]:.3f}, relations {running[1]:.3f}", refresh=False)
            progress.update()


def _batches(samples: Sequence[Sample], rng: np.random.Generator) -> list[list[Sample]]:
    """Every sample once, in random batches of like numbers of lines, which spares padding."""
    order = sorted(rng.permutation(len(samples)), key=lambda n: len(samples[n].labels) // 8)
    groups = [[samples[n] for n in order[at : at + BATCH]] for at in range(0, len(order), BATCH)]
    return [groups[n] for n in rng.permutation(len(groups))]


def run(args: Any) -> None:
    """What the command does: NAME_ser, NAME_re and NAME.pt in `args.out`. Raises InputError with a sentence."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    args.out.mkdir(parents=True, exist_ok=True)
    labeller = args.out / f"{args.name}_ser"
    labeller.mkdir(exist_ok=True)
    network = _from_nothing(args, labeller) if args.start is None else _from_file(args.start, labeller)
    if args.finetune is not None:
        forms = data.labelled(args.finetune)
        samples = data.samples(forms, Tokenizer(labeller))
        fit(network, samples, Plan(epochs=FINETUNE_EPOCHS, rate=5e-4, seed=args.seed))
    state = {"network": network.state_dict(), "tokenizer": (labeller / "sentencepiece.bpe.model").read_bytes()}
    torch.save(state, args.out / f"{args.name}.pt")
    export(network, args.out, args.name)


def _from_nothing(args: Any, labeller: Path) -> Network:
    made = data.forms(args.forms, args.seed)
    data.train_tokenizer(made, PIECES, labeller)
    tokens = Tokenizer(labeller)
    network = Network(tokens.size + 1)
    fit(network, data.samples(made, tokens), Plan(args.epochs, 2e-3, args.seed, args.minutes))
    return network


def _from_file(file: Path, labeller: Path) -> Network:
    try:
        state = torch.load(file, weights_only=True)
        network = Network(state["network"]["word.weight"].shape[0])
        network.load_state_dict(state["network"])
        tokenizer = state["tokenizer"]
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as exc:
        raise InputError(f"{file} is not a .pt file that this command wrote ({type(exc).__name__}): correct --start.") from None
    (labeller / "sentencepiece.bpe.model").write_bytes(tokenizer)
    return network
