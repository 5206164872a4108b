"""ocr_det: finds the lines of text on a page."""

from collections.abc import Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ocr_serving.config.params import DetectionParams, LimitType, ReadingOrder, Score, SideLength, UnclipRatio
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.stages.detection import TextDetector
from ocr_serving.stages.page import UprightPage, nothing_found
from ocr_serving.stages.page_orientation import Turn, check_loaded, page_classifier, turn_by_boxes, turned_upright
from ocr_serving.stages.reading_order import reading_order

read_params = params_beside(__file__)


class TextBox(TypedDict):
    """One line: its four corners [x, y], clockwise from the top left of the text, in pixels of the image.

    `page_angle` is there where the page lies turned: by that many degrees, clockwise.
    """

    text_region: list[list[int]]
    page_angle: NotRequired[int]


@moduleinfo(name="ocr_det", version="1.0.0", summary="Text detection", type="cv/text_recognition")
class OCRDet(Module):
    """Text detection."""

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
        self.orienter = page_classifier(self.params, self.model, options) if self.params.turns_pages else None

    def merge_configs(self) -> DetectionParams:
        """params.py with the overrides of config.json."""
        return DetectionParams.read(read_params(), self.params_overrides, self.root)

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
        reading_order: ReadingOrder | None = None,
        det_pieces: bool | None = None,
        use_doc_orientation_classify: bool | None = None,
    ) -> list[list[TextBox]]:
        """The lines of each image, in reading order; [] for an image that is None."""
        params = self.params.updated(
            det_limit_side_len=det_limit_side_len,
            det_limit_type=det_limit_type,
            det_db_thresh=det_db_thresh,
            det_db_box_thresh=det_db_box_thresh,
            det_db_unclip_ratio=det_db_unclip_ratio,
            reading_order=reading_order,
            det_pieces=det_pieces,
            use_doc_orientation_classify=use_doc_orientation_classify,
        )
        check_loaded(self.orienter, asked=use_doc_orientation_classify)
        pages = enumerate(self.in_time(self.read(images, paths)))
        return [[] if image is None else self._boxes(image, params, f"results[{n}]") for n, image in pages]

    def _boxes(self, image: Image, params: DetectionParams, where: str) -> list[TextBox]:
        page = self._page(image, 0, params)
        if self.orienter and params.turns_pages:
            with self.stage("orient"):
                turn = turn_by_boxes(page.quads, self.orienter(image))
            if turn:
                page = self._page(image, turn, params)
        missing = nothing_found(image) if params.says_unread and not page.quads else ""
        self.warnings += [f"{where}: {remark}" for remark in (*page.remarks, missing) if remark]
        boxes: list[TextBox] = [{"text_region": page.as_sent(quad).astype(int).tolist()} for quad in page.quads]
        for box in boxes if page.turn else ():
            box["page_angle"] = page.turn
        return boxes

    def _page(self, image: Image, turn: Turn, params: DetectionParams) -> UprightPage:
        """The lines of the page that `image` shows turned by `turn`."""
        with self.stage("detect"):
            upright = turned_upright(image, turn)
            found = self.detector.find(upright, params)
            quads = reading_order(found.quads, legacy=params.legacy_order)
        return UprightPage(upright, turn, (image.shape[0], image.shape[1]), quads, found.remark)

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[TextBox]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    OCRDet.main()
