"""kie_ser: reads a page and says of each line whether it is a question, an answer, a header or none of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired

from typing_extensions import TypedDict

from ocr_serving.config.langs import Lang
from ocr_serving.config.params import KieParams, OCRParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.modules.ocr_system.module import OCRSystem
from ocr_serving.stages.kie import EntityLabeller, Window, rectangle
from ocr_serving.stages.page import ReadPage

read_params = params_beside(__file__)


class Item(TypedDict):
    """A line: text, corners [x, y] in pixels, clockwise from top left, the upright box around them, confidence, label.

    `transcription` is `text` and `points` is `text_region`, for clients of either name. `pred` is a label or "O", `pred_id` the
    number of its B- class.
    """

    transcription: str
    text: str
    points: list[list[int]]
    text_region: list[list[int]]
    bbox: list[int]
    confidence: float
    pred_id: int
    pred: str


class Entities(TypedDict):
    """One image: its lines in reading order, and where the page lies turned by how many degrees, clockwise."""

    ser_res: list[Item]
    page_angle: NotRequired[int]


class Labelled(NamedTuple):
    """A page as it was read, its items in pixels of the image that was sent, and the windows they were labelled in."""

    page: ReadPage
    items: list[Item]
    windows: list[Window]


@moduleinfo(name="kie_ser", version="1.0.0", summary="Labels of the lines of a form", type="cv/text_recognition")
class KieSer(Module):
    """OCR, then semantic entity recognition."""

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
        self.labeller = EntityLabeller(self.params, self.model(self.params.ser_model_dir), options)
        self.ocr = OCRSystem(init_args=init_args | {"precision": precision}, params=self.params.only(OCRParams), parent=self)

    def merge_configs(self) -> KieParams:
        """params.py with the overrides of config.json."""
        return KieParams.read(read_params(), self.params_overrides, self.root)

    def predict(
        self, images: Sequence[Image | None] = (), paths: Sequence[str] = (), *, lang: Lang | None = None
    ) -> list[Entities | list[Item]]:
        """The labelled lines of each image; [] for an image that is None."""
        self.ocr.recognizer.choose_for_request(lang)
        pages = enumerate(self.in_time(self.read(images, paths)))
        return [[] if image is None else self._entities(image, f"results[{n}]") for n, image in pages]

    def _entities(self, image: Image, where: str) -> Entities:
        found = self.labelled(image, where)
        answer: Entities = {"ser_res": found.items}
        if found.page.turn:
            answer["page_angle"] = found.page.turn
        return answer

    def label(self, image: Image) -> tuple[list[Item], list[Window]]:
        """The items and windows of `labelled`: what copies of kie_ser_re made for 0.1 ask for."""
        found = self.labelled(image)
        return found.items, found.windows

    def labelled(self, image: Image, where: str = "the page") -> Labelled:
        """The lines of one image, and how they were labelled: on the upright page."""
        page = self.ocr.page(image, where=where)
        sure = [n for n, text in enumerate(page.texts) if text.confidence >= self.ocr.params.drop_score]
        quads = [page.quads[n].astype(int).tolist() for n in sure]
        with self.stage("label"):
            windows, labels = self.labeller(page.image, [page.texts[n].text for n in sure], [rectangle(quad) for quad in quads])
        lines = [(page.texts[n], page.as_sent(page.quads[n]).astype(int).tolist()) for n in sure]
        items: list[Item] = [
            {
                "transcription": said.text,
                "text": said.text,
                "points": region,
                "text_region": region,
                "bbox": [int(value) for value in rectangle(region)],
                "confidence": said.confidence,
                "pred_id": label.id,
                "pred": label.name,
            }
            for (said, region), label in zip(lines, labels, strict=True)
        ]
        return Labelled(page, items, windows)

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[Entities | list[Item]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    KieSer.main()
