"""Lines to regions."""

from __future__ import annotations

import numpy as np

from ocr_serving.stages.regions import centred, touching


def test_lines_of_a_region() -> None:
    lines = np.array([[10, 10, 90, 20], [95, 10, 300, 20], [10, 200, 90, 220]], np.float64)
    assert touching(lines, (0, 0, 100, 100)) == [0, 1]
    assert centred(lines, (0, 0, 100, 100)) == [0]
    assert touching(lines[:0], (0, 0, 100, 100)) == []
