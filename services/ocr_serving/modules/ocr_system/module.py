"""ocr_system: reads pages: detection, angle classifier, recognition."""

from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired

import numpy as np
from typing_extensions import TypedDict

from ocr_serving.config.params import LimitType, OCRParams, Score, SideLength, UnclipRatio
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.errors import InputError
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.stages.detection import TextDetector
from ocr_serving.stages.geometry import Quad, crop, reading_order
from ocr_serving.stages.orientation import TextClassifier, is_turned, turned
from ocr_serving.stages.recognition import TextRecognizer
from ocr_serving.stages.words import Span, characters, quad_of, words

read_params = params_beside(__file__)


class TextPart(TypedDict):
    """A word or a character of a line: text, confidence, corners [x, y] as those of the line, whose slope it follows."""

    text: str
    confidence: float
    text_region: list[list[int]]


class TextLine(TypedDict):
    """One line: text, mean confidence of its characters, corners [x, y] in pixels, clockwise from top left.

    The angle where a classifier runs, words and characters where they are asked for.
    """

    text: str
    confidence: float
    text_region: list[list[int]]
    angle: NotRequired[str]
    words: NotRequired[list[TextPart]]
    chars: NotRequired[list[TextPart]]


class Parts(NamedTuple):
    """What of a line is told beside its text."""

    words: bool
    chars: bool


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
        self.recognizer = TextRecognizer(self.params, self.model(self.params.rec_model_dir), options)
        self.classifier: TextClassifier | None = None
        if self.params.use_angle_cls:
            self.classifier = TextClassifier(self.params, self.model(self.params.cls_model_dir), options)

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
        drop_score: Score | None = None,
        return_words: bool = False,
        return_chars: bool = False,
    ) -> list[list[TextLine]]:
        """The lines of each image, in reading order, without those under `drop_score`; [] for an image that is None."""
        params = self.params.updated(
            det_limit_side_len=det_limit_side_len,
            det_limit_type=det_limit_type,
            det_db_thresh=det_db_thresh,
            det_db_box_thresh=det_db_box_thresh,
            det_db_unclip_ratio=det_db_unclip_ratio,
            use_angle_cls=use_angle_cls,
            drop_score=drop_score,
        )
        if params.use_angle_cls and self.classifier is None:
            raise InputError(
                "use_angle_cls: this service loaded no angle classifier; start it with use_angle_cls = True in params.py."
            )
        parts = Parts(return_words, return_chars)
        return [[] if image is None else self._lines(image, params, parts) for image in self.read(images, paths)]

    def _lines(self, image: Image, params: OCRParams, parts: Parts) -> list[TextLine]:
        with self.stage("detect"):
            quads = reading_order(self.detector(image, params))
            crops = [crop(image, quad) for quad in quads]
        angles = None
        if self.classifier and params.use_angle_cls:
            with self.stage("classify"):
                angles = self.classifier(crops)
                crops = [turned(line, angle, params.cls_thresh) for line, angle in zip(crops, angles, strict=True)]
        with self.stage("recognize"):
            readings = self.recognizer.read(crops)
        lines: list[TextLine] = []
        for index, (quad, reading) in enumerate(zip(quads, readings, strict=True)):
            if reading.confidence >= params.drop_score:
                line: TextLine = {
                    "text": reading.text,
                    "confidence": reading.confidence,
                    "text_region": quad.astype(int).tolist(),
                }
                if angles is not None:
                    line["angle"] = angles[index].label
                upside_down = angles is not None and is_turned(angles[index], params.cls_thresh)
                picture = crops[index]
                if parts.words:
                    line["words"] = [_part(span, quad, picture, upside_down) for span in words(reading, picture)]
                if parts.chars:
                    line["chars"] = [_part(span, quad, picture, upside_down) for span in characters(reading, picture)]
                lines.append(line)
        return lines

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[TextLine]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


def _part(span: Span, quad: Quad, picture: Image, upside_down: bool) -> TextPart:
    """A piece of the line in `quad`, whose picture was turned by 180° where it was `upside_down`."""
    height, width = picture.shape[:2]
    if upside_down:
        span = span._replace(left=width - span.right, right=width - span.left, top=height - span.bottom, bottom=height - span.top)
    region = np.rint(quad_of(span, quad, (height, width))).astype(int).tolist()
    return {"text": span.text, "confidence": span.confidence, "text_region": region}


if __name__ == "__main__":
    OCRSystem.main()
