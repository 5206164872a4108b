"""What structure_system answers for a page, and its places on the image that was sent. Pure.

It is not beside the module, which is four files to copy.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NotRequired

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ocr_serving.errors import InputError
from ocr_serving.modules.structure_table.module import TableContent
from ocr_serving.modules.structure_table.module import as_sent as table_as_sent
from ocr_serving.stages.layout import Region
from ocr_serving.stages.page import UprightPage


class LineWord(TypedDict):
    """One word of a line: text, confidence, corners [x, y] in pixels of the image."""

    text: str
    confidence: float
    text_region: list[list[float]]


class RegionLine(TypedDict):
    """One line, as of ocr_system: text, confidence, corners [x, y] in pixels of the image, angle if asked for.

    `words`, from left to right, where they are asked for; a line that was given has those and the source that it was given with.
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
    """The regions of one image in reading order, the lines that are in none of them, and by how much it lies turned, if it does.

    With `return_lines` all lines too.
    """

    regions: list[PageRegion]
    unassigned: list[RegionLine]
    lines: NotRequired[list[RegionLine]]
    page_angle: NotRequired[int]


def part(label: str, bbox: Sequence[int], content: list[RegionLine] | TableContent, of: Region) -> PageRegion:
    """What is, or is a part of, a region of the layout."""
    return {"type": label, "bbox": list(bbox), "res": content, "score": of.score, "img_idx": 0}


def as_sent(answer: PageStructure, page: UprightPage) -> PageStructure:
    """What was found on an upright page, with its places as the image that was sent has them."""
    if not page.turn:
        return answer

    def line(found: RegionLine) -> RegionLine:
        return moved_line(found, page.as_sent)

    regions: list[PageRegion] = []
    for region in answer["regions"]:
        found = region["res"]
        content = list(map(line, found)) if isinstance(found, list) else table_as_sent(found, page, region["bbox"])
        regions.append({**region, "bbox": [int(side) for side in page.box_as_sent(region["bbox"])], "res": content})
    moved: PageStructure = {"regions": regions, "unassigned": list(map(line, answer["unassigned"])), "page_angle": page.turn}
    if "lines" in answer:
        moved["lines"] = list(map(line, answer["lines"]))
    return moved


def moved_line(line: RegionLine, move: Callable[[Sequence[Sequence[float]]], NDArray[np.float32]]) -> RegionLine:
    """A line, and its words, where `move` puts their corners."""
    moved: RegionLine = {**line, "text_region": move(line["text_region"]).tolist()}
    if "words" in line:
        moved["words"] = [{**word, "text_region": move(word["text_region"]).tolist()} for word in line["words"]]
    return moved


def checked(lines: list[RegionLine]) -> list[RegionLine]:
    """Lines that were given. Raises InputError where one has no four corners."""
    for number, line in enumerate(lines):
        if len(line["text_region"]) != 4 or any(len(corner) != 2 for corner in line["text_region"]):
            raise InputError(f"lines: line {number} needs a text_region of four corners [x, y].")
    return lines
