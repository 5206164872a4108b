"""What a request of PaddleOCR 3 may say, by its names. Pure: bytes in, checked options out.

Types are as lax as there ("0.4" is a number, "yes" is true), keys that nobody knows are passed over, and null is as if a key were
not there. What asks for a stage that no module here has is refused.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ocr_serving.errors import InputError, TooLargeError
from ocr_serving.server import wire

MARKDOWN_IGNORES = ["number", "footnote", "header", "header_image", "footer", "footer_image", "aside_text"]

LONGEST = 64
"""Characters of a key of the caller that a refusal repeats."""


class MalformedError(InputError):
    """The body is not what the schema says; the text is a JSON list of `type`, `loc` and `msg`, as there."""

    code = 422

    def __init__(self, faults: list[dict[str, str]], log_id: str = "") -> None:
        """`log_id` is the caller's own, where it could be read."""
        super().__init__(json.dumps(faults, ensure_ascii=False))
        self.log_id = log_id


Share = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(gt=0, le=10)]
Side = Annotated[int, Field(ge=0, le=16384)]


class Request(BaseModel):
    """What every route takes. `fileType` is 0 for a PDF and 1 for an image; without it the file says what it is."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    file: str = Field(description="The file, an image or a PDF, encoded as base64.")
    fileType: Literal[0, 1] | None = Field(None, description="0: a PDF, 1: an image; unset, the file says what it is.")
    visualize: bool | None = Field(None, description="Whether pictures of the result are answered too; unset, true.")
    logId: str | None = Field(None, description="A name for this request, which the answer repeats.")
    useDocOrientationClassify: bool | None = Field(
        None, description="Whether pages that lie turned are set upright first; unset, as the service is set."
    )
    useDocUnwarping: bool | None = Field(None, description="Flattening of bent pages: false; there is no network for it here.")

    WANTING: ClassVar[dict[str, str]] = {"useDocUnwarping": "flattens bent pages"}
    """Keys that ask for what is not here where they are true, and what that does."""

    @property
    def shown(self) -> bool:
        """Whether pictures are answered."""
        return self.visualize is not False

    @property
    def turns(self) -> bool | None:
        """Whether pages are set upright; None leaves it to the service.

        As there, either of the two `useDoc…` keys alone chooses for both: where only `useDocUnwarping` is given, it is off.
        """
        if self.useDocOrientationClassify is None and self.useDocUnwarping is not None:
            return False
        return self.useDocOrientationClassify

    @property
    def remarks(self) -> list[str]:
        """What is asked for and left out, as sentences."""
        return []

    def check(self) -> None:
        """Raises InputError where a stage is asked for that is not here."""
        for key, does in self.WANTING.items():
            if getattr(self, key):
                raise InputError(f"{key}: no module here {does}: leave it out, or set it to false.")


class ReadingRequest(Request):
    """What routes that read take besides."""

    textDetLimitSideLen: Side | None = Field(None, description="Pixels that a side of the page is scaled to.")
    textDetLimitType: Literal["min", "max"] | None = Field(
        None, description="textDetLimitSideLen bounds the longer (max) or the shorter (min) side."
    )
    textDetThresh: Share | None = Field(None, description="Pixels of which the detector is surer than this are text.")
    textDetBoxThresh: Share | None = Field(None, description="Lines of which it is less sure on average are left out.")
    textDetUnclipRatio: Ratio | None = Field(None, description="How far a line's shrunk outline is grown.")
    textRecScoreThresh: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Lines of which the recogniser is less sure are left out; unset, 0."
    )


class OcrRequest(ReadingRequest):
    """`/ocr`."""

    useTextlineOrientation: bool | None = Field(None, description="Whether lines that stand on their head are turned.")
    returnWordBox: bool | None = Field(None, description="Whether each line's words are told, with their boxes.")


class TableRequest(ReadingRequest):
    """`/table-recognition`."""

    useLayoutDetection: bool | None = Field(None, description="Whether tables are looked for; without, the page is one.")
    useOcrModel: bool | None = Field(None, description="Whether what is written is read: true.")
    useOcrResultsWithTableCells: bool = False
    useE2eWiredTableRecModel: bool = False
    useE2eWirelessTableRecModel: bool = False
    useWiredTableCellsTransToHtml: bool = False
    useWirelessTableCellsTransToHtml: bool = False
    useTableOrientationClassify: bool = True

    def check(self) -> None:
        """Raises InputError where a stage is asked for that is not here."""
        super().check()
        if self.useOcrModel is False:
            raise InputError("useOcrModel: tables are not told without what is written in them: leave it out, or set it to true.")


def _formats(values: list[str]) -> list[str]:
    for value in values:
        if value != "docx":
            raise ValueError(f"Unsupported `outputFormats` entry '{value[:LONGEST]}'. Supported values: ['docx']")
    return values


class LayoutRequest(ReadingRequest):
    """`/layout-parsing`, as PP-StructureV3 has it; keys of PaddleOCR-VL alone are passed over."""

    useTextlineOrientation: bool | None = Field(None, description="Whether lines that stand on their head are turned.")
    useSealRecognition: bool | None = Field(None, description="Reading of seals: false; there is no network for it here.")
    useTableRecognition: bool | None = Field(None, description="Whether tables are told as such; unset, true.")
    useFormulaRecognition: bool | None = Field(None, description="Formulas as LaTeX: false; there is no network for it.")
    useChartRecognition: bool | None = Field(
        None, description="Charts as tables: there is no network for it; charts stay pictures, and `warnings` says so."
    )
    useRegionDetection: bool | None = Field(None, description="Without effect: reading order minds columns in any case.")
    formatBlockContent: bool | None = Field(None, description="Whether `block_content` is Markdown.")
    layoutThreshold: float | dict[Any, Any] | None = Field(None, description="Regions of which the network is less sure go.")
    layoutNms: bool | None = Field(None, description="Whether overlapping regions of one label are one: true.")
    layoutUnclipRatio: float | tuple[float, float] | dict[Any, Any] | None = Field(None, description="1 alone.")
    layoutMergeBboxesMode: str | dict[Any, Any] | None = Field(None, description="Without effect.")
    markdownIgnoreLabels: list[str] | None = Field(None, description="Labels of blocks that Markdown leaves out.")
    outputFormats: Annotated[list[str], AfterValidator(_formats)] | None = Field(
        None, description='["docx"] answers each page as a Word document too.'
    )
    useWiredTableCellsTransToHtml: bool = False
    useWirelessTableCellsTransToHtml: bool = False
    useTableOrientationClassify: bool = True
    useOcrResultsWithTableCells: bool = True
    useE2eWiredTableRecModel: bool = False
    useE2eWirelessTableRecModel: bool = True
    prettifyMarkdown: bool = Field(True, description="Whether tables and pictures stand in the middle.")
    showFormulaNumber: bool = False
    returnMarkdownImages: bool = Field(True, description="Whether the pictures of the Markdown are answered.")

    WANTING: ClassVar[dict[str, str]] = Request.WANTING | {
        "useSealRecognition": "reads seals",
        "useFormulaRecognition": "reads formulas",
    }

    @property
    def ignored_labels(self) -> list[str]:
        """Labels of blocks that Markdown leaves out."""
        return MARKDOWN_IGNORES if self.markdownIgnoreLabels is None else self.markdownIgnoreLabels

    @property
    def remarks(self) -> list[str]:
        """What is asked for and left out, as sentences."""
        said = super().remarks
        if self.useChartRecognition:
            said.append("useChartRecognition: no module here reads charts; they are told as pictures.")
            if self.useSealRecognition:
                said.append("useSealRecognition: no module here reads seals; they are told as pictures.")
        return said

    def check(self) -> None:
        """Raises InputError where a stage is asked for that is not here.

        PaddleOCR's MCP server asks for charts unasked, and for PaddleOCR-VL for seals beside them: both are a remark then.
        """
        asked = self.model_copy(update={"useSealRecognition": None}) if self.useChartRecognition else self
        super(LayoutRequest, asked).check()
        if isinstance(self.layoutThreshold, dict):
            raise InputError("layoutThreshold: takes one number for all labels, from 0 to 1.")
        if self.layoutThreshold is not None and not 0 <= self.layoutThreshold <= 1:
            raise InputError("layoutThreshold: takes a number from 0 to 1.")
        if self.layoutNms is False:
            raise InputError("layoutNms: overlapping regions of one label are one here: leave it out, or set it to true.")
        if self.layoutUnclipRatio not in (None, 1, (1, 1)):
            raise InputError("layoutUnclipRatio: regions are told as they are found: leave it out, or set it to 1.")


def is_url(file: str) -> bool:
    """Whether `file` names where the file is, as there: anything else is base64."""
    return file.startswith(("http://", "https://"))


def parsed(body: bytes, kind: str, model: type[Request]) -> Request:
    """The request in a body of that Content-Type. Raises MalformedError, TooLargeError, InputError."""
    if not body:
        raise MalformedError([{"type": "missing", "loc": "body", "msg": "Field required"}])
    payload: Any = None
    if wire.is_json(kind):
        # Counted before anything is made of them; base64 has no commas.
        if body.count(b",") > wire.MAX_VALUES:
            raise TooLargeError(f"The body has more than {wire.MAX_VALUES} values: send fewer in one request.")
        try:
            payload = json.loads(body, parse_constant=_no_number)
        except (RecursionError, ValueError) as exc:
            raise MalformedError([_not_json(getattr(exc, "pos", 0))]) from None
    if not isinstance(payload, dict):
        msg = "Input should be a valid dictionary or object to extract fields from"
        raise MalformedError([{"type": "model_attributes_type", "loc": "body", "msg": msg}])
    given = payload.get("logId")
    log_id = given if isinstance(given, str) else ""
    try:
        return model.model_validate(payload)
    except ValidationError as exc:
        faults = [
            {"type": fault["type"], "loc": _place(fault["loc"]), "msg": fault["msg"]}
            for fault in exc.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise MalformedError(faults, log_id) from None


def _not_json(position: int) -> dict[str, str]:
    return {"type": "json_invalid", "loc": f"body[{position}]", "msg": "JSON decode error"}


def _place(loc: tuple[int | str, ...]) -> str:
    return "body" + "".join(f"[{name}]" if isinstance(name, int) else f".{name[:LONGEST]}" for name in loc)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
