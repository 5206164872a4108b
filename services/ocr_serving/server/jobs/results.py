"""Results as they are kept, with pictures beside them, and as JSON lines, with links to these. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ocr_serving.server.jobs import request
from ocr_serving.server.jobs.leases import Answer
from ocr_serving.server.jobs.request import DOCUMENTS, OCR
from ocr_serving.server.jobs.store import Blob, Job
from ocr_serving.server.paddleocr3 import layout
from ocr_serving.server.paddleocr3.options import LayoutRequest

LISTS: Mapping[str, str] = {OCR: "ocrResults", DOCUMENTS: "layoutParsingResults"}
PICTURES = ("ocrImage", "docPreprocessingImage", "inputImage")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
LINE_ENDS = re.compile("[\x85\u2028\u2029]")
"""Characters at which some readers end a line, though JSON does not."""


def kept(result: Mapping[str, Any], family: str, number: int) -> Answer:
    """The answer for the one page of `result`, as basic serving words it; pictures become blobs, which it names in their places."""
    page = dict(result[LISTS[family]][0])
    blobs: dict[str, Blob] = {}

    def aside(name: str, content: str, media_type: str = "") -> str:
        data = base64.b64decode(content)
        kind = media_type or ("image/png" if data.startswith(b"\x89PNG") else "image/jpeg")
        suffix = {"image/png": "png", "image/jpeg": "jpg"}.get(kind, "docx")
        stem = re.sub(r"\.\w{1,5}$", "", name)
        stem = re.sub(r"[^\w.-]+", "_", stem, flags=re.ASCII)
        full = f"{number}/{stem}"
        while f"{full}.{suffix}" in blobs:
            full += "_"
        blobs[f"{full}.{suffix}"] = Blob(data, kind)
        return f"{full}.{suffix}"

    for name in PICTURES:
        if page.get(name):
            page[name] = aside(name, page[name])
    if family == DOCUMENTS:
        page["outputImages"] = {name: aside(name, content) for name, content in (page.get("outputImages") or {}).items()}
        markdown = dict(page.get("markdown") or {"text": ""})
        markdown["images"] = {name: aside(name, content) for name, content in (markdown.get("images") or {}).items()}
        page["markdown"] = markdown
        if docx := (page.get("exports") or {}).get("docx"):
            page["exports"] = {"docx": docx | {"content": aside("page", docx["content"], DOCX)}}
    about = {"page": page, "dataInfo": result.get("dataInfo")} | ({"tree": result["tree"]} if "tree" in result else {})
    return Answer(_text(about), blobs)


def lines(job: Job, pages: Sequence[tuple[int, str | None, str | None]], link: str) -> Iterator[bytes]:
    """The JSON lines of a job, one a page; `link` is what stands before the names of blobs.

    Each line tells its own page's size, the last one those of all, as clients let the last one win. Levels of headings, running
    headers and footers are those that all pages tell.
    """
    together = _together(job, pages)
    last: Mapping[str, Any] | None = None
    sizes: list[Any] = []
    for number, (page, text, lost) in enumerate(pages, 1):
        entry, info = _nothing(job.family), None
        if text is not None:
            found = json.loads(text)
            entry, info = _linked(found["page"], link), found["dataInfo"]
            if (again := together.get(number)) is not None:
                entry["prunedResult"]["parsing_res_list"] = again["blocks"]
                entry["markdown"] |= again["markdown"]
        sizes += _sizes(info) or [{"width": 0, "height": 0}]
        last = info if info is not None and job.kind == "image" else {"numPages": 1, "pages": sizes[-1:], "type": job.kind}
        if number == len(pages) > 1:
            last = {"numPages": len(sizes), "pages": sizes, "type": job.kind}
        said = "Success" if lost is None else f"Page {page + 1} was not read: {lost}"
        whole = {
            "logId": f"{job.id}-{number}",
            "result": {LISTS[job.family]: [entry], "dataInfo": last},
            "errorCode": 0,
            "errorMsg": said,
        }
        if job.family == DOCUMENTS:
            whole["result"]["preprocessedImages"] = []  # type: ignore[index]
        yield _escaped(_text(whole)).encode() + b"\n"


def _together(job: Job, pages: Sequence[tuple[int, str | None, str | None]]) -> dict[int, dict[str, Any]]:
    """What the pages of a document say by all of them, by their place among `pages`, from 1."""
    if job.family != DOCUMENTS or len(pages) < 2:
        return {}
    trees = {number: json.loads(text).get("tree") for number, (_, text, _) in enumerate(pages, 1) if text is not None}
    known = {number: tree for number, tree in trees.items() if tree is not None}
    asked = request.asked(job.options, job.family)
    if not known or not isinstance(asked, LayoutRequest):
        return {}
    return dict(zip(known, layout.retold(list(known.values()), asked), strict=True))


def _linked(page: dict[str, Any], link: str) -> dict[str, Any]:
    for name in PICTURES:
        if page.get(name):
            page[name] = link + page[name]
    for images in (page.get("outputImages"), (page.get("markdown") or {}).get("images")):
        if images:
            images.update({name: link + blob for name, blob in images.items()})
    if docx := (page.get("exports") or {}).get("docx"):
        docx["content"] = link + docx["content"]
    return page


def _nothing(family: str) -> dict[str, Any]:
    """What stands for a page that could not be read, so that the others keep their places."""
    if family == OCR:
        return {"prunedResult": {"dt_polys": [], "rec_texts": [], "rec_scores": [], "rec_polys": [], "rec_boxes": []}}
    return {"prunedResult": {"parsing_res_list": []}, "markdown": {"text": "", "images": {}}, "outputImages": {}}


def _sizes(info: Mapping[str, Any] | None) -> list[Any]:
    if info is None:
        return []
    return list(info["pages"]) if "pages" in info else [{"width": info["width"], "height": info["height"]}]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _escaped(text: str) -> str:
    return LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
