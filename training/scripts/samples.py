"""Windows of drawn lines, by one process or several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ocr_serving.stages.scripts import HEIGHT, SCRIPTS, WIDTH, window
from training.scripts.lines import Lines


class Drawn(NamedTuple):
    """Windows, -1…2 as bytes, shape (N, HEIGHT, WIDTH), and their classes, shape (N,)."""

    windows: NDArray[np.uint8]
    classes: NDArray[np.int64]


Fonts = Mapping[str, Mapping[str, Sequence[Path]]]
"""See `fonts_by_script`."""


def drawn(fonts: Fonts, scripts: Sequence[str], seed: int, said: str, processes: int = 1) -> Drawn:
    """A line for each of `scripts`, the same however many processes draw them."""
    windows = np.zeros((len(scripts), HEIGHT, WIDTH), np.uint8)
    # Forks have the words, which take longer to look through than lines to draw.
    with multiprocessing.get_context("fork").Pool(processes, _draw_with, (fonts,)) as pool:
        every = pool.imap(_window, ((script, seed + n) for n, script in enumerate(scripts)), chunksize=100)
        for n, seen in enumerate(tqdm(every, total=len(scripts), desc=said, mininterval=5)):
            windows[n] = seen
    return Drawn(windows, np.array([SCRIPTS.index(script) for script in scripts], np.int64))


_lines: Lines | None = None


def _draw_with(fonts: Fonts) -> None:
    global _lines
    _lines = Lines(fonts)


def _window(asked: tuple[str, int]) -> NDArray[np.uint8]:
    assert _lines is not None
    return np.rint((window(_lines.draw(*asked)) + 1) * 85).astype(np.uint8)
