"""Text detection with a DB network: a page in, quads of its lines out.

Pre- and post-processing follow PaddleOCR 2.10 (`predict_det.py`, `DBPostProcess`) to the number; the method is Liao et al.,
"Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pyclipper
from cv2.typing import MatLike
from numpy.typing import NDArray

from ocr_serving.config.params import DetectionParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, PixelInput, Pixels, Steps, open_for_pixels, table_of, tensor_of
from ocr_serving.errors import ModelError
from ocr_serving.stages import pieces
from ocr_serving.stages.geometry import WARP_LIMIT, Points, Quad, clipped, clockwise
from ocr_serving.stages.pieces import STRIDE
from ocr_serving.stages.text_frame import slope

MAX_SIDE = 4000
"""Longest side the network is given, whatever `det_limit_type` asks for, as in PaddleOCR 3: memory grows with the area."""

MAX_ENLARGED = 4_000_000
"""Pixels up to which "min" enlarges a page: a stamp must not cost what a poster does because a caller asks for a long side."""

MAX_CANDIDATES = 1000
"""Blobs of a map that PaddleOCR looks at …"""

MANY_CANDIDATES = 20_000
"""… and that are looked at where pages are read in pieces: 5,000 words a page, and noise four times as often."""

MIN_SIDE = 3
"""Boxes narrower than this on the network's map, or not wider on the page, are noise."""

ProbabilityMap = NDArray[np.float32]


def normalising(mean: tuple[float, float, float], std: tuple[float, float, float]) -> Steps:
    """What makes a network's input of pixels: in 0…1, less `mean`, by `std`, which are for blue, green and red."""
    return ("Mul", (1.0 / 255.0,)), ("Sub", mean), ("Div", std)


MEAN_AND_STD = {
    "DB": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "DB++": ((0.48109378172549, 0.45752457890196, 0.40787054090196), (1.0, 1.0, 1.0)),
}
NORMALISED = {algorithm: table_of(normalising(*numbers)) for algorithm, numbers in MEAN_AND_STD.items()}
"""For each channel the network's input for each of the 256 values of a byte, shape (3, 256)."""

LEAST_LIMIT = 640
"""Pixels: who sets a lower `det_limit_side_len` wants a quick look, and no second one."""

FINER = 1.25
"""A second look is worth its time at a scale that many times finer."""

SKEWED = 3.0
"""Degrees from which a page whose lines slope is looked at again along them: sloping lines that stand close melt into one."""

MOST_SKEWED = 30.0
"""Degrees up to which that is a skewed page, and not one with lines all over it."""

MARGIN = 0.05
"""Share of the longer side of what was found on such a page that is looked at around it."""

FEW = 3
"""Lines that a close look at a part of a page finds before the page is read again."""

THUMBNAIL = 256
"""Pixels of the longer side of a page that is seen larger, too, where fewer lines than `SEVERAL` are found on it."""

SEVERAL = 5

TOO_SMALL = "its text is too small for its size to be read whole: send it in parts"


class FoundLines(NamedTuple):
    """Lines in pixels of the page, what is to be said of it (or ""), and the blocks where `pieces.missed` misses some."""

    quads: list[Quad]
    remark: str = ""
    missed: NDArray[np.bool_] | None = None


class TextDetector:
    """Finds the lines of text on a page."""

    def __init__(self, params: DetectionParams, model: Path, options: EngineOptions) -> None:
        """Load the network in `model`. Raises ConfigError or ModelError."""
        self.params = params
        source = PixelInput("detection", (0, 0), normalising(*MEAN_AND_STD[params.det_algorithm]))
        self.network = open_for_pixels(model, options.without_int8, source)
        side = 2 * STRIDE
        if self._map(np.zeros((side, side, 3), np.uint8), (side, side)).shape != (1, side, side):
            raise ModelError(
                f"{model} is no DB text detector: it does not answer a map of the size of its input; correct det_model_dir."
            )

    def __call__(self, page: Image, params: DetectionParams | None = None) -> list[Quad]:
        """Quads of the lines on `page`, in pixels of it, in no particular order.

        `params` stand in for the detector's own for this call.
        """
        return self.find(page, params).quads

    def find(self, page: Image, params: DetectionParams | None = None) -> FoundLines:
        """As a call, with what is to be said of the page: where some of it could not be looked at."""
        params = params or self.params
        padded = at_least(page, STRIDE) if sum(page.shape[:2]) < 2 * STRIDE else page
        found = self._find(padded, params)
        on_page = (clipped(quad, *page.shape[:2]) for quad in found.quads)
        return found._replace(quads=[quad for quad in on_page if is_line(quad)])

    def _find(self, page: Image, params: DetectionParams) -> FoundLines:
        height, width = page.shape[:2]
        limit = params.det_limit_side_len
        size = input_size(height, width, limit, params.det_limit_type)
        if not params.in_pieces:
            return self._look(page, size, params)
        begin = pieces.starting_scale(height, width, limit) if params.det_limit_type == "max" else None
        if begin is not None:
            begin = pieces.affordable(height, width, begin)
            size = pieces.map_size(height, width, begin)
        found = self._look(page, size, params)
        if limit < LEAST_LIMIT:
            return found
        if max(height, width) <= THUMBNAIL and len(found.quads) < SEVERAL:
            larger = self._look(page, pieces.map_size(height, width, pieces.ENLARGED), params)
            if len(larger.quads) >= len(found.quads) + FEW:
                return larger
        scale = max(size) / max(height, width)
        wanted = self._scale_for(page, found, scale, params)
        finer = pieces.affordable(height, width, wanted)
        if finer < FINER * scale:
            if wanted >= FINER * scale:
                return found._replace(remark=TOO_SMALL)
            looks_along = params.det_limit_type == "max" and max(height, width) <= WARP_LIMIT and is_skewed(found.quads)
            return self._look_along(page, slope(found.quads), scale, found, params) if looks_along else found
        closer = self._look(page, pieces.map_size(height, width, finer), params)
        remark = closer.remark or (TOO_SMALL if wanted > 1.5 * finer else "")
        return FoundLines(pieces.both(found.quads, closer.quads, finer), remark, closer.missed)

    def _look(self, page: Image, size: tuple[int, int], params: DetectionParams) -> FoundLines:
        """The lines of `page` on a map of that size (height, width)."""
        height, width = page.shape[:2]
        seen = resized_to(page, size)
        probability = self._map_in_pieces(seen, params) if params.in_pieces else self._map(seen, size)[0]
        found = quads_from_map(probability, height, width, params)
        quads = [clockwise(quad) for quad in found.quads]
        blocks = None
        if params.in_pieces and max(size) < pieces.COARSE * max(height, width):
            blocks = pieces.missed(seen, probability > params.det_db_thresh)
        return FoundLines(quads, found.remark, blocks)

    def _scale_for(self, page: Image, found: FoundLines, scale: float, params: DetectionParams) -> float:
        """The scale that the text of `page` needs, of which `found` was seen at `scale`."""
        wanted = pieces.scale_for(pieces.heights(found.quads, scale), scale)
        part = None if found.missed is None else pieces.suspicious(found.missed, *page.shape[:2])
        if part is None:
            return wanted
        top, bottom, left, right = part
        closely = page[top:bottom, left:right]
        lines = self._look(closely, pieces.map_size(closely.shape[0], closely.shape[1], 1.0), params).quads
        if len(lines) < FEW:
            return wanted
        high = pieces.heights(lines, 1.0)
        return max(wanted, min(pieces.ENLARGED, pieces.READABLE / float(np.median(high))))

    def _look_along(self, page: Image, degrees: float, scale: float, found: FoundLines, params: DetectionParams) -> FoundLines:
        """The lines of `page`, which slope by `degrees`, seen level, where a look at `scale` has `found` some.

        A page that lies skewed needs a larger picture: it is seen at the scale that its own sides give it.
        """
        height, width = page.shape[:2]
        scale = min(1.0, scale * pieces.unskewed(height, width, degrees))
        level, size = pieces.levelling(found.quads, degrees, scale, MARGIN)
        seen = np.asarray(cv2.warpAffine(page, level, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)
        # In one piece, as the page would be by itself.
        params = params.model_copy(update={"det_limit_side_len": max(params.det_limit_side_len, *size)})
        lines = quads_from_map(self._map_in_pieces(seen, params), *size, params)
        back = cv2.invertAffineTransform(level)
        quads = [np.asarray(cv2.transform(clockwise(quad)[None], back)[0], np.float32) for quad in lines.quads]
        return FoundLines(quads, found.remark or lines.remark, found.missed)

    def _map_in_pieces(self, seen: Image, params: DetectionParams) -> ProbabilityMap:
        """The map, shape (height, width), of a picture of whole strides; where pieces overlap the surer tells."""
        size = (seen.shape[0], seen.shape[1])
        parts = list(pieces.pieces(size, max(params.det_limit_side_len, 2 * pieces.OVERLAP)))
        if len(parts) == 1 or params.det_limit_type == "min":
            return np.asarray(self._map(seen, size)[0])
        probability = np.zeros(size, np.float32)
        for whole, core in parts:
            top, bottom, left, right = whole
            piece = np.ascontiguousarray(seen[top:bottom, left:right])
            part = self._map(piece, (bottom - top, right - left))[0]
            first, last, begin, end = core
            kept = probability[first:last, begin:end]
            np.maximum(kept, part[first - top : last - top, begin - left : end - left], out=kept)
        return probability

    def _map(self, page: Image, size: tuple[int, int]) -> ProbabilityMap:
        """The network's first output for one page, without the batch axis: (1, height, width) of a detector."""
        ((probability, *_),) = self.network.run([Pixels(resized_to(page, size), *size)])
        return np.asarray(probability)


def is_skewed(quads: Sequence[Quad]) -> bool:
    """Whether a page lies askew, by the slope of its lines."""
    return SKEWED <= abs(slope(quads)) <= MOST_SKEWED


def input_size(height: int, width: int, limit: int, limit_type: str) -> tuple[int, int]:
    """Height and width of the network's input for a page of that size: limited by its longer ("max") or shorter ("min") side."""
    ratio = 1.0
    if limit_type == "max" and max(height, width) > limit:
        ratio = limit / max(height, width)
    elif limit_type == "min" and min(height, width) < limit:
        ratio = min(limit / min(height, width), max(1.0, math.sqrt(MAX_ENLARGED / (height * width))))
    ratio = min(ratio, MAX_SIDE / max(height, width))
    rows, columns = (max(round(int(side * ratio) / STRIDE) * STRIDE, STRIDE) for side in (height, width))
    return rows, columns


def at_least(page: Image, side: int) -> Image:
    """`page` with black added to the right and below until both sides reach `side`."""
    height, width = page.shape[:2]
    if height >= side and width >= side:
        return page
    padded = np.zeros((max(height, side), max(width, side), 3), np.uint8)
    padded[:height, :width] = page
    return padded


def resized_to(page: Image, size: tuple[int, int]) -> Image:
    """`page` of that size (height, width)."""
    return page if page.shape[:2] == size else np.asarray(cv2.resize(page, size[::-1]), np.uint8)


def network_input(page: Image, size: tuple[int, int], table: NDArray[np.float32]) -> NDArray[np.float32]:
    """`page` resized to `size` (height, width) and normalised by `table`: float32 of shape (1, 3, height, width)."""
    return tensor_of([Pixels(resized_to(page, size), *size)], table)


def quads_from_map(probability: ProbabilityMap, height: int, width: int, params: DetectionParams) -> FoundLines:
    """Quads, in pixels of a page of `height` x `width`, of the blobs of a probability map of any size."""
    mask = (probability > params.det_db_thresh).view(np.uint8)
    if params.use_dilation:
        mask = np.asarray(cv2.dilate(mask, np.ones((2, 2), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    boxes = []
    most = MANY_CANDIDATES if params.in_pieces else MAX_CANDIDATES
    for contour in contours[:most]:
        points, short_side = smallest_box(contour)
        if short_side < MIN_SIDE:
            continue
        inner = points if params.det_db_score_mode == "fast" else contour.reshape(-1, 2).astype(np.float32)
        if mean_inside(probability, inner) < params.det_db_box_thresh:
            continue
        grown = unclipped(points, params.det_db_unclip_ratio)
        if grown is None:
            continue
        box, short_side = smallest_box(grown)
        if short_side < MIN_SIDE + 2:
            continue
        boxes.append(box)
    quads = list(_to_page(np.array(boxes, np.float32).reshape(-1, 4, 2), probability.shape, height, width))
    cut = params.in_pieces and len(contours) > most
    return FoundLines(quads, f"it has {len(contours)} spots that may be text, of which {most} were looked at" if cut else "")


def smallest_box(contour: MatLike) -> tuple[Points, float]:
    """Corners, float32 of shape (4, 2), of the smallest rotated rectangle around a contour, and its shorter side."""
    rectangle = cv2.minAreaRect(contour)
    # For four points lists of numbers are several times as fast as arrays, and there are two of these for each line of text.
    by_x = sorted(np.asarray(cv2.boxPoints(rectangle), np.float32).tolist(), key=operator.itemgetter(0))
    top_left, bottom_left = (by_x[0], by_x[1]) if by_x[1][1] > by_x[0][1] else (by_x[1], by_x[0])
    top_right, bottom_right = (by_x[2], by_x[3]) if by_x[3][1] > by_x[2][1] else (by_x[3], by_x[2])
    return np.array([top_left, top_right, bottom_right, bottom_left], np.float32), min(rectangle[1])


def mean_inside(probability: ProbabilityMap, polygon: Points) -> float:
    """Mean of the map inside a polygon, float32 of shape (N, 2), whose corners are cut to whole pixels."""
    height, width = probability.shape
    ends = (width - 1, height - 1)
    left, top = (min(max(math.floor(low), 0), end) for low, end in zip(polygon.min(axis=0).tolist(), ends, strict=True))
    right, bottom = (min(max(math.ceil(high), 0), end) for high, end in zip(polygon.max(axis=0).tolist(), ends, strict=True))
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    corner = np.array([left, top], np.float32)
    cv2.fillPoly(mask, [(polygon - corner).astype(np.int32)], 1)
    return float(cv2.mean(probability[top : bottom + 1, left : right + 1], mask)[0])


def unclipped(quad: Points, ratio: float) -> NDArray[np.int32] | None:
    """A quad grown by area x ratio / perimeter, as whole points of shape (N, 2); None where it falls apart or vanishes."""
    corners: list[tuple[float, float]] = quad.tolist()
    sides = [(*start, *end) for start, end in zip(corners, corners[1:] + corners[:1], strict=True)]
    area = abs(sum(x1 * y2 - y1 * x2 for x1, y1, x2, y2 in sides)) / 2
    perimeter = sum(math.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2) for x1, y1, x2, y2 in sides)
    if perimeter == 0:
        return None
    offset = pyclipper.PyclipperOffset()
    offset.AddPath(corners, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    grown = offset.Execute(area * ratio / perimeter)
    return np.array(grown[0], np.int32) if len(grown) == 1 else None


def is_line(quad: Quad) -> bool:
    """Whether a quad on the page is more than noise: its top and its left side are longer than three pixels."""
    top_left, top_right, _, bottom_left = quad.tolist()
    return int(math.dist(top_left, top_right)) > MIN_SIDE and int(math.dist(top_left, bottom_left)) > MIN_SIDE


def _to_page(boxes: NDArray[np.float32], map_size: tuple[int, ...], height: int, width: int) -> NDArray[np.float32]:
    """Boxes on a map of that size, shape (N, 4, 2), in pixels of a page of `height` x `width`."""
    from_size = np.array([map_size[1], map_size[0]], np.float32)
    to_size = np.array([width, height], np.float32)
    on_page: NDArray[np.float32] = np.clip(np.round(boxes / from_size * to_size), 0, to_size)
    return on_page
