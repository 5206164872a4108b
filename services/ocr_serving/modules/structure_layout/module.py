"""structure_layout: finds the regions of pages: text, titles, tables, figures, …"""

from collections.abc import Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ocr_serving.config.params import LayoutParams, Score
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.stages.layout import LayoutDetector, Region
from ocr_serving.stages.page import UprightPage, nothing_found
from ocr_serving.stages.page_orientation import check_loaded, page_classifier, surely, turned_upright

read_params = params_beside(__file__)


class LayoutRegion(TypedDict):
    """One region: bbox x1, y1, x2, y2 in pixels, a label of `layout_dict_path`, and how sure the network is, 0 to 1."""

    bbox: list[float]
    label: str
    score: float


class PageLayout(TypedDict):
    """The regions of one image, by label, then by falling score.

    `page_angle` is there where the page lies turned: by that many degrees, clockwise.
    """

    layout: list[LayoutRegion]
    page_angle: NotRequired[int]


def _sureness(regions: Sequence[Region]) -> float:
    """How much of a page of text its regions are: the sum of their scores, without figures, which lie any way."""
    return float(sum(region.score for region in regions if region.label != "figure"))


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
        self.orienter = page_classifier(self.params, self.model, options) if self.params.turns_pages else None

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
        use_doc_orientation_classify: bool | None = None,
    ) -> list[PageLayout | list[LayoutRegion]]:
        """The regions of each image; [] for an image that is None."""
        params = self.params.updated(
            layout_score_threshold=layout_score_threshold,
            layout_nms_threshold=layout_nms_threshold,
            use_doc_orientation_classify=use_doc_orientation_classify,
        )
        check_loaded(self.orienter, asked=use_doc_orientation_classify)
        pages = enumerate(self.in_time(self.read(images, paths)))
        return [[] if image is None else self._layout(image, params, f"results[{n}]") for n, image in pages]

    def _layout(self, image: Image, params: LayoutParams, where: str) -> PageLayout:
        page = UprightPage(image, 0, (image.shape[0], image.shape[1]))
        with self.stage("layout"):
            regions = self.detector(image, params)
        if self.orienter and params.turns_pages:
            with self.stage("orient"):
                turn = surely(self.orienter(image))
            if turn:
                upright = turned_upright(image, turn)
                with self.stage("layout"):
                    better = self.detector(upright, params)
                # Nothing can be read here: the page is as the classifier says if its regions look more like it that way.
                if _sureness(better) > _sureness(regions):
                    page, regions = UprightPage(upright, turn, page.size), better
        missing = nothing_found(image, "region") if params.says_unread and not regions else ""
        self.warnings += [f"{where}: {remark}" for remark in (*page.remarks, missing) if remark]
        boxes = [page.box_as_sent(region.box) if page.turn else list(region.box) for region in regions]
        answer: PageLayout = {
            "layout": [
                {"bbox": box, "label": region.label, "score": region.score} for box, region in zip(boxes, regions, strict=True)
            ]
        }
        if page.turn:
            answer["page_angle"] = page.turn
        return answer

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[PageLayout | list[LayoutRegion]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    StructureLayout.main()
