"""The worker's side of PaddleOCR 3's routes: one request read, its pages asked of a module, the answer in that contract's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import numpy as np

from ocr_serving.decoding import headers, images, pages
from ocr_serving.decoding.images import Image
from ocr_serving.decoding.limits import Allowance, Limits
from ocr_serving.errors import InputError, LateError, UnavailableError
from ocr_serving.modules.base import Module
from ocr_serving.output import build, docx, drawing
from ocr_serving.output.job import Job, Sheet
from ocr_serving.output.tree import Document, Page
from ocr_serving.server import convert, wire
from ocr_serving.server.messages import Reply
from ocr_serving.server.paddleocr3 import catalogue, envelope, layout, options, pictures, reading
from ocr_serving.server.paddleocr3.catalogue import LAYOUT, OCR, PREPROCESSING, TABLES
from ocr_serving.server.paddleocr3.lines import SaidLine, ocr_result, preprocessor_result, table_results
from ocr_serving.server.paddleocr3.options import LayoutRequest, MalformedError, Request, TableRequest
from ocr_serving.server.paddleocr3.reading import Asked
from ocr_serving.stages.page import AS_SENT, UprightPage

DPI = 144
"""What pages of PDFs are rendered at there; clients that show boxes count on it."""

LATE = "the time for a request (timeout_s) was up before it; send it in another request."


@dataclass
class Work:
    """One request on its way: the module asked, what of it is asked, what is to be said beside the result."""

    module: Module
    request: Any
    asked: Asked
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """What could not be asked of the module is said from the beginning."""
        self.remarks += self.asked.remarks


Entry = dict[str, Any]


@dataclass(frozen=True)
class Route:
    """How the pages of a route are read: what one, and one that is lost, gives.

    `read` may give a page of the tree beside its result, of which `whole` completes the results once all are read.
    """

    read: Callable[[Work, Image, str], tuple[Entry, Any]]
    lost: Callable[[Work], Entry]
    complete: Callable[[Work, list[Entry], list[Any]], None] = lambda _work, _entries, _drafts: None


def answer(module: Module, route: str, body: bytes, kind: str, limits: Limits) -> tuple[Reply, int]:
    """The answer of `route` to a body of that Content-Type, and how many pages were read. What is wrong with the
    request, or cannot be now, is worded; other errors are raised."""
    log_id = ""
    try:
        request = options.parsed(body, kind, catalogue.ROUTES[route].model)
        log_id = request.logId or ""
        request.check()
        ocr = reading.ocr_of(module)
        ocr.recognizer.choose_for_request(None)
        work = Work(module, request, Asked.of(request, ocr, route), list(request.remarks))
        return _answered(work, route, limits.model_copy(update={"pdf_dpi": DPI}), log_id)
    except MalformedError as exc:
        return envelope.failure(exc.code, str(exc), exc.log_id), 0
    except (InputError, UnavailableError) as exc:
        return envelope.refusal(wire.refusal(exc), log_id), 0


def _answered(work: Work, name: str, limits: Limits, log_id: str) -> tuple[Reply, int]:
    request, route = work.request, ROUTES[name]
    if options.is_url(request.file):
        # The front has put the file in its place where it may.
        raise InputError(
            "file: it is a URL, which is fetched where fetch_hosts in the service's config.json names its host, and the body is no "
            "larger than 64 KiB: send the base64 of the file."
        )
    data = images.bytes_from_base64(request.file, where="file")
    _check_type(data, request)
    job = Job("document", data, (), limits, pdf_text="never", where="file", allowance=Allowance(limits.seconds_together))
    entries: list[Entry] = []
    drafts: list[Any] = []
    sizes: list[tuple[int, int]] = []
    reasons: list[str] = []
    read = 0
    for sheet in job.sheets():
        entry, draft, why = _page(work, route, sheet, first=not read)
        if why:
            reasons.append(why)
            work.remarks.append(why if why.startswith("file") else f"Page {sheet.number}: {why}")
        read += entry is not None
        entries.append(route.lost(work) if entry is None else entry)
        drafts.append(draft)
        sizes.append((0, 0) if sheet.image is None else reading.size_of(sheet.image))
    if not read:
        raise InputError(reasons[0] if reasons else "file has no pages.")
    route.complete(work, entries, drafts)
    remarks = [*job.remarks, *work.remarks, *(f"{warning}." for warning in dict.fromkeys(work.module.warnings))]
    result: dict[str, Any] = {catalogue.ROUTES[name].results: entries, "dataInfo": _about(data, sizes)}
    if remarks:
        result["warnings"] = remarks
    reply = envelope.success(result, log_id, msg=" ".join(remarks))
    if remarks:
        said = quote(" ".join(remarks)[: convert.MOST_REMARKS], safe=" ()[]:;,./=")
        reply = replace(reply, headers={convert.REMARKS: said})
    return reply, read


def _page(work: Work, route: Route, sheet: Sheet, *, first: bool) -> tuple[Entry | None, Any, str]:
    """The result of a page, its draft, and why there is none."""
    if sheet.image is None:
        return None, None, sheet.why
    try:
        # Raises where the time is up.
        next(iter(work.module.in_time([sheet.image])))
        return *read_page(work, route, sheet.image, f"page {sheet.number}"), ""
    except LateError:
        if first:
            raise
        return None, None, LATE


def read_page(work: Work, route: Route, image: Image, where: str) -> tuple[Entry, Any]:
    """The result of a page and its draft; what the module has to say of it is said of `where`."""
    warnings = work.module.warnings
    before = len(warnings)
    with reading.tables_as_there(work.module, work.asked.params):
        read = route.read(work, image, where)
    warnings[before:] = [_told(warning, where) for warning in warnings[before:]]
    return read


def _told(warning: str, where: str) -> str:
    """A module's warning of the one page that it was given, upright, as it holds for a result of these routes."""
    return warning.replace("results[0]", where, 1).replace(AS_SENT, "coordinates are those of the upright page")


def _check_type(data: bytes, request: Request) -> None:
    """Raises InputError where `fileType` says another thing than the file."""
    is_pdf = pages.is_pdf(data)
    if request.fileType == 0 and not is_pdf:
        raise InputError("file is no PDF, as fileType 0 says: set fileType to 1 for an image, or leave it out.")
    if request.fileType == 1 and is_pdf:
        raise InputError("file is a PDF and no image, as fileType 1 says: set fileType to 0, or leave it out.")


def _about(data: bytes, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """`dataInfo`: the kind of the file and the sizes of its pages, in pixels; of a page that is lost, 0."""
    kind = "pdf" if pages.is_pdf(data) else "tiff" if len(sizes) > 1 and headers.is_tiff(data) else "image"
    told = [{"width": width, "height": height} for width, height in sizes]
    return told[0] | {"type": kind} if kind == "image" else {"numPages": len(told), "pages": told, "type": kind}


def _upright(work: Work, image: Image, where: str) -> UprightPage:
    """The page set upright, where that is asked for."""
    if not work.asked.turns:
        return UprightPage(image, 0, (image.shape[0], image.shape[1]))
    return reading.ocr_of(work.module).upright(image, where, work.asked.params)


def _shown(work: Work, image: Image, page: UprightPage, entry: Entry, key: str | None) -> None:
    """Add what every route shows: the page as it was sent and, under `key`, as it was set upright."""
    if work.request.shown:
        if work.asked.turns and key is not None:
            entry[key] = pictures.jpeg(pictures.preprocessing(image, page.image))
        entry["inputImage"] = pictures.jpeg(image)


# /ocr


def _read_lines(work: Work, image: Image, where: str) -> tuple[Entry, None]:
    asked: Asked = work.asked
    ocr = reading.ocr_of(work.module)
    page = asked.page(ocr, image, where)
    lines = reading.said(page, asked.params)
    told = asked.told(words=work.request.returnWordBox is True)
    entry: Entry = {"prunedResult": ocr_result(lines, told, preprocessed=asked.preprocessed(page))}
    if work.request.shown:
        entry["ocrImage"] = pictures.jpeg(_drawn_lines(page.image, lines, asked.least))
    _shown(work, image, page, entry, "docPreprocessingImage")
    return entry, None


def _lost_lines(work: Work) -> Entry:
    return {"prunedResult": ocr_result([], work.asked.told(words=work.request.returnWordBox is True))}


def _drawn_lines(image: Image, lines: Sequence[SaidLine], least: float) -> Image:
    return drawing.draw(image, list(reading.answered([line for line in lines if line.confidence >= least])))


# /document-preprocessing


def _preprocess(work: Work, image: Image, where: str) -> tuple[Entry, None]:
    page = _upright(work, image, where)
    settings = preprocessor_result(turns=work.asked.turns, turn=page.turn)
    entry: Entry = {"outputImage": pictures.png(page.image), "prunedResult": settings}
    if work.request.shown:
        entry["docPreprocessingImage"] = pictures.jpeg(pictures.preprocessing(image, page.image))
        entry["inputImage"] = pictures.jpeg(image)
    return entry, None


def _lost_page(work: Work) -> Entry:
    return {"outputImage": "", "prunedResult": preprocessor_result(turns=work.asked.turns, turn=0)}


# /table-recognition


def _settings(work: Work) -> dict[str, Any]:
    """Arguments of `structure_system`'s `predict`."""
    asked: Asked = work.asked
    names = ("det_limit_side_len", "det_limit_type", "det_db_thresh", "det_db_box_thresh", "det_db_unclip_ratio", "use_angle_cls")
    own = {"table_text": "page"} if asked.params.legacy else {}
    settings = {name: getattr(asked.params, name) for name in names} | own
    return settings | {"use_doc_orientation_classify": False, "drop_score": 0.0}


def _read_tables(work: Work, image: Image, where: str) -> tuple[Entry, None]:
    asked: Asked = work.asked
    page = _upright(work, image, where)
    with_layout, found = _found_tables(work, page.image, where)
    lines = reading.told_lines(found["lines"])
    result: Entry = {
        "model_settings": {"use_doc_preprocessor": asked.turns, "use_layout_detection": with_layout, "use_ocr_model": True}
    }
    if asked.turns:
        result["doc_preprocessor_res"] = asked.preprocessed(page)
    if with_layout:
        result["layout_det_res"] = layout.detected(found["regions"])
    result["overall_ocr_res"] = ocr_result(lines, asked.told(), inner=True)
    result["table_res_list"] = table_results(found["regions"], lines, asked.least, reading.size_of(page.image))
    entry: Entry = {"prunedResult": result}
    if work.request.shown:
        entry["outputImages"] = _pictures(page.image, found, lines, work, "ocr_res_img", with_layout=with_layout)
        if asked.turns:
            entry["outputImages"]["preprocessed_img"] = pictures.jpeg(pictures.preprocessing(image, page.image))
    _shown(work, image, page, entry, None)
    return entry, None


def _found_tables(work: Work, image: Image, where: str) -> tuple[bool, Entry]:
    """Whether tables were looked for on an upright page, and its regions and lines. Raises InputError."""
    request: TableRequest = work.request
    structure, asked = reading.structure_of(work.module), work.asked
    has_layout = structure is not None and structure.layout is not None
    if request.useLayoutDetection and not has_layout:
        raise InputError("useLayoutDetection: this service has no layout network: leave it out, or set it to false.")
    if structure is not None and has_layout and request.useLayoutDetection is not False:
        return True, structure.predict([image], layout=True, table=True, return_lines=True, **_settings(work))[0]  # type: ignore[return-value]
    ocr, table = reading.ocr_of(work.module), reading.table_of(work.module)
    params = asked.params.updated(use_doc_orientation_classify=False)
    page = replace(asked, params=params).page(ocr, image, where)
    once = (np.array(page.quads, np.float64).reshape(-1, 4, 2), page.texts) if table.params.legacy else None
    if request.useLayoutDetection is None and once is None and reading.finds_tables(table):
        found = table.each(image)
    else:
        found = [((0, 0, *reading.size_of(image)), table.table(image, (0, 0), once))]
    lines = list(reading.answered(reading.said(page, params)))
    regions = [{"type": "table", "bbox": list(box), "res": content, "score": 1.0} for box, content in found]
    return False, {"regions": regions, "lines": lines}


def _pictures(
    image: Image, found: Mapping[str, Any], lines: Sequence[SaidLine], work: Work, key: str, *, with_layout: bool = True
) -> dict[str, str]:
    """`outputImages`: the page with its regions, its lines, its cells."""
    shown: dict[str, str] = {}
    regions = [{**region, "res": []} for region in found["regions"]]
    if with_layout:
        shown["layout_det_res"] = pictures.jpeg(drawing.draw(image, {"regions": regions, "unassigned": []}))
    shown[key] = pictures.jpeg(_drawn_lines(image, lines, work.asked.least))
    tables = [region for region in found["regions"] if isinstance(region["res"], Mapping)]
    if tables:
        # The left half: the page itself, where a table's texts are set beside it.
        drawn = drawing.draw(image, {"regions": tables, "unassigned": []})
        shown["table_cell_img"] = pictures.jpeg(drawn[:, : image.shape[1]])
    return shown


def _lost_tables(work: Work) -> Entry:
    settings = {"use_doc_preprocessor": work.asked.turns, "use_layout_detection": False, "use_ocr_model": True}
    inner = ocr_result([], work.asked.told(), inner=True)
    return {"prunedResult": {"model_settings": settings, "overall_ocr_res": inner, "table_res_list": []}}


# /layout-parsing


def _read_layout(work: Work, image: Image, where: str) -> tuple[Entry, Any]:
    asked, request = work.asked, work.request
    structure = reading.structure_of(work.module)
    if structure is None:
        raise InputError("No module here reads whole pages: ask a service that has structure_system.")
    page = _upright(work, image, where)
    with_tables = structure.params.table if request.useTableRecognition is None else request.useTableRecognition
    keywords = _settings(work) | {"table": with_tables, "layout_score_threshold": request.layoutThreshold}
    found: Any = structure.predict([page.image], return_lines=True, **keywords)[0]
    lines = reading.told_lines(found["lines"])
    result: Entry = _layout_head(work, reading.size_of(page.image), with_tables=with_tables) | {"parsing_res_list": []}
    if asked.turns:
        result["doc_preprocessor_res"] = asked.preprocessed(page)
    result["layout_det_res"] = layout.detected(found["regions"])
    result["overall_ocr_res"] = ocr_result(lines, asked.told(), inner=True)
    if with_tables:
        result["table_res_list"] = table_results(found["regions"], lines, asked.least, reading.size_of(page.image))
    entry: Entry = {"prunedResult": result, "markdown": {}}
    if request.shown:
        entry["outputImages"] = _pictures(page.image, found, lines, work, "overall_ocr_res")
        if asked.turns:
            entry["outputImages"]["preprocessed_img"] = pictures.jpeg(pictures.preprocessing(image, page.image))
    _shown(work, image, page, entry, None)
    formulas = [tuple(map(float, region["bbox"])) for region in found["regions"] if region["type"] == "equation"]
    return entry, (build.page(_surer(found, asked.least), page.image), formulas)


def _surer(found: Mapping[str, Any], least: float) -> dict[str, Any]:
    """An entry of `structure_system` without the lines that are less sure."""

    def kept(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [line for line in lines if line["confidence"] >= least]

    regions = [
        region if isinstance(region["res"], Mapping) else {**region, "res": kept(region["res"])} for region in found["regions"]
    ]
    return {**found, "regions": regions, "unassigned": kept(found["unassigned"]), "lines": kept(found["lines"])}


def _layout_head(work: Work, size: tuple[int, int], *, with_tables: bool) -> Entry:
    request: LayoutRequest = work.request
    return {
        "page_count": None,
        "width": size[0],
        "height": size[1],
        "model_settings": {
            "use_doc_preprocessor": work.asked.turns,
            "use_seal_recognition": False,
            "use_table_recognition": with_tables,
            "use_formula_recognition": False,
            "use_chart_recognition": False,
            "use_region_detection": False,
            "format_block_content": request.formatBlockContent is True,
            "markdown_ignore_labels": request.ignored_labels,
        },
    }


def _lost_layout(work: Work) -> Entry:
    inner = ocr_result([], work.asked.told(), inner=True)
    head = _layout_head(work, (0, 0), with_tables=False)
    nothing: Entry = {"text": "", "isStart": True, "isEnd": True}
    if work.request.returnMarkdownImages:
        nothing["images"] = {}
    result = head | {"parsing_res_list": [], "layout_det_res": {"boxes": []}, "overall_ocr_res": inner}
    return {"prunedResult": result, "markdown": nothing}


def _complete_layout(work: Work, entries: list[Entry], drafts: list[Any]) -> None:
    """Blocks and Markdown, once all pages are known: headings have levels, and what stands on every page is no text."""
    known = [n for n, draft in enumerate(drafts) if draft is not None]
    numbered: list[Page] = [drafts[n][0].model_copy(update={"number": n + 1}) for n in known]
    document = build.document("document", numbered)
    for n, page in zip(known, document.pages, strict=True):
        formulas = drafts[n][1]
        entries[n]["prunedResult"]["parsing_res_list"] = layout.blocks(page, formulas, work.request)
        entries[n]["markdown"] = layout.markdown(page, formulas, work.request)
        if work.request.outputFormats:
            content = docx.document(Document(title="document", pages=(page,)))
            entries[n]["exports"] = {"docx": {"content": pictures.encoded(content), "fileName": f"page_{n + 1}.docx"}}


ROUTES: Mapping[str, Route] = {
    OCR: Route(_read_lines, _lost_lines),
    LAYOUT: Route(_read_layout, _lost_layout, _complete_layout),
    TABLES: Route(_read_tables, _lost_tables),
    PREPROCESSING: Route(_preprocess, _lost_page),
}
