"""ocr_system: reads pages: detection, angle classifier, recognition."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, NotRequired

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import TypedDict

from ocr_serving.config.langs import Lang
from ocr_serving.config.params import LimitType, OCRParams, ReadingOrder, Score, SideLength, UnclipRatio
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.errors import InputError
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.stages import bidi
from ocr_serving.stages.detection import TextDetector, is_skewed
from ocr_serving.stages.geometry import Quad, crop, sharp_crop
from ocr_serving.stages.languages import Recognizers
from ocr_serving.stages.long_lines import in_readable_lengths
from ocr_serving.stages.orientation import TextClassifier, is_turned, turned
from ocr_serving.stages.page import ReadPage, UprightPage, unread
from ocr_serving.stages.page_orientation import (
    NO_GUESS,
    PageClassifier,
    Turn,
    check_loaded,
    is_on_its_head,
    may_be_on_its_head,
    page_classifier,
    part_with_text,
    turn_of,
    turned_upright,
)
from ocr_serving.stages.reading_order import reading_order
from ocr_serving.stages.recognition import PlacedText
from ocr_serving.stages.words import Reading, Span, characters, quad_of, words

read_params = params_beside(__file__)

Cut = Callable[[Image, Quad], Image]
"""How the picture of a line is taken from a page."""


class TextPart(TypedDict):
    """A word or a character of a line: text, confidence, corners [x, y] as those of the line, whose slope it follows."""

    text: str
    confidence: float
    text_region: list[list[int]]


class TextLine(TypedDict):
    """One line: text, mean confidence of its characters, corners [x, y] in pixels, clockwise from top left of the text.

    `angle` is there while the angle classifier is on, `page_angle` where the page lies turned: by that many degrees, clockwise;
    `words` and `chars`, from left to right, where they are asked for.
    """

    text: str
    confidence: float
    text_region: list[list[int]]
    angle: NotRequired[str]
    page_angle: NotRequired[int]
    words: NotRequired[list[TextPart]]
    chars: NotRequired[list[TextPart]]


class Placed(NamedTuple):
    """A word, or a character, of a line: what it says, its confidence, 0 to 1, and its corners, float32 of shape (4, 2)."""

    text: str
    confidence: float
    quad: NDArray[np.float32]


class Parts(NamedTuple):
    """What of a line is told beside its text."""

    words: bool = False
    chars: bool = False


@moduleinfo(name="ocr_system", version="1.0.0", summary="Detection, angle classification, recognition", type="cv/text_recognition")
class OCRSystem(Module):
    """Detection, angle classification and recognition in one."""

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
        options = engine_options(
            use_gpu=use_gpu,
            enable_mkldnn=enable_mkldnn,
            use_tensorrt=self.params.use_tensorrt,
            cpu_threads=cpu_threads,
            engine=engine,
            gpu_mem=gpu_mem,
            precision=precision,
        )
        self.detector = TextDetector(self.params, self.model(self.params.det_model_dir), options)
        self.recognizer = Recognizers(self.params, options, self.model)
        self.classifier: TextClassifier | None = None
        if self.params.use_angle_cls:
            self.classifier = TextClassifier(self.params, self.model(self.params.cls_model_dir), options)
        self.orienter: PageClassifier | None = None
        if self.params.turns_pages:
            self.orienter = page_classifier(self.params, self.model, options)

    def merge_configs(self) -> OCRParams:
        """params.py with the overrides of config.json."""
        return OCRParams.read(read_params(), self.params_overrides, self.root)

    def predict(
        self,
        images: Sequence[Image | None] = (),
        paths: Sequence[str] = (),
        *,
        det_limit_side_len: SideLength | None = None,
        det_limit_type: LimitType | None = None,
        det_db_thresh: Score | None = None,
        det_db_box_thresh: Score | None = None,
        det_db_unclip_ratio: UnclipRatio | None = None,
        use_angle_cls: bool | None = None,
        reading_order: ReadingOrder | None = None,
        det_pieces: bool | None = None,
        use_doc_orientation_classify: bool | None = None,
        drop_score: Score | None = None,
        lang: Lang | None = None,
        return_words: Annotated[bool, Field(description="Add to each line its `words`, each with corners and confidence.")] = False,
        return_chars: Annotated[bool, Field(description="Add to each line its `chars`, each with corners and confidence.")] = False,
    ) -> list[list[TextLine]]:
        """The lines of each image, in reading order, without those under `drop_score`; [] for an image that is None."""
        params = self.params.updated(
            det_limit_side_len=det_limit_side_len,
            det_limit_type=det_limit_type,
            det_db_thresh=det_db_thresh,
            det_db_box_thresh=det_db_box_thresh,
            det_db_unclip_ratio=det_db_unclip_ratio,
            use_angle_cls=use_angle_cls,
            reading_order=reading_order,
            det_pieces=det_pieces,
            use_doc_orientation_classify=use_doc_orientation_classify,
            drop_score=drop_score,
        )
        self.check(params, use_doc_orientation_classify=use_doc_orientation_classify)
        self.recognizer.choose_for_request(lang)
        pages = enumerate(self.in_time(self.read(images, paths)))
        parts = Parts(return_words, return_chars)
        return [[] if image is None else self._lines(image, params, f"results[{n}]", parts) for n, image in pages]

    def check(self, params: OCRParams, *, use_doc_orientation_classify: bool | None = None) -> None:
        """Raises InputError where `params`, or a request's own word on pages that lie turned, need what was not loaded."""
        if params.use_angle_cls and self.classifier is None:
            raise InputError(
                "use_angle_cls: this service loaded no angle classifier; start it with use_angle_cls = True in params.py."
            )
        check_loaded(self.orienter, asked=use_doc_orientation_classify)

    def _lines(self, image: Image, params: OCRParams, where: str, parts: Parts) -> list[TextLine]:
        page = self.page(image, params, where)
        lines: list[TextLine] = []
        for index, (quad, said) in enumerate(zip(page.quads, page.texts, strict=True)):
            if said.confidence >= params.drop_score:
                line: TextLine = {
                    "text": said.text,
                    "confidence": said.confidence,
                    "text_region": page.as_sent(quad).astype(int).tolist(),
                }
                if page.angles is not None:
                    line["angle"] = page.angles[index].label
                if page.turn:
                    line["page_angle"] = page.turn
                if parts.words or parts.chars:
                    self._tell_parts(line, page, index, params, parts)
                lines.append(line)
        return lines

    def _tell_parts(self, line: TextLine, page: ReadPage, index: int, params: OCRParams, parts: Parts) -> None:
        """Add its words and characters to a line of `page`."""

        def told(found: Sequence[Placed]) -> list[TextPart]:
            regions = [np.rint(page.as_sent(part.quad)).astype(int).tolist() for part in found]
            return [
                {"text": part.text, "confidence": part.confidence, "text_region": region}
                for part, region in zip(found, regions, strict=True)
            ]

        if not isinstance(page.texts[index], PlacedText):
            return
        if parts.words:
            line["words"] = told(self.words(page, index, params))
        if parts.chars:
            line["chars"] = told(self.words(page, index, params, pieces=characters))

    def words(
        self, page: ReadPage, index: int, params: OCRParams | None = None, pieces: Callable[[Reading, Image], list[Span]] = words
    ) -> list[Placed]:
        """The words of a line of `page`, or other `pieces` of it, from its left to its right, in pixels of the upright page.

        [] where the recogniser tells no places.
        """
        params = params or self.params
        said, quad = page.texts[index], page.quads[index]
        if not isinstance(said, PlacedText):
            return []
        picture = crop(page.image, quad)
        upside_down = page.angles is not None and is_turned(page.angles[index], params.cls_thresh)
        if page.angles is not None:
            picture = turned(picture, page.angles[index], params.cls_thresh)
        height, width = picture.shape[:2]

        def part(span: Span) -> Placed:
            text = bidi.logical(span.text) if params.text_direction == "logical" else span.text
            if upside_down:
                left, right, top, bottom = width - span.right, width - span.left, height - span.bottom, height - span.top
                span = span._replace(left=left, right=right, top=top, bottom=bottom)
            return Placed(text, span.confidence, quad_of(span, quad, (height, width)))

        return [part(span) for span in pieces(said.reading, picture)]

    def page(self, image: Image, params: OCRParams | None = None, where: str = "the page", cut: Cut = crop) -> ReadPage:
        """`image` set upright, and all that is written on it, of any confidence; `warnings` says of `where` what is to be said.

        `cut` takes the picture of a line from the page.
        """
        params = params or self.params
        found = self._found(image, params)
        page = self._read(found, params, cut)
        if self.orienter and params.turns_pages and not page.turn and may_be_on_its_head(page.confidence, page.letters):
            with self.stage("orient"):
                on_its_head = is_on_its_head(image, page.quads, self.recognizer)
            if on_its_head and self._is_known_on_its_head(image, page):
                page = self._read(self._looked_at(image, 180, params), params, cut)
        missing = unread(page, params.drop_score) if params.says_unread else ""
        self.warnings += [f"{where}: {remark}" for remark in (*page.remarks, missing) if remark]
        return page

    def upright(self, image: Image, where: str = "the page", params: OCRParams | None = None) -> UprightPage:
        """`image` set upright; its lines are found only where it does not look upright already."""
        params = params or self.params
        with self.stage("orient"):
            looks_upright = not (self.orienter and params.turns_pages and self.orienter(image).argmax())
        page = UprightPage(image, 0, (image.shape[0], image.shape[1])) if looks_upright else self._found(image, params)
        self.warnings += [f"{where}: {remark}" for remark in page.remarks]
        return page

    def _found(self, image: Image, params: OCRParams) -> UprightPage:
        """The lines of `image`, set upright."""
        page = self._looked_at(image, 0, params)
        if self.orienter is None or not params.turns_pages:
            return page
        with self.stage("orient"):
            guess = self.orienter(image)
            if page.quads and guess.max() < NO_GUESS:
                guess = self.orienter(part_with_text(image, page.quads))
            turn = turn_of(image, page.quads, guess, self.recognizer)
            if turn == 180 and not self._is_known_on_its_head(image, page):
                turn = 0
        return self._looked_at(image, turn, params) if turn else page

    def _is_known_on_its_head(self, image: Image, page: UprightPage) -> bool:
        """Whether the lines of `page`, which was not turned, may be of a script that the network knows when they are.

        Some letters of Hebrew read well on their heads, as Latin capitals do: what they say tells nothing of how the page lies.
        """
        over = [np.ascontiguousarray(np.rot90(crop(image, quad), 2)) for quad in page.quads]
        return not self.recognizer.is_foreign(over)

    def _looked_at(self, image: Image, turn: Turn, params: OCRParams) -> UprightPage:
        """The lines of the page that `image` shows turned by `turn`."""
        with self.stage("detect"):
            page = turned_upright(image, turn)
            found = self.detector.find(page, params)
            lines = in_readable_lengths(page, found.quads) if params.in_pieces else found.quads
            quads = reading_order(lines, legacy=params.legacy_order)
        return UprightPage(page, turn, (image.shape[0], image.shape[1]), quads, found.remark)

    def _read(self, page: UprightPage, params: OCRParams, cut: Cut) -> ReadPage:
        """What the lines of `page` say."""
        if cut is crop and params.in_pieces and is_skewed(page.quads):
            cut = sharp_crop
        with self.stage("detect"):
            crops = [cut(page.image, quad) for quad in page.quads]
        angles = None
        if self.classifier and params.use_angle_cls:
            with self.stage("classify"):
                angles = self.classifier(crops)
                crops = [turned(line, angle, params.cls_thresh) for line, angle in zip(crops, angles, strict=True)]
        with self.stage("recognize"):
            reading = self.recognizer.read(crops)
        return ReadPage(**vars(page), texts=reading.texts, crops=crops, angles=angles, reading_remark=reading.remark)

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[TextLine]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    OCRSystem.main()
