"""kie_ser_re: reads a form and says which answer belongs to which question."""

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from ocr_serving.config.langs import Lang
from ocr_serving.config.params import KieParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.modules.kie_ser.module import Item, KieSer
from ocr_serving.stages.kie import Label, RelationFinder

read_params = params_beside(__file__)


class Pairs(TypedDict):
    """One image: pairs of question and answer; all lines with their labels where they are asked for, in reading order.

    `page_angle` is where the page lies turned, by how many degrees, clockwise.
    """

    re_res: list[tuple[Item, Item]]
    items: NotRequired[list[Item]]
    page_angle: NotRequired[int]


@moduleinfo(name="kie_ser_re", version="1.0.0", summary="Questions and answers of a form", type="cv/text_recognition")
class KieSerRe(Module):
    """OCR, semantic entity recognition, then relation extraction."""

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
        init_args = {
            "use_gpu": use_gpu,
            "enable_mkldnn": enable_mkldnn,
            "cpu_threads": cpu_threads,
            "engine": engine,
            "gpu_mem": gpu_mem,
        }
        options = engine_options(**init_args, use_tensorrt=self.params.use_tensorrt)
        self.finder = RelationFinder(self.params, self.model(self.params.re_model_dir), options)
        self.ser = KieSer(init_args=init_args | {"precision": precision}, params=self.params.only(KieParams), parent=self)

    def merge_configs(self) -> KieParams:
        """params.py with the overrides of config.json."""
        return KieParams.read(read_params(), self.params_overrides, self.root)

    def predict(
        self,
        images: Sequence[Image | None] = (),
        paths: Sequence[str] = (),
        *,
        lang: Lang | None = None,
        return_items: Annotated[
            bool, Field(description="Answer all lines with their labels too, also those in no pair, as `items`.")
        ] = False,
    ) -> list[Pairs | list[Item]]:
        """The pairs of each image; [] for an image that is None. `return_items` adds `items`: all lines with their labels."""
        self.ser.ocr.recognizer.choose_for_request(lang)
        pages = enumerate(self.in_time(self.read(images, paths)))
        return [[] if image is None else self._pairs(image, f"results[{n}]", return_items) for n, image in pages]

    def _pairs(self, image: Image, where: str, return_items: bool) -> Pairs:
        page, items, windows = self.ser.labelled(image, where)
        with self.stage("relate"):
            pairs = self.finder(page.image, windows, [Label(item["pred"], item["pred_id"]) for item in items])
        answer: Pairs = {"re_res": [(items[question], items[reply]) for question, reply in pairs]}
        if return_items:
            answer["items"] = items
        if page.turn:
            answer["page_angle"] = page.turn
        return answer

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[Pairs | list[Item]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    KieSerRe.main()
