"""ocr_rec: reads images that each hold one line of text."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from ocr_serving.config.params import Lang, RecognitionParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.stages.languages import Recognizers
from ocr_serving.stages.sharpness import is_blank

read_params = params_beside(__file__)


class LineText(TypedDict):
    """One image: its text, and the mean confidence of the characters, 0 to 1."""

    text: str
    confidence: float


@moduleinfo(name="ocr_rec", version="1.0.0", summary="Text recognition", type="cv/text_recognition")
class OCRRec(Module):
    """Text recognition."""

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
        self.recognizer = Recognizers(self.params, options, self.model)

    def merge_configs(self) -> RecognitionParams:
        """params.py with the overrides of config.json."""
        return RecognitionParams.read(read_params(), self.params_overrides, self.root)

    def predict(
        self, images: Sequence[Image | None] = (), paths: Sequence[str] = (), *, lang: Lang | None = None
    ) -> list[list[LineText]]:
        """One list for the whole request, with one item for each image; an image that is None has text ""."""
        self.recognizer.choose_for_request(lang)
        lines = self.read(images, paths)
        with self.stage("recognize"):
            reading = self.recognizer.read([line for line in lines if line is not None])
        if reading.remark:
            self.warnings.append(f"the images, taken together, {reading.remark}")
        texts = iter(reading.texts)
        unknown: LineText = {"text": "", "confidence": 0.0}
        items = [unknown if line is None else self._item(*next(texts)) for line in lines]
        if self.params.says_unread:
            for n, (line, item) in enumerate(zip(lines, items, strict=True)):
                if line is not None and not item["text"]:
                    why = (
                        "it is blank, all of one colour" if is_blank(line) else "nothing was read on it: send it larger or sharper"
                    )
                    self.warnings.append(f"results[0][{n}]: {why}")
        return [items]

    def _item(self, text: str, confidence: float) -> LineText:
        return {"text": text, "confidence": confidence}

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[LineText]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    OCRRec.main()
