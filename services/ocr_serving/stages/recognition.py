"""Text recognition with a CTC network: crops of lines in, text and confidence out.

Follows PaddleOCR 2.10 (`predict_rec.py`, `CTCLabelDecode`). The network is described in Du et al., "SVTR: Scene Text Recognition
with a Single Visual Model", IJCAI 2022, the decoding in Graves et al., "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocr_serving import models
from ocr_serving.config.params import RecognitionParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import CTC_CLASSES, Ctc, EngineOptions, PixelInput, PixelNetwork, Pixels, onnx_metadata, open_for_pixels
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages import bidi
from ocr_serving.stages.charsets import classes_of
from ocr_serving.stages.lexicon import hinted, lexicon
from ocr_serving.stages.long_lines import readable_parts
from ocr_serving.stages.orientation import LINE_STEPS, line_pixels, line_width
from ocr_serving.stages.scripts import known_to
from ocr_serving.stages.words import Reading, is_read, joined, spaced

WIDTH_STEP = 32
"""Tight widths are multiples of this, so that few different shapes reach the engine."""

MAX_WIDTH = 3200
"""Lines longer than this, at the network's height, are squeezed into it: the bound PaddleX exports its recognisers with."""

BLANK = 0

EVIDENCE = (" ", *string.digits, *string.ascii_letters)
"""Characters whose probabilities are asked for beside the best, where a model knows them: the space first."""

NOTHING = Reading([], 0.0, *(np.zeros(0, np.float32),) * 2, np.zeros((0, 0), np.float32))
"""What a line without characters says."""


class Text(NamedTuple):
    """What a line says, and the mean confidence of its characters, 0 to 1."""

    text: str
    confidence: float


class PlacedText(Text):
    """A line that knows where its characters stand: `reading` has them from left to right, whatever the order of the text."""

    reading: Reading

    @classmethod
    def of(cls, text: str, reading: Reading) -> PlacedText:
        """`text`, which is what `reading` says, in one order or another."""
        line = cls(text, reading.confidence)
        line.reading = reading
        return line


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
        self.characters: list[str] = []
        self.told: list[str] = []
        ctc = self._before_loading(model, options)
        self.network = self._opened(model, options, ctc)
        # Blank lines: a network that takes other shapes fails now and not in service, and Paddle tells its classes.
        self.step = width / self._steps(height, width)
        """Pixels of the network's input for each of its answers."""
        listed = self._listed(self.network.metadata, model)
        if not ctc.kept and listed != self.characters:
            # A Paddle file tells its classes by a run alone, and they were not those that its dictionary lets one expect.
            self.characters = listed
            self.network = self._opened(model, options, self._asked())
        if self.network.may_widen and self.step * self._steps(height, width // 2) != width // 2:
            # Where shapes are few a line is given a wider one; the widest is as wide as it says.
            self.step = MAX_WIDTH / self._steps(height, MAX_WIDTH)
        self.reorders = params.text_direction == "logical" and bidi.has_right_to_left(self.characters)

    @cached_property
    def scripts(self) -> frozenset[str]:
        """The scripts whose letters it knows, see `scripts.LETTERS`."""
        return known_to(self.characters)

    def __call__(self, crops: Sequence[Image]) -> list[Text]:
        """What each crop says, in their order, see `read`; Arabic and Hebrew in the order in which they are read."""
        lines = self.read(crops)
        return [PlacedText.of(bidi.logical(line.text) if self.reorders else line.text, line) for line in lines]

    def read(self, crops: Sequence[Image]) -> list[Reading]:
        """What each crop says, and where its characters stand, in their order.

        The crops are taken for the lines of one page: what is surely read among them tells its language.
        """
        lines = self._decoded(crops) if self.params.rec_width == "legacy" else self._whole(crops)
        if self.params.rec_width == "tight":
            for n, (line, crop) in enumerate(zip(lines, crops, strict=True)):
                if not is_read(line, *crop.shape[:2]):
                    lines[n] = line._replace(confidence=0.0)
        # Without what the network told of other letters there is nothing to choose from, and the words need not be loaded.
        return hinted(lines, self.told, lexicon(self.params.lexicon)) if self.params.lexicon and self.told else lines

    def _whole(self, crops: Sequence[Image]) -> list[Reading]:
        """What the crops say; one that is too long for the network is read in parts."""
        cut = [readable_parts(crop) for crop in crops]
        read = iter(self._decoded([part for parts in cut for _, part in parts]))
        return [joined([(left, next(read)) for left, _ in parts]) for parts in cut]

    def _opened(self, model: Path, options: EngineOptions, ctc: Ctc) -> PixelNetwork:
        height = self.params.rec_image_shape[1]
        return open_for_pixels(model, options, PixelInput("recognition", (height, 0), LINE_STEPS), greedy_ctc=ctc)

    def _steps(self, height: int, width: int) -> int:
        """How many answers a blank line of that size has."""
        ((ids, *_),) = self.network.run([Pixels(np.zeros((height, width, 3), np.uint8), height, width)])
        return len(ids)

    def _decoded(self, crops: Sequence[Image]) -> list[Reading]:
        lines: list[Reading] = [NOTHING] * len(crops)
        height = self.params.rec_image_shape[1]
        plan = batches([(crop.shape[0], crop.shape[1]) for crop in crops], self.params)
        placed = [(index, batch.width) for batch in plan for index in batch.indices]
        pixels = (line_pixels(crops[index], height, width) for index, width in placed)
        for (index, width), outputs in zip(placed, self.network.run(pixels, self.params.rec_batch_num), strict=True):
            rows, columns = crops[index].shape[:2]
            lines[index] = self._reading(outputs, columns, line_width(rows, columns, height, width))
        return lines

    def _reading(self, outputs: Sequence[NDArray[Any]], columns: int, own: int) -> Reading:
        """A crop of so many columns, which fill `own` pixels of the network's input."""
        ids, scores = outputs[:2]
        line = located(ids, scores, outputs[2] if self.told else None, self.characters, self.step * columns / own)
        if not self.told or not self.params.puts_spaces:
            return line.reading
        return spaced(line.reading, line.spaces)

    def _before_loading(self, model: Path, options: EngineOptions) -> Ctc:
        """What to ask the network for, which its classes tell if the file does; sets `characters`, with them, and `told`."""
        metadata = onnx_metadata(model, options)
        if metadata is None or CTC_CLASSES not in metadata:
            if self.params.charset is not None:
                raise ConfigError(f"charset needs an ONNX model that states its classes, and {model} does not: remove charset.")
            self.characters = self._listed(metadata or {}, model)
            return self._asked()
        characters = self._listed(metadata, model)
        kept: tuple[int, ...] = ()
        if self.params.charset is not None:
            kept = classes_of(self.params.charset, characters)
            characters = [characters[index] for index in kept]
        self.characters = characters
        return self._asked(kept)

    def _asked(self, kept: tuple[int, ...] = ()) -> Ctc:
        """What to ask the network for, beside the best class: the evidence for spaces and words, which sets `told`."""
        if not self.params.puts_spaces and self.params.lexicon is None:
            return Ctc(kept)
        column = {character: index for index, character in enumerate(self.characters)}
        self.told = [character for character in EVIDENCE if character in column]
        return Ctc(kept, tuple(column[character] for character in self.told))

    def _listed(self, metadata: Mapping[str, str], model: Path) -> list[str]:
        classes = metadata.get(CTC_CLASSES)
        listed = dictionary(self.params, metadata, model)
        return with_blank_and_space(listed, int(classes) if classes else None, self.params, str(model))


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


class Located(NamedTuple):
    """A line, and for each two neighbours of its characters the probability of a space between them, at its surest step."""

    reading: Reading
    spaces: NDArray[np.float32]


def located(ids: NDArray[Any], scores: NDArray[Any], told: NDArray[Any] | None, characters: Sequence[str], step: float) -> Located:
    """Greedy CTC: `ids`, the best class of each step, without repeats and blanks, and what is left of `scores`, with their places.

    `told`, float32 of shape (T, K), are the probabilities of some classes, the first the space's. A step is that many pixels of the
    crop.
    """
    kept = ids != BLANK
    kept[1:] &= ids[1:] != ids[:-1]
    at = np.flatnonzero(kept)
    if not len(at):
        return Located(NOTHING, np.zeros(0, np.float32))
    texts = [characters[index] for index in ids[at].tolist()]
    evidence = np.zeros((len(at), 0), np.float32) if told is None else told[at]
    spaces = np.zeros(len(at) - 1, np.float32)
    if told is not None and len(at) > 1:
        # Of the steps up to the last character, those from each character on; the next one's own step has no space.
        spaces = np.maximum.reduceat(told[: at[-1], 0], at[:-1]).astype(np.float32)
    centres = ((at + 0.5) * step).astype(np.float32)
    return Located(Reading(texts, float(scores[at].mean()), centres, scores[at], evidence), spaces)


def decoded(ids: NDArray[Any], scores: NDArray[Any], characters: Sequence[str]) -> Text:
    """What `located` reads, and the mean of its scores."""
    line = located(ids, scores, None, characters, 1.0).reading
    return Text(line.text, line.confidence)


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
