"""structure_system: whole pages: layout, text of the regions, tables as HTML, in reading order."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired

import numpy as np
from typing_extensions import TypedDict

from ocr_serving.config.params import LayoutParams, Score, StructureParams, TableParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision
from ocr_serving.errors import InputError
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.modules.structure_layout.module import StructureLayout
from ocr_serving.modules.structure_table.module import StructureTable, TableContent
from ocr_serving.stages.layout import Region
from ocr_serving.stages.reading_order import regions_in_order
from ocr_serving.stages.recognition import Text
from ocr_serving.stages.regions import Rectangles, centred, touching

read_params = params_beside(__file__)

TELLS_WORDS = "return_words" in inspect.signature(OCRSystem.predict).parameters
"""Whether OCR can say where the words of a line are; else whoever wants them shares the line out."""


class LineWord(TypedDict):
    """One word of a line: text, confidence, corners [x, y] in pixels of the image."""

    text: str
    confidence: float
    text_region: list[list[float]]


class RegionLine(TypedDict):
    """One line, as of ocr_system: text, confidence, corners [x, y] in pixels of the image, angle if asked for.

    A line that was given has its words and its source too, if those were given.
    """

    text: str
    confidence: float
    text_region: list[list[float]]
    angle: NotRequired[str]
    words: NotRequired[list[LineWord]]
    source: NotRequired[Literal["ocr", "pdf"]]


class PageRegion(TypedDict):
    """One region: label in lower case, bbox x1, y1, x2, y2 in pixels, its lines or its table, and how sure the network is."""

    type: str
    bbox: list[int]
    res: list[RegionLine] | TableContent
    score: float
    img_idx: int


class PageStructure(TypedDict):
    """The regions of one image in reading order, and the lines that are in none of them; with `return_lines` all lines too."""

    regions: list[PageRegion]
    unassigned: list[RegionLine]
    lines: NotRequired[list[RegionLine]]


@moduleinfo(name="structure_system", version="1.0.0", summary="Layout, text and tables of pages", type="cv/structure_system")
class StructureSystem(Module):
    """Layout, OCR and tables in one."""

    def _initialize(
        self,
        use_gpu: bool = False,
        enable_mkldnn: bool = False,
        cpu_threads: int = 1,
        engine: EngineName = "auto",
        gpu_mem: int = 8000,
        precision: Precision = "fp32",
    ) -> None:
        self.params = self.merge_configs()
        init_args = {
            "use_gpu": use_gpu,
            "enable_mkldnn": enable_mkldnn,
            "cpu_threads": cpu_threads,
            "engine": engine,
            "gpu_mem": gpu_mem,
        }
        self.tables = StructureTable(
            init_args=init_args | {"precision": precision}, params=self.params.only(TableParams), parent=self
        )
        self.layout: StructureLayout | None = None
        if self.params.layout:
            self.layout = StructureLayout(init_args=init_args, params=self.params.only(LayoutParams), parent=self)

    def merge_configs(self) -> StructureParams:
        """params.py with the overrides of config.json."""
        return StructureParams.read(read_params(), self.params_overrides, self.root)

    def predict(
        self,
        images: Sequence[Image | None] = (),
        paths: Sequence[str] = (),
        *,
        layout: bool | None = None,
        table: bool | None = None,
        ocr: bool | None = None,
        table_text: Literal["page", "crop"] | None = None,
        layout_score_threshold: Score | None = None,
        layout_nms_threshold: Score | None = None,
        drop_score: Score | None = None,
        lines: list[list[RegionLine] | None] | None = None,
        return_lines: bool = False,
    ) -> list[PageStructure | list[PageRegion]]:
        """The regions of each image, in reading order; [] for an image that is None.

        `lines` are what is written on each image, where that is known already; None for one that is to be read. `return_lines` adds
        `lines` to each answer: all lines of the page, also those in tables.
        """
        params = self.params.updated(
            layout=layout,
            table=table,
            ocr=ocr,
            table_text=table_text,
            layout_score_threshold=layout_score_threshold,
            layout_nms_threshold=layout_nms_threshold,
            drop_score=drop_score,
        )
        if params.layout and self.layout is None:
            raise InputError("layout: this service loaded no layout network; start it with layout = True in params.py.")
        pages = self.read(images, paths)
        known = [None] * len(pages) if lines is None else lines
        if len(known) != len(pages):
            raise InputError(f"lines: {len(known)} lists of lines for {len(pages)} images; send one for each, or null.")
        found: list[PageStructure | list[PageRegion]] = []
        for number, image in enumerate(self.in_time(pages)):
            found.append([] if image is None else self._page(image, params, known[number], return_lines))
        return found

    def _page(self, image: Image, params: StructureParams, given: list[RegionLine] | None, return_lines: bool) -> PageStructure:
        regions = self._regions(image, params)
        if given is not None:
            lines = _checked(given)
        else:
            lines = self._lines(image, words=return_lines) if params.ocr and (params.layout or not params.table) else []
        # Turned lines, which only a caller gives, do not begin at the top left.
        boxes = np.array([line["text_region"][0] + line["text_region"][2] for line in lines], np.float64).reshape(-1, 4)
        boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
        sure = {index for index, line in enumerate(lines) if line["confidence"] >= params.drop_score}
        told: set[int] = set()
        in_tables: set[int] = set()
        answers: list[PageRegion] = []
        for region in regions:
            x1, y1, x2, y2 = bbox = [int(side) for side in region.box]
            content: list[RegionLine] | TableContent
            if params.table and region.label == "table" and x1 < x2 and y1 < y2:
                inside = centred(boxes, bbox)
                in_tables.update(inside)
                once = bool(lines) and (params.reads_tables_once or given is not None)
                content = self.tables.table(image[y1:y2, x1:x2], (x1, y1), _texts(lines, boxes, inside) if once else None)
            else:
                inside = touching(boxes, bbox)
                content = [lines[index] for index in inside if index in sure]
            told.update(inside)
            answers.append({"type": region.label.lower(), "bbox": bbox, "res": content, "score": region.score, "img_idx": 0})
        found: PageStructure = {"regions": answers, "unassigned": [lines[index] for index in sorted(sure - told)]}
        if return_lines:
            found["lines"] = [lines[index] for index in sorted(sure | in_tables)]
        return found

    def _lines(self, image: Image, *, words: bool = False) -> list[RegionLine]:
        """The lines of a page, of any confidence, as cells take them; with their words where OCR tells them."""
        asked: dict[str, Any] = {"return_words": True} if words and TELLS_WORDS else {}
        (found,) = self.tables.ocr.predict([image], drop_score=0.0, **asked)
        return [_region_line(line) for line in found]

    def _regions(self, image: Image, params: StructureParams) -> list[Region]:
        """What the layout network sees, in reading order; without it the page is one table, or one text where tables are off."""
        height, width = image.shape[:2]
        if not params.layout or self.layout is None:
            return [Region((0, 0, width, height), "table" if params.table else "text", 0.0)]
        with self.stage("layout"):
            regions = self.layout.detector(image, params)
        boxes = np.array([region.box for region in regions], np.float64).reshape(-1, 4)
        return [regions[index] for index in regions_in_order(boxes, width, height)]

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[PageStructure | list[PageRegion]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


def _region_line(line: Mapping[str, Any]) -> RegionLine:
    """A line of ocr_system as one of a region."""
    told: RegionLine = {"text": line["text"], "confidence": line["confidence"], "text_region": _floats(line["text_region"])}
    if "angle" in line:
        told["angle"] = line["angle"]
    if "words" in line:
        told["words"] = [
            {"text": word["text"], "confidence": word["confidence"], "text_region": _floats(word["text_region"])}
            for word in line["words"]
        ]
    return told


def _floats(region: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[float(value) for value in corner] for corner in region]


def _texts(lines: Sequence[RegionLine], boxes: Rectangles, indices: list[int]) -> tuple[Rectangles, list[Text]]:
    """The lines of a table as its own reading gives them: upright boxes on the page, and texts."""
    return boxes[indices], [Text(lines[index]["text"], lines[index]["confidence"]) for index in indices]


def _checked(lines: list[RegionLine]) -> list[RegionLine]:
    """Lines that were given. Raises InputError where one has no four corners."""
    for number, line in enumerate(lines):
        if len(line["text_region"]) != 4 or any(len(corner) != 2 for corner in line["text_region"]):
            raise InputError(f"lines: line {number} needs a text_region of four corners [x, y].")
    return lines


if __name__ == "__main__":
    StructureSystem.main()
