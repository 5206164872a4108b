"""The one way for a stage's pictures into its network, whichever engine runs it.

Engines of other processes take pixels as they are and batch them with those of other workers; to those of this process the pictures
are handed normalised, in batches of one size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.engines.base import Engine, PixelEngine, PixelInput, Pixels, Steps, Tensor
from ocr_serving.engines.idle.crew import crew_of
from ocr_serving.engines.idle.schedule import rows_of_a_run

Table = NDArray[np.float32]
"""For each channel the network's input for each of the 256 values of a byte, shape (3, 256)."""


class PixelNetwork:
    """A network that pictures are handed to."""

    def __init__(self, engine: Engine, source: PixelInput) -> None:
        """`engine` runs it, and was opened with `source`."""
        self.engine = engine
        self._table = table_of(source.steps)

    @property
    def name(self) -> str:
        """The engine that runs it: onnxruntime, openvino or paddle."""
        return self.engine.name

    @property
    def metadata(self) -> Mapping[str, str]:
        """See `Engine.metadata`."""
        return self.engine.metadata

    @property
    def may_widen(self) -> bool:
        """Whether a picture may be given a wider input than it asks for, since its engine keeps to a few shapes."""
        return isinstance(self.engine, PixelEngine)

    def run(self, rows: Iterable[Pixels], batch: int = 1) -> Iterator[list[Tensor]]:
        """Outputs by position for each row, in their order, without the batch axis.

        Neighbours of one size share a run of an engine in this process, up to `batch` of them; where cores are idle there are more
        runs, of fewer, side by side.

        Raises UnavailableError or ModelError.
        """
        if isinstance(self.engine, PixelEngine):
            yield from self.engine.run_pixels(list(rows))
            return
        waiting = list(rows)
        with crew_of(self.engine, len(waiting)) as crew:
            runs = list(batches_of(waiting, rows_of_a_run(batch, crew.hands)))
            answers = crew.map(self._run, runs, [len(together) * together[0].height * together[0].width for together in runs])
        for together, outputs in zip(runs, answers, strict=True):
            for n in range(len(together)):
                yield [value[n] if value.ndim else value for value in outputs]

    def _run(self, together: Sequence[Pixels]) -> list[Tensor]:
        return self.engine.run(tensor_of(together, self._table))


def batches_of(rows: Iterable[Pixels], most: int) -> Iterator[list[Pixels]]:
    """Neighbours among `rows` whose inputs have one size, up to `most` together."""
    pending: list[Pixels] = []
    for row in rows:
        if pending and (len(pending) == most or (row.height, row.width) != (pending[0].height, pending[0].width)):
            yield pending
            pending = []
        pending.append(row)
    if pending:
        yield pending


def tensor_of(rows: Sequence[Pixels], table: Table) -> NDArray[np.float32]:
    """`rows`, all of one size, by `table`, with zeros to the right and below: float32 of shape (N, 3, height, width)."""
    tensor = np.zeros((len(rows), 3, rows[0].height, rows[0].width), np.float32)
    for places, row in zip(tensor, rows, strict=True):
        height, width = row.image.shape[:2]
        # A table look-up gives the very bits of the arithmetic in a sixth of its time, straight into channel order.
        for plane, values, place in zip(cv2.split(row.image), table, places, strict=True):
            cv2.LUT(plane, values, place[:height, :width])
    return tensor


@lru_cache(maxsize=16)
def table_of(steps: Steps) -> Table:
    """What `steps` make of each value of a byte in each channel."""
    table = np.broadcast_to(np.arange(256, dtype=np.float32), (3, 256))
    for operation, numbers in steps:
        constant = np.array(numbers, np.float32)[:, None]
        if operation == "Mul":
            table = table * constant
        elif operation == "Sub":
            table = table - constant
        else:
            table = table / constant
    made = np.ascontiguousarray(table)
    made.flags.writeable = False
    return made
