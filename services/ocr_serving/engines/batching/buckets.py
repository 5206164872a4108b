"""Buckets: the few shapes that batches have.

On a GPU each costs a session, warm before the service is ready, since a session that changes its shape stops for up to 1.4 s.
On a CPU any shape is as good as another, so each row keeps the size its stage asks for and answers are those without batching.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ocr_serving.engines.base import Kind


@dataclass(frozen=True, order=True)
class Bucket:
    """Pictures of up to `height` x `width` pixels, at most `batch` of them at once."""

    height: int
    width: int
    batch: int

    @property
    def cost(self) -> int:
        """What a row takes of the device, in pixels."""
        return max(1, self.height * self.width)


class Buckets(Protocol):
    """The buckets of one network."""

    def of(self, height: int, width: int) -> Bucket:
        """The bucket for a row that wants that size."""

    def __iter__(self) -> Iterator[Bucket]:
        """Those that are known beforehand, to be warmed up."""


class ExactBuckets:
    """A bucket for each size that comes."""

    def __init__(self, batch: int = 1) -> None:
        """`batch` rows of one size at once."""
        self.batch = batch

    def of(self, height: int, width: int) -> Bucket:
        """That very size."""
        return Bucket(height, width, self.batch)

    def __iter__(self) -> Iterator[Bucket]:
        """None is known beforehand."""
        return iter(())


class TableBuckets:
    """A fixed table; what fits nothing in it goes alone, as it is."""

    def __init__(self, table: Mapping[tuple[int, int], int], max_batch: int | None = None) -> None:
        """`table` maps (height, width) to the rows of a batch, which `max_batch` may lower."""
        self._table = sorted(
            (Bucket(height, width, min(batch, max_batch or batch)) for (height, width), batch in table.items()),
            key=lambda bucket: (bucket.cost, bucket),
        )

    def of(self, height: int, width: int) -> Bucket:
        """The smallest that holds that size."""
        return next(
            (bucket for bucket in self._table if height <= bucket.height and width <= bucket.width), Bucket(height, width, 1)
        )

    def __iter__(self) -> Iterator[Bucket]:
        """All of the table."""
        return iter(self._table)


WIDTHS = (
    dict.fromkeys(range(32, 193, 32), 96)
    | dict.fromkeys(range(224, 321, 32), 64)
    | dict.fromkeys(range(352, 641, 32), 32)
    | dict.fromkeys(range(704, 1025, 64), 16)
    | {1280: 8, 1600: 8, 2400: 4, 3200: 4}
)
"""Recognition: rows of a batch by width. A line wants a multiple of 32 and up to 640 gets just that: padding changes what is read.

Of nine widths, 128 to 3200, the word F1 was .009 lower on 14 forms (PP-OCRv6 small) and .004 on 30 receipts (tiny).
"""

PAGES = dict.fromkeys([(960, 672), (672, 960), (960, 736), (736, 960), (960, 768), (768, 960), (960, 960)], 8)
"""Detection at its default limit of 960 pixels: A4, Letter, other pages upright or on their side, and the rest."""

LINES, WHOLE_PAGES = 64, 8
"""Classification of lines, and of pages by their orientation: rows of a batch; their size is the network's own."""


def table(kind: Kind, shape: tuple[int, int], max_batch: int | None = None) -> TableBuckets:
    """The table of a kind of network; `shape` (height, width) is its own input where that is fixed."""
    height, width = shape
    if kind == "recognition":
        return TableBuckets({(height, columns): batch for columns, batch in WIDTHS.items()}, max_batch)
    if kind == "detection":
        return TableBuckets(PAGES, max_batch)
    return TableBuckets({(height, width): LINES if kind == "classification" else WHOLE_PAGES}, max_batch)
