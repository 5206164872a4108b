"""The lines of text of a table: small print is enlarged before it is looked for and read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.config.params import DetectionParams
from ocr_serving.decoding.images import Image
from ocr_serving.stages.geometry import Quad, side_lengths
from ocr_serving.stages.reading_order import reading_order
from ocr_serving.stages.recognition import Text
from ocr_serving.stages.tables.picture import Quads, Rectangles, upright
from ocr_serving.stages.tables.words import Word

SMALL = 22
"""Pixels; lines less high than this are read better enlarged."""

READ_WELL = 36
"""Pixels that the usual line is enlarged to."""

MOST_ENLARGED = 3.0

SEEN_WELL = 13
"""Pixels of the usual line on the detector's map; where it is less high, the detector gets a larger picture."""

MOST_SIDE = 2400
"""Longer side, in pixels, of what the detector gets at most; a caller's own `det_limit_side_len` may be larger."""

_ABOUT_A_WORD = re.compile(r"""(?<![^\s(\[])[(\["'“‘]+(?=[^\W\d_])|(?<=[^\W\d_])[.,:;!?)\]"'”’]+(?!\w)""")

Detector = Callable[[Image, DetectionParams], Sequence[Quad]]


class Lines(NamedTuple):
    """Lines of text: quads on the page, what each says, and its words where they are known, [] where they are not."""

    quads: Quads
    texts: list[Text]
    words: list[list[Word]]


def surest(again: Lines, before: Lines) -> Lines:
    """Lines of small print as they were read enlarged, `again`, or on the page `before`: of two readings the surer one.

    Both on one frame. Lines stand in the same place where the middle of each is in the other's upright box. Two that differ in
    nothing but spaces and the signs about words of letters are the same reading, and the page's is taken: cells hold no other words
    than the page does, but where these are poorer.
    """
    boxes, others = upright(again.quads), upright(before.quads)
    texts, words = list(again.texts), list(again.words)
    for index, box in enumerate(boxes):
        for other in np.flatnonzero(_has_middle(box[None], others) & _has_middle(others, box[None])):
            known, here = before.texts[other], again.texts[index]
            if _bare(known.text) == _bare(here.text) or known.confidence > here.confidence:
                texts[index], words[index] = known, before.words[other]
    return Lines(again.quads, texts, words)


def _bare(text: str) -> str:
    """`text` without spaces, and without the signs before and after words of letters; those about figures say something."""
    return "".join(_ABOUT_A_WORD.sub("", text).split())


def _has_middle(boxes: Rectangles, others: Rectangles) -> NDArray[np.bool_]:
    """Whether the middles of `others` are in `boxes`; one of the two may be a single box for all."""
    middles = (others[:, :2] + others[:, 2:]) / 2
    return np.asarray(((boxes[:, :2] <= middles) & (middles <= boxes[:, 2:])).all(axis=1), np.bool_)


def usual_height(quads: Quads) -> float:
    """The median height of lines in pixels; 0 where there are none."""
    return float(np.median(np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1))) if len(quads) else 0.0


def enlargement(height: float) -> float:
    """How many times a picture is enlarged whose lines are usually of that height."""
    return min(MOST_ENLARGED, READ_WELL / height) if 0 < height < SMALL else 1.0


def found(picture: Image, detector: Detector, params: DetectionParams) -> tuple[Image, list[Quad], float]:
    """The picture that lines are to be cut from, their quads on it in reading order, and how many times it is enlarged."""
    quads = list(detector(picture, params))
    height = usual_height(np.array(quads, np.float64).reshape(-1, 4, 2))
    scale = enlargement(height)
    side = max(picture.shape[:2]) * scale
    limit = params.det_limit_side_len
    if params.det_limit_type == "max" and height:
        seen = height * scale * min(1.0, limit / side)
        if seen < SEEN_WELL:
            limit = max(limit, min(MOST_SIDE, round(limit * SEEN_WELL / seen)))
    if scale == 1.0 and limit == params.det_limit_side_len:
        return picture, reading_order(quads), scale
    if scale > 1.0:
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
    quads = [quad for quad in detector(picture, params.model_copy(update={"det_limit_side_len": limit})) if min(side_lengths(quad))]
    return picture, reading_order(quads), scale
