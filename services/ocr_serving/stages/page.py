"""A page as it was read: upright, its lines in order, and the way back to the image that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_serving.decoding.images import Image
from ocr_serving.stages.geometry import Quad
from ocr_serving.stages.orientation import Angle
from ocr_serving.stages.page_orientation import UNREADABLE, UNREADABLE_LINES, Turn, as_sent
from ocr_serving.stages.recognition import Text
from ocr_serving.stages.sharpness import is_blank, is_blurred, is_blurred_around, is_noisy

AS_SENT = "coordinates are those of the image as sent"
"""Said of a page that was turned."""


@dataclass(frozen=True)
class UprightPage:
    """A page set upright: `image`, the turn that was undone, clockwise in degrees, and the size (height, width) of what was sent.

    `quads` are its lines in pixels of `image`, in reading order; `remark` is what the detector has to say of it, or "".
    """

    image: Image
    turn: Turn
    size: tuple[int, int]
    quads: list[Quad] = field(default_factory=list)
    remark: str = ""

    def as_sent(self, points: NDArray[np.float32] | Sequence[Sequence[float]]) -> NDArray[np.float32]:
        """Points, shape (…, 2), of the upright page in pixels of the image that was sent."""
        return as_sent(np.asarray(points, np.float32), self.turn, *self.size)

    def as_upright(self, points: NDArray[np.float32] | Sequence[Sequence[float]]) -> NDArray[np.float32]:
        """Points, shape (…, 2), of the image that was sent in pixels of the upright page."""
        back: dict[int, Turn] = {0: 0, 90: 270, 180: 180, 270: 90}
        return as_sent(np.asarray(points, np.float32), back[self.turn], *self.image.shape[:2])

    def box_as_sent(self, box: Sequence[float]) -> list[float]:
        """An upright rectangle x1, y1, x2, y2 of the upright page in pixels of the image that was sent."""
        x1, y1, x2, y2 = box
        corners = self.edges_as_sent(np.array([[x1, y1], [x2, y2]], np.float32))
        return [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]

    def edges_as_sent(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `as_sent`, of points that lie between pixels: 0 is the edge of the page, not the middle of its first pixel."""
        return as_sent(points, self.turn, self.size[0] + 1, self.size[1] + 1)

    @property
    def remarks(self) -> list[str]:
        """What is to be said of it."""
        turned = f"it lies turned by {self.turn} degrees clockwise and was read upright; {AS_SENT}"
        return [remark for remark in (turned if self.turn else "", self.remark) if remark]


@dataclass(frozen=True)
class ReadPage(UprightPage):
    """An upright page and what its lines say.

    `crops` are the pictures that were read, `angles` the angle classifier's, None while it is off. `reading_remark` is what the
    recogniser has to say of it, as the end of a sentence on the page, or "".
    """

    texts: list[Text] = field(default_factory=list)
    crops: list[Image] = field(default_factory=list)
    angles: list[Angle] | None = None
    reading_remark: str = ""

    @property
    def confidence(self) -> float:
        """Mean confidence over the characters of all lines, 0 to 1; of none, 1."""
        total = sum(len(line.text) for line in self.texts)
        return sum(len(line.text) * line.confidence for line in self.texts) / total if total else 1.0

    @property
    def letters(self) -> int:
        """How many letters and digits were read."""
        return sum(character.isalnum() for line in self.texts for character in line.text)

    @property
    def remarks(self) -> list[str]:
        """What is to be said of it."""
        return super().remarks + ([f"it {self.reading_remark}"] if self.reading_remark else [])


MOST = 0.5
"""Share of the area of all lines beyond which what was not read is told."""


DOUBTFUL = 0.88
"""Mean confidence below which a page that is blurred or noisy is told as such, whatever it says."""


def nothing_found(image: Image, sought: str = "text") -> str:
    """What is to be said of a page, BGR uint8 of shape (H, W, 3), without what was sought: that, or that it is blank."""
    return "it is blank, all of one colour" if is_blank(image) else f"no {sought} was found on it"


def unread(page: ReadPage, least: float) -> str:
    """What is to be said of a page that reads badly, or most of which has no text of that confidence, or more; else ""."""
    count = len(page.texts)
    if page.reading_remark:
        return ""
    if not count:
        return nothing_found(page.image)
    if count >= UNREADABLE_LINES and page.confidence < UNREADABLE:
        mean = f"the mean confidence of its {count} lines is {page.confidence:.2f}"
        wanted = "send it larger or sharper, or to a service with the models of its script"
        return f"it reads badly whichever way it lies ({mean}): {wanted}"
    lines = "1 line was" if count == 1 else f"{count} lines were"
    read = [bool(said.text) and said.confidence >= least for said in page.texts]
    if not any(read):
        return f"{lines} found on it, but none was read with a confidence of {least:g} or more: send it larger or sharper"
    if hidden := _hidden(page, read.count(True)):
        return hidden
    areas = np.array([cv2.contourArea(quad.astype(np.float32)) for quad in page.quads])
    if areas[~np.array(read)].sum() <= MOST * areas.sum():
        return ""
    left_out = f"most of what they cover, {read.count(False)} of them, was not read with a confidence of {least:g} or more"
    return f"{lines} found on it, but {left_out}: send it larger or sharper"


def _hidden(page: ReadPage, read: int) -> str:
    """What is to be said of a page on which blur or noise may hide more than was read, or other letters; else ""."""
    if read >= UNREADABLE_LINES and page.confidence >= DOUBTFUL:
        return ""
    found = f"the {read} lines that were read" if read > 1 else "the line that was read"
    if is_blurred(page.crops) or (len(page.quads) < UNREADABLE_LINES and is_blurred_around(page.image, page.quads)):
        return f"it is blurred, or too small: there may be more on it than {found}, and other letters: send it sharper or larger"
    if is_noisy(page.image):
        return f"it is noisy: there may be more on it than {found}, and other letters: send it with more light or better scanned"
    return ""
