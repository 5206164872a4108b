"""Greedy CTC in numpy, for engines whose graphs cannot be edited or are slower when they are."""

from __future__ import annotations

import numpy as np

from ocr_serving.engines.base import Tensor


def greedy(probabilities: Tensor) -> list[Tensor]:
    """Of probabilities (N, T, C) the best class of each step, int32 of shape (N, T), the first of equals, and its score (N, T)."""
    return [probabilities.argmax(axis=2).astype(np.int32), probabilities.max(axis=2)]
