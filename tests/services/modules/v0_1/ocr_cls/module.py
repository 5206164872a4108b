"""ocr_cls: tells which way up a line of text is."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.images import Image
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.params import ClassifierParams
from ocr_serving.stages.orientation import TextClassifier

read_params = params_beside(__file__)


class LineAngle(TypedDict):
    """One image: a label of label_list, "0" or "180" degrees, and how sure of it, 0 to 1."""

    angle: str
    confidence: float


@moduleinfo(name="ocr_cls", version="1.0.0", summary="Text angle classification", type="cv/text_recognition")
class OCRCls(Module):
    """Text angle classification."""

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
        self.classifier = TextClassifier(self.params, self.model(self.params.cls_model_dir), options)

    def merge_configs(self) -> ClassifierParams:
        """params.py with the overrides of config.json."""
        return ClassifierParams.read(read_params(), self.params_overrides, self.root)

    def predict(self, images: Sequence[Image | None] = (), paths: Sequence[str] = ()) -> list[list[LineAngle]]:
        """One list for the whole request, with one item for each image; an image that is None has angle ""."""
        lines = self.read(images, paths)
        with self.stage("classify"):
            angles = iter(self.classifier([line for line in lines if line is not None]))
        unknown: LineAngle = {"angle": "", "confidence": 0.0}
        return [[unknown if line is None else self._item(*next(angles)) for line in lines]]

    def _item(self, angle: str, confidence: float) -> LineAngle:
        return {"angle": angle, "confidence": confidence}

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[LineAngle]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    OCRCls.main()
