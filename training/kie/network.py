"""The network: word and layout embeddings of tokens, pooled by line, a transformer over lines, a classifier and a relation head.

Its inputs and outputs are LayoutXLM's (Xu et al., 2021). What differs is inside: tokens that share a box are one line, and only
lines attend to one another, with a bias learnt from where two boxes stand (as the spatial bias of LayoutLMv2, Xu et al., 2021).
A page has ten times fewer lines than tokens, which is what lets it be trained in minutes. The relation head is biaffine
(Dozat and Manning, 2017), as REDecoder's, with a term for where the two boxes stand.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

WORD, WIDTH, LAYERS, HEADS, PAIR = 64, 128, 3, 4, 48
LABELS = 4
"""O, QUESTION, ANSWER, HEADER."""

GEOMETRY = 18
"""Numbers that say where one box stands to another."""


class Lines(NamedTuple):
    """Tokens as lines: hidden [B, N, WIDTH], how well places of two lines fit as a pair [B, N, N], line of each token [B, T]."""

    hidden: Tensor
    places: Tensor
    of_token: Tensor


class Layer(nn.Module):
    """A pre-norm transformer layer whose attention takes a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x [B, N, WIDTH], bias [B, HEADS, N, N]."""
        batch, count = x.shape[0], x.shape[1]
        q, k, v = self.qkv(self.before(x)).view(batch, count, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + bias).softmax(-1)
        x = x + self.drop(self.out((weights @ v).transpose(1, 2).reshape(batch, count, WIDTH)))
        return x + self.drop(self.narrow(functional.relu(self.wide(self.between(x)))))


class Network(nn.Module):
    """Trunk, classifier of lines and relation head."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.word = nn.Embedding(words, WORD, padding_idx=1)
        self.three = nn.Linear(3 * WORD, WORD)
        self.line = nn.Linear(4 * WORD + 8, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.pair = nn.Sequential(nn.Linear(GEOMETRY, PAIR), nn.ReLU(), nn.Linear(PAIR, LAYERS * HEADS + 1))
        self.norm = nn.LayerNorm(WIDTH)
        self.label = nn.Linear(WIDTH, LABELS)
        self.entity = nn.Embedding(3, WIDTH)
        self.head, self.tail = (nn.Sequential(nn.Linear(WIDTH, WIDTH // 2), nn.ReLU(), nn.Dropout(0.1)) for _ in range(2))
        self.bilinear = nn.Linear(WIDTH // 2, WIDTH // 2, bias=False)
        self.alone = nn.ModuleList(nn.Linear(WIDTH // 2, 1) for _ in range(2))

    def lines(self, ids: Tensor, bbox: Tensor, mask: Tensor) -> Lines:
        """The trunk: ids [B, T], bbox [B, T, 4] in thousandths, mask [B, T]."""
        on = mask > 0
        same = (bbox[:, 1:] == bbox[:, :-1]).all(-1)
        first = torch.cat([torch.ones_like(on[:, :1]), ~same], 1) & on
        last = torch.cat([first[:, 1:] | ~on[:, 1:], torch.ones_like(on[:, :1])], 1) & on
        of_token = (first.long().cumsum(1) - 1).clamp(min=0)
        numbers = torch.arange(int(of_token.max()) + 1) if not torch.jit.is_tracing() else torch.arange(of_token.max() + 1)
        member = ((of_token[:, None] == numbers[None, :, None]) & on[:, None]).float()
        there = member.sum(-1) > 0

        word = self.word(ids) * on[..., None]
        left = functional.pad(word[:, :-1], (0, 0, 1, 0)) * ~first[..., None]
        right = functional.pad(word[:, 1:], (0, 0, 0, 1)) * ~last[..., None]
        near = functional.relu(self.three(torch.cat([left, word, right], -1)))
        count = member.sum(-1, keepdim=True).clamp(min=1)
        starts = member * first[:, None].float()
        boxes = starts @ bbox.float() / 1000
        x1, y1, x2, y2 = boxes.unbind(-1)
        shape = torch.stack([x1, y1, x2, y2, (x2 - x1), 20 * (y2 - y1), count[..., 0].log(), 50 * (x2 - x1) / count[..., 0]], -1)
        parts = [member @ word / count, member @ near / count, starts @ near, (member * last[:, None].float()) @ near, shape]
        x = self.line(torch.cat(parts, -1))

        pairs = self.pair(geometry(boxes))
        biases = pairs[..., 1:].permute(0, 3, 1, 2) + (there[:, None, None].float() - 1) * 1e4
        for layer, bias in zip(self.layers, biases.split(HEADS, 1), strict=True):
            x = layer(x, bias)
        return Lines(self.norm(x), pairs[..., 0], of_token)

    def relations(self, lines: Lines) -> Tensor:
        """How much two lines belong together, [B, N, N], question by answer; over 0 where they do."""
        one, two = self.head(lines.hidden + self.entity.weight[1]), self.tail(lines.hidden + self.entity.weight[2])
        fit = self.bilinear(one) @ two.transpose(1, 2) * (WIDTH // 2) ** -0.5
        return fit + self.alone[0](one) + self.alone[1](two).transpose(1, 2) + lines.places


def geometry(boxes: Tensor) -> Tensor:
    """Where each box stands to each, [B, N, N, GEOMETRY]: logarithms of distances of their sides, overlaps, sizes."""
    count = boxes.shape[1]
    one, two = boxes[:, :, None].expand(-1, -1, count, -1), boxes[:, None].expand(-1, count, -1, -1)
    high = (one[..., 3:] - one[..., 1:2] + two[..., 3:] - two[..., 1:2]).clamp(min=0.01) / 2
    sides = torch.cat([two - one, two[..., :2] - one[..., 2:], two[..., 2:] - one[..., :2]], -1)
    logs = sides.sign() * (sides.abs() * 100).log1p()
    middle = (two[..., 1:2] + two[..., 3:] - one[..., 1:2] - one[..., 3:]) / 2
    rows = torch.cat([(middle / high).clamp(-4, 4), (middle / high).abs().clamp(max=4)], -1)
    overlap = torch.minimum(one[..., 2:], two[..., 2:]) - torch.maximum(one[..., :2], two[..., :2])
    sizes = torch.cat([one[..., 2:] - one[..., :2], two[..., 2:] - two[..., :2]], -1)
    share = overlap.clamp(min=0) / torch.minimum(sizes[..., :2], sizes[..., 2:]).clamp(min=0.001)
    return torch.cat(
        [
            logs,
            rows,
            share,
            sizes[..., [0]] * 4,
            sizes[..., [1]] * 20,
            sizes[..., [2]] * 4,
            sizes[..., [3]] * 20,
            overlap.clamp(-0.3, 0.3),
        ],
        -1,
    )


def loss(network: Network, ids: Tensor, bbox: Tensor, mask: Tensor, labels: Tensor, links: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of labels and of relations: labels [B, N] (-100 where no line is), links [B, N, N] bool, question by answer.

    Each answer picks its question by a softmax over the page's questions and "none"; where several are right, their sum counts.
    """
    lines = network.lines(ids, bbox, mask)
    count = lines.hidden.shape[1]
    labels, links = labels[:, :count], links[:, :count, :count]
    of_labels = functional.cross_entropy(network.label(lines.hidden).flatten(0, 1), labels.flatten(), ignore_index=-100)
    scores = network.relations(lines)
    scores = scores.masked_fill((labels != 1)[:, :, None], -1e4)
    none = torch.zeros_like(scores[:, :1])
    chosen = torch.cat([none, scores], 1).log_softmax(1)
    right = torch.cat([~links.any(1, keepdim=True), links], 1)
    each_answer = -torch.logsumexp(chosen.masked_fill(~right, -1e4), 1)
    answers = labels == 2
    return of_labels, (each_answer * answers).sum() / answers.sum().clamp(min=1)
