"""ocr_system: reads pages: detection, angle classifier, recognition."""

from collections.abc import Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.errors import InputError
from ocr_serving.images import Image
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.params import LimitType, OCRParams, Score, SideLength, UnclipRatio
from ocr_serving.stages.detection import TextDetector
from ocr_serving.stages.geometry import crop, reading_order
from ocr_serving.stages.orientation import TextClassifier, turned
from ocr_serving.stages.recognition import TextRecognizer

read_params = params_beside(__file__)


class TextLine(TypedDict):
    """One line: text, mean confidence of its characters, corners [x, y] in pixels, clockwise from top left, angle if asked for."""

    text: str
    confidence: float
    text_region: list[list[int]]
    angle: NotRequired[str]


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
        return [[] if image is None else self._lines(image, params) for image in self.read(images, paths)]

    def _lines(self, image: Image, params: OCRParams) -> list[TextLine]:
        with self.stage("detect"):
            quads = reading_order(self.detector(image, params))
            crops = [crop(image, quad) for quad in quads]
        angles = None
        if self.classifier and params.use_angle_cls:
            with self.stage("classify"):
                angles = self.classifier(crops)
                crops = [turned(line, angle, params.cls_thresh) for line, angle in zip(crops, angles, strict=True)]
        with self.stage("recognize"):
            texts = self.recognizer(crops)
        lines: list[TextLine] = []
        for index, (quad, (text, confidence)) in enumerate(zip(quads, texts, strict=True)):
            if confidence >= params.drop_score:
                line: TextLine = {"text": text, "confidence": confidence, "text_region": quad.astype(int).tolist()}
                if angles is not None:
                    line["angle"] = angles[index].label
                lines.append(line)
        return lines

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[TextLine]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    OCRSystem.main()
