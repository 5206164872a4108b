"""Text recognition with a CTC network: crops of lines in, text and confidence out.

Follows PaddleOCR 2.10 (`predict_rec.py`, `CTCLabelDecode`). The network is described in Du et al., "SVTR: Scene Text Recognition
with a Single Visual Model", IJCAI 2022, the decoding in Graves et al., "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocr_serving import models
from ocr_serving.config.params import RecognitionParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import CTC_CLASSES, EngineOptions, PixelEngine, PixelInput, Pixels, open_engine
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages import bidi
from ocr_serving.stages.orientation import LINE_STEPS, lines_input, scaled_line

WIDTH_STEP = 32
"""Tight widths are multiples of this, so that few different shapes reach the engine."""

MAX_WIDTH = 3200
"""Lines longer than this, at the network's height, are squeezed into it: the bound PaddleX exports its recognisers with."""

BLANK = 0


class Text(NamedTuple):
    """What a line says, and the mean confidence of its characters, 0 to 1."""

    text: str
    confidence: float


class Batch(NamedTuple):
    """Crops, by index, that go through the network together, padded to `width` pixels."""

    indices: list[int]
    width: int


class TextRecognizer:
    """Reads lines of text."""

    def __init__(self, params: RecognitionParams, model: Path, options: EngineOptions) -> None:
        """Load the network and its dictionary. Raises ConfigError, or ModelError where the two do not fit."""
        self.params = params
        height, width = params.rec_image_shape[1:]
        source = PixelInput("recognition", (height, 0), LINE_STEPS)
        self.engine = open_engine(model, options, greedy_ctc=True, pixels=source)
        # A blank line: a network that takes other shapes fails now and not in service, and Paddle tells its classes.
        if isinstance(self.engine, PixelEngine):
            self.engine.run_pixels([Pixels(np.zeros((height, width, 3), np.uint8), height, width)])
        else:
            self.engine.run(np.zeros((1, *params.rec_image_shape), np.float32))
        classes = self.engine.metadata.get(CTC_CLASSES)
        listed = dictionary(params, self.engine.metadata, model)
        self.characters = with_blank_and_space(listed, int(classes) if classes else None, params, str(model))
        self.reorders = params.text_direction == "logical" and bidi.has_right_to_left(self.characters)

    def __call__(self, crops: Sequence[Image]) -> list[Text]:
        """What each crop says, in their order; Arabic and Hebrew in the order in which they are read."""
        texts = self._read(crops)
        return [Text(bidi.logical(text), confidence) for text, confidence in texts] if self.reorders else texts

    def _read(self, crops: Sequence[Image]) -> list[Text]:
        texts = [Text("", 0.0)] * len(crops)
        sizes = [(crop.shape[0], crop.shape[1]) for crop in crops]
        height = self.params.rec_image_shape[1]
        if isinstance(self.engine, PixelEngine):
            widths = {index: batch.width for batch in batches(sizes, self.params) for index in batch.indices}
            rows = [Pixels(scaled_line(crop, height, widths[n]), height, widths[n]) for n, crop in enumerate(crops)]
            return [decoded(ids, scores, self.characters) for ids, scores in self.engine.run_pixels(rows)]
        for batch in batches(sizes, self.params):
            ids, scores = self.engine.run(lines_input([crops[index] for index in batch.indices], height, batch.width))
            for index, line_ids, line_scores in zip(batch.indices, ids, scores, strict=True):
                texts[index] = decoded(line_ids, line_scores, self.characters)
        return texts


def batches(sizes: Sequence[tuple[int, int]], params: RecognitionParams) -> Iterator[Batch]:
    """Group crops of the given sizes (height, width), narrow ones first, into batches of `rec_batch_num` and one width each.

    "tight": only crops of one padded width share a batch. "legacy": neighbours do, padded to the widest of them and
    at least to `rec_image_shape`.
    """
    _, height, least = params.rec_image_shape
    ratios = [columns / rows for rows, columns in sizes]
    order = sorted(range(len(sizes)), key=ratios.__getitem__)
    if params.rec_width == "legacy":
        for start in range(0, len(order), params.rec_batch_num):
            indices = order[start : start + params.rec_batch_num]
            widest = max(least / height, *(ratios[index] for index in indices))
            yield Batch(indices, min(MAX_WIDTH, int(height * widest)))
        return
    pending = Batch([], 0)
    for index in order:
        width = tight_width(ratios[index], height)
        if pending.indices and (width != pending.width or len(pending.indices) == params.rec_batch_num):
            yield pending
            pending = Batch([], 0)
        pending = Batch([*pending.indices, index], width)
    if pending.indices:
        yield pending


def tight_width(ratio: float, height: int) -> int:
    """Pixels to pad a crop of that width / height ratio to."""
    return min(MAX_WIDTH, math.ceil(math.ceil(height * ratio) / WIDTH_STEP) * WIDTH_STEP)


def decoded(ids: NDArray[Any], scores: NDArray[Any], characters: Sequence[str]) -> Text:
    """Greedy CTC: `ids`, the best class of each step, without repeats and blanks, and the mean of what is left of `scores`."""
    kept = ids != BLANK
    kept[1:] &= ids[1:] != ids[:-1]
    classes: list[int] = ids[kept].tolist()
    if not classes:
        return Text("", 0.0)
    return Text("".join([characters[index] for index in classes]), float(scores[kept].mean()))


def dictionary(params: RecognitionParams, metadata: Mapping[str, str], model: Path) -> list[str]:
    """The characters a recogniser tells apart: from `rec_char_dict_path`, else the model file's metadata, else a file beside it.

    Raises ConfigError where `rec_char_dict_path` is not there, ModelError where there is no dictionary.
    """
    if params.rec_char_dict_path is not None:
        path = Path(params.rec_char_dict_path).expanduser()
        if not path.is_file():
            raise ConfigError(f"rec_char_dict_path: there is no file {path}; correct it, or set it to None for the model's own.")
        return models.read_dictionary(path)
    if "character" in metadata:
        return listed_characters(metadata["character"])
    listed = models.dictionary(model)
    if listed is None:
        raise ModelError(f"{model} carries no dictionary: set rec_char_dict_path to a file with its characters, one a line.")
    return listed


def listed_characters(text: str) -> list[str]:
    """Lines of a dictionary. Only line feeds end a line: other separators of Unicode are characters a model may know."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def with_blank_and_space(listed: Sequence[str], classes: int | None, params: RecognitionParams, model: str) -> list[str]:
    """Characters by class: CTC's blank, the listed ones, the space of `use_space_char`. Some lists hold blank or space already.

    Raises ModelError where no reading of the list has `classes` entries.
    """
    plain = ["", *listed]
    readings = [[*plain, " "] if params.use_space_char else plain, plain, list(listed)]
    if classes is None:
        return readings[0]
    for reading in readings:
        if len(reading) == classes:
            return reading
    raise ModelError(
        f"The dictionary {params.rec_char_dict_path or 'of ' + model} has {len(listed)} characters ({len(readings[0])} classes "
        f"with blank and space), but the network {model} has {classes} classes: take the dictionary that belongs to it, "
        "and check use_space_char."
    )
