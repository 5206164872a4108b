"""structure_system: whole pages: layout, text of the regions, tables as HTML, in reading order."""

import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from ocr_serving.config.langs import Lang
from ocr_serving.config.params import (
    LayoutParams,
    LimitType,
    Score,
    SideLength,
    StructureParams,
    TableEngine,
    TableParams,
    UnclipRatio,
)
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision
from ocr_serving.errors import InputError
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.modules.page_answer import PageRegion, PageStructure, RegionLine, as_sent, checked, moved_line, part
from ocr_serving.modules.structure_layout.module import StructureLayout
from ocr_serving.modules.structure_table.module import StructureTable
from ocr_serving.stages.layout import Region
from ocr_serving.stages.page import ReadPage, UprightPage
from ocr_serving.stages.reading_order import regions_in_order
from ocr_serving.stages.recognition import Text
from ocr_serving.stages.regions import Rectangles, centred, touching
from ocr_serving.stages.tables.columns import with_columns
from ocr_serving.stages.tables.kind import grids, labelled
from ocr_serving.stages.tables.lines import Lines
from ocr_serving.stages.tables.picture import line_height, upright
from ocr_serving.stages.tables.region import about, added, covered, whole
from ocr_serving.stages.tables.words import Word
from ocr_serving.stages.text_frame import runs_down

read_params = params_beside(__file__)

WITHOUT_TEXT = ("figure", "equation", "table")
"""Regions that are something without lines of text."""

HEADING = 1.5
"""A single line about tables that is so many times as high as most is a title."""

Beside = tuple[list["RegionLine"], Rectangles, list[int], set[int]]
"""The lines of a page, their boxes, the indices of those in a region, and of those that are told."""


class Told(NamedTuple):
    """What is told beside the regions: all lines of the page; the words of lines."""

    lines: bool = False
    words: bool = False


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
            resize = {"layout_resize": self.params.resizes_pages}
            self.layout = StructureLayout(init_args=init_args, params=self.params.only(LayoutParams) | resize, parent=self)

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
        table_engine: TableEngine | None = None,
        find_tables: bool | None = None,
        det_limit_side_len: SideLength | None = None,
        det_limit_type: LimitType | None = None,
        det_db_thresh: Score | None = None,
        det_db_box_thresh: Score | None = None,
        det_db_unclip_ratio: UnclipRatio | None = None,
        use_angle_cls: bool | None = None,
        use_doc_orientation_classify: bool | None = None,
        layout_score_threshold: Score | None = None,
        layout_nms_threshold: Score | None = None,
        drop_score: Score | None = None,
        lang: Lang | None = None,
        lines: Annotated[
            list[list[RegionLine] | None] | None,
            Field(description="What is written on each image, where that is known already; null for one that is to be read."),
        ] = None,
        return_lines: Annotated[bool, Field(description="Answer all lines of the page, also those in tables, as `lines`.")] = False,
        return_words: Annotated[bool, Field(description="Add to each line its `words`, each with corners and confidence.")] = False,
    ) -> list[PageStructure | list[PageRegion]]:
        """The regions of each image, in reading order; [] for an image that is None.

        `lines` are what is written on each image, where that is known already; None for one that is to be read. `return_lines` adds
        `lines` to each answer: all lines of the page, also those in tables. `return_words` adds its words to each line.
        """
        params = self.params.updated(
            layout=layout,
            table=table,
            ocr=ocr,
            table_text=table_text,
            table_engine=table_engine,
            find_tables=find_tables,
            det_limit_side_len=det_limit_side_len,
            det_limit_type=det_limit_type,
            det_db_thresh=det_db_thresh,
            det_db_box_thresh=det_db_box_thresh,
            det_db_unclip_ratio=det_db_unclip_ratio,
            use_angle_cls=use_angle_cls,
            use_doc_orientation_classify=use_doc_orientation_classify,
            layout_score_threshold=layout_score_threshold,
            layout_nms_threshold=layout_nms_threshold,
            drop_score=drop_score,
        )
        if params.layout and self.layout is None:
            raise InputError("layout: this service loaded no layout network; start it with layout = True in params.py.")
        self.tables.ocr.check(params, use_doc_orientation_classify=use_doc_orientation_classify)
        self.tables.ocr.recognizer.choose_for_request(lang)
        pages = self.read(images, paths)
        known = [None] * len(pages) if lines is None else lines
        if len(known) != len(pages):
            raise InputError(f"lines: {len(known)} lists of lines for {len(pages)} images; send one for each, or null.")
        found: list[PageStructure | list[PageRegion]] = []
        for n, image in enumerate(self.in_time(pages)):
            found.append(
                [] if image is None else self._page(image, params, f"results[{n}]", known[n], Told(return_lines, return_words))
            )
        return found

    def _page(self, sent: Image, params: StructureParams, where: str, given: list[RegionLine] | None, told: Told) -> PageStructure:
        ocr = self.tables.ocr
        reads = given is None and params.ocr and (params.layout or not params.table)
        page = ocr.page(sent, params, where) if reads else ocr.upright(sent, where, params)
        regions = self._regions(page, params)
        if given is not None:
            lines = [moved_line(line, page.as_upright) for line in checked(given)]
        else:
            lines = self._lines(page, words=told.words) if isinstance(page, ReadPage) else []
        answer = self._assigned(page, regions, lines, params, known=given is not None, return_lines=told.lines)
        return as_sent(answer, page)

    def _assigned(
        self,
        page: UprightPage,
        regions: list[Region],
        lines: list[RegionLine],
        params: StructureParams,
        *,
        known: bool,
        return_lines: bool,
    ) -> PageStructure:
        """The regions of an upright page with what is in them."""
        image = page.image
        # Turned lines, which only a caller gives, do not begin at the top left.
        boxes = np.array([line["text_region"][0] + line["text_region"][2] for line in lines], np.float64).reshape(-1, 4)
        boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
        sure = {index for index, line in enumerate(lines) if line["confidence"] >= params.drop_score}
        told: set[int] = set()
        in_tables: set[int] = set()
        answers: list[PageRegion] = []
        if params.layout and params.table and params.find_tables and not params.asks_network_alone:
            # A caller's lines may be anywhere.
            seen = np.flatnonzero(np.all((boxes[:, :2] < image.shape[1::-1]) & (boxes[:, 2:] > 0), axis=1))
            # Of a line that rises, two corners enclose next to nothing.
            around = upright(np.array([lines[index]["text_region"] for index in seen], np.float64).reshape(-1, 4, 2))
            regions = labelled(image, regions, around)
            tried = [*regions, *grids(image, regions, around)]
            tried = with_columns(image, tried, around, [lines[index]["text"] for index in seen])
            if tried != regions:
                regions = _in_order(tried, page)
        frames, moved = self._frames(image, regions, boxes, params)
        for region, bbox in zip(regions, frames, strict=True):
            x1, y1, x2, y2 = bbox
            if params.table and region.label == "table" and x1 < x2 and y1 < y2:
                inside = centred(boxes, bbox)
                once = bool(lines) and (params.reads_tables_once or known)
                taken = self._told(page, lines, inside) if once else None
                parts, cells = self._tables(image, region, bbox, taken, (lines, boxes, inside, sure), params, exact=known)
                in_tables.update(cells)
                told.update(inside)
                answers += parts
                continue
            touched = touching(boxes, bbox)
            inside = [index for index in touched if index not in moved]
            if touched and not inside and region.label not in WITHOUT_TEXT:
                continue
            content = [lines[index] for index in inside if index in sure]
            told.update(inside)
            answers.append(part(region.label.lower(), bbox, content, region))
        found: PageStructure = {"regions": answers, "unassigned": [lines[index] for index in sorted(sure - told)]}
        if return_lines:
            found["lines"] = [lines[index] for index in sorted(sure | in_tables)]
        return found

    def _tables(
        self,
        image: Image,
        region: Region,
        bbox: Sequence[int],
        taken: Lines | None,
        beside: Beside,
        params: StructureParams,
        *,
        exact: bool,
    ) -> tuple[list[PageRegion], list[int]]:
        """The table that a region of the layout is; several where it holds more than one; each with the text about it.

        With the indices of the lines that are in tables.
        """
        lines, boxes, inside, sure = beside
        x1, y1, x2, y2 = bbox
        asked = params if params.layout else params.model_copy(update={"find_tables": False})
        picture = image[y1:y2, x1:x2]
        found = self.tables.each(picture, asked, corner=(x1, y1), lines=taken, exact=exact, is_region=True)
        if len(found) == 1 and found[0][0] == (0, 0, picture.shape[1], picture.shape[0]):
            return [part("table", bbox, found[0][1], region)], inside
        places = np.array([box for box, _ in found], np.float64) + np.array([x1, y1, x1, y1])
        groups = [[inside[n] for n in group] for group in about(boxes[inside], places)]
        parts: list[PageRegion] = []
        for place, (_, content) in zip(places.astype(int).tolist(), found, strict=True):
            # What stands about tables is told as text, but for what only a second reading of small print found.
            told = covered([line["text_region"] for line in content["unmatched"]], boxes[sorted(itertools.chain(*groups))])
            left = [line for line, is_told in zip(content["unmatched"], told, strict=True) if not is_told]
            parts.append(part("table", place, {**content, "unmatched": left}, region))
        usual = line_height(boxes[inside])
        for group in groups:
            said = [lines[index] for index in group if index in sure]
            if said:
                low, high = boxes[group, :2].min(axis=0), boxes[group, 2:].max(axis=0)
                heading = len(group) == 1 and high[1] - low[1] >= HEADING * usual
                box = [*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist()]
                parts.append(part("title" if heading else "text", box, said, region))
        order = regions_in_order(np.array([one["bbox"] for one in parts], np.float64), image.shape[1], image.shape[0])
        in_tables = set(inside) - {index for group in groups for index in group}
        return [parts[index] for index in order], sorted(in_tables)

    def _frames(
        self, image: Image, regions: Sequence[Region], boxes: Rectangles, params: StructureParams
    ) -> tuple[list[list[int]], set[int]]:
        """The box of each region, tables with their headings, and the lines that these take from other regions."""
        frames = [[int(side) for side in region.box] for region in regions]
        moved: set[int] = set()
        if not params.table or params.asks_network_alone:
            return frames, moved
        for index, region in enumerate(regions):
            if region.label == "table":
                grown = list(whole(frames[index], boxes, (image.shape[0], image.shape[1])))
                moved.update(added(frames[index], grown, boxes))
                frames[index] = grown
        return frames, moved

    def _regions(self, page: UprightPage, params: StructureParams) -> list[Region]:
        """What the layout network sees, in reading order; without it the page is one table, or one text where tables are off."""
        height, width = page.image.shape[:2]
        if not params.layout or self.layout is None:
            return [Region((0, 0, width, height), "table" if params.table else "text", 0.0)]
        with self.stage("layout"):
            return _in_order(self.layout.detector(page.image, params), page)

    def _lines(self, page: ReadPage, *, words: bool) -> list[RegionLine]:
        """The lines of an upright page, of any confidence, as cells take them."""
        lines: list[RegionLine] = []
        for n, (quad, said) in enumerate(zip(page.quads, page.texts, strict=True)):
            region = [[float(v) for v in corner] for corner in quad.astype(int).tolist()]
            line: RegionLine = {"text": said.text, "confidence": said.confidence, "text_region": region}
            if page.angles is not None:
                line["angle"] = page.angles[n].label
            if words:
                line["words"] = [
                    {"text": word.text, "confidence": word.confidence, "text_region": word.quad.tolist()}
                    for word in self.tables.ocr.words(page, n)
                ]
            lines.append(line)
        return lines

    def _told(self, page: UprightPage, lines: Sequence[RegionLine], indices: list[int]) -> Lines:
        """The lines of a table as its own reading gives them: quads on the page, texts, and their words."""
        quads = np.array([lines[index]["text_region"] for index in indices], np.float64).reshape(-1, 4, 2)
        texts = [Text(lines[index]["text"], lines[index]["confidence"]) for index in indices]
        words: list[list[Word]] = []
        for index in indices:
            given = lines[index].get("words")
            if given is not None:
                words.append([Word(word["text"], np.array(word["text_region"], np.float64)) for word in given])
            elif isinstance(page, ReadPage):
                found = self.tables.ocr.words(page, index)
                words.append([Word(word.text, word.quad.astype(np.float64)) for word in found])
            else:
                words.append([])
        return Lines(quads, texts, words)

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[PageStructure | list[PageRegion]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


def _in_order(regions: Sequence[Region], page: UprightPage) -> list[Region]:
    """The regions of a page as they are read."""
    height, width = page.image.shape[:2]
    boxes = np.array([region.box for region in regions], np.float64).reshape(-1, 4)
    return [regions[index] for index in regions_in_order(boxes, width, height, down=runs_down(page.quads))]


if __name__ == "__main__":
    StructureSystem.main()
