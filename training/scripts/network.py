"""The network: six convolutions over a window of a line, the mean and the strongest of what each finds, one linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocr_serving.stages.scripts import SCRIPTS

CHANNELS = (8, 16, 32, 64, 64, 64)
SHAPES: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = (
    ((3, 3), (2, 2)),
    ((3, 3), (2, 2)),
    ((3, 3), (2, 1)),
    ((3, 3), (2, 2)),
    ((2, 5), (1, 1)),
    ((1, 5), (1, 1)),
)
"""Height and width of each kernel, and its strides; 32 rows become one."""


class Network(nn.Module):
    """A window, float32 of shape (N, 1, 32, 256), in; the logits of `SCRIPTS`, (N, 15), out."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels, (kernel, stride) in zip(CHANNELS, SHAPES, strict=True):
            padding = (1 if kernel[0] == 3 else 0, kernel[1] // 2)
            layers += [nn.Conv2d(before, channels, kernel, stride, padding, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
            before = channels
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.1)
        self.told = nn.Linear(2 * before, len(SCRIPTS))

    def forward(self, windows: Tensor) -> Tensor:
        """The logits."""
        found = self.features(windows).flatten(2)
        logits: Tensor = self.told(self.drop(torch.cat([found.mean(-1), found.amax(-1)], 1)))
        return logits


class Telling(nn.Module):
    """The same with probabilities out, which is what is shipped."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor) -> Tensor:
        """The probabilities."""
        return torch.softmax(self.network(windows), -1)
