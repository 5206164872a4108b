"""What an entry of `results` says, whichever module it is from: marks on the image, links between them, lines of text.

The shape decides, not the module's name, so that a user's renamed copy of a module is drawn and printed as the original is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ocr_serving.output import tables

Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """A place on the image that was sent: `polygon` in its pixels, clockwise from the top left of the text."""

    polygon: tuple[Point, ...]
    text: str = ""
    label: str = ""
    kind: Literal["line", "region", "cell"] = "line"


@dataclass
class Result:
    """`links` are index pairs into `marks` (question → result), `captions` say what has no place, `lines` is all of it as text."""

    marks: list[Mark] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.marks or self.lines)

    def add(self, mark: Mark) -> int:
        """The index of `mark`, which is kept once."""
        if mark not in self.marks:
            self.marks.append(mark)
        return self.marks.index(mark)


def read(entry: Any) -> Result:
    """Read one entry of `results` (shapes as in the README, "What comes back"). One of no known shape becomes a line of JSON."""
    result = Result()
    try:
        _read_entry(entry, result)
    except (KeyError, TypeError, ValueError, IndexError):
        return Result(lines=[json.dumps(entry, ensure_ascii=False)])
    return result


def _read_entry(entry: Any, result: Result) -> None:
    if isinstance(entry, list):
        for item in entry:
            _read_item(item, result)
    elif "regions" in entry:
        for region in entry["regions"]:
            _read_region(region, result)
        for item in entry.get("unassigned", []):
            _read_item(item, result)
    elif "layout" in entry:
        for box in entry["layout"]:
            result.add(Mark(_rectangle(box["bbox"]), label=str(box["label"]), kind="region"))
            result.lines.append(f"{box['label']} {_numbers(box['bbox'])}")
    elif "ser_res" in entry:
        for item in entry["ser_res"]:
            _read_item(item, result)
    elif "re_res" in entry:
        for question, reply in entry["re_res"]:
            result.links.append((result.add(_line(question)), result.add(_line(reply))))
            result.lines.append(f"{_text(question)} → {_text(reply)}")
    else:
        result.lines += _table_lines(entry["html"])


def _read_item(item: Mapping[str, Any], result: Result) -> None:
    """A line of text, of `ocr_system` or KIE, or an item of `ocr_det` (no text), `ocr_rec` or `ocr_cls` (no place)."""
    if "text_region" in item or "points" in item:
        mark = _line(item)
        if mark in result.marks:
            # A line between two regions is told in both.
            return
        result.marks.append(mark)
        text = mark.text if "text" in item or "transcription" in item else " ".join(_numbers(point) for point in mark.polygon)
        result.lines.append(f"{mark.label}: {text}" if mark.label else text)
        return
    said = _text(item) if "text" in item else str(item["angle"])
    if said:
        result.captions.append(f"{said} ({float(item['confidence']):.3f})")
        result.lines.append(said if "text" in item else result.captions[-1])


def _read_region(region: Mapping[str, Any], result: Result) -> None:
    left, top = float(region["bbox"][0]), float(region["bbox"][1])
    result.add(Mark(_rectangle(region["bbox"]), label=str(region["type"]), kind="region"))
    content = region["res"]
    if isinstance(content, list):
        for item in content:
            _read_item(item, result)
        return
    rows = _table_rows(content["html"])
    texts = [cell for row in rows for cell in row]
    cells = content.get("cell_bbox", [])
    for n, cell in enumerate(cells):
        # The model may give more or fewer boxes than the table has cells; then which text is whose is not known.
        text = texts[n] if len(texts) == len(cells) else ""
        corners = cell if len(cell) == 8 else [v for point in _rectangle(cell) for v in point]
        polygon = tuple((float(x) + left, float(y) + top) for x, y in zip(corners[::2], corners[1::2], strict=True))
        result.marks.append(Mark(polygon, text=text, kind="cell"))
    result.lines += _table_lines(content["html"])
    for item in content.get("unmatched", []):
        _read_item(item, result)


def _line(item: Mapping[str, Any]) -> Mark:
    points = item["text_region"] if "text_region" in item else item["points"]
    if len(points) < 3:
        raise ValueError("not a polygon")
    return Mark(tuple((float(x), float(y)) for x, y in points), text=_text(item), label=str(item.get("pred", "")))


def _text(item: Mapping[str, Any]) -> str:
    return str(item.get("text", item.get("transcription", "")))


def _rectangle(bbox: Sequence[float]) -> tuple[Point, ...]:
    x1, y1, x2, y2 = (float(v) for v in bbox)
    return ((x1, y1), (x2, y1), (x2, y2), (x1, y2))


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{float(v):.0f}" for v in values)


def _table_rows(html: str) -> list[list[str]]:
    rows: dict[int, list[str]] = {}
    for cell in tables.read(html):
        rows.setdefault(cell.row, []).append(cell.text)
    return list(rows.values())


def _table_lines(html: str) -> list[str]:
    return ["\t".join(row) for row in _table_rows(html)]
