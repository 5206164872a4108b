"""Which script lines of text are in, whatever the recogniser makes of them.

A small network, trained by `make train-scripts`, looks at a window of each of a few lines. One line may look like another script's,
most of a page do not: what is said of a page is what several lines say, each of them surely.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, open_engine
from ocr_serving.errors import ModelError
from ocr_serving.stages.sureness import ENOUGH

MODEL = "line_scripts"
"""Its name in the catalogue."""

SCRIPTS = (
    "latin",
    "vietnamese",
    "greek",
    "cyrillic",
    "arabic",
    "hebrew",
    "thai",
    "devanagari",
    "tamil",
    "telugu",
    "hangul",
    "han",
    "other",
    "digits",
    "nothing",
)
"""Classes of the network: "vietnamese" is Latin with Vietnamese letters, "han" has Japanese kana, "other" is of a dozen more,
"digits" has signs, and "nothing" is no text."""

NO_TEXT = ("digits", "nothing")
"""Those that tell nothing of a script."""

HEIGHT, WIDTH = 32, 256
"""Pixels of the window."""

FEW, MANY = 6, 32
"""Lines of a page that are looked at first, and those that are where one of them may be in a script that is not known."""

LONG = 2.5
"""Length of a line, in its heights, that tells its script; shorter ones are looked at where there are no others."""

MAYBE, MOSTLY, SURE = 0.5, 0.65, 0.9
"""Probability of a script that, as a mean, tells it where a page reads badly, and of two lines makes one look at more; that tells
one of `ALIKE` as a mean where a page seems to be read; and that is an answer of one line."""

ALIKE = ("vietnamese", "greek", "cyrillic")
"""Scripts that share shapes with Latin: rows of random capitals, as in codes, look a little like them."""

LEAST = 3
"""Lines that have to be in a script, surely where they are not the most; where a page has fewer, their mean has to be sure."""

SHARE = 0.3
"""Of the lines that are text: lines in a script that are fewer are a name, a stamp, a mistake."""

LETTERS: Mapping[str, str] = {
    "latin": string.ascii_letters,
    "vietnamese": "ơưạảấầẩếềểễệịọốồổộớờợụủứừựỳ",
    "greek": "αβγδεζηθλμνξπρσςτφχψωάέήίόύώ",
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщыьэюя",
    "arabic": "ابتجحخدذرزسشصضطظعغفقكلمنهوي",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "thai": "กขคงจชซดตถทนบปผพฟมยรลวสหอ",
    "devanagari": "कखगघचजटडतदनपबमयरलवसह",
    "tamil": "கஙசஞடணதநபமயரலவழளறன",
    "telugu": "కగచజటడతదనపబమయరలవసహ",
    "hangul": "가나다라마바사아자하은는이",
    "han": "的一是不人日本大中国",
}
"""Letters that a recogniser of a script knows, all of them."""


class ScriptClassifier:
    """Tells the script of lines."""

    def __init__(self, model: Path, options: EngineOptions) -> None:
        """Load the network in `model`. Raises ConfigError or ModelError."""
        # Too small to gain anything from what the others run on.
        plain = {"engine": "onnxruntime", "use_gpu": False, "use_tensorrt": False, "enable_mkldnn": False, "precision": "fp32"}
        self._engine = open_engine(model, options.model_copy(update=plain))
        if self([np.zeros((HEIGHT, WIDTH, 3), np.uint8)]).shape != (1, len(SCRIPTS)):
            raise ModelError(f"{model} does not tell the {len(SCRIPTS)} scripts of this version: fetch it again.")

    def __call__(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        """For each crop of a line, BGR uint8 of shape (H, W, 3), the probability of each of `SCRIPTS`, float32 of shape (N, 15)."""
        (found,) = self._engine.run(np.stack([window(crop) for crop in crops])[:, None])
        return np.asarray(found, np.float32)


def window(crop: Image) -> NDArray[np.float32]:
    """The middle of a line, BGR uint8 of shape (H, W, 3), as the network sees it: float32 of shape (HEIGHT, WIDTH).

    Paper is 0 and ink about 1, whichever is darker. What is shorter than the window is repeated.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    reach = max(1, round(width * HEIGHT / max(1, height)))
    if reach > 2 * WIDTH:
        # Of a long line only the middle need be scaled.
        keep = max(1, round(WIDTH * height / HEIGHT))
        grey = grey[:, (width - keep) // 2 : (width - keep) // 2 + keep]
        reach = WIDTH
    method = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_LINEAR
    line = cv2.resize(grey, (reach, HEIGHT), interpolation=method).astype(np.float32)
    start = max(0, (reach - WIDTH) // 2)
    line = line[:, start : start + WIDTH]
    away = float(np.median(line)) - line
    if float((away**3).mean()) < 0:
        away = -away
    scaled = away / max(float(np.percentile(away, 97)), 8.0)
    repeated = np.tile(scaled, (1, -(-WIDTH // scaled.shape[1])))[:, :WIDTH]
    return np.clip(repeated, -1, 2).astype(np.float32)


Look = Callable[[Sequence[Image]], NDArray[np.float32]]
"""A `ScriptClassifier`, or another that answers like it."""


class Told(NamedTuple):
    """The script that most lines of a page are in that are in one, how many, of how many that were looked at and are text."""

    script: str
    lines: int
    of: int

    @property
    def is_most(self) -> bool:
        """Whether most lines are in it."""
        return 2 * self.lines > self.of


def known_to(characters: Collection[str]) -> frozenset[str]:
    """The scripts that a recogniser of these characters reads."""
    listed = frozenset(characters)
    return frozenset(script for script, letters in LETTERS.items() if listed.issuperset(letters))


def unknown_on(crops: Sequence[Image], known: Collection[str], look: Look) -> Told | None:
    """The script, not one of `known`, that lines of a page are in; None where no line, or too few, surely are.

    `crops` are its lines, BGR uint8 of shape (H, W, 3), in reading order, `look` is a `ScriptClassifier`.
    """
    telling = _telling(crops)
    first = spread(telling, FEW)
    if sum(map(_length, crops)) < ENOUGH:
        return None
    foreign = [n for n, script in enumerate(SCRIPTS) if script not in known and script not in NO_TEXT]
    answers = look([crops[n] for n in first])
    # One line may look like anything.
    if (answers[:, foreign].max(axis=1) >= MAYBE).sum() < min(2, len(first)):
        return None
    more = spread([n for n in telling if n not in first], MANY - FEW)
    if more:
        answers = np.concatenate([answers, look([crops[n] for n in more])])
    return told(answers, [_length(crops[n]) for n in (*first, *more)], foreign)


def script_of(crops: Sequence[Image], look: Look) -> str | None:
    """The script of a page that reads badly, of which less need be sure; None where its lines do not agree on one.

    It may lie on its head: a page that reads badly was not turned.
    """
    chosen = [crops[n] for n in spread(_telling(crops), 2 * FEW)]
    for lines in (chosen, [np.ascontiguousarray(crop[::-1, ::-1]) for crop in chosen]):
        answers = look(lines) if lines else np.zeros((0, len(SCRIPTS)), np.float32)
        text = _is_text(answers)
        if text.any():
            means = np.average(answers[text], axis=0, weights=np.array([_length(line) for line in lines])[text])
            if means.max() >= MAYBE:
                return SCRIPTS[int(means.argmax())]
    return None


def told(answers: NDArray[np.float32], lengths: Sequence[float], among: Sequence[int]) -> Told | None:
    """What `answers`, probabilities of `SCRIPTS` for each line, shape (N, 15), say together of a script `among` those.

    Either the lines that are text are in it on the whole, or some are surely. `lengths` are how much each is to be believed.
    """
    text = _is_text(answers)
    answers, weights = answers[text], np.asarray(lengths, np.float32)[text]
    if weights.sum() < ENOUGH:
        return None
    best, sure = answers.argmax(axis=1), answers.max(axis=1)
    means = np.average(answers, axis=0, weights=weights)
    whole = max(among, key=lambda n: float(means[n]))
    needed = SURE if len(answers) < LEAST else MOSTLY if SCRIPTS[whole] in ALIKE else MAYBE
    if means[whole] >= needed and weights[best == whole].sum() >= ENOUGH:
        return Told(SCRIPTS[whole], int((best == whole).sum()), len(answers))
    surely = {n: (best == n) & (sure >= SURE) for n in among}
    part = max(among, key=lambda n: float(weights[surely[n]].sum()))
    length = float(weights[surely[part]].sum())
    enough = surely[part].sum() >= LEAST and length >= ENOUGH and length > SHARE * weights.sum()
    return Told(SCRIPTS[part], int(surely[part].sum()), len(answers)) if enough else None


def _is_text(answers: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which lines have letters."""
    return ~np.isin(answers.argmax(axis=1), [SCRIPTS.index(script) for script in NO_TEXT])


def _telling(crops: Sequence[Image]) -> list[int]:
    return [n for n, crop in enumerate(crops) if _length(crop) >= LONG] or list(range(len(crops)))


def _length(crop: Image) -> float:
    """Of a line in its heights, as far as it is seen."""
    height, width = int(crop.shape[0]), int(crop.shape[1])
    return min(width / max(1, height), WIDTH / HEIGHT)


def spread(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of `numbers`, at like distances."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[round(at)] for at in np.linspace(0, len(numbers) - 1, most)]
