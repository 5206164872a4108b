"""Key information: lines of text in, their labels and the pairs of question and answer out.

Around a network of LayoutXLM's signature (Xu et al., "LayoutXLM", 2021), exported as PaddleOCR 2.10 does; the steps and their order
are those of its `VQATokenLabelEncode`, `VQATokenPad`, `VQASerTokenLayoutLMPostProcess`, `make_input` and
`VQAReTokenLayoutLMPostProcess`. Unlike there a page longer than one window is read in several, so that no line is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.config.params import KieParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, Tensor, open_engine
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages.tokens import PAD, Tokenizer

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the page."""

WINDOW = 512
"""Tokens the network reads at once."""

SAME_ROW = 20
"""Lines whose tops differ by fewer pixels stand in one row (`order_by_tbyx`)."""

LABELS = ("QUESTION", "ANSWER", "HEADER")
OUTSIDE = "O"

ENTITY_IDS = {"HEADER": 0, "QUESTION": 1, "ANSWER": 2}
"""Labels as the relation network numbers them."""

IMAGE_SIDE = 224
IMAGE_MEAN, IMAGE_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

PAIR_SHAPE = (7, 2)
"""A row of `pred_relations`: question's number, its tokens, its label, answer's number, its tokens, its label, 1."""


class Label(NamedTuple):
    """What a line is: `name` as in the list of labels, or O, and `id`, the number of its B- label, or 0."""

    name: str
    id: int


class Piece(NamedTuple):
    """Tokens `start` to `stop` of a line, which stand in one window."""

    line: int
    start: int
    stop: int


class Span(NamedTuple):
    """A line in a window: its tokens there, `start` to `stop`."""

    line: int
    start: int
    stop: int


@dataclass(frozen=True)
class Window:
    """Tokens that go through the network together, and which lines they are of.

    `input_ids`, `attention_mask`, `token_type_ids` int64 of shape (1, WINDOW), `bbox` int64 of shape (1, WINDOW, 4), 0 to 1000.
    """

    input_ids: Tensor
    bbox: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    spans: tuple[Span, ...]

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """By position, as the network takes them."""
        return self.input_ids, self.bbox, self.attention_mask, self.token_type_ids


def order_tb_yx(boxes: Sequence[Box]) -> list[int]:
    """Indices of `boxes` from top to bottom, and from left to right in a row."""
    order = sorted(range(len(boxes)), key=lambda n: (boxes[n][1], boxes[n][0]))
    for end in range(len(order) - 1):
        for at in range(end, -1, -1):
            upper, lower = boxes[order[at]], boxes[order[at + 1]]
            if abs(lower[1] - upper[1]) >= SAME_ROW or lower[0] >= upper[0]:
                break
            order[at], order[at + 1] = order[at + 1], order[at]
    return order


def scaled(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """A box of a page of that size in thousandths of it, cut to whole ones."""
    x1, y1, x2, y2 = box
    return _thousandth(x1, width), _thousandth(y1, height), _thousandth(x2, width), _thousandth(y2, height)


def _thousandth(value: float, whole: int) -> int:
    return min(1000, max(0, int(value * 1000 / whole)))


def split(lengths: Sequence[int], size: int = WINDOW) -> list[list[Piece]]:
    """Cut lines of so many tokens, in order, into windows of at most `size` tokens.

    A line that does not fit into what is left of a window begins the next one. Only a line longer than a whole window is cut. Every
    token is in exactly one window; a line without tokens is in none.
    """
    found: list[list[Piece]] = []
    room = 0
    for line, length in enumerate(lengths):
        for start in range(0, length, size):
            piece = Piece(line, start, min(length, start + size))
            if piece.stop - piece.start > room:
                found.append([])
                room = size
            found[-1].append(piece)
            room -= piece.stop - piece.start
    return found


def windows(
    texts: Sequence[str], boxes: Sequence[Box], page: tuple[int, int], order: Sequence[int], tokens: Callable[[str], list[int]]
) -> list[Window]:
    """Encode lines in `order` for a `page` of (height, width) pixels. `Span.line` counts as `texts` does."""
    ids = [tokens(texts[line]) for line in order]
    height, width = page
    found = []
    for pieces in split([len(line) for line in ids]):
        input_ids = np.full((1, WINDOW), PAD, np.int64)
        bbox = np.zeros((1, WINDOW, 4), np.int64)
        attention_mask = np.zeros((1, WINDOW), np.int64)
        spans, at = [], 0
        for piece in pieces:
            span = Span(order[piece.line], at, at + piece.stop - piece.start)
            input_ids[0, span.start : span.stop] = ids[piece.line][piece.start : piece.stop]
            bbox[0, span.start : span.stop] = scaled(boxes[span.line], width, height)
            attention_mask[0, span.start : span.stop] = 1
            spans.append(span)
            at = span.stop
        found.append(Window(input_ids, bbox, attention_mask, np.zeros_like(input_ids), tuple(spans)))
    return found


def network_image(page: Image) -> Tensor:
    """A page, BGR uint8 of shape (H, W, 3), as the visual backbone takes it: float32 of shape (1, 3, 224, 224)."""
    small = cv2.resize(page, (IMAGE_SIDE, IMAGE_SIDE)).astype(np.float32)
    # Means in the order of RGB and pixels in that of BGR: so did the old server.
    normal = (small - np.array(IMAGE_MEAN, np.float32)) / np.array(IMAGE_STD, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


def majority(votes: Sequence[NDArray[np.integer]], labels: Sequence[str]) -> list[Label]:
    """The label that most tokens of a line have, B- and I- alike; the first of equals, O for a line without tokens.

    `votes` are class numbers by line: 0 is O, 2n + 1 and 2n + 2 are B- and I- of `labels[n]`.
    """
    found = []
    for line in votes:
        counts = np.bincount((np.asarray(line, np.int64) + 1) // 2, minlength=1)
        best = int(counts.argmax())
        found.append(Label(labels[best - 1], 2 * best - 1) if best else Label(OUTSIDE, 0))
    return found


def entities_and_relations(window: Window, labels: Sequence[Label]) -> tuple[Tensor, Tensor, list[Span]]:
    """What the relation network takes besides a window, and the spans that its entities are of.

    `entities`, int64 of shape (1, WINDOW + 1, 3), and `relations`, int64 of shape (1, n + 1, 2), have their count in the first row.
    Entities are start and end token and label; relations pair each question with each answer, by number of entity.
    """
    spans = [span for span in window.spans if labels[span.line].name in ENTITY_IDS]
    kinds = [ENTITY_IDS[labels[span.line].name] for span in spans]
    entities = np.full((1, WINDOW + 1, 3), -1, np.int64)
    entities[0, 0] = len(spans)
    for row, (span, kind) in enumerate(zip(spans, kinds, strict=True), 1):
        entities[0, row] = span.start, span.stop, kind
    pairs = [(q, a) for q, one in enumerate(kinds) for a, two in enumerate(kinds) if (one, two) == (1, 2)]
    relations = np.full((1, len(pairs) + 1, 2), -1, np.int64)
    relations[0, 0] = len(pairs)
    relations[0, 1:] = np.array(pairs, np.int64).reshape(-1, 2)
    return entities, relations, spans


def pairs(predicted: Tensor, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Lines that belong together, (question, answer), from `pred_relations` of shape (1, m, 7, 2) with their count at [0, 0, 0].

    Of several questions for one answer the first counts.
    """
    rows = predicted[0, 1 : int(predicted[0, 0, 0, 0]) + 1]
    found: dict[int, tuple[int, int]] = {}
    for row in rows:
        question, answer = (spans[int(row[n, 0])].line for n in (0, 3))
        found.setdefault(answer, (question, answer))
    return list(found.values())


class EntityLabeller:
    """Says of each line of a page whether it is a question, an answer, a header, or none of them."""

    def __init__(self, params: KieParams, model: Path, options: EngineOptions) -> None:
        """Load the network, its tokenizer and its labels. Raises ConfigError, or ModelError where they do not fit."""
        self.params = params
        self.labels = read_labels(params.ser_dict_path) if params.ser_dict_path else LABELS
        self.tokens = Tokenizer(model)
        self.engine = open_engine(model, options)
        (blank,) = windows(["a"], [(0, 0, 1, 1)], (1, 1), [0], self.tokens)
        shape = self._run(blank, _picture(params, np.zeros((1, 1, 3), np.uint8)), model)[0].shape
        wanted = (1, WINDOW, 2 * len(self.labels) + 1)
        if shape != wanted:
            raise ModelError(
                f"{model} answers with shape {shape}, but labels for {', '.join(self.labels)} have shape {wanted}: "
                "set ser_dict_path to the list of labels that it was trained with, or give another ser_model_dir."
            )

    def __call__(self, page: Image, texts: Sequence[str], boxes: Sequence[Box]) -> tuple[list[Window], list[Label]]:
        """The windows the page was read in, and the label of each line."""
        found = windows(texts, boxes, page.shape[:2], order_tb_yx(boxes), self.tokens)
        picture = _picture(self.params, page)
        votes: list[list[NDArray[np.integer]]] = [[] for _ in texts]
        for window in found:
            (answer, *_) = self.engine.run(*window.inputs, *picture)
            classes = answer[0].argmax(-1)
            for span in window.spans:
                votes[span.line].append(classes[span.start : span.stop])
        return found, majority([np.concatenate(line) if line else np.zeros(0, np.int64) for line in votes], self.labels)

    def _run(self, window: Window, picture: Sequence[Tensor], model: Path) -> list[Tensor]:
        try:
            return self.engine.run(*window.inputs, *picture)
        except ModelError as exc:
            raise ModelError(_not_the_signature(model, "ser_model_dir", self.params, exc)) from exc


class RelationFinder:
    """Says which answer belongs to which question."""

    def __init__(self, params: KieParams, model: Path, options: EngineOptions) -> None:
        """Load the network. Raises ConfigError, or ModelError where it is not one of relations."""
        self.params = params
        self.engine = open_engine(model, options)
        labels = [Label("QUESTION", 1), Label("ANSWER", 3)]
        (blank,) = windows(["a", "b"], [(0, 0, 1, 1), (2, 2, 3, 3)], (3, 3), [0, 1], lambda _: [3])
        entities, relations, _ = entities_and_relations(blank, labels)
        picture = _picture(params, np.zeros((1, 1, 3), np.uint8))
        try:
            answers = self.engine.run(*blank.inputs, *picture, entities, relations)
        except ModelError as exc:
            raise ModelError(_not_the_signature(model, "re_model_dir", params, exc)) from exc
        if len(answers) < 3 or answers[2].ndim != 4 or answers[2].shape[2:] != PAIR_SHAPE:
            raise ModelError(
                f"{model} does not answer with hidden_states, loss, pred_relations: give a relation model's folder in re_model_dir."
            )

    def __call__(self, page: Image, found: Sequence[Window], labels: Sequence[Label]) -> list[tuple[int, int]]:
        """Pairs of lines, (question, answer), within each window, in the order of the lines; an answer is in one pair at most."""
        picture = _picture(self.params, page)
        together: dict[int, tuple[int, int]] = {}
        for window in found:
            entities, relations, spans = entities_and_relations(window, labels)
            if relations.shape[1] > 1:
                answers = self.engine.run(*window.inputs, *picture, entities, relations)
                for question, answer in pairs(answers[2], spans):
                    together.setdefault(answer, (question, answer))
        return sorted(together.values())


def read_labels(path: str) -> tuple[str, ...]:
    """The labels of a list like PaddleOCR's class_list_xfun.txt, a line each; OTHER and the like are O. Raises ConfigError."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"ser_dict_path: {path} cannot be read: {exc}.") from None
    labels = tuple(line.upper() for line in lines if line.upper() not in ("O", "OTHER", "OTHERS", "IGNORE"))
    if not labels:
        raise ConfigError(f"ser_dict_path: {path} names no label: write one a line, such as QUESTION.")
    return labels


def rectangle(quad: Sequence[Sequence[float]]) -> Box:
    """The upright box around a polygon."""
    xs, ys = [point[0] for point in quad], [point[1] for point in quad]
    return min(xs), min(ys), max(xs), max(ys)


def _picture(params: KieParams, page: Image) -> list[Tensor]:
    return [network_image(page)] if params.use_visual_backbone else []


def _not_the_signature(model: Path, name: str, params: KieParams, exc: Exception) -> str:
    switched = "on" if params.use_visual_backbone else "off"
    return (
        f"{model} does not take the inputs of LayoutXLM with use_visual_backbone {switched}: switch it, or give another {name} "
        f"({str(exc).rstrip('.')})."
    )
