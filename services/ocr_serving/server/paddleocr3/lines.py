"""A read page as PaddleOCR 3 tells it: `prunedResult` of `/ocr`, and `overall_ocr_res` within those of the other routes. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ocr_serving.config.params import OCRParams
from ocr_serving.stages.detection import MAX_SIDE
from ocr_serving.stages.geometry import UPRIGHT
from ocr_serving.stages.words import Reading

CELLS_TO_A_LINE = 6
"""A step of the recognisers is 8 pixels of a line 48 high."""


@dataclass(frozen=True)
class SaidLine:
    """A line: what it says, how surely (0 to 1), its corners [x, y] in pixels of the upright page, whether it was turned.

    `reading` tells where its characters stand, where that is known, in a picture so many pixels wide.
    """

    text: str
    confidence: float
    quad: Sequence[Sequence[float]]
    turned: bool = False
    reading: Reading | None = None
    width: int = 0

    @property
    def corners(self) -> list[list[int]]:
        """Its corners in whole pixels."""
        return [[int(x), int(y)] for x, y in self.quad]

    @property
    def box(self) -> list[int]:
        """The upright box around it: x1, y1, x2, y2."""
        x, y = zip(*self.corners, strict=True)
        return [min(x), min(y), max(x), max(y)]


@dataclass(frozen=True)
class Told:
    """How lines were read: `params` as used; lines surer than `least` are told; `oriented`: whether each was turned upright."""

    params: OCRParams
    least: float
    oriented: bool
    words: bool = False


def ocr_result(
    lines: Sequence[SaidLine], told: Told, *, preprocessed: Mapping[str, Any] | None = None, inner: bool = False
) -> dict[str, Any]:
    """The lines of a page as `prunedResult`; `inner` says that it stands in another one, which tells of the preprocessing."""
    params = told.params
    kept = [line for line in lines if line.confidence >= told.least]
    result: dict[str, Any] = {
        "model_settings": {
            "use_doc_preprocessor": preprocessed is not None and not inner,
            "use_textline_orientation": told.oriented,
        }
    }
    if preprocessed is not None and not inner:
        result["doc_preprocessor_res"] = dict(preprocessed)
    result |= {
        "dt_polys": [line.corners for line in lines],
        "text_det_params": {
            "limit_side_len": params.det_limit_side_len,
            "limit_type": params.det_limit_type,
            "thresh": params.det_db_thresh,
            "max_side_limit": MAX_SIDE,
            "box_thresh": params.det_db_box_thresh,
            "unclip_ratio": params.det_db_unclip_ratio,
        },
        "text_type": "general",
    }
    if lines:
        result["textline_orientation_angles"] = [int(line.turned) if told.oriented else -1 for line in lines]
    result |= {"text_rec_score_thresh": told.least, "return_word_box": told.words} | texts(kept)
    if told.words:
        parts = [_words(line) for line in kept]
        result["text_word_boxes"] = [[box for _, box in words] for words in parts]
        result["text_word"] = [[text for text, _ in words] for words in parts]
    return result


def texts(lines: Sequence[SaidLine]) -> dict[str, Any]:
    """The four lists of equal length that say what is written where."""
    return {
        "rec_texts": [line.text for line in lines],
        "rec_scores": [line.confidence for line in lines],
        "rec_polys": [line.corners for line in lines],
        "rec_boxes": [line.box for line in lines],
    }


def table_results(
    regions: Sequence[Mapping[str, Any]], lines: Sequence[SaidLine], least: float, size: tuple[int, int]
) -> list[dict[str, Any]]:
    """`table_res_list`, of a page of that width and height."""
    found = []
    for region in regions:
        content = region["res"]
        if isinstance(content, Mapping):
            cells = [_cell(corners, region["bbox"], size) for corners in content["cell_bbox"]]
            inside = [line for line in _centred(lines, region["bbox"]) if line.confidence >= least]
            found.append({"cell_box_list": cells, "pred_html": content["html"], "table_ocr_pred": texts(inside)})
    return found


def _cell(corners: Sequence[float], bbox: Sequence[float], size: tuple[int, int]) -> list[float]:
    """The upright box of a cell, whose corners are told from the top left of its table, on a page of that width and height."""
    low, high = np.zeros(2), np.array(size, np.float64)
    points = np.clip(np.array(corners, np.float64).reshape(-1, 2) + np.array(bbox[:2], np.float64), low, high)
    return [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]


def _centred(lines: Sequence[SaidLine], box: Sequence[float]) -> list[SaidLine]:
    """The lines whose middle is in `box`."""
    found = []
    for line in lines:
        x1, y1, x2, y2 = line.box
        if box[0] <= (x1 + x2) / 2 <= box[2] and box[1] <= (y1 + y2) / 2 <= box[3]:
            found.append(line)
    return found


def preprocessor_result(*, turns: bool, turn: int) -> dict[str, Any]:
    """What was done to a page before it was read: `turn` is by how many degrees it lay turned, clockwise."""
    settings = {"use_doc_orientation_classify": turns, "use_doc_unwarping": False}
    return {"model_settings": settings, "angle": turn if turns else -1}


def _words(line: SaidLine) -> list[tuple[str, list[int]]]:
    """Words and numbers, Chinese characters one by one, and what stands between them, each with its box, as PaddleX cuts them."""
    if line.reading is None or not line.reading.characters:
        return [(line.text, line.box)] if line.text else []
    characters = line.reading.characters
    (left, top), (right, _), (_, bottom), _ = line.corners
    cell = (bottom - top) / CELLS_TO_A_LINE
    # What is higher than wide was read from its side, and what slopes has no upright pieces.
    x1, y1, x2, y2 = line.box
    if cell <= 0 or right <= left or (y2 - y1) >= UPRIGHT * (x2 - x1) or (y2 - y1) > 2 * (bottom - top):
        return [("".join(characters[first:last]), line.box) for first, last in _groups(characters)]
    centres = line.reading.centres * ((right - left) / line.width)
    found: list[tuple[str, list[int]]] = []
    for first, last in _groups(characters):
        begin, end = float(centres[first]) - cell / 2, float(centres[last - 1]) + cell / 2
        box = [left + max(0, int(round(begin, 3))), top, min(right, left + int(round(end, 3))), bottom]
        found.append(("".join(characters[first:last]), box))
    return found


def _groups(characters: Sequence[str]) -> list[tuple[int, int]]:
    """Where each piece begins and ends."""
    kinds = [_kind(characters, n) for n in range(len(characters))]
    starts = [n for n, kind in enumerate(kinds) if not n or kind == "single" or kind != kinds[n - 1]]
    return list(itertools.pairwise([*starts, len(characters)]))


def _kind(characters: Sequence[str], n: int) -> str:
    """Whether a character goes on a word, stands alone, or is what parts words."""
    character = characters[n]
    if "\u4e00" <= character <= "\u9fff":
        return "single"
    if character.isalnum():
        return "word"
    inside = n > 0 and characters[n - 1].isalnum()
    if inside and (character == "-" or (character == "." and re.match(r"\d", "".join(characters[n + 1 : n + 2])))):
        return "word"
    return "other"


def as_points(quad: np.ndarray[Any, Any]) -> list[list[int]]:
    """A quad of the detector, shape (4, 2), cut to whole pixels."""
    return [[int(x), int(y)] for x, y in quad.tolist()]
