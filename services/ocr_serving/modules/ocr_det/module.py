"""ocr_det: finds the lines of text on a page."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from ocr_serving.config.params import DetectionParams, LimitType, ReadingOrder, Score, SideLength, UnclipRatio
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.stages.detection import TextDetector
from ocr_serving.stages.reading_order import reading_order

read_params = params_beside(__file__)


class TextBox(TypedDict):
    """One line: its four corners [x, y], clockwise from the top left, in pixels of the image."""

    text_region: list[list[int]]


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
        )
        pages = enumerate(self.in_time(self.read(images, paths)))
        return [[] if image is None else self._boxes(image, params, f"results[{n}]") for n, image in pages]

    def _boxes(self, image: Image, params: DetectionParams, where: str) -> list[TextBox]:
        with self.stage("detect"):
            found = self.detector.find(image, params)
            quads = reading_order(found.quads, legacy=params.legacy_order)
        if found.remark:
            self.warnings.append(f"{where}: {found.remark}")
        return [{"text_region": quad.astype(int).tolist()} for quad in quads]

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[TextBox]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    OCRDet.main()
