"""Greedy CTC in numpy, for engines whose graphs cannot be edited or are slower when they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_serving.engines.base import Tensor


def greedy(probabilities: Tensor, told: Sequence[int] = ()) -> list[Tensor]:
    """Of probabilities (N, T, C) the best class of each step, int32 of shape (N, T), the first of equals, and its score (N, T).

    Third, where `told` names classes, their probabilities, of shape (N, T, K): 0 of one that the network does not have.
    """
    best = [probabilities.argmax(axis=2).astype(np.int32), probabilities.max(axis=2)]
    if not told:
        return best
    evidence = np.zeros((*probabilities.shape[:2], len(told)), probabilities.dtype)
    there = [n for n, index in enumerate(told) if index < probabilities.shape[2]]
    evidence[:, :, there] = probabilities[:, :, [told[n] for n in there]]
    return [*best, evidence]


def restricted(probabilities: Tensor, kept: Sequence[int]) -> Tensor:
    """Probabilities (N, T, C) of the classes `kept` alone, (N, T, K): what a softmax over only those gives."""
    part = probabilities[:, :, list(kept)]
    share: Tensor = part / np.maximum(part.sum(axis=2, keepdims=True), np.finfo(np.float32).tiny)
    return share
