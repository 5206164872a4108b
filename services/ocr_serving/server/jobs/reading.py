"""The worker's side of jobs: how many pages a file has, and what one of them says, in the words of basic serving."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode

from ocr_serving.decoding import bounded, headers, images, pages
from ocr_serving.decoding.images import Image
from ocr_serving.decoding.limits import Allowance, Limits, Undecodable
from ocr_serving.decoding.messages import Refused
from ocr_serving.errors import InputError, UnavailableError
from ocr_serving.modules.base import Module
from ocr_serving.server import wire
from ocr_serving.server.jobs import request
from ocr_serving.server.messages import Reply, Task
from ocr_serving.server.paddleocr3 import answer, catalogue, envelope, layout, reading
from ocr_serving.server.paddleocr3.reading import Asked

APIS = COUNT, READ = "jobs/count", "jobs/read"
"""What a Task may ask, as its `api`."""
WHERE = "The file"


@dataclass(frozen=True)
class Counted:
    """A file: "pdf", "tiff" or "image", how many pages it has, and what is to be said of it, as a sentence."""

    kind: str
    pages: int
    remark: str = ""


def counting(module: str, data: bytes, job: str) -> Task:
    """The Task whose answer `counted` reads."""
    return Task(module, data, job, kind="application/octet-stream", api=COUNT)


def page_reading(module: str, data: bytes, job: str, *, family: str, page: int, options: str) -> Task:
    """The Task that reads one page, counted from 0; its answer is that of basic serving about this page alone."""
    query = urlencode({"family": family, "page": page, "options": options})
    return Task(module, data, job, kind="application/octet-stream", query=query, api=READ)


def counted(reply: Reply) -> Counted:
    """What a worker answered to `counting`."""
    return Counted(**json.loads(reply.body))


def answered(module: Module, task: Task, limits: Limits) -> tuple[Reply, int]:
    """The answer to such a Task, and how many pages were read. Raises ServingError."""
    limits = limits.model_copy(update={"pdf_dpi": answer.DPI})
    if task.api == COUNT:
        return Reply(200, wire.OK, json.dumps(vars(_counted(task.body, limits))).encode()), 0
    query = {name: values[0] for name, values in parse_qs(task.query, strict_parsing=True).items()}
    return _read(module, task.body, query["family"], int(query["page"]), query["options"], limits), 1


def _read(module: Module, data: bytes, family: str, number: int, options: str, limits: Limits) -> Reply:
    route = request.ROUTES[family]
    about = answer.ROUTES[route]
    asked = request.asked(options, family)
    ocr = reading.ocr_of(module)
    ocr.recognizer.choose_for_request(None)
    work = answer.Work(module, asked, Asked.of(asked, ocr, route), list(asked.remarks))
    image = _page(data, number, limits, work.remarks)
    # Raises where the time is up.
    next(iter(module.in_time([image])))
    entry, draft = answer.read_page(work, about, image, f"page {number + 1}")
    about.complete(work, [entry], [draft])
    width, height = reading.size_of(image)
    result: dict[str, Any] = {
        catalogue.ROUTES[route].results: [entry],
        "dataInfo": {"width": width, "height": height, "type": "image"},
    }
    if draft is not None and family == request.DOCUMENTS:
        # What this page alone tells is told anew with all pages of the file.
        result["tree"] = layout.kept(draft[0], draft[1])
    remarks = [*work.remarks, *(f"{warning}." for warning in dict.fromkeys(module.warnings))]
    if remarks:
        result["warnings"] = remarks
    return envelope.success(result, task_id(number), msg=" ".join(remarks))


def task_id(number: int) -> str:
    """A name for the answer about one page, which nobody sees."""
    return f"page-{number + 1}"


def _counted(data: bytes, limits: Limits) -> Counted:
    """Raises InputError where the file cannot be opened."""
    kind = _kind(data)
    if kind == "picture":
        header = headers.read(data)
        animated = header is not None and header.animated
        return Counted("image", 1, "The file is an animation, of which only the first picture was read." if animated else "")
    with bounded.File(data, kind, limits, Allowance(limits.seconds_together)) as file:
        opened = file.open()
    if isinstance(opened, Refused):
        raise _unread(opened, f"{WHERE} is a {kind.upper()} that cannot be opened")
    if opened.broken:
        text = f"The {kind.upper()} is damaged after its page {opened.pages}, so there may have been more."
        return Counted(kind, opened.pages, text)
    return Counted(kind, opened.pages)


def _page(data: bytes, number: int, limits: Limits, remarks: list[str]) -> Image:
    """One page of a file, counted from 0. Raises InputError where it cannot be decoded."""
    kind = _kind(data)
    allowance = Allowance(limits.seconds_together)
    if kind == "picture":
        found = next(item for item in pages.from_bytes(data, where=WHERE, limits=limits, allowance=allowance))
        if isinstance(found, Undecodable):
            raise InputError(f"{found.reason.removesuffix('.')}.")
        assert not isinstance(found, pages.Remark)
        return found
    with bounded.File(data, kind, limits, allowance) as file:
        opened = file.open()
        decoded = opened if isinstance(opened, Refused) else file.page(number)
    if isinstance(decoded, Refused):
        raise _unread(decoded, f"page {number + 1} cannot be {'rendered' if kind == 'pdf' else 'decoded'}")
    if decoded.smaller:
        remarks.append(f"Page {number + 1} would be over {limits.max_pixels} pixels (max_pixels) and was rendered smaller.")
    return decoded.image


def _unread(refused: Refused, what: str) -> InputError | UnavailableError:
    if refused.why == "memory":
        return UnavailableError("Memory is too short to decode the file now.")
    reasons = {"locked": "it needs a password", "damaged": "it is damaged or has no pages"}
    reason = reasons.get(refused.why, refused.detail or images.UNKNOWN).removesuffix(".")
    return InputError(f"{what}: {reason}.")


def _kind(data: bytes) -> Literal["pdf", "tiff", "picture"]:
    if pages.is_pdf(data):
        return "pdf"
    return "tiff" if headers.is_tiff(data) and headers.has_second_page(data) else "picture"
