"""Forms as the tensors a network is trained on, through the very encoding that serves them."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import sentencepiece
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ocr_serving.errors import InputError
from ocr_serving.stages import kie
from ocr_serving.stages.tokens import PAD, Tokenizer
from training.kie import funsd
from training.kie.forms import make_form
from training.kie.noise import scanned
from training.kie.sheet import ANSWER, HEADER, OTHER, QUESTION, Form, Line
from training.kie.texts import Texts

LANGUAGES = {"en": 12.0, "gb": 2.0, "de": 1.0, "fr": 1.0, "es": 1.0, "it": 0.7, "pt": 0.7, "zh": 1.0, "ja": 0.7}
"""How often each language is drawn."""

NUMBERS = {OTHER: 0, QUESTION: 1, ANSWER: 2, HEADER: 3}
MOST_LINES = 90
"""A window with more lines is cut for training, as the cost grows with their square."""


@dataclass(frozen=True)
class Sample:
    """One window: ids [T], boxes [N, 4], tokens of each line [N], labels [N], links [k, 2] (question, answer, by line)."""

    ids: NDArray[np.int16]
    boxes: NDArray[np.int16]
    lengths: NDArray[np.int16]
    labels: NDArray[np.int8]
    links: NDArray[np.int16]


def forms(count: int, seed: int) -> list[Form]:
    """`count` made-up forms, scanned."""
    rng = random.Random(seed)
    sources = {language: Texts(language, seed) for language in LANGUAGES}
    names, weights = list(LANGUAGES), list(LANGUAGES.values())
    made = []
    for _ in tqdm(range(count), desc="making forms", unit="form", mininterval=2):
        texts = sources[rng.choices(names, weights)[0]]
        made.append(scanned(make_form(texts, rng), rng))
    return made


def train_tokenizer(made: Sequence[Form], size: int, folder: Path) -> Path:
    """A sentencepiece model of `size` pieces on the forms' texts, in `folder`."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line.text for form in made for line in form.lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        character_coverage=0.9995,
        split_digits=True,
        input_sentence_size=150_000,
        shuffle_input_sentence=False,
        num_threads=1,
        minloglevel=2,
    )
    target = folder / "sentencepiece.bpe.model"
    target.write_bytes(model.getvalue())
    return target


def samples(made: Sequence[Form], tokens: Tokenizer) -> list[Sample]:
    """The windows of `made`, in order."""
    found = []
    for form in tqdm(made, desc="encoding", unit="form", mininterval=2):
        boxes = [line.box for line in form.lines]
        order = kie.order_tb_yx(boxes)
        ids = [tokens(line.text) for line in form.lines]
        linked = set(form.links)
        windows = kie.split([len(ids[n]) for n in order])
        for pieces in (window[at : at + MOST_LINES] for window in windows for at in range(0, len(window), MOST_LINES)):
            lines = [form.lines[order[piece.line]] for piece in pieces]
            pairs = [
                (q, a)
                for q, one in enumerate(lines)
                for a, two in enumerate(lines)
                if (one.entity, two.entity) in linked and one.label == QUESTION and two.label == ANSWER
            ]
            found.append(
                Sample(
                    np.array([t for piece in pieces for t in ids[order[piece.line]][piece.start : piece.stop]], np.int16),
                    np.array([line.box for line in lines], np.int16),
                    np.array([piece.stop - piece.start for piece in pieces], np.int16),
                    np.array([NUMBERS[line.label] for line in lines], np.int8),
                    np.array(pairs, np.int16).reshape(-1, 2),
                )
            )
    return found


def batch(chosen: Sequence[Sample], rng: np.random.Generator, words: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """ids [B, T], bbox [B, T, 4], mask [B, T], labels [B, N], links [B, N, N], of samples changed a little."""
    long, most = max(len(s.ids) for s in chosen), max(len(s.labels) for s in chosen)
    ids = np.full((len(chosen), long), PAD, np.int64)
    bbox = np.zeros((len(chosen), long, 4), np.int64)
    mask = np.zeros((len(chosen), long), np.int64)
    labels = np.full((len(chosen), most), -100, np.int64)
    links = np.zeros((len(chosen), most, most), bool)
    for n, sample in enumerate(chosen):
        line_ids, boxes = _changed(sample, rng, words)
        rows = np.repeat(boxes, sample.lengths, axis=0)
        ids[n, : len(line_ids)] = line_ids
        bbox[n, : len(line_ids)] = rows
        mask[n, : len(line_ids)] = 1
        # Lines that were moved onto one another are one line to the network: the first counts, the others shift up.
        starts = np.r_[0, np.cumsum(sample.lengths)[:-1]].astype(int)
        new = np.r_[True, (rows[starts[1:]] != rows[starts[1:] - 1]).any(1)] if len(starts) > 1 else np.array([True])
        at = np.cumsum(new) - 1
        labels[n, at[::-1]] = sample.labels[::-1]
        links[n, at[sample.links[:, 0]], at[sample.links[:, 1]]] = True
    return tuple(torch.from_numpy(array) for array in (ids, bbox, mask, labels, links))


def _changed(sample: Sample, rng: np.random.Generator, words: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tokens of which some are lost or others, and boxes of a page that is scaled, shifted and shaken."""
    scale, shift = rng.uniform(0.9, 1.1, 2), rng.uniform(-30, 30, 2)
    boxes = sample.boxes * np.tile(scale, 2) + np.tile(shift, 2) + rng.normal(0, 0.7, sample.boxes.shape)
    count = len(sample.ids)
    others = np.where(rng.random(count) < 0.5, Tokenizer.UNKNOWN, rng.integers(4, words, count))
    ids = np.where(rng.random(count) < 0.08, others, sample.ids)
    return ids.astype(np.int64), np.clip(boxes, 0, 1000).astype(np.int64)


def labelled(folder: Path) -> list[Form]:
    """A user's forms in FUNSD's format, each once with whole entities and once line by line, as an OCR would find them.

    Raises InputError with a sentence.
    """
    found = []
    for form in funsd.labelled_forms(folder):
        page = cv2.imread(str(form.image), cv2.IMREAD_GRAYSCALE)
        if page is None:
            raise InputError(f"{form.image} cannot be decoded: put the image of the form there.")
        height, width = page.shape[:2]
        for items in (form.entities, form.lines):
            lines = [Line(item.text, kie.scaled(item.box, width, height), item.label, item.entity) for item in items]
            found.append(Form(lines, sorted(form.links)))
    return found
