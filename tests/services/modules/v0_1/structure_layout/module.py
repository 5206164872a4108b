"""structure_layout: finds the regions of pages: text, titles, tables, figures, …"""

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from ocr_serving.engines import EngineName, engine_options
from ocr_serving.images import Image
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.params import LayoutParams, Score
from ocr_serving.stages.layout import LayoutDetector

read_params = params_beside(__file__)


class LayoutRegion(TypedDict):
    """One region: bbox x1, y1, x2, y2 in pixels, a label of `layout_dict_path`, and how sure the network is, 0 to 1."""

    bbox: list[float]
    label: str
    score: float


class PageLayout(TypedDict):
    """The regions of one image, by label, then by falling score."""

    layout: list[LayoutRegion]


@moduleinfo(name="structure_layout", version="1.0.0", summary="Layout analysis", type="cv/structure_layout")
class StructureLayout(Module):
    """Layout analysis."""

    def _initialize(
        self,
        use_gpu: bool = False,
        enable_mkldnn: bool = False,
        cpu_threads: int = 1,
        engine: EngineName = "auto",
        gpu_mem: int = 8000,
    ) -> None:
        self.params = self.merge_configs()
        options = engine_options(
            use_gpu=use_gpu,
            enable_mkldnn=enable_mkldnn,
            use_tensorrt=self.params.use_tensorrt,
            cpu_threads=cpu_threads,
            engine=engine,
            gpu_mem=gpu_mem,
        )
        self.detector = LayoutDetector(self.params, self.model(self.params.layout_model_dir), options)

    def merge_configs(self) -> LayoutParams:
        """params.py with the overrides of config.json."""
        return LayoutParams.read(read_params(), self.params_overrides, self.root)

    def predict(
        self,
        images: Sequence[Image | None] = (),
        paths: Sequence[str] = (),
        *,
        layout_score_threshold: Score | None = None,
        layout_nms_threshold: Score | None = None,
    ) -> list[PageLayout | list[LayoutRegion]]:
        """The regions of each image; [] for an image that is None."""
        params = self.params.updated(layout_score_threshold=layout_score_threshold, layout_nms_threshold=layout_nms_threshold)
        return [[] if image is None else self._layout(image, params) for image in self.read(images, paths)]

    def _layout(self, image: Image, params: LayoutParams) -> PageLayout:
        with self.stage("layout"):
            regions = self.detector(image, params)
        return {"layout": [{"bbox": list(region.box), "label": region.label, "score": region.score} for region in regions]}

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[PageLayout | list[LayoutRegion]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    StructureLayout.main()
