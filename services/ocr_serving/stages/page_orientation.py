"""Which way up a page lies: 0, 90, 180 or 270 degrees, clockwise, by which it was turned.

A classifier guesses from a thumbnail, the lines' boxes say whether text runs along or up and down, and what a few lines say when
read either way decides. No page is turned on the guess alone: one that is upright stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.config.params import OrientationParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, PixelInput, Pixels, open_for_pixels
from ocr_serving.errors import ConfigError, InputError, ModelError
from ocr_serving.stages.detection import MEAN_AND_STD, normalising
from ocr_serving.stages.geometry import UPRIGHT, Quad, crop
from ocr_serving.stages.recognition import PlacedText, Text
from ocr_serving.stages.sureness import line, sureness

log = logging.getLogger(__name__)

Turn = Literal[0, 90, 180, 270]
TURNS: tuple[Turn, ...] = get_args(Turn)

SIDE, THUMBNAIL = 224, 256
"""Pixels of the network's square, which is the middle of a picture whose shorter side is `THUMBNAIL`, as PaddleClas cuts it."""

SAMPLE = 10
"""Lines that are read both ways."""

CHARACTERS = 4
"""Characters of each of them that are read alone."""

FEW_LETTERS, LEAST_LETTERS = 12, 4
"""A sample of fewer letters than the first counts only beside a classifier that is sure; of fewer than the second never."""

SURE_GUESS = 0.85
"""Confidence of a classifier that is sure."""

NO_GUESS = 0.5
"""Confidence of one that has seen nothing: where the middle of a sheet is empty it is asked of the part with text …"""

AROUND = 0.1
"""… and this share of its longer side around it."""

BETTER = 0.05
"""How much surer the recogniser must be of lines turned where the classifier says so as well …"""

MUCH_BETTER = 0.2
"""… and where it does not, and then they must be …"""

SURE = 0.75
"""… that sure."""

CERTAIN = 0.97
"""A word alone, as in a logo, is read so upright: on its head, of .94 at the most as seen, it looks like another."""

CERTAINLY = 0.1
"""By how much a word has to be read surer than on its head to say by itself how it lies."""

DOUBTLESS, DOUBTS = 0.975, 3.0
"""Figures such as 0, 6, 8 and 9 read nearly as well on their heads, and only surer upright: what is read with
the first confidence, and is that many times as doubtful the other way, lies as the classifier says."""

DOUBTFUL, FEW_DOUBTFUL = 0.75, 0.95
"""Mean confidence below which a page that was taken for upright is tried on its head; the second where it has few letters."""

UNREADABLE, UNREADABLE_LINES = 0.6, 5
"""A page of that many lines with a lower mean confidence reads badly, whichever way."""


class PageClassifier:
    """Guesses which way up a page lies."""

    def __init__(self, model: Path, options: EngineOptions) -> None:
        """Load the network in `model`. Raises ConfigError or ModelError."""
        # The network comes as ONNX alone, whatever runs the others.
        if options.engine == "paddle":
            options = options.model_copy(update={"engine": "onnxruntime", "enable_mkldnn": False})
        options = options.model_copy(update={"precision": "fp32"})
        source = PixelInput("orientation", (SIDE, SIDE), normalising(*MEAN_AND_STD["DB"]))
        self.network = open_for_pixels(model, options, source)
        if self(np.zeros((SIDE, SIDE, 3), np.uint8)).shape != (len(TURNS),):
            raise ModelError(f"{model} does not tell four orientations of a page: correct doc_orientation_classify_model_dir.")

    def __call__(self, page: Image) -> NDArray[np.float32]:
        """How sure the network is of each of `TURNS`, float32 of shape (4,)."""
        ((sureness, *_),) = self.network.run([Pixels(thumbnail(page), SIDE, SIDE)])
        return np.asarray(sureness, np.float32)


def page_classifier(params: OrientationParams, find: Callable[[str], Path], options: EngineOptions) -> PageClassifier | None:
    """The classifier of pages that `params` ask for, whose folder `find` tells.

    None, and a warning in the log, where it cannot be had and nobody asked for it: a service that had all its models before there
    was this one goes on without it, and so does one that has paddle alone. Raises ConfigError or ModelError where somebody did.
    """
    try:
        return PageClassifier(find(params.doc_orientation_classify_model_dir), options)
    except (ModelError, ConfigError) as exc:
        if params.use_doc_orientation_classify:
            raise
        log.warning("pages that lie turned are read as they lie, until use_doc_orientation_classify can be served: %s", exc)
        return None


def check_loaded(classifier: PageClassifier | None, *, asked: bool | None) -> None:
    """Raises InputError where a request asked for the classifier of pages and the service has none."""
    if asked and classifier is None:
        raise InputError(
            "use_doc_orientation_classify: this service loaded no classifier of pages; start it with "
            "use_doc_orientation_classify = True in params.py."
        )


def thumbnail(page: Image) -> Image:
    """The middle of `page` in a square of `SIDE` pixels, its shorter side scaled to `THUMBNAIL`."""
    height, width = page.shape[:2]
    # Of a long page only the middle is seen: what is far from it need not be scaled.
    reach = int(min(height, width) * SIDE / THUMBNAIL / 2) + 1
    rows, columns = (slice(max(0, side // 2 - reach), side // 2 + reach) for side in (height, width))
    return np.asarray(cv2.resize(page[rows, columns], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def turned_upright(page: Image, turn: Turn) -> Image:
    """`page`, which lies turned by `turn`, upright."""
    return np.ascontiguousarray(np.rot90(page, turn // 90)) if turn else page


def as_sent(points: NDArray[np.float32], turn: Turn, height: int, width: int) -> NDArray[np.float32]:
    """Points, shape (…, 2), of the upright page in pixels of the one that was sent, which has that size."""
    x, y = points[..., 0], points[..., 1]
    if turn == 90:
        return np.stack([width - 1 - y, x], axis=-1)
    if turn == 180:
        return np.stack([width - 1 - x, height - 1 - y], axis=-1)
    if turn == 270:
        return np.stack([y, height - 1 - x], axis=-1)
    return points


def part_with_text(page: Image, quads: Sequence[Quad]) -> Image:
    """The part of `page` around all its lines, for a classifier that would see the middle of the sheet alone."""
    corners = np.asarray(quads, np.float32).reshape(-1, 2)
    (left, top), (right, bottom) = corners.min(axis=0).astype(int).tolist(), corners.max(axis=0).astype(int).tolist()
    around = int(AROUND * max(right - left, bottom - top))
    return page[max(0, top - around) : bottom + around + 1, max(0, left - around) : right + around + 1]


class PageSample(NamedTuple):
    """What the sample of a page says: letters, the mean confidence over them, and whether it may be of a script that is known."""

    letters: str
    confidence: float
    known: bool


def reading(texts: Sequence[Text], crops: Sequence[Image]) -> PageSample:
    """Sum up what lines say, and their pictures."""
    letters = ["".join(filter(str.isalnum, text.text)) for text in texts]
    total = sum(map(len, letters))
    confidence = sum(len(said) * text.confidence for said, text in zip(letters, texts, strict=True)) / max(1, total)
    sure = sureness(line(*text, crop.shape) for text, crop in zip(texts, crops, strict=True))
    return PageSample("".join(letters), confidence, sure is None or sure >= UNREADABLE)


def turn_of(page: Image, quads: Sequence[Quad], guess: NDArray[np.float32], read: Callable[[list[Image]], list[Text]]) -> Turn:
    """How `page` lies, whose lines are `quads` in pixels of it; `guess` is the classifier's, `read` the recogniser.

    Lines that run up or down are read by their crops as PaddleOCR cuts them, which is right where the page was turned by 90.
    """
    guessed = TURNS[int(guess.argmax())]
    across, down = _lengths(quads)
    on_its_side = down > across or (guessed in (90, 270) and 2 * down > across)
    if not quads or (guessed == 0 and not on_its_side):
        return 0
    if guessed == 270 and not on_its_side:
        return 270 if guess.max() >= SURE_GUESS and _stand_on_end(page, quads, read) else 0
    as_it_is, over = _both_ways(page, quads, read, on_its_side=on_its_side)
    letters = max(len(as_it_is.letters), len(over.letters))
    if letters < FEW_LETTERS:
        return _turn_of_few(as_it_is, over, guess, on_its_side=on_its_side) if letters >= LEAST_LETTERS else 0
    upright_columns = mostly_cjk(max(as_it_is, over, key=lambda read: read.confidence).letters)
    if guessed == 90 and not on_its_side:
        # Rows that were upright columns: the recogniser knows their characters lying on the other side.
        return 90 if upright_columns and _is_plain(over, as_it_is) else 0
    if not on_its_side:
        # Letters of a script that the network does not know may look more like those it knows when they stand on their heads.
        surer = over.confidence >= as_it_is.confidence + BETTER or _is_doubtless(over, as_it_is)
        return 180 if over.known and surer else 0
    if upright_columns and guessed in (0, 180):
        return 180 if guessed == 180 and _is_plain(over, as_it_is) else 0
    right, wrong = (over, as_it_is) if guessed == 270 else (as_it_is, over)
    if guessed in (90, 270):
        if right.confidence >= wrong.confidence + BETTER or _is_doubtless(right, wrong):
            return guessed
        other: Turn = 270 if guessed == 90 else 90
        return other if _is_plain(wrong, right) else 0
    if _is_plain(as_it_is, over):
        return 90
    return 270 if _is_plain(over, as_it_is) else 0


def surely(guess: NDArray[np.float32]) -> Turn:
    """What the classifier says where it is sure, else 0."""
    return TURNS[int(guess.argmax())] if guess.max() >= SURE_GUESS else 0


def turn_by_boxes(quads: Sequence[Quad], guess: NDArray[np.float32]) -> Turn:
    """How a page lies of which nothing can be read: as the classifier says where it is sure, and the lines run that way."""
    guessed = surely(guess)
    across, down = _lengths(quads)
    return guessed if quads and (down > across) == (guessed in (90, 270)) else 0


def is_on_its_head(page: Image, quads: Sequence[Quad], read: Callable[[list[Image]], list[Text]]) -> bool:
    """Whether a page that reads badly reads well on its head."""
    across, down = _lengths(quads)
    if down > across:
        return False
    as_it_is, over = _both_ways(page, quads, read, on_its_side=False)
    if len(over.letters) < FEW_LETTERS:
        return _is_certain(over, as_it_is)
    return over.known and _is_plain(over, as_it_is)


def may_be_on_its_head(confidence: float, letters: int) -> bool:
    """Whether a page that was taken for upright, of so many letters, reads so badly that it is to be tried on its head."""
    return confidence < (FEW_DOUBTFUL if LEAST_LETTERS <= letters < FEW_LETTERS else DOUBTFUL)


def mostly_cjk(letters: str) -> bool:
    """Whether half of the letters are such as are set in upright columns."""
    upright = sum("\u2e80" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7af" for letter in letters)
    return 2 * upright > len(letters)


def _turn_of_few(as_it_is: PageSample, over: PageSample, guess: NDArray[np.float32], *, on_its_side: bool) -> Turn:
    """How a page of a word or two lies."""
    guessed = TURNS[int(guess.argmax())]
    right, wrong = (as_it_is, over) if guessed == 90 else (over, as_it_is)
    agree = guessed != 0 and on_its_side == (guessed != 180)
    surer = right.confidence >= max(CERTAIN, wrong.confidence + BETTER) or _is_plain(right, wrong)
    if agree and ((surer and guess.max() >= SURE_GUESS) or _is_doubtless(right, wrong)):
        return guessed
    if not on_its_side or mostly_cjk(max(as_it_is, over, key=lambda read: read.confidence).letters):
        return 0
    if _is_certain(as_it_is, over):
        return 90
    return 270 if _is_certain(over, as_it_is) else 0


def _stand_on_end(page: Image, quads: Sequence[Quad], read: Callable[[list[Image]], list[Text]]) -> bool:
    """Whether the characters of rows stand on their ends, as those of upright columns on a page that lies turned by 270.

    The recogniser knows such rows, and reads them as well as level ones. Of a character alone it knows that, too, but not on its
    head: set up by a quarter it reads well, turned the other way it does not, and of level rows it is the other way round.
    """
    longest = sorted(quads, key=lambda quad: -float(np.linalg.norm(quad[1] - quad[0])))[:SAMPLE]
    crops = [crop(page, quad) for quad in longest]
    texts = read(crops)
    if not mostly_cjk("".join(text.text for text in texts)):
        return False
    cells = []
    for picture, text in zip(crops, texts, strict=True):
        if isinstance(text, PlacedText) and text.text:
            side = picture.shape[0]
            # What is told in the padding behind a line is beyond it.
            last = max(0, picture.shape[1] - side)
            lefts = (min(max(0, round(centre - side / 2)), last) for centre in text.reading.centres[:CHARACTERS].tolist())
            cells += [picture[:, left : left + side] for left in lefts]
    set_up, over = ([np.ascontiguousarray(np.rot90(cell, turns)) for cell in cells] for turns in (-1, 1))
    found = read([*set_up, *over])
    return _is_plain(reading(found[: len(cells)], set_up), reading(found[len(cells) :], over))


def _is_plain(one: PageSample, other: PageSample) -> bool:
    return one.confidence >= max(SURE, other.confidence + MUCH_BETTER)


def _is_certain(one: PageSample, other: PageSample) -> bool:
    return len(one.letters) >= LEAST_LETTERS and one.confidence >= max(CERTAIN, other.confidence + CERTAINLY)


def _is_doubtless(one: PageSample, other: PageSample) -> bool:
    return one.confidence >= DOUBTLESS and 1 - other.confidence >= DOUBTS * (1 - one.confidence)


def _lengths(quads: Sequence[Quad]) -> tuple[float, float]:
    """Length of all lines that run across the page, and of those that run up or down."""
    if not quads:
        return 0.0, 0.0
    corners = np.asarray(quads, np.float64)
    width = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    height = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1)
    return float(width[height < UPRIGHT * width].sum()), float(height[height >= UPRIGHT * width].sum())


def _both_ways(
    page: Image, quads: Sequence[Quad], read: Callable[[list[Image]], list[Text]], *, on_its_side: bool
) -> tuple[PageSample, PageSample]:
    """What the longest lines say as they are, and on their head."""
    corners = np.asarray(quads, np.float64)
    width = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    height = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1)
    runs_so = (height >= UPRIGHT * width) == on_its_side
    longest = np.argsort(-np.where(runs_so, np.maximum(width, height), 0.0))[:SAMPLE]
    crops = [crop(page, quads[index]) for index in longest.tolist() if runs_so[index]]
    over = [np.ascontiguousarray(np.rot90(picture, 2)) for picture in crops]
    texts = read([*crops, *over])
    return reading(texts[: len(crops)], crops), reading(texts[len(crops) :], over)
