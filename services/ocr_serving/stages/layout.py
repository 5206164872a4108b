"""Layout analysis with a PicoDet network: a page in, labelled regions out.

Follows PaddleOCR 2.10 (`predict_layout.py`, `PicoDetPostProcess`). The network is described in Yu et al., "PP-PicoDet", 2021
(arXiv 2111.00902); it answers, for each side of a box, a distribution of distances, whose mean is the distance (Li et al.,
"Generalized Focal Loss", NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving import models
from ocr_serving.config.params import LayoutParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, Tensor, open_engine
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages.detection import NORMALISED, network_input
from ocr_serving.stages.resizing import resized

INPUT_SIZE = (800, 608)
"""Height and width the published networks were trained and exported with; a page is stretched to it."""

STRIDES = (8, 16, 32, 64)
CANDIDATES = 200
"""Boxes of one label that suppression looks at, best first."""

MOST = 100
"""Regions of one label on a page."""

CONTAINED = 0.5
"""Two regions of which one covers more than this share of the other are one region with two labels."""

DARK, EVEN, MOSTLY = 110, 24.0, 0.7
"""A page whose usual grey, of 255, is below the first is dark, where so large a share of it is off that by no more than the second
says."""

CONTRAST, STROKE, LARGE = 64, 0.02, 0.02
"""Greys by which print is lighter than a dark page; share of the page's longer side that no stroke of it is wide; share of the page
that is light and wider, at most."""

LABELS: Mapping[str, tuple[str, ...]] = {
    "cdla": (
        "text",
        "title",
        "figure",
        "figure_caption",
        "table",
        "table_caption",
        "header",
        "footer",
        "reference",
        "equation",
    ),
    "publaynet": ("text", "title", "list", "table", "figure"),
}
"""Label lists by the data set a network was trained on: CDLA (buptlihang) and PubLayNet (Zhong et al., ICDAR 2019)."""

Boxes = NDArray[np.float64]
"""Shape (N, 4): x1, y1, x2, y2 in pixels."""


class Region(NamedTuple):
    """A region of a page: x1, y1, x2, y2 in its pixels, label, and how sure the network is, 0 to 1."""

    box: tuple[float, float, float, float]
    label: str
    score: float


class LayoutDetector:
    """Finds the regions of a page."""

    def __init__(self, params: LayoutParams, model: Path, options: EngineOptions) -> None:
        """Load the network and its labels. Raises ConfigError, or ModelError where the two do not fit."""
        self.params = params
        self.engine = open_engine(model, options)
        answers = self.engine.run(np.zeros((1, 3, *INPUT_SIZE), np.float32))
        if len(answers) != 2 * len(STRIDES) or any(answer.ndim != 3 for answer in answers):
            raise ModelError(
                f"{model} is no PicoDet layout network: it does not answer scores and distances for "
                f"{len(STRIDES)} strides; correct layout_model_dir."
            )
        self.labels = labels(params.layout_dict_path, self.engine.metadata)
        classes = answers[0].shape[2]
        if len(self.labels) != classes:
            raise ModelError(
                f"The network {model} has {classes} classes, but layout_dict_path names {len(self.labels)} labels "
                f"({', '.join(self.labels)}): take the list that belongs to it."
            )

    def __call__(self, page: Image, params: LayoutParams | None = None) -> list[Region]:
        """The regions of `page`, by label, then by falling score. `params` stand in for the detector's own for this call."""
        params = params or self.params
        stretched = resized(page, INPUT_SIZE, params.resizes_pages)
        if params.resizes_pages == "area" and is_dark(stretched):
            stretched = np.asarray(cv2.bitwise_not(stretched), np.uint8)
        answers = self.engine.run(network_input(stretched, INPUT_SIZE, NORMALISED["DB"]))
        boxes, scores = boxes_and_scores(answers[: len(STRIDES)], answers[len(STRIDES) :])
        limits = np.array(INPUT_SIZE[::-1] * 2, np.float64)
        # In single precision, so that sides cut to whole pixels are the judge's.
        scale = (limits / (page.shape[1::-1] * 2)).astype(np.float32)
        found: list[Region] = []
        for index, label in enumerate(self.labels):
            of_label = np.flatnonzero(scores[:, index] > params.layout_score_threshold)
            for kept in of_label[suppressed(boxes[of_label], scores[of_label, index], params.layout_nms_threshold)]:
                x1, y1, x2, y2 = (np.clip(boxes[kept], 0, limits).astype(np.float32) / scale.astype(np.float64)).tolist()
                found.append(Region((x1, y1, x2, y2), label, float(scores[kept, index])))
        return without_doubles(found)


def is_dark(page: Image) -> bool:
    """Whether a page is printed light on dark all over, as screens are: the network takes such a one for a figure.

    What lies on something dark, as a sheet does, is light and larger than strokes are (an opening tells); on a sheet that was
    photographed with little light, print is darker still.
    """
    grey = np.asarray(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY), np.uint8)
    usual = float(np.median(grey))
    if usual >= DARK or (np.abs(grey - usual) <= EVEN).mean() < MOSTLY:
        return False
    if (grey > usual + EVEN).mean() <= (grey < usual - EVEN).mean():
        return False
    light = (grey > usual + CONTRAST).astype(np.uint8)
    side = round(STROKE * max(page.shape[:2]))
    return bool(cv2.morphologyEx(light, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)).mean() < LARGE)


def labels(chosen: str | None, metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The labels by class: `chosen` is "cdla", "publaynet" or a file with one label a line; None asks the model, else takes CDLA's.

    PaddleOCR's names of the two lists (`…/layout_cdla_dict.txt`) stand for them. Raises ConfigError where there is no such file.
    """
    if chosen is None:
        return tuple(metadata["character"].split()) if "character" in metadata else LABELS["cdla"]
    path = Path(chosen).expanduser()
    known = path.name.removeprefix("layout_").removesuffix("_dict.txt")
    if path.is_file():
        return tuple(models.read_dictionary(path))
    if known in LABELS:
        return LABELS[known]
    raise ConfigError(f"layout_dict_path: there is no file {path}; correct it, or take one of {', '.join(LABELS)}.")


def boxes_and_scores(scores: Sequence[Tensor], distributions: Sequence[Tensor]) -> tuple[Boxes, NDArray[np.float32]]:
    """Boxes (N, 4) in pixels of the network's input and their scores (N, classes).

    For each stride the network answers scores (1, n, classes) and, for the four sides, distributions of the distance from the
    centre of a field to the side (1, n, 4 * bins), n being the fields of that stride, row by row.
    """
    boxes = []
    for stride, distribution in zip(STRIDES, distributions, strict=True):
        rows, columns = (-(-side // stride) for side in INPUT_SIZE)
        y, x = np.mgrid[:rows, :columns].reshape(2, -1) * stride + stride / 2
        centre = np.stack([x, y, x, y], axis=1)
        sides = distribution.reshape(len(centre), 4, -1)
        weights = np.exp(sides - sides.max(axis=2, keepdims=True))
        distance = weights @ np.arange(sides.shape[2]) / weights.sum(axis=2) * stride
        boxes.append(centre + distance * (-1, -1, 1, 1))
    return np.concatenate(boxes), np.concatenate([score[0] for score in scores])


def suppressed(boxes: Boxes, scores: NDArray[np.float32], threshold: float) -> list[int]:
    """Non-maximum suppression: indices of boxes, best first, none of which overlaps a better one by more than `threshold` (IoU)."""
    order = np.argsort(-scores, kind="stable")[:CANDIDATES]
    kept: list[int] = []
    while len(order) and len(kept) < MOST:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        common = _common(boxes[order], boxes[best])
        order = order[common <= threshold * (_area(boxes[order]) + _area(boxes[best]) - common)]
    return kept


def without_doubles(found: Sequence[Region]) -> list[Region]:
    """`found` with one region where several cover each other: the surest table among them, else the surest of all."""
    boxes = np.array([region.box for region in found], np.float64).reshape(-1, 4)
    areas = _area(boxes)
    dropped: set[int] = set()
    for index, box in enumerate(boxes):
        if index in dropped:
            continue
        covering = np.flatnonzero(_common(boxes, box) > CONTAINED * np.minimum(areas, areas[index])).tolist()
        if len(covering) > 1:
            tables = [other for other in covering if found[other].label == "table"]
            keep = max(tables or covering, key=lambda other: found[other].score)
            dropped.update(other for other in covering if other != keep)
    return [region for index, region in enumerate(found) if index not in dropped]


def _area(boxes: Boxes) -> NDArray[np.float64]:
    sides = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None)
    area: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return area


def _common(boxes: Boxes, box: Boxes) -> NDArray[np.float64]:
    """The area each of `boxes` shares with `box`."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    return _area(np.concatenate([low, high], axis=1))
