"""ocr_rec: reads images that each hold one line of text."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from ocr_serving.config.langs import Lang
from ocr_serving.config.params import RecognitionParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineName, Precision, engine_options
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving
from ocr_serving.stages import bidi
from ocr_serving.stages.languages import Recognizers
from ocr_serving.stages.long_lines import is_too_long
from ocr_serving.stages.recognition import PlacedText, Text
from ocr_serving.stages.sharpness import is_blank
from ocr_serving.stages.words import Reading, Span, characters, words

read_params = params_beside(__file__)


class LinePart(TypedDict):
    """A word or a character of an image's line: text, confidence, 0 to 1, corners [x, y] in pixels, clockwise from the top left."""

    text: str
    confidence: float
    text_region: list[list[int]]


class LineText(TypedDict):
    """One image: its text, and the mean confidence of the characters, 0 to 1.

    `words` and `chars`, from left to right, where they are asked for.
    """

    text: str
    confidence: float
    words: NotRequired[list[LinePart]]
    chars: NotRequired[list[LinePart]]


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
        self,
        images: Sequence[Image | None] = (),
        paths: Sequence[str] = (),
        *,
        lang: Lang | None = None,
        return_words: Annotated[bool, Field(description="Add to each line its `words`, each with corners and confidence.")] = False,
        return_chars: Annotated[bool, Field(description="Add to each line its `chars`, each with corners and confidence.")] = False,
    ) -> list[list[LineText]]:
        """One list for the whole request, with one item for each image; an image that is None has text ""."""
        self.recognizer.choose_for_request(lang)
        lines = self.read(images, paths)
        with self.stage("recognize"):
            reading = self.recognizer.read([line for line in lines if line is not None])
        if reading.remark:
            self.warnings.append(f"the text of the images, taken together, {reading.remark}")
        texts = iter(reading.texts)
        items: list[LineText] = []
        for n, line in enumerate(lines):
            said = Text("", 0.0) if line is None else next(texts)
            item: LineText = {"text": said.text, "confidence": said.confidence}
            if return_words:
                item["words"] = self._told(line, said, words)
            if return_chars:
                item["chars"] = self._told(line, said, characters)
            if self.params.says_unread and line is not None and (why := _unread(line, said, understood=not reading.remark)):
                self.warnings.append(f"results[0][{n}]: {why}")
            items.append(item)
        return [items]

    def _told(self, line: Image | None, said: Text, pieces: Callable[[Reading, Image], list[Span]]) -> list[LinePart]:
        """The `pieces` of what `line` says; [] where that is nothing, or the recogniser tells no places."""
        parts: list[LinePart] = []
        for span in pieces(said.reading, line) if line is not None and isinstance(said, PlacedText) else []:
            left, right, top, bottom = (round(side) for side in (span.left, span.right, span.top, span.bottom))
            region = [[left, top], [right, top], [right, bottom], [left, bottom]]
            text = bidi.logical(span.text) if self.params.text_direction == "logical" else span.text
            parts.append({"text": text, "confidence": span.confidence, "text_region": region})
        return parts

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[list[LineText]]:
        """Answer for base64-encoded images."""
        return self.predict(self.decode(images), **kwargs)


def _unread(line: Image, said: Text, *, understood: bool) -> str:
    """Why little or nothing was read on a picture; "" where much was, or where what is said of them all tells why."""
    if not said.text and is_blank(line):
        return "it is blank, all of one colour"
    if is_too_long(line):
        ratio = line.shape[1] / max(1, line.shape[0])
        return f"it is {ratio:.0f} times as long as high, so that little of it can be read: send it larger, and in parts"
    return "nothing was read on it: send it larger or sharper" if understood and not said.text else ""


if __name__ == "__main__":
    OCRRec.main()
