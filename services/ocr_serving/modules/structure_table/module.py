"""structure_table: pictures of tables to HTML: structure, text of the cells, both put together."""

import math
import re
from collections.abc import Sequence
from typing import Any, Literal, NotRequired

import numpy as np
from typing_extensions import TypedDict

from ocr_serving.config.langs import Lang
from ocr_serving.config.params import OCRParams, TableEngine, TableParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.stages.geometry import Quad, crop
from ocr_serving.stages.page import UprightPage, nothing_found
from ocr_serving.stages.reading_order import reading_order
from ocr_serving.stages.recognition import PlacedText, Text
from ocr_serving.stages.table import TableStructurer
from ocr_serving.stages.table_match import Rectangles, matched
from ocr_serving.stages.tables.lines import Lines, enlargement, found, surest, usual_height
from ocr_serving.stages.tables.picture import Quads, corners_of
from ocr_serving.stages.tables.read import Written
from ocr_serving.stages.tables.region import Box
from ocr_serving.stages.tables.several import read_each
from ocr_serving.stages.tables.words import Word
from ocr_serving.stages.words import quad_of, words

read_params = params_beside(__file__)

TAG = re.compile(r"<[^>]*>")

GROWN = 1
"""Pixels by which PaddleOCR grows the upright box around a line before it asks which cell it is in, …"""

MARGIN = 2
"""… and pixels around that of the crop it reads."""


class CellText(TypedDict):
    """A line of text that is in no cell: text, confidence, corners [x, y] in pixels of the image that was sent."""

    text: str
    confidence: float
    text_region: list[list[float]]


class TableContent(TypedDict):
    """A table: HTML with escaped text, corners x, y of each cell (8 numbers, pixels of the table's picture), text in no cell."""

    html: str
    cell_bbox: list[list[float]]
    unmatched: list[CellText]


class TableRegion(TypedDict):
    """Where the table is: bbox x1, y1, x2, y2 in pixels."""

    type: Literal["table"]
    bbox: list[int]
    res: TableContent


class TableAnswer(TypedDict):
    """One image: its table, or its tables, a region each; where it lies turned by how many degrees, clockwise.

    `html` is that of all regions. A picture of one table is one region; `unmatched` also has what stands about a table.
    """

    html: str
    regions: list[TableRegion]
    page_angle: NotRequired[int]


@moduleinfo(name="structure_table", version="1.0.0", summary="Tables to HTML", type="cv/structure_table")
class StructureTable(Module):
    """Table structure and the text of the cells."""

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
        options = engine_options(**init_args, use_tensorrt=self.params.use_tensorrt)
        self.structurer = TableStructurer(self.params, self.model(self.params.table_model_dir), options)
        self.ocr = OCRSystem(init_args=init_args | {"precision": precision}, params=self.params.only(OCRParams), parent=self)

    def merge_configs(self) -> TableParams:
        """params.py with the overrides of config.json."""
        return TableParams.read(read_params(), self.params_overrides, self.root)

    def predict(
        self,
        images: Sequence[Image | None] = (),
        paths: Sequence[str] = (),
        *,
        lang: Lang | None = None,
        table_engine: TableEngine | None = None,
        find_tables: bool | None = None,
    ) -> list[TableAnswer | list[TableRegion]]:
        """The table of each image, or its tables where it is a whole page; [] for an image that is None."""
        params = self.params.updated(table_engine=table_engine, find_tables=find_tables)
        self.ocr.recognizer.choose_for_request(lang)
        pages = enumerate(self.in_time(self.read(images, paths)))
        return [[] if image is None else self._answer(image, f"results[{n}]", params) for n, image in pages]

    def _answer(self, image: Image, where: str, params: TableParams) -> TableAnswer:
        page = self.ocr.upright(image, where)
        whole = (0, 0, page.image.shape[1], page.image.shape[0])
        found = self.each(page.image, params)
        regions: list[TableRegion] = []
        for box, content in found:
            sides = (0, 0, image.shape[1], image.shape[0]) if box == whole else page.box_as_sent(box)
            bbox = [int(side) for side in sides]
            regions.append({"type": "table", "bbox": bbox, "res": as_sent(content, page, box)})
        if params.says_unread and not any(TAG.sub("", content["html"]).strip() or content["unmatched"] for _, content in found):
            self.warnings.append(f"{where}: {nothing_found(page.image)}")
        answer: TableAnswer = {"html": in_one([region["res"]["html"] for region in regions]), "regions": regions}
        if page.turn:
            answer["page_angle"] = page.turn
        return answer

    def table(
        self,
        picture: Image,
        corner: tuple[int, int] = (0, 0),
        lines: Lines | tuple[Quads, list[Text]] | None = None,
        params: TableParams | None = None,
        *,
        exact: bool = False,
    ) -> TableContent:
        """The table that `picture` shows; `corner` is x, y of its top left on the page that was sent.

        `lines` are its lines where they have been read already: quads on that page, what they say, their words. `params` stand in
        for the module's own for this call. `exact` says that the lines are no OCR's, as those of a PDF: small print is not read
        again.
        """
        params = params or self.params
        if lines and lines[0].ndim == 2:
            # Copies of structure_system made for 0.1 give upright boxes x1, y1, x2, y2.
            lines = corners_of(lines[0].reshape(-1, 4)), lines[1]
        if params.asks_network_alone:
            return self._told(picture, corner, lines, params)
        known = Lines(*lines, [[] for _ in lines[1]]) if lines is not None and len(lines) == 2 else lines
        return self._best(picture, corner, known, params, exact=exact)[0][1]

    def each(
        self,
        picture: Image,
        params: TableParams | None = None,
        *,
        corner: tuple[int, int] = (0, 0),
        lines: Lines | None = None,
        exact: bool = False,
        is_region: bool = False,
    ) -> list[tuple[Box, TableContent]]:
        """The tables that `picture`, which may be a whole page, shows, from top to bottom, each with its place x1, y1, x2, y2.

        One that is the whole picture where it is no page with tables, and where `params`, or the module's, look for none. With
        `is_region` the picture is what a layout takes for one table: it is that, whole, unless two are found in it. `corner`,
        `lines` and `exact` as of `table`; places are those on `picture`, but for those of lines in no cell.
        """
        params = params or self.params
        if params.asks_network_alone or not params.find_tables:
            whole = (0, 0, picture.shape[1], picture.shape[0])
            return [(whole, self.table(picture, corner, lines, params, exact=exact))]
        return self._best(picture, corner, lines, params, exact=exact, several=True, is_region=is_region)

    def _told(
        self,
        picture: Image,
        corner: tuple[int, int],
        lines: Lines | tuple[Quads, list[Text]] | None,
        params: TableParams,
    ) -> TableContent:
        """What the network says, each text in the cell it overlaps most."""
        with self.stage("structure"):
            structure = self.structurer(picture, params)
        boxes, texts = (lines[0][:, [0, 2]].reshape(-1, 4), lines[1]) if lines else self._lines(picture, corner)
        html, unmatched = matched(structure, boxes - np.tile(corner, 2), [line.text for line in texts])
        if structure.cut:
            self.warnings.append(f"a table is longer than the network can tell: its HTML ends after {html.count('<tr>')} rows")
        left = _cell_texts(corners_of(boxes), texts, unmatched)
        return {"html": html, "cell_bbox": structure.cells.tolist(), "unmatched": left}

    def _best(
        self,
        picture: Image,
        corner: tuple[int, int],
        lines: Lines | None,
        params: TableParams,
        *,
        exact: bool = False,
        several: bool = False,
        is_region: bool = False,
    ) -> list[tuple[Box, TableContent]]:
        """What explains the words best: the network's plan, the rules, or the spaces between texts. With its place on `picture`.

        One table, all that `picture` shows, unless `several` are looked for; with `is_region` as of `each`.
        """
        whole = (0, 0, picture.shape[1], picture.shape[0])
        at = np.array(corner, np.float64)
        # What is to be read anew is cut from the picture, so small print is read from an enlarged one whoever found the lines.
        if lines and (exact or enlargement(usual_height(lines.quads)) == 1):
            scale, quads, texts = 1.0, lines.quads - at, lines.texts
            parts = [[Word(word.text, word.quad - at) for word in line] for line in lines.words]
        else:
            with self.stage("detect"):
                picture, found_quads, scale = found(picture, self.ocr.detector, params)
                quads = np.array(found_quads, np.float64).reshape(-1, 4, 2)
                crops = [crop(picture, quad) for quad in found_quads]
            with self.stage("recognize"):
                texts = self.ocr.recognizer(crops)
                parts = [_words(text, crop, quad) for text, crop, quad in zip(texts, crops, found_quads, strict=True)]
            if lines:
                known = [[Word(word.text, (word.quad - at) * scale) for word in line] for line in lines.words]
                _, texts, parts = surest(Lines(quads, texts, parts), Lines((lines.quads - at) * scale, lines.texts, known))
        written = Written(quads, [line.text for line in texts], parts)
        with self.stage("structure"):
            tables = read_each(
                picture,
                written,
                lambda part: self.structurer(part, params),
                self.ocr.recognizer,
                several=several,
                is_region=is_region,
            )
        answers: list[tuple[Box, TableContent]] = []
        for (x1, y1, x2, y2), table in tables:
            if table.cut:
                rows = table.html.count("<tr>")
                self.warnings.append(f"a table is longer than the network can tell: its HTML ends after {rows} rows")
            box = (
                whole
                if len(tables) == 1 and (x1, y1, x2, y2) == (0, 0, picture.shape[1], picture.shape[0])
                else (math.floor(x1 / scale), math.floor(y1 / scale), math.ceil(x2 / scale), math.ceil(y2 / scale))
            )
            moved = np.tile(np.array([x1, y1], np.float64) / scale - np.array(box[:2], np.float64), 4)
            content: TableContent = {
                "html": table.html,
                "cell_bbox": (table.cells / scale + moved).tolist(),
                "unmatched": _cell_texts(quads / scale + at, texts, table.unmatched),
            }
            answers.append((box, content))
        return answers

    def _lines(self, picture: Image, corner: tuple[int, int]) -> tuple[Rectangles, list[Text]]:
        """Upright boxes on the page of the lines of `picture`, and what they say.

        As in PaddleOCR, neither the angle classifier nor `drop_score` has a say in tables.
        """
        height, width = picture.shape[:2]
        with self.stage("detect"):
            quads = np.array(reading_order(self.ocr.detector(picture), legacy=self.params.legacy_order), np.float64).reshape(
                -1, 4, 2
            )
            low, high = quads.min(axis=1, initial=math.inf) - GROWN, quads.max(axis=1, initial=-math.inf) + GROWN
            boxes: Rectangles = np.concatenate([low.clip(0), high.clip(None, (width, height))], axis=1)
            crops = []
            for x1, y1, x2, y2 in boxes.astype(int).tolist():
                crops.append(picture[max(0, y1 - MARGIN) : y2 + MARGIN, max(0, x1 - MARGIN) : x2 + MARGIN])
        with self.stage("recognize"):
            reading = self.ocr.recognizer.read(crops)
        if reading.remark:
            self.warnings.append(f"a table {reading.remark}")
        return boxes + np.tile(corner, 2), reading.texts

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[TableAnswer | list[TableRegion]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


def _words(line: Text, picture: Image, quad: Quad) -> list[Word]:
    """The words of a line, whose crop is `picture`; [] where the recogniser tells no places."""
    if not isinstance(line, PlacedText):
        return []
    size = picture.shape[0], picture.shape[1]
    return [Word(span.text, quad_of(span, quad, size).astype(np.float64)) for span in words(line.reading, picture)]


def as_sent(content: TableContent, page: UprightPage, box: Sequence[float]) -> TableContent:
    """A table in `box` x1, y1, x2, y2 of the upright page, with its places as the image that was sent has them.

    Cells are told from the top left of the table's box there.
    """
    if not page.turn:
        return content
    cells = np.array(content["cell_bbox"], np.float32).reshape(-1, 4, 2) + np.array(box[:2], np.float32)
    corner = np.array(page.box_as_sent(box)[:2], np.float32)
    return {
        "html": content["html"],
        "cell_bbox": (page.edges_as_sent(cells) - corner).reshape(-1, 8).tolist(),
        "unmatched": [
            {**line, "text_region": page.edges_as_sent(np.array(line["text_region"], np.float32)).tolist()}
            for line in content["unmatched"]
        ],
    }


def in_one(tables: Sequence[str]) -> str:
    """The HTML of several tables as that of one page, with them below each other."""
    if len(tables) == 1:
        return tables[0]
    return f"<html><body>{''.join(re.sub('</?(html|body)>', '', table) for table in tables)}</body></html>"


def _cell_texts(quads: Quads, texts: Sequence[Text], indices: Sequence[int]) -> list[CellText]:
    return [
        {"text": texts[index].text, "confidence": texts[index].confidence, "text_region": quads[index].tolist()}
        for index in indices
    ]


if __name__ == "__main__":
    StructureTable.main()
