"""Which modules serve which route, and how they are asked: options of PaddleOCR 3 to parameters of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np

from ocr_serving.config.params import OCRParams
from ocr_serving.decoding.images import Image
from ocr_serving.errors import InputError
from ocr_serving.modules.base import Module
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.modules.structure_system.module import StructureSystem
from ocr_serving.modules.structure_table.module import StructureTable
from ocr_serving.server.paddleocr3.catalogue import LAYOUT, OCR, PREPROCESSING, TABLES
from ocr_serving.server.paddleocr3.lines import SaidLine, Told, as_points, preprocessor_result
from ocr_serving.server.paddleocr3.options import ReadingRequest, Request
from ocr_serving.stages.geometry import Quad, smallest_crop
from ocr_serving.stages.orientation import is_turned
from ocr_serving.stages.page import ReadPage, UprightPage
from ocr_serving.stages.recognition import PlacedText
from ocr_serving.validation import Frozen


class Limit(Frozen):
    """What a pipeline there scales pages to where nothing else is said."""

    det_limit_side_len: int
    det_limit_type: str


SHIPPED: Mapping[str, Limit] = {
    OCR: Limit(det_limit_side_len=64, det_limit_type="min"),
    LAYOUT: Limit(det_limit_side_len=736, det_limit_type="min"),
    TABLES: Limit(det_limit_side_len=960, det_limit_type="max"),
    PREPROCESSING: Limit(det_limit_side_len=64, det_limit_type="min"),
}


LEAST_SIDE = 32
"""Pixels of a side below which the detector's network sees nothing."""

WITHOUT_CLASSIFIER = (
    "useTextlineOrientation: this service loaded no angle classifier, and lines that stand on their head were read as they stand;"
    " start it with use_angle_cls = True in params.py."
)


def served_by(module: Module) -> list[str]:
    """The routes that a module can serve. What it can do decides, not its class: it may be a user's copy."""
    if _is_structure(module):
        return [OCR, LAYOUT, TABLES, PREPROCESSING]
    if _is_table(module):
        return [OCR, TABLES, PREPROCESSING]
    return [OCR, PREPROCESSING] if _is_ocr(module) else []


def _is_ocr(module: object) -> bool:
    return all(hasattr(module, name) for name in ("page", "upright", "check", "detector", "recognizer", "params"))


def _is_table(module: object) -> bool:
    return hasattr(module, "table") and _is_ocr(getattr(module, "ocr", None))


def _is_structure(module: object) -> bool:
    return hasattr(module, "layout") and _is_table(getattr(module, "tables", None))


def ocr_of(module: Module) -> OCRSystem:
    """What reads lines in a module that `served_by` knows."""
    if _is_ocr(module):
        return cast(OCRSystem, module)
    return table_of(module).ocr


def table_of(module: Module) -> StructureTable:
    """What reads tables in a module that does."""
    return cast(StructureSystem, module).tables if _is_structure(module) else cast(StructureTable, module)


def finds_tables(table: StructureTable) -> bool:
    """Whether it tells the tables of a whole page apart; copies of it made before it did have no `each`."""
    return hasattr(table, "each") and table.params.find_tables and not table.params.asks_network_alone


def structure_of(module: Module) -> StructureSystem | None:
    """What reads whole pages, if the module does."""
    return cast(StructureSystem, module) if _is_structure(module) else None


def tables_as_there(module: Module, params: OCRParams) -> AbstractContextManager[None]:
    """Inside, tables are scaled for their network as PaddleX scales them, where the service is set to answer as PaddleOCR does."""
    if not params.legacy or _is_ocr(module):
        return nullcontext()
    return table_of(module).structurer.scaled(round)


@dataclass(frozen=True)
class Asked:
    """How one request is read: parameters, whether pages are set upright, from which confidence on lines are told.

    `remarks` are sentences on what is asked for and left out.
    """

    params: OCRParams
    turns: bool
    least: float
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Request, ocr: OCRSystem, route: str) -> Asked:
        """What `request` asks of `ocr`, and where it says nothing what the service is set to.

        A service set to answer as PaddleOCR does ("rec_width": "legacy") has the values that the pipelines there come with. Raises
        InputError.
        """
        params, shipped = ocr.params, SHIPPED[route]
        fields = type(params).model_fields
        untouched = all(getattr(params, name) == fields[name].default for name in Limit.model_fields)
        own = shipped.model_dump() if params.legacy and untouched else {}
        least = 0.0 if params.legacy else params.drop_score
        given: dict[str, Any] = {}
        if isinstance(request, ReadingRequest):
            given = {
                "det_limit_side_len": _side(request, own.get("det_limit_type", params.det_limit_type)),
                "det_limit_type": request.textDetLimitType,
                "det_db_thresh": request.textDetThresh,
                "det_db_box_thresh": request.textDetBoxThresh,
                "det_db_unclip_ratio": request.textDetUnclipRatio,
                "use_angle_cls": getattr(request, "useTextlineOrientation", None),
            }
            least = least if request.textRecScoreThresh is None else request.textRecScoreThresh
            if route == TABLES and params.legacy:
                given["use_angle_cls"] = False
        turns = request.turns if request.turns is not None else params.turns_pages and ocr.orienter is not None
        if turns and ocr.orienter is None:
            raise InputError(
                "useDocOrientationClassify: this service loaded no classifier of pages: leave it out, or start the service with "
                "use_doc_orientation_classify = True in params.py."
            )
        changes = own | {name: value for name, value in given.items() if value is not None}
        chosen = params.updated(**changes, use_doc_orientation_classify=turns)
        if chosen.use_angle_cls and ocr.classifier is None:
            # Its clients' option for lines that hardly any page has: what they read is not withheld for it.
            return cls(chosen.updated(use_angle_cls=False), bool(turns), least, (WITHOUT_CLASSIFIER,))
        return cls(chosen, bool(turns), least)

    def page(self, ocr: OCRSystem, image: Image, where: str) -> ReadPage:
        """The lines of a page, cut as there where the service is set to answer as PaddleOCR does."""
        params = self.params.model_copy(update={"drop_score": self.least})
        return ocr.page(image, params, where, self._cut) if params.legacy else ocr.page(image, params, where)

    def _cut(self, page: Image, quad: Quad) -> Image:
        """A line as PaddleX cuts it: one that is wider than the least input is scaled to whole pixels rounded down, not up."""
        picture = smallest_crop(page, quad)
        _, height, least = self.params.rec_image_shape
        width = height * picture.shape[1] / picture.shape[0]
        return picture if width <= least else np.asarray(cv2.resize(picture, (int(width), height)), np.uint8)

    def told(self, *, words: bool = False) -> Told:
        """How lines are to be told."""
        return Told(self.params, self.least, self.params.use_angle_cls, words)

    def preprocessed(self, page: UprightPage) -> dict[str, Any] | None:
        """`doc_preprocessor_res`, where anything was to be done."""
        return preprocessor_result(turns=self.turns, turn=page.turn) if self.turns else None


def _side(request: ReadingRequest, usual: str) -> int | None:
    """What a side of the page is scaled to. Raises InputError."""
    side = request.textDetLimitSideLen
    if side is None or side >= LEAST_SIDE:
        return side
    if (request.textDetLimitType or usual) == "max":
        raise InputError(f"textDetLimitSideLen: takes {LEAST_SIDE} pixels or more where textDetLimitType is max.")
    # No page is made smaller, and none that is read is as small.
    return LEAST_SIDE


def said(page: ReadPage, params: OCRParams) -> list[SaidLine]:
    """The lines of an upright page, of any confidence."""
    lines = []
    for index, (quad, text) in enumerate(zip(page.quads, page.texts, strict=True)):
        turned = page.angles is not None and is_turned(page.angles[index], params.cls_thresh)
        reading = text.reading if isinstance(text, PlacedText) else None
        lines.append(SaidLine(text.text, text.confidence, as_points(quad), turned, reading, page.crops[index].shape[1]))
    return lines


def told_lines(lines: Sequence[Mapping[str, Any]]) -> list[SaidLine]:
    """Lines as modules answer them."""
    return [SaidLine(one["text"], one["confidence"], one["text_region"], "180" in one.get("angle", "")) for one in lines]


def answered(lines: Sequence[SaidLine]) -> Iterator[dict[str, Any]]:
    """Lines as modules answer them, of those told here."""
    for line in lines:
        yield {"text": line.text, "confidence": line.confidence, "text_region": [[float(x), float(y)] for x, y in line.quad]}


def size_of(image: Image) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]
